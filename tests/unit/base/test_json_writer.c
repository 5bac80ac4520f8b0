/* The writer sets commas, and what it writes reads back as what was said. */
#include "base/json_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void nothing_inside(struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "a", '[');
    tg_json_end(out, ']');
    tg_json_member_begin(out, "b", '{');
    tg_json_end(out, '}');
    tg_json_end(out, '}');
}

static void all_kinds(struct tg_buf *out)
{
    tg_json_begin(out, '[');
    tg_json_string(out, TG_STR(""));
    tg_json_number(out, 0);
    tg_json_number(out, UINT64_MAX);
    tg_json_raw(out, TG_STR("[1, 2]"));
    tg_json_begin(out, '{');
    tg_json_member(out, "s", TG_STR("x"));
    tg_json_member_number(out, "n", 7);
    tg_json_member_bool(out, "t", true);
    tg_json_member_bool(out, "f", false);
    tg_json_member_raw(out, "r", TG_STR("null"));
    tg_json_end(out, '}');
    tg_json_begin(out, '[');
    tg_json_end(out, ']');
    tg_json_string(out, TG_STR("last"));
    tg_json_end(out, ']');
}

/* Text that ends like structure is no structure. */
static void texts_like_structure(struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "a{", TG_STR("["));
    tg_json_member(out, "b:", TG_STR(","));
    tg_json_member(out, "\"", TG_STR("\n"));
    tg_json_end(out, '}');
}

static void lines(struct tg_buf *out)
{
    tg_json_begin(out, '[');
    for (unsigned i = 1; i <= 2; i++) {
        tg_json_line(out);
        tg_json_number(out, i);
    }
    tg_buf_putc(out, '\n');
    tg_json_end(out, ']');
}

static const struct {
    void (*write)(struct tg_buf *out);
    const char *want;
} cases[] = {
    {nothing_inside, "{\"a\":[],\"b\":{}}"},
    {all_kinds, "[\"\",0,18446744073709551615,[1, 2],{\"s\":\"x\",\"n\":7,\"t\":true,\"f\":false,"
                "\"r\":null},[],\"last\"]"},
    {texts_like_structure, "{\"a{\":\"[\",\"b:\":\",\",\"\\\"\":\"\\n\"}"},
    {lines, "[\n1,\n2\n]"},
};

static void commas_and_escapes_are_the_writers_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_buf out = {0};

        cases[i].write(&out);
        tg_buf_putc(&out, '\0');
        assert_string_equal(out.p, cases[i].want);
        tg_buf_end(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_and_escapes_are_the_writers_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
