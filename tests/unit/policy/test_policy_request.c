/* Rules about the request itself: methods, routes, conditions, no body, live values, the old
 * config. */
#include "policy_fixture.h"

#define RULE(text) "policy p { rule r { " text " } }"

struct row {
    const char *policies;
    const char *method;
    const char *route;
    const char *body; /* NULL: none */
    const char *results;
};

static void run(const struct row *row)
{
    struct bench b;

    bench_good(&b, row->policies);
    bench_body(&b, row->body != NULL ? row->body : "{}");
    if (row->body == NULL)
        b.request.doc = NULL;
    b.request.method = tg_str_of(row->method != NULL ? row->method : "PUT");
    b.request.route = tg_str_of(row->route != NULL ? row->route : "/");
    bench_expect(&b, row->results, row->policies);
    bench_end(&b);
}

#define RUN(rows)                                                                                  \
    for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                                    \
        run(&(rows)[i]);

static void methods_and_routes(void **state)
{
#define DELETES "policy p { match method DELETE; rule r { deny; } }"
#define WRITES  "policy p { unless method GET HEAD; unless route /known; rule r { deny; } }"
#define ONE     "policy p { match route ~ ^/v1/; rule r { deny; } }"
    static const struct row rows[] = {
        {DELETES, "DELETE", NULL, NULL, "p.r=fail!"},
        {DELETES, "GET", NULL, NULL, ""},
        {DELETES, "", NULL, NULL, "p.r=fail!"}, /* what is not known keeps the rule on */
        {WRITES, "GET", "/", NULL, ""},
        {WRITES, "HEAD", "/", NULL, ""},
        {WRITES, "PATCH", "/", NULL, "p.r=fail!"},
        {WRITES, "PATCH", "/known", NULL, ""},
        {WRITES, "PATCH", "", NULL, "p.r=fail!"},
        {WRITES, "", "/other", NULL, "p.r=fail!"},
        {WRITES, "GET", "", NULL, ""},
        {ONE, "PUT", "/v1/{project_id}/x", NULL, "p.r=fail!"},
        {ONE, "PUT", "/v2/{project_id}/x", NULL, ""},
        {ONE, "PUT", "", NULL, "p.r=fail!"},
        {DELETES " exception E { policy p; rule r; match method DELETE; owner o; ticket t; "
                 "expires 2999-01-01; }",
         "", NULL, NULL, "p.r=fail!"},
        {DELETES " exception E { policy p; rule r; match method DELETE; owner o; ticket t; "
                 "expires 2999-01-01; }",
         "DELETE", NULL, NULL, "p.r=skip-"},
    };

    (void)state;
    RUN(rows);
}

static void without_a_body(void **state)
{
    static const struct row rows[] = {
        {RULE("at spec_id; required;"), "DELETE", NULL, NULL, "p.r=skip"},
        {RULE("at spec_id; required;"), "DELETE", NULL, "{}", "p.r=fail!"},
        {RULE("any_of spec_id model_id { required; }"), "DELETE", NULL, NULL, "p.r=skip"},
        {RULE("at total.gpus; max 4;"), "DELETE", NULL, NULL, "p.r=skip"},
        {RULE("when spec_id in 2; deny;"), "DELETE", NULL, NULL, "p.r=skip"},
        {RULE("deny;"), "DELETE", NULL, NULL, "p.r=fail!"},
        {RULE("deny; mode warn;"), "DELETE", NULL, NULL, "p.r=warn?"},
        {RULE("deny; mode dryrun;"), "DELETE", NULL, NULL, "p.r=fail"},
    };

    (void)state;
    RUN(rows);
}

static void conditions(void **state)
{
#define WHEN(text) RULE("when " text "; deny;")
    static const struct row rows[] = {
        {WHEN("spec_id in 2 4"), NULL, NULL, "{\"spec_id\":2}", "p.r=fail!"},
        {WHEN("spec_id in 2 4"), NULL, NULL, "{\"spec_id\":3}", "p.r=skip"},
        {WHEN("spec_id in 2 4"), NULL, NULL, "{}", "p.r=skip"},
        {WHEN("spec_id in 2 4"), NULL, NULL, "{\"spec_id\":{}}", "p.r=fail!"},
        {WHEN("spec_id absent"), NULL, NULL, "{}", "p.r=fail!"},
        {WHEN("spec_id absent"), NULL, NULL, "{\"spec_id\":2}", "p.r=skip"},
        {WHEN("spec_id required"), NULL, NULL, "{\"spec_id\":2}", "p.r=fail!"},
        {WHEN("spec_id required"), NULL, NULL, "{}", "p.r=skip"},
        {WHEN("flavor.code equals a"), NULL, NULL, "{\"flavor\":\"a\"}", "p.r=fail!"},
        {WHEN("parameter[*].label equals b"), NULL, NULL,
         "{\"parameter\":[{\"label\":\"a\"},{\"label\":\"b\"}]}", "p.r=fail!"},
        {WHEN("parameter[*].label equals b"), NULL, NULL, "{\"parameter\":[{\"label\":\"a\"}]}",
         "p.r=skip"},
        {WHEN("spec_id in 2; when model_id required"), NULL, NULL, "{\"spec_id\":2}", "p.r=skip"},
        {WHEN("spec_id in 2; when model_id required"), NULL, NULL, "{\"spec_id\":2,\"model_id\":1}",
         "p.r=fail!"},
        {RULE("at worker_server_num; max 1; when spec_id in 7;"), NULL, NULL,
         "{\"spec_id\":7,\"worker_server_num\":2}", "p.r=fail!"},
        {RULE("at worker_server_num; max 1; when spec_id in 7;"), NULL, NULL,
         "{\"spec_id\":6,\"worker_server_num\":2}", "p.r=skip"},
    };

    (void)state;
    RUN(rows);
}

/* --- live values --- */

/* What an earlier filter would have published. */
static void publish(struct tg_request *r, const char *name, const char *text)
{
    enum tg_live_name at = tg_live_find(tg_str_of(name));
    static struct tg_str role;

    assert_true(at < TG_LIVE_NAMES);
    role = tg_str_of(text);
    if (*text == '\0')
        tg_live_set_absent(r, at);
    else if (tg_live_infos[at].kind == TG_LIVE_NUMBER)
        tg_live_set_number(r, at, tg_str_of(text));
    else if (tg_live_infos[at].kind == TG_LIVE_LIST)
        tg_live_set_list(r, at, &role, 1);
    else
        tg_live_set_text(r, at, tg_str_of(text));
}

/* A request under policies, with an empty config and values that earlier filters published: at most
 * three names and texts; "": absent. */
static void begin_with(struct bench *b, const char *policies, const char *const values[6])
{
    bench_good(b, policies);
    bench_body(b, "{}");
    for (size_t k = 0; k < 6 && values[k] != NULL; k += 2)
        publish(&b->request, values[k], values[k + 1]);
}

struct live_row {
    const char *policies;
    const char *values[6];
    const char *results;
};

static void live_values(void **state)
{
#define GPUS "policy p { rule r { at total.gpus; max 16; } }"
    static const struct live_row rows[] = {
        {GPUS, {"total.gpus", "16"}, "p.r=pass"},
        {GPUS, {"total.gpus", "17"}, "p.r=fail!"},
        {GPUS, {NULL}, "p.r=error!"}, /* a budget never skips */
        {GPUS, {"total.gpus", ""}, "p.r=skip"},
        {"policy p { on_error allow; rule r { at total.gpus; max 16; } }", {NULL}, "p.r=error?"},
        {RULE("at spec.gpu_type; in V100;"), {"spec.gpu_type", "V100"}, "p.r=pass"},
        {RULE("at spec.gpu_type; in V100;"), {"spec.gpu_type", "A100"}, "p.r=fail!"},
        {RULE("at spec.gpu_type; required;"), {"spec.gpu_type", ""}, "p.r=fail!"},
        {RULE("at spec.gpu_type; absent;"), {"spec.gpu_type", ""}, "p.r=pass"},
        {RULE("at spec.gpu_type; absent;"), {"spec.gpu_type", "V100"}, "p.r=fail!"},
        {RULE("when spec.gpu_num min 8; deny;"), {"spec.gpu_num", "8"}, "p.r=fail!"},
        {RULE("when spec.gpu_num min 8; deny;"), {"spec.gpu_num", "4"}, "p.r=skip"},
        {RULE("when spec.gpu_num min 8; deny;"), {NULL}, "p.r=fail!"},
        {RULE("when spec.gpu_type required; deny;"), {"spec.gpu_type", ""}, "p.r=skip"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bench b;

        begin_with(&b, rows[i].policies, rows[i].values);
        bench_expect(&b, rows[i].results, rows[i].policies);
        bench_end(&b);
    }
}

static void who_asks(void **state)
{
#define ADMIN "policy p { unless role ml-admin; rule r { deny; } }"
#define ALICE "policy p { match user acme/alice; rule r { deny; } }"
#define BY_ID "policy p { unless user u-1; rule r { deny; } }"
#define GRANT                                                                                      \
    RULE("deny;")                                                                                  \
    " exception E { policy p; rule r; match domain acme; owner o; ticket t; expires 2999-01-01; }"
    static const struct live_row rows[] = {
        {ADMIN, {"role", "ml-admin"}, ""},
        {ADMIN, {"role", "viewer"}, "p.r=fail!"},
        {ADMIN, {"role", ""}, "p.r=fail!"},
        {ADMIN, {NULL}, "p.r=fail!"},
        {ALICE, {"user.name", "alice", "domain", "acme", "user.id", "u-1"}, "p.r=fail!"},
        {ALICE, {"user.name", "alice", "domain", "other", "user.id", "u-1"}, ""},
        {ALICE, {"user.name", "bob", "domain", "acme", "user.id", "u-1"}, ""},
        {ALICE, {NULL}, "p.r=fail!"},
        {BY_ID, {"user.name", "alice", "domain", "acme", "user.id", "u-1"}, ""},
        {BY_ID, {"user.name", "u-1", "domain", "acme", "user.id", "u-2"}, "p.r=fail!"},
        {BY_ID, {NULL}, "p.r=fail!"},
        {GRANT, {"domain", "acme"}, "p.r=skip-"},
        {GRANT, {"domain", "other"}, "p.r=fail!"},
        {GRANT, {NULL}, "p.r=fail!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bench b;

        begin_with(&b, rows[i].policies, rows[i].values);
        b.request.doc = NULL;
        bench_expect(&b, rows[i].results, rows[i].policies);
        bench_end(&b);
    }
}

/* --- the old config --- */

struct old_row {
    const char *policies;
    const char *old; /* NULL: not known; "": none stands there */
    const char *body;
    const char *results;
};

static void old_configs(void **state)
{
#define WORKERS  "{\"worker_server_num\":%s}"
#define TWO      "{\"worker_server_num\":2}"
#define FOUR     "{\"worker_server_num\":4}"
#define VALUE(v) "{\"parameter\":" v "}"
#define SAME     RULE("at parameter; unchanged;")
#define GROWS    RULE("when parameter[*].value increases; deny;")
#define LABEL(v) "{\"parameter\":[{\"label\":\"lr\",\"value\":\"" v "\"}]}"
    static const struct old_row rows[] = {
        {RULE("at worker_server_num; unchanged;"), TWO, TWO, "p.r=pass"},
        {RULE("at worker_server_num; unchanged;"), TWO, "{\"worker_server_num\":2.0}", "p.r=pass"},
        {RULE("at worker_server_num; unchanged;"), TWO, FOUR, "p.r=fail!"},
        {RULE("at worker_server_num; unchanged;"), TWO, "{}", "p.r=fail!"},
        {RULE("at worker_server_num; unchanged;"), "{}", TWO, "p.r=fail!"},
        {RULE("at worker_server_num; unchanged;"), "{}", "{}", "p.r=skip"},
        {RULE("at worker_server_num; unchanged;"), "", TWO, "p.r=skip"},
        {RULE("at worker_server_num; unchanged;"), NULL, TWO, "p.r=error!"},
        {RULE("at worker_server_num; changed;"), TWO, FOUR, "p.r=pass"},
        {RULE("at worker_server_num; changed;"), TWO, TWO, "p.r=fail!"},
        {RULE("at worker_server_num; changed; max 3;"), TWO, FOUR, "p.r=fail!"},
        {RULE("at worker_server_num; changed; max 4;"), TWO, FOUR, "p.r=pass"},
        {RULE("when worker_server_num increases; deny;"), TWO, FOUR, "p.r=fail!"},
        {RULE("when worker_server_num increases; deny;"), FOUR, TWO, "p.r=skip"},
        {RULE("when worker_server_num increases; deny;"), FOUR, FOUR, "p.r=skip"},
        {RULE("when worker_server_num increases; deny;"), "{}", TWO, "p.r=fail!"},
        {RULE("when worker_server_num increases; deny;"), "", TWO, "p.r=skip"},
        {RULE("when worker_server_num increases; deny;"), NULL, TWO, "p.r=fail!"},
        {RULE("when parameter[label=lr].value increases; deny;"), LABEL("0.1"), LABEL("0.10"),
         "p.r=skip"},
        {RULE("when parameter[label=lr].value increases; deny;"), LABEL("0.1"), LABEL("0.2"),
         "p.r=fail!"},
        {RULE("when parameter[label=lr].value increases; deny;"), LABEL("0.1"), LABEL("a"),
         "p.r=fail!"},
        {RULE("at parameter; unchanged;"), LABEL("1"),
         "{\"parameter\":[{\"value\":\"1\",\"x\":null,\"label\":\"lr\"}]}", "p.r=pass"},
        {RULE("at parameter; unchanged;"), LABEL("1"), LABEL("2"), "p.r=fail!"},
        {RULE("at parameter; unchanged;"), LABEL("1"),
         "{\"parameter\":[{\"label\":\"lr\",\"value\":\"1\"},{}]}", "p.r=fail!"},
        {SAME, VALUE("1"), VALUE("1.0"), "p.r=pass"},
        {SAME, VALUE("1"), VALUE("\"1\""), "p.r=fail!"},
        {SAME, VALUE("[]"), VALUE("[1]"), "p.r=fail!"},
        {SAME, VALUE("[1]"), VALUE("[]"), "p.r=fail!"},
        {SAME, VALUE("[1,2]"), VALUE("[1,2.0]"), "p.r=pass"},
        {SAME, VALUE("[1,2]"), VALUE("[2,1]"), "p.r=fail!"},
        {SAME, VALUE("true"), VALUE("true"), "p.r=pass"},
        {SAME, VALUE("true"), VALUE("false"), "p.r=fail!"},
        {SAME, VALUE("\"a\""), VALUE("\"\\u0061\""), "p.r=pass"},
        {SAME, VALUE("\"a\""), VALUE("\"b\""), "p.r=fail!"},
        {SAME, VALUE("{}"), VALUE("{}"), "p.r=pass"},
        {SAME, VALUE("{\"a\":1}"), VALUE("{\"b\":1}"), "p.r=fail!"},
        {SAME, VALUE("{\"a\":1,\"b\":2,\"c\":3}"), VALUE("{\"c\":3,\"a\":1,\"b\":2}"), "p.r=pass"},
        {SAME, VALUE("{\"a\":1,\"b\":2}"), VALUE("{\"b\":2,\"a\":3}"), "p.r=fail!"},
        {SAME, VALUE("{\"a\":null}"), VALUE("{}"), "p.r=pass"},
        {SAME, VALUE("{\"a\":{\"b\":[true]}}"), VALUE("{\"a\":{\"b\":[true]}}"), "p.r=pass"},
        {SAME, VALUE("{\"a\":{\"b\":[true]}}"), VALUE("{\"a\":{\"b\":[null]}}"), "p.r=fail!"},
        {SAME, VALUE("{\"a\":[null]}"), VALUE("{\"a\":[null]}"), "p.r=pass"},
        {SAME, VALUE("1e99999"), VALUE("1e99999"), "p.r=pass"},
        {SAME, VALUE("1e99999"), VALUE("1e99998"), "p.r=fail!"},
        {SAME, VALUE("1"), VALUE("1e99999"), "p.r=fail!"},
        {GROWS, "{\"parameter\":[]}", LABEL("1"), "p.r=fail!"},
        {GROWS, LABEL("a"), LABEL("1"), "p.r=fail!"},
        {GROWS, LABEL("1"), "{\"parameter\":[{\"value\":true}]}", "p.r=fail!"},
        {GROWS, LABEL("1"), "{\"parameter\":[{\"value\":1}]}", "p.r=skip"},
        {GROWS, LABEL("1"), "{\"parameter\":[{\"value\":1},{\"value\":0}]}", "p.r=fail!"},
        {RULE("at old.worker_server_num; max 2;"), TWO, FOUR, "p.r=pass"},
        {RULE("at old.worker_server_num; max 2;"), FOUR, TWO, "p.r=fail!"},
        {RULE("at old.worker_server_num; max 2;"), "", TWO, "p.r=skip"},
        {RULE("at old.worker_server_num; max 2;"), NULL, TWO, "p.r=error!"},
        {RULE("at old.parameter[*].label; in a;"), LABEL("1"), TWO, "p.r=fail!"},
        {RULE("at old; required;"), "", TWO, "p.r=fail!"},
        {RULE("at old; required;"), TWO, TWO, "p.r=pass"},
        {RULE("at old; required;"), NULL, TWO, "p.r=error!"},
        {RULE("at old; absent;"), "", TWO, "p.r=pass"},
        {RULE("at old; absent;"), TWO, TWO, "p.r=fail!"},
        {RULE("when old absent; deny;"), "", TWO, "p.r=fail!"},
        {RULE("when old absent; deny;"), TWO, TWO, "p.r=skip"},
        {RULE("when old absent; deny;"), NULL, TWO, "p.r=fail!"},
        {RULE("when old.spec_id equals 3; deny;"), "{\"spec_id\":3}", TWO, "p.r=fail!"},
        {RULE("when old.spec_id equals 3; deny;"), "{\"spec_id\":4}", TWO, "p.r=skip"},
        {RULE("when old.spec_id equals 3; deny;"), "[]", TWO, "p.r=fail!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct tg_json_limits limits = {64, 100000};
        struct tg_json_fault fault;
        struct tg_doc old;
        struct bench b;

        bench_good(&b, rows[i].policies);
        bench_body(&b, rows[i].body);
        if (rows[i].old != NULL && *rows[i].old == '\0')
            tg_live_set_old(&b.request, NULL, 0);
        if (rows[i].old != NULL && *rows[i].old != '\0') {
            assert_true(tg_doc_parse(&old, &b.arena, tg_str_of(rows[i].old), &limits, &fault));
            tg_live_set_old(&b.request, &old, 0);
        }
        bench_expect(&b, rows[i].results, rows[i].policies);
        tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
        bench_end(&b);
    }
}

/* --- what is told --- */

static void told(struct bench *b, const char *expected, const char *expected_zh)
{
    struct tg_buf text = {0};

    tg_policy_eval(b->set, &b->request, tg_policy_report, &b->request);
    assert_non_null(b->request.report.first);
    assert_int_equal(b->request.report.first->pointer.n, 0);
    assert_int_equal(b->request.report.first->offset, TG_NONE);
    tg_finding_text(&text, b->request.report.first, false);
    if (!tg_str_eq(tg_buf_str(&text), tg_str_of(expected)))
        fail_msg("expected: %s\ngot:      %.*s", expected, TG_STR_ARG(tg_buf_str(&text)));
    text.n = 0;
    tg_finding_text(&text, b->request.report.first, true);
    if (!tg_str_eq(tg_buf_str(&text), tg_str_of(expected_zh)))
        fail_msg("expected: %s\ngot:      %.*s", expected_zh, TG_STR_ARG(tg_buf_str(&text)));
    tg_buf_end(&text);
}

static void messages(void **state)
{
    static const struct {
        const char *policies;
        const char *values[6];
        const char *text, *text_zh;
    } rows[] = {
        {RULE("deny;"), {NULL}, "is denied", "被禁止"},
        {RULE("deny; message \"only admins\"; message_zh 仅限管理员;"),
         {NULL},
         "only admins",
         "仅限管理员"},
        {GPUS,
         {"total.gpus", "32", "spec.spec_code", "v100.8", "spec.gpu_num", "8"},
         "total.gpus must be at most 16 (got 32, v100.8 has 8 each)",
         "total.gpus 不得大于 16 (实际为 32, v100.8 每个 8)"},
        {GPUS,
         {"total.gpus", "32"},
         "total.gpus must be at most 16 (got 32)",
         "total.gpus 不得大于 16 (实际为 32)"},
        {GPUS,
         {NULL},
         "total.gpus could not be judged: must be at most 16",
         "total.gpus 无法判断: 不得大于 16"},
        {RULE("at spec.gpu_type; in V100;"),
         {"spec.gpu_type", "A100"},
         "spec.gpu_type must be one of V100 (got A100)",
         "spec.gpu_type 必须是以下之一: V100 (实际为 A100)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bench b;

        begin_with(&b, rows[i].policies, rows[i].values);
        told(&b, rows[i].text, rows[i].text_zh);
        bench_end(&b);
    }
}

static void an_old_secret_is_not_told(void **state)
{
    const struct tg_json_limits limits = {64, 100000};
    struct tg_json_fault fault;
    struct tg_doc old;
    struct bench b;

    (void)state;
    bench_good(&b, RULE("at old.user_command; absent;"));
    bench_body(&b, "{}");
    assert_true(
        tg_doc_parse(&old, &b.arena, TG_STR("{\"user_command\":\"S3CRET\"}"), &limits, &fault));
    tg_live_set_old(&b.request, &old, 0);
    told(&b, "old.user_command must not be given", "old.user_command 不允许填写");
    bench_end(&b);
}

/* What nobody could tell is on record by its name. */
static void unknown_is_named(void **state)
{
    struct bench b;

    (void)state;
    bench_good(&b, "policy p { unless role a; rule r { at total.gpus; max 1; } "
                   "rule s { at spec_id; unchanged; } rule t { when spec.cpu min 1; deny; } }");
    bench_body(&b, "{\"spec_id\":1}");
    bench_expect(&b, "p.r=error! p.s=error! p.t=fail!", "all unknown");
    assert_int_equal(b.request.report.nunknown, 4);
    assert_string_equal(b.request.report.unknown[0], "role");
    assert_string_equal(b.request.report.unknown[1], "total.gpus");
    assert_string_equal(b.request.report.unknown[2], "old");
    assert_string_equal(b.request.report.unknown[3], "spec.cpu");
    bench_end(&b);
}

/* --- mistakes, told at load --- */

static void mistakes(void **state)
{
    static const struct {
        const char *policies, *problem;
    } rows[] = {
        {"policy p { match method put; rule r { deny; } }", "[emerg] unknown method \"put\" in "},
        {"policy p { match method PTU; rule r { deny; } }", "[emerg] unknown method \"PTU\" in "},
        {"policy p { match route v1; rule r { deny; } }",
         "[emerg] \"match route\" takes the path of a location as it is written, got \"v1\" in "},
        {"policy p { match method GET; unless method GET; rule r { deny; } }",
         "[emerg] no request meets both this and the \"match\" in "},
        {RULE("at spec_id; deny;"),
         "[emerg] \"deny\" leaves nothing for other tests, a condition stands in \"when\" in "},
        {RULE("at spec_id; max 4; deny;"),
         "[emerg] \"deny\" leaves nothing for other tests, a condition stands in \"when\" in "},
        {RULE("when spec_id; deny;"), "[emerg] \"when\" takes 2 or more arguments, got 1 in "},
        {RULE("when spec_id bigger 4; deny;"), "[emerg] unknown test \"bigger\" in "},
        {RULE("when spec_id max a; deny;"), "[emerg] \"max\" takes a number, got \"a\" in "},
        {RULE("when spec_id max 1 2; deny;"), "[emerg] \"max\" takes 1 argument, got 2 in "},
        {RULE("when spec_jd max 1; deny;"),
         "[emerg] unknown member \"spec_jd\", did you mean \"spec_id\"? in "},
        {RULE("at spec.gpu_nun; max 1;"), "[emerg] unknown live value \"spec.gpu_nun\" in "},
        {RULE("at old.spec_jd; max 1;"),
         "[emerg] unknown member \"spec_jd\", did you mean \"spec_id\"? in "},
        {RULE("at old.spec_id; changed;"),
         "[emerg] \"changed\" cannot apply to \"old.spec_id\", which is an integer in "},
        {RULE("at total.gpus; prefix a;"),
         "[emerg] \"prefix\" cannot apply to \"total.gpus\", which is a number in "},
        {RULE("at user_command; increases;"),
         "[emerg] \"increases\" cannot apply to \"user_command\", which is a string in "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_buf problems = {0};
        struct bench b;

        bench_load(&b, rows[i].policies);
        write_problems(&b.conf, &problems);
        if (b.set != NULL || !tg_str_starts(tg_buf_str(&problems), tg_str_of(rows[i].problem)))
            fail_msg("%s\nexpected: %s\ngot:      %.*s", rows[i].policies, rows[i].problem,
                     TG_STR_ARG(tg_buf_str(&problems)));
        tg_buf_end(&problems);
        bench_end(&b);
    }
}

/* Which sets need a document: that decides whether bodies are collected. */
static void documents_needed(void **state)
{
    static const struct {
        const char *policies;
        bool needed;
    } rows[] = {
        {RULE("deny;"), false},
        {"policy p { match config_name c; rule r { deny; } }", false},
        {RULE("at old.spec_id; max 1;"), false},
        {RULE("when old absent; deny;"), false},
        {RULE("at spec_id; max 1;"), true},
        {RULE("at spec_id; unchanged;"), true},
        {RULE("when spec_id in 1; deny;"), true},
        {RULE("at total.gpus; max 1;"), true},
        {RULE("any_of old.spec_id spec_id { max 1; }"), true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bench b;

        bench_good(&b, rows[i].policies);
        if ((b.set->needs_document != NULL) != rows[i].needed)
            fail_msg("%s", rows[i].policies);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_routes), cmocka_unit_test(without_a_body),
        cmocka_unit_test(conditions),         cmocka_unit_test(live_values),
        cmocka_unit_test(who_asks),           cmocka_unit_test(old_configs),
        cmocka_unit_test(messages),           cmocka_unit_test(an_old_secret_is_not_told),
        cmocka_unit_test(unknown_is_named),   cmocka_unit_test(mistakes),
        cmocka_unit_test(documents_needed),
    };

    tg_clock_freeze(TODAY);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
