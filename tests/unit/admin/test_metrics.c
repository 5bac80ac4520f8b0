/* Counters: what one exchange adds, what becomes of them when a process ends, how they are told. */
#include "admin/metrics.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct tg_stats *s;
    struct tg_arena arena;
    struct tg_request request;
    struct tg_audit_record record;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->s = tg_stats_new();
    tg_arena_init(&f->arena);
    tg_request_init(&f->request, &f->arena);
    f->record = (struct tg_audit_record){.request = &f->request, .status = 200};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    tg_stats_end(f->s);
    tg_arena_end(&f->arena);
    free(f);
    return 0;
}

/* A worker that serves, in slot `i`. */
static struct tg_stats_slot *worker(struct fixture *f, unsigned i)
{
    struct tg_stats_slot *slot = tg_stats_take(f->s, i, i);

    slot->pid = 100 + (int)i;
    slot->ready = true;
    return slot;
}

static void contains(const struct tg_buf *text, const char *line)
{
    if (memmem(text->p, text->n, line, strlen(line)) == NULL)
        fail_msg("no \"%s\" in\n%.*s", line, (int)text->n, text->p);
}

static void one_exchange(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *slot = worker(f, 0);
    struct tg_buf text = {0};
    unsigned route = tg_stats_route(f->s, TG_STR("/v1/{a}\"\\"));

    assert_int_equal(route, 1);
    assert_int_equal(tg_stats_route(f->s, TG_STR("/v1/{a}\"\\")), 1);
    f->record.duration_us = 5000;
    f->record.bytes_in = 7;
    f->record.bytes_out = 9;
    tg_stats_exchange(slot, route, &f->record);
    f->record.duration_us = 11000000;
    f->record.end = TG_E_UPSTREAM_CONNECT;
    f->record.status = 502;
    tg_stats_exchange(slot, 0, &f->record);
    slot->counts.retries[TG_STATS_RETRY_CLOSED] = 3;
    tg_metrics_text(f->s, &text);
    contains(&text, "trainguard_upstream_retries_total{reason=\"closed\"} 3\n");
    contains(&text, "trainguard_http_requests_total{route=\"/v1/{a}\\\"\\\\\",decision=\"allow\","
                    "status_class=\"2xx\"} 1\n");
    contains(&text, "{route=\"other\",decision=\"error\",status_class=\"5xx\"} 1\n");
    contains(&text, "_bucket{route=\"/v1/{a}\\\"\\\\\",le=\"0.005\"} 1\n");
    contains(&text, "_bucket{route=\"other\",le=\"10.0\"} 0\n");
    contains(&text, "_bucket{route=\"other\",le=\"+Inf\"} 1\n");
    contains(&text, "trainguard_upstream_errors_total{kind=\"upstream_connect\"} 1\n");
    contains(&text, "trainguard_http_request_body_bytes_total 14\n");
    tg_buf_end(&text);
}

static void nobody_counts_without_a_slot(void **state)
{
    struct fixture *f = *state;

    tg_stats_exchange(NULL, 0, &f->record);
}

static void names_and_their_end(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *slot = worker(f, 0);
    struct tg_buf text = {0};

    tg_report_judged(&f->request.report, TG_STR("gpu"));
    tg_report_judged(&f->request.report, TG_STR("queue"));
    tg_report_add(
        &f->request.report,
        &(struct tg_finding){.severity = TG_VIOLATION, .rule = "type", .error = TG_E_INVALID});
    for (unsigned i = 0; i < 3; i++)
        tg_stats_exchange(slot, 0, &f->record);
    tg_metrics_text(f->s, &text);
    contains(&text, "trainguard_violations_total{rule=\"type\"} 3\n");
    contains(&text, "trainguard_policy_judged_total{policy=\"gpu\"} 3\n");
    contains(&text, "trainguard_policy_judged_total{policy=\"queue\"} 3\n");
    tg_buf_end(&text);
}

/* Own requests and kept answers, by what was looked up and what came of it. */
static void looks_by_name(void **state)
{
    struct fixture *f = *state;
    struct tg_lookup_span spans[] = {
        {.what = "user", .cached = TG_SPAN_FRESH, .status = 200, .next = &spans[1]},
        {.what = "catalogue",
         .cached = TG_SPAN_ASKED,
         .why = TG_STR("no answer came"),
         .next = &spans[2]},
        {.what = "config", .cached = TG_SPAN_ASKED, .status = 200}};
    struct tg_buf text = {0};

    f->request.lookups = spans;
    tg_stats_exchange(worker(f, 0), 0, &f->record);
    tg_metrics_text(f->s, &text);
    contains(&text, "trainguard_lookups_total{what=\"user\",result=\"kept\"} 1\n");
    contains(&text, "trainguard_lookups_total{what=\"catalogue\",result=\"failed\"} 1\n");
    contains(&text, "trainguard_lookups_total{what=\"config\",result=\"asked\"} 1\n");
    tg_buf_end(&text);
}

/* A result of the rule at a place, and a rule that just lets pass. */
static void count_results(struct fixture *f, unsigned place, enum tg_rule_result result)
{
    struct tg_rule_counts *counts = tg_report_counts(&f->request.report, 2);

    counts->of[counts->n++] = (uint16_t)(place * 8 + result);
    counts->of[counts->n++] = (uint16_t)(1 * 8 + TG_RULE_PASS);
}

/* What each rule said of a request it was asked about, told from the start; a process that ended is
 * not forgotten, and a mode is another series. */
static void results_of_rules(void **state)
{
    struct fixture *f = *state;
    struct tg_buf text = {0};
    unsigned deny = tg_stats_rule(f->s, TG_STR("gpu"), TG_STR("cap"), TG_STR("deny"));
    unsigned warn = tg_stats_rule(f->s, TG_STR("gpu"), TG_STR("cap"), TG_STR("warn"));

    assert_int_equal(deny, 1);
    assert_int_equal(warn, 2);
    assert_int_equal(tg_stats_rule(f->s, TG_STR("gpu"), TG_STR("cap"), TG_STR("warn")), 2);
    count_results(f, warn, TG_RULE_WARN);
    for (unsigned i = 0; i < 3; i++)
        tg_stats_exchange(worker(f, i), 0, &f->record);
    tg_stats_fold(f->s, 1);
    tg_metrics_text(f->s, &text);
    contains(&text, "_results_total{policy=\"gpu\",rule=\"cap\",result=\"pass\",mode=\"deny\"} 3\n"
                    "trainguard_policy_results_total{policy=\"gpu\",rule=\"cap\",result=\"fail\","
                    "mode=\"deny\"} 0\n");
    contains(&text, "{policy=\"gpu\",rule=\"cap\",result=\"warn\",mode=\"warn\"} 3\n");
    tg_buf_end(&text);
}

/* Names as long as a policy may have that differ in their last byte alone. */
static void long_names(void **state)
{
    struct fixture *f = *state;
    char longest[65] = "";

    memset(longest, 'p', 63);
    for (char last = 'a'; last < 'c'; last++) {
        longest[63] = last;
        assert_int_equal(
            tg_stats_rule(f->s, tg_str_of(longest), tg_str_of(longest), TG_STR("dryrun")),
            1 + last - 'a');
    }
}

/* More rules than places: what those say is counted, without their names. */
static void rules_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct tg_buf text = {0};

    for (unsigned i = 1; i < TG_RULE_PLACES + 3; i++) {
        char name[16];
        int n = snprintf(name, sizeof(name), "r%u", i);

        assert_int_equal(
            tg_stats_rule(f->s, TG_STR("p"), (struct tg_str){name, (size_t)n}, TG_STR("deny")),
            i < TG_RULE_PLACES ? i : 0);
    }
    count_results(f, 0, TG_RULE_FAIL);
    tg_stats_exchange(worker(f, 0), 0, &f->record);
    tg_metrics_text(f->s, &text);
    contains(&text, "trainguard_metric_names_lost_total 1\n");
    tg_buf_end(&text);
}

/* More rules than the table has places: the rest is counted, without its name. */
static void too_many_names(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *slot = worker(f, 0);
    char rules[TG_STATS_NAMES + 5][8];

    for (unsigned i = 0; i < TG_STATS_NAMES + 5; i++) {
        snprintf(rules[i], sizeof(rules[i]), "r%u", i);
        f->request.report = (struct tg_report){.arena = &f->arena};
        tg_report_add(&f->request.report, &(struct tg_finding){.severity = TG_VIOLATION,
                                                               .rule = rules[i],
                                                               .error = TG_E_INVALID});
        tg_stats_exchange(slot, 0, &f->record);
    }
    assert_int_equal(slot->counts.names_lost, 5);
}

static void nothing_is_lost_with_a_process(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *sum = malloc(sizeof(*sum));

    for (unsigned i = 0; i < 3; i++) {
        tg_stats_exchange(worker(f, 0), 0, &f->record);
        f->s->slot[0].gauges.connections = 4;
        tg_stats_fold(f->s, 0);
    }
    tg_stats_exchange(worker(f, 1), 0, &f->record);
    f->s->slot[1].gauges.connections = 2;
    tg_stats_sum(f->s, sum);
    assert_int_equal(sum->counts.ends[TG_E_DONE], 4);
    assert_int_equal(sum->gauges.connections, 2);
    free(sum);
}

static void routes_are_bounded(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i < TG_STATS_ROUTES + 3; i++) {
        char text[16];
        int n = snprintf(text, sizeof(text), "/%u", i);

        assert_int_equal(tg_stats_route(f->s, (struct tg_str){text, (size_t)n}),
                         i < TG_STATS_ROUTES ? i : 0);
    }
}

/* Cut, two of them could be one. */
static void long_routes_have_no_name(void **state)
{
    struct fixture *f = *state;
    char text[TG_STATS_ROUTE_TEXT];

    memset(text, 'r', sizeof(text));
    assert_int_equal(tg_stats_route(f->s, (struct tg_str){text, sizeof(text)}), 0);
    assert_int_equal(tg_stats_route(f->s, (struct tg_str){text, sizeof(text) - 1}), 1);
    assert_int_equal(tg_stats_route(f->s, (struct tg_str){text, sizeof(text) - 1}), 1);
}

static bool ready(struct fixture *f, const char *line)
{
    struct tg_buf text = {0};
    bool good = tg_metrics_ready(f->s, &text);

    contains(&text, line);
    tg_buf_end(&text);
    return good;
}

static void readiness(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *slot;

    assert_false(ready(f, "[-] workers: no worker is ready\n"));
    slot = worker(f, 0);
    assert_true(ready(f, "[+] workers ok\n"));
    strcpy(slot->trouble, "disk full");
    assert_false(ready(f, "[-] audit log: disk full\n"));
    slot->trouble[0] = '\0';
    slot->heartbeat = 1;
    assert_int_equal(tg_stats_turning(f->s, 0), tg_clock_mono_now() < 15000001);
    slot->heartbeat = tg_clock_mono_now() + 3600000000; /* however long the test stands still */
    slot->old = true;
    assert_false(ready(f, "[-] workers: no worker is ready\n"));
    slot->old = false;
    f->s->draining = true;
    assert_false(ready(f, "[-] serving: the gateway is shutting down\n"));
}

/* Who asks while a reload is under way gets the answer of the next one, and each its own. */
static void answers(void **state)
{
    struct fixture *f = *state;
    static char text[2 * TG_STATS_ANSWER];
    static struct tg_stats_answer got;

    memset(text, 'x', sizeof(text));
    assert_int_equal(tg_stats_reload(f->s), 1);
    assert_false(tg_stats_answered(f->s, 0, &got));
    tg_stats_set_answer(f->s, 1, false, (struct tg_str){text, sizeof(text)});
    assert_true(tg_stats_answered(f->s, 0, &got));
    assert_false(got.well);
    assert_int_equal(strlen(got.text), TG_STATS_ANSWER - 1);
    assert_false(tg_stats_answered(f->s, 1, &got));
    assert_int_equal(f->s->generation, 0);
    assert_int_equal(tg_stats_reload(f->s), 2);
    tg_stats_set_answer(f->s, 2, true, TG_STR(""));
    assert_true(tg_stats_answered(f->s, 1, &got));
    assert_true(got.well);
    assert_int_equal(f->s->generation, 1);
    assert_string_equal(got.text, "");
    assert_true(tg_stats_answered(f->s, 0, &got));
    assert_int_equal(got.number, 1);
    for (uint64_t n = 3; n <= 1 + TG_STATS_ANSWERS; n++)
        tg_stats_set_answer(f->s, tg_stats_reload(f->s), true, TG_STR(""));
    assert_true(tg_stats_answered(f->s, 0, &got)); /* the first one's no longer stands */
    assert_true(got.number > 1 && got.well);
    assert_false(tg_stats_answered(f->s, 1 + TG_STATS_ANSWERS, &got));
}

/* Each is taken once, in their order; of too many the newest. */
static void refusals(void **state)
{
    struct fixture *f = *state;
    static char why[2 * TG_STATS_WHY];
    struct tg_stats_refusal got;

    assert_false(tg_stats_take_refusal(f->s, &got));
    memset(why, 'x', sizeof(why));
    tg_stats_refuse(f->s, TG_AUDIT_ASKED_ADMIN, TG_STR("abc"), (struct tg_str){why, sizeof(why)});
    tg_stats_refuse(f->s, TG_AUDIT_ASKED_UPGRADE, TG_STR(""), TG_STR("w"));
    assert_true(tg_stats_take_refusal(f->s, &got));
    assert_int_equal(got.asked_by, TG_AUDIT_ASKED_ADMIN);
    assert_string_equal(got.revision, "abc");
    assert_int_equal(strlen(got.why), TG_STATS_WHY - 1);
    assert_true(tg_stats_take_refusal(f->s, &got));
    assert_int_equal(got.asked_by, TG_AUDIT_ASKED_UPGRADE);
    assert_string_equal(got.revision, "");
    assert_string_equal(got.why, "w");
    assert_false(tg_stats_take_refusal(f->s, &got));
    for (unsigned i = 0; i < TG_STATS_REFUSALS + 2; i++)
        tg_stats_refuse(f->s, TG_AUDIT_ASKED_SIGNAL, TG_STR(""), TG_STR("w"));
    for (unsigned i = 0; i < TG_STATS_REFUSALS; i++)
        assert_true(tg_stats_take_refusal(f->s, &got));
    assert_false(tg_stats_take_refusal(f->s, &got));
}

/* A head is told whole, or not at all: while it is written, before a log is open. */
static void heads_of_audit_logs(void **state)
{
    struct fixture *f = *state;
    struct tg_stats_slot *slot = worker(f, 1);
    struct tg_stats_head head;
    struct tg_buf text = {0};

    (void)worker(f, 2);
    assert_false(tg_stats_audit_head(slot, &head));
    snprintf(slot->audit_stream, sizeof(slot->audit_stream), "1-abc");
    memset(slot->audit_chain, 'a', TG_SHA256_HEX);
    slot->audit_seq = 7;
    assert_true(tg_stats_audit_head(slot, &head));
    assert_string_equal(head.stream, "1-abc");
    assert_int_equal(head.seq, 7);
    assert_int_equal(strlen(head.chain), TG_SHA256_HEX);
    tg_metrics_text(f->s, &text);
    contains(&text, "audit_last_seq gauge\ntrainguard_audit_last_seq{worker=\"1\","
                    "stream=\"1-abc\"} 7\n");
    slot->audit_moves++;
    assert_false(tg_stats_audit_head(slot, &head));
    tg_buf_end(&text);
}

/* Bodies, their memory, and sums of several processes: more than 32 bits. */
static void bytes_beyond_four_gigabytes(void **state)
{
    struct fixture *f = *state;
    struct tg_buf text = {0};

    for (unsigned i = 0; i < 3; i++) {
        struct tg_stats_slot *slot = worker(f, i);

        f->record.bytes_in = UINT32_MAX + (uint64_t)i;
        f->record.bytes_out = UINT64_C(1) << 62;
        tg_stats_exchange(slot, 0, &f->record);
        slot->gauges.body_memory = UINT32_MAX + (uint64_t)i;
    }
    tg_stats_fold(f->s, 1);
    tg_metrics_text(f->s, &text);
    contains(&text, "trainguard_http_request_body_bytes_total 12884901888\n"); /* 3 * 2^32 */
    contains(&text, "trainguard_http_response_body_bytes_total 13835058055282163712\n");
    contains(&text, "trainguard_body_memory_bytes 8589934592\n");
    tg_buf_end(&text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_exchange),
        TEST(bytes_beyond_four_gigabytes),
        TEST(nobody_counts_without_a_slot),
        TEST(names_and_their_end),
        TEST(looks_by_name),
        TEST(results_of_rules),
        TEST(long_names),
        TEST(rules_are_bounded),
        TEST(too_many_names),
        TEST(nothing_is_lost_with_a_process),
        TEST(routes_are_bounded),
        TEST(long_routes_have_no_name),
        TEST(readiness),
        TEST(answers),
        TEST(refusals),
        TEST(heads_of_audit_logs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
