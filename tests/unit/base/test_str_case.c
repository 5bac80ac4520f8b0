/* Comparison without regard to case, which looks at eight bytes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#include <stdlib.h>

enum { LONGEST = 20 };

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Memory of exactly so many bytes: a sanitizer sees what is read beyond it. */
static char *filled(size_t n, char with)
{
    char *p = malloc(n);

    assert_non_null(p);
    memset(p, with, n);
    return p;
}

/* Every byte against every other one, at every place of every length. */
static void only_the_case_of_letters_may_differ(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LONGEST; n++) {
        char *a = filled(n, 'x');
        char *b = filled(n, 'X');

        for (size_t at = 0; at < n; at++) {
            for (int one = 0; one < 256; one++)
                for (int other = 0; other < 256; other++) {
                    a[at] = (char)one;
                    b[at] = (char)other;
                    if (tg_str_ieq((struct tg_str){a, n}, (struct tg_str){b, n}) !=
                        (lower(one) == lower(other)))
                        fail_msg("%zu bytes, %d and %d at %zu", n, one, other, at);
                }
            a[at] = 'x';
            b[at] = 'X';
        }
        free(a);
        free(b);
    }
}

static void lengths_differ(void **state)
{
    (void)state;
    assert_true(tg_str_ieq(TG_STR(""), (struct tg_str){NULL, 0}));
    assert_false(tg_str_ieq(TG_STR("Host"), TG_STR("Hos")));
    assert_false(tg_str_ieq(TG_STR("Host"), TG_STR("")));
    assert_true(tg_str_ieq(TG_STR("transfer-encoding"), TG_STR("Transfer-Encoding")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_case_of_letters_may_differ),
        cmocka_unit_test(lengths_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
