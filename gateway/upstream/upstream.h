/*
 * Connections to an upstream: names to addresses, TCP, TLS, a pool of kept-alive ones, and how many
 * there may be. A connection serves one request at a time and tells its owner what happens; who
 * that is it does not know. Runtime state is per worker.
 *
 *   queue.c    connections that wait
 *   servers.c  which server, health
 *   names.c    the addresses of servers, and who waits for them
 *   connect.c  one connection from its addresses to its handshake
 *   tunnel.c   what is said to a forward proxy, and what it answers
 *   pool.c     the pool, limits
 *   fetch.c    requests of the gateway's own (fetch.h)
 */
#ifndef TG_UPSTREAM_H
#define TG_UPSTREAM_H

#include "net/addresses.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "net/socket.h"
#include "net/timer.h"
#include "settings/settings.h"
#include "shm/servers.h"

struct tg_upstream;
struct tg_upstream_server_state;

enum tg_upstream_conn_state {
    TG_UPSTREAM_CONN_PENDING = 1, /* max_connections are open: waits for one of them */
    TG_UPSTREAM_CONN_RESOLVING,
    TG_UPSTREAM_CONN_CONNECTING, /* TCP */
    TG_UPSTREAM_CONN_OUTER,      /* TLS with the proxy */
    TG_UPSTREAM_CONN_TUNNEL,     /* the proxy was asked for a tunnel */
    TG_UPSTREAM_CONN_HANDSHAKE,  /* TLS with the server */
    TG_UPSTREAM_CONN_FAILED,     /* cannot be had: on_failed follows with the next turn */
    TG_UPSTREAM_CONN_BUSY,       /* serves its owner */
    TG_UPSTREAM_CONN_IDLE        /* in the pool */
};

/* What one worker has of all upstreams. */
struct tg_upstreams {
    struct tg_loop *loop;
    struct tg_resolver *resolver;
    struct tg_upstream *first;
    unsigned live; /* connections, zero when all has ended in order */
};

struct tg_upstream_conn;

/*
 * What a connection tells its owner, none of it inside tg_upstream_take(). Inside any of these the
 * owner may end the connection.
 */
struct tg_upstream_conn_events {
    /* The connection is there. `p` may be another one than the owner took: a place in the queue
     * became a connection of the pool, and the connection that stood for the place is gone. */
    void (*on_ready)(void *owner, struct tg_upstream_conn *p);
    /* No server could be connected to, or max_pending requests wait already; `why` lives as long as
     * the connection, which the owner ends. */
    void (*on_failed)(void *owner, enum tg_error error, const char *why);
    /* While the connection is busy: struct tg_socket_events. */
    void (*on_readable)(void *owner);
    void (*on_drained)(void *owner);
    void (*on_progress)(void *owner);
    void (*on_broken)(void *owner);
};

struct tg_upstream_conn {
    uint32_t magic;
    struct tg_upstream *upstream;
    struct tg_upstream_server_state *home;   /* the server it belongs to; NULL while pending */
    const struct tg_upstream_server *server; /* the same as configured */
    struct tg_upstream_server_state *via;    /* whose addresses are connected to: `home`, or the
                                                upstream's proxy, which makes a tunnel to `home` */
    struct tg_socket socket;
    struct tg_timer timer; /* idle: keepalive_timeout; connecting: of one attempt among several */
    enum tg_upstream_conn_state state;
    const struct tg_upstream_conn_events *events;
    void *owner;                    /* NULL while idle */
    struct tg_addresses *addresses; /* owned; to try, next being the one to come; NULL: connected */
    unsigned next;
    uint64_t deadline;    /* of all attempts together, monotonic: connect_timeout */
    enum tg_error error;  /* while FAILED, with `why` */
    char *why;            /* owned; NULL unless FAILED */
    uint64_t tried;       /* servers that failed, one bit each */
    bool reused;          /* came from the pool: its failure before any answer may be retried */
    bool retry;           /* counts against max_retries */
    bool own;             /* for a request of the gateway's own */
    uint64_t requests;    /* served */
    uint64_t begun;       /* when it left the queue to be made, monotonic */
    struct tg_buf failed; /* what was tried for it in vain and why, one line each, for the record */
    struct tg_buf in;     /* a partial response head */
    char address[TG_ADDRESS_TEXT];    /* "10.0.0.1:443", for logs; through a proxy the name */
    char proxy[TG_ADDRESS_TEXT];      /* the proxy's, the same; "": there is none */
    struct tg_upstream_conn *sibling; /* in the pool, or in a queue */
};

/* Makes the runtime state of the upstreams of `conf` (a list, outlives it) in a zeroed *all. */
void tg_upstreams_open(struct tg_upstreams *all, struct tg_loop *loop,
                       const struct tg_upstream_conf *conf);

/* Shares what is known of the servers with other workers from now on. */
void tg_upstreams_share(struct tg_upstreams *all, struct tg_server_table *table);

/* Ends the resolver, then the pools. Connections in use must be gone. */
void tg_upstreams_end(struct tg_upstreams *all);

/* Closes idle connections (drain). */
void tg_upstreams_close_idle(struct tg_upstreams *all);

/* Closes the oldest idle connection of the upstream that has the most. False: none is idle. */
bool tg_upstreams_shed(struct tg_upstreams *all);

/* What a connection is taken for, or-ed. */
enum tg_upstream_use {
    TG_UPSTREAM_RETRY = 1 << 0, /* a second attempt: none from the pool, counts in max_retries */
    TG_UPSTREAM_OWN = 1 << 1    /* the gateway's own request: waits beside max_pending, and what
                                   becomes of it does not count in max_fails */
};

/*
 * Takes a connection for `owner`: one from the pool (unless for a retry), which is BUSY already;
 * else a new one, or a place in the queue: an event tells what becomes of it. `use`: enum
 * tg_upstream_use.
 */
struct tg_upstream_conn *tg_upstream_take(struct tg_upstreams *all,
                                          const struct tg_upstream_conf *conf, unsigned use,
                                          const struct tg_upstream_conn_events *events,
                                          void *owner);

/* The configuration of the upstream of that name, or NULL. */
const struct tg_upstream_conf *tg_upstreams_find(const struct tg_upstreams *all,
                                                 struct tg_str name);

enum { TG_UPSTREAM_WORDS = 240 };

/* Writes what a connection that is not there yet waits for: its server, address or proxy, and the
 * step. Returns what it means when that took too long. */
enum tg_error tg_upstream_conn_awaited(const struct tg_upstream_conn *p,
                                       char out[TG_UPSTREAM_WORDS]);

/* Appends the value of Host for requests to a server: the upstream's `host`, else that of the
 * server, with its port unless it is the usual one. */
void tg_upstream_conn_host(const struct tg_upstream_conn *p, struct tg_buf *out);

/* How many other servers a connection was moved to before it was there, or could not be had. */
unsigned tg_upstream_conn_moves(const struct tg_upstream_conn *p);

/* False while max_retries requests to the connection's upstream are being tried again. */
bool tg_upstream_conn_may_retry(const struct tg_upstream_conn *p);

/* The request on this connection ended with `error`: what is the server's fault counts against it
 * (max_fails). Who closed a tunnel nobody can tell: that counts against no server. NULL is fine. */
void tg_upstream_conn_judge(struct tg_upstream_conn *p, enum tg_error error);

/* The server answered a request on this connection to its end. */
void tg_upstream_conn_answered(struct tg_upstream_conn *p);

/* Gives a connection back to the pool, or closes it when the pool is full; nulls the pointer. Only
 * for one whose last answer ended exactly where its bytes ended. */
void tg_upstream_conn_give(struct tg_upstream_conn **conn);

/* Closes a connection in any state; nulls the pointer. NULL inside is fine. */
void tg_upstream_conn_end(struct tg_upstream_conn **conn);

#endif
