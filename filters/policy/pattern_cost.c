/* The bound is a sum over the ways through a pattern, which without loops are finitely many. */
#include "policy/pattern_cost.h"

#include "base/chars.h"

enum { MAX_DEPTH = 32 }; /* of groups in groups */

/* Part of a pattern, entered once at one place. */
struct cost {
    unsigned steps; /* at most so many inside */
    unsigned ways;  /* at most so often what stands behind it is entered */
};

struct reader {
    struct tg_str rest;
    unsigned depth;
    bool known; /* false: there was something without a bound */
};

/* What is above the most stays above it, and products fit. */
static unsigned capped(unsigned n)
{
    return n > TG_PATTERN_MOST ? TG_PATTERN_MOST + 1 : n;
}

static struct cost pattern_cost_unknown(struct reader *r)
{
    r->known = false;
    return (struct cost){1, 1};
}

static bool next_is(const struct reader *r, char c)
{
    return r->rest.n > 0 && *r->rest.p == c;
}

static char pattern_cost_take(struct reader *r)
{
    char c = *r->rest.p;

    r->rest = tg_str_skip(r->rest, 1);
    return c;
}

static bool next_is_quantifier(const struct reader *r)
{
    return next_is(r, '?') || next_is(r, '*') || next_is(r, '+') || next_is(r, '{');
}

/* Bytes that stand for themselves where no sign of the language is expected. */
static bool pattern_cost_is_plain(char c)
{
    return c >= ' ' && c <= '~';
}

/* True when a backslash and this are one character, or one of a class. */
static bool is_escaped_character(char c)
{
    return pattern_cost_is_plain(c) &&
           (!tg_char_is(c, TG_CHAR_ALPHANUMERIC) || strchr("dDwWsSnrt", c) != NULL);
}

/* A class behind its bracket. `[` may begin a POSIX class. */
static bool take_class(struct reader *r)
{
    if (next_is(r, '^'))
        (void)pattern_cost_take(r);
    for (bool first = true; r->rest.n > 0; first = false) {
        char c = pattern_cost_take(r);

        if (c == ']' && !first)
            return true;
        if (c == '\\' ? r->rest.n == 0 || !is_escaped_character(pattern_cost_take(r))
                      : !pattern_cost_is_plain(c) || c == '[')
            return false;
    }
    return false;
}

/* "{N}": PCRE2 takes one step, but looks at N characters. */
static struct cost take_count(struct reader *r)
{
    unsigned n = 0;

    (void)pattern_cost_take(r);
    while (r->rest.n > 0 && tg_char_is(*r->rest.p, TG_CHAR_DIGIT))
        n = capped(n * 10 + (unsigned)(pattern_cost_take(r) - '0'));
    if (n == 0 || !next_is(r, '}'))
        return pattern_cost_unknown(r);
    (void)pattern_cost_take(r);
    return (struct cost){n, 1};
}

/* What is behind an item that may be left out or counted: lazy and possessive forms are not. */
static struct cost take_quantifier(struct reader *r, struct cost one, bool character)
{
    if (next_is(r, '?')) {
        (void)pattern_cost_take(r);
        one = (struct cost){capped(one.steps + 1), capped(one.ways + 1)};
    } else if (next_is(r, '{') && character) {
        one = take_count(r);
    }
    return next_is_quantifier(r) ? pattern_cost_unknown(r) : one;
}

static struct cost alternatives(struct reader *r);

/* A group behind its "(". */
static struct cost take_group(struct reader *r)
{
    struct cost inside;

    if (tg_str_starts(r->rest, TG_STR("?:")))
        r->rest = tg_str_skip(r->rest, 2);
    if (next_is(r, '?') || next_is(r, '*') || ++r->depth > MAX_DEPTH)
        return pattern_cost_unknown(r);
    inside = alternatives(r);
    r->depth--;
    if (!next_is(r, ')'))
        return pattern_cost_unknown(r);
    (void)pattern_cost_take(r);
    return take_quantifier(r, (struct cost){capped(inside.steps + 1), inside.ways}, false);
}

/* What has no width takes no quantifier that would make sense. */
static struct cost no_width(struct reader *r)
{
    return next_is_quantifier(r) ? pattern_cost_unknown(r) : (struct cost){1, 1};
}

static struct cost take_escape(struct reader *r)
{
    char c = r->rest.n > 0 ? pattern_cost_take(r) : '\0';

    if (c == 'b' || c == 'B')
        return no_width(r);
    return is_escaped_character(c) ? take_quantifier(r, (struct cost){1, 1}, true)
                                   : pattern_cost_unknown(r);
}

static struct cost take_item(struct reader *r)
{
    char c = pattern_cost_take(r);

    switch (c) {
    case '(':
        return take_group(r);
    case '\\':
        return take_escape(r);
    case '^':
    case '$':
        return no_width(r);
    case '*':
    case '+':
    case '?':
    case '{':
        return pattern_cost_unknown(r);
    case '[':
        if (!take_class(r))
            return pattern_cost_unknown(r);
        break;
    default:
        if (!pattern_cost_is_plain(c))
            return pattern_cost_unknown(r);
    }
    return take_quantifier(r, (struct cost){1, 1}, true);
}

/* Each item is entered as often as there are ways through those before it. */
static struct cost sequence(struct reader *r)
{
    struct cost all = {0, 1};

    while (r->known && r->rest.n > 0 && !next_is(r, '|') && !next_is(r, ')')) {
        struct cost one = take_item(r);

        all.steps = capped(all.steps + all.ways * one.steps);
        all.ways = capped(all.ways * one.ways);
    }
    return all;
}

/* The end of an alternative is a step too. */
static struct cost alternatives(struct reader *r)
{
    struct cost all = {0, 0};

    for (;;) {
        struct cost one = sequence(r);

        all.steps = capped(all.steps + one.steps + one.ways);
        all.ways = capped(all.ways + one.ways);
        if (!r->known || !next_is(r, '|'))
            return all;
        (void)pattern_cost_take(r);
    }
}

unsigned tg_pattern_cost(struct tg_str pattern)
{
    struct reader r = {.rest = pattern, .known = true};
    unsigned options = 0;
    struct cost all;

    if (tg_str_starts(pattern, TG_STR("(?i)"))) {
        r.rest = tg_str_skip(pattern, 4);
        options = 1;
    }
    all = alternatives(&r);
    all.steps += options;
    return r.known && r.rest.n == 0 && all.steps <= TG_PATTERN_MOST ? all.steps : 0;
}
