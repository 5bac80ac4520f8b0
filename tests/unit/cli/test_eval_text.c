/* What a person sees: the source line with its caret, and evaluations as text. */
#include "cli/eval_output.h"
#include "cli/excerpt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <locale.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define RAW(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

static const struct tg_excerpt_style no_style = {"", "", ""};

/* --- excerpts --- */

#define TEN   "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct excerpt_case {
    const char *name;
    struct tg_str text;
    uint32_t offset;
    const char *line;
    const char *caret;
} excerpts[] = {
    {"number", RAW("{\"a\": 12}"), 6, "{\"a\": 12}", "      ^^"},
    {"string", RAW("{\"a\": \"x y\"}"), 6, "{\"a\": \"x y\"}", "      ^^^^^"},
    {"string with an escaped quote", RAW("[\"a\\\"b\", 1]"), 1, "[\"a\\\"b\", 1]", " ^^^^^^"},
    {"string that never ends", RAW("[\"abc"), 1, "[\"abc", " ^^^^"},
    {"backslash at the end", RAW("[\"abc\\"), 1, "[\"abc\\", " ^^^^^"},
    {"name", RAW("{\"a\": 12}"), 1, "{\"a\": 12}", " ^^^"},
    {"object", RAW("{\"a\": 12}"), 0, "{\"a\": 12}", "^"},
    {"array", RAW("[[1], 2]"), 1, "[[1], 2]", " ^"},
    {"literal", RAW("[true,false]"), 1, "[true,false]", " ^^^^"},
    {"second line", RAW("{\n  \"a\": 1\n}"), 9, "  \"a\": 1", "       ^"},
    {"CRLF", RAW("{\r\n  \"a\": 1\r\n}"), 10, "  \"a\": 1", "       ^"},
    {"CR", RAW("{\r \"a\": 1\r}"), 8, " \"a\": 1", "      ^"},
    {"end of the text", RAW("{\"a\":"), 5, "{\"a\":", "     ^"},
    {"end of a line", RAW("{\"a\n"), 3, "{\"a", "   ^"},
    {"empty text", RAW(""), 0, "", "^"},
    {"empty line", RAW("{\n\n}"), 2, "", "^"},
    {"tab at the start", RAW("\t\"a\": 1"), 1, "    \"a\": 1", "    ^^^"},
    {"tab after two", RAW("{ \t1"), 3, "{   1", "    ^"},
    {"tab on a stop", RAW("1234\t5"), 5, "1234    5", "        ^"},
    {"two tabs", RAW("\t\t7"), 2, "        7", "        ^"},
    {"tab inside the token", RAW("[\"a\tb\"]"), 1, "[\"a b\"]", " ^^^^^"},
    {"two bytes", RAW("[\"\xc3\xa9\", 5]"), 7, "[\"\xc3\xa9\", 5]", "      ^"},
    {"wide before", RAW("[\"\xe4\xbd\xa0\xe5\xa5\xbd\", 5]"), 11,
     "[\"\xe4\xbd\xa0\xe5\xa5\xbd\", 5]", "         ^"},
    {"wide under", RAW("[\"\xe4\xbd\xa0\"]"), 1, "[\"\xe4\xbd\xa0\"]", " ^^^^"},
    {"emoji", RAW("[\"\xf0\x9f\x98\x80\", 5]"), 9, "[\"\xf0\x9f\x98\x80\", 5]", "       ^"},
    {"combining mark", RAW("[\"e\xcc\x81\", 5]"), 8, "[\"e\xcc\x81\", 5]", "      ^"},
    {"not UTF-8", RAW("[\"\xff\x80\", 5]"), 7, "[\"\xef\xbf\xbd\xef\xbf\xbd\", 5]", "       ^"},
    {"at a byte that is not UTF-8", RAW("[\"\xff\"]"), 2, "[\"\xef\xbf\xbd\"]", "  ^"},
    {"escape sequence", RAW("[\"\x1b[2J\", 5]"), 9, "[\"\xef\xbf\xbd[2J\", 5]", "         ^"},
    {"override", RAW("[\"\xe2\x80\xae\", 5]"), 8, "[\"\xef\xbf\xbd\", 5]", "      ^"},
    {"NUL", {"[\0]", 3}, 1, "[\xef\xbf\xbd]", " ^"},
    {"sixty before", RAW(SIXTY "x"), 60, SIXTY "x",
     "                                                            ^"},
    {"more before", RAW("9" SIXTY "x"), 61, "..." SIXTY "x",
     "                                                               ^"},
    {"sixty from it on", RAW("," SIXTY), 1, "," SIXTY,
     " ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"},
    {"more behind", RAW("," SIXTY "x"), 1, "," SIXTY "...",
     " ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"},
};

static void test_excerpts(void **state)
{
    struct tg_buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(excerpts); i++) {
        const struct excerpt_case *c = &excerpts[i];
        char want[512];

        snprintf(want, sizeof(want), "    12 | %s\n       | %s\n", c->line, c->caret);
        out.n = 0;
        tg_excerpt(&out, c->text, c->offset, 12, &no_style);
        tg_buf_putc(&out, '\0');
        if (strcmp(out.p, want) != 0)
            fail_msg("%s: got\n%swant\n%s", c->name, out.p, want);
    }
    tg_buf_end(&out);
}

/* Where the middle of a character is, nothing breaks and nothing is shown twice. */
static void test_every_offset(void **state)
{
    static const struct tg_str text =
        RAW("{\"\xe4\xbd\xa0\t\xff\": \"\xf0\x9f\x98\x80\\\"\r\n\x80 ");
    struct tg_buf out = {0};

    (void)state;
    for (uint32_t offset = 0; offset <= text.n; offset++) {
        out.n = 0;
        tg_excerpt(&out, text, offset, 1, &no_style);
        assert_true(out.n > 0 && out.p[out.n - 1] == '\n');
        assert_non_null(memchr(out.p, '^', out.n));
    }
    tg_buf_end(&out);
}

/* A finding at each end of a very long line costs the same. */
static void test_long_line(void **state)
{
    enum { LENGTH = 12 << 20 };
    char *line = malloc(LENGTH);
    struct tg_buf out = {0};

    (void)state;
    assert_non_null(line);
    memset(line, 'x', LENGTH);
    for (uint32_t i = 0; i < 10000; i++) {
        out.n = 0;
        tg_excerpt(&out, (struct tg_str){line, LENGTH}, LENGTH / 10000 * i, 1, &no_style);
    }
    assert_in_range(out.n, 100, 400);
    tg_buf_end(&out);
    free(line);
}

static void test_clean(void **state)
{
    struct tg_buf out = {0};

    (void)state;
    tg_excerpt_clean(&out, TG_STR("a\tb\nc\r\x1b[31m\xff\xe4\xbd\xa0"));
    tg_buf_putc(&out, '\0');
    assert_string_equal(out.p, "a b c \xef\xbf\xbd[31m\xef\xbf\xbd\xe4\xbd\xa0");
    tg_buf_end(&out);
}

/* --- evaluations --- */

static struct tg_str lit(const char *text)
{
    return tg_str_of(text);
}

/* An evaluation of `{"spec_id": "x"}` with one finding and one change, without any filter. */
static void write_one(struct tg_eval_run *run, struct tg_finding *f, const struct tg_change *c)
{
    const struct tg_place places[] = {{1, 13}, {1, 2}};
    struct tg_evaluation v = {.file = "a.json",
                              .body = TG_STR("{\"spec_id\": \"x\"}"),
                              .result = TG_EVAL_DENY,
                              .changes = c,
                              .places = f != NULL ? places : places + 1};

    v.request.report.first = f;
    v.request.report.violations = f != NULL;
    run->bodies = 1;
    run->count[TG_EVAL_DENY] = 1;
    run->violations = f != NULL;
    run->changes = c != NULL;
    tg_eval_text.each(run, &v);
    tg_eval_text.end(run);
    tg_buf_putc(&run->out, '\0');
}

static const struct tg_finding wrong_type = {
    .severity = TG_VIOLATION,
    .rule = "type",
    .error = TG_E_INVALID,
    .pointer = {"/spec_id", 8},
    .offset = 12,
    .message = {.before = {"must be an integer", 18}},
};

static void test_finding(void **state)
{
    struct tg_eval_run run = {0};
    struct tg_finding f = wrong_type;

    (void)state;
    write_one(&run, &f, NULL);
    assert_string_equal(
        run.out.p,
        "a.json:1:13: error: /spec_id must be an integer [type, ModelArts.0107]\n"
        "     1 | {\"spec_id\": \"x\"}\n"
        "       |             ^^^\n"
        "       = fix: write the value as the type named: strings in quotes, integers as "
        "plain digits\n"
        "1 body: 1 denied; 1 violation\n");
    tg_buf_end(&run.out);
}

/* A finding about something that is not there has no place. */
static void test_finding_without_place(void **state)
{
    struct tg_eval_run run = {0};
    struct tg_finding f = wrong_type;
    const struct tg_place none = {0, 0};
    struct tg_evaluation v = {.file = "-", .result = TG_EVAL_WARN, .places = &none};

    (void)state;
    f.severity = TG_WARNING;
    f.rule = "ticket";
    f.policy = lit("vision");
    f.error = TG_E_POLICY;
    f.offset = UINT32_MAX;
    f.message.before = lit("Write a\nticket");
    v.request.report.first = &f;
    v.request.report.warnings = 3;
    tg_eval_text.each(&run, &v);
    tg_buf_putc(&run.out, '\0');
    assert_string_equal(
        run.out.p, "<stdin>: warning: /spec_id: Write a ticket [vision/ticket, ModelArts.0105]\n"
                   "<stdin>: and 2 more\n");
    tg_buf_end(&run.out);
}

static const struct change_case {
    struct tg_change change;
    const char *sides;
} changes[] = {
    {{.op = TG_CHANGE_REPLACE, .old_text = RAW("\"7\""), .new_text = RAW("7")},
     "       - \"7\"\n       + 7\n"},
    {{.op = TG_CHANGE_RENAME, .old_text = RAW("\"v\""), .to = RAW("/label")},
     "       - /spec_id\n       + /label\n"},
    {{.op = TG_CHANGE_REMOVE, .old_text = RAW("null")}, "       - null\n"},
    {{.op = TG_CHANGE_ADD, .new_text = RAW("1")}, "       + 1\n"},
    {{.op = TG_CHANGE_ADD, .new_text = RAW(SIXTY TEN "\xe4\xbd\xa0")},
     "       + " SIXTY TEN "...\n"},
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct tg_eval_run run = {0};
        struct tg_change c = changes[i].change;
        char want[512];

        c.why = "some_switch";
        c.pointer = lit("/spec_id");
        write_one(&run, NULL, &c);
        snprintf(want, sizeof(want), "a.json:1:2: changed: /spec_id [some_switch]\n%s%s",
                 changes[i].sides, "1 body: 1 denied; 1 change\n");
        assert_string_equal(run.out.p, want);
        tg_buf_end(&run.out);
    }
}

/* Colours begin and end, and without them the text is the same. */
static void test_colours(void **state)
{
    struct tg_eval_run plain = {0};
    struct tg_eval_run coloured = {.colour = true};
    struct tg_finding f = wrong_type;
    char *to;
    unsigned open = 0;

    (void)state;
    write_one(&plain, &f, NULL);
    write_one(&coloured, &f, NULL);
    to = coloured.out.p;
    for (const char *p = coloured.out.p; *p != '\0';) {
        if (*p != '\033') {
            *to++ = *p++;
            continue;
        }
        open = p[2] == '0' ? 0 : 1;
        p = strchr(p, 'm') + 1;
    }
    *to = '\0';
    assert_string_equal(coloured.out.p, plain.out.p);
    assert_int_equal(open, 0);
    tg_buf_end(&plain.out);
    tg_buf_end(&coloured.out);
}

static void test_summary(void **state)
{
    struct tg_eval_run run = {
        .bodies = 9,
        .count = {[TG_EVAL_PASS] = 4, [TG_EVAL_WARN] = 2, [TG_EVAL_DENY] = 2, [TG_EVAL_ERROR] = 1},
        .violations = 5,
        .warnings = 1,
        .changes = 2};

    (void)state;
    tg_eval_text.end(&run);
    tg_buf_putc(&run.out, '\0');
    assert_string_equal(run.out.p, "9 bodies: 4 passed, 2 passed with warnings, 2 denied, 1 not "
                                   "evaluated; 5 violations, 1 warning, 2 changes\n");
    tg_buf_end(&run.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_excerpts),  cmocka_unit_test(test_every_offset),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_clean),
        cmocka_unit_test(test_finding),   cmocka_unit_test(test_finding_without_place),
        cmocka_unit_test(test_changes),   cmocka_unit_test(test_colours),
        cmocka_unit_test(test_summary),
    };

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
