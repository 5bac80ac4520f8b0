/*
 * A filter outside the tree that waits: it asks for nothing, but a timer of its own wakes it later,
 * perhaps too late. It tells in the log what it was told.
 */
#include "base/json_writer.h"
#include "base/prometheus.h"
#include "chain/filter.h"

#include <event2/event.h>
#include <stdlib.h>

struct waiting_conf {
    int64_t bell;     /* microseconds until the timer rings; 0: the filter does not wait */
    int64_t deadline; /* microseconds it waits at most */
    bool refuse;      /* says no in the end */
    int64_t rings;    /* of the block waiting_tower */
};

/* A block of the filter's own: its rows stand in TG_IN_BLOCK, the setter applies them. */
static const struct tg_directive tower_rows[] = {
    {.name = "rings",
     .contexts = TG_IN_BLOCK,
     .kind = TG_CONF_NUMBER,
     .min = 1,
     .max = 12,
     .offset = offsetof(struct waiting_conf, rings),
     .help = "How often the bell rings."},
    {.name = NULL},
};

static bool set_tower(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    const struct tg_conf_table table = {tower_rows, target};

    (void)d;
    return tg_conf_apply(c, TG_IN_BLOCK, item->children, &table, 1);
}

static const struct tg_directive directives[] = {
    {.name = "waiting_bell",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_TIME,
     .max = 60000000,
     .offset = offsetof(struct waiting_conf, bell),
     .fallback = "0",
     .help = "When it is woken."},
    {.name = "waiting_deadline",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_TIME,
     .min = 1000,
     .max = 60000000,
     .offset = offsetof(struct waiting_conf, deadline),
     .fallback = "30s",
     .help = "How long it waits."},
    {.name = "waiting_tower",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .max_args = TG_CONF_NO_ARGS,
     .set = set_tower,
     .syntax = "{ rings NUMBER; }",
     .help = "The bell's tower."},
    {.name = "waiting_refuse",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_FLAG,
     .offset = offsetof(struct waiting_conf, refuse),
     .fallback = "off",
     .help = "Whether it refuses."},
    {.name = NULL},
};

struct waiting_state {
    bool asked;
};

/* Outlives the request it is for: the handle tells whether that is still there. */
struct bell {
    struct event *timer;
    struct tg_request_handle handle;
    char name[32]; /* the request's target */
};

static void on_ring(evutil_socket_t fd, short what, void *arg)
{
    struct bell *b = arg;

    (void)fd, (void)what;
    tg_log(TG_LOG_NOTICE, "waiting", "%s: %s", b->name,
           tg_resume(b->handle) ? "woken" : "nobody waits");
    event_free(b->timer);
    free(b);
}

static void set_bell(struct tg_request *r, int64_t us)
{
    struct timeval tv = {us / 1000000, us % 1000000};
    struct bell *b = calloc(1, sizeof(*b));

    b->handle = tg_request_handle(r);
    memcpy(b->name, r->target.p, r->target.n < sizeof(b->name) ? r->target.n : sizeof(b->name) - 1);
    b->timer = event_new(tg_request_loop(r), -1, 0, on_ring, b);
    event_add(b->timer, &tv);
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct waiting_conf *c = conf;
    struct waiting_state *s = state;

    if (c->bell > 0 && !s->asked) {
        s->asked = true;
        set_bell(r, c->bell);
        return tg_wait(r, "waiting for the bell", (unsigned)(c->deadline / 1000));
    }
    if (c->refuse)
        return tg_reply(r, TG_E_LIMITED, NULL, NULL);
    tg_request_set_field(r, TG_STR("X-Waited"), s->asked ? TG_STR("yes") : TG_STR("no"));
    return TG_NEXT;
}

static void on_response(struct tg_request *r, const struct tg_response *response, const void *conf,
                        void *state)
{
    struct tg_str kind = {"", 0};

    (void)conf, (void)state;
    for (unsigned i = 0; i < response->nfields; i++)
        if (tg_str_ieq(response->fields[i].name, TG_STR("X-Kind")))
            kind = response->fields[i].value;
    tg_log(TG_LOG_NOTICE, "waiting", "%.*s: response %d, kind %.*s, failed %d, code %.*s",
           TG_STR_ARG(r->target), response->status, TG_STR_ARG(kind), response->failed,
           TG_STR_ARG(response->error_code));
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)conf, (void)state;
    tg_log(TG_LOG_NOTICE, "waiting", "%.*s: done", TG_STR_ARG(r->target));
}

static bool on_status(const void *conf, struct tg_buf *out)
{
    const struct waiting_conf *c = conf;

    if (c->bell == 0)
        return false;
    tg_json_member_number(out, "bell", (uint64_t)c->bell);
    return true;
}

static void on_metrics(const void *const *confs, unsigned nconfs, struct tg_buf *out)
{
    tg_prometheus_family(out, "waiting_bell_seconds", "gauge", "When a bell rings.");
    for (unsigned i = 0; i < nconfs; i++) {
        const struct waiting_conf *c = confs[i];

        tg_buf_printf(out, "trainguard_waiting_bell_seconds{location=\"%u\"} %lu\n", i,
                      (unsigned long)c->bell / 1000000);
    }
}

const struct tg_filter tg_module_filter = {
    .abi = TG_FILTER_ABI,
    .name = "waiting",
    .help = "Waits for a bell.",
    .directives = directives,
    .conf_size = sizeof(struct waiting_conf),
    .state_size = sizeof(struct waiting_state),
    .on_request = on_request,
    .on_response = on_response,
    .on_done = on_done,
    .on_status = on_status,
    .on_metrics = on_metrics,
};
