/* Accepting, and when it has to wait. */
#include "admin/sockets.h"

#include "base/check.h"
#include "base/log.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

enum {
    MAGIC = 0x41534f43,
    MAX_BODY = 4096,
    MAX_HEAD = 16384,
    IDLE_S = 30,           /* a question that does not come, an answer that is not taken */
    MAX_DESCRIPTORS = 256, /* connections and all else that is open; more wait in the queue */
    PAUSE_US = 200000,     /* how long nobody is accepted then */
};

/* One whose callback tg_admin_sockets_unbind() took away stays off. */
static void on_pause_over(evutil_socket_t fd, short what, void *listener)
{
    (void)fd, (void)what;
    (void)evconnlistener_enable(listener);
}

/* Nobody is accepted for a while: who connects waits in the queue of the socket. */
static void pause_listener(struct evconnlistener *listener)
{
    struct timeval pause = {0, PAUSE_US};

    (void)evconnlistener_disable(listener);
    CHECK(event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_pause_over,
                          listener, &pause) == 0);
}

static void pause_socket(struct evhttp_bound_socket *socket, void *arg)
{
    (void)arg;
    pause_listener(evhttp_bound_socket_get_listener(socket));
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    tg_log(TG_LOG_WARN, "admin", "cannot accept a connection: %s",
           evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    pause_listener(listener);
}

/* Called with each connection, before libevent makes its own bufferevent for it. Descriptors are
 * given in order: the next one tells how many there are. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct tg_admin_sockets *s = arg;
    int next = dup(s->probe);

    (void)base;
    CHECK_MAGIC(s, MAGIC);
    if (next >= 0)
        close(next);
    if (next < 0 || next >= MAX_DESCRIPTORS)
        for (unsigned i = 0; i < TG_PEERS; i++)
            evhttp_foreach_bound_socket(s->http[i], pause_socket, NULL);
    return NULL;
}

static void take(struct tg_admin_sockets *s, struct evhttp_request *request,
                 enum tg_admin_peer from)
{
    CHECK_MAGIC(s, MAGIC);
    s->take(s->owner, request, from);
}

static void on_unix(struct evhttp_request *request, void *arg)
{
    take(arg, request, TG_PEER_UNIX);
}

static void on_local(struct evhttp_request *request, void *arg)
{
    take(arg, request, TG_PEER_LOCAL);
}

static void on_any(struct evhttp_request *request, void *arg)
{
    take(arg, request, TG_PEER_ANY);
}

static struct evhttp *make(struct tg_admin_sockets *s, struct event_base *base,
                           void (*callback)(struct evhttp_request *request, void *arg))
{
    struct evhttp *http = evhttp_new(base);

    CHECK(http != NULL);
    evhttp_set_gencb(http, callback, s);
    evhttp_set_bevcb(http, on_accept, s);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_max_body_size(http, MAX_BODY);
    evhttp_set_max_headers_size(http, MAX_HEAD);
    evhttp_set_timeout(http, IDLE_S);
    return http;
}

static enum tg_admin_peer peer_of(const struct tg_listen *l)
{
    if (l->address.ss_family == AF_UNIX)
        return TG_PEER_UNIX;
    return tg_listen_is_local(l) ? TG_PEER_LOCAL : TG_PEER_ANY;
}

void tg_admin_sockets_open(struct tg_admin_sockets *s, struct event_base *base,
                           const struct tg_settings *settings)
{
    s->magic = MAGIC;
    s->http[TG_PEER_UNIX] = make(s, base, on_unix);
    s->http[TG_PEER_LOCAL] = make(s, base, on_local);
    s->http[TG_PEER_ANY] = make(s, base, on_any);
    for (const struct tg_listen *l = settings->admin_listens; l != NULL; l = l->next) {
        struct evhttp_bound_socket *socket =
            evhttp_accept_socket_with_handle(s->http[peer_of(l)], l->fd);

        CHECK(socket != NULL);
        evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(socket), on_accept_error);
    }
}

static void unbind(struct evhttp_bound_socket *socket, void *arg)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(socket);

    (void)arg;
    (void)evconnlistener_disable(listener);
    evconnlistener_set_cb(listener, NULL, NULL); /* the end of a pause does not enable it */
}

void tg_admin_sockets_unbind(struct tg_admin_sockets *s)
{
    CHECK_MAGIC(s, MAGIC);
    for (unsigned i = 0; i < TG_PEERS; i++)
        evhttp_foreach_bound_socket(s->http[i], unbind, NULL);
}

void tg_admin_sockets_end(struct tg_admin_sockets *s)
{
    CHECK_MAGIC(s, MAGIC);
    for (unsigned i = 0; i < TG_PEERS; i++)
        evhttp_free(s->http[i]);
    s->magic = 0;
}
