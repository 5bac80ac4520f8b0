/* A refused key: how often it is tried, and when again. */
#include "signing/key_use.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static unsigned wait;

/* A request that the service refuses; false: none was allowed. */
static bool refused(struct tg_key_use *u, uint32_t serial, uint64_t now)
{
    if (!tg_key_use_begin(u, serial, now, &wait))
        return false;
    tg_key_use_refused(u, serial, now, 0);
    return true;
}

static void five_tries_and_no_sixth(void **state)
{
    struct tg_key_use u = {0};
    uint64_t now = 1000 * SECOND;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_true(refused(&u, 7, now));
    assert_false(refused(&u, 7, now));
    assert_int_equal(wait, 61);
    assert_false(refused(&u, 7, now + 60 * SECOND - 1));
    assert_int_equal(wait, 1);
    assert_true(refused(&u, 7, now + 60 * SECOND));
    assert_false(refused(&u, 7, now + 120 * SECOND - 1));
    assert_true(refused(&u, 7, now + 120 * SECOND));
    /* the service would lock it for five minutes now */
    assert_false(refused(&u, 7, now + 420 * SECOND - 1));
    assert_true(refused(&u, 7, now + 420 * SECOND));
    assert_int_equal(u.results[TG_KEY_SIGNED], 6);
    assert_int_equal(u.results[TG_KEY_PAUSED], 4);
    assert_int_equal(u.refused[0], 6);
}

static void one_request_tries_at_a_time(void **state)
{
    struct tg_key_use u = {0};
    uint64_t now = 1000 * SECOND;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_true(tg_key_use_begin(&u, 1, now, &wait));
    assert_int_equal(tg_key_use_refused(&u, 1, now, 6), 1);
    assert_true(tg_key_use_begin(&u, 1, now, &wait));
    assert_false(tg_key_use_begin(&u, 1, now, &wait)); /* the other one is under way */
    assert_true(tg_key_use_begin(&u, 1, now + TG_KEY_PROBE_US, &wait));
    tg_key_use_passed(&u, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_true(tg_key_use_begin(&u, 1, now, &wait));
}

static void another_key_begins_anew(void **state)
{
    struct tg_key_use u = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_true(refused(&u, 1, 1));
    assert_true(tg_key_use_begin(&u, 2, 1, &wait));
    assert_int_equal(tg_key_use_refused(&u, 2, 1, 1), 1);
    assert_int_equal(tg_key_use_refused(&u, 1, 1, 1), 0); /* a late answer to the old one */
    tg_key_use_passed(&u, 1);
    assert_int_equal(tg_key_use_refused(&u, 2, 1, 1), 2);
    tg_key_use_passed(&u, 2);
    assert_int_equal(tg_key_use_refused(&u, 2, 1, 1), 1);
    tg_key_use_missing(&u);
    assert_int_equal(u.results[TG_KEY_MISSING], 1);
}

static void codes(void **state)
{
    (void)state;
    assert_int_equal(tg_key_code(TG_STR("APIG.0301")), 0);
    assert_int_equal(tg_key_code(TG_STR("APIGW.0303")), 3);
    assert_int_equal(tg_key_code(TG_STR("ModelArts.0211")), 6);
    assert_int_equal(tg_key_code(TG_STR("ModelArts.0205")), -1);
    assert_int_equal(tg_key_code(TG_STR("other")), -1);
    assert_int_equal(tg_key_code(TG_STR("")), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_tries_and_no_sixth),
        cmocka_unit_test(one_request_tries_at_a_time),
        cmocka_unit_test(another_key_begins_anew),
        cmocka_unit_test(codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
