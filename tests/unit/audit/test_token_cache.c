/* Tokens are found when they are the same in every byte, and forgotten in time. */
#include "audit/token_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONG = TG_TOKEN_CACHE_TOKEN };

static char text[LONG + 1];

static struct tg_str token(size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('A' + (i * 7 + n) % 26);
    return (struct tg_str){text, n};
}

static int setup(void **state)
{
    *state = tg_token_cache_new();
    return 0;
}

static int teardown(void **state)
{
    tg_token_cache_end(*state);
    return 0;
}

static void check(struct tg_token_cache *c, struct tg_str t, const char *name)
{
    struct tg_str found = tg_token_cache_find(c, t);

    assert_true(tg_str_eq(found, tg_str_of(name)));
    assert_true((found.p == NULL) == (name == NULL));
}

static void test_found(void **state)
{
    static const size_t sizes[] = {8, 9, 15, 16, 500, 4097, LONG};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        check(*state, token(sizes[i]), NULL);
        tg_token_cache_keep(*state, token(sizes[i]),
                            TG_STR("hmac-sha256:00112233445566778899aabbccddeeff"));
        check(*state, token(sizes[i]), "hmac-sha256:00112233445566778899aabbccddeeff");
    }
}

/* Another byte anywhere, one more, one less: none of them is the token. */
static void test_every_byte_counts(void **state)
{
    enum { N = 101 };
    struct tg_str t = token(N);

    tg_token_cache_keep(*state, t, TG_STR("it"));
    for (size_t i = 0; i < N; i++) {
        text[i] ^= 1;
        check(*state, t, NULL);
        text[i] ^= 1;
    }
    check(*state, (struct tg_str){t.p, N - 1}, NULL);
    check(*state, (struct tg_str){t.p + 1, N - 1}, NULL);
    check(*state, t, "it");
}

/* Two in one place: the later one stays, and each has its own name as long as it is there. */
static void test_replaced(void **state)
{
    char name[2] = "a";

    for (int round = 0; round < 2000; round++) {
        struct tg_str t = token(400);

        memcpy(text + 395, &round, sizeof(round));
        name[0] = (char)('a' + round % 26);
        check(*state, t, NULL);
        tg_token_cache_keep(*state, t, tg_str_of(name));
        check(*state, t, name);
    }
    assert_in_range(tg_token_cache_count(*state), TG_TOKEN_CACHE / 2, TG_TOKEN_CACHE);
}

static void test_not_kept(void **state)
{
    tg_token_cache_keep(*state, token(7), TG_STR("short"));
    check(*state, token(7), NULL);
    tg_token_cache_keep(*state, token(LONG + 1), TG_STR("long"));
    check(*state, token(LONG + 1), NULL);
    check(*state, (struct tg_str){"", 0}, NULL);
    check(*state, (struct tg_str){NULL, 0}, NULL);
    assert_int_equal(tg_token_cache_count(*state), 0);
}

static void test_forgotten(void **state)
{
    tg_token_cache_keep(*state, token(300), TG_STR("busy"));
    tg_token_cache_keep(*state, token(301), TG_STR("idle"));
    for (int i = 0; i < TG_TOKEN_CACHE_KEEP_TICKS - 1; i++) {
        tg_token_cache_tick(*state);
        check(*state, token(300), "busy");
    }
    assert_int_equal(tg_token_cache_count(*state), 2);
    tg_token_cache_tick(*state);
    assert_int_equal(tg_token_cache_count(*state), 1);
    check(*state, token(301), NULL);
    check(*state, token(300), "busy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_byte_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
