/* What the counters look like to who asks: Prometheus text, JSON, readiness. */
#include "admin/metrics.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/prometheus.h"
#include "http/accept.h"
#include "shm/limit_stores.h"
#include "signing/signature.h"

#include <stddef.h>
#include <stdlib.h>

static void single(struct tg_buf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    tg_prometheus_family(out, name, type, help);
    tg_buf_printf(out, "trainguard_%s %lu\n", name, value);
}

static struct tg_str route_name(const struct tg_stats *s, unsigned i)
{
    return i == 0 ? TG_STR("other") : tg_str_of(s->route[i]);
}

static void histogram(struct tg_buf *out, const char *name, struct tg_str route,
                      const uint64_t bounds[TG_STATS_BUCKETS - 1],
                      const struct tg_stats_histogram *h)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < TG_STATS_BUCKETS; i++) {
        n += h->bucket[i];
        tg_buf_printf(out, "trainguard_%s_bucket{", name);
        if (route.n > 0) {
            tg_prometheus_label(out, "route", route);
            tg_buf_putc(out, ',');
        }
        if (i < TG_STATS_BUCKETS - 1)
            tg_prometheus_bound(out, bounds[i]);
        else
            tg_buf_add(out, TG_STR("le=\"+Inf\""));
        tg_buf_printf(out, "} %lu\n", n);
    }
    for (unsigned i = 0; i < 2; i++) {
        tg_buf_printf(out, "trainguard_%s_%s", name, i == 0 ? "sum" : "count");
        if (route.n > 0) {
            tg_buf_putc(out, '{');
            tg_prometheus_label(out, "route", route);
            tg_buf_putc(out, '}');
        }
        if (i == 0)
            tg_buf_printf(out, " %.6f\n", (double)h->sum_us / 1e6);
        else
            tg_buf_printf(out, " %lu\n", n);
    }
}

static void requests(const struct tg_stats *s, const struct tg_stats_counts *c, struct tg_buf *out)
{
    tg_prometheus_family(out, "http_requests_total", "counter", "Requests that ended.");
    for (unsigned r = 0; r < s->routes; r++)
        for (unsigned d = 0; d < TG_DECISIONS; d++)
            for (unsigned k = 0; k < TG_STATS_CLASSES; k++) {
                if (c->requests[r][d][k] == 0)
                    continue;
                tg_buf_puts(out, "trainguard_http_requests_total{");
                tg_prometheus_label(out, "route", route_name(s, r));
                tg_buf_printf(out, ",decision=\"%s\",", tg_decision_words[d]);
                if (k == 0)
                    tg_buf_puts(out, "status_class=\"none\"} ");
                else
                    tg_buf_printf(out, "status_class=\"%uxx\"} ", k);
                tg_buf_printf(out, "%lu\n", c->requests[r][d][k]);
            }
    single(out, "http_requests_changed_total", "counter",
           "Requests that were allowed with a body that the filters changed.", c->changed);
    tg_prometheus_family(out, "http_request_duration_seconds", "histogram",
                         "From the first byte of a request to the end of its answer.");
    for (unsigned r = 0; r < s->routes; r++)
        if (r == 0 || c->duration[r].sum_us > 0)
            histogram(out, "http_request_duration_seconds", route_name(s, r), tg_stats_bounds,
                      &c->duration[r]);
}

static void phase(struct tg_buf *out, const char *name, const char *type, const char *help,
                  const struct tg_stats_histogram *h)
{
    tg_prometheus_family(out, name, type, help);
    histogram(out, name, TG_STR(""), tg_stats_phase_bounds, h);
}

static void phases(const struct tg_stats_counts *c, struct tg_buf *out)
{
    phase(out, "filters_duration_seconds", "histogram", "Time spent in filters.",
          &c->phase[TG_STATS_FILTERS]);
    phase(out, "upstream_connect_duration_seconds", "histogram",
          "Name, TCP and TLS of a new connection to the upstream.", &c->phase[TG_STATS_CONNECT]);
    phase(out, "upstream_pool_wait_duration_seconds", "histogram",
          "Waiting for one of `max_connections` to the upstream, of requests that had to.",
          &c->pool_wait);
    phase(out, "upstream_response_duration_seconds", "histogram",
          "From the request sent to the head of the upstream's answer.",
          &c->phase[TG_STATS_UPSTREAM]);
}

bool tg_metrics_of_upstream(enum tg_error e)
{
    return e >= TG_E_UPSTREAM_RESOLVE && e <= TG_E_READ_TIMEOUT;
}

static void outcomes(const struct tg_stats_counts *c, struct tg_buf *out)
{
    static const char *const words[TG_STATS_OUTCOMES] = {[TG_STATS_SUCCESS] = "success",
                                                         [TG_STATS_FAILURE] = "failure",
                                                         [TG_STATS_UNKNOWN] = "unknown"};

    tg_prometheus_family(
        out, "upstream_outcomes_total", "counter",
        "Answers of the upstream by what they say: status and is_success. Unknown: a "
        "coded body on a route with filters.");
    for (unsigned i = 0; i < TG_STATS_OUTCOMES; i++)
        tg_buf_printf(out, "trainguard_upstream_outcomes_total{outcome=\"%s\"} %lu\n", words[i],
                      c->outcomes[i]);
}

static void retries(const struct tg_stats_counts *c, struct tg_buf *out)
{
    static const char *const words[TG_STATS_RETRIES] = {[TG_STATS_RETRY_CONNECT] = "connect",
                                                        [TG_STATS_RETRY_CLOSED] = "closed",
                                                        [TG_STATS_RETRY_RESET] = "reset"};

    tg_prometheus_family(out, "upstream_retries_total", "counter",
                         "Requests tried again: on the next server after connecting failed, on a "
                         "new connection after a kept one was closed or reset.");
    for (unsigned i = 0; i < TG_STATS_RETRIES; i++)
        tg_buf_printf(out, "trainguard_upstream_retries_total{reason=\"%s\"} %lu\n", words[i],
                      c->retries[i]);
}

static void ends(const struct tg_stats_counts *c, struct tg_buf *out)
{
    tg_prometheus_family(out, "http_request_ends_total", "counter", "Requests by why they ended.");
    for (unsigned e = 0; e < TG_E_COUNT; e++)
        tg_buf_printf(out, "trainguard_http_request_ends_total{end=\"%s\"} %lu\n",
                      tg_error_info(e)->word, c->ends[e]);
    tg_prometheus_family(out, "upstream_errors_total", "counter",
                         "Requests the upstream failed, by how.");
    for (unsigned e = 0; e < TG_E_COUNT; e++)
        if (tg_metrics_of_upstream(e))
            tg_buf_printf(out, "trainguard_upstream_errors_total{kind=\"%s\"} %lu\n",
                          tg_error_info(e)->word, c->ends[e]);
}

/* The parts of a name, each under its key; `keys` has commas between them. */
static void labels(struct tg_buf *out, const char *keys, const char *text)
{
    struct tg_str rest = tg_str_of(text);

    for (const char *key = keys; *key != '\0';) {
        const char *end = rest.n > 0 ? memchr(rest.p, '\n', rest.n) : NULL;
        struct tg_str part = {rest.p, end != NULL ? (size_t)(end - rest.p) : rest.n};
        size_t n = strcspn(key, ",");
        char name[16];

        CHECK(n < sizeof(name));
        memcpy(name, key, n);
        name[n] = '\0';
        if (key != keys)
            tg_buf_putc(out, ',');
        tg_prometheus_label(out, name, part);
        rest = tg_str_skip(rest, end != NULL ? part.n + 1 : part.n);
        key += n + (key[n] == ',');
    }
}

static void names(const struct tg_stats_slot *sum, enum tg_stats_what what, const char *name,
                  const char *keys, const char *help, struct tg_buf *out)
{
    tg_prometheus_family(out, name, "counter", help);
    for (unsigned i = 0; i < TG_STATS_NAMES; i++) {
        if (sum->names[i].what != what)
            continue;
        tg_buf_printf(out, "trainguard_%s{", name);
        labels(out, keys, sum->names[i].text);
        tg_buf_printf(out, "} %lu\n", sum->names[i].n);
    }
}

/* What a rule of a mode can say; from the start, so that the first one is an increase. */
static bool is_result(struct tg_str mode, enum tg_rule_result result)
{
    bool warns = tg_str_eq(mode, TG_STR("warn"));

    return result != (warns ? TG_RULE_FAIL : TG_RULE_WARN);
}

static void rules(const struct tg_stats *s, const struct tg_stats_slot *sum, struct tg_buf *out)
{
    tg_prometheus_family(out, "policy_results_total", "counter",
                         "What policy rules said of requests they were asked about; skip: an "
                         "exception.");
    for (unsigned i = 1; i < s->rules; i++)
        for (unsigned r = TG_RULE_PASS; r <= TG_RULE_RESULTS; r++) {
            const struct tg_stats_rule *e = &s->rule[i];

            if (!is_result(tg_str_of(e->mode), r))
                continue;
            tg_buf_puts(out, "trainguard_policy_results_total{");
            tg_prometheus_label(out, "policy", tg_str_of(e->policy));
            tg_buf_putc(out, ',');
            tg_prometheus_label(out, "rule", tg_str_of(e->rule));
            tg_buf_printf(out, ",result=\"%s\",mode=\"%s\"} %lu\n", tg_rule_result_word(r), e->mode,
                          sum->counts.rules[i][r - 1]);
        }
}

/* Of rules that found no place. */
static uint64_t lost_results(const struct tg_stats_slot *sum)
{
    uint64_t n = 0;

    for (unsigned r = 0; r < TG_RULE_RESULTS; r++)
        n += sum->counts.rules[0][r];
    return n;
}

/* One sample of each table. */
static void limit_tables(const struct tg_limits *l, const char *name, const char *type,
                         const char *help, size_t member, struct tg_buf *out)
{
    uint64_t now = tg_clock_mono_now();
    struct tg_limit_table t;

    tg_prometheus_family(out, name, type, help);
    for (unsigned i = 0; tg_limit_table_at(l, i, now, &t); i++) {
        tg_buf_printf(out, "trainguard_%s{", name);
        tg_prometheus_label(out, "rule", tg_str_of(t.name));
        tg_buf_printf(out, "} %lu\n", *(const uint64_t *)(const void *)((char *)&t + member));
    }
}

static void limited_by(const struct tg_limit_table *t, const char *store, const uint64_t *refused,
                       struct tg_buf *out)
{
    for (unsigned dry = 0; dry < 2; dry++) {
        tg_buf_printf(out, "trainguard_limited_total{limit=\"%s\",", tg_limit_kind_words[t->kind]);
        tg_prometheus_label(out, "rule", tg_str_of(t->name));
        tg_buf_printf(out, ",by=\"%s\",", tg_limit_key_words[t->key - 1]);
        tg_prometheus_label(out, "store", tg_str_of(store));
        tg_buf_printf(out, ",dry_run=\"%s\"} %lu\n", dry != 0 ? "true" : "false", refused[dry]);
    }
}

/* By whose count: that of the store, or of this gateway alone. */
static void limited(const struct tg_limits *l, struct tg_buf *out)
{
    struct tg_limit_table t;
    struct tg_limit_store store;

    tg_prometheus_family(out, "limited_total", "counter",
                         "Requests beyond a limit; dry_run ones were served.");
    for (unsigned i = 0; tg_limit_table_at(l, i, 0, &t); i++) {
        if (t.store > 0) {
            tg_limit_store_read(l, t.store - 1, &store);
            limited_by(&t, store.name, t.refused, out);
        }
        limited_by(&t, "local", t.store > 0 ? t.alone : t.refused, out);
    }
}

void tg_limits_metrics(const struct tg_limits *l, struct tg_buf *out)
{
    limited(l, out);
    limit_tables(l, "limit_keys", "gauge", "Keys a limit knows something of.",
                 offsetof(struct tg_limit_table, keys), out);
    limit_tables(l, "limit_keys_given_up_total", "counter",
                 "Keys of a full limit that were forgotten for others.",
                 offsetof(struct tg_limit_table, given_up), out);
    limit_tables(l, "limit_keys_shared_total", "counter",
                 "Times a key of a full limit shared one entry with others.",
                 offsetof(struct tg_limit_table, shared), out);
}

static void auth(const struct tg_stats_counts *c, struct tg_buf *out)
{
    tg_prometheus_family(out, "auth_total", "counter",
                         "Requests whose caller was checked, by how it was known and what came of "
                         "it: passed, the word of an end, or refused for another reason.");
    for (unsigned k = TG_AUTH_NONE; k < TG_AUTH_KINDS; k++)
        for (unsigned r = 0; r < TG_STATS_AUTH_RESULTS; r++) {
            unsigned e = TG_E_AUTH_MISSING + r - TG_STATS_AUTH_FAILED;
            const char *word = r == TG_STATS_AUTH_PASSED  ? "passed"
                               : r == TG_STATS_AUTH_OTHER ? "refused"
                                                          : tg_error_info((enum tg_error)e)->word;

            if (c->auth[k][r] > 0)
                tg_buf_printf(out, "trainguard_auth_total{kind=\"%s\",result=\"%s\"} %lu\n",
                              tg_auth_kind_text((enum tg_auth_kind)k), word, c->auth[k][r]);
        }
    tg_prometheus_family(out, "auth_forms_total", "counter",
                         "Signatures that held, by how they depart from the documented form.");
    for (unsigned i = 0; i < TG_STATS_AUTH_FORMS; i++)
        if (c->auth_forms[i] > 0)
            tg_buf_printf(out, "trainguard_auth_forms_total{form=\"%s\"} %lu\n",
                          i == 0 ? "documented" : tg_signing_form_text(i), c->auth_forms[i]);
}

static void audit(const struct tg_stats_slot *sum, struct tg_buf *out)
{
    const struct tg_stats_counts *c = &sum->counts;

    single(out, "audit_events_total", "counter", "Records told to the audit log.", c->audit_events);
    tg_prometheus_family(out, "audit_events_dropped_total", "counter",
                         "Records that were lost, by why.");
    tg_buf_printf(out, "trainguard_audit_events_dropped_total{reason=\"queue_full\"} %lu\n",
                  c->audit_dropped_queue);
    tg_buf_printf(out, "trainguard_audit_events_dropped_total{reason=\"too_long\"} %lu\n",
                  c->audit_dropped_size);
    single(out, "audit_timeouts_total", "counter",
           "Answers given up because their records could not be written.", c->audit_timeouts);
    single(out, "audit_write_errors_total", "counter", "Writes, syncs and opens that failed.",
           c->audit_write_errors);
    single(out, "audit_queued_bytes", "gauge", "Bytes that wait to be written.",
           sum->gauges.audit_queued);
}

/* Where each audit log stands. */
static void audit_heads(const struct tg_stats *s, struct tg_buf *out)
{
    struct tg_stats_head head;

    tg_prometheus_family(out, "audit_last_seq", "gauge", "Number of a stream's newest line.");
    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid > 0 && tg_stats_audit_head(&s->slot[i], &head))
            tg_buf_printf(out, "trainguard_audit_last_seq{worker=\"%u\",stream=\"%s\"} %lu\n",
                          s->slot[i].number, head.stream, head.seq);
}

static unsigned live(const struct tg_stats *s, bool ready_only)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        n += s->slot[i].pid > 0 && (!ready_only || (s->slot[i].ready && !s->slot[i].old));
    return n;
}

static void process(const struct tg_stats *s, const struct tg_stats_slot *sum, struct tg_buf *out)
{
    tg_prometheus_family(out, "build_info", "gauge", "The version that runs.");
    tg_buf_puts(out, "trainguard_build_info{version=\"" TG_VERSION "\"} 1\n");
    single(out, "start_time_seconds", "gauge", "When the master started, since 1970.",
           (uint64_t)(s->started / 1000000));
    single(out, "workers", "gauge", "Workers that serve the configuration in force.",
           live(s, true));
    single(out, "workers_draining", "gauge", "Workers of earlier configurations.",
           live(s, false) - live(s, true));
    single(out, "worker_restarts_total", "counter", "Workers that died and were replaced.",
           s->restarts);
    tg_prometheus_family(out, "config_reloads_total", "counter", "Reloads by what came of them.");
    tg_buf_printf(out, "trainguard_config_reloads_total{result=\"done\"} %lu\n", s->reloads[1]);
    tg_buf_printf(out, "trainguard_config_reloads_total{result=\"failed\"} %lu\n", s->reloads[0]);
    tg_prometheus_family(out, "config_watch_reloads_total", "counter",
                         "Reloads of them for files that had changed, by what came of them.");
    tg_buf_printf(out, "trainguard_config_watch_reloads_total{result=\"done\"} %lu\n",
                  s->watch_reloads[1]);
    tg_buf_printf(out, "trainguard_config_watch_reloads_total{result=\"failed\"} %lu\n",
                  s->watch_reloads[0]);
    single(out, "config_watch_last_reload_timestamp_seconds", "gauge",
           "When files that had changed were last loaded; 0: never.",
           (uint64_t)(s->watch_reloaded / 1000000));
    single(out, "config_last_reload_successful", "gauge", "1 unless the last reload failed.",
           s->last_reload_well);
    single(out, "config_last_reload_timestamp_seconds", "gauge",
           "When the configuration in force came into force, since 1970.",
           (uint64_t)((s->reloaded != 0 ? s->reloaded : s->started) / 1000000));
    single(out, "connections_accepted_total", "counter", "Connections of clients.",
           sum->counts.accepted);
    single(out, "connections", "gauge", "Connections of clients that are open.",
           sum->gauges.connections);
    single(out, "http_requests_in_flight", "gauge", "Requests under way.", sum->gauges.exchanges);
    single(out, "upstream_connections", "gauge", "Connections to upstreams that are open.",
           sum->gauges.upstream_conns);
    single(out, "body_memory_bytes", "gauge", "Memory that request bodies take now.",
           sum->gauges.body_memory);
    single(out, "http_request_body_bytes_total", "counter", "Bytes of request bodies.",
           sum->counts.bytes_in);
    single(out, "http_response_body_bytes_total", "counter", "Bytes of answers' bodies.",
           sum->counts.bytes_out);
}

/* One of the names that each Prometheus client has, without a prefix. */
static void standard(struct tg_buf *out, const char *name, const char *type, const char *help,
                     uint64_t value)
{
    if (value == 0)
        return;
    tg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lu\n", name, help, name, type, name, value);
}

void tg_metrics_usage(const struct tg_stats *s, struct tg_usage_map *usage, struct tg_buf *out)
{
    struct tg_usage sum = tg_usage_sum(usage);

    tg_buf_printf(out,
                  "# HELP process_cpu_seconds_total Time of processors that all processes took, "
                  "those that ended too.\n# TYPE process_cpu_seconds_total counter\n"
                  "process_cpu_seconds_total %.6f\n",
                  (double)sum.cpu_us / 1e6);
    standard(out, "process_resident_memory_bytes", "gauge",
             "Memory that all processes have; what they share counts once.", sum.resident);
    standard(out, "process_virtual_memory_bytes", "gauge", "Addresses that all processes have.",
             sum.size);
    standard(out, "process_open_fds", "gauge",
             "Descriptors that are open in the process nearest to its limit.", sum.open);
    standard(out, "process_max_fds", "gauge", "The limit of that process.", sum.most);
    standard(out, "process_start_time_seconds", "gauge", "When the master started, since 1970.",
             (uint64_t)(s->started / 1000000));
}

void tg_metrics_text(const struct tg_stats *s, struct tg_buf *out)
{
    struct tg_stats_slot *sum = malloc(sizeof(*sum));

    CHECK(sum != NULL);
    tg_stats_sum(s, sum);
    process(s, sum, out);
    requests(s, &sum->counts, out);
    ends(&sum->counts, out);
    outcomes(&sum->counts, out);
    retries(&sum->counts, out);
    phases(&sum->counts, out);
    names(sum, TG_STATS_NORMALIZATION, "normalizations_total", "name",
          "Changes made to request bodies.", out);
    names(sum, TG_STATS_VIOLATION, "violations_total", "rule", "Mistakes found in requests.", out);
    names(sum, TG_STATS_JUDGED, "policy_judged_total", "policy",
          "Requests a policy was asked about.", out);
    rules(s, sum, out);
    names(sum, TG_STATS_LOOKUP, "lookups_total", "what,result",
          "Looks at what a request does not say: asked for, kept, stale, or in vain.", out);
    single(
        out, "metric_names_lost_total", "counter",
        "Normalizations, violations, results and looks not counted by name: too many, or too long.",
        sum->counts.names_lost + lost_results(sum));
    auth(&sum->counts, out);
    audit(sum, out);
    audit_heads(s, out);
    free(sum);
}

void tg_metrics_config(const struct tg_settings *settings, struct tg_buf *out)
{
    char config[TG_SHORT_REVISION + 1], policies[TG_SHORT_REVISION + 1];
    struct tg_settings_signed signs;
    struct tg_arena arena;

    tg_arena_init(&arena);
    signs = tg_settings_signed(settings, &arena);
    tg_settings_short_revisions(settings, config, policies);
    tg_prometheus_family(out, "config_info", "gauge",
                         "What is in force: equal labels, equal configurations and policies.");
    tg_buf_printf(out,
                  "trainguard_config_info{config=\"%s\",policies=\"%s\",bundle=\"%.*s\","
                  "signed_by=\"%.*s\"} 1\n",
                  config, policies, TG_STR_ARG(signs.revisions), TG_STR_ARG(signs.signers));
    if (signs.expires_at != 0)
        single(out, "policy_bundle_expires_timestamp_seconds", "gauge",
               "When the signed policies end; they go on judging.", (uint64_t)signs.expires_at);
    if (settings->nticket_keys > 0)
        single(out, "tls_ticket_key_modified_timestamp_seconds", "gauge",
               "When the file of the key that seals session tickets was written.",
               (uint64_t)settings->ticket_key_modified);
    tg_arena_end(&arena);
}

const char *tg_metrics_form(const char *accept, struct tg_buf *text)
{
    struct tg_str list = tg_str_of(accept);
    unsigned open = tg_accept_weight(list, TG_STR("application/openmetrics-text"), TG_STR("1.0.0"));
    struct tg_buf opened = {0};

    if (open == 0 || open < tg_accept_weight(list, TG_STR("text/plain"), TG_STR("0.0.4")))
        return "text/plain; version=0.0.4; charset=utf-8";
    tg_prometheus_open(&opened, tg_buf_str(text));
    tg_buf_end(text);
    *text = opened;
    return "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

/* --- readiness --- */

/* The first trouble of an audit log, or "". */
static const char *audit_trouble(const struct tg_stats *s)
{
    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid > 0 && !s->slot[i].old && s->slot[i].trouble[0] != '\0')
            return s->slot[i].trouble;
    return "";
}

void tg_metrics_checks(const struct tg_stats *s, struct tg_check out[TG_CHECKS])
{
    const char *trouble = audit_trouble(s);

    out[0] = (struct tg_check){"serving", !s->draining, "the gateway is shutting down"};
    out[1] = (struct tg_check){"workers", live(s, true) > 0, "no worker is ready"};
    out[2] =
        (struct tg_check){"event loops", tg_stats_turning(s, 0), "a worker does not turn its loop"};
    out[3] = (struct tg_check){"audit log", trouble[0] == '\0', trouble};
}

bool tg_metrics_ready(const struct tg_stats *s, struct tg_buf *out)
{
    struct tg_check checks[TG_CHECKS];
    bool good = true;

    tg_metrics_checks(s, checks);
    for (unsigned i = 0; i < TG_CHECKS; i++) {
        const struct tg_check *c = &checks[i];

        tg_buf_printf(out, "[%c] %s%s%s\n", c->good ? '+' : '-', c->name, c->good ? " ok" : ": ",
                      c->good ? "" : c->why);
        good = good && c->good;
    }
    return good;
}

bool tg_metrics_degraded(const struct tg_settings *settings, struct tg_buf *out)
{
    struct tg_settings_signed signs;
    struct tg_arena arena;
    bool expired;

    tg_arena_init(&arena);
    signs = tg_settings_signed(settings, &arena);
    expired = signs.expires_at != 0 && tg_clock_wall_now() / 1000000 >= signs.expires_at;
    if (expired)
        tg_buf_printf(out, "[!] policies: what is signed expired on %.*s and goes on judging\n",
                      TG_STR_ARG(signs.expires));
    tg_arena_end(&arena);
    return expired;
}
