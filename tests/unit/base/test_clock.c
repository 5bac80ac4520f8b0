/* Times as text, and clocks that are set to what no year of four digits can say. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FIRST "1970-01-01T00:00:00.000000Z"
#define LAST  "9999-12-31T23:59:59.999999Z"

static const struct {
    int64_t us;
    const char *text;
} times[] = {
    {INT64_C(1767323045678901), "2026-01-02T03:04:05.678901Z"},
    {1, "1970-01-01T00:00:00.000001Z"},
    {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
    {INT64_C(4102444799999999), "2099-12-31T23:59:59.999999Z"},
    {-1, FIRST},
    {INT64_C(-86400000000), FIRST},
    {INT64_C(-2208988800000000), FIRST},
    {INT64_MIN, FIRST},
    {INT64_C(253402300799999999), LAST},
    {INT64_C(253402300800000000), LAST},
    {INT64_C(1000000000000000000), LAST},
    {INT64_MAX, LAST},
};

/* A frozen clock and a time from elsewhere, such as a certificate's, are written alike. */
static void clamped(void **state)
{
    char text[TG_CLOCK_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        tg_clock_text(times[i].us, text);
        assert_string_equal(text, times[i].text);
        tg_clock_freeze(times[i].us);
        tg_clock_text(tg_clock_wall_now(), text);
        tg_clock_freeze(0);
        assert_string_equal(text, times[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clamped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
