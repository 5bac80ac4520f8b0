#include "front.h"

#include "check.h"
#include "conn.h"
#include "log.h"
#include "worker.h"

#include <errno.h>
#include <evhtp/evhtp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { FRONT_MAGIC = 0x66726f6e, LINK_MAGIC = 0x6c696e6b, MAX_PATH = 1024, ACCEPT_PAUSE_MS = 100 };

struct tg_front {
    uint32_t magic;
    struct tg_worker *worker;
    const struct tg_server_conf *server;
    const struct tg_listen *listen;
    evhtp_t *htp;
    struct event resume; /* ends the pause after a failed accept */
    struct tg_front *next;
};

struct tg_front_link {
    uint32_t magic;
    evhtp_connection_t *connection;
    evhtp_request_t *request;   /* in flight, or NULL */
    bufferevent_data_cb readcb; /* libevhtp's own, called by hand */
    bufferevent_data_cb writecb;
    struct tg_conn *conn;
};

/* --- libevhtp calls us --- */

static evhtp_res on_request_fini(evhtp_request_t *request, void *arg)
{
    struct tg_front_link *link = arg;

    CHECK_MAGIC(link, LINK_MAGIC);
    CHECK(link->request == request);
    link->request = NULL;
    return EVHTP_RES_OK;
}

/* The connection hook runs before that of a request in flight, so the request's is unset first. */
static evhtp_res on_connection_fini(evhtp_connection_t *connection, void *arg)
{
    struct tg_front_link *link = arg;

    CHECK_MAGIC(link, LINK_MAGIC);
    CHECK(link->connection == connection);
    if (link->request != NULL)
        evhtp_request_unset_hook(link->request, evhtp_hook_on_request_fini);
    tg_conn_closed(link->conn);
    link->magic = 0;
    free(link);
    return EVHTP_RES_OK;
}

/* A whole canonical head was parsed: the one callback for all routes. */
static void on_request(evhtp_request_t *request, void *arg)
{
    struct tg_front_link *link = request->conn->hooks->on_connection_fini_arg;

    (void)arg;
    CHECK_MAGIC(link, LINK_MAGIC);
    CHECK(link->request == NULL);
    link->request = request;
    evhtp_request_set_hook(request, evhtp_hook_on_request_fini, (evhtp_hook)on_request_fini, link);
    tg_conn_dispatch(link->conn);
}

static void pause_accepting(struct tg_front *f)
{
    struct timeval pause = {0, ACCEPT_PAUSE_MS * 1000};

    tg_front_accept(f, false);
    event_add(&f->resume, &pause);
}

/* With all connections in use the next one takes the place of an idle one, or waits in the kernel's
 * queue until one ends or becomes idle. */
static void make_room(struct tg_front *f)
{
    const struct tg_worker *w = f->worker;
    bool over = w->live.connections > (unsigned)w->settings->worker_connections;

    if (tg_worker_has_room(w) || (over ? tg_worker_shed(f->worker) : tg_worker_can_shed(w)))
        return;
    for (struct tg_front *each = f->worker->fronts; each != NULL; each = each->next)
        pause_accepting(each);
}

static evhtp_res on_accept(evhtp_connection_t *connection, void *arg)
{
    struct tg_front *f = arg;
    struct tg_front_link *link;
    bufferevent_event_cb eventcb;
    void *cbarg;
    int on = 1;

    CHECK_MAGIC(f, FRONT_MAGIC);
    bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
    setsockopt(connection->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    CHECK(evutil_make_socket_closeonexec(connection->sock) == 0);
    link = calloc(1, sizeof(*link));
    CHECK(link != NULL);
    link->magic = LINK_MAGIC;
    link->connection = connection;
    bufferevent_getcb(connection->bev, &link->readcb, &link->writecb, &eventcb, &cbarg);
    CHECK(cbarg == connection);
    evhtp_connection_set_hook(connection, evhtp_hook_on_connection_fini,
                              (evhtp_hook)on_connection_fini, link);
    link->conn =
        tg_conn_new(f->worker, f->server, f->listen, link, connection->sock, connection->saddr);
    make_room(f);
    return EVHTP_RES_OK;
}

/* --- listening --- */

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct tg_front *f = arg;

    (void)fd, (void)what;
    CHECK_MAGIC(f, FRONT_MAGIC);
    if (tg_worker_has_room(f->worker) || tg_worker_can_shed(f->worker))
        tg_front_accept(f, true);
    else
        pause_accepting(f);
}

/* Without this libevent would try again at once, for ever, at full speed (no file descriptor left).
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    evhtp_t *htp = arg;
    struct tg_front *f = htp->arg;
    int error = errno;

    (void)listener;
    CHECK_MAGIC(f, FRONT_MAGIC);
    pause_accepting(f);
    tg_log(TG_LOG_ALERT, "front", "accept on %s failed: %s; trying again in %d ms", f->listen->text,
           strerror(error), ACCEPT_PAUSE_MS);
}

struct tg_front *tg_front_open(struct tg_worker *w, const struct tg_server_conf *server,
                               const struct tg_listen *listen)
{
    struct tg_front *f = calloc(1, sizeof(*f));

    CHECK(f != NULL && listen->fd >= 0);
    f->magic = FRONT_MAGIC;
    f->worker = w;
    f->server = server;
    f->listen = listen;
    f->htp = evhtp_new(w->base, f);
    CHECK(f->htp != NULL);
    evhtp_disable_flag(f->htp, EVHTP_FLAG_ENABLE_100_CONT);
    evhtp_set_bev_flags(f->htp, BEV_OPT_CLOSE_ON_FREE);
    evhtp_set_gencb(f->htp, on_request, NULL);
    evhtp_set_post_accept_cb(f->htp, on_accept, f);
    CHECK(event_assign(&f->resume, w->base, -1, 0, on_resume, f) == 0);
    CHECK(evhtp_accept_socket(f->htp, listen->fd, 0) == 0);
    evconnlistener_set_error_cb(f->htp->server, on_accept_error);
    f->next = w->fronts;
    w->fronts = f;
    return f;
}

void tg_front_stop(struct tg_front *f)
{
    CHECK_MAGIC(f, FRONT_MAGIC);
    event_del(&f->resume);
    evhtp_unbind_socket(f->htp);
}

void tg_front_end(struct tg_front *f)
{
    CHECK_MAGIC(f, FRONT_MAGIC);
    CHECK(f->htp->server == NULL);
    for (struct tg_front **at = &f->worker->fronts; *at != NULL; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    evhtp_free(f->htp);
    f->magic = 0;
    free(f);
}

struct tg_front *tg_front_next(const struct tg_front *f)
{
    return f->next;
}

void tg_front_accept(struct tg_front *f, bool on)
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

/* Writes the path with every byte that is not plainly a path character replaced by '_'. */
static size_t plain_path(char *out, struct tg_str path)
{
    size_t n = path.n < MAX_PATH ? path.n : MAX_PATH;

    for (size_t i = 0; i < n; i++) {
        char c = path.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '/' || c == '-' || c == '.';

        out[i] = plain ? c : '_';
    }
    return n;
}

static size_t canonical_head(char *out, struct tg_str method, struct tg_str path)
{
    static const char version[] = " HTTP/1.1\r\n\r\n";
    size_t n = method.n;

    memcpy(out, method.p, n);
    out[n++] = ' ';
    if (path.n > 0 && path.p[0] == '/')
        n += plain_path(out + n, path);
    else
        out[n++] = '/'; /* "OPTIONS *" */
    memcpy(out + n, version, sizeof(version) - 1);
    return n + sizeof(version) - 1;
}

void tg_front_request(struct tg_front_link *link, struct tg_str method, struct tg_str path)
{
    char head[MAX_PATH + 64];
    struct evbuffer *in;
    size_t n;

    CHECK_MAGIC(link, LINK_MAGIC);
    CHECK(link->request == NULL);
    n = canonical_head(head, known_method(method), path);
    in = bufferevent_get_input(link->connection->bev);
    evbuffer_unfreeze(in, 0);
    CHECK(evbuffer_add(in, head, n) == 0);
    evbuffer_freeze(in, 0);
    link->readcb(link->connection->bev, link->connection);
    CHECK(link->request != NULL); /* it took the head, and exactly one request came of it */
    CHECK(evbuffer_get_length(in) == 0);
}

void tg_front_finish(struct tg_front_link *link)
{
    CHECK_MAGIC(link, LINK_MAGIC);
    CHECK(link->request != NULL);
    evhtp_send_reply_end(link->request);
    link->writecb(link->connection->bev, link->connection);
    CHECK(link->request == NULL);
}

void tg_front_close(struct tg_front_link *link)
{
    CHECK_MAGIC(link, LINK_MAGIC);
    evhtp_connection_free(link->connection);
}
