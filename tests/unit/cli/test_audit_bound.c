/* What --since and --until take, and how records' times compare with it. */
#include "cli/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* NOW, to which "ago" is measured: 2026-02-01 00:00. */
#define NOW INT64_C(1769904000000000)

static const struct {
    const char *text;
    const char *bound; /* NULL: it is none */
} rows[] = {
    {"2026", "2026"},
    {"2026-01", "2026-01"},
    {"2026-01-31", "2026-01-31"},
    {"2026-01-31T12", "2026-01-31T12"},
    {"2026-01-31T12:30", "2026-01-31T12:30"},
    {"2026-01-31 12:30", "2026-01-31T12:30"},
    {"2026-01-31t12:30z", "2026-01-31T12:30"},
    {"2026-01-31T12:30:59", "2026-01-31T12:30:59"},
    {"2026-01-31T12:30:59.1", "2026-01-31T12:30:59.1"},
    {"2026-01-31T12:30:59.123456Z", "2026-01-31T12:30:59.123456"},
    {"2026-01-31T12:30+08:00", "2026-01-31T04:30"},
    {"2026-01-31T12:30-08:00", "2026-01-31T20:30"},
    {"2026-01-01T00:10:05.5+00:30", "2025-12-31T23:40:05.5"},
    {"2026-01-31T12:30+23:59", "2026-01-30T12:31"},
    {"2026-01-31T12:30-23:59", "2026-02-01T12:29"},
    {"2026-01-31T12+00:00", "2026-01-31T12"},
    {"1971", "1971"},
    {"9998-12-31", "9998-12-31"},
    {"2026-01-31T23:59:60", "2026-01-31T23:59:60"},
    {"1s", "2026-01-31T23:59:59.000000"},
    {"90m", "2026-01-31T22:30:00.000000"},
    {"12h", "2026-01-31T12:00:00.000000"},
    {"7d", "2026-01-25T00:00:00.000000"},
    {"4w", "2026-01-04T00:00:00.000000"},
    {"0s", "2026-02-01T00:00:00.000000"},
    {"", NULL},
    {"1970", NULL},
    {"9999", NULL},
    {"202", NULL},
    {"2026-", NULL},
    {"2026-1", NULL},
    {"2026-00", NULL},
    {"2026-13", NULL},
    {"2026-01-00", NULL},
    {"2026-01-32", NULL},
    {"2026-01-31T", NULL},
    {"2026-01-31T24", NULL},
    {"2026-01-31T12:60", NULL},
    {"2026-01-31T12:30:61", NULL},
    {"2026-01-31T12:30:59.", NULL},
    {"2026-01-31T12:30:59.1234567", NULL},
    {"2026-01-31T12:30x", NULL},
    {"2026-01-31T12+08:00", NULL},
    {"2026-01-31+08:00", NULL},
    {"2026-01-31T12:30*08:00", NULL},
    {"2026-01-31T12:30+0800", NULL},
    {"2026-01-31T12:30+08:0", NULL},
    {"2026-01-31T12:30+08:000", NULL},
    {"2026-01-31T12:30+x8:00", NULL},
    {"2026-01-31T12:30+0x:00", NULL},
    {"2026-01-31T12:30+08x00", NULL},
    {"2026-01-31T12:30+08:x0", NULL},
    {"2026-01-31T12:30+08:/0", NULL},
    {"2026-01-31T12:30+08:60", NULL},
    {"2026-01-31T12:30+08:0x", NULL},
    {"2026-01-31T12:30+24:00", NULL},
    {"2026-01-31T12:30-24:00", NULL},
    {"m", NULL},
    {"-1m", NULL},
    {"1y", NULL},
    {"1M", NULL},
    {"3000w", NULL},
    {"1234567890m", NULL},
    {"soon", NULL},
};

static void bounds(void **state)
{
    (void)state;
    tg_clock_freeze(NOW);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_audit_bound b = {.n = 0};
        bool good = tg_audit_bound(&b, tg_str_of(rows[i].text));

        if (good != (rows[i].bound != NULL))
            fail_msg("\"%s\" is %staken", rows[i].text, good ? "" : "not ");
        if (good && !tg_str_eq((struct tg_str){b.text, b.n}, tg_str_of(rows[i].bound)))
            fail_msg("\"%s\" became \"%.*s\"", rows[i].text, (int)b.n, b.text);
    }
}

/* A time that begins with the bound is at it. */
static void comparison(void **state)
{
    static const struct {
        const char *time, *bound;
        int order;
    } cases[] = {
        {"2026-01-31T12:30:59.123456Z", "2026-01-31", 0},
        {"2026-01-30T23:59:59Z", "2026-01-31", -1},
        {"2026-02-01T00:00:00Z", "2026-01-31", 1},
        {"2026", "2026-01-31", -1},
        {"", "2026", -1},
        {NULL, "2026", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_audit_bound b = {.n = 0};
        int order;

        assert_true(tg_audit_bound(&b, tg_str_of(cases[i].bound)));
        order = tg_audit_compare(tg_str_of(cases[i].time), &b);
        assert_int_equal((order > 0) - (order < 0), cases[i].order);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(bounds),
                                              cmocka_unit_test(comparison)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
