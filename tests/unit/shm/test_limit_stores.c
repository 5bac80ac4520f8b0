/* Debts to stores of limits: what is noted, pushed, taken back, and aged while the store is away.
 */
#include "shm/limit_stores.h"

#include "shm/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MS UINT64_C(1000)

static struct tg_limit_share share = {.name = "fleet"};

static const struct tg_limit_rule ten_a_second = {.kind = TG_LIMIT_REQ,
                                                  .key = TG_LIMIT_BY_PROJECT,
                                                  .interval = 100 * MS,
                                                  .burst = 4,
                                                  .id = 1,
                                                  .share = &share,
                                                  .debt = 100 * MS};

static struct tg_limits *begin(void)
{
    struct tg_limits *l = tg_limits_new();

    if (share.hash == NULL)
        share.hash = tg_hash_new(TG_STR("what all gateways know"));
    share.number = tg_limit_store_number(l, share.name);
    return l;
}

static bool take(struct tg_limits *l, const struct tg_limit_rule *rule, const char *key,
                 uint64_t now, struct tg_limit_grant *g)
{
    return tg_limit_take(l, 0, rule, tg_str_of(key), now, g);
}

static void what_passes_is_owed(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_grant g;
    struct tg_limit_due due[8];

    (void)state;
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 8, due), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    assert_true(take(l, &ten_a_second, "q", 1000 * MS, &g));
    assert_int_equal(tg_limit_indebted(l, &ten_a_second), 2);
    /* only one of them has used up half of its burst */
    assert_int_equal(tg_limit_collect(l, &ten_a_second, false, 8, due), 1);
    assert_int_equal(due[0].amount, 300 * MS);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, false, 8, due), 0);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 8, due), 1);
    assert_int_equal(due[0].amount, 100 * MS);
    assert_int_equal(tg_limit_indebted(l, &ten_a_second), 0);
    tg_limits_end(l);
}

/* Without room the rest stays for the next time. */
static void room(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_due due[8];
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct tg_limit_grant g;
        char key[8];

        snprintf(key, sizeof(key), "%u", i);
        assert_true(take(l, &ten_a_second, key, 1000 * MS, &g));
    }
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 0, due), 0);
    for (unsigned i = 0; i < 4; i++)
        found += tg_limit_collect(l, &ten_a_second, true, 2, due);
    assert_int_equal(found, 8);
    tg_limits_end(l);
}

/* The name in the store is the same in every map, and another for another key, kind of key and key
 * file. */
static void names(void **state)
{
    struct tg_limit_rule by_address = ten_a_second, other = ten_a_second;
    struct tg_limit_share others = {.name = "fleet", .hash = tg_hash_new(TG_STR("another"))};
    const struct {
        const struct tg_limit_rule *rule;
        const char *key;
        bool same;
    } rows[] = {
        {&ten_a_second, "p", true},
        {&ten_a_second, "q", false},
        {&by_address, "p", false},
        {&other, "p", false},
    };
    unsigned char first[TG_LIMIT_DIGEST];

    (void)state;
    by_address.key = TG_LIMIT_BY_ADDRESS;
    other.share = &others;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_limits *l = begin();
        struct tg_limit_grant g;
        struct tg_limit_due due;

        assert_true(take(l, rows[i].rule, rows[i].key, 1000 * MS, &g));
        assert_int_equal(tg_limit_collect(l, rows[i].rule, true, 1, &due), 1);
        if (i == 0)
            memcpy(first, due.digest, sizeof(first));
        assert_int_equal(memcmp(first, due.digest, sizeof(first)) == 0, rows[i].same);
        tg_limits_end(l);
    }
    tg_hash_end(others.hash);
}

/* What the fleet has used up holds here, and what passed while the store was asked. */
static void what_the_store_says_holds(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_grant g;
    struct tg_limit_due due;

    (void)state;
    assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    (void)tg_limit_settle(l, &ten_a_second, &due, 300 * MS, 1010 * MS);
    assert_true(take(l, &ten_a_second, "p", 1010 * MS, &g));
    assert_int_equal(g.whole, 500 * MS); /* 300 of all, one that passed meanwhile, and this one */
    assert_false(take(l, &ten_a_second, "p", 1010 * MS, &g));
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_int_equal(due.amount, 200 * MS);
    tg_limit_unsettled(l, &ten_a_second, &due);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_int_equal(due.amount, 200 * MS);
    due.key++; /* its place is another's by now */
    (void)tg_limit_settle(l, &ten_a_second, &due, 9000 * MS, 1010 * MS);
    tg_limit_unsettled(l, &ten_a_second, &due);
    assert_true(take(l, &ten_a_second, "p", 2000 * MS, &g));
    tg_limits_end(l);
}

/* A store that is out of its mind is not believed for longer than it could be right. */
static void what_cannot_be_ahead_is_cut(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_store *store = tg_limit_store_at(l, share.number);
    struct tg_limit_grant g;
    struct tg_limit_due due;
    uint64_t one = 2 * (500 * MS + 60000 * MS), hours = 4 * 3600 * 1000 * MS;

    (void)state;
    assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_int_equal(tg_limit_settle(l, &ten_a_second, &due, UINT64_C(1) << 52, 1000 * MS), one);
    assert_false(take(l, &ten_a_second, "p", 1000 * MS, &g));
    assert_int_equal(g.whole, one);
    assert_true(take(l, &ten_a_second, "p", 1000 * MS + one, &g));
    store->replicas = 50;
    assert_int_equal(tg_limit_settle(l, &ten_a_second, &due, hours, 1000 * MS), 50 * one);
    assert_int_equal(tg_limit_settle(l, &ten_a_second, &due, 49 * one, 1000 * MS), 49 * one);
    store->replicas = UINT32_MAX;
    assert_int_equal(tg_limit_settle(l, &ten_a_second, &due, hours, 1000 * MS), hours);
    tg_limits_end(l);
}

/* A request that another rule refused is not owed; if the store was told already, it is told. */
static void what_is_returned_is_not_owed(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_grant g;
    struct tg_limit_due due;

    (void)state;
    assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    tg_limit_return(l, &ten_a_second, g.entry);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 0);
    assert_true(take(l, &ten_a_second, "p", 1000 * MS, &g));
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    tg_limit_return(l, &ten_a_second, g.entry);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_int_equal(due.amount, -100 * (int64_t)MS);
    tg_limits_end(l);
}

/* An hour without the store is not paid for by an hour of refusals. */
static void time_pays(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_grant g;
    struct tg_limit_due due;

    (void)state;
    for (uint64_t now = 1000 * MS; now < 9000 * MS; now += 100 * MS)
        assert_true(take(l, &ten_a_second, "p", now, &g));
    assert_int_equal(tg_limit_age(l, &ten_a_second, 8950 * MS), 1);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 1);
    assert_int_equal(due.amount, 50 * MS);
    assert_true(take(l, &ten_a_second, "p", 9000 * MS, &g));
    assert_int_equal(tg_limit_age(l, &ten_a_second, 9100 * MS), 0);
    assert_int_equal(tg_limit_collect(l, &ten_a_second, true, 1, &due), 0);
    tg_limits_end(l);
}

/* A debt that was not told keeps its place; where there is no other, it gives way. */
static void places(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_grant g;
    struct tg_limit_due due[64];
    struct tg_limit_table t;
    unsigned found = 0, n;

    (void)state;
    for (unsigned i = 0; i < 2 * TG_LIMIT_ENTRIES; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%u", i);
        assert_true(take(l, &ten_a_second, key, (1000 + i) * MS, &g));
    }
    while ((n = tg_limit_collect(l, &ten_a_second, true, 64, due)) > 0)
        found += n;
    assert_true(found <= TG_LIMIT_ENTRIES && found > TG_LIMIT_ENTRIES / 2);
    assert_true(tg_limit_table_at(l, 0, 0, &t));
    assert_true(t.given_up > 0);
    assert_int_equal(t.store, 1);
    tg_limits_end(l);
}

static void parts(void **state)
{
    static const struct {
        uint64_t burst, most;
        uint32_t replicas;
        uint64_t part_burst, part_most;
    } rows[] = {
        {499, 20, 0, 499, 20}, {499, 20, 1, 499, 20}, {499, 20, 50, 9, 1},
        {4, 100, 50, 0, 2},    {0, 1, 3, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_limit_rule rule = ten_a_second, part;

        rule.burst = rows[i].burst;
        rule.most = rows[i].most;
        part = tg_limit_part(&rule, rows[i].replicas);
        assert_int_equal(part.burst, rows[i].part_burst);
        assert_int_equal(part.most, rows[i].part_most);
        assert_int_equal(part.interval,
                         rule.interval * (rows[i].replicas > 0 ? rows[i].replicas : 1));
        assert_int_equal(part.debt, rule.debt);
        assert_true(part.alone);
    }
}

/* --- where the store decides --- */

static enum tg_limit_result claim(struct tg_limits *l, const struct tg_limit_rule *rule,
                                  struct tg_limit_ask *ask, struct tg_limit_grant *g)
{
    return tg_limit_claim(l, 5, rule, TG_STR("p"), 1000 * MS, ask, g);
}

/* Nothing is charged until the store has said what; what it says holds, should it go away. */
static void a_rate_is_asked_for(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_rule exact = ten_a_second;
    struct tg_limit_grant g;
    struct tg_limit_ask ask;
    struct tg_limit_due due;

    (void)state;
    exact.exact = true;
    assert_int_equal(claim(l, &exact, &ask, &g), TG_LIMIT_UNKNOWN);
    assert_true(g.entry >= 0 && ask.rule == exact.id && ask.slot == 5 && !ask.release);
    assert_int_equal(tg_limit_collect(l, &exact, true, 1, &due), 0);
    due = (struct tg_limit_due){.at = ask.at, .key = ask.key};
    (void)tg_limit_settle(l, &exact, &due, 400 * MS, 1000 * MS);
    tg_limit_return(l, &exact, g.entry); /* who asked has gone: the store is told */
    assert_int_equal(tg_limit_collect(l, &exact, true, 1, &due), 1);
    assert_int_equal(due.amount, -100 * (int64_t)MS);
    assert_int_equal(memcmp(due.digest, ask.digest, sizeof(due.digest)), 0);
    assert_true(take(l, &exact, "p", 1000 * MS, &g));
    assert_int_equal(g.whole, 400 * MS);
    tg_limits_end(l);
}

/* Who asks is counted among those who hold, until the answer is there, or who asked is dead. */
static void what_is_held_is_claimed(void **state)
{
    struct tg_limits *l = begin();
    struct tg_limit_rule two = ten_a_second, mine = {.kind = TG_LIMIT_IN_FLIGHT,
                                                     .key = TG_LIMIT_BY_PROJECT,
                                                     .most = 2,
                                                     .id = 3};
    struct tg_limit_grant g[3], own;
    struct tg_limit_ask ask, told;
    struct tg_limit_holding held;

    (void)state;
    two.kind = TG_LIMIT_IN_FLIGHT;
    two.id = 2;
    two.most = 2;
    two.exact = true;
    assert_false(tg_limit_holding(l, &two, 0, &held));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(claim(l, &two, &ask, &g[i]), TG_LIMIT_UNKNOWN);
    assert_int_equal(claim(l, &two, &told, &g[2]), TG_LIMIT_REFUSED); /* alone it has them all */
    assert_true(g[2].entry < 0 && g[2].wait > 0);
    assert_true(tg_limit_holding(l, &two, ask.at, &held));
    assert_true(held.held == 2 && held.key == ask.key);
    assert_int_equal(memcmp(held.digest, ask.digest, sizeof(ask.digest)), 0);
    tg_limit_release(l, 5, g[0].entry);
    assert_true(tg_limit_released(l, g[0].entry, &told));
    assert_true(told.release && told.at == ask.at && told.rule == two.id);
    assert_int_equal(ask.gone, tg_limit_gone(l, 5));
    tg_limits_forget(l, 5);
    assert_int_equal(ask.gone + 1, tg_limit_gone(l, 5));
    assert_true(tg_limit_holding(l, &two, ask.at, &held) && held.held == 0);
    assert_true(take(l, &mine, "p", 1000 * MS, &own)); /* what is not shared is told to nobody */
    assert_false(tg_limit_released(l, own.entry, &told));
    tg_limits_end(l);
}

static void stores(void **state)
{
    struct tg_limits *l = begin();
    char name[16];

    (void)state;
    assert_int_equal(tg_limit_store_number(l, "fleet"), 0);
    for (unsigned i = 1; i < TG_LIMIT_STORES + 2; i++) {
        snprintf(name, sizeof(name), "store%u", i);
        assert_int_equal(tg_limit_store_number(l, name),
                         i < TG_LIMIT_STORES ? i : TG_LIMIT_STORES - 1);
    }
    tg_limits_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_owed),
        cmocka_unit_test(room),
        cmocka_unit_test(names),
        cmocka_unit_test(what_the_store_says_holds),
        cmocka_unit_test(what_cannot_be_ahead_is_cut),
        cmocka_unit_test(what_is_returned_is_not_owed),
        cmocka_unit_test(time_pays),
        cmocka_unit_test(places),
        cmocka_unit_test(parts),
        cmocka_unit_test(a_rate_is_asked_for),
        cmocka_unit_test(what_is_held_is_claimed),
        cmocka_unit_test(stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
