/* Policy files to a set: their blocks, then what only the whole shows. */
#include "base/crypto.h"
#include "contract/contract.h"
#include "policy/internal.h"

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
    struct tg_policy_file *files;
    unsigned n;
    bool found = tg_policy_files(c, at, globs, nglobs, &files, &n);
    struct tg_policy_set *set = tg_policy_load_files(c, files, n);

    if (found)
        return set;
    tg_policy_end(set);
    return NULL;
}
