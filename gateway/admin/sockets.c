/* Accepting, and who gives way when there are too many. */
#include "admin/sockets.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAGIC = 0x41534f43,
    MAX_BODY = 4096,
    MAX_HEAD = 16384,
    IDLE_S = 30,     /* a question that does not come, an answer that is not taken */
    MAX_CONNS = 200, /* more wait in the queue until one gives way */
    MIN_CONNS = 8,
    SPARE = 24,            /* descriptors */
    MIN_SILENT_US = 20000, /* who has just connected is about to ask */
    PAUSE_US = 20000,      /* how long nobody is accepted when nobody gives way */
};

/* Which connections give way first. */
enum rank { SILENT = 1, IDLE, UNREAD, NEVER };

/* A connection of libevent's HTTP server, whose bufferevent is held beside it: it has no callbacks
 * any more when the server has closed the connection. */
struct tg_admin_conn {
    struct bufferevent *bev;
    uint64_t since; /* when it was accepted, or answered last; monotonic */
    bool has_asked;
    bool under_way; /* a question has no answer yet */
    bool leaves;    /* its socket is shut down */
    struct tg_admin_conn *next;
};

/* --- connections --- */

static bool is_closed(const struct tg_admin_conn *c)
{
    bufferevent_event_cb callback;

    bufferevent_getcb(c->bev, NULL, NULL, &callback, NULL);
    return callback == NULL;
}

static void forget(struct tg_admin_conn **at)
{
    struct tg_admin_conn *c = *at;

    *at = c->next;
    bufferevent_decref(c->bev);
    free(c);
}

/* Forgets those that are closed; returns how many are left. */
static unsigned count(struct tg_admin_sockets *s)
{
    struct tg_admin_conn **at = &s->first;
    unsigned n = 0;

    while (*at != NULL) {
        if (is_closed(*at)) {
            forget(at);
            continue;
        }
        n++;
        at = &(*at)->next;
    }
    return n;
}

static struct tg_admin_conn *find(struct tg_admin_sockets *s, struct evhttp_connection *connection)
{
    const struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    struct tg_admin_conn *c = s->first;

    while (c != NULL && c->bev != bev)
        c = c->next;
    CHECK(c != NULL);
    return c;
}

static size_t unsent(const struct tg_admin_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* --- giving way --- */

static bool has_nothing_to_read(const struct tg_admin_conn *c)
{
    char byte;

    return recv(bufferevent_getfd(c->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

static enum rank rank_of(const struct tg_admin_conn *c, uint64_t now)
{
    if (c->under_way || c->leaves || now - c->since < MIN_SILENT_US)
        return NEVER;
    if (unsent(c) > 0)
        return UNREAD;
    if (!has_nothing_to_read(c))
        return NEVER;
    return c->has_asked ? IDLE : SILENT;
}

/* The oldest connection of the first rank there is gives way: the server sees its end in the next
 * turn of the loop. False: there is none. */
static bool make_room(struct tg_admin_sockets *s)
{
    uint64_t now = tg_clock_mono_now();
    struct tg_admin_conn *found = NULL;
    enum rank first = NEVER;

    for (struct tg_admin_conn *c = s->first; c != NULL; c = c->next) {
        enum rank rank = rank_of(c, now);

        if (rank < first || (rank == first && found != NULL && c->since < found->since)) {
            first = rank;
            found = c;
        }
    }
    if (found == NULL)
        return false;
    found->leaves = true;
    return shutdown(bufferevent_getfd(found->bev), SHUT_RDWR) == 0;
}

/* --- accepting --- */

/* One whose callback tg_admin_sockets_unbind() took away stays off. */
static void on_pause_over(evutil_socket_t fd, short what, void *listener)
{
    (void)fd, (void)what;
    (void)evconnlistener_enable(listener);
}

/* Nobody is accepted for a while, or until the loop has turned: who connects waits in the queue of
 * the socket. */
static void pause_listener(struct evconnlistener *listener, bool made_room)
{
    struct timeval pause = {0, made_room ? 0 : PAUSE_US};

    (void)evconnlistener_disable(listener);
    CHECK(event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_pause_over,
                          listener, &pause) == 0);
}

static void pause_socket(struct evhttp_bound_socket *socket, void *made_room)
{
    pause_listener(evhttp_bound_socket_get_listener(socket), *(bool *)made_room);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    tg_log(TG_LOG_WARN, "admin", "cannot accept a connection: %s",
           evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    pause_listener(listener, false);
}

/* Called with each connection, before libevent's server has anything else of it. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct tg_admin_sockets *s = arg;
    struct tg_admin_conn *c = calloc(1, sizeof(*c));
    bool made_room;

    CHECK_MAGIC(s, MAGIC);
    CHECK(c != NULL);
    if (count(s) >= s->most) {
        made_room = make_room(s);
        for (unsigned i = 0; i < TG_PEERS; i++)
            evhttp_foreach_bound_socket(s->http[i], pause_socket, &made_room);
    }
    c->bev = bufferevent_socket_new(base, -1, 0);
    CHECK(c->bev != NULL);
    bufferevent_incref(c->bev);
    c->since = tg_clock_mono_now();
    c->next = s->first;
    s->first = c;
    return c->bev;
}

/* --- requests --- */

static void take(struct tg_admin_sockets *s, struct evhttp_request *request,
                 enum tg_admin_peer from)
{
    struct tg_admin_conn *c = find(s, evhttp_request_get_connection(request));

    CHECK_MAGIC(s, MAGIC);
    CHECK(!c->under_way);
    c->has_asked = c->under_way = true;
    s->take(s->owner, request, from);
}

void tg_admin_sockets_answered(struct tg_admin_sockets *s, struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct tg_admin_conn *c;

    if (connection == NULL)
        return;
    c = find(s, connection);
    CHECK(c->under_way);
    c->under_way = false;
    c->since = tg_clock_mono_now();
}

bool tg_admin_sockets_all_sent(struct tg_admin_sockets *s)
{
    (void)count(s);
    for (const struct tg_admin_conn *c = s->first; c != NULL; c = c->next)
        if (!c->under_way && unsent(c) > 0)
            return false;
    return true;
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

/* As many as there are descriptors for, with some to spare. They are given in order: the next one
 * tells how many are open. */
static unsigned most_conns(int open)
{
    struct rlimit limit = {0, 0};
    int next = dup(open);
    rlim_t used = next >= 0 ? (rlim_t)next + SPARE : RLIM_INFINITY;

    if (next >= 0)
        close(next);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= used + MIN_CONNS)
        return MIN_CONNS;
    return limit.rlim_cur - used < MAX_CONNS ? (unsigned)(limit.rlim_cur - used) : MAX_CONNS;
}

void tg_admin_sockets_open(struct tg_admin_sockets *s, struct event_base *base,
                           const struct tg_settings *settings)
{
    s->magic = MAGIC;
    s->most = most_conns(settings->admin_listens->fd);
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
    while (s->first != NULL)
        forget(&s->first);
    s->magic = 0;
}
