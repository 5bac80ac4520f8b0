/* Slices: what the header does without a call. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LONGEST = 40 };

/* Every length, and a difference at every place of it. */
static void the_same_bytes(void **state)
{
    char a[LONGEST], b[LONGEST];

    (void)state;
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    for (size_t n = 0; n <= LONGEST; n++) {
        assert_true(tg_str_same(a + LONGEST - n, b + LONGEST - n, n));
        for (size_t at = 0; at < n; at++) {
            b[at] = 'y';
            assert_false(tg_str_same(a, b, n));
            assert_true(tg_str_same(a, b, at));
            b[at] = 'x';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
