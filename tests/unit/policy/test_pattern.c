/* Regular expressions: what matches, what does not compile and where, what hits a limit. */
#include "policy/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tg_pattern *compile(const char *text, enum tg_pattern_use use)
{
    char why[TG_PATTERN_WHY];
    size_t offset;
    struct tg_pattern *p = tg_pattern_new(tg_str_of(text), use, why, &offset);

    if (p == NULL)
        fail_msg("%s: %s at %zu", text, why, offset);
    return p;
}

static enum tg_pattern_result match(const struct tg_pattern *p, struct tg_str text)
{
    uint64_t steps = tg_pattern_steps(text.n);

    return tg_pattern_match(p, text, &steps);
}

static void matching(void **state)
{
    static const struct {
        const char *pattern;
        enum tg_pattern_use use;
        const char *text;
        enum tg_pattern_result result;
    } cases[] = {
        {"b", TG_PATTERN_MUST, "abc", TG_PATTERN_YES},
        {"^b", TG_PATTERN_MUST, "abc", TG_PATTERN_NO},
        {"", TG_PATTERN_MUST, "", TG_PATTERN_YES},
        {"c$", TG_PATTERN_MUST, "abc\n", TG_PATTERN_NO},
        {"c$", TG_PATTERN_MUST_NOT, "abc\n", TG_PATTERN_YES},
        {"(?i)sk", TG_PATTERN_MUST_NOT, "s\xe2\x84\xaa", TG_PATTERN_YES},
        {"^\\w+$", TG_PATTERN_MUST, "\xd1\x81\xd0\xb5", TG_PATTERN_NO},
        {"^\\d$", TG_PATTERN_MUST, "\xd9\xa1", TG_PATTERN_NO},
        {"^.$", TG_PATTERN_MUST, "\xe4\xbd\xa0", TG_PATTERN_YES},
        {"\\p{Han}", TG_PATTERN_MUST, "\xe4\xbd\xa0", TG_PATTERN_YES},
        {"a.b", TG_PATTERN_MUST,
         "a\xff"
         "b",
         TG_PATTERN_NO},
        {"b", TG_PATTERN_MUST,
         "a\xff"
         "b",
         TG_PATTERN_YES},
        {"^(a+)+$", TG_PATTERN_MUST, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
         TG_PATTERN_ERROR},
        {"(*LIMIT_MATCH=4000000000)^(a+)+$", TG_PATTERN_MUST,
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", TG_PATTERN_ERROR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_pattern *p = compile(cases[i].pattern, cases[i].use);

        if (match(p, tg_str_of(cases[i].text)) != cases[i].result)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
        tg_pattern_end(p);
    }
}

static void compile_errors(void **state)
{
    static const struct {
        const char *pattern;
        const char *why;
        size_t offset;
    } cases[] = {
        {"(", "missing closing parenthesis", 1},
        {"a[b", "missing terminating ] for character class", 3},
        {"*a", "quantifier does not follow a repeatable item", 0},
        {"a\\Cb", "using \\C is disabled by the application", 3},
        {"\xff", "UTF-8 error: illegal byte (0xfe or 0xff)", 0},
    };
    char why[TG_PATTERN_WHY];
    size_t offset;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_null(tg_pattern_new(tg_str_of(cases[i].pattern), TG_PATTERN_MUST, why, &offset));
        assert_string_equal(why, cases[i].why);
        assert_int_equal(offset, cases[i].offset);
    }
    tg_pattern_end(NULL);
}

/* A megabyte is no reason for an error: the limit grows with the text. */
static void long_texts(void **state)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    struct tg_pattern *p = compile("(x|y)*[0-9]$", TG_PATTERN_MUST);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', SIZE);
    assert_int_equal(match(p, (struct tg_str){text, SIZE}), TG_PATTERN_NO);
    text[SIZE - 1] = '7';
    assert_int_equal(match(p, (struct tg_str){text, SIZE}), TG_PATTERN_YES);
    tg_pattern_end(p);
    free(text);
}

/* A pattern whose steps are the square or the cube of the text's length ends in an error as soon as
 * the steps of a request are used up: every "curl" is a place to begin, and from
 * each the rest of the text is read. Without the limit the test would take hours. */
static void long_ways_are_short(void **state)
{
    enum { SIZE = 1 << 16 };
    static const char *const patterns[] = {"curl.*\\|.*sh", "l.*r.*u.*[0-9]", "(?s).*\\|.*[0-9]"};
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = "curl |"[i % 6];
    memcpy(text + SIZE - 3, "h~s", 3);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        struct tg_pattern *p = compile(patterns[i], TG_PATTERN_MUST_NOT);
        uint64_t steps = tg_pattern_steps(SIZE);

        assert_int_equal(tg_pattern_match(p, (struct tg_str){text, SIZE}, &steps),
                         TG_PATTERN_ERROR);
        assert_int_equal(steps, 0);
        tg_pattern_end(p);
    }
    free(text);
}

/* Many values and many patterns take no longer than one: the steps are for all of them. */
static void steps_are_shared(void **state)
{
    struct tg_pattern *p = compile("^(a+)+$", TG_PATTERN_MUST);
    struct tg_pattern *other = compile("^(b+)+$(?#)", TG_PATTERN_MUST);
    struct tg_str text = tg_str_of("aaaaaaaaaaaaaa!");
    uint64_t steps = TG_PATTERN_STEPS;
    unsigned n = 0;

    (void)state;
    assert_int_equal(tg_pattern_match(p, tg_str_of("aaaa"), &steps), TG_PATTERN_YES);
    assert_true(steps < TG_PATTERN_STEPS);
    while (tg_pattern_match(p, text, &steps) == TG_PATTERN_NO)
        assert_true(++n < 100);
    assert_true(n >= 1);
    assert_int_equal(steps, 0);
    assert_int_equal(tg_pattern_match(p, text, &steps), TG_PATTERN_ERROR);
    assert_int_equal(tg_pattern_match(other, tg_str_of("b"), &steps), TG_PATTERN_ERROR);
    tg_pattern_end(other);
    tg_pattern_end(p);
}

/* No steps left: only what need not be counted matches. A comment is one of the things that no
 * bound is known for. */
static void few_steps_are_not_counted(void **state)
{
    struct tg_pattern *few = compile("^a?$", TG_PATTERN_MUST);
    struct tg_pattern *counted = compile("^a?$(?#)", TG_PATTERN_MUST);
    uint64_t steps = 0;

    (void)state;
    assert_int_equal(tg_pattern_match(few, tg_str_of(""), &steps), TG_PATTERN_YES);
    assert_int_equal(tg_pattern_match(counted, tg_str_of(""), &steps), TG_PATTERN_ERROR);
    steps = TG_PATTERN_STEPS;
    assert_int_equal(tg_pattern_match(few, tg_str_of(""), &steps), TG_PATTERN_YES);
    assert_int_equal(steps, TG_PATTERN_STEPS);
    assert_int_equal(tg_pattern_match(counted, tg_str_of(""), &steps), TG_PATTERN_YES);
    assert_true(steps < TG_PATTERN_STEPS);
    tg_pattern_end(counted);
    tg_pattern_end(few);
}

/* A pattern that explodes ends without a match: PCRE2 sees early that there is none, or a limit
 * holds. */
static void explosions_are_short(void **state)
{
    static const char *const patterns[] = {"^(a+)+$", "^(a|aa)+$", "(a*)*b", "^((a|b|ab)*)*c"};
    static const enum tg_pattern_result results[] = {TG_PATTERN_ERROR, TG_PATTERN_ERROR,
                                                     TG_PATTERN_NO, TG_PATTERN_NO};
    char text[4096];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '!';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        struct tg_pattern *p = compile(patterns[i], TG_PATTERN_MUST);

        assert_int_equal(match(p, (struct tg_str){text, sizeof(text)}), results[i]);
        tg_pattern_end(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matching),
        cmocka_unit_test(compile_errors),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(explosions_are_short),
        cmocka_unit_test(long_ways_are_short),
        cmocka_unit_test(steps_are_shared),
        cmocka_unit_test(few_steps_are_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
