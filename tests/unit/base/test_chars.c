/* Classes of bytes: what is read four at a time stops at the same byte as what is read singly. */
#include "base/chars.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static size_t one_by_one(struct tg_str s, unsigned class)
{
    size_t n = 0;

    while (n < s.n && tg_char_is(s.p[n], class))
        n++;
    return n;
}

/* Every byte at every place of texts of every length up to three words. */
static void a_span_ends_at_the_first_other_byte(void **state)
{
    char text[12];

    (void)state;
    for (unsigned class = TG_CHAR_TOKEN; class <= TG_CHAR_HOST; class <<= 1)
        for (int byte = 0; byte < 256; byte++)
            for (size_t at = 0; at < sizeof(text); at++) {
                memset(text, class == TG_CHAR_UPPER ? 'A' : 'a', sizeof(text));
                memset(text, class == TG_CHAR_DIGIT ? '1' : text[0], sizeof(text));
                text[at] = (char)byte;
                for (size_t n = 0; n <= sizeof(text); n++)
                    assert_int_equal(tg_chars_span((struct tg_str){text, n}, class),
                                     one_by_one((struct tg_str){text, n}, class));
            }
    assert_int_equal(tg_chars_span((struct tg_str){NULL, 0}, TG_CHAR_NAME), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_ends_at_the_first_other_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
