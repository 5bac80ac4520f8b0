/* What is known of stores of limits: metrics, status. */
#include "shm/limit_stores.h"
#include "admin/pages.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus.h"

static bool is_up(const struct tg_limit_store *s)
{
    return tg_limit_store_up(s, tg_clock_mono_now());
}

static void begin_sample(struct tg_buf *out, const char *name, const struct tg_limit_store_conf *e)
{
    tg_buf_printf(out, "trainguard_%s{", name);
    tg_prometheus_label(out, "store", e->name);
}

/* One sample of each store. */
static void family(const struct tg_settings *s, const struct tg_limits *l, const char *name,
                   const char *type, const char *help,
                   uint64_t (*value)(const struct tg_limit_store *s), struct tg_buf *out)
{
    struct tg_limit_store store;

    tg_prometheus_family(out, name, type, help);
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next) {
        tg_limit_store_read(l, e->share.number, &store);
        begin_sample(out, name, e);
        tg_buf_printf(out, "} %lu\n", value(&store));
    }
}

static uint64_t up(const struct tg_limit_store *s)
{
    return is_up(s);
}

static uint64_t gateways(const struct tg_limit_store *s)
{
    return s->replicas;
}

static uint64_t pending(const struct tg_limit_store *s)
{
    return s->pending;
}

static uint64_t debt(const struct tg_limit_store *s)
{
    return s->debt;
}

static uint64_t fallback(const struct tg_limit_store *s)
{
    return s->fallback;
}

static void calls(const struct tg_settings *s, const struct tg_limits *l, struct tg_buf *out)
{
    struct tg_limit_store store;

    tg_prometheus_family(out, "limit_store_calls_total", "counter",
                         "Calls to a store of limits and attempts to reach it, by what came of "
                         "them.");
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next) {
        tg_limit_store_read(l, e->share.number, &store);
        for (unsigned i = 0; i < TG_LIMIT_CALLS; i++) {
            begin_sample(out, "limit_store_calls_total", e);
            tg_buf_printf(out, ",result=\"%s\"} %lu\n", tg_limit_call_words[i], store.calls[i]);
        }
    }
}

static void duration(const struct tg_limit_store_conf *e, const struct tg_stats_histogram *h,
                     struct tg_buf *out)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < TG_STATS_BUCKETS; i++) {
        n += h->bucket[i];
        begin_sample(out, "limit_store_duration_seconds_bucket", e);
        tg_buf_putc(out, ',');
        if (i < TG_STATS_BUCKETS - 1)
            tg_prometheus_bound(out, tg_limit_call_bounds[i]);
        else
            tg_buf_add(out, TG_STR("le=\"+Inf\""));
        tg_buf_printf(out, "} %lu\n", n);
    }
    begin_sample(out, "limit_store_duration_seconds_sum", e);
    tg_buf_printf(out, "} %.6f\n", (double)h->sum_us / 1e6);
    begin_sample(out, "limit_store_duration_seconds_count", e);
    tg_buf_printf(out, "} %lu\n", n);
}

void tg_admin_limit_store_metrics(const struct tg_settings *s, const struct tg_limits *l,
                                  struct tg_buf *out)
{
    struct tg_limit_store store;

    family(s, l, "limit_store_up", "gauge", "Whether a store of limits answers.", up, out);
    family(s, l, "limit_store_gateways", "gauge",
           "Gateways that share limits through a store, as last told.", gateways, out);
    calls(s, l, out);
    tg_prometheus_family(out, "limit_store_duration_seconds", "histogram",
                         "Time until a store of limits answered.");
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next) {
        tg_limit_store_read(l, e->share.number, &store);
        duration(e, &store.duration, out);
    }
    family(s, l, "limit_store_pending", "gauge", "Calls to a store of limits without an answer.",
           pending, out);
    family(s, l, "limit_store_debt", "gauge", "Keys of which the store was not told all yet.", debt,
           out);
    family(s, l, "limit_fallback_total", "counter",
           "Times a limit was applied while its store was away.", fallback, out);
}

void tg_admin_limit_stores(const struct tg_settings *s, const struct tg_limits *l,
                           struct tg_buf *out)
{
    static const char *const on_error_words[] = {[TG_LIMIT_ON_ERROR_LOCAL] = "local",
                                                 [TG_LIMIT_ON_ERROR_PASS] = "pass",
                                                 [TG_LIMIT_ON_ERROR_DENY] = "deny"};
    struct tg_limit_store store;

    tg_json_member_begin(out, "limit_stores", '[');
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next) {
        tg_limit_store_read(l, e->share.number, &store);
        tg_json_begin(out, '{');
        tg_json_member(out, "store", e->name);
        tg_json_member_bool(out, "up", is_up(&store));
        tg_json_member_time(out, "since", store.since);
        tg_json_member(out, "server", tg_str_of(store.server));
        tg_json_member(out, "on_error", tg_str_of(on_error_words[e->share.on_error]));
        tg_json_member_number(out, "gateways", store.replicas);
        tg_json_member_number(out, "pending", store.pending);
        tg_json_member_number(out, "debt", store.debt);
        tg_json_member_number(out, "fallback", store.fallback);
        tg_json_member(out, "last_error", tg_str_of(store.why));
        tg_json_member_time(out, "last_failure", store.failed);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}
