/* Policy files to a set: their blocks, then what only the whole shows. */
#include "base/crypto.h"
#include "contract/contract.h"
#include "policy/internal.h"

/* --- names to slots --- */

static unsigned load_slot_of(struct tg_policy_set *set, struct tg_str name)
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

static void number_path(struct tg_policy_set *set, struct tg_policy_path *path)
{
    if (path->source == TG_SOURCE_CONFIG)
        path->slot = load_slot_of(set, path->steps[0].name.text);
    else if (path->source == TG_SOURCE_LIVE)
        set->live |= UINT32_C(1) << path->live;
    else
        set->old = true;
}

static void number_checks(struct tg_policy_set *set, const struct tg_policy_check *list)
{
    for (; list != NULL; list = list->next) {
        for (unsigned i = 0; i < list->npaths; i++)
            number_path(set, &list->paths[i]);
        for (const struct tg_policy_test *t = list->tests; t != NULL; t = t->next)
            set->old = set->old || tg_policy_test_compares(t);
    }
}

static void note_matches(struct tg_policy_set *set, const struct tg_policy_match *list)
{
    for (; list != NULL; list = list->next)
        set->live |= tg_policy_match_live(list);
}

static void number_rule(struct tg_conf *c, struct tg_policy_set *set, const struct tg_policy *p,
                        struct tg_policy_rule *r)
{
    r->number = set->nrules++;
    number_checks(set, r->checks);
    number_checks(set, r->whens);
    if (r->needs_document && set->needs_document == NULL)
        set->needs_document = tg_arena_printf(c->arena, "rule \"%s.%s\" in %s:%u looks into it",
                                              p->name.p, r->name.p, r->item->file, r->item->line)
                                  .p;
}

static size_t count_paths(const struct tg_policy_check *list)
{
    size_t n = 0;

    for (; list != NULL; list = list->next)
        n += list->npaths;
    return n;
}

static size_t count_all_paths(const struct tg_policy_set *set)
{
    size_t n = 0;

    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            n += count_paths(r->checks) + count_paths(r->whens);
    return n;
}

static void number_all(struct tg_conf *c, struct tg_policy_set *set)
{
    size_t n = count_all_paths(set);
    uint32_t size = 16;

    while (size < n * 2)
        size *= 2;
    set->hash_mask = size - 1;
    set->hash = tg_arena_zalloc(c->arena, size, sizeof(*set->hash));
    set->names = tg_arena_zalloc(c->arena, n, sizeof(*set->names));
    for (struct tg_policy *p = set->policies; p != NULL; p = p->next) {
        note_matches(set, p->matches);
        p->plain = true;
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next) {
            number_rule(c, set, p, r);
            p->plain = p->plain && r->plain;
        }
    }
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        note_matches(set, e->matches);
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

/* Applies one file. What it includes counts into the revision as it was understood, its tables as
 * they are. */
static void apply_file(struct tg_conf *c, struct tg_policy_set *set,
                       const struct tg_policy_file *file, struct tg_buf *texts)
{
    static const struct tg_directive *const no_tables[] = {NULL};
    const struct tg_conf_table table = {tg_policy_directives, set};
    struct tg_policy_table **tables = &set->tables;
    const struct tg_conf_item *first;

    if (!tg_conf_may_use(c, file->name, file->text))
        return;
    first = tg_conf_parse_text(c, file->name, file->text);
    while (*tables != NULL)
        tables = &(*tables)->next;
    tg_buf_add(texts, file->text);
    if (has_includes(first, file->name))
        tg_conf_dump(first, no_tables, texts);
    (void)tg_conf_apply(c, TG_IN_POLICY_FILE, first, &table, 1);
    for (const struct tg_policy_table *t = *tables; t != NULL; t = t->next)
        tg_buf_add(texts, t->text);
}

static void settle_matches(struct tg_conf *c, const struct tg_policy_set *set,
                           struct tg_policy_match *list)
{
    for (; list != NULL; list = list->next)
        (void)tg_policy_match_settle(c, list, set->tables);
}

/* What refers to tables, which may stand in any file. */
static void load_settle(struct tg_conf *c, const struct tg_policy_set *set)
{
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next) {
        settle_matches(c, set, p->matches);
        for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            tg_policy_rule_settle(c, r, p->matches);
    }
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        settle_matches(c, set, e->matches);
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
                                           unsigned n, struct tg_policy_table *given)
{
    struct tg_policy_set *set = tg_arena_zalloc(c->arena, 1, sizeof(*set));
    struct tg_buf texts = {0};
    unsigned errors = c->errors;

    set->given = given;
    for (unsigned i = 0; i < n; i++)
        apply_file(c, set, &files[i], &texts);
    if (c->errors == errors)
        load_settle(c, set);
    if (c->errors == errors)
        for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
            tg_policy_grant(c, set, e);
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
    return tg_policy_load_given(c, at, globs, nglobs, NULL);
}

struct tg_policy_set *tg_policy_load_given(struct tg_conf *c, const struct tg_conf_item *at,
                                           const struct tg_str *globs, unsigned nglobs,
                                           struct tg_policy_table *given)
{
    struct tg_policy_file *files;
    unsigned n;
    bool found = tg_policy_files(c, at, globs, nglobs, &files, &n);
    struct tg_policy_set *set = tg_policy_load_files(c, files, n, given);

    if (found)
        return set;
    tg_policy_end(set);
    return NULL;
}

/* --- signed --- */

static bool is_signed(struct tg_conf *c, const char *name, struct tg_str text)
{
    return tg_policy_bundle_allows(c, c->texts, name, text);
}

struct tg_policy_set *tg_policy_load_signed(struct tg_conf *c, const struct tg_conf_item *at,
                                            const struct tg_conf_item *signers)
{
    const struct tg_policy_bundle *bundle;
    struct tg_policy_file *files;
    struct tg_policy_set *set;
    unsigned n;

    if (signers == NULL)
        return tg_policy_load(c, at, at->args + 1, at->nargs - 1);
    if (!tg_policy_files(c, at, at->args + 1, at->nargs - 1, &files, &n))
        return NULL;
    bundle = tg_policy_bundle_open(c, at, signers, files[0].name);
    if (bundle == NULL)
        return NULL;
    c->on_text = is_signed;
    c->texts = bundle;
    set = tg_policy_load_files(c, files, n, NULL);
    c->on_text = NULL;
    if (!tg_policy_bundle_complete(c, bundle)) {
        tg_policy_end(set);
        return NULL;
    }
    if (set != NULL)
        set->bundle = bundle;
    return set;
}
