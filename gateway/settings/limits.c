/* Setters of limits. */
#include "base/chars.h"
#include "settings/internal.h"

#define SECOND UINT64_C(1000000)

/* True for what says nothing of the limit itself. */
static bool is_aside(struct tg_str word)
{
    return tg_str_eq(word, TG_STR("dry_run")) || tg_str_eq(word, TG_STR("exact")) ||
           tg_str_starts(word, TG_STR("name=")) || tg_str_starts(word, TG_STR("shared="));
}

/* The rule as its refusals tell it. */
static const char *limits_text_of(struct tg_conf *c, const struct tg_conf_item *item)
{
    struct tg_buf text = {0};
    struct tg_str copy;

    for (unsigned i = 0; i < item->nargs; i++) {
        if (is_aside(item->args[i]))
            continue;
        tg_buf_puts(&text, i > 0 ? " " : "");
        tg_buf_add(&text, item->args[i]);
    }
    copy = tg_arena_dup(c->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return copy.p;
}

/* Where a rule stands, for people. The end of a long name tells most. */
static const char *limits_place_of(struct tg_conf *c, const struct tg_conf_item *item)
{
    struct tg_str text = tg_arena_printf(c->arena, "%s:%u", item->file, item->line);

    return text.n < TG_LIMIT_NAME ? text.p : text.p + text.n - (TG_LIMIT_NAME - 1);
}

/* What tells a rule from others, also across a reload: its name or place, and what it counts. */
static uint64_t id_of(const struct tg_limit_rule *rule, const struct tg_conf_item *item)
{
    bool named = rule->label == rule->name;
    uint64_t h = (uint64_t)rule->kind * 8 + (uint64_t)rule->key;

    for (const char *p = named ? rule->name : item->file; *p != '\0'; p++)
        h = h * 131 + (unsigned char)*p;
    h = h * 131 + (named ? 0 : item->line);
    return h != 0 ? h : 1;
}

static bool is_name(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!tg_char_is(s.p[i], TG_CHAR_ALPHANUMERIC) && strchr("-_.", s.p[i]) == NULL)
            return false;
    return s.n > 0 && s.n < TG_LIMIT_NAME;
}

static bool take_name(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str name,
                      struct tg_limit_rule *rule)
{
    if (!is_name(name)) {
        tg_conf_error(c, item, "a limit's name is 1 to %d letters, digits, \"-\", \"_\" or \".\"",
                      TG_LIMIT_NAME - 1);
        return false;
    }
    rule->name = rule->label = name.p;
    return true;
}

/* A connection is open at one gateway, whatever others do. What is in flight is counted by the
 * store at any rate. */
static bool take_shared(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str store,
                        struct tg_limit_rule *rule)
{
    if (rule->kind == TG_LIMIT_CONN) {
        tg_conf_error(c, item, "\"%s\" counts what this gateway has open: it takes no \"shared=\"",
                      item->args[0].p);
        return false;
    }
    rule->shared = store.p;
    rule->debt = rule->interval;
    rule->exact = rule->kind == TG_LIMIT_IN_FLIGHT;
    return true;
}

static bool take_exact(struct tg_conf *c, const struct tg_conf_item *item,
                       struct tg_limit_rule *rule)
{
    if (rule->shared != NULL && !rule->exact) {
        rule->exact = true;
        return true;
    }
    tg_conf_error(c, item,
                  rule->exact ? "\"%s\" with \"shared=\" is exact as it is, without the word"
                              : "\"%s\" takes \"exact\" behind \"shared=STORE\" alone",
                  item->args[0].p);
    return false;
}

/* What may stand behind any limit, and what follows from all of it. */
static bool take_rest(struct tg_conf *c, const struct tg_conf_item *item, unsigned at,
                      struct tg_limit_rule *rule)
{
    rule->name = limits_place_of(c, item);
    rule->label = rule->text = limits_text_of(c, item);
    if (at < item->nargs && tg_str_starts(item->args[at], TG_STR("shared=")) &&
        !take_shared(c, item, tg_str_skip(item->args[at++], 7), rule))
        return false;
    if (at < item->nargs && tg_str_eq(item->args[at], TG_STR("exact")) &&
        !take_exact(c, item, rule))
        return false;
    at += rule->exact && rule->kind == TG_LIMIT_REQ;
    if (at < item->nargs && tg_str_starts(item->args[at], TG_STR("name=")) &&
        !take_name(c, item, tg_str_skip(item->args[at++], 5), rule))
        return false;
    if (at < item->nargs && tg_str_eq(item->args[at], TG_STR("dry_run"))) {
        rule->dry_run = true;
        at++;
    }
    rule->id = id_of(rule, item);
    if (at == item->nargs)
        return true;
    tg_conf_error(c, item, "\"%s\" does not take \"%s\"", item->args[0].p, item->args[at].p);
    return false;
}

/* "10/s", "30/m": microseconds between two. */
static bool read_rate(struct tg_str text, uint64_t *interval)
{
    uint64_t per = tg_str_ends(text, TG_STR("/s")) ? SECOND : 60 * SECOND;
    uint64_t n;

    if (!tg_str_ends(text, TG_STR("/s")) && !tg_str_ends(text, TG_STR("/m")))
        return false;
    text.n -= 2;
    if (!tg_str_u64(text, &n) || n < 1 || n > SECOND)
        return false;
    *interval = per / n;
    return true;
}

static bool take_rate(struct tg_conf *c, const struct tg_conf_item *item,
                      struct tg_limit_rule *rule)
{
    unsigned at = 2;
    int64_t burst = 0;

    if (!tg_str_starts(item->args[at], TG_STR("rate=")) ||
        !read_rate(tg_str_skip(item->args[at], 5), &rule->interval)) {
        tg_conf_error(c, item, "\"limit_req\" takes rate=NUMBER/s or rate=NUMBER/m, got \"%s\"",
                      item->args[at].p);
        return false;
    }
    at++;
    if (at < item->nargs && tg_str_starts(item->args[at], TG_STR("burst=")) &&
        !tg_conf_number(c, item, tg_str_skip(item->args[at++], 6), 0, 100000, &burst))
        return false;
    rule->burst = (uint64_t)burst;
    return take_rest(c, item, at, rule);
}

static bool take_most(struct tg_conf *c, const struct tg_conf_item *item, unsigned at,
                      struct tg_limit_rule *rule)
{
    int64_t most;

    if (!tg_conf_number(c, item, item->args[at], 1, UINT16_MAX, &most))
        return false;
    rule->most = (uint64_t)most;
    return take_rest(c, item, at + 1, rule);
}

bool tg_set_limit(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                  const struct tg_directive *d)
{
    struct tg_location *l = target;
    bool rate = tg_str_eq(item->args[0], TG_STR("limit_req"));
    struct tg_limit_rule rule = {.kind = rate ? TG_LIMIT_REQ : TG_LIMIT_IN_FLIGHT};

    (void)d;
    if (!tg_conf_word(c, item, item->args[1], tg_limit_key_words, &rule.key))
        return false;
    if (!(rate ? take_rate(c, item, &rule) : take_most(c, item, 2, &rule)))
        return false;
    if (l->nlimits == TG_MAX_LIMITS) {
        tg_conf_error(c, item, "more than %d limits for one location", TG_MAX_LIMITS);
        return false;
    }
    for (unsigned i = 0; i < l->nlimits; i++)
        if (l->limits[i].id == rule.id) {
            tg_conf_error(c, item,
                          "the location has a limit \"%s\" already: give one of them another name=",
                          rule.name);
            return false;
        }
    l->limits_at[l->nlimits] = item;
    l->limits[l->nlimits++] = rule;
    return true;
}

bool tg_set_limit_conn(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_server_conf *s = target;

    (void)d;
    s->limit_conn = (struct tg_limit_rule){.kind = TG_LIMIT_CONN, .key = TG_LIMIT_BY_ADDRESS};
    return take_most(c, item, 1, &s->limit_conn);
}
