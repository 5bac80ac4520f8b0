/* Limits: rates with bursts by a clock of our own, what is held, who dies, who finds no room. */
#include "shm/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MS 1000

static const struct tg_limit_rule ten_a_second = {
    .kind = TG_LIMIT_REQ, .interval = 100 * MS, .burst = 2, .id = 1};
static const struct tg_limit_rule two_at_once = {.kind = TG_LIMIT_IN_FLIGHT, .most = 2, .id = 2};

static void rate(void **state)
{
    static const struct {
        uint64_t at; /* ms */
        bool granted;
        uint64_t wait; /* ms */
    } steps[] = {
        {1000, true, 0},   {1000, true, 0},    {1000, true, 0},    {1000, false, 100},
        {1050, false, 50}, {1100, true, 0},    {1100, false, 100}, {1300, true, 0},
        {1300, true, 0},   {1300, false, 100}, {9000, true, 0},    {9000, true, 0},
        {9000, true, 0},   {9000, false, 100},
    };
    struct tg_limits *l = tg_limits_new();

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        uint64_t wait = 0;
        int entry = 0;

        if (tg_limit_take(l, 0, &ten_a_second, TG_STR("p"), steps[i].at * MS, &entry, &wait) !=
                steps[i].granted ||
            wait != steps[i].wait * MS)
            fail_msg("step %zu: wait %lu", i, wait);
        assert_int_equal(entry, -1);
    }
    tg_limits_end(l);
}

static bool take(struct tg_limits *l, unsigned slot, const char *key, int *entry)
{
    uint64_t wait = 0;

    return tg_limit_take(l, slot, &two_at_once, tg_str_of(key), 1, entry, &wait);
}

static void held_by_several(void **state)
{
    struct tg_limits *l = tg_limits_new();
    int a, b, none;

    (void)state;
    assert_true(take(l, 0, "p", &a));
    assert_true(take(l, 1, "p", &b));
    assert_false(take(l, 1, "p", &none));
    assert_int_equal(none, -1);
    assert_true(take(l, 1, "q", &none));
    tg_limit_release(l, 0, a);
    assert_true(take(l, 1, "p", &a));
    assert_false(take(l, 0, "p", &none));
    tg_limits_end(l);
}

static void who_dies_holds_nothing(void **state)
{
    struct tg_limits *l = tg_limits_new();
    int entry;

    (void)state;
    assert_true(take(l, 3, "p", &entry));
    assert_true(take(l, 3, "p", &entry));
    assert_false(take(l, 4, "p", &entry));
    tg_limits_forget(l, 3);
    assert_true(take(l, 4, "p", &entry));
    assert_true(take(l, 4, "p", &entry));
    assert_false(take(l, 4, "p", &entry));
    tg_limits_end(l);
}

/* Ten times as many keys as there is room for: spent entries are given again, none refuses. */
static void more_keys_than_room(void **state)
{
    struct tg_limits *l = tg_limits_new();
    uint64_t now = 1000 * MS;

    (void)state;
    for (unsigned i = 0; i < 10 * TG_LIMIT_ENTRIES; i++, now += MS) {
        char key[16];
        uint64_t wait;
        int entry;
        int n = snprintf(key, sizeof(key), "%u", i);

        assert_true(tg_limit_take(l, 0, &ten_a_second, (struct tg_str){key, (size_t)n}, now, &entry,
                                  &wait));
    }
    tg_limits_end(l);
}

static void rules_do_not_share(void **state)
{
    struct tg_limit_rule other = two_at_once;
    struct tg_limits *l = tg_limits_new();
    uint64_t wait;
    int entry;

    (void)state;
    other.id = 3;
    other.most = 1;
    assert_true(take(l, 0, "p", &entry));
    assert_true(tg_limit_take(l, 0, &other, TG_STR("p"), 1, &entry, &wait));
    assert_false(tg_limit_take(l, 0, &other, TG_STR("p"), 1, &entry, &wait));
    assert_int_equal(wait, 1000 * MS);
    assert_true(take(l, 0, "p", &entry));
    tg_limits_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate),
        cmocka_unit_test(held_by_several),
        cmocka_unit_test(who_dies_holds_nothing),
        cmocka_unit_test(more_keys_than_room),
        cmocka_unit_test(rules_do_not_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
