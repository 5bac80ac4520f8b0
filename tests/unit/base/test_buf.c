/* JSON strings and numbers, whatever their length: long and short ones are looked at in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LONGEST = 70 };

/* Memory of exactly so many bytes: a sanitizer sees what is read beyond it. */
static char *letters(size_t n)
{
    char *p = malloc(n + (n == 0));

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 26);
    return p;
}

/* The first special byte is found wherever it stands, also before another one. */
static void plain_ends_at_the_first_special_byte(void **state)
{
    static const char special[] = {'"', '\\', '\n', 0x1f, 0x7f, '\0', (char)0x80, (char)0xff};

    (void)state;
    for (size_t n = 0; n <= LONGEST; n++) {
        char *p = letters(n);

        assert_int_equal(tg_json_plain((struct tg_str){p, n}), n);
        for (size_t at = n; at-- > 0;) { /* what was put behind it stays */
            p[at] = special[at % sizeof(special)];
            assert_int_equal(tg_json_plain((struct tg_str){p, n}), at);
        }
        free(p);
    }
}

static void plain_strings_are_copied(void **state)
{
    struct tg_buf b = {0};

    (void)state;
    for (size_t n = 0; n <= LONGEST; n++) {
        char *p = letters(n);

        b.n = 0;
        tg_buf_json(&b, (struct tg_str){p, n});
        assert_int_equal(b.n, n + 2);
        assert_true(b.p[0] == '"' && b.p[n + 1] == '"');
        assert_memory_equal(b.p + 1, p, n);
        free(p);
    }
    tg_buf_end(&b);
}

/* What is copied with a special byte before it was seen is written over. */
static void a_quote_is_escaped_wherever_it_stands(void **state)
{
    struct tg_buf b = {0};

    (void)state;
    for (size_t n = 1; n <= LONGEST; n++)
        for (size_t at = 0; at < n; at++) {
            char *p = letters(n);

            p[at] = '"';
            tg_buf_end(&b);
            tg_buf_json(&b, (struct tg_str){p, n});
            assert_int_equal(b.n, n + 3);
            assert_memory_equal(b.p + 1, p, at);
            assert_memory_equal(b.p + 1 + at, "\\\"", 2);
            assert_memory_equal(b.p + 3 + at, p + at + 1, n - at - 1);
            assert_true(b.p[0] == '"' && b.p[n + 2] == '"');
            free(p);
        }
    tg_buf_end(&b);
}

static void others_are_escaped(void **state)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", "\"\""},
        {"a\"b", "\"a\\\"b\""},
        {"\\", "\"\\\\\""},
        {"1234567890123456\n", "\"1234567890123456\\n\""},
        {"\r\t\x01\x7f", "\"\\r\\t\\u0001\\u007f\""},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "\"Gr\xc3\xbc\xc3\x9f"
         "e\""},
        {"\xff"
         "1",
         "\"\xef\xbf\xbd"
         "1\""},
        {"\xe2\x80\xa8", "\"\\u2028\""},
        {"\xc2\x85", "\"\\u0085\""},
    };
    struct tg_buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        b.n = 0;
        tg_buf_json(&b, tg_str_of(rows[i].in));
        if (!tg_str_eq(tg_buf_str(&b), tg_str_of(rows[i].want)))
            fail_msg("%zu: %.*s", i, TG_STR_ARG(tg_buf_str(&b)));
    }
    tg_buf_end(&b);
}

static void printed(struct tg_buf *b, uint64_t value)
{
    char want[32];

    snprintf(want, sizeof(want), "%" PRIu64, value);
    b->n = 0;
    tg_buf_u64(b, value);
    assert_true(tg_str_eq(tg_buf_str(b), tg_str_of(want)));
}

static void numbers_are_decimal(void **state)
{
    struct tg_buf b = {0};
    uint64_t power = 1; /* of ten */

    (void)state;
    for (unsigned shift = 0; shift < 64; shift++)
        for (int off = -1; off <= 1; off++) {
            printed(&b, (UINT64_C(1) << shift) * 10 / 9 + (uint64_t)off);
            printed(&b, (UINT64_C(1) << shift) + (uint64_t)off);
        }
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10)
        for (int off = -1; off <= 1; off++)
            printed(&b, power + (uint64_t)off);
    tg_buf_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_ends_at_the_first_special_byte),
        cmocka_unit_test(plain_strings_are_copied),
        cmocka_unit_test(a_quote_is_escaped_wherever_it_stands),
        cmocka_unit_test(others_are_escaped),
        cmocka_unit_test(numbers_are_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
