/* What the files of upstream/ share. Nothing else includes it. */
#ifndef TG_UPSTREAM_INTERNAL_H
#define TG_UPSTREAM_INTERNAL_H

#include "upstream/upstream.h"

#define TG_UPSTREAM_CONN_MAGIC 0x70656572U

/* Connections in the order they came. */
struct tg_upstream_queue {
    struct tg_upstream_conn *first;
    struct tg_upstream_conn **last;
};

/* The look-up that a connection waited for has ended: `why` is NULL when there are addresses, else
 * says what went wrong. The connection is CONNECTING, in no queue, its timer is off. */
typedef void tg_upstream_looked_up(struct tg_upstream_conn *p, const char *why);

/* What one worker knows of one server of an upstream. */
struct tg_upstream_server_state {
    struct tg_upstream *upstream;
    const struct tg_upstream_server *server;
    struct tg_addresses addresses;
    struct tg_lookup *lookup;            /* under way, or NULL */
    bool looks_for_more;                 /* the look-up has found one family already */
    struct tg_upstream_queue waiting;    /* for the look-up */
    tg_upstream_looked_up *on_looked_up; /* of those that wait */
    uint64_t valid_until;                /* of the addresses, monotonic; 0: never resolved */
    uint64_t ttl_until; /* the same by the name's own record; UINT64_MAX: it is not known */
    struct tg_server_health *health; /* what all workers know of it, or `own` */
    struct tg_server_health own;
    struct tg_upstream_conn *idle; /* newest first: the others may time out */
};

struct tg_upstream {
    struct tg_upstreams *all;
    const struct tg_upstream_conf *conf;
    struct tg_upstream_server_state *servers;
    struct tg_upstream_server_state *proxy; /* owned; NULL: servers are connected to directly. Its
                                               addresses are used, its health is not */
    unsigned turn;                          /* round robin over servers */
    unsigned nopen;                         /* connections, busy and idle and on their way */
    unsigned nidle;
    unsigned nretries;
    unsigned npending; /* clients' requests in `pending` */
    struct tg_upstream_queue pending;
    struct event wake; /* a connection is free: the queue moves on, outside of anybody's callback */
    struct tg_upstream *next;
};

/* --- queue.c --- */

/* Makes *q a queue without connections. */
void tg_upstream_queue_init(struct tg_upstream_queue *q);

/* Puts a connection that is in no queue behind the others. */
void tg_upstream_queue_add(struct tg_upstream_queue *q, struct tg_upstream_conn *p);

/* Takes a connection out of the queue it is in (CHECKed). */
void tg_upstream_queue_remove(struct tg_upstream_queue *q, struct tg_upstream_conn *p);

/* --- servers.c --- */

/* The next server in turn that is up and not in `tried` (bits), a backup if there is no other; when
 * none is up, the one that is up again first; NULL when all were tried. */
struct tg_upstream_server_state *tg_upstream_pick(struct tg_upstream *u, uint64_t tried);

/* True for a backup while one of the others is up: its connections are not kept. */
bool tg_upstream_server_stands_by(const struct tg_upstream_server_state *home);

/* Makes `home` the connection's server. */
void tg_upstream_conn_settle(struct tg_upstream_conn *p, struct tg_upstream_server_state *home);

/* A server could not be connected to: gives the connection another home. False when all were
 * tried. */
bool tg_upstream_conn_move(struct tg_upstream_conn *p);

/* How many servers the connection has not tried. */
unsigned tg_upstream_conn_untried(const struct tg_upstream_conn *p);

/* --- names.c --- */

/*
 * True when the addresses of the connection's server, or of its proxy, have to be looked up: the
 * connection waits then, RESOLVING, in via->waiting, and on_looked_up() follows from the loop
 * unless it leaves the queue before.
 */
bool tg_upstream_conn_await_addresses(struct tg_upstream_conn *p,
                                      tg_upstream_looked_up *on_looked_up);

/* Ends a look-up under way; nobody must be waiting. */
void tg_upstream_server_end(struct tg_upstream_server_state *home);

/* --- tunnel.c --- */

/* True for a connection through a proxy. */
bool tg_upstream_conn_is_tunnelled(const struct tg_upstream_conn *p);

/* Asks the proxy, which is connected to, for a tunnel to the connection's server. False: the
 * connection is broken. */
bool tg_upstream_tunnel_ask(struct tg_upstream_conn *p);

/* What a proxy said to that. */
struct tg_tunnel_answer {
    enum tg_error error;         /* DONE: the tunnel stands */
    char why[TG_UPSTREAM_WORDS]; /* else, for the log */
};

/* Reads what there is of the proxy's answer; false when its end is not there. */
bool tg_upstream_tunnel_answered(struct tg_upstream_conn *p, struct tg_tunnel_answer *out);

/* --- connect.c --- */

/* Starts connecting a connection that has a home. */
void tg_upstream_conn_begin(struct tg_upstream_conn *p);

/* Closes the socket and forgets addresses to try. */
void tg_upstream_conn_disconnect(struct tg_upstream_conn *p);

/* The connection's timer fired; `owner` is the connection. */
void tg_upstream_conn_on_deadline(void *owner);

/* The connection cannot be had: its owner is told with the next turn of the loop; `why` is
 * copied. */
void tg_upstream_conn_fail(struct tg_upstream_conn *p, enum tg_error error, const char *why);

#endif
