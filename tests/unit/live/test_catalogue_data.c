/* The service's lists: read page by page and from a file, found by id, the nearest to a typo. */
#include "live/catalogue_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char file[] =
    "{\"specs\":[{\"spec_id\":7,\"spec_code\":\"gpu.8\",\"gpu_num\":8,\"max_num\":16,\"cpu\":"
    "\"512\","
    "\"no_resource\":true},{\"spec_id\":4,\"spec_code\":\"gpu.1\",\"gpu_num\":1,\"cpu\":\"64GB\"},"
    "{\"spec_id\":\"2\",\"spec_code\":\"cpu.2\"},{\"spec_code\":\"no id\"},9],"
    "\"engines\":[{\"engine_id\":1,\"engine_name\":\"TF\",\"engine_version\":\"TF-1\"}],"
    "\"models\":[]}";

static struct tg_catalogue read_file(struct tg_arena *arena)
{
    struct tg_catalogue c;

    assert_null(tg_catalogue_read(&c, arena, TG_STR(file)));
    return c;
}

static void what_is_told_is_known(void **state)
{
    struct tg_arena arena;
    const struct tg_choice *s;

    (void)state;
    tg_arena_init(&arena);
    struct tg_catalogue c = read_file(&arena);
    assert_int_equal(c.list[TG_CHOICE_SPECS].n, 3);
    s = tg_catalogue_find(&c.list[TG_CHOICE_SPECS], 7);
    assert_int_equal(s->gpu_num, 8);
    assert_int_equal(s->max_num, 16);
    assert_true(s->no_resource);
    assert_true(tg_str_eq(s->cpu, TG_STR("512")));
    s = tg_catalogue_find(&c.list[TG_CHOICE_SPECS], 4);
    assert_int_equal(s->max_num, -1);
    assert_int_equal(s->cpu.n, 0); /* no number */
    s = tg_catalogue_find(&c.list[TG_CHOICE_SPECS], 2);
    assert_int_equal(s->gpu_num, -1);
    assert_null(tg_catalogue_find(&c.list[TG_CHOICE_SPECS], 9));
    assert_null(tg_catalogue_find(&c.list[TG_CHOICE_MODELS], 1));
    tg_arena_end(&arena);
}

static void the_nearest(void **state)
{
    struct tg_arena arena;
    struct tg_buf out = {0};

    (void)state;
    tg_arena_init(&arena);
    struct tg_catalogue c = read_file(&arena);
    tg_catalogue_nearest(&c.list[TG_CHOICE_SPECS], 74, &out);
    assert_true(tg_str_eq(tg_buf_str(&out), TG_STR("7 (gpu.8), 4 (gpu.1), 2 (cpu.2)")));
    out.n = 0;
    tg_catalogue_nearest(&c.list[TG_CHOICE_SPECS], INT64_MAX, &out);
    assert_true(out.n > 0);
    out.n = 0;
    tg_catalogue_nearest(&c.list[TG_CHOICE_MODELS], 1, &out);
    assert_int_equal(out.n, 0);
    tg_buf_end(&out);
    tg_arena_end(&arena);
}

/* What is wrong with a page, NULL: nothing; the target of the next one in *next. */
static const char *page(struct tg_catalogue *c, struct tg_arena *arena, const char *body,
                        struct tg_str *next)
{
    const struct tg_lookup_ask ask = {.subject = TG_STR("p")};
    struct tg_lookup_page p = {.arena = arena, .value = c, .body = tg_str_of(body), .ask = &ask};
    const char *why = tg_catalogue_kind.on_page(&p);

    *next = p.next;
    return why;
}

static void pages(void **state)
{
    struct tg_catalogue c = {.reading = 0};
    struct tg_arena arena;
    struct tg_str next;

    (void)state;
    tg_arena_init(&arena);
    assert_null(page(&c, &arena, "{\"specs\":[{\"spec_id\":1}]}", &next));
    assert_true(tg_str_eq(next, TG_STR("/v1/p/job/ai-engines?job_type=train")));
    assert_null(page(&c, &arena, "{\"engines\":[]}", &next));
    assert_true(tg_str_eq(next, TG_STR("/v1/p/built-in-algorithms?per_page=100&page=1")));
    assert_null(page(&c, &arena, "{\"model_total_count\":2,\"models\":[{\"model_id\":1}]}", &next));
    assert_true(tg_str_eq(next, TG_STR("/v1/p/built-in-algorithms?per_page=100&page=2")));
    assert_string_equal(
        page(&c, &arena, "{\"model_total_count\":2,\"models\":[{\"model_id\":1}]}", &next),
        "a page repeats itself");
    assert_null(page(&c, &arena, "{\"model_total_count\":2,\"models\":[{\"model_id\":2}]}", &next));
    assert_int_equal(next.n, 0);
    assert_int_equal(c.list[TG_CHOICE_MODELS].n, 2);
    tg_arena_end(&arena);
}

static void what_is_no_list(void **state)
{
    static const char *const bodies[] = {
        "", "[]", "{", "{}", "{\"specs\":{}}", "{\"specs\":[}", "{\"specs\":[],\"specs\":[]}"};
    struct tg_arena arena;
    struct tg_str next;

    (void)state;
    tg_arena_init(&arena);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct tg_catalogue c = {.reading = 0};

        assert_non_null(page(&c, &arena, bodies[i], &next));
        assert_non_null(tg_catalogue_read(&c, &arena, tg_str_of(bodies[i])));
    }
    tg_arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_known),
        cmocka_unit_test(the_nearest),
        cmocka_unit_test(pages),
        cmocka_unit_test(what_is_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
