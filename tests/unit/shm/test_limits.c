/* Limits: rates with bursts by a clock of our own, what is held, who dies, who finds no room. */
#include "shm/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MS 1000

static const struct tg_limit_rule ten_a_second = {
    .kind = TG_LIMIT_REQ, .key = TG_LIMIT_BY_PROJECT, .interval = 100 * MS, .burst = 2, .id = 1};
static const struct tg_limit_rule two_at_once = {.kind = TG_LIMIT_IN_FLIGHT, .most = 2, .id = 2};

static void rate(void **state)
{
    static const struct {
        uint64_t at; /* ms */
        bool granted;
        uint64_t wait; /* ms */
        uint64_t left;
        uint64_t whole; /* ms */
    } steps[] = {
        {1000, true, 0, 2, 100},    {1000, true, 0, 1, 200},   {1000, true, 0, 0, 300},
        {1000, false, 100, 0, 300}, {1050, false, 50, 0, 250}, {1100, true, 0, 0, 300},
        {1100, false, 100, 0, 300}, {1300, true, 0, 1, 200},   {1300, true, 0, 0, 300},
        {1300, false, 100, 0, 300}, {9000, true, 0, 2, 100},   {9050, true, 0, 1, 150},
        {9050, true, 0, 0, 250},    {9050, false, 50, 0, 250},
    };
    struct tg_limits *l = tg_limits_new();

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct tg_limit_grant g;

        if (tg_limit_take(l, 0, &ten_a_second, TG_STR("p"), steps[i].at * MS, &g) !=
                steps[i].granted ||
            g.wait != steps[i].wait * MS || g.left != steps[i].left ||
            g.whole != steps[i].whole * MS)
            fail_msg("step %zu: wait %lu, left %lu, whole %lu", i, g.wait, g.left, g.whole);
        assert_int_equal(g.entry >= 0, steps[i].granted);
    }
    tg_limits_end(l);
}

static bool take(struct tg_limits *l, unsigned slot, const char *key, int *entry)
{
    struct tg_limit_grant g;
    bool granted = tg_limit_take(l, slot, &two_at_once, tg_str_of(key), 1, &g);

    *entry = g.entry;
    return granted;
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
        struct tg_limit_grant g;
        int n = snprintf(key, sizeof(key), "%u", i);

        assert_true(tg_limit_take(l, 0, &ten_a_second, (struct tg_str){key, (size_t)n}, now, &g));
    }
    tg_limits_end(l);
}

static void rules_do_not_share(void **state)
{
    struct tg_limit_rule other = two_at_once;
    struct tg_limits *l = tg_limits_new();
    struct tg_limit_grant g;
    int entry;

    (void)state;
    other.id = 3;
    other.most = 1;
    assert_true(take(l, 0, "p", &entry));
    assert_true(tg_limit_take(l, 0, &other, TG_STR("p"), 1, &g));
    assert_false(tg_limit_take(l, 0, &other, TG_STR("p"), 1, &g));
    assert_int_equal(g.wait, 1000 * MS);
    assert_true(take(l, 0, "p", &entry));
    tg_limits_end(l);
}

static bool ask(struct tg_limits *l, const struct tg_limit_rule *rule, const char *kind, unsigned n,
                uint64_t now, int *entry)
{
    char key[32];
    struct tg_limit_grant g;
    int length = snprintf(key, sizeof(key), "%s%u", kind, n);
    bool granted = tg_limit_take(l, 0, rule, (struct tg_str){key, (size_t)length}, now, &g);

    *entry = g.entry;
    return granted;
}

static struct tg_limit_table look(const struct tg_limits *l, uint64_t now)
{
    struct tg_limit_table t;

    assert_true(tg_limit_table_at(l, 0, now, &t));
    return t;
}

/* Then its entry is free, and no key of it counts. */
static void a_key_is_known_until_its_debt_ends(void **state)
{
    struct tg_limits *l = tg_limits_new();
    struct tg_limit_grant g;

    (void)state;
    assert_true(tg_limit_take(l, 0, &ten_a_second, TG_STR("p"), 1000 * MS, &g));
    assert_int_equal(g.whole, 100 * MS);
    assert_int_equal(look(l, 1100 * MS - 1).keys, 1);
    assert_int_equal(look(l, 1100 * MS).keys, 0);
    assert_int_equal(look(l, 1100 * MS + 1).keys, 0);
    tg_limits_end(l);
}

/* Keys invented by the thousand do not make one forgotten that is being refused. */
static void who_is_refused_stays_refused(void **state)
{
    static const struct tg_limit_rule rule = {
        .kind = TG_LIMIT_REQ, .interval = 1000 * MS, .burst = 4, .id = 9, .name = "x:1"};
    struct tg_limits *l = tg_limits_new();
    uint64_t now = 1000 * MS;
    int entry;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(ask(l, &rule, "greedy", 0, now, &entry));
    assert_false(ask(l, &rule, "greedy", 0, now, &entry));
    for (unsigned i = 0; i < 5 * TG_LIMIT_ENTRIES; i++)
        (void)ask(l, &rule, "invented", i, now, &entry);
    assert_false(ask(l, &rule, "greedy", 0, now, &entry));
    assert_true(look(l, now).given_up > 3 * TG_LIMIT_ENTRIES);
    assert_int_equal(look(l, now).shared, 0);
    assert_string_equal(look(l, now).name, "x:1");
    assert_true(look(l, now).keys <= TG_LIMIT_ENTRIES);
    assert_int_equal(look(l, now + 60000 * MS).keys, 0);
    tg_limits_end(l);
}

/* When all would refuse, or are held, new keys share one limit instead of having none. */
static void nobody_is_unlimited(void **state)
{
    static const struct tg_limit_rule rules[] = {
        {.kind = TG_LIMIT_REQ, .interval = 1000 * MS, .burst = 0, .id = 9},
        {.kind = TG_LIMIT_IN_FLIGHT, .most = 1, .id = 9},
        {.kind = TG_LIMIT_CONN, .most = 3, .id = 9},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rules) / sizeof(*rules); r++) {
        struct tg_limits *l = tg_limits_new();
        uint64_t now = 1000 * MS;
        unsigned granted = 0;
        int entry;

        for (unsigned i = 0; i < 20 * TG_LIMIT_ENTRIES; i++)
            granted += ask(l, &rules[r], "invented", i, now, &entry);
        assert_true(granted <= TG_LIMIT_ENTRIES + 3);
        assert_true(granted >= TG_LIMIT_ENTRIES * 9 / 10);
        assert_true(look(l, now).shared > 0);
        tg_limits_end(l);
    }
}

/* What shares an entry is given back as anything else. */
static void the_shared_entry_is_released(void **state)
{
    struct tg_limits *l = tg_limits_new();
    unsigned n = 0, shared = 0;
    int entry, last = -1;

    (void)state;
    while (shared == 0) {
        assert_true(ask(l, &two_at_once, "key", n++, 1, &last));
        shared += look(l, 0).shared > 0;
    }
    assert_true(ask(l, &two_at_once, "key", n - 1, 1, &entry));
    assert_false(ask(l, &two_at_once, "key", n - 1, 1, &entry));
    tg_limit_release(l, 0, last);
    assert_true(ask(l, &two_at_once, "key", n - 1, 1, &entry));
    tg_limits_end(l);
}

/* One rule's crowd takes nothing from another rule. */
static void a_table_per_rule(void **state)
{
    struct tg_limit_rule full = two_at_once, other = two_at_once;
    struct tg_limits *l = tg_limits_new();
    int entry;

    (void)state;
    full.id = 5;
    other.id = 6;
    for (unsigned i = 0; i < 3 * TG_LIMIT_ENTRIES; i++)
        (void)ask(l, &full, "crowd", i, 1, &entry);
    for (unsigned i = 0; i < 100; i++)
        assert_true(ask(l, &other, "honest", i, 1, &entry));
    for (unsigned id = 7; id < 7 + 2 * TG_LIMIT_TABLES; id++) { /* more rules than tables */
        other.id = id;
        assert_true(ask(l, &other, "honest", 0, 1, &entry));
        assert_true(ask(l, &other, "honest", 0, 1, &entry));
        assert_false(ask(l, &other, "honest", 0, 1, &entry));
    }
    tg_limits_end(l);
}

static void a_refused_request_is_not_charged(void **state)
{
    struct tg_limits *l = tg_limits_new();
    int entry;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(ask(l, &ten_a_second, "p", 0, 1000 * MS, &entry));
        tg_limit_return(l, &ten_a_second, entry);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(ask(l, &ten_a_second, "p", 0, 1000 * MS, &entry));
    assert_false(ask(l, &ten_a_second, "p", 0, 1000 * MS, &entry));
    tg_limits_end(l);
}

/* What was refused is counted by rule, and apart what only would have been. */
static void refusals_are_counted(void **state)
{
    struct tg_limit_rule dry = ten_a_second;
    struct tg_limits *l = tg_limits_new();
    int entry;

    (void)state;
    dry.dry_run = true;
    assert_true(ask(l, &dry, "p", 0, 1, &entry));
    tg_limit_count(l, &dry);
    tg_limit_count(l, &ten_a_second);
    tg_limit_count(l, &ten_a_second);
    assert_int_equal(look(l, 1).refused[0], 2);
    assert_int_equal(look(l, 1).refused[1], 1);
    assert_int_equal(look(l, 1).kind, TG_LIMIT_REQ);
    assert_int_equal(look(l, 1).key, TG_LIMIT_BY_PROJECT);
    tg_limits_end(l);
}

static const struct {
    const char *address, *key;
} addresses[] = {
    {"192.0.2.7", "192.0.2.7"},
    {"2001:db8::1", "2001:0db8:0000:0000::/64"},
    {"2001:db8::ffff:1", "2001:0db8:0000:0000::/64"},
    {"2001:db8:0:0:1:2:3:4", "2001:0db8:0000:0000::/64"},
    {"2001:db8:0:1::1", "2001:0db8:0000:0001::/64"},
    {"::1", "0000:0000:0000:0000::/64"},
    {"fe80::1", "fe80:0000:0000:0000::/64"},
    {"::ffff:192.0.2.7", "192.0.2.7"},
    {"::ffff:c000:207", "192.0.2.7"},
    {"unix:", "unix:"},
    {"", ""},
    {"an address that is far too long to be one, whoever wrote it here", NULL},
};

/* Those that use most come first, by name; one that is too long to be told has none, and of one
 * that was given up nothing is left. */
static void busiest_keys(void **state)
{
    static const char *const order[] = {"c", "d", "b"};
    static const unsigned percents[TG_LIMIT_BUSIEST] = {100, 100, 67, 34, 34};
    struct tg_limits *l = tg_limits_new();
    struct tg_limit_use use[TG_LIMIT_BUSIEST];
    struct tg_limit_grant g;
    char longest[TG_LIMIT_KEY + 1], key[8];
    uint64_t now = 1000 * MS;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tg_limit_take(l, 0, &ten_a_second, TG_STR("c"), now, &g), i < 3);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tg_limit_take(l, 0, &ten_a_second, TG_STR("d"), now, &g), i < 3);
    for (unsigned i = 0; i < 2; i++)
        assert_true(tg_limit_take(l, 0, &ten_a_second, TG_STR("b"), now, &g));
    assert_true(
        tg_limit_take(l, 0, &ten_a_second, (struct tg_str){longest, sizeof(longest)}, now, &g));
    assert_int_equal(tg_limit_busiest(l, 0, now, use), 4);
    for (unsigned i = 1; i < 9; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        assert_true(tg_limit_take(l, 0, &ten_a_second, tg_str_of(key), now, &g));
    }
    assert_int_equal(tg_limit_busiest(l, 0, now, use), TG_LIMIT_BUSIEST);
    for (unsigned i = 0; i < TG_LIMIT_BUSIEST; i++) {
        assert_int_equal(use[i].percent, percents[i]);
        if (i < 3)
            assert_string_equal(use[i].key, order[i]);
    }
    assert_int_equal(use[0].refused, 3);
    assert_int_equal(use[1].refused, 1);
    now += 1000 * MS;
    assert_int_equal(tg_limit_busiest(l, 0, now, use), 2); /* what was refused is still known */
    assert_int_equal(use[0].percent, 0);
    tg_limits_end(l);
}

/* The whole text that can be told, and one byte more. */
static void long_keys(void **state)
{
    struct tg_limits *l = tg_limits_new();
    struct tg_limit_use use[TG_LIMIT_BUSIEST];
    char text[TG_LIMIT_KEY + 1];
    int entry;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[TG_LIMIT_KEY] = '\0';
    assert_true(take(l, 0, text, &entry));
    assert_int_equal(tg_limit_busiest(l, 0, 1, use), 1);
    assert_string_equal(use[0].key, text);
    assert_int_equal(use[0].percent, 50);
    tg_limit_release(l, 0, entry);
    assert_int_equal(tg_limit_busiest(l, 0, 1, use), 0);
    tg_limits_end(l);
}

static void address_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        struct tg_str address = tg_str_of(addresses[i].address);
        char text[TG_LIMIT_ADDRESS];
        struct tg_str key = tg_limit_address(address, text);
        const char *due = addresses[i].key != NULL ? addresses[i].key : addresses[i].address;

        if (!tg_str_eq(key, tg_str_of(due)))
            fail_msg("%s: %.*s", addresses[i].address, TG_STR_ARG(key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate),
        cmocka_unit_test(held_by_several),
        cmocka_unit_test(who_dies_holds_nothing),
        cmocka_unit_test(more_keys_than_room),
        cmocka_unit_test(rules_do_not_share),
        cmocka_unit_test(a_key_is_known_until_its_debt_ends),
        cmocka_unit_test(who_is_refused_stays_refused),
        cmocka_unit_test(nobody_is_unlimited),
        cmocka_unit_test(the_shared_entry_is_released),
        cmocka_unit_test(a_table_per_rule),
        cmocka_unit_test(a_refused_request_is_not_charged),
        cmocka_unit_test(refusals_are_counted),
        cmocka_unit_test(busiest_keys),
        cmocka_unit_test(long_keys),
        cmocka_unit_test(address_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
