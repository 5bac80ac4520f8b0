/*
 * All connections of clients that a worker has: where it listens, how many there may be, which go
 * when there are too many; and what connections tell who serves their requests.
 */
#ifndef TG_CLIENT_CLIENTS_H
#define TG_CLIENT_CLIENTS_H

#include "http/errors.h"
#include "http/request_head.h"
#include "net/loop.h"
#include "settings/settings.h"
#include "shm/shared.h"

struct tg_client_listener;
struct tg_conn;

/*
 * What a connection tells of requests. The first two get the owner of struct tg_clients and set
 * c->exchange; the others get that pointer, while it is not NULL. None of them closes the
 * connection, or ends the request with tg_conn_finish(), before it returns.
 */
struct tg_client_events {
    /* A request's head is complete, `raw` being its bytes: both are copied. */
    void (*on_request)(void *owner, struct tg_conn *c, const struct tg_request_head *head,
                       struct tg_str raw);
    /* What came cannot become a request; `raw` is what there is of it. */
    void (*on_unreadable)(void *owner, struct tg_conn *c, struct tg_str raw, enum tg_error error,
                          const char *why);
    /* Bytes of the body, transfer coding removed (copied), and its end. Not after
     * tg_conn_drop_body(), but for the end of what the same step had begun. */
    void (*on_body)(void *exchange, struct tg_str data);
    void (*on_body_end)(void *exchange);
    /* All bytes of one read are handed out. */
    void (*on_read_done)(void *exchange);
    /* The framing of the body is broken; it did not come in time. */
    void (*on_bad_body)(void *exchange, const char *why);
    void (*on_timeout)(void *exchange, const char *why);
    /* The client does not take its answer: the connection closes, on_gone follows. */
    void (*on_stuck)(void *exchange);
    /* The client has taken all that was queued. */
    void (*on_drained)(void *exchange);
    /* The connection is closed and must not be used any more. */
    void (*on_gone)(void *exchange);
};

struct tg_clients {
    struct tg_loop *loop;
    const struct tg_shared *shared;
    const struct tg_client_events *events;
    void *owner;
    struct tg_client_listener *listeners;
    struct tg_conn *first; /* all connections, the newest first */
    unsigned live;         /* how many; zero when all has ended in order */
    unsigned most;         /* worker_connections */
};

/* Listens on the sockets of the servers of `settings` (bound already; outlives it). The members
 * loop, shared, events and owner are set, the others zero. */
void tg_clients_open(struct tg_clients *all, const struct tg_settings *settings);

/* Stops listening; connections go on. Harmless when repeated. */
void tg_clients_stop(struct tg_clients *all);

/* A connection was made, and counts from now on. */
void tg_clients_add(struct tg_clients *all, struct tg_conn *c);

/* A connection ends: the next one may be accepted again if there was no room. */
void tg_clients_remove(struct tg_clients *all, struct tg_conn *c);

/* True when there may be more connections. */
bool tg_clients_has_room(const struct tg_clients *all);

/* Closes a share of the connections of the first rank, those that have waited longest. A sixteenth
 * of the span between the one that has waited longest and the newest goes at once, so that the walk
 * over all connections is not made for each new one. False when there is none. No request under way
 * is ended: whoever calls may be in the middle of one. */
bool tg_clients_shed(struct tg_clients *all);

/* Half closes every connection that has been idle for a second and has nothing to read (drain). */
void tg_clients_drain_idle(struct tg_clients *all);

/* Closes all connections. */
void tg_clients_close(struct tg_clients *all);

/* Frees what listened: stopped, without connections. */
void tg_clients_end(struct tg_clients *all);

/* Gives the memory back that libevhtp's objects would be made of again. */
void tg_clients_trim(void);

#endif
