/* What a request changes of the config that stands there. */
#include "live/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define WHOLE "\"worker_server_num\":1,\"spec_id\":4"

/* Stored and new members beside those that are required, and the operations: + added, ~ replaced,
 * - removed, each with its path. */
static const struct {
    const char *old, *new, *operations;
} cases[] = {
    {"", "", ""},
    {",\"config_desc\":\"a\"", ",\"config_desc\":\"a\"", ""},
    {",\"config_desc\":\"a\"", ",\"config_desc\":\"\\u0061\"", ""},
    {",\"config_desc\":\"a\"", ",\"config_desc\":\"b\"", "~/config_desc "},
    {",\"config_desc\":\"a\"", "", "-/config_desc "},
    {"", ",\"config_desc\":\"a\"", "+/config_desc "},
    {",\"log_url\":\"\",\"data_url\":null,\"parameter\":[],\"flavor\":{}", "", ""},
    {"", ",\"log_url\":\"\",\"data_url\":null,\"parameter\":[],\"flavor\":{}", ""},
    {",\"model_id\":1", ",\"model_id\":1.0e0", ""},
    {",\"model_id\":9007199254740993", ",\"model_id\":9007199254740992", "~/model_id "},
    {",\"model_id\":1", ",\"model_id\":\"1\"", "~/model_id "},
    {",\"parameter\":[{\"label\":\"a\",\"value\":\"1\"}]",
     ",\"parameter\":[{\"value\":\"1\",\"label\":\"a\",\"tip\":null}]", ""},
    {",\"parameter\":[{\"label\":\"a\"},{\"label\":\"b\"}]",
     ",\"parameter\":[{\"label\":\"b\"},{\"label\":\"a\"}]", "~/parameter "},
    {",\"flavor\":{\"code\":\"a\",\"x\":1}", ",\"flavor\":{\"code\":\"b\"}",
     "~/flavor/code -/flavor/x "},
    {",\"a~b/c\":{\"d\":1}", ",\"a~b/c\":{\"d\":2}", "~/a~0b~1c/d "},
    {",\"spec_code\":\"x\",\"create_time\":5,\"gpu_num\":1", "", ""},
    {"", ",\"spec_code\":\"x\",\"create_time\":5", ""},
};

static struct tg_doc parse(struct tg_arena *arena, const char *more)
{
    static const struct tg_json_limits limits = {64, 10000};
    struct tg_json_fault fault;
    struct tg_doc d;

    assert_true(
        tg_doc_parse(&d, arena, tg_arena_printf(arena, "{" WHOLE "%s}", more), &limits, &fault));
    return d;
}

static void write_before(const struct tg_before *b, struct tg_buf *out)
{
    static const char signs[] = {
        [TG_DIFF_ADD] = '+', [TG_DIFF_REPLACE] = '~', [TG_DIFF_REMOVE] = '-'};

    for (const struct tg_diff *d = b->changes; d != NULL; d = d->next) {
        tg_buf_putc(out, signs[d->op]);
        tg_buf_add(out, d->pointer);
        tg_buf_putc(out, ' ');
    }
}

static void operations(void **state)
{
    struct tg_buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_before before = {.there = true};
        struct tg_request r;
        struct tg_arena arena;

        tg_arena_init(&arena);
        tg_request_init(&r, &arena);
        struct tg_doc old = parse(&arena, cases[i].old), new = parse(&arena, cases[i].new);
        r.doc = &new;
        tg_diff(&r, &old, 0, &before);
        out.n = 0;
        write_before(&before, &out);
        if (!tg_str_eq(tg_buf_str(&out), tg_str_of(cases[i].operations)))
            fail_msg("case %zu: %.*s instead of %s", i, TG_STR_ARG(tg_buf_str(&out)),
                     cases[i].operations);
        assert_false(before.partial);
        tg_arena_end(&arena);
    }
    tg_buf_end(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
