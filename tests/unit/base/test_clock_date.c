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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates_of_http),
                                       cmocka_unit_test(dates_are_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
