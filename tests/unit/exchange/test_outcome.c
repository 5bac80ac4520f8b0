/* What the service meant, whatever its status says. */
#include "exchange/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *body;
    bool failed;
    const char *code;
} cases[] = {
    {"{\"is_success\": true}", false, ""},
    {"{\"is_success\": false}", true, ""},
    {"{\"is_success\":false,\"error_code\":\"ModelArts.0104\"}", true, "ModelArts.0104"},
    {"{\"error_code\" : \"ModelArts.0104\" , \"is_success\" : false }", true, "ModelArts.0104"},
    {"\n\t {\"is_success\"\n:\nfalse\n}", true, ""},
    {"{\"a\": {\"is_success\": false}}", false, ""},
    {"{\"a\": [{\"is_success\": false}], \"is_success\": true}", false, ""},
    {"{\"a\": {\"b\": [1, 2]}, \"is_success\": false}", true, ""},
    {"{\"a\": \"is_success\", \"b\": false}", false, ""},
    {"{\"a\": \"\\\"is_success\\\": false\"}", false, ""},
    {"{\"is_success\": \"false\"}", false, ""},
    {"{\"is_success\": falsey}", false, ""},
    {"{\"is_success\": null}", false, ""},
    {"{\"is_success\": 0, \"x\": false}", false, ""},
    {"{\"error_code\": 7, \"is_success\": false}", true, ""},
    {"{\"error_code\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
     "\"is_success\": false}",
     true, ""},
    {"[{\"is_success\": false}]", false, ""},
    {"{\"is\\u005fsuccess\":false}", true, ""},
    {"{\"\\u0069\\u0073_\\u0073uccess\" : false, \"error\\u005Fcode\":\"A\\u002e1\"}", true, "A.1"},
    {"{\"is\\u205fsuccess\":false}", false, ""},
    {"{\"is\\u00zzsuccess\":false}", false, ""},
    {"{\"\\nis_success\":false}", false, ""},
    {"{\"is_success\\u0000\":false}", false, ""},
    {"{\"a\":\"\\u0022\", \"is_success\": false}", true, ""},
    {"<html>{\"is_success\": false}", false, ""},
    {"", false, ""},
    {"}}}{\"is_success\": false}", false, ""},
};

static void check(size_t i, size_t piece)
{
    struct tg_str body = tg_str_of(cases[i].body);
    struct tg_outcome o;

    tg_outcome_init(&o);
    for (size_t at = 0; at < body.n; at += piece)
        tg_outcome_read(&o,
                        (struct tg_str){body.p + at, body.n - at < piece ? body.n - at : piece});
    if (o.failed != cases[i].failed || strcmp(o.error_code, cases[i].code) != 0)
        fail_msg("case %zu in pieces of %zu: %s", i, piece, cases[i].body);
}

static void test_outcomes_however_they_are_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t piece = 1; piece <= 64; piece++)
            check(i, piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_outcomes_however_they_are_split)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
