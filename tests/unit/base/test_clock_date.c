/* Dates as HTTP writes them. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)

static const struct {
    int64_t us;
    const char *text;
} dates[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {SECOND - 1, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {SECOND, "Thu, 01 Jan 1970 00:00:01 GMT"},
    {784111777 * SECOND, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110 section 5.6.7 */
    {951782399 * SECOND, "Mon, 28 Feb 2000 23:59:59 GMT"},
    {951782400 * SECOND, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {INT64_C(1798761599) * SECOND, "Thu, 31 Dec 2026 23:59:59 GMT"},
    {INT64_C(253402300799) * SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"},
    {INT64_C(253402300800) * SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"},
    {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

/* Each asked for afresh, and all of one, which keeps the text of its last second. */
static void dates_of_http(void **state)
{
    struct tg_clock_date kept = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
        struct tg_clock_date fresh = {0};

        assert_string_equal(tg_clock_date(&fresh, dates[i].us), dates[i].text);
        assert_string_equal(tg_clock_date(&kept, dates[i].us), dates[i].text);
        assert_string_equal(tg_clock_date(&kept, dates[i].us), dates[i].text);
    }
}

/* What is written is read; and nothing else is. */
static void dates_are_read(void **state)
{
    static const char *const none[] = {"",
                                       "Fri, 02 Jan 2026 03:04:05 UTC",
                                       "Fri, 2 Jan 2026 03:04:05 GMT",
                                       "Fri, 30 Feb 2026 03:04:05 GMT",
                                       "Fri, 02 jan 2026 03:04:05 GMT",
                                       "Friday, 02-Jan-26 03:04:05 GMT",
                                       "Fri, 02 Jan 2026 24:04:05 GMT",
                                       "Fri, 02 Jan 2026 03:04:05 GMT "};
    int64_t got = 7;

    (void)state;
    assert_true(tg_clock_date_read(TG_STR("Fri, 02 Jan 2026 03:04:05 GMT"), &got));
    assert_int_equal(got, 1767323045);
    assert_true(tg_clock_date_read(TG_STR("Thu, 29 Feb 2024 00:00:00 GMT"), &got));
    assert_int_equal(got, 1709164800);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_false(tg_clock_date_read(tg_str_of(none[i]), &got));
    assert_int_equal(got, 1709164800);
}

/* Whatever byte of a good text is another one, a letter or what stands beside the digits, it is
 * none. The day's name is not looked at. */
static void each_byte_counts(void **state)
{
    static const struct {
        const char *text;
        bool (*read)(struct tg_str text, int64_t *seconds);
        size_t from;
    } cases[] = {{"Fri, 02 Jan 2026 03:04:05 GMT", tg_clock_date_read, 3},
                 {"2026-01-02", tg_clock_day, 0}};

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        char text[32];
        int64_t got = 7;

        strcpy(text, cases[c].text);
        for (size_t i = cases[c].from; text[i] != '\0'; i++) {
            for (const char *other = "x/:"; *other != '\0'; other++) {
                text[i] = *other;
                if (text[i] != cases[c].text[i])
                    assert_false(cases[c].read(tg_str_of(text), &got));
            }
            text[i] = cases[c].text[i];
        }
        assert_int_equal(got, 7);
        assert_true(cases[c].read(tg_str_of(text), &got));
    }
}

/* Days there are, from 1970 on. */
static void days(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: there is none */
    } cases[] = {
        {"1970-01-01", 0},  {"1969-12-31", -1}, {"2024-02-29", 1709164800}, {"2026-02-29", -1},
        {"2026-13-01", -1}, {"2026-00-01", -1}, {"2026-01-00", -1},         {"2026-01-1", -1},
        {"2026-1-011", -1}, {"", -1},           {"2026-01-011", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t got = -1;

        assert_int_equal(tg_clock_day(tg_str_of(cases[i].text), &got), cases[i].seconds >= 0);
        assert_int_equal(got, cases[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates_of_http),
                                       cmocka_unit_test(dates_are_read),
                                       cmocka_unit_test(each_byte_counts), cmocka_unit_test(days)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
