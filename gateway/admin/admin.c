#include "admin/admin.h"
#include "admin/metrics.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADMIN_MAGIC = 0x61646d69,
    MAX_BODY = 4096,
    MAX_HEAD = 16384,
    IDLE_S = 30,           /* a question that does not come, an answer that is not taken */
    LOOK_US = 10000,       /* how often it looks whether the master has answered */
    ANSWER_US = 60000000,  /* how long that may take */
    GOODBYE_US = 500000,   /* for connections without a question, when it ends */
    MAX_DESCRIPTORS = 256, /* connections and all else that is open; more wait in the queue */
    PAUSE_US = 200000,     /* how long nobody is accepted then */
};

/* A reload somebody waits for. */
struct waiting {
    struct tg_admin *admin;
    struct evhttp_request *request;
    struct event *look;
    uint64_t before; /* the reload that had begun last when it asked */
    uint64_t deadline;
    struct waiting *next;
};

struct tg_admin {
    uint32_t magic;
    const struct tg_settings *settings;
    struct tg_stats *stats;
    const struct tg_limits *limits;
    int orders;
    struct event_base *base;
    struct evhttp *open;   /* on addresses: GET alone */
    struct evhttp *closed; /* on unix sockets: POST too */
    struct tg_buf certs;   /* the page, made at the start */
    struct waiting *waiting;
    unsigned answering; /* answers that are not out yet */
    bool draining;
};

/* --- answers --- */

static void done_draining(struct tg_admin *a)
{
    struct timeval goodbye = {0, GOODBYE_US};

    if (a->draining && a->answering == 0)
        event_base_loopexit(a->base, &goodbye);
}

static void on_answered(struct evhttp_request *request, void *arg)
{
    struct tg_admin *a = arg;

    (void)request;
    CHECK_MAGIC(a, ADMIN_MAGIC);
    CHECK(a->answering > 0);
    a->answering--;
    done_draining(a);
}

static void answer(struct tg_admin *a, struct evhttp_request *request, int status, const char *type,
                   struct tg_str text)
{
    struct evkeyvalq *head = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();

    CHECK(body != NULL && evbuffer_add(body, text.p, text.n) == 0);
    evhttp_add_header(head, "Content-Type", type);
    evhttp_add_header(head, "Cache-Control", "no-store");
    if (a->draining)
        evhttp_add_header(head, "Connection", "close");
    a->answering++;
    evhttp_request_set_on_complete_cb(request, on_answered, a);
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

#define PLAIN "text/plain; charset=utf-8"
#define JSON  "application/json"

static void say(struct tg_admin *a, struct evhttp_request *request, int status, const char *text)
{
    answer(a, request, status, PLAIN, tg_str_of(text));
}

/* Answers with a text and frees it. */
static void answer_buf(struct tg_admin *a, struct evhttp_request *request, int status,
                       const char *type, struct tg_buf *text)
{
    answer(a, request, status, type, tg_buf_str(text));
    tg_buf_end(text);
}

/* --- questions --- */

static void get_health(struct tg_admin *a, struct evhttp_request *request)
{
    say(a, request, 200, "ok\n");
}

/* A worker whose loop stands still longer than the master would let it is beyond the master's help.
 */
static void get_live(struct tg_admin *a, struct evhttp_request *request)
{
    bool good = tg_stats_turning(a->stats, (uint64_t)a->settings->worker_hang_timeout);

    say(a, request, good ? 200 : 503, good ? "ok\n" : "a worker does not turn its loop\n");
}

static void get_ready(struct tg_admin *a, struct evhttp_request *request)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct tg_buf text = {0};
    bool good = tg_metrics_ready(a->stats, &text);

    good &= tg_admin_credentials_ready(a->settings, &text);

    if (query == NULL || strncmp(query, "verbose", 7) != 0) {
        tg_buf_end(&text);
        tg_buf_puts(&text, good ? "ok\n" : "not ready\n");
    }
    answer_buf(a, request, good ? 200 : 503, PLAIN, &text);
}

static void get_metrics(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_metrics_text(a->stats, &text);
    tg_metrics_config(a->settings, &text);
    tg_limits_metrics(a->limits, &text);
    tg_admin_filter_metrics(a->settings, &text);
    tg_admin_credential_metrics(a->settings, &text);
    answer_buf(a, request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void get_status(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_metrics_status(a->stats, a->settings, &text);
    answer_buf(a, request, 200, JSON, &text);
}

static void get_config(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_settings_dump(a->settings, &text);
    answer_buf(a, request, 200, PLAIN, &text);
}

static void get_policies(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_admin_policies(a->settings, &text);
    answer_buf(a, request, 200, JSON, &text);
}

static void get_certs(struct tg_admin *a, struct evhttp_request *request)
{
    answer(a, request, 200, JSON, tg_buf_str(&a->certs));
}

static void get_credentials(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_admin_credentials(a->settings, &text);
    answer_buf(a, request, 200, JSON, &text);
}

/* --- orders --- */

static void forget(struct waiting *w)
{
    struct waiting **at = &w->admin->waiting;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    event_free(w->look);
    free(w);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct waiting *w = arg;
    struct tg_admin *a = w->admin;
    struct evhttp_request *request = w->request;
    struct tg_stats_answer got;
    bool answered = tg_stats_answered(a->stats, w->before, &got);

    (void)fd, (void)what;
    if (!answered && tg_clock_mono_now() < w->deadline)
        return;
    forget(w);
    CHECK(a->answering > 0);
    a->answering--; /* answer() counts it again */
    if (!answered)
        say(a, request, 504, "the master did not answer in time\n");
    else
        say(a, request, got.well ? 200 : 500, got.well ? "reloaded\n" : got.text);
}

static bool order(struct tg_admin *a, struct evhttp_request *request, enum tg_order what)
{
    char byte = (char)what;

    if (write(a->orders, &byte, 1) == 1)
        return true;
    say(a, request, 503, "the master does not take orders\n");
    return false;
}

static void post_reload(struct tg_admin *a, struct evhttp_request *request)
{
    struct waiting *w = calloc(1, sizeof(*w));
    struct timeval look = {0, LOOK_US};

    CHECK(w != NULL);
    w->admin = a;
    w->request = request;
    w->before = __atomic_load_n(&a->stats->reload, __ATOMIC_ACQUIRE);
    w->deadline = tg_clock_mono_now() + ANSWER_US;
    w->look = event_new(a->base, -1, EV_PERSIST, on_look, w);
    CHECK(w->look != NULL && event_add(w->look, &look) == 0);
    w->next = a->waiting;
    a->waiting = w;
    if (!order(a, request, TG_ORDER_RELOAD))
        forget(w);
    else
        a->answering++;
}

static void post_drain(struct tg_admin *a, struct evhttp_request *request)
{
    if (order(a, request, TG_ORDER_DRAIN))
        say(a, request, 202, "draining\n");
}

static void post_refresh(struct tg_admin *a, struct evhttp_request *request)
{
    for (const struct tg_credential_conf *c = a->settings->credentials; c != NULL; c = c->next)
        tg_credential_map_ask(a->settings->credential_map, c->number);
    say(a, request, 202, "refreshing\n");
}

static void post_log_level(struct tg_admin *a, struct evhttp_request *request)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct tg_str word = tg_str_of(query);
    uint32_t level = 0;

    if (tg_str_starts(word, TG_STR("level=")))
        word = tg_str_skip(word, 6);
    for (unsigned i = TG_LOG_EMERG; i <= TG_LOG_DEBUG; i++)
        if (tg_str_eq(word, tg_str_of(tg_log_level_name(i))))
            level = i;
    if (level == 0 && !tg_str_eq(word, TG_STR("configured"))) {
        say(a, request, 400, "?level= takes a level of error_log, or configured\n");
        return;
    }
    a->stats->log_level = level;
    say(a, request, 200, "ok\n");
}

/* --- routes --- */

static const struct {
    const char *path;
    enum evhttp_cmd_type method;
    void (*run)(struct tg_admin *a, struct evhttp_request *request);
} routes[] = {
    {"/healthz", EVHTTP_REQ_GET, get_health},
    {"/livez", EVHTTP_REQ_GET, get_live},
    {"/readyz", EVHTTP_REQ_GET, get_ready},
    {"/metrics", EVHTTP_REQ_GET, get_metrics},
    {"/status", EVHTTP_REQ_GET, get_status},
    {"/config", EVHTTP_REQ_GET, get_config},
    {"/policies", EVHTTP_REQ_GET, get_policies},
    {"/certs", EVHTTP_REQ_GET, get_certs},
    {"/credentials", EVHTTP_REQ_GET, get_credentials},
    {"/credentials/refresh", EVHTTP_REQ_POST, post_refresh},
    {"/reload", EVHTTP_REQ_POST, post_reload},
    {"/drain", EVHTTP_REQ_POST, post_drain},
    {"/log-level", EVHTTP_REQ_POST, post_log_level},
};

static void no_page(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_buf_puts(&text, "no such page, there are");
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
        tg_buf_printf(&text, " %s", routes[i].path);
    tg_buf_putc(&text, '\n');
    answer_buf(a, request, 404, PLAIN, &text);
}

static void route(struct tg_admin *a, struct evhttp_request *request, bool may_post)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    size_t i = 0;

    CHECK_MAGIC(a, ADMIN_MAGIC);
    while (i < sizeof(routes) / sizeof(*routes) && strcmp(routes[i].path, path) != 0)
        i++;
    if (i == sizeof(routes) / sizeof(*routes)) {
        no_page(a, request);
        return;
    }
    if (method == EVHTTP_REQ_HEAD)
        method = EVHTTP_REQ_GET;
    if (method != routes[i].method)
        say(a, request, 405, routes[i].method == EVHTTP_REQ_GET ? "GET only\n" : "POST only\n");
    else if (method == EVHTTP_REQ_POST && !may_post)
        say(a, request, 403, "changes are made over a unix socket\n");
    else
        routes[i].run(a, request);
}

static void on_open(struct evhttp_request *request, void *arg)
{
    route(arg, request, false);
}

static void on_closed(struct evhttp_request *request, void *arg)
{
    route(arg, request, true);
}

/* --- connections --- */

/* One whose callback tg_admin_drain() took away stays off. */
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
    struct tg_admin *a = arg;
    int next = dup(a->orders);

    (void)base;
    CHECK_MAGIC(a, ADMIN_MAGIC);
    if (next >= 0)
        close(next);
    if (next < 0 || next >= MAX_DESCRIPTORS) {
        evhttp_foreach_bound_socket(a->open, pause_socket, NULL);
        evhttp_foreach_bound_socket(a->closed, pause_socket, NULL);
    }
    return NULL;
}

/* --- life --- */

static struct evhttp *server(struct tg_admin *a,
                             void (*callback)(struct evhttp_request *request, void *arg))
{
    struct evhttp *http = evhttp_new(a->base);

    CHECK(http != NULL);
    evhttp_set_gencb(http, callback, a);
    evhttp_set_bevcb(http, on_accept, a);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_max_body_size(http, MAX_BODY);
    evhttp_set_max_headers_size(http, MAX_HEAD);
    evhttp_set_timeout(http, IDLE_S);
    return http;
}

struct tg_admin *tg_admin_new(const struct tg_settings *settings, struct tg_stats *stats,
                              const struct tg_limits *limits, int orders)
{
    struct tg_admin *a = calloc(1, sizeof(*a));

    CHECK(a != NULL);
    a->magic = ADMIN_MAGIC;
    a->settings = settings;
    a->stats = stats;
    a->limits = limits;
    a->orders = orders;
    a->base = event_base_new();
    CHECK(a->base != NULL);
    a->open = server(a, on_open);
    a->closed = server(a, on_closed);
    tg_admin_certs(settings, &a->certs);
    for (const struct tg_listen *l = settings->admin_listens; l != NULL; l = l->next) {
        struct evhttp_bound_socket *socket = evhttp_accept_socket_with_handle(
            l->address.ss_family == AF_UNIX ? a->closed : a->open, l->fd);

        CHECK(socket != NULL);
        evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(socket), on_accept_error);
    }
    return a;
}

struct event_base *tg_admin_base(const struct tg_admin *a)
{
    return a->base;
}

void tg_admin_run(struct tg_admin *a)
{
    CHECK(event_base_dispatch(a->base) >= 0);
}

void tg_admin_stop(struct tg_admin *a)
{
    CHECK_MAGIC(a, ADMIN_MAGIC);
    event_base_loopbreak(a->base);
}

static void unbind(struct evhttp_bound_socket *socket, void *arg)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(socket);

    (void)arg;
    (void)evconnlistener_disable(listener);
    evconnlistener_set_cb(listener, NULL, NULL); /* the end of a pause does not enable it */
}

/* New questions wait in the queue of the socket for the next admin process. */
void tg_admin_drain(struct tg_admin *a)
{
    CHECK_MAGIC(a, ADMIN_MAGIC);
    if (a->draining)
        return;
    a->draining = true;
    evhttp_foreach_bound_socket(a->open, unbind, NULL);
    evhttp_foreach_bound_socket(a->closed, unbind, NULL);
    done_draining(a);
}

void tg_admin_end(struct tg_admin *a)
{
    while (a->waiting != NULL)
        forget(a->waiting);
    evhttp_free(a->open);
    evhttp_free(a->closed);
    event_base_free(a->base);
    tg_buf_end(&a->certs);
    a->magic = 0;
    free(a);
}
