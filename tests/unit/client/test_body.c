/* The time a client has for its body, also for bodies of terabytes. */
#include "client/connection.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MANY (UINT64_C(1) << 62)

static void bytes_at_a_rate(void **state)
{
    static const struct {
        uint64_t bytes, rate, us;
    } cases[] = {
        {0, 1, 0},
        {1, 3, 333333},
        {100, 100, 1000000},
        {150, 100, 1500000},
        {UINT32_MAX, 1000000, UINT32_MAX},
        {UINT64_C(1) << 32, 1000000, UINT64_C(1) << 32},
        {(UINT64_C(1) << 32) + 1, 1000000, (UINT64_C(1) << 32) + 1},
        {UINT64_C(20000000000000), 1000, UINT64_C(20000000000000000)}, /* 20 TB */
        {MANY, 1000000, MANY},
        {MANY, 1, INT64_MAX},
        {UINT64_C(20000000000000), 1, INT64_MAX},
        {MANY + 1, UINT64_C(1) << 40, UINT64_C(4194304000000)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (tg_conn_time_of(cases[i].bytes, cases[i].rate) != cases[i].us)
            fail_msg("case %zu: %lu", i, tg_conn_time_of(cases[i].bytes, cases[i].rate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_at_a_rate)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
