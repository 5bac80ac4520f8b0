/* The blocks `policy` and `exception`, and the rules that exceptions switch off. */
#include "base/check.h"
#include "base/clock.h"
#include "policy/internal.h"

#define DAY INT64_C(86400000000) /* microseconds */

enum { SOON_DAYS = 14 };

/* --- blocks --- */

bool tg_set_policy_match(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    struct tg_policy_match **list = (void *)((char *)target + d->offset);

    return tg_policy_match_read(c, item, list);
}

bool tg_policy_set_table(struct tg_conf *c, const struct tg_conf_item *item,
                         struct tg_policy_set *set)
{
    const struct tg_policy_table *twin = tg_policy_table_named(set->tables, item->args[1]);
    struct tg_policy_table *given = tg_policy_table_named(set->given, item->args[1]);
    struct tg_policy_table *t;
    struct tg_policy_table **last = &set->tables;

    if (twin != NULL) {
        tg_conf_error(c, item, "table \"%s\" stands in %s:%u already, and again", twin->name.p,
                      twin->item->file, twin->item->line);
        return false;
    }
    t = given == NULL ? tg_policy_table_read(c, item) : tg_arena_alloc(c->arena, sizeof(*t));
    if (given != NULL) {
        *t = *given;
        t->item = item;
        t->next = NULL;
    }
    while (*last != NULL)
        last = &(*last)->next;
    *last = t;
    return t != NULL;
}

struct tg_policy *tg_policy_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                  struct tg_policy_set *set)
{
    struct tg_policy *p = tg_arena_zalloc(c->arena, 1, sizeof(*p));
    const struct tg_policy *twin = tg_policy_find(set, item->args[1]);
    struct tg_policy **last = &set->policies;

    *p = (struct tg_policy){.name = item->args[1],
                            .item = item,
                            .mode = TG_POLICY_DENY,
                            .on_error = TG_POLICY_ERROR_DENY,
                            .on_missing = TG_POLICY_MISSING_DENY};
    while (*last != NULL)
        last = &(*last)->next;
    *last = p;
    (void)tg_policy_name(c, item);
    if (twin != NULL)
        tg_conf_error(c, item, "policy \"%s\" stands in %s:%u already, and again", p->name.p,
                      twin->item->file, twin->item->line);
    return p;
}

void tg_policy_finish(struct tg_conf *c, const struct tg_policy *p, bool good)
{
    if (good && p->rules == NULL)
        tg_conf_error(c, p->item, "policy \"%s\" has no \"rule\"", p->name.p);
    tg_policy_match_check(c, p->matches);
}

bool tg_set_waived_rules(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    (void)c;
    (void)d;
    ((struct tg_policy_exception *)target)->rules = item;
    return true;
}

bool tg_set_expires(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_policy_exception *e = target;
    int64_t seconds;

    (void)d;
    if (!tg_clock_day(item->args[1], &seconds)) {
        tg_conf_error(c, item, "\"expires\" takes a day as YYYY-MM-DD, got \"%s\"",
                      item->args[1].p);
        return false;
    }
    e->expires = item->args[1];
    e->expires_at = seconds * 1000000 + DAY;
    return true;
}

bool tg_policy_exception_holds(const struct tg_policy_exception *e)
{
    return tg_clock_wall_now() < e->expires_at;
}

static void warn_of_age(struct tg_conf *c, const struct tg_policy_exception *e)
{
    int64_t left = e->expires_at - tg_clock_wall_now();

    if (left <= 0)
        tg_conf_warn(c, e->item, "exception \"%s\" has expired, its last day was %s,", e->name.p,
                     e->expires.p);
    else if (left <= SOON_DAYS * DAY)
        tg_conf_warn(c, e->item, "exception \"%s\" expires soon, its last day is %s,", e->name.p,
                     e->expires.p);
}

static bool has_all_parts(struct tg_conf *c, const struct tg_policy_exception *e)
{
    const struct {
        const char *name;
        bool there;
    } parts[] = {{"policy", e->policy.n > 0},
                 {"rule", e->rules != NULL},
                 {"owner", e->owner.n > 0},
                 {"ticket", e->ticket.n > 0},
                 {"expires", e->expires_at > 0}};
    bool all = true;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (parts[i].there)
            continue;
        tg_conf_error(c, e->item, "exception \"%s\" has no \"%s\"", e->name.p, parts[i].name);
        all = false;
    }
    return all;
}

/* A header says what the client wants it to say. */
static bool rests_on_headers(const struct tg_policy_match *m)
{
    for (; m != NULL; m = m->next)
        if (m->subject != TG_MATCH_HEADER)
            return false;
    return true;
}

static void warn_of_width(struct tg_conf *c, const struct tg_policy_exception *e)
{
    if (e->matches == NULL)
        tg_conf_warn(c, e->item, "exception \"%s\" has no \"match\", it is for every request",
                     e->name.p);
    else if (rests_on_headers(e->matches))
        tg_conf_warn(c, e->item, "exception \"%s\" rests on a header, which any client can send,",
                     e->name.p);
}

static void add_exception(struct tg_conf *c, struct tg_policy_set *set,
                          struct tg_policy_exception *e)
{
    struct tg_policy_exception **last = &set->exceptions;

    for (; *last != NULL; last = &(*last)->next)
        if (tg_str_eq((*last)->name, e->name))
            tg_conf_error(c, e->item, "exception \"%s\" stands in %s:%u already, and again",
                          e->name.p, (*last)->item->file, (*last)->item->line);
    *last = e;
}

struct tg_policy_exception *tg_policy_exception_begin(struct tg_conf *c,
                                                      const struct tg_conf_item *item,
                                                      struct tg_policy_set *set)
{
    struct tg_policy_exception *e = tg_arena_zalloc(c->arena, 1, sizeof(*e));

    e->name = item->args[1];
    e->item = item;
    (void)tg_policy_name(c, item);
    add_exception(c, set, e);
    return e;
}

void tg_policy_exception_finish(struct tg_conf *c, const struct tg_policy_exception *e)
{
    if (!has_all_parts(c, e))
        return;
    warn_of_age(c, e);
    warn_of_width(c, e);
    tg_policy_match_check(c, e->matches);
}

/* --- exceptions to their rules --- */

static void unknown_rule(struct tg_conf *c, const struct tg_policy_exception *e,
                         const struct tg_policy *p, struct tg_str name)
{
    const char **names;
    size_t n = 0;

    for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
        n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
        names[n++] = r->name.p;
    tg_conf_unknown(c, e->rules, "rule", name, names);
}

static void unknown_policy(struct tg_conf *c, const struct tg_policy_set *set,
                           const struct tg_policy_exception *e)
{
    const char **names;
    size_t n = 0;

    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        names[n++] = p->name.p;
    tg_conf_unknown(c, e->item, "policy", e->policy, names);
}

void tg_policy_grant(struct tg_conf *c, const struct tg_policy_set *set,
                     const struct tg_policy_exception *e)
{
    const struct tg_policy *p = tg_policy_find(set, e->policy);

    if (p == NULL) {
        unknown_policy(c, set, e);
        return;
    }
    for (unsigned i = 1; i < e->rules->nargs; i++) {
        struct tg_policy_waiver *w = tg_arena_zalloc(c->arena, 1, sizeof(*w));
        struct tg_policy_rule *rule = p->rules;

        while (rule != NULL && !tg_str_eq(rule->name, e->rules->args[i]))
            rule = rule->next;
        if (rule == NULL) {
            unknown_rule(c, e, p, e->rules->args[i]);
            continue;
        }
        *w = (struct tg_policy_waiver){e, rule->waivers};
        rule->waivers = w;
    }
}
