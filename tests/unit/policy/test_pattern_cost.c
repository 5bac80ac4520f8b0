/* The bound of a pattern's steps is never below those that are really counted. */
#include "policy/pattern.h"
#include "policy/pattern_cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void bounds(void **state)
{
    static const struct {
        const char *pattern;
        unsigned cost;
    } cases[] = {
        {"", 1},
        {"abc", 4},
        {"^[A-Z]", 3},
        {"\\.py$", 5},
        {"[]^-]", 2},
        {"[^]\\]a]", 2},
        {"a?b", 6},
        {"[0-9]{4}-", 6},
        {"a|bc", 5},
        {"(?:a|bc)d", 10},
        {"((a))?b", 10},
        {"(?i)(secret|password|token|_?[as]k)$", 42},
        {"a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?", 0}, /* more than the most */
        {"a*", 0},
        {"a+", 0},
        {"a??", 0},
        {"a{2,}", 0},
        {"a{0}", 0},
        {"a{2}+", 0},
        {"(a){2}", 0},
        {"^?", 0},
        {"\\b?", 0},
        {"a{", 0},
        {"(?=a)", 0},
        {"(?<n>a)", 0},
        {"a(?i)b", 0},
        {"(?i:a)", 0},
        {"(?#a)", 0},
        {"(*FAIL)", 0},
        {"(a)\\1", 0},
        {"\\Qa*\\E", 0},
        {"\\x41", 0},
        {"\\R", 0},
        {"\\p{Han}", 0},
        {"[[:alpha:]]", 0},
        {"[a\\Q]*\\E]", 0},
        {"\xe4\xbd\xa0", 0},
        {"\t", 0},
        {"a)", 0},
        {"(a", 0},
        {"[a", 0},
        {"\\", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsigned cost = tg_pattern_cost(tg_str_of(cases[i].pattern));

        if (cost != cases[i].cost)
            fail_msg("%s: %u, not %u", cases[i].pattern, cost, cases[i].cost);
    }
}

static void groups_in_groups(void **state)
{
    char text[400];

    (void)state;
    for (size_t depth = 1; depth < sizeof(text) / 2; depth++) {
        memset(text, '(', depth);
        memset(text + depth, ')', depth);
        assert_int_equal(tg_pattern_cost((struct tg_str){text, 2 * depth}),
                         depth <= 32 ? 2 * depth + 1 : 0);
    }
}

/* --- random patterns --- */

/* The same patterns in every run. */
struct dice {
    uint64_t seed;
    bool dense; /* everything fits nearly everywhere: all ways are gone */
    char text[4096];
    size_t n;
};

static unsigned roll(struct dice *d, unsigned sides)
{
    d->seed = d->seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(d->seed >> 33) % sides;
}

static void put(struct dice *d, const char *text)
{
    size_t n = strlen(text);

    assert_true(d->n + n < sizeof(d->text));
    memcpy(d->text + d->n, text, n);
    d->n += n;
}

static void put_alternatives(struct dice *d, unsigned depth);

/* Dense ones first. */
static const char *const items[] = {"a",  "a",   ".",      "[ab]",    "a?",   ".?",  "[ab]?", "b",
                                    "ab", "k",   "\\.",    "[^a]",    "\\w",  "\\W", "\\d",   "^",
                                    "$",  "\\b", "a{2}",   "b?",      ".{2}", "\\B", "\\n",   "\\s",
                                    "a",  "b",   "[^\\w]", "[\\]a-]", "[]b]?"};

enum { ITEMS = sizeof(items) / sizeof(*items), DENSE_ITEMS = 7 };

static void put_item(struct dice *d, unsigned depth)
{
    if (depth == 0 || roll(d, 3) > 0) {
        put(d, items[roll(d, d->dense ? DENSE_ITEMS : ITEMS)]);
        return;
    }
    put(d, roll(d, 2) ? "(" : "(?:");
    put_alternatives(d, depth - 1);
    put(d, roll(d, 2) ? ")" : ")?");
}

static void put_alternatives(struct dice *d, unsigned depth)
{
    unsigned n = 1 + roll(d, 3);

    for (unsigned i = 0; i < n; i++) {
        unsigned length = roll(d, 6);

        if (i > 0)
            put(d, "|");
        for (unsigned k = 0; k < length; k++)
            put_item(d, depth);
    }
}

static struct tg_str put_subject(struct dice *d, char *out)
{
    static const char *const parts[] = {
        "a", "b", "aa", "ab", "K", ".", "7", "-", "\n", "\xff", "\xe4", "\xe2\x84\xaa", "\xc3\xa4"};
    unsigned n = roll(d, 9);

    *out = '\0';
    for (unsigned i = 0; i < n; i++)
        strcat(out, parts[d->dense ? 0 : roll(d, sizeof(parts) / sizeof(*parts))]);
    return tg_str_of(out);
}

static struct tg_pattern *compile(const char *before, struct tg_str text, enum tg_pattern_use use)
{
    char whole[sizeof(((struct dice *)NULL)->text) + 8];
    char why[TG_PATTERN_WHY];
    size_t offset;
    struct tg_pattern *p;

    snprintf(whole, sizeof(whole), "%s%.*s", before, TG_STR_ARG(text));
    p = tg_pattern_new(tg_str_of(whole), use, why, &offset);
    if (p == NULL)
        fail_msg("%s: %s at %zu", whole, why, offset);
    return p;
}

/* A comment has no bound and takes no step: the same pattern, counted. */
#define COUNTED "(?#)"

/* What is spare is all that the bound leaves to it: dense patterns begin at one place only. */
static void compare(struct dice *d, const struct tg_pattern *p, const struct tg_pattern *counted,
                    unsigned cost)
{
    char text[64] = ""; /* all of it: compiled code reads by sixteen bytes */
    struct tg_str subject = put_subject(d, text);
    uint64_t most = (uint64_t)cost * (d->dense ? 1 : subject.n + 1);
    uint64_t steps = most;
    uint64_t untouched = most;
    enum tg_pattern_result result = tg_pattern_match(counted, subject, &steps);

    if (result == TG_PATTERN_ERROR)
        fail_msg("%.*s on %s: more than %u", TG_STR_ARG(((struct tg_str){d->text, d->n})), text,
                 cost);
    if (cost > TG_PATTERN_FEW)
        return;
    if (tg_pattern_match(p, subject, &untouched) != result)
        fail_msg("%.*s on %s", TG_STR_ARG(((struct tg_str){d->text, d->n})), text);
    assert_true(untouched >= steps);
}

static void put_pattern(struct dice *d)
{
    d->n = 0;
    d->dense = roll(d, 2) == 0;
    if (roll(d, 3) == 0)
        put(d, "(?i)");
    put(d, d->dense ? "^(?:" : "");
    put_alternatives(d, 3);
    put(d, d->dense ? ")[78]" : "");
}

static unsigned try_pattern(struct dice *d)
{
    enum tg_pattern_use use = roll(d, 2) ? TG_PATTERN_MUST : TG_PATTERN_MUST_NOT;
    struct tg_pattern *p, *counted;
    struct tg_str text;
    unsigned cost;

    put_pattern(d);
    text = (struct tg_str){d->text, d->n};
    cost = tg_pattern_cost(text);
    if (cost == 0)
        return 0;
    p = compile("", text, use);
    counted = compile(COUNTED, text, use);
    for (int i = 0; i < 40; i++)
        compare(d, p, counted, cost);
    tg_pattern_end(counted);
    tg_pattern_end(p);
    return cost;
}

static void random_patterns(void **state)
{
    struct dice d = {.seed = 1};
    unsigned few = 0, many = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        unsigned cost = try_pattern(&d);

        few += cost > 0 && cost <= TG_PATTERN_FEW;
        many += cost > TG_PATTERN_FEW;
    }
    assert_true(few > 1000 && many > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(groups_in_groups),
        cmocka_unit_test(random_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
