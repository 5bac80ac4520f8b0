/* Kept answers: found again, told to whom they belong, dropped by age of use. */
#include "live/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const int kind, other_kind;

static struct tg_cache_entry *get(struct tg_cache *c, const void *of, const char *subject,
                                  bool make)
{
    return tg_cache_get(c, of, TG_STR("up"), tg_str_of(subject), make);
}

static void fill(struct tg_cache *c, struct tg_cache_entry *e, size_t bytes)
{
    struct tg_arena arena;
    void *value;

    tg_arena_init(&arena);
    value = tg_arena_zalloc(&arena, 1, bytes);
    tg_cache_set(c, e, value, &arena);
}

static void keys_are_three(void **state)
{
    struct tg_cache c = {.most = 1 << 20};
    struct tg_cache_entry *e = get(&c, &kind, "a", true);

    (void)state;
    assert_ptr_equal(get(&c, &kind, "a", false), e);
    assert_null(get(&c, &kind, "b", false));
    assert_null(get(&c, &other_kind, "a", false));
    assert_null(tg_cache_get(&c, &kind, TG_STR("down"), TG_STR("a"), false));
    assert_null(tg_cache_get(&c, &kind, TG_STR("upa"), TG_STR(""), false));
    tg_cache_end(&c);
}

static void the_least_used_goes(void **state)
{
    struct tg_cache c = {.most = 40000};
    char name[8];

    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "%d", i);
        fill(&c, get(&c, &kind, name, true), 8000);
        (void)get(&c, &kind, "0", false); /* used again and again */
        tg_cache_shrink(&c, NULL);
        assert_true(c.used <= c.most);
    }
    assert_non_null(get(&c, &kind, "0", false));
    assert_non_null(get(&c, &kind, "9", false));
    assert_null(get(&c, &kind, "1", false));
    tg_cache_end(&c);
    assert_int_equal(c.used, 0);
}

static void callers_are_admitted_for_a_time(void **state)
{
    struct tg_cache c = {.most = 1 << 20};
    struct tg_cache_entry *e = get(&c, &kind, "a", true);
    char name[16];

    (void)state;
    tg_cache_admit(&c, e, TG_STR("alice"), 0, 100);
    assert_true(tg_cache_admits(e, TG_STR("alice"), 99));
    assert_false(tg_cache_admits(e, TG_STR("alice"), 100));
    assert_false(tg_cache_admits(e, TG_STR("bob"), 1));
    tg_cache_admit(&c, e, TG_STR("alice"), 100, 200);
    assert_true(tg_cache_admits(e, TG_STR("alice"), 150));
    for (int i = 0; i < 5000; i++) { /* their number is bounded */
        snprintf(name, sizeof(name), "caller%d", i);
        tg_cache_admit(&c, e, tg_str_of(name), 150, 1000 + (uint64_t)i);
    }
    assert_true(e->nadmitted <= 512);
    assert_true(tg_cache_admits(e, TG_STR("caller4999"), 500));
    tg_cache_end(&c);
}

static void failures_concern_one_or_all(void **state)
{
    struct tg_cache c = {.most = 1 << 20};
    struct tg_cache_entry *e = get(&c, &kind, "a", true);

    (void)state;
    assert_false(tg_cache_has_failed(e, TG_STR("alice"), 0));
    tg_cache_failed(e, "it was answered 500", TG_STR("alice"), 100);
    assert_true(tg_cache_has_failed(e, TG_STR("alice"), 50));
    assert_false(tg_cache_has_failed(e, TG_STR("bob"), 50));
    assert_false(tg_cache_has_failed(e, TG_STR("alice"), 100));
    tg_cache_failed(e, "no answer came", TG_STR(""), 200);
    assert_true(tg_cache_has_failed(e, TG_STR("bob"), 150));
    assert_string_equal(e->failure, "no answer came");
    tg_cache_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_three),
        cmocka_unit_test(the_least_used_goes),
        cmocka_unit_test(callers_are_admitted_for_a_time),
        cmocka_unit_test(failures_concern_one_or_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
