/* libevhtp: where it listens, its connections, and the request objects it makes of our heads. */
#include "client/evhtp.h"

#include "base/check.h"
#include "base/log.h"
#include "client/pool.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <evhtp/evhtp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { EVHTP_MAGIC = 0x66726f6e, MAX_HEAD = 32, ACCEPT_PAUSE_MS = 100 };

struct tg_evhtp {
    uint32_t magic;
    const struct tg_evhtp_events *events;
    void *owner;
    const char *text; /* the address, for logs */
    evhtp_t *htp;
    htparser *parser;           /* of all its connections: a head is parsed in one go */
    struct bufferevent *bev;    /* the same: it carries one head to the parser */
    bufferevent_data_cb readcb; /* libevhtp's own, called by hand */
    bufferevent_data_cb writecb;
    evhtp_connection_t *parsing; /* whose head libevhtp has now, or NULL */
    bool taken;                  /* a request came of it */
    struct event resume;         /* ends a pause */
};

static struct tg_evhtp *evhtp_of(const evhtp_connection_t *connection)
{
    struct tg_evhtp *f = connection->htp->arg;

    CHECK_MAGIC(f, EVHTP_MAGIC);
    return f;
}

/* --- libevhtp calls us --- */

/* A whole canonical head was parsed: the one callback for all routes. */
static void evhtp_on_request(evhtp_request_t *request, void *arg)
{
    struct tg_evhtp *f = evhtp_of(request->conn);

    (void)arg;
    CHECK(f->parsing == request->conn && !f->taken);
    CHECK(request->conn->request == request);
    f->taken = true;
}

void tg_evhtp_pause(struct tg_evhtp *f)
{
    struct timeval pause = {0, ACCEPT_PAUSE_MS * 1000};

    tg_evhtp_accept(f, false);
    event_add(&f->resume, &pause);
}

/* libevhtp makes a parser of 8 KB, a bufferevent and more for each connection and needs them only
 * while it parses: one set does for all. */
static void share_parts(struct tg_evhtp *f, evhtp_connection_t *connection)
{
    bufferevent_event_cb eventcb;
    void *arg;

    bufferevent_getcb(connection->bev, &f->readcb, &f->writecb, &eventcb, &arg);
    CHECK(arg == connection);
    evhtp_safe_free(connection->bev, bufferevent_free);
    evhtp_safe_free(connection->resume_ev, event_free);
    evhtp_safe_free(connection->scratch_buf, evbuffer_free);
    evhtp_safe_free(connection->parser, free);
    connection->bev = f->bev;
    connection->parser = f->parser;
}

static evhtp_res evhtp_on_accept(evhtp_connection_t *connection, void *arg)
{
    struct tg_evhtp *f = arg;
    struct sockaddr *address = connection->saddr;
    int on = 1;

    CHECK_MAGIC(f, EVHTP_MAGIC);
    connection->saddr = NULL;
    setsockopt(connection->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    CHECK(evutil_make_socket_closeonexec(connection->sock) == 0);
    share_parts(f, connection);
    f->events->on_accept(f->owner, connection, connection->sock, address);
    free(address);
    return EVHTP_RES_OK;
}

/* --- listening --- */

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct tg_evhtp *f = arg;

    (void)fd, (void)what;
    CHECK_MAGIC(f, EVHTP_MAGIC);
    if (f->events->may_accept(f->owner))
        tg_evhtp_accept(f, true);
    else
        tg_evhtp_pause(f);
}

/* Without this libevent would try again at once, for ever, at full speed (no file descriptor left).
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    evhtp_t *htp = arg;
    struct tg_evhtp *f = htp->arg;
    int error = errno;

    (void)listener;
    CHECK_MAGIC(f, EVHTP_MAGIC);
    if (f->events->made_room(f->owner, error))
        return;
    tg_evhtp_pause(f);
    tg_log(TG_LOG_ALERT, "evhtp", "accept on %s failed: %s; trying again in %d ms", f->text,
           strerror(error), ACCEPT_PAUSE_MS);
}

struct tg_evhtp *tg_evhtp_open(struct event_base *base, int fd, const char *text,
                               const struct tg_evhtp_events *events, void *owner)
{
    struct tg_evhtp *f = calloc(1, sizeof(*f));

    CHECK(f != NULL && fd >= 0);
    f->magic = EVHTP_MAGIC;
    f->events = events;
    f->owner = owner;
    f->text = text;
    evhtp_set_mem_functions(tg_pool_take, realloc, tg_pool_give); /* libevent's, too */
    f->htp = evhtp_new(base, f);
    CHECK(f->htp != NULL);
    evhtp_disable_flag(f->htp, EVHTP_FLAG_ENABLE_100_CONT);
    evhtp_set_bev_flags(f->htp, 0); /* sockets are the connection's */
    evhtp_set_gencb(f->htp, evhtp_on_request, NULL);
    evhtp_set_post_accept_cb(f->htp, evhtp_on_accept, f);
    f->parser = htparser_new();
    f->bev = bufferevent_socket_new(base, -1, 0);
    CHECK(f->parser != NULL && f->bev != NULL);
    CHECK(event_assign(&f->resume, base, -1, 0, on_resume, f) == 0);
    CHECK(evhtp_accept_socket(f->htp, fd, 0) == 0);
    evconnlistener_set_error_cb(f->htp->server, on_accept_error);
    return f;
}

void tg_evhtp_stop(struct tg_evhtp *f)
{
    CHECK_MAGIC(f, EVHTP_MAGIC);
    event_del(&f->resume);
    evhtp_unbind_socket(f->htp);
}

void tg_evhtp_end(struct tg_evhtp *f)
{
    CHECK_MAGIC(f, EVHTP_MAGIC);
    CHECK(f->htp->server == NULL);
    evhtp_free(f->htp);
    bufferevent_free(f->bev);
    free(f->parser);
    f->magic = 0;
    free(f);
}

void tg_evhtp_accept(struct tg_evhtp *f, bool on)
{
    CHECK_MAGIC(f, EVHTP_MAGIC);
    if (f->htp->server == NULL)
        return;
    if (on)
        evconnlistener_enable(f->htp->server);
    else
        evconnlistener_disable(f->htp->server);
}

/* --- we call libevhtp --- */

/* libevhtp knows sixteen methods by name; any other token goes in as GET, its request object is a
 * handle and the method that is judged and forwarded is that of the head. */
static struct tg_str known_method(struct tg_str method)
{
    static const char *const known[] = {"GET",    "HEAD",     "POST",  "PUT",  "DELETE",
                                        "MKCOL",  "COPY",     "MOVE",  "LOCK", "OPTIONS",
                                        "UNLOCK", "PROPFIND", "PATCH", "TRACE"};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (tg_str_eq(method, tg_str_of(known[i])))
            return method;
    return TG_STR("GET");
}

/* Routes are the gateway's own (settings.h): of the target libevhtp would only make copies. */
static size_t canonical_head(char out[MAX_HEAD], struct tg_str method)
{
    static const char rest[] = " / HTTP/1.1\r\n\r\n";

    CHECK(method.n + sizeof(rest) <= MAX_HEAD);
    memcpy(out, method.p, method.n);
    memcpy(out + method.n, rest, sizeof(rest) - 1);
    return method.n + sizeof(rest) - 1;
}

void tg_evhtp_request(struct evhtp_connection *connection, struct tg_str method)
{
    struct tg_evhtp *f = evhtp_of(connection);
    struct evbuffer *in = bufferevent_get_input(f->bev);
    char head[MAX_HEAD];
    size_t n = canonical_head(head, known_method(method));

    CHECK(connection->request == NULL && f->parsing == NULL);
    evbuffer_unfreeze(in, 0);
    CHECK(evbuffer_add(in, head, n) == 0);
    evbuffer_freeze(in, 0);
    htparser_init(f->parser, htp_type_request);
    htparser_set_userdata(f->parser, connection);
    f->parsing = connection;
    f->taken = false;
    f->readcb(f->bev, connection);
    f->parsing = NULL;
    CHECK(f->taken); /* it took the head, and exactly one request came of it */
    CHECK(evbuffer_get_length(in) == 0);
}

void tg_evhtp_finish(struct evhtp_connection *connection)
{
    struct tg_evhtp *f = evhtp_of(connection);

    CHECK(connection->request != NULL && f->parsing == NULL);
    evhtp_send_reply_end(connection->request);
    f->writecb(f->bev, connection);
    CHECK(connection->request == NULL);
}

void tg_evhtp_close(struct evhtp_connection *connection)
{
    struct tg_evhtp *f = evhtp_of(connection);

    CHECK(f->parsing == NULL && connection->parser == f->parser && connection->bev == f->bev);
    connection->parser = NULL;
    connection->bev = NULL;
    connection->scratch_buf = evbuffer_new(); /* it frees one without a look */
    evhtp_connection_free(connection);
}
