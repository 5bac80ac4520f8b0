/* Writes /status: what runs, what is counted, what is in force, as JSON. */
#include "admin/status.h"

#include "admin/metrics.h"
#include "admin/pages.h"
#include "admin/servers.h"
#include "audit/conf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "shm/history.h"

#include <stdlib.h>
#include <sys/statvfs.h>

/* --- what runs --- */

static void add_config(const struct tg_settings *settings, struct tg_buf *out)
{
    char config[TG_SHORT_REVISION + 1], policies[TG_SHORT_REVISION + 1];
    struct tg_settings_signed signs;
    struct tg_arena arena;

    tg_arena_init(&arena);
    signs = tg_settings_signed(settings, &arena);
    tg_settings_short_revisions(settings, config, policies);
    tg_json_member_begin(out, "config", '{');
    tg_json_member(out, "config", tg_str_of(config));
    tg_json_member(out, "policies", tg_str_of(policies));
    if (signs.revisions.n > 0) {
        tg_json_member(out, "bundle", signs.revisions);
        tg_json_member(out, "signed_by", signs.signers);
        tg_json_member(out, "bundle_expires", signs.expires);
    }
    tg_json_end(out, '}');
    tg_arena_end(&arena);
}

static void add_reload(const struct tg_stats *s, struct tg_buf *out)
{
    struct tg_stats_refusal last;

    tg_json_member_time(out, "reloaded", s->reloaded);
    tg_json_member_number(out, "reloads_failed", s->reloads[0]);
    tg_json_member_time(out, "watch_reloaded", s->watch_reloaded);
    tg_json_member_number(out, "watch_reloads_failed", s->watch_reloads[0]);
    if (!s->last_reload_well && tg_stats_last_refusal(s, &last))
        tg_json_member(out, "reload_failed", tg_str_of(last.why));
}

static void add_checks(const struct tg_stats *s, struct tg_buf *out)
{
    struct tg_check checks[TG_CHECKS];

    tg_metrics_checks(s, checks);
    tg_json_member_begin(out, "checks", '[');
    for (unsigned i = 0; i < TG_CHECKS; i++) {
        tg_json_begin(out, '{');
        tg_json_member(out, "name", tg_str_of(checks[i].name));
        tg_json_member_bool(out, "good", checks[i].good);
        if (!checks[i].good)
            tg_json_member(out, "why", tg_str_of(checks[i].why));
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}

/* Where the audit log of a process stands. */
static void add_chain(const struct tg_stats_slot *p, struct tg_buf *out)
{
    struct tg_stats_head head;

    if (!tg_stats_audit_head(p, &head))
        return;
    tg_json_member(out, "audit_stream", tg_str_of(head.stream));
    tg_json_member_number(out, "audit_seq", head.seq);
    tg_json_member(out, "audit_chain", tg_str_of(head.chain));
}

static void add_process(const struct tg_stats_slot *p, uint64_t now, struct tg_buf *out)
{
    const char *state = p->old ? "draining" : p->ready ? "serving" : "starting";

    tg_json_begin(out, '{');
    tg_json_member_number(out, "worker", p->number);
    tg_json_member_number(out, "pid", (unsigned)p->pid);
    tg_json_member(out, "state", tg_str_of(state));
    tg_json_member_bool(out, "turning", tg_stats_slot_turning(p, now, 0));
    tg_json_member_number(out, "uptime_seconds", (now - p->started) / 1000000);
    tg_json_member_number(out, "connections", p->gauges.connections);
    tg_json_member_number(out, "requests_in_flight", p->gauges.exchanges);
    tg_json_member_number(out, "upstream_connections", p->gauges.upstream_conns);
    tg_json_member(out, "audit_trouble", tg_str_of(p->trouble));
    add_chain(p, out);
    tg_json_end(out, '}');
}

static void add_processes(const struct tg_stats *s, struct tg_buf *out)
{
    tg_json_member_begin(out, "workers", '[');
    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid > 0)
            add_process(&s->slot[i], tg_clock_mono_now(), out);
    tg_json_end(out, ']');
}

/* --- what it did --- */

static void add_totals(const struct tg_stats_counts *c, struct tg_buf *out)
{
    uint64_t n[TG_DECISIONS];

    tg_stats_by_decision(c, n);
    tg_json_member_begin(out, "requests", '{');
    for (unsigned d = 0; d < TG_DECISIONS; d++)
        tg_json_member_number(out, tg_decision_words[d], n[d]);
    tg_json_end(out, '}');
    tg_json_member_number(out, "changed", c->changed);
    tg_json_member_begin(out, "ends", '{');
    for (unsigned e = 0; e < TG_E_COUNT; e++)
        tg_json_member_number(out, tg_error_info(e)->word, c->ends[e]);
    tg_json_end(out, '}');
}

static void add_numbers(struct tg_buf *out, const char *name, const uint64_t *numbers, unsigned n)
{
    tg_json_member_begin(out, name, '[');
    for (unsigned i = 0; i < n; i++)
        tg_json_number(out, numbers[i]);
    tg_json_end(out, ']');
}

static void add_phases(const struct tg_stats_counts *c, struct tg_buf *out)
{
    static const char *const words[TG_STATS_PHASES] = {[TG_STATS_FILTERS] = "filters",
                                                       [TG_STATS_CONNECT] = "connect",
                                                       [TG_STATS_UPSTREAM] = "upstream"};

    tg_json_member_begin(out, "phases", '{');
    add_numbers(out, "bounds_us", tg_stats_phase_bounds, TG_STATS_BUCKETS - 1);
    for (unsigned i = 0; i < TG_STATS_PHASES; i++) {
        tg_json_member_begin(out, words[i], '{');
        add_numbers(out, "buckets", c->phase[i].bucket, TG_STATS_BUCKETS);
        tg_json_member_number(out, "sum_us", c->phase[i].sum_us);
        tg_json_end(out, '}');
    }
    tg_json_end(out, '}');
}

static void add_result(const struct tg_stats_rule *e, enum tg_rule_result result, uint64_t n,
                       int64_t last, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "policy", tg_str_of(e->policy));
    tg_json_member(out, "rule", tg_str_of(e->rule));
    tg_json_member(out, "result", tg_str_of(tg_rule_result_word(result)));
    tg_json_member(out, "mode", tg_str_of(e->mode));
    tg_json_member_number(out, "n", n);
    if (result != TG_RULE_PASS)
        tg_json_member_time(out, "last", last);
    tg_json_end(out, '}');
}

/* What there was none of is left out. */
static void add_results(const struct tg_stats *s, const struct tg_stats_slot *sum,
                        struct tg_buf *out)
{
    tg_json_member_begin(out, "policy_results", '[');
    for (unsigned i = 1; i < s->rules; i++)
        for (unsigned r = TG_RULE_PASS; r <= TG_RULE_RESULTS; r++)
            if (sum->counts.rules[i][r - 1] > 0)
                add_result(&s->rule[i], r, sum->counts.rules[i][r - 1], sum->rule_last[i], out);
    tg_json_end(out, ']');
}

static void add_names(const struct tg_stats_slot *sum, enum tg_stats_what what, const char *name,
                      struct tg_buf *out)
{
    tg_json_member_begin(out, name, '{');
    for (unsigned i = 0; i < TG_STATS_NAMES; i++)
        if (sum->names[i].what == what)
            tg_json_member_number(out, sum->names[i].text, sum->names[i].n);
    tg_json_end(out, '}');
}

/* --- upstreams, the log, limits --- */

static void add_upstreams(const struct tg_settings *settings, const struct tg_stats *s,
                          struct tg_buf *out)
{
    tg_json_member_begin(out, "upstreams", '[');
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next) {
        tg_json_begin(out, '{');
        tg_json_member(out, "name", u->name);
        tg_json_member_bool(out, "tls", u->tls);
        if (u->proxy != NULL)
            tg_json_member(out, "proxy", tg_str_of(u->proxy->server.text));
        tg_json_member_begin(out, "servers", '[');
        for (const struct tg_upstream_server *o = u->servers; o != NULL; o = o->next)
            tg_servers_status(o, s, out);
        tg_json_end(out, ']');
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}

static void add_outcomes(const struct tg_stats_counts *c, struct tg_buf *out)
{
    tg_json_member_begin(out, "upstream_outcomes", '{');
    tg_json_member_number(out, "success", c->outcomes[TG_STATS_SUCCESS]);
    tg_json_member_number(out, "failure", c->outcomes[TG_STATS_FAILURE]);
    tg_json_member_number(out, "unknown", c->outcomes[TG_STATS_UNKNOWN]);
    tg_json_end(out, '}');
    tg_json_member_begin(out, "upstream_errors", '{');
    for (unsigned e = 0; e < TG_E_COUNT; e++)
        if (tg_metrics_of_upstream(e))
            tg_json_member_number(out, tg_error_info(e)->word, c->ends[e]);
    tg_json_end(out, '}');
}

static void add_disk(const struct tg_settings *settings, struct tg_buf *out)
{
    const char *file = tg_audit_file(settings->audit_conf);
    struct statvfs disk;

    if (file == NULL || statvfs(file, &disk) != 0)
        return;
    tg_json_member_number(out, "disk_free_bytes", (uint64_t)disk.f_bavail * disk.f_frsize);
    tg_json_member_number(out, "disk_bytes", (uint64_t)disk.f_blocks * disk.f_frsize);
}

static int64_t last_written(const struct tg_stats *s)
{
    int64_t last = 0;

    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid > 0 && s->slot[i].audit_written > last)
            last = s->slot[i].audit_written;
    return last;
}

static void add_audit(const struct tg_settings *settings, const struct tg_stats *s,
                      const struct tg_stats_slot *sum, struct tg_buf *out)
{
    struct tg_audit_facts facts;

    tg_audit_facts(settings->audit_conf, &facts);
    tg_json_member_begin(out, "audit", '{');
    tg_json_member(out, "target", facts.target);
    tg_json_member(out, "mode", tg_str_of(facts.mode));
    tg_json_member(out, "body", tg_str_of(facts.body));
    tg_json_member_number(out, "events", sum->counts.audit_events);
    tg_json_member_number(out, "dropped", sum->counts.audit_dropped_queue);
    tg_json_member_number(out, "too_long", sum->counts.audit_dropped_size);
    tg_json_member_number(out, "write_errors", sum->counts.audit_write_errors);
    tg_json_member_number(out, "timeouts", sum->counts.audit_timeouts);
    tg_json_member_number(out, "queued_bytes", sum->gauges.audit_queued);
    tg_json_member_time(out, "last_write", last_written(s));
    add_disk(settings, out);
    tg_json_end(out, '}');
}

static void add_busiest(const struct tg_limits *l, unsigned i, uint64_t now, struct tg_buf *out)
{
    struct tg_limit_use use[TG_LIMIT_BUSIEST];
    unsigned n = tg_limit_busiest(l, i, now, use);

    tg_json_member_begin(out, "busiest", '[');
    for (unsigned k = 0; k < n; k++) {
        tg_json_begin(out, '{');
        tg_json_member(out, "key", tg_str_of(use[k].key));
        tg_json_member_number(out, "percent", use[k].percent);
        tg_json_member_number(out, "refused", use[k].refused);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}

static void add_limits(const struct tg_limits *l, struct tg_buf *out)
{
    uint64_t now = tg_clock_mono_now();
    struct tg_limit_table t;

    tg_json_member_begin(out, "limits", '[');
    for (unsigned i = 0; tg_limit_table_at(l, i, now, &t); i++) {
        tg_json_begin(out, '{');
        tg_json_member(out, "rule", tg_str_of(t.name));
        tg_json_member(out, "limit", tg_str_of(tg_limit_kind_words[t.kind]));
        tg_json_member(out, "by", tg_str_of(tg_limit_key_words[t.key - 1]));
        tg_json_member_number(out, "refused", t.refused[0] + t.alone[0]);
        tg_json_member_number(out, "dry_run", t.refused[1] + t.alone[1]);
        tg_json_member_number(out, "keys", t.keys);
        tg_json_member_number(out, "given_up", t.given_up);
        tg_json_member_number(out, "shared", t.shared);
        add_busiest(l, i, now, out);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}

void tg_status_text(const struct tg_settings *settings, const struct tg_stats *s,
                    const struct tg_limits *l, struct tg_buf *out)
{
    struct tg_stats_slot *sum = malloc(sizeof(*sum));

    CHECK(sum != NULL);
    tg_stats_sum(s, sum);
    tg_json_begin(out, '{');
    tg_json_member(out, "version", TG_STR(TG_VERSION));
    tg_json_member_time(out, "now", tg_clock_wall_now());
    tg_json_member_time(out, "started", s->started);
    add_config(settings, out);
    tg_json_member_number(out, "generation", s->generation);
    add_reload(s, out);
    tg_json_member_number(out, "worker_restarts", s->restarts);
    tg_json_member_bool(out, "draining", s->draining);
    tg_admin_credential_states(settings, out);
    add_checks(s, out);
    add_processes(s, out);
    add_totals(&sum->counts, out);
    add_phases(&sum->counts, out);
    add_names(sum, TG_STATS_NORMALIZATION, "normalizations", out);
    add_names(sum, TG_STATS_VIOLATION, "violations", out);
    add_names(sum, TG_STATS_JUDGED, "policies_judged", out);
    add_results(s, sum, out);
    add_upstreams(settings, s, out);
    add_outcomes(&sum->counts, out);
    add_audit(settings, s, sum, out);
    add_limits(l, out);
    tg_admin_limit_stores(settings, l, out);
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
    free(sum);
}

/* --- history --- */

/* In the order of the page: allowed unchanged, changed, warned, denied, invalid, error. */
static void add_sample(const struct tg_stats_sample *sample, uint64_t age, struct tg_buf *out)
{
    uint64_t counts[TG_DECISIONS + 1] = {sample->decisions[0] - sample->changed, sample->changed};

    memcpy(counts + 2, sample->decisions + 1, (TG_DECISIONS - 1) * sizeof(*counts));
    tg_json_begin(out, '{');
    tg_json_member_number(out, "age", age / 1000000);
    add_numbers(out, "counts", counts, TG_DECISIONS + 1);
    tg_json_member_begin(out, "phases", '[');
    for (unsigned p = 0; p < TG_STATS_PHASES; p++) {
        tg_json_begin(out, '[');
        for (unsigned i = 0; i < TG_STATS_BUCKETS; i++)
            tg_json_number(out, sample->phase[p][i]);
        tg_json_end(out, ']');
    }
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

void tg_status_history(const struct tg_stats *s, struct tg_buf *out)
{
    uint64_t now = tg_clock_mono_now();
    struct tg_stats_sample sample;
    uint64_t age;

    tg_json_begin(out, '{');
    tg_json_member_number(out, "step_seconds", TG_HISTORY_STEP_US / 1000000);
    tg_json_member_begin(out, "samples", '[');
    for (unsigned i = 0; tg_history_at(s, now, i, &sample, &age); i++)
        add_sample(&sample, age, out);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* --- heads of the audit log --- */

static void add_head(const struct tg_stats_head *head, struct tg_str instance, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_time(out, "time", tg_clock_wall_now());
    tg_json_member(out, "instance", instance);
    tg_json_member(out, "stream", tg_str_of(head->stream));
    tg_json_member_number(out, "seq", head->seq);
    tg_json_member(out, "chain", tg_str_of(head->chain));
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

void tg_status_heads(const struct tg_settings *settings, const struct tg_stats *s,
                     struct tg_buf *out)
{
    struct tg_stats_head head;
    struct tg_audit_facts facts;

    tg_audit_facts(settings->audit_conf, &facts);
    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid > 0 && tg_stats_audit_head(&s->slot[i], &head))
            add_head(&head, facts.instance, out);
}
