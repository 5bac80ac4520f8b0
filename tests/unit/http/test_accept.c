/* Accept: weights of media types, with and without versions, and what is malformed. */
#include "http/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OPEN "application/openmetrics-text"

static const struct {
    const char *list;
    const char *type, *version;
    unsigned weight;
} rows[] = {
    {"", OPEN, "", 0},
    {"*/*", OPEN, "", 0},
    {"application/*", OPEN, "", 0},
    {OPEN, OPEN, "", 1000},
    {"Application/OpenMetrics-Text", OPEN, "1.0.0", 1000},
    {OPEN "x", OPEN, "", 0},
    {"x" OPEN, OPEN, "", 0},
    /* what Prometheus sends */
    {OPEN ";version=1.0.0," OPEN ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     OPEN, "1.0.0", 1000},
    {OPEN ";version=1.0.0," OPEN ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     OPEN, "0.0.1", 750},
    {OPEN ";version=1.0.0," OPEN ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     "text/plain", "0.0.4", 500},
    {OPEN "; version=2.0.0", OPEN, "1.0.0", 0},
    {OPEN "; version=2.0.0", OPEN, "", 1000},
    {OPEN " ; q = 0.25 ; version = 1.0.0", OPEN, "1.0.0", 250},
    {OPEN ";q=0", OPEN, "", 0},
    {OPEN ";q=0.000", OPEN, "", 0},
    {OPEN ";q=0.", OPEN, "", 0},
    {OPEN ";q=1.", OPEN, "", 1000},
    {OPEN ";q=1.000", OPEN, "", 1000},
    {OPEN ";q=0.999", OPEN, "", 999},
    {OPEN ";Q=0.5", OPEN, "", 500},
    {OPEN ";charset=utf-8;q=0.5", OPEN, "", 500},
    {OPEN ";;q=0.5;", OPEN, "", 500},
    {", ," OPEN ";q=0.2,," OPEN ";q=0.3", OPEN, "", 300},
    /* no weights */
    {OPEN ";q=", OPEN, "", 0},
    {OPEN ";q", OPEN, "", 0},
    {OPEN ";q=2", OPEN, "", 0},
    {OPEN ";q=1.001", OPEN, "", 0},
    {OPEN ";q=0.0001", OPEN, "", 0},
    {OPEN ";q=-1", OPEN, "", 0},
    {OPEN ";q=.5", OPEN, "", 0},
    {OPEN ";q=0,5", OPEN, "", 0},
    {OPEN ";q=0.5x", OPEN, "", 0},
    {OPEN ";q=\"0.5\"", OPEN, "", 0},
};

static void weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned got = tg_accept_weight(tg_str_of(rows[i].list), tg_str_of(rows[i].type),
                                        tg_str_of(rows[i].version));

        if (got != rows[i].weight)
            fail_msg("%s: %u", rows[i].list, got);
    }
    assert_int_equal(tg_accept_weight(tg_str_of(NULL), TG_STR(OPEN), TG_STR("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
