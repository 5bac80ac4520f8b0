/* One set of policies, loaded from text, and requests it judges. */
#ifndef TG_POLICY_FIXTURE_H
#define TG_POLICY_FIXTURE_H

#include "base/check.h"
#include "base/clock.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TODAY INT64_C(1800000000000000) /* 2027-01-15T08:00:00Z */

struct bench {
    struct tg_arena arena;
    struct tg_conf conf;
    struct tg_policy_set *set;
    struct tg_doc doc;
    struct tg_request request;
};

/* Appends the problems of a load, one line each. */
static inline void write_problems(const struct tg_conf *c, struct tg_buf *out)
{
    for (const struct tg_conf_problem *p = c->problems; p != NULL; p = p->next)
        tg_buf_printf(out, "[%s] %s\n", p->level == TG_CONF_WARN ? "warn" : "emerg", p->text);
}

/* Loads policies from a text, by way of a file that is gone afterwards. */
static inline void bench_load(struct bench *b, const char *text)
{
    char name[] = "/tmp/trainguard-policy-XXXXXX";
    int fd = mkstemp(name);
    const struct tg_str glob = tg_str_of(name);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    tg_arena_init(&b->arena);
    tg_conf_init(&b->conf, &b->arena, "/");
    b->set = tg_policy_load(&b->conf, NULL, &glob, 1);
    unlink(name);
}

/* The same for a text that has to be right. */
static inline void bench_good(struct bench *b, const char *text)
{
    struct tg_buf problems = {0};

    bench_load(b, text);
    write_problems(&b->conf, &problems);
    if (b->set == NULL)
        fail_msg("%s\n%.*s", text, TG_STR_ARG(tg_buf_str(&problems)));
    tg_buf_end(&problems);
}

/* Makes the request of a body; fields of b->request may be set afterwards. */
static inline void bench_body(struct bench *b, const char *body)
{
    const struct tg_json_limits limits = {64, 100000};
    struct tg_json_fault fault;

    tg_request_init(&b->request, &b->arena);
    b->request.project_id = TG_STR("p1");
    b->request.config_name = TG_STR("c1");
    b->request.body = tg_str_of(body);
    if (!tg_doc_parse(&b->doc, &b->arena, b->request.body, &limits, &fault))
        fail_msg("%s: %s", body, fault.message);
    b->request.doc = &b->doc;
    b->request.config = 0;
}

static inline void bench_end(struct bench *b)
{
    tg_policy_end(b->set);
    tg_arena_end(&b->arena);
}

/* "POLICY.RULE=RESULT " for each rule, as a tg_policy_hook. */
static inline void note_outcome(void *context, const struct tg_policy_outcome *o)
{
    tg_buf_printf(context, "%.*s.%.*s=%s%s%s%s ", TG_STR_ARG(o->policy->name),
                  TG_STR_ARG(o->rule->name), tg_rule_result_word(o->result), o->denies ? "!" : "",
                  o->warns ? "?" : "", o->exception != NULL ? "-" : "");
}

/* Judges, and compares with what is expected. */
static inline void bench_expect(struct bench *b, const char *expected, const char *what)
{
    struct tg_buf got = {0};

    tg_policy_eval(b->set, &b->request, note_outcome, &got);
    if (got.n > 0)
        got.n--;
    if (!tg_str_eq(tg_buf_str(&got), tg_str_of(expected)))
        fail_msg("%s\nexpected: %s\ngot:      %.*s", what, expected, TG_STR_ARG(tg_buf_str(&got)));
    tg_buf_end(&got);
}

#endif
