/*
 * Connections to an upstream: names to addresses, TCP, TLS, a pool of kept-alive ones, and how many
 * there may be. A peer is one connection; it serves one exchange at a time. Runtime state is per
 * worker.
 *
 *   pool.c  which server, the pool, limits, health
 *   connect.c      one connection from its name to its handshake
 */
#ifndef TG_UPSTREAM_H
#define TG_UPSTREAM_H

#include "net/socket.h"
#include "net/timer.h"
#include "process/worker.h"
#include "upstream/addresses.h"

enum tg_upstream_conn_state {
    TG_UPSTREAM_CONN_PENDING = 1, /* max_connections are open: waits for one of them */
    TG_UPSTREAM_CONN_RESOLVING,
    TG_UPSTREAM_CONN_CONNECTING, /* TCP */
    TG_UPSTREAM_CONN_HANDSHAKE,  /* TLS */
    TG_UPSTREAM_CONN_BUSY,       /* serves an exchange */
    TG_UPSTREAM_CONN_IDLE        /* in the pool */
};

struct tg_upstream_server_state;

struct tg_upstream_conn {
    uint32_t magic;
    struct tg_upstream *upstream;
    struct tg_upstream_server_state *home;   /* the server it belongs to; NULL while pending */
    const struct tg_upstream_server *origin; /* the same as configured */
    struct tg_socket wire;
    struct tg_timer timer; /* idle: keepalive_timeout; connecting: of one attempt among several */
    enum tg_upstream_conn_state state;
    struct tg_exchange *exchange;            /* NULL while idle */
    struct evdns_getaddrinfo_request *query; /* while resolving */
    struct tg_addresses *addresses; /* owned; to try, next being the one to come; NULL: connected */
    unsigned next;
    uint64_t tried;    /* servers that failed, one bit each */
    bool reused;       /* came from the pool: its failure before any answer may be retried */
    bool retry;        /* counts against max_retries */
    uint64_t requests; /* served */
    struct tg_buf in;  /* a partial response head */
    char address[TG_ADDRESS_TEXT];    /* "10.0.0.1:443", for logs */
    struct tg_upstream_conn *sibling; /* in the pool, or in the queue */
};

/* Makes the runtime state of every upstream of the worker's settings. */
void tg_upstreams_open(struct tg_worker *w);

/* Ends pools. Peers in use must be gone. */
void tg_upstreams_end(struct tg_worker *w);

/* Closes idle peers (drain). */
void tg_upstreams_close_idle(struct tg_worker *w);

/*
 * Gets the exchange a connection: one from the pool (unless `fresh`, for a retry), else a new one,
 * else a place in the queue. Sets x->peer at once. tg_exchange_peer_ready() or
 * tg_exchange_peer_failed() follows, perhaps before this returns.
 */
void tg_upstream_take(struct tg_worker *w, const struct tg_upstream_conf *conf,
                      struct tg_exchange *x, bool fresh);

/* False while max_retries requests to the peer's upstream are being tried again. */
bool tg_upstream_conn_may_retry(const struct tg_upstream_conn *p);

/* The exchange of this peer ended with `error`: what is the server's fault counts against it
 * (max_fails). NULL is fine. */
void tg_upstream_conn_judge(struct tg_upstream_conn *p, enum tg_error error);

/* Gives a connection back to the pool, or closes it when the pool is full; nulls the pointer. Only
 * for one whose last answer ended exactly where its bytes ended. */
void tg_upstream_conn_give(struct tg_upstream_conn **peer);

/* Closes a connection in any state; nulls the pointer. NULL inside is fine. */
void tg_upstream_conn_end(struct tg_upstream_conn **peer);

#endif
