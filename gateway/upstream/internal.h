/* What pool.c and connect.c share. Nothing else includes it. */
#ifndef TG_UPSTREAM_INTERNAL_H
#define TG_UPSTREAM_INTERNAL_H

#include "upstream/upstream.h"

#define TG_UPSTREAM_CONN_MAGIC 0x70656572U

/* What one worker knows of one server of an upstream. */
struct tg_upstream_server_state {
    const struct tg_upstream_server *origin;
    struct tg_addresses addresses;
    uint64_t valid_until; /* of the addresses, monotonic; 0: never resolved */
    uint64_t ttl_until;   /* the same by the name's own record; UINT64_MAX: it is not known */
    unsigned fails;       /* since `window` began */
    uint64_t window;      /* monotonic */
    uint64_t down_until;  /* passed over until then, monotonic */
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
    unsigned npending;
    struct tg_upstream_conn *pending; /* oldest first */
    struct tg_upstream_conn **last_pending;
    struct event wake; /* a connection is free: the queue moves on, outside of anybody's callback */
    struct tg_upstream *next;
};

/* Ends the resolver, with the last callbacks of its queries (connect.c). */
void tg_upstreams_end_dns(struct tg_upstreams *all);

/* Starts connecting a peer that has a home (connect.c). */
void tg_upstream_conn_begin(struct tg_upstream_conn *p);

/* Closes the socket and ends a query under way. True when the memory can go now; false when the
 * query's last callback frees it (connect.c). */
bool tg_upstream_conn_disconnect(struct tg_upstream_conn *p);

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
