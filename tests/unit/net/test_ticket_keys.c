/* Keys of session tickets: equal everywhere, new in each epoch, gone after the next. */
#include "net/ticket_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROTATION = 1000 };

static void check_same(const struct tg_ticket_keys *a, const struct tg_ticket_keys *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_memory_equal(a->secret, b->secret, sizeof(a->secret));
    assert_memory_equal(a->keys, b->keys, sizeof(a->keys));
}

static void test_first(void **state)
{
    struct tg_ticket_keys a, b;

    (void)state;
    tg_ticket_keys_init(&a, ROTATION, 12345);
    tg_ticket_keys_init(&b, ROTATION, 12345);
    assert_int_equal(a.epoch, 12);
    assert_memory_not_equal(a.keys[0].name, b.keys[0].name, TG_TICKET_NAME);
    assert_memory_not_equal(a.keys[0].cipher, a.keys[0].mac, TG_SHA256);
    assert_int_equal(tg_ticket_keys_find(&a, a.keys[0].name), 0);
    assert_int_equal(tg_ticket_keys_find(&a, b.keys[0].name), -1);
}

static void test_workers_agree(void **state)
{
    struct tg_ticket_keys steps, leap;

    (void)state;
    tg_ticket_keys_init(&steps, ROTATION, 5500);
    leap = steps;
    tg_ticket_keys_advance(&steps, 5999);
    check_same(&steps, &leap);
    for (uint64_t now = 6000; now <= 9999; now += 333)
        tg_ticket_keys_advance(&steps, now);
    tg_ticket_keys_advance(&leap, 9999);
    check_same(&steps, &leap);
}

static void test_age(void **state)
{
    struct tg_ticket_keys t;
    struct tg_ticket_key first;

    (void)state;
    tg_ticket_keys_init(&t, ROTATION, 0);
    first = t.keys[0];
    assert_int_equal(tg_ticket_keys_find(&t, first.name), 0);
    tg_ticket_keys_advance(&t, 1000);
    assert_int_equal(tg_ticket_keys_find(&t, first.name), 1);
    tg_ticket_keys_advance(&t, 2000);
    assert_int_equal(tg_ticket_keys_find(&t, first.name), -1);
}

static void test_reload(void **state)
{
    struct tg_ticket_keys old, t;

    (void)state;
    tg_ticket_keys_init(&old, ROTATION, 700);
    t = old;
    tg_ticket_keys_renew(&t, 2 * ROTATION, 800);
    assert_memory_not_equal(t.keys[0].name, old.keys[0].name, TG_TICKET_NAME);
    assert_int_equal(tg_ticket_keys_find(&t, old.keys[0].name), 1);
    tg_ticket_keys_advance(&t, 1999);
    assert_int_equal(tg_ticket_keys_find(&t, old.keys[0].name), 1);
    tg_ticket_keys_advance(&t, 2000);
    assert_int_equal(tg_ticket_keys_find(&t, old.keys[0].name), -1);
}

/* Keys of files: the first seals, all open, whatever the clock says. */
static void test_files(void **state)
{
    struct tg_ticket_key keys[TG_TICKET_KEYS];
    struct tg_ticket_keys t;

    (void)state;
    for (unsigned i = 0; i < TG_TICKET_KEYS; i++) {
        char bytes[TG_TICKET_FILE];

        for (unsigned j = 0; j < TG_TICKET_FILE; j++)
            bytes[j] = (char)(i * 16 + (j < 16 ? 0 : j < 48 ? 1 : 2));
        tg_ticket_key_read(&keys[i], bytes);
        assert_int_equal(keys[i].name[15], i * 16);
        assert_int_equal(keys[i].mac[31], i * 16 + 1);
        assert_int_equal(keys[i].cipher[31], i * 16 + 2);
    }
    tg_ticket_keys_init(&t, ROTATION, 700);
    tg_ticket_keys_fix(&t, keys, TG_TICKET_KEYS);
    tg_ticket_keys_advance(&t, 1000 * 1000);
    for (int i = 0; i < TG_TICKET_KEYS; i++)
        assert_int_equal(tg_ticket_keys_find(&t, keys[i].name), i);
    tg_ticket_keys_fix(&t, keys + 1, 1);
    assert_int_equal(tg_ticket_keys_find(&t, keys[0].name), -1);
    tg_ticket_keys_renew(&t, ROTATION, 900);
    assert_int_equal(tg_ticket_keys_find(&t, keys[1].name), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first), cmocka_unit_test(test_workers_agree),
        cmocka_unit_test(test_age),   cmocka_unit_test(test_reload),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
