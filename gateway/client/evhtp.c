#include "client/evhtp.h"

#include "base/check.h"
#include "base/log.h"
#include "client/connection.h"
#include "client/pool.h"
#include "process/worker.h"

#include <errno.h>
#include <evhtp/evhtp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { FRONT_MAGIC = 0x66726f6e, MAX_HEAD = 32, ACCEPT_PAUSE_MS = 100 };

struct tg_evhtp {
    uint32_t magic;
    struct tg_worker *worker;
    const struct tg_server_conf *server;
    const struct tg_listen *listen;
    evhtp_t *htp;
    htparser *parser;           /* of all its connections: a head is parsed in one go */
    struct bufferevent *bev;    /* the same: it carries one head to the parser */
    bufferevent_data_cb readcb; /* libevhtp's own, called by hand */
    bufferevent_data_cb writecb;
    struct tg_conn *parsing; /* whose head libevhtp has now, or NULL */
    bool taken;              /* a request came of it */
    struct event resume;     /* ends the pause after a failed accept */
    struct tg_evhtp *next;
};

static struct tg_evhtp *front_of(const evhtp_connection_t *connection)
{
    struct tg_evhtp *f = connection->htp->arg;

    CHECK_MAGIC(f, FRONT_MAGIC);
    return f;
}

/* --- libevhtp calls us --- */

/* A whole canonical head was parsed: the one callback for all routes. */
static void on_request(evhtp_request_t *request, void *arg)
{
    struct tg_evhtp *f = front_of(request->conn);

    (void)arg;
    CHECK(f->parsing != NULL && !f->taken);
    CHECK(request->conn->request == request);
    f->taken = true;
    tg_conn_dispatch(f->parsing);
}

static void pause_accepting(struct tg_evhtp *f)
{
    struct timeval pause = {0, ACCEPT_PAUSE_MS * 1000};

    tg_evhtp_accept(f, false);
    event_add(&f->resume, &pause);
}

/* With all connections in use the next one takes the place of an idle one, or waits in the kernel's
 * queue until one ends or becomes idle. */
static void make_room(struct tg_evhtp *f)
{
    const struct tg_worker *w = f->worker;
    bool over = w->live.connections > (unsigned)w->settings->worker_connections;

    if (tg_worker_has_room(w) || (over ? tg_worker_shed(f->worker) : tg_worker_can_shed(w)))
        return;
    for (struct tg_evhtp *each = f->worker->fronts; each != NULL; each = each->next)
        pause_accepting(each);
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
    evhtp_safe_free(connection->saddr, free);
    connection->bev = f->bev;
    connection->parser = f->parser;
}

static evhtp_res on_accept(evhtp_connection_t *connection, void *arg)
{
    struct tg_evhtp *f = arg;
    int on = 1;

    CHECK_MAGIC(f, FRONT_MAGIC);
    setsockopt(connection->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    CHECK(evutil_make_socket_closeonexec(connection->sock) == 0);
    tg_conn_new(f->worker, f->server, f->listen, connection, connection->sock, connection->saddr);
    share_parts(f, connection);
    make_room(f);
    return EVHTP_RES_OK;
}

/* --- listening --- */

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct tg_evhtp *f = arg;

    (void)fd, (void)what;
    CHECK_MAGIC(f, FRONT_MAGIC);
    if (tg_worker_has_room(f->worker) || tg_worker_can_shed(f->worker))
        tg_evhtp_accept(f, true);
    else
        pause_accepting(f);
}

/* Without this libevent would try again at once, for ever, at full speed (no file descriptor left).
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    evhtp_t *htp = arg;
    struct tg_evhtp *f = htp->arg;
    int error = errno;

    (void)listener;
    CHECK_MAGIC(f, FRONT_MAGIC);
    pause_accepting(f);
    tg_log(TG_LOG_ALERT, "front", "accept on %s failed: %s; trying again in %d ms", f->listen->text,
           strerror(error), ACCEPT_PAUSE_MS);
}

struct tg_evhtp *tg_evhtp_open(struct tg_worker *w, const struct tg_server_conf *server,
                               const struct tg_listen *listen)
{
    struct tg_evhtp *f = calloc(1, sizeof(*f));

    CHECK(f != NULL && listen->fd >= 0);
    f->magic = FRONT_MAGIC;
    f->worker = w;
    f->server = server;
    f->listen = listen;
    evhtp_set_mem_functions(tg_pool_take, realloc, tg_pool_give); /* libevent's, too */
    f->htp = evhtp_new(w->base, f);
    CHECK(f->htp != NULL);
    evhtp_disable_flag(f->htp, EVHTP_FLAG_ENABLE_100_CONT);
    evhtp_set_bev_flags(f->htp, 0); /* sockets are the wire's */
    evhtp_set_gencb(f->htp, on_request, NULL);
    evhtp_set_post_accept_cb(f->htp, on_accept, f);
    f->parser = htparser_new();
    f->bev = bufferevent_socket_new(w->base, -1, 0);
    CHECK(f->parser != NULL && f->bev != NULL);
    CHECK(event_assign(&f->resume, w->base, -1, 0, on_resume, f) == 0);
    CHECK(evhtp_accept_socket(f->htp, listen->fd, 0) == 0);
    evconnlistener_set_error_cb(f->htp->server, on_accept_error);
    f->next = w->fronts;
    w->fronts = f;
    return f;
}

void tg_evhtp_stop(struct tg_evhtp *f)
{
    CHECK_MAGIC(f, FRONT_MAGIC);
    event_del(&f->resume);
    evhtp_unbind_socket(f->htp);
}

void tg_evhtp_end(struct tg_evhtp *f)
{
    CHECK_MAGIC(f, FRONT_MAGIC);
    CHECK(f->htp->server == NULL);
    for (struct tg_evhtp **at = &f->worker->fronts; *at != NULL; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    evhtp_free(f->htp);
    bufferevent_free(f->bev);
    free(f->parser);
    f->magic = 0;
    free(f);
}

struct tg_evhtp *tg_evhtp_next(const struct tg_evhtp *f)
{
    return f->next;
}

void tg_evhtp_accept(struct tg_evhtp *f, bool on)
{
    CHECK_MAGIC(f, FRONT_MAGIC);
    if (f->htp->server == NULL)
        return;
    if (on)
        evconnlistener_enable(f->htp->server);
    else
        evconnlistener_disable(f->htp->server);
}

/* --- we call libevhtp --- */

/* libevhtp knows sixteen methods by name; any other token goes in as GET, its request object is a
 * handle and the method that is judged and forwarded is the guard's. */
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

void tg_evhtp_request(struct evhtp_connection *connection, struct tg_conn *c, struct tg_str method)
{
    struct tg_evhtp *f = front_of(connection);
    struct evbuffer *in = bufferevent_get_input(f->bev);
    char head[MAX_HEAD];
    size_t n = canonical_head(head, known_method(method));

    CHECK(connection->request == NULL && f->parsing == NULL);
    evbuffer_unfreeze(in, 0);
    CHECK(evbuffer_add(in, head, n) == 0);
    evbuffer_freeze(in, 0);
    htparser_init(f->parser, htp_type_request);
    htparser_set_userdata(f->parser, connection);
    f->parsing = c;
    f->taken = false;
    f->readcb(f->bev, connection);
    f->parsing = NULL;
    CHECK(f->taken); /* it took the head, and exactly one request came of it */
    CHECK(evbuffer_get_length(in) == 0);
}

void tg_evhtp_finish(struct evhtp_connection *connection)
{
    struct tg_evhtp *f = front_of(connection);

    CHECK(connection->request != NULL && f->parsing == NULL);
    evhtp_send_reply_end(connection->request);
    f->writecb(f->bev, connection);
    CHECK(connection->request == NULL);
}

void tg_evhtp_close(struct evhtp_connection *connection)
{
    struct tg_evhtp *f = front_of(connection);

    CHECK(f->parsing == NULL && connection->parser == f->parser && connection->bev == f->bev);
    connection->parser = NULL;
    connection->bev = NULL;
    connection->scratch_buf = evbuffer_new(); /* it frees one without a look */
    evhtp_connection_free(connection);
}
