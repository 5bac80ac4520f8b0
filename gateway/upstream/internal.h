/* What pool.c and connect.c share. Nothing else includes it. */
#ifndef TG_UPSTREAM_INTERNAL_H
#define TG_UPSTREAM_INTERNAL_H

#include "upstream/upstream.h"

#define TG_UPSTREAM_CONN_MAGIC 0x70656572U

/* Connections in the order they came. */
struct tg_upstream_queue {
    struct tg_upstream_conn *first;
    struct tg_upstream_conn **last;
};

/* What one worker knows of one server of an upstream. */
struct tg_upstream_server_state {
    struct tg_upstream *upstream;
    const struct tg_upstream_server *origin;
    struct tg_addresses addresses;
    struct tg_lookup *lookup;         /* under way, or NULL */
    bool looks_for_more;              /* the look-up has found one family already */
    struct tg_upstream_queue waiting; /* for the look-up */
    uint64_t valid_until;             /* of the addresses, monotonic; 0: never resolved */
    uint64_t ttl_until;  /* the same by the name's own record; UINT64_MAX: it is not known */
    unsigned fails;      /* since `window` began */
    uint64_t window;     /* monotonic */
    uint64_t down_until; /* passed over until then, monotonic */
    struct tg_upstream_conn *idle; /* newest first: the others may time out */
};

struct tg_upstream {
    struct tg_upstreams *all;
    const struct tg_upstream_conf *conf;
    struct tg_upstream_server_state *origins;
    unsigned turn;  /* round robin over origins */
    unsigned nopen; /* connections, busy and idle and on their way */
    unsigned nidle;
    unsigned nretries;
    unsigned npending; /* clients' requests in `pending` */
    struct tg_upstream_queue pending;
    struct event wake; /* a connection is free: the queue moves on, outside of anybody's callback */
    struct tg_upstream *next;
};

/* A queue without connections; one more at its end; one of them leaves it (pool.c). */
void tg_upstream_queue_init(struct tg_upstream_queue *q);
void tg_upstream_queue_add(struct tg_upstream_queue *q, struct tg_upstream_conn *p);
void tg_upstream_queue_remove(struct tg_upstream_queue *q, struct tg_upstream_conn *p);

/*
 * True when the addresses of the connection's server have to be looked up: the connection waits
 * then, RESOLVING, in home->waiting. tg_upstream_conn_try() or tg_upstream_conn_server_failed()
 * follows from the loop (names.c).
 */
bool tg_upstream_conn_await_addresses(struct tg_upstream_conn *p);

/* Ends a look-up under way; nobody must be waiting (names.c). */
void tg_upstream_server_end(struct tg_upstream_server_state *home);

/* Starts connecting a peer that has a home (connect.c). */
void tg_upstream_conn_begin(struct tg_upstream_conn *p);

/* Tries the addresses of the connection's server, of which there is at least one (connect.c). */
void tg_upstream_conn_try(struct tg_upstream_conn *p);

/* The server cannot be had: tries the next one, or tells the owner with the next turn of the loop
 * (connect.c). */
void tg_upstream_conn_server_failed(struct tg_upstream_conn *p, enum tg_error error,
                                    const char *why);

/* Closes the socket and forgets addresses to try (connect.c). */
void tg_upstream_conn_disconnect(struct tg_upstream_conn *p);

/* The peer's timer (connect.c). */
void tg_upstream_conn_on_deadline(void *owner);

/* The connection cannot be had: its owner is told with the next turn of the loop; `why` is copied
 * (connect.c). */
void tg_upstream_conn_fail(struct tg_upstream_conn *p, enum tg_error error, const char *why);

/* A server could not be connected to: gives the peer another home. False when all were tried
 * (pool.c). */
bool tg_upstream_conn_move(struct tg_upstream_conn *p);

/* How many servers the peer has not tried (pool.c). */
unsigned tg_upstream_conn_untried(const struct tg_upstream_conn *p);

#endif
