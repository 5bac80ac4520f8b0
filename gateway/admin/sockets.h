/*
 * The addresses of the admin block: one HTTP server of libevent for each kind of them, since who
 * can connect decides what may be asked.
 */
#ifndef TG_ADMIN_SOCKETS_H
#define TG_ADMIN_SOCKETS_H

#include "settings/settings.h"

#include <event2/http.h>

/* Who can connect: who may open a file, whoever is on this machine, anybody. */
enum tg_admin_peer { TG_PEER_UNIX, TG_PEER_LOCAL, TG_PEER_ANY, TG_PEERS };

/* Gets each request, which it answers. */
typedef void tg_admin_taker(void *owner, struct evhttp_request *request, enum tg_admin_peer from);

struct tg_admin_conn;

/* Lives where it is put. */
struct tg_admin_sockets {
    uint32_t magic;
    struct evhttp *http[TG_PEERS];
    struct tg_admin_conn *first; /* the newest first */
    unsigned most;               /* connections */
    tg_admin_taker *take;
    void *owner;
};

/* Listens on the sockets of settings->admin_listens; `take` and `owner` are set. */
void tg_admin_sockets_open(struct tg_admin_sockets *s, struct event_base *base,
                           const struct tg_settings *settings);

/* The whole answer to `request` is about to be handed to libevent: from now on its connection may
 * give way to others. One that is not answered yet never does, and may be gone. */
void tg_admin_sockets_answered(struct tg_admin_sockets *s, struct evhttp_request *request);

/* True when nothing of those answers waits for clients to take it. */
bool tg_admin_sockets_all_sent(struct tg_admin_sockets *s);

/* Accepts no more: who connects waits in the queue of the socket. */
void tg_admin_sockets_unbind(struct tg_admin_sockets *s);

/* Closes all connections, and the sockets. */
void tg_admin_sockets_end(struct tg_admin_sockets *s);

#endif
