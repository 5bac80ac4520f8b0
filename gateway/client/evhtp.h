/*
 * libevhtp, and nothing else speaks to it. It owns what a server owns: the listening socket, a
 * connection and a request object with their life and their end. It never sees a byte from the
 * network: each request the guard took is handed to it as one canonical head without fields
 * or path ("PUT / HTTP/1.1"), and bodies and answers pass it by. Its bufferevent never reads or
 * writes, and all connections share one, with the parser; the socket belongs to the wire.
 */
#ifndef TG_CLIENT_EVHTP_H
#define TG_CLIENT_EVHTP_H

#include "base/str.h"

#include <stdbool.h>

struct tg_worker;
struct tg_listen;
struct tg_server_conf;
struct tg_evhtp;
struct tg_conn;
struct evhtp_connection; /* one connection as libevhtp sees it */

/* Listens on `listen->fd` (non-blocking, already listening; the front closes it). */
struct tg_evhtp *tg_evhtp_open(struct tg_worker *w, const struct tg_server_conf *server,
                               const struct tg_listen *listen);

/* Stops listening; connections go on. */
void tg_evhtp_stop(struct tg_evhtp *f);

/* Frees a stopped front; its connections must be gone. */
void tg_evhtp_end(struct tg_evhtp *f);

/* The next front of the same worker, or NULL. */
struct tg_evhtp *tg_evhtp_next(const struct tg_evhtp *f);

/* Takes new connections, or leaves them in the kernel's queue. */
void tg_evhtp_accept(struct tg_evhtp *f, bool on);

/*
 * Hands libevhtp the canonical head of a request of `c`; it calls back before this returns, and
 * tg_conn_dispatch() has run.
 */
void tg_evhtp_request(struct evhtp_connection *connection, struct tg_conn *c, struct tg_str method);

/* The request in flight is answered: libevhtp frees it and is ready for the next one. */
void tg_evhtp_finish(struct evhtp_connection *connection);

/* Ends the connection for libevhtp, with the request in flight: its objects are freed. The socket
 * stays open. */
void tg_evhtp_close(struct evhtp_connection *connection);

#endif
