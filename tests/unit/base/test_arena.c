/* What an arena says it has given out, over chunks and their reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void used_is_what_was_given_out(void **state)
{
    struct tg_arena a;

    (void)state;
    tg_arena_init(&a);
    assert_int_equal(tg_arena_used(&a), 0);
    tg_arena_alloc(&a, 1);
    assert_int_equal(tg_arena_used(&a), TG_ARENA_ALIGN);
    tg_arena_alloc(&a, 4096);
    assert_int_equal(tg_arena_used(&a), TG_ARENA_ALIGN + 4096);
    tg_arena_end(&a);
    assert_int_equal(tg_arena_used(&a), 0);
}

/* The rest of an older chunk is lost until the end: it counts. */
static void older_chunks_count_whole(void **state)
{
    struct tg_arena a;
    size_t before;

    (void)state;
    tg_arena_init(&a);
    tg_arena_alloc(&a, 16);
    for (size_t n = 1 << 14; n <= 1 << 23; n *= 2) {
        before = tg_arena_used(&a);
        tg_arena_alloc(&a, n);
        assert_true(tg_arena_used(&a) >= before + n);
    }
    assert_true(tg_arena_used(&a) >= (size_t)15 << 20);
    tg_arena_end(&a);
}

/* A chunk that outlives a reset stands alone, and nothing of it is given out. */
static void nothing_is_used_after_a_reset(void **state)
{
    struct tg_arena a;

    (void)state;
    tg_arena_init(&a);
    for (unsigned i = 0; i < 40; i++)
        tg_arena_alloc(&a, 1000);
    tg_arena_reset(&a);
    assert_non_null(a.chunk);
    assert_int_equal(tg_arena_used(&a), 0);
    tg_arena_alloc(&a, 32);
    assert_int_equal(tg_arena_used(&a), 32);
    tg_arena_end(&a);
}

/* In any order, with chunks and others apart made between. */
static void what_is_apart_can_be_freed(void **state)
{
    void *apart[3];
    struct tg_arena a;
    size_t before;

    (void)state;
    tg_arena_init(&a);
    apart[0] = tg_arena_alloc_apart(&a, 100000);
    memset(apart[0], 1, 100000);
    before = tg_arena_used(&a);
    apart[1] = tg_arena_alloc_apart(&a, 200000);
    tg_arena_alloc(&a, 50000);
    apart[2] = tg_arena_alloc_apart(&a, 300000);
    assert_true(tg_arena_used(&a) >= before + 550000);
    tg_arena_free_apart(&a, apart[1]);
    tg_arena_free_apart(&a, apart[2]);
    assert_true(tg_arena_used(&a) < before + 65536);
    tg_arena_free_apart(&a, apart[0]);
    assert_true(tg_arena_used(&a) < 65536);
    tg_arena_alloc_apart(&a, 100000);
    tg_arena_reset(&a);
    assert_int_equal(tg_arena_used(&a), 0);
    tg_arena_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_is_what_was_given_out),
        cmocka_unit_test(older_chunks_count_whole),
        cmocka_unit_test(nothing_is_used_after_a_reset),
        cmocka_unit_test(what_is_apart_can_be_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
