/* Answers questions about the gateway: paths, who may ask, what an answer carries. */
#include "admin/admin.h"
#include "admin/metrics.h"
#include "admin/page.h"
#include "admin/pages.h"
#include "admin/protect.h"
#include "admin/servers.h"
#include "admin/sockets.h"
#include "admin/status.h"
#include "admin/viewers.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/history.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADMIN_MAGIC = 0x61646d69,
    LOOK_US = 10000,      /* how often it looks whether what it waits for is there */
    ANSWER_US = 60000000, /* how long that may take */
    GOODBYE_US = 500000,  /* for connections without a question, when it ends */
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
    struct tg_usage_map *usage;
    int orders;
    struct event_base *base;
    struct tg_admin_sockets sockets;
    struct tg_viewers *viewers;
    struct event *keep;         /* the history */
    struct tg_buf certs;        /* the answer, made at the start */
    struct tg_buf cert_metrics; /* the same */
    struct waiting *waiting;
    struct event *drained; /* looks whether all answers are out; NULL: not draining */
};

/* --- answers --- */

static void add_field(struct evhttp_request *request, const char *name, const char *value)
{
    CHECK(evhttp_add_header(evhttp_request_get_output_headers(request), name, value) == 0);
}

/* What browsers are told of every answer: it is shown in no frame, names no page it was asked from,
 * is what its type says, and loads nothing from elsewhere. */
static void add_protection(struct evhttp_request *request)
{
    add_field(request, "Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    add_field(request, "X-Frame-Options", "DENY");
    add_field(request, "Referrer-Policy", "no-referrer");
    add_field(request, "X-Content-Type-Options", "nosniff");
    add_field(request, "Cross-Origin-Resource-Policy", "same-origin");
}

/* An answer whose Content-Type and Cache-Control are set. */
static void send_answer(struct tg_admin *a, struct evhttp_request *request, int status,
                        struct tg_str text)
{
    struct evbuffer *body = evbuffer_new();

    CHECK(body != NULL && evbuffer_add(body, text.p, text.n) == 0);
    add_protection(request);
    if (a->drained != NULL)
        add_field(request, "Connection", "close");
    tg_admin_sockets_answered(&a->sockets, request);
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

static void answer(struct tg_admin *a, struct evhttp_request *request, int status, const char *type,
                   struct tg_str text)
{
    add_field(request, "Content-Type", type);
    add_field(request, "Cache-Control", "no-store");
    send_answer(a, request, status, text);
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

static const char *field_of(struct evhttp_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request), name);
}

/* --- the page --- */

/* Files are asked for again each time, and sent when they are not those the browser has. */
static void send_file(struct tg_admin *a, struct evhttp_request *request,
                      const struct tg_page_file *file)
{
    const char *has = field_of(request, "If-None-Match");
    bool same = has != NULL && strstr(has, file->etag) != NULL;

    add_field(request, "Content-Type", file->type);
    add_field(request, "Cache-Control", "no-cache");
    add_field(request, "ETag", file->etag);
    send_answer(a, request, same ? 304 : 200,
                (struct tg_str){(const char *)file->bytes, same ? 0 : file->n});
}

static void add_paths(struct tg_buf *text);

static void get_root(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    add_field(request, "Vary", "Accept");
    if (tg_page_wanted(field_of(request, "Accept"))) {
        send_file(a, request, tg_page_file("/"));
        return;
    }
    add_paths(&text);
    answer_buf(a, request, 200, PLAIN, &text);
}

/* Viewers never give way: where descriptors are few, half of the connections are for others. */
static unsigned most_viewers(const struct tg_admin *a)
{
    return a->sockets.most / 2 < TG_VIEWERS_MOST ? a->sockets.most / 2 : TG_VIEWERS_MOST;
}

static void get_events(struct tg_admin *a, struct evhttp_request *request)
{
    if (a->drained != NULL || evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        say(a, request, a->drained != NULL ? 503 : 200, "");
        return;
    }
    if (tg_viewers_count(a->viewers) >= most_viewers(a)) {
        add_field(request, "Retry-After", "5");
        say(a, request, 503, "there are enough viewers already\n");
        return;
    }
    add_protection(request);
    add_field(request, "Cache-Control", "no-store");
    tg_viewers_add(a->viewers, request);
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
    bool degraded;

    good &= tg_admin_credentials_ready(a->settings, &text);
    degraded = tg_metrics_degraded(a->settings, &text);

    if (query == NULL || strncmp(query, "verbose", 7) != 0) {
        tg_buf_end(&text);
        tg_buf_puts(&text, !good ? "not ready\n" : degraded ? "degraded\n" : "ok\n");
    }
    answer_buf(a, request, good ? 200 : 503, PLAIN, &text);
}

static void get_metrics(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};
    const char *type;

    tg_metrics_usage(a->stats, a->usage, &text);
    tg_metrics_text(a->stats, &text);
    tg_metrics_config(a->settings, &text);
    tg_servers_metrics(a->settings, a->stats, &text);
    tg_buf_add(&text, tg_buf_str(&a->cert_metrics));
    tg_limits_metrics(a->limits, &text);
    tg_admin_limit_store_metrics(a->settings, a->limits, &text);
    tg_admin_filter_metrics(a->settings, &text);
    tg_admin_credential_metrics(a->settings, &text);
    tg_viewers_metrics(a->viewers, &text);
    tg_admin_caller_metrics(a->settings, &text);
    type = tg_metrics_form(field_of(request, "Accept"), &text);
    add_field(request, "Vary", "Accept");
    answer_buf(a, request, 200, type, &text);
}

static void get_status(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_status_text(a->settings, a->stats, a->limits, &text);
    answer_buf(a, request, 200, JSON, &text);
}

static void get_heads(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_status_heads(a->settings, a->stats, &text);
    answer_buf(a, request, 200, "application/x-ndjson", &text);
}

static void get_history(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_status_history(a->stats, &text);
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

static void get_callers(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_admin_callers(a->settings, &text);
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

static void get_topics(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_admin_topics(&text);
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
    bool free; /* to whoever can connect */
    void (*run)(struct tg_admin *a, struct evhttp_request *request);
} routes[] = {
    {"/", EVHTTP_REQ_GET, false, get_root},
    {"/healthz", EVHTTP_REQ_GET, true, get_health},
    {"/livez", EVHTTP_REQ_GET, true, get_live},
    {"/readyz", EVHTTP_REQ_GET, true, get_ready},
    {"/metrics", EVHTTP_REQ_GET, true, get_metrics},
    {"/status", EVHTTP_REQ_GET, false, get_status},
    {"/history", EVHTTP_REQ_GET, false, get_history},
    {"/events", EVHTTP_REQ_GET, false, get_events},
    {"/audit/heads", EVHTTP_REQ_GET, false, get_heads},
    {"/config", EVHTTP_REQ_GET, false, get_config},
    {"/policies", EVHTTP_REQ_GET, false, get_policies},
    {"/certs", EVHTTP_REQ_GET, false, get_certs},
    {"/callers", EVHTTP_REQ_GET, false, get_callers},
    {"/topics", EVHTTP_REQ_GET, false, get_topics},
    {"/credentials", EVHTTP_REQ_GET, false, get_credentials},
    {"/credentials/refresh", EVHTTP_REQ_POST, false, post_refresh},
    {"/reload", EVHTTP_REQ_POST, false, post_reload},
    {"/drain", EVHTTP_REQ_POST, false, post_drain},
    {"/log-level", EVHTTP_REQ_POST, false, post_log_level},
};

enum { ROUTES = sizeof(routes) / sizeof(*routes) };

static void add_paths(struct tg_buf *text)
{
    for (size_t i = 0; i < ROUTES; i++)
        tg_buf_printf(text, "%s%s", i > 0 ? " " : "", routes[i].path);
    tg_buf_putc(text, '\n');
}

static void no_page(struct tg_admin *a, struct evhttp_request *request)
{
    struct tg_buf text = {0};

    tg_buf_puts(&text, "no such page, there are ");
    add_paths(&text);
    answer_buf(a, request, 404, PLAIN, &text);
}

/* Answers who may not ask; false: may. */
static bool refuse(struct tg_admin *a, struct evhttp_request *request, enum tg_admin_peer from)
{
    const char *host = field_of(request, "Host");
    const char *authorization = field_of(request, "Authorization");

    if (from == TG_PEER_UNIX)
        return false;
    if (!tg_admin_knows_host(a->settings, tg_str_of(host))) {
        say(a, request, 403, "Host is no address, no localhost, and no server_name of \"admin\"\n");
        return true;
    }
    if (from == TG_PEER_LOCAL || tg_admin_knows_token(a->settings, tg_str_of(authorization)))
        return false;
    if (a->settings->admin_token.n == 0) {
        say(a, request, 403, "this address is not loopback, and \"admin\" has no token_file\n");
        return true;
    }
    add_field(request, "WWW-Authenticate", "Basic realm=\"trainguard\", charset=\"UTF-8\"");
    say(a, request, 401, "the token of token_file is wanted: Bearer, or Basic with any name\n");
    return true;
}

static void run_route(struct tg_admin *a, struct evhttp_request *request, enum tg_admin_peer from,
                      size_t i)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);

    if (method == EVHTTP_REQ_HEAD)
        method = EVHTTP_REQ_GET;
    if (!routes[i].free && refuse(a, request, from))
        return;
    if (method != routes[i].method)
        say(a, request, 405, routes[i].method == EVHTTP_REQ_GET ? "GET only\n" : "POST only\n");
    else if (method == EVHTTP_REQ_POST && from != TG_PEER_UNIX)
        say(a, request, 403, "changes are made over a unix socket\n");
    else
        routes[i].run(a, request);
}

static void on_request(void *owner, struct evhttp_request *request, enum tg_admin_peer from)
{
    struct tg_admin *a = owner;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    const struct tg_page_file *file = tg_page_file(path);
    size_t i = 0;

    CHECK_MAGIC(a, ADMIN_MAGIC);
    while (i < ROUTES && strcmp(routes[i].path, path) != 0)
        i++;
    if (i < ROUTES)
        run_route(a, request, from, i);
    else if (refuse(a, request, from))
        return;
    else if (file != NULL && evhttp_request_get_command(request) != EVHTTP_REQ_POST)
        send_file(a, request, file);
    else
        no_page(a, request);
}

/* --- life --- */

static void on_keep(evutil_socket_t fd, short what, void *arg)
{
    struct tg_admin *a = arg;

    (void)fd, (void)what;
    tg_history_keep(a->stats, tg_clock_mono_now());
}

static void keep_history(struct tg_admin *a)
{
    struct timeval step = {TG_HISTORY_STEP_US / 1000000, 0};

    a->keep = event_new(a->base, -1, EV_PERSIST, on_keep, a);
    CHECK(a->keep != NULL && event_add(a->keep, &step) == 0);
    tg_history_keep(a->stats, tg_clock_mono_now());
}

struct tg_admin *tg_admin_new(const struct tg_settings *settings, struct tg_stats *stats,
                              const struct tg_limits *limits, struct tg_usage_map *usage,
                              int orders)
{
    struct tg_admin *a = calloc(1, sizeof(*a));

    CHECK(a != NULL);
    a->magic = ADMIN_MAGIC;
    a->settings = settings;
    a->stats = stats;
    a->limits = limits;
    a->usage = usage;
    a->orders = orders;
    a->base = event_base_new();
    CHECK(a->base != NULL);
    a->viewers = tg_viewers_new(a->base, stats);
    keep_history(a);
    tg_admin_certs(settings, &a->certs);
    tg_admin_cert_metrics(settings, &a->cert_metrics);
    a->sockets.take = on_request;
    a->sockets.owner = a;
    tg_admin_sockets_open(&a->sockets, a->base, settings);
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

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
    struct tg_admin *a = arg;
    struct timeval goodbye = {0, GOODBYE_US};

    (void)fd, (void)what;
    if (a->waiting != NULL || !tg_admin_sockets_all_sent(&a->sockets))
        return;
    event_del(a->drained);
    event_base_loopexit(a->base, &goodbye);
}

/* New questions wait in the queue of the socket for the next admin process. */
void tg_admin_drain(struct tg_admin *a)
{
    struct timeval look = {0, LOOK_US};

    CHECK_MAGIC(a, ADMIN_MAGIC);
    if (a->drained != NULL)
        return;
    a->drained = event_new(a->base, -1, EV_PERSIST, on_drained, a);
    CHECK(a->drained != NULL && event_add(a->drained, &look) == 0);
    tg_admin_sockets_unbind(&a->sockets);
    tg_viewers_leave(a->viewers);
}

void tg_admin_end(struct tg_admin *a)
{
    while (a->waiting != NULL)
        forget(a->waiting);
    tg_admin_sockets_end(&a->sockets);
    tg_viewers_end(a->viewers);
    event_free(a->keep);
    if (a->drained != NULL)
        event_free(a->drained);
    event_base_free(a->base);
    tg_buf_end(&a->certs);
    tg_buf_end(&a->cert_metrics);
    a->magic = 0;
    free(a);
}
