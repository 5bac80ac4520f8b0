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

static void line_ends_behind_a_text(void **state)
{
    static const struct {
        const char *text, *left;
    } cases[] = {{"", ""},       {"\n", ""},       {"a", "a"},         {"a\n", "a"},
                 {"a\r\n", "a"}, {"a\n\r\n", "a"}, {"\na \n", "\na "}, {"a\nb\r", "a\nb"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_true(tg_str_eq(tg_str_without_line_ends(tg_str_of(cases[i].text)),
                              tg_str_of(cases[i].left)));
    assert_int_equal(tg_str_without_line_ends((struct tg_str){NULL, 0}).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(line_ends_behind_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
