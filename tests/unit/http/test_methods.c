/* Methods: which are known, and which of them come without a body as a rule. */
#include "http/methods.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    struct tg_str method;
    bool known, no_body;
} rows[] = {
    {TG_STR("GET"), true, true},    {TG_STR("HEAD"), true, true},
    {TG_STR("DELETE"), true, true}, {TG_STR("OPTIONS"), true, true},
    {TG_STR("TRACE"), true, true},  {TG_STR("PUT"), true, false},
    {TG_STR("POST"), true, false},  {TG_STR("PATCH"), true, false},
    {TG_STR("ACL"), true, false},   {TG_STR("VERSION-CONTROL"), true, false},
    {TG_STR("get"), false, false},  {TG_STR("GE"), false, false},
    {TG_STR("GETS"), false, false}, {TG_STR(""), false, false},
};

static void methods(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(tg_method_is_known(rows[i].method), rows[i].known);
        assert_int_equal(tg_method_needs_no_body(rows[i].method), rows[i].no_body);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(methods)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
