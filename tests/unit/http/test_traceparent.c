/* traceparent: what is one, and what is not. */
#include "http/traceparent.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID     "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const struct {
    const char *value;
    bool good;
    unsigned flags;
} cases[] = {
    {"00-" ID "-" PARENT "-01", true, 1},
    {"00-" ID "-" PARENT "-00", true, 0},
    {"00-" ID "-" PARENT "-ff", true, 255},
    {"cc-" ID "-" PARENT "-01", true, 1},
    {"cc-" ID "-" PARENT "-01-what-comes-later", true, 1},
    {"cc-" ID "-" PARENT "-01.what-comes-later", false, 0},
    {"00-" ID "-" PARENT "-01-what-comes-later", false, 0},
    {"00-" ID "-" PARENT "-01 ", false, 0},
    {"ff-" ID "-" PARENT "-01", false, 0},
    {"0F-" ID "-" PARENT "-01", false, 0},
    {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", false, 0},
    {"00-00000000000000000000000000000000-" PARENT "-01", false, 0},
    {"00-" ID "-0000000000000000-01", false, 0},
    {"00-" ID "-" PARENT "-0g", false, 0},
    {"00-" ID "-" PARENT "-1", false, 0},
    {"00-" ID "-" PARENT, false, 0},
    {"00_" ID "-" PARENT "-01", false, 0},
    {"00-" ID "_" PARENT "-01", false, 0},
    {"00-" ID "-" PARENT "_01", false, 0},
    {"", false, 0},
};

static void values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_traceparent t = {0};

        if (tg_traceparent_parse(tg_str_of(cases[i].value), &t) != cases[i].good)
            fail_msg("%s", cases[i].value);
        assert_int_equal(t.flags, cases[i].flags);
        assert_true(tg_str_eq(t.trace_id, cases[i].good ? TG_STR(ID) : TG_STR("")));
        assert_true(tg_str_eq(t.parent_id, cases[i].good ? TG_STR(PARENT) : TG_STR("")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
