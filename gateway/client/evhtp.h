/*
 * libevhtp, and nothing else speaks to it. It owns what a server owns: the listening socket, a
 * connection and a request object with their life and their end. It never sees a byte from the
 * network: each request whose head was taken is handed to it as one canonical head without fields
 * or path ("PUT / HTTP/1.1"), and bodies and answers pass it by. Its bufferevent never reads or
 * writes, and all connections share one, with the parser; the socket belongs to the connection.
 */
#ifndef TG_CLIENT_EVHTP_H
#define TG_CLIENT_EVHTP_H

#include "base/str.h"

#include <stdbool.h>

struct event_base;
struct sockaddr;
struct tg_evhtp;
struct evhtp_connection; /* one connection as libevhtp sees it */

/* What a listening socket tells its owner. */
struct tg_evhtp_events {
    /* A connection came: the owner takes `fd` over, and `connection` until tg_evhtp_close(). The
     * address is the client's, borrowed. */
    void (*on_accept)(void *owner, struct evhtp_connection *connection, int fd,
                      const struct sockaddr *address);
    /* A pause has passed: false makes another one. */
    bool (*may_accept)(void *owner);
    /* Accepting failed with `error`: true when it may be tried again at once, false pauses. */
    bool (*made_room)(void *owner, int error);
};

/* Listens on `fd` (non-blocking, listening already; libevhtp closes it). `text` is its address for
 * logs, and lives as long as the result. */
struct tg_evhtp *tg_evhtp_open(struct event_base *base, int fd, const char *text,
                               const struct tg_evhtp_events *events, void *owner);

/* Stops listening; connections go on. */
void tg_evhtp_stop(struct tg_evhtp *f);

/* Frees what tg_evhtp_open() made: stopped, its connections gone. */
void tg_evhtp_end(struct tg_evhtp *f);

/* Takes new connections, or leaves them in the kernel's queue. */
void tg_evhtp_accept(struct tg_evhtp *f, bool on);

/* Leaves new connections in the kernel's queue for 100 ms. */
void tg_evhtp_pause(struct tg_evhtp *f);

/* Hands libevhtp the canonical head of a request: when this returns, its request object is there
 * (CHECKed). */
void tg_evhtp_request(struct evhtp_connection *connection, struct tg_str method);

/* The request in flight is answered: libevhtp frees it and is ready for the next one. */
void tg_evhtp_finish(struct evhtp_connection *connection);

/* Ends the connection for libevhtp, with the request in flight: its objects are freed. The socket
 * stays open. */
void tg_evhtp_close(struct evhtp_connection *connection);

#endif
