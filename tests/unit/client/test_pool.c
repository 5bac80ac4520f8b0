/* Blocks that are kept: large enough, aligned, each given once, and not without bound. */
#include "client/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 200, MANY = 1000 };

/* Every size there is, twice: the second time from what the first left. */
static void test_every_size(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < 1100; n++) {
            char *p = tg_pool_take(n);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            memset(p, 'x', n);
            tg_pool_give(p);
        }
    }
}

static void test_each_block_once(void **state)
{
    void *block[MANY];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            block[i] = tg_pool_take(SIZE);
            memset(block[i], (int)i & 0xff, SIZE);
        }
        tg_pool_empty(); /* what is in use stays */
        for (size_t i = 0; i < MANY; i++) {
            const unsigned char *p = block[i];

            assert_true(p[0] == (i & 0xff) && memcmp(p, p + 1, SIZE - 1) == 0);
            tg_pool_give(block[i]);
        }
    }
}

/* What malloc() itself made may be given, too. */
static void test_foreign_block(void **state)
{
    char *p;

    (void)state;
    tg_pool_give(malloc(1));
    tg_pool_give(strdup("a string of libc"));
    tg_pool_give(NULL);
    p = tg_pool_take(SIZE);
    memset(p, 'x', SIZE);
    free(p);
}

/* AddressSanitizer asks for this: its malloc() is to fail as the others do. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_more_than_there_is(void **state)
{
    volatile size_t half = SIZE_MAX / 2; /* the compiler knows better */

    (void)state;
    assert_null(tg_pool_take(half));
    assert_null(tg_pool_take(half - 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_each_block_once),
        cmocka_unit_test(test_foreign_block),
        cmocka_unit_test(test_more_than_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
