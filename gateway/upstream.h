/*
 * Connections to an upstream: names to addresses, TCP, TLS, and a pool of kept-alive ones. A peer
 * is one connection; it serves one exchange at a time. Runtime state is per worker.
 */
#ifndef TG_UPSTREAM_H
#define TG_UPSTREAM_H

#include "timer.h"
#include "wire.h"
#include "worker.h"

enum tg_peer_state {
    TG_PEER_RESOLVING = 1,
    TG_PEER_CONNECTING, /* TCP */
    TG_PEER_HANDSHAKE,  /* TLS */
    TG_PEER_BUSY,       /* serves an exchange */
    TG_PEER_IDLE        /* in the pool */
};

enum { TG_MAX_ADDRESSES = 8 };

/* Addresses of one origin, in the order to try them. */
struct tg_addresses {
    struct sockaddr_storage address[TG_MAX_ADDRESSES];
    socklen_t len[TG_MAX_ADDRESSES];
    unsigned n;
};

struct tg_peer {
    uint32_t magic;
    struct tg_upstream *upstream;
    const struct tg_origin *origin;
    struct tg_wire wire;
    struct tg_timer idle; /* keepalive_timeout, in the pool only */
    enum tg_peer_state state;
    struct tg_exchange *exchange;            /* NULL while idle */
    struct evdns_getaddrinfo_request *query; /* while resolving */
    struct tg_addresses addresses;           /* to try; next is the one in use or to come */
    unsigned next;
    bool reused;             /* came from the pool: its failure before any answer may be retried */
    uint64_t requests;       /* served */
    struct tg_buf in;        /* a partial response head */
    char address[80];        /* "10.0.0.1:443", for logs */
    struct tg_peer *sibling; /* in the pool */
};

/* Makes the runtime state of every upstream of the worker's settings. */
void tg_upstreams_open(struct tg_worker *w);

/* Ends pools. Peers in use must be gone. */
void tg_upstreams_end(struct tg_worker *w);

/* Closes idle peers (drain). */
void tg_upstreams_close_idle(struct tg_worker *w);

/*
 * Gets the exchange a connection: one from the pool (unless `fresh`), else a new one. Sets
 * x->peer at once. tg_exchange_peer_ready() or tg_exchange_peer_failed() follows, perhaps before
 * this returns.
 */
void tg_upstream_take(struct tg_worker *w, const struct tg_upstream_conf *conf,
                      struct tg_exchange *x, bool fresh);

/* Gives a connection back to the pool, or closes it when the pool is full; nulls the pointer. Only
 * for one whose last answer ended exactly where its bytes ended. */
void tg_peer_give(struct tg_peer **peer);

/* Closes a connection in any state; nulls the pointer. NULL inside is fine. */
void tg_peer_end(struct tg_peer **peer);

#endif
