/* The evaluator: what becomes of verdicts that only a running gateway can act on, names, options.
 */
#include "cli/evaluator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BODY     "{\"a\": 1, \"a\": 2}" /* which `json` would refuse */

/* --- filters of the test: each does what its name says --- */

static unsigned done; /* how often on_done ran */

static enum tg_verdict on_wait(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    return tg_wait(r, "asking the key server", 500);
}

static enum tg_verdict on_fail(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    return tg_fail(r, "out of order");
}

static enum tg_verdict on_refuse(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    return tg_reply(r, TG_E_LIMITED, "one a day", NULL);
}

static enum tg_verdict on_break(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    return tg_reply(r, TG_E_OVERLOADED, NULL, NULL);
}

static enum tg_verdict on_pass(struct tg_request *r, const void *conf, void *state)
{
    (void)r;
    (void)conf;
    (void)state;
    return TG_NEXT;
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r;
    (void)conf;
    (void)state;
    done++;
}

#define FILTER(word, does)                                                                         \
    static const struct tg_filter filter_##word = {.abi = TG_FILTER_ABI,                           \
                                                   .name = #word,                                  \
                                                   .traits = (does),                               \
                                                   .on_request = on_##word,                        \
                                                   .on_done = on_done}

FILTER(wait, 0);
FILTER(fail, 0);
FILTER(refuse, TG_JUDGES_BODY);
FILTER(break, 0);
FILTER(pass, TG_CHANGES_BODY);

/* Instead of filters/table.c. */
static const struct tg_filter *const builtin[] = {
    &filter_wait, &filter_fail, &filter_refuse, &filter_break, &filter_pass, NULL,
};

/* --- helpers --- */

/* A configuration with these lines in its guarded location, in a file; the caller unlinks it. */
static void write_conf(char path[64], const char *inside)
{
    FILE *f;

    snprintf(path, 64, "/tmp/trainguard-eval-XXXXXX");
    f = fdopen(mkstemp(path), "w");
    assert_non_null(f);
    fprintf(
        f,
        "upstream u { server u.test; }\nserver { listen 127.0.0.1:0;\n"
        "location PUT /v1/special/training-job-configs/{config_name} { proxy_pass u; "
        "filters fail; }\n"
        "location PUT /v1/{project_id}/training-job-configs/{config_name} { proxy_pass u; %s }\n"
        "}\n",
        inside);
    fclose(f);
}

static struct tg_evaluator *start(const char *inside, const char *project, bool only_changes)
{
    struct tg_eval_options options = {.project = project};
    struct tg_buf problems = {0};
    struct tg_evaluator *e;
    char path[64];

    write_conf(path, inside);
    options.conf = path;
    e = tg_evaluator_new(&options, only_changes, &problems);
    assert_non_null(e);
    assert_int_equal(problems.n, 0);
    unlink(path);
    return e;
}

static void assert_text(struct tg_str got, const char *want)
{
    if (!tg_str_eq(got, tg_str_of(want)))
        fail_msg("got \"%.*s\", want \"%s\"", TG_STR_ARG(got), want);
}

/* --- verdicts --- */

static const struct verdict_case {
    const char *filters;
    bool only_changes;
    enum tg_eval_result result;
    int status;
    const char *why;
} verdicts[] = {
    {"filters pass;", false, TG_EVAL_PASS, 0, ""},
    {"filters wait;", false, TG_EVAL_ERROR, 0,
     "a filter would wait (asking the key server), which needs a running gateway"},
    {"filters pass fail;", false, TG_EVAL_ERROR, 0, "internal error of the gateway: out of order"},
    {"filters pass refuse;", false, TG_EVAL_DENY, 429, "too many requests: one a day"},
    {"filters pass refuse;", true, TG_EVAL_PASS, 0, ""},
    {"filters refuse;", true, TG_EVAL_PASS, 0, ""},
    {"filters break;", false, TG_EVAL_ERROR, 503, "the gateway is overloaded"},
    {"filters pass; client_max_body_size 16;", false, TG_EVAL_PASS, 0, ""},
    {"filters pass; client_max_body_size 15;", false, TG_EVAL_DENY, 413,
     "the request body is too large"},
};

static void test_verdicts(void **state)
{
    (void)state;
    assert_int_equal(sizeof(BODY) - 1, 16);
    for (size_t i = 0; i < COUNT(verdicts); i++) {
        const struct verdict_case *c = &verdicts[i];
        struct tg_evaluator *e = start(c->filters, NULL, c->only_changes);

        for (int again = 0; again < 2; again++) {
            const struct tg_evaluation *v = tg_eval_body(e, "x.json", TG_STR(BODY));

            assert_int_equal(v->result, c->result);
            assert_int_equal(v->status, c->status);
            assert_text(v->why, c->why);
            assert_int_equal(v->answer.n > 0, c->result == TG_EVAL_DENY);
            assert_text(v->forwarded, c->result == TG_EVAL_PASS ? BODY : "");
        }
        tg_evaluator_end(e);
    }
}

/* on_done runs once for each filter that was asked. */
static void test_done(void **state)
{
    struct tg_evaluator *e = start("filters pass wait fail;", NULL, false);

    (void)state;
    done = 0;
    tg_eval_body(e, "x.json", TG_STR(BODY));
    assert_int_equal(done, 2);
    tg_evaluator_end(e);
}

/* The project decides which location judges. */
static void test_routing(void **state)
{
    struct tg_evaluator *e = start("filters pass;", "special", false);

    (void)state;
    assert_int_equal(tg_eval_body(e, "x.json", TG_STR(BODY))->result, TG_EVAL_ERROR);
    tg_evaluator_end(e);
    e = start("filters pass;", "other", false);
    assert_int_equal(tg_eval_body(e, "x.json", TG_STR(BODY))->result, TG_EVAL_PASS);
    tg_evaluator_end(e);
}

/* Nothing that judges is not a pass. */
static void test_unguarded(void **state)
{
    struct tg_evaluator *e = start("", NULL, false);
    const struct tg_evaluation *v = tg_eval_body(e, "x.json", TG_STR(BODY));

    (void)state;
    assert_int_equal(v->result, TG_EVAL_ERROR);
    assert_true(tg_str_starts(v->why, TG_STR("/tmp/trainguard-eval-")));
    assert_true(tg_str_ends(
        v->why,
        TG_STR(" has no location with filters for PUT /v1/project/training-job-configs/x")));
    tg_evaluator_end(e);
}

static void test_unread(void **state)
{
    struct tg_evaluator *e = start("filters pass;", NULL, false);
    const struct tg_evaluation *v;

    (void)state;
    tg_eval_body(e, "x.json", TG_STR(BODY));
    v = tg_eval_unread(e, "y.json", "is a dog");
    assert_int_equal(v->result, TG_EVAL_ERROR);
    assert_text(v->why, "is a dog");
    assert_string_equal(v->file, "y.json");
    assert_null(v->places);
    tg_evaluator_end(e);
}

static void test_configuration_problems(void **state)
{
    const struct tg_eval_options absent = {.conf = "/no/such/file"};
    const struct tg_eval_options unfit = {.level = "loose"};
    struct tg_buf problems = {0};

    (void)state;
    assert_null(tg_evaluator_new(&absent, false, &problems));
    assert_true(tg_str_starts(tg_buf_str(&problems), TG_STR("[emerg] ")));
    problems.n = 0;
    assert_null(tg_evaluator_new(&unfit, false, &problems));
    assert_true(problems.n > 0);
    tg_buf_end(&problems);
    tg_evaluator_end(NULL);
}

/* --- names --- */

static const struct {
    const char *file;
    const char *name;
} names[] = {
    {"a.json", "a"},        {"x/y/big-job_1.json", "big-job_1"},
    {"noext", "noext"},     {"-", "config"},
    {"a b.json", "config"}, {".json", "config"},
    {"a.b.json", "config"},
};

static void test_names(void **state)
{
    struct tg_evaluator *e = start("filters pass;", NULL, false);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_text(tg_eval_body(e, names[i].file, TG_STR("{}"))->request.config_name,
                    names[i].name);
    assert_text(
        tg_eval_body(e, "a.json", TG_STR("{\"config_name\": \"m\\u0079\"}"))->request.config_name,
        "my");
    assert_text(
        tg_eval_body(e, "a.json", TG_STR("{\"config_name\": \"m y\"}"))->request.config_name, "a");
    assert_text(tg_eval_body(e, "a.json", TG_STR("[\"config_name\"]"))->request.config_name, "a");
    assert_text(tg_eval_body(e, "a.json", TG_STR("{\"config_name\"}"))->request.config_name, "a");
    tg_evaluator_end(e);
}

static void test_legal_names(void **state)
{
    char longest[66];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_true(tg_eval_is_name((struct tg_str){longest, 64}));
    assert_false(tg_eval_is_name((struct tg_str){longest, 65}));
    assert_false(tg_eval_is_name(TG_STR("")));
    assert_true(tg_eval_is_name(TG_STR("azAZ09_-")));
    assert_false(tg_eval_is_name(TG_STR("a/b")));
    assert_false(tg_eval_is_name(TG_STR("a.b")));
    assert_false(tg_eval_is_name(TG_STR("\xc3\xa9")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_done),
        cmocka_unit_test(test_routing),  cmocka_unit_test(test_unguarded),
        cmocka_unit_test(test_unread),   cmocka_unit_test(test_configuration_problems),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_legal_names),
    };

    tg_filter_register(builtin);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
