/* Numbers as text: what is one, and which is larger, digit for digit. */
#include "policy/decimal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_a_number(void **state)
{
    static const char *const good[] = {
        "0",    "-0",        "7",         "+7",         "007",
        "1.5",  ".5",        "5.",        "1e5",        "1E+5",
        "1e-5", "-1.5e0001", "1e1000000", "1e-1000000", "99999999999999999999999999999999999999"};
    static const char *const bad[] = {"",          " ",
                                      "-",         "+",
                                      ".",         "e5",
                                      "1e",        "1e+",
                                      " 1",        "1 ",
                                      "1,5",       "0x1",
                                      "1_0",       "--1",
                                      "1.2.3",     "1e1.5",
                                      "NaN",       "inf",
                                      "1\n",       "١",
                                      "1e1000001", "1e99999999999999999999"};
    struct tg_decimal d;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        if (!tg_decimal_read(tg_str_of(good[i]), &d))
            fail_msg("no number: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (tg_decimal_read(tg_str_of(bad[i]), &d))
            fail_msg("a number: %s", bad[i]);
    assert_false(tg_decimal_read((struct tg_str){"1\0002", 3}, &d));
}

/* From the least to the greatest; those in one row are equal. */
static const char *const order[][6] = {
    {"-1e1000000"},
    {"-9223372036854775809"},
    {"-9223372036854775808", "-9223372036854775808.0"},
    {"-10", "-1e1", "-10.00", "-0.1e2", "-100e-1"},
    {"-1.0000000000000000000000000000001"},
    {"-1", "-1.0", "-01"},
    {"-1e-1000000"},
    {"0", "-0", "0.0", "0e7", "-0.000", ".0"},
    {"1e-1000000"},
    {"0.0000000009", "9e-10"},
    {"0.000000001", "1e-9", ".0000000010"},
    {"0.01", "1e-2", ".01", "0.0100", "10e-3"},
    {"0.1", "1e-1"},
    {"0.10000000000000000000000000000001"},
    {"1", "1.0", "+1", "001", "1e0", "0.1e1"},
    {"4.000000000000000000001"},
    {"9", "9.0", "9.", "09", "0000000009.0000000000"},
    {"10", "1e1"},
    {"11"},
    {"999999999", "999999999.0000000000"},
    {"999999999.999999999"},
    {"999999999.9999999991"},
    {"1000000000", "1000000000.", "1e9"},
    {"9007199254740992"},
    {"9007199254740993", "9.007199254740993e15"},
    {"9223372036854775807"},
    {"9223372036854775808"},
    {"1e19", "10000000000000000000"},
    {"1e1000000"},
};

static void which_is_larger(void **state)
{
    enum { ROWS = sizeof(order) / sizeof(*order) };

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < ROWS; k++) {
            for (size_t m = 0; m < 6 && order[i][m] != NULL; m++) {
                for (size_t n = 0; n < 6 && order[k][n] != NULL; n++) {
                    struct tg_decimal a;
                    struct tg_decimal b;
                    int got;

                    assert_true(tg_decimal_read(tg_str_of(order[i][m]), &a));
                    assert_true(tg_decimal_read(tg_str_of(order[k][n]), &b));
                    got = tg_decimal_compare(&a, &b);
                    if ((got > 0) - (got < 0) != (i > k) - (i < k))
                        fail_msg("%s and %s: %d", order[i][m], order[k][n], got);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_number),
        cmocka_unit_test(which_is_larger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
