/* Policy files to a set: the blocks `policy` and `exception`, names, exceptions and their rules. */
#include "base/chars.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "contract/contract.h"
#include "policy/internal.h"

#define DAY INT64_C(86400000000) /* microseconds */

enum { SOON_DAYS = 14 };

const char *tg_policy_mode_word(int mode)
{
    CHECK(mode >= TG_POLICY_DENY && mode <= TG_POLICY_DRYRUN);
    return tg_policy_modes[mode - 1];
}

const struct tg_policy *tg_policy_find(const struct tg_policy_set *set, struct tg_str name)
{
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        if (tg_str_eq(p->name, name))
            return p;
    return NULL;
}

const struct tg_policy_rule *tg_policy_rule_find(const struct tg_policy *policy, struct tg_str name)
{
    for (const struct tg_policy_rule *r = policy->rules; r != NULL; r = r->next)
        if (tg_str_eq(r->name, name))
            return r;
    return NULL;
}

/* Names go into answers, logs and metrics as they are, and "POLICY.RULE" must come apart again. */
bool tg_policy_name(struct tg_conf *c, const struct tg_conf_item *item)
{
    struct tg_str name = item->args[1];

    if (name.n >= 1 && name.n <= 64 && tg_chars_are(name, TG_CHAR_NAME))
        return true;
    tg_conf_error(c, item,
                  "\"%s\" takes a name of 1 to 64 letters, digits, \"_\" and \"-\", got "
                  "\"%s\"",
                  item->args[0].p, name.p);
    return false;
}

/* --- blocks --- */

bool tg_set_policy_match(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    struct tg_policy_match **list = (void *)((char *)target + d->offset);

    return tg_policy_match_read(c, item, list);
}

bool tg_set_policy(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                   const struct tg_directive *d)
{
    struct tg_policy_set *set = target;
    struct tg_policy *p = tg_arena_zalloc(c->arena, 1, sizeof(*p));
    const struct tg_conf_table table = {tg_policy_directives, p};
    const struct tg_policy *twin = tg_policy_find(set, item->args[1]);
    struct tg_policy **last = &set->policies;
    unsigned errors = c->errors;

    (void)d;
    *p = (struct tg_policy){.name = item->args[1],
                            .item = item,
                            .mode = TG_POLICY_DENY,
                            .on_error = TG_POLICY_ERROR_DENY};
    while (*last != NULL)
        last = &(*last)->next;
    *last = p;
    (void)tg_policy_name(c, item);
    if (twin != NULL)
        tg_conf_error(c, item, "policy \"%s\" stands in %s:%u already, and again", p->name.p,
                      twin->item->file, twin->item->line);
    (void)tg_conf_apply(c, TG_IN_POLICY, item->children, &table, 1);
    if (c->errors == errors && p->rules == NULL)
        tg_conf_error(c, item, "policy \"%s\" has no \"rule\"", p->name.p);
    tg_policy_match_check(c, p->matches);
    return c->errors == errors;
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

bool tg_set_exception(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct tg_policy_exception *e = tg_arena_zalloc(c->arena, 1, sizeof(*e));
    const struct tg_conf_table table = {tg_policy_directives, e};
    unsigned errors = c->errors;

    (void)d;
    e->name = item->args[1];
    e->item = item;
    (void)tg_policy_name(c, item);
    add_exception(c, target, e);
    if (!tg_conf_apply(c, TG_IN_EXCEPTION, item->children, &table, 1) || !has_all_parts(c, e))
        return false;
    warn_of_age(c, e);
    warn_of_width(c, e);
    tg_policy_match_check(c, e->matches);
    return c->errors == errors;
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

static void grant(struct tg_conf *c, const struct tg_policy_set *set,
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

/* --- names to slots --- */

static unsigned slot_of(struct tg_policy_set *set, struct tg_str name)
{
    const struct tg_contract_member *row = tg_contract_find(tg_contract_config, name);
    uint32_t i = tg_policy_hash(name) & set->hash_mask;

    if (row != NULL)
        return (unsigned)(row - tg_contract_config);
    for (; set->hash[i] != 0; i = (i + 1) & set->hash_mask)
        if (tg_str_eq(set->names[set->hash[i] - 1], name))
            return TG_CONFIG_ROWS + set->hash[i] - 1;
    set->names[set->nnames++] = name;
    set->hash[i] = set->nnames;
    return TG_CONFIG_ROWS + set->nnames - 1;
}

static void number_rule(struct tg_policy_set *set, struct tg_policy_rule *r)
{
    r->number = set->nrules++;
    for (struct tg_policy_check *k = r->checks; k != NULL; k = k->next)
        for (unsigned i = 0; i < k->npaths; i++)
            k->paths[i].slot = slot_of(set, k->paths[i].steps[0].name.text);
}

static size_t count_paths(const struct tg_policy_set *set)
{
    size_t n = 0;

    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            for (const struct tg_policy_check *k = r->checks; k != NULL; k = k->next)
                n += k->npaths;
    return n;
}

static void number_all(struct tg_conf *c, struct tg_policy_set *set)
{
    size_t n = count_paths(set);
    uint32_t size = 16;

    while (size < n * 2)
        size *= 2;
    set->hash_mask = size - 1;
    set->hash = tg_arena_zalloc(c->arena, size, sizeof(*set->hash));
    set->names = tg_arena_zalloc(c->arena, n, sizeof(*set->names));
    for (struct tg_policy *p = set->policies; p != NULL; p = p->next)
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            number_rule(set, r);
    set->nslots = TG_CONFIG_ROWS + set->nnames;
    set->slots = tg_arena_zalloc(c->arena, set->nslots, sizeof(*set->slots));
}

/* --- the set --- */

static bool has_includes(const struct tg_conf_item *item, const char *file)
{
    for (; item != NULL; item = item->next)
        if (strcmp(item->file, file) != 0 || has_includes(item->children, file))
            return true;
    return false;
}

/* Applies one file. What it includes counts into the revision as it was understood. */
static void apply_file(struct tg_conf *c, struct tg_policy_set *set,
                       const struct tg_policy_file *file, struct tg_buf *texts)
{
    static const struct tg_directive *const no_tables[] = {NULL};
    const struct tg_conf_table table = {tg_policy_directives, set};
    const struct tg_conf_item *first = tg_conf_parse_text(c, file->name, file->text);

    tg_buf_add(texts, file->text);
    if (has_includes(first, file->name))
        tg_conf_dump(first, no_tables, texts);
    (void)tg_conf_apply(c, TG_IN_POLICY_FILE, first, &table, 1);
}

static void set_revision(struct tg_conf *c, struct tg_policy_set *set, struct tg_str texts)
{
    unsigned char digest[TG_SHA256];
    char hex[TG_SHA256_HEX];

    tg_sha256(texts, digest);
    tg_hex(digest, sizeof(digest), hex);
    set->revision = tg_arena_dup(c->arena, (struct tg_str){hex, sizeof(hex)});
}

struct tg_policy_set *tg_policy_load_files(struct tg_conf *c, const struct tg_policy_file *files,
                                           unsigned n)
{
    struct tg_policy_set *set = tg_arena_zalloc(c->arena, 1, sizeof(*set));
    struct tg_buf texts = {0};
    unsigned errors = c->errors;

    for (unsigned i = 0; i < n; i++)
        apply_file(c, set, &files[i], &texts);
    if (c->errors == errors)
        for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
            grant(c, set, e);
    set_revision(c, set, tg_buf_str(&texts));
    tg_buf_end(&texts);
    if (c->errors == errors) {
        number_all(c, set);
        return set;
    }
    tg_policy_end(set);
    return NULL;
}

struct tg_policy_set *tg_policy_load(struct tg_conf *c, const struct tg_conf_item *at,
                                     const struct tg_str *globs, unsigned nglobs)
{
    struct tg_policy_file *files;
    unsigned n;
    bool found = tg_policy_files(c, at, globs, nglobs, &files, &n);
    struct tg_policy_set *set = tg_policy_load_files(c, files, n);

    if (found)
        return set;
    tg_policy_end(set);
    return NULL;
}

void tg_policy_end(struct tg_policy_set *set)
{
    if (set == NULL)
        return;
    for (struct tg_policy *p = set->policies; p != NULL; p = p->next) {
        tg_policy_match_end(p->matches);
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            for (struct tg_policy_check *k = r->checks; k != NULL; k = k->next)
                tg_policy_tests_end(k->tests);
    }
    for (struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        tg_policy_match_end(e->matches);
}
