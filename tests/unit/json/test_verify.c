/* The strict verifier: what RFC 8259 has and what it has not, and where a fault is said to be. */
#include "json/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct tg_json_limits limits = {64, 100000};

struct text {
    const char *p;
    size_t n;
};
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct text good[] = {
    T("{}"),
    T("[]"),
    T("\"\""),
    T("0"),
    T("-0"),
    T("1"),
    T("-1"),
    T("10"),
    T("true"),
    T("false"),
    T("null"),
    T(" \t\r\n1 \t\r\n"),
    T("1.5"),
    T("1.0"),
    T("0.0"),
    T("-0.5"),
    T("1e5"),
    T("1E5"),
    T("1e+5"),
    T("1e-5"),
    T("1.5e10"),
    T("0e0"),
    T("123456789012345678901234567890"),
    T("1e99999"),
    T("[1]"),
    T("[1,2]"),
    T("[ 1 , 2 ]"),
    T("[[]]"),
    T("[{}]"),
    T("[[],{}]"),
    T("{\"a\":1}"),
    T("{ \"a\" : 1 , \"b\" : 2 }"),
    T("{\"a\":{\"a\":{}}}"),
    T("{\"\":0}"),
    T("{\"a\":[]}"),
    T("[null,1,\"1\",{}]"),
    T("\"a\""),
    T("\"\\\"\""),
    T("\"\\\\\""),
    T("\"\\/\""),
    T("\"\\b\\f\\n\\r\\t\""),
    T("\"\\u0000\""),
    T("\"\\u001f\""),
    T("\"\\uFFFF\""),
    T("\"\\uabCD\""),
    T("\"\\ud800\\udc00\""),
    T("\"\\uDBFF\\uDFFF\""),
    T("\"\\ud7ff\\ue000\""),
    T("\"\\\\u0061\""),
    T("\"\x7f\""),
    T("\"\xc2\x80\""),
    T("\"\xdf\xbf\""),
    T("\"\xe0\xa0\x80\""),
    T("\"\xed\x9f\xbf\""),
    T("\"\xee\x80\x80\""),
    T("\"\xef\xbf\xbf\""),
    T("\"\xf0\x90\x80\x80\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"\xe2\x80\xa8\""),
    T("\"\xef\xbb\xbf\""),
    T("\"/\""),
    T("{\"a\":1,\"a\":2}"),
    T("\"0123456789abcdef0123456789abcdef\""),
    T("\"0123456789abcde\\n0123456789abcdef\""),
    T("[1,[2,[3,[4]]]]"),
    T("[\"a\",\"b\"]"),
    T("{\"a b\":\"c d\"}"),
    T("[true,false,null]"),
    T("[-0.0e-0]"),
    T("\n[\n1\n]\n"),
};

/* The place of each fault is its offset. */
static const struct {
    struct text text;
    uint32_t offset;
    enum tg_json_fault_kind kind;
} bad[] = {
    {T(""), 0, TG_JSON_SYNTAX},
    {T(" "), 1, TG_JSON_SYNTAX},
    {T("{"), 1, TG_JSON_SYNTAX},
    {T("["), 1, TG_JSON_SYNTAX},
    {T("}"), 0, TG_JSON_SYNTAX},
    {T("]"), 0, TG_JSON_SYNTAX},
    {T(","), 0, TG_JSON_SYNTAX},
    {T(":"), 0, TG_JSON_SYNTAX},
    {T("{]"), 1, TG_JSON_SYNTAX},
    {T("[}"), 1, TG_JSON_SYNTAX},
    {T("[1}"), 2, TG_JSON_SYNTAX},
    {T("{\"a\":1]"), 6, TG_JSON_SYNTAX},
    {T("[1,]"), 3, TG_JSON_SYNTAX},
    {T("[,1]"), 1, TG_JSON_SYNTAX},
    {T("[1,,2]"), 3, TG_JSON_SYNTAX},
    {T("[1 2]"), 3, TG_JSON_SYNTAX},
    {T("[1:2]"), 2, TG_JSON_SYNTAX},
    {T("{1:2}"), 1, TG_JSON_SYNTAX},
    {T("{a:2}"), 1, TG_JSON_SYNTAX},
    {T("{\"a\"}"), 4, TG_JSON_SYNTAX},
    {T("{\"a\":}"), 5, TG_JSON_SYNTAX},
    {T("{\"a\" 1}"), 5, TG_JSON_SYNTAX},
    {T("{\"a\"::1}"), 5, TG_JSON_SYNTAX},
    {T("{\"a\",1}"), 4, TG_JSON_SYNTAX},
    {T("{\"a\":1,}"), 7, TG_JSON_SYNTAX},
    {T("{,}"), 1, TG_JSON_SYNTAX},
    {T("{\"a\":1 \"b\":2}"), 7, TG_JSON_SYNTAX},
    {T("{\"a\":1,,\"b\":2}"), 7, TG_JSON_SYNTAX},
    {T("{'a':1}"), 1, TG_JSON_SYNTAX},
    {T("{null:1}"), 1, TG_JSON_SYNTAX},
    {T("{{}:1}"), 1, TG_JSON_SYNTAX},
    {T("{} {}"), 3, TG_JSON_SYNTAX},
    {T("1 2"), 2, TG_JSON_SYNTAX},
    {T("1,"), 1, TG_JSON_SYNTAX},
    {T("\"a\"b"), 3, TG_JSON_SYNTAX},
    {T("{}\0"), 2, TG_JSON_SYNTAX},
    {T("\0{}"), 0, TG_JSON_SYNTAX},
    {T("[1\0]"), 2, TG_JSON_SYNTAX},
    {T("01"), 0, TG_JSON_SYNTAX},
    {T("00"), 0, TG_JSON_SYNTAX},
    {T("-01"), 0, TG_JSON_SYNTAX},
    {T("-"), 0, TG_JSON_SYNTAX},
    {T("--1"), 0, TG_JSON_SYNTAX},
    {T("+1"), 0, TG_JSON_SYNTAX},
    {T(".5"), 0, TG_JSON_SYNTAX},
    {T("-.5"), 0, TG_JSON_SYNTAX},
    {T("1."), 0, TG_JSON_SYNTAX},
    {T("1.e5"), 0, TG_JSON_SYNTAX},
    {T("1e"), 0, TG_JSON_SYNTAX},
    {T("1e+"), 0, TG_JSON_SYNTAX},
    {T("1e1.5"), 3, TG_JSON_SYNTAX},
    {T("1.5.5"), 3, TG_JSON_SYNTAX},
    {T("0x10"), 1, TG_JSON_SYNTAX},
    {T("1_000"), 1, TG_JSON_SYNTAX},
    {T("1a"), 1, TG_JSON_SYNTAX},
    {T("NaN"), 0, TG_JSON_SYNTAX},
    {T("Infinity"), 0, TG_JSON_SYNTAX},
    {T("-Infinity"), 0, TG_JSON_SYNTAX},
    {T("True"), 0, TG_JSON_SYNTAX},
    {T("tru"), 0, TG_JSON_SYNTAX},
    {T("truee"), 4, TG_JSON_SYNTAX},
    {T("nul"), 0, TG_JSON_SYNTAX},
    {T("nulll"), 4, TG_JSON_SYNTAX},
    {T("fals"), 0, TG_JSON_SYNTAX},
    {T("undefined"), 0, TG_JSON_SYNTAX},
    {T("[nullx]"), 5, TG_JSON_SYNTAX},
    {T("'a'"), 0, TG_JSON_SYNTAX},
    {T("`a`"), 0, TG_JSON_SYNTAX},
    {T("/* a */ 1"), 0, TG_JSON_SYNTAX},
    {T("1 // a"), 2, TG_JSON_SYNTAX},
    {T("#\n1"), 0, TG_JSON_SYNTAX},
    {T("\f1"), 0, TG_JSON_SYNTAX},
    {T("\v1"), 0, TG_JSON_SYNTAX},
    {T("\xc2\xa0"
       "1"),
     0, TG_JSON_SYNTAX},
    {T("\xe2\x81\xa0"), 0, TG_JSON_SYNTAX},
    {T("\""), 0, TG_JSON_SYNTAX},
    {T("\"a"), 0, TG_JSON_SYNTAX},
    {T("[\"a"), 1, TG_JSON_SYNTAX},
    {T("\"a\\"), 2, TG_JSON_SYNTAX},
    {T("\"\n\""), 1, TG_JSON_SYNTAX},
    {T("\"\t\""), 1, TG_JSON_SYNTAX},
    {T("\"a\0b\""), 2, TG_JSON_SYNTAX},
    {T("\"\x1f\""), 1, TG_JSON_SYNTAX},
    {T("\"\\a\""), 1, TG_JSON_SYNTAX},
    {T("\"\\x41\""), 1, TG_JSON_SYNTAX},
    {T("\"\\'\""), 1, TG_JSON_SYNTAX},
    {T("\"\\0\""), 1, TG_JSON_SYNTAX},
    {T("\"\\\n\""), 1, TG_JSON_SYNTAX},
    {T("\"\\U0041\""), 1, TG_JSON_SYNTAX},
    {T("\"\\u\""), 1, TG_JSON_SYNTAX},
    {T("\"\\u00\""), 1, TG_JSON_SYNTAX},
    {T("\"\\u00g0\""), 1, TG_JSON_SYNTAX},
    {T("\"\\u+041\""), 1, TG_JSON_SYNTAX},
    {T("\"\\u 041\""), 1, TG_JSON_SYNTAX},
    {T("\"\\ud800\""), 1, TG_JSON_UTF8},
    {T("\"\\udc00\""), 1, TG_JSON_UTF8},
    {T("\"\\ud800x\""), 1, TG_JSON_UTF8},
    {T("\"\\ud800\\n\""), 1, TG_JSON_UTF8},
    {T("\"\\ud800\\u0061\""), 1, TG_JSON_UTF8},
    {T("\"\\ud800\\ud800\""), 1, TG_JSON_UTF8},
    {T("\"\\udc00\\ud800\""), 1, TG_JSON_UTF8},
    {T("\"ab\\ud800\\udc0\""), 3, TG_JSON_UTF8},
    {T("\"\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xbf\""), 1, TG_JSON_UTF8},
    {T("\"\xc0\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xc1\xbf\""), 1, TG_JSON_UTF8},
    {T("\"\xc2\""), 1, TG_JSON_UTF8},
    {T("\"\xc2 \""), 1, TG_JSON_UTF8},
    {T("\"\xe0\x9f\xbf\""), 1, TG_JSON_UTF8},
    {T("\"\xe0\xa0\""), 1, TG_JSON_UTF8},
    {T("\"\xed\xa0\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xed\xbf\xbf\""), 1, TG_JSON_UTF8},
    {T("\"\xf0\x8f\xbf\xbf\""), 1, TG_JSON_UTF8},
    {T("\"\xf4\x90\x80\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xf5\x80\x80\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xf8\x88\x80\x80\x80\""), 1, TG_JSON_UTF8},
    {T("\"\xff\""), 1, TG_JSON_UTF8},
    {T("\"a\xe4\xb8\""), 2, TG_JSON_UTF8},
    {T("\"\xe4\xb8"), 1, TG_JSON_UTF8},
    {T("{\"\xff\":1}"), 2, TG_JSON_UTF8},
    {T("\xef\xbb\xbf{}"), 0, TG_JSON_UTF8},
    {T("\xff\xfe{\0}\0"), 0, TG_JSON_UTF8},
    {T("\xfe\xff\0{\0}"), 0, TG_JSON_UTF8},
    {T("\"0123456789abcdef\x01\""), 17, TG_JSON_SYNTAX},
    {T("\"0123456789abcdef\xff\""), 17, TG_JSON_UTF8},
};

/* In memory of exactly its size, so that a sanitizer sees a byte read too far. */
static bool verify(struct text t, const struct tg_json_limits *most,
                   struct tg_json_outline *outline, struct tg_json_fault *fault)
{
    char *exact = malloc(t.n > 0 ? t.n : 1);
    bool ok;

    assert_non_null(exact);
    memcpy(exact, t.p, t.n);
    ok = tg_json_verify((struct tg_str){exact, t.n}, most, outline, fault);
    free(exact);
    if (ok)
        tg_json_outline_end(outline);
    return ok;
}

static void good_texts_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct tg_json_outline outline;
        struct tg_json_fault fault;

        if (!verify(good[i], &limits, &outline, &fault))
            fail_msg("%s: %s at %u", good[i].p, fault.message, fault.offset);
    }
}

static void bad_texts_are_refused_where_they_are_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tg_json_outline outline;
        struct tg_json_fault fault;

        if (verify(bad[i].text, &limits, &outline, &fault))
            fail_msg("taken: %s", bad[i].text.p);
        if (fault.offset != bad[i].offset || fault.kind != bad[i].kind)
            fail_msg("%s: %s at %u", bad[i].text.p, fault.message, fault.offset);
        assert_true(fault.message[0] != '\0' && fault.message_zh[0] != '\0');
    }
}

/* Cutting a good text anywhere gives a bad one, unless what is left is a shorter number. */
static void no_prefix_of_a_container_is_taken(void **state)
{
    static const char text[] = "{\"a\": [1, -2.5e+3, \"\\ud83d\\ude00\\n\xe4\xb8\xad\", true], "
                               "\"b\": {\"c\": null}}";

    (void)state;
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct tg_json_outline outline;
        struct tg_json_fault fault;

        if (verify((struct text){text, n}, &limits, &outline, &fault))
            fail_msg("taken: the first %zu bytes", n);
        assert_true(fault.offset <= n);
    }
}

static void limits_are_exact(void **state)
{
    static const struct {
        struct text text;
        struct tg_json_limits limits;
        int kind; /* 0: taken */
        uint32_t tokens, depth;
    } rows[] = {
        {T("[[1]]"), {2, 3}, 0, 3, 2},
        {T("[[1]]"), {1, 3}, TG_JSON_DEPTH, 0, 0},
        {T("[[1]]"), {2, 2}, TG_JSON_TOKENS, 0, 0},
        {T("{\"a\":{\"b\":1}}"), {2, 5}, 0, 5, 2},
        {T("{\"a\":{\"b\":1}}"), {2, 4}, TG_JSON_TOKENS, 0, 0},
        {T("{\"a\":{\"b\":1}}"), {1, 5}, TG_JSON_DEPTH, 0, 0},
        {T("[[],[],[]]"), {2, 4}, 0, 4, 2},
        {T("1"), {1, 1}, 0, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_json_outline outline;
        struct tg_json_fault fault = {.offset = 0};
        bool ok = verify(rows[i].text, &rows[i].limits, &outline, &fault);

        assert_int_equal(ok, rows[i].kind == 0);
        assert_int_equal(fault.kind, rows[i].kind);
        if (!ok)
            continue;
        assert_int_equal(outline.tokens, rows[i].tokens);
        assert_int_equal(outline.depth, rows[i].depth);
    }
}

/* Where memory is had from changes with the size; what is made of the text does not. */
static void sizes_are_all_alike(void **state)
{
    static char text[2 * TG_JSON_SMALL];
    static struct tg_node node[sizeof(text)];

    (void)state;
    for (size_t n = 1; n < sizeof(text); n += n < TG_JSON_SMALL - 8 ? 37 : 1) {
        struct tg_json_outline outline;
        struct tg_json_fault fault;
        uint32_t numbers = (uint32_t)(n - 1) / 2; /* "[1,1,1]", blanks at the end */

        memset(text, ' ', n);
        for (size_t i = 0; i < 2 * numbers; i++)
            text[i] = i == 0 ? '[' : i % 2 == 1 ? '1' : ',';
        text[2 * numbers] = numbers > 0 ? ']' : '7';
        assert_true(tg_json_verify((struct tg_str){text, n}, &limits, &outline, &fault));
        assert_int_equal(outline.tokens, numbers + 1);
        tg_json_nodes((struct tg_str){text, n}, &outline, node);
        tg_json_outline_end(&outline);
        assert_int_equal(node[numbers].offset, numbers > 0 ? 2 * numbers - 1 : 0);
        assert_int_equal(node[numbers].index, numbers > 0 ? numbers - 1 : 0);
        assert_int_equal(node[numbers].len, 1);
        if (n > TG_JSON_SMALL + 8)
            n += 501;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts_are_taken),
        cmocka_unit_test(bad_texts_are_refused_where_they_are_bad),
        cmocka_unit_test(no_prefix_of_a_container_is_taken),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(sizes_are_all_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
