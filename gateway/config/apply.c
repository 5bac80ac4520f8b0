/*
 * A tree of directives to settings, by tables. One block at a time; the setters of blocks call
 * tg_conf_apply() again for what stands inside.
 */
#include "config/conf.h"

#include "base/check.h"

static const struct {
    unsigned context;
    const char *name;
} contexts[] = {
    {TG_IN_MAIN, "main"},
    {TG_IN_ADMIN, "admin"},
    {TG_IN_UPSTREAM, "upstream"},
    {TG_IN_SERVER, "server"},
    {TG_IN_LOCATION, "location"},
    {TG_IN_POLICY_FILE, "policy file"},
    {TG_IN_POLICY, "policy"},
    {TG_IN_RULE, "rule"},
    {TG_IN_EXCEPTION, "exception"},
    {TG_IN_ANY_OF, "any_of"},
    {TG_IN_TEST_FILE, "test file"},
    {TG_IN_CASE, "case"},
    {TG_IN_KEY_FILE, "key file"},
    {TG_IN_LOCAL_KEY, "local_key"},
    {TG_IN_KEY, "key"},
    {TG_IN_CLIENT_KEYS, "client_keys"},
    {TG_IN_CREDENTIAL, "credential"},
    {TG_IN_LIMIT_STORE, "limit_store"},
    {TG_IN_BLOCK, "a block of its filter"},
};

enum { CONTEXTS = sizeof(contexts) / sizeof(contexts[0]) };

const char *tg_conf_context_name(unsigned context)
{
    for (size_t i = 0; i < CONTEXTS; i++)
        if (contexts[i].context == context)
            return contexts[i].name;
    TG_UNREACHABLE();
}

const struct tg_directive *tg_conf_row(const struct tg_directive *rows, struct tg_str name,
                                       unsigned where)
{
    for (; rows->name != NULL; rows++)
        if ((rows->contexts & where) != 0 && tg_str_eq(name, tg_str_of(rows->name)))
            return rows;
    return NULL;
}

/* --- one directive --- */

static void *field(const struct tg_directive *d, void *target)
{
    CHECK(target != NULL);
    return (char *)target + d->offset;
}

static bool set_flag(struct tg_conf *c, const struct tg_conf_item *item, bool *out)
{
    static const char *const words[] = {"on", "off", NULL};
    int word;

    if (!tg_conf_word(c, item, item->args[1], words, &word))
        return false;
    *out = word == 1;
    return true;
}

static bool set_value(struct tg_conf *c, const struct tg_conf_item *item,
                      const struct tg_directive *d, void *target)
{
    struct tg_str text = item->nargs > 1 ? item->args[1] : (struct tg_str){NULL, 0};

    CHECK(d->kind == TG_CONF_CUSTOM || item->nargs == 2);
    switch (d->kind) {
    case TG_CONF_FLAG:
        return set_flag(c, item, field(d, target));
    case TG_CONF_NUMBER:
        return tg_conf_number(c, item, text, d->min, d->max, field(d, target));
    case TG_CONF_SIZE:
        return tg_conf_size(c, item, text, d->min, d->max, field(d, target));
    case TG_CONF_TIME:
        return tg_conf_time(c, item, text, d->min, d->max, field(d, target));
    case TG_CONF_ENUM:
        return tg_conf_word(c, item, text, d->words, field(d, target));
    case TG_CONF_STRING:
        *(struct tg_str *)field(d, target) = text;
        return true;
    case TG_CONF_PATH:
        *(struct tg_str *)field(d, target) = tg_conf_path(c, text);
        return true;
    case TG_CONF_CUSTOM:
        CHECK(d->set != NULL);
        return d->set(c, item, target, d);
    }
    TG_UNREACHABLE();
}

/* The argument counts of a row; see min_args and max_args. */
static void bounds(const struct tg_directive *d, unsigned *min, unsigned *max)
{
    *min = d->min_args == 0 && d->max_args == 0 ? 1 : d->min_args;
    *max = d->max_args == TG_CONF_NO_ARGS ? 0 : d->max_args == 0 ? *min : d->max_args;
    CHECK(*min <= *max);
}

/* True for the name of a directive that may stand beside `d`. */
static bool may_follow(const struct tg_conf *c, const struct tg_directive *d, struct tg_str name)
{
    for (unsigned i = 0; c->known != NULL && c->known[i] != NULL; i++)
        if (tg_conf_row(c->known[i], name, d->contexts) != NULL)
            return true;
    return false;
}

/* True when it recorded that the words of the next line, or of the next directive on this one, were
 * taken for arguments. */
static bool missing_semicolon(struct tg_conf *c, const struct tg_conf_item *item,
                              const struct tg_directive *d, unsigned min)
{
    struct tg_conf_item at = *item;

    for (unsigned i = 1; i < item->nargs; i++) {
        bool expected = i <= min || !may_follow(c, d, item->args[i]);

        if (item->lines[i] == item->lines[i - 1] && expected)
            continue;
        at.line = item->lines[i - 1];
        tg_conf_error(c, &at, "\";\" is missing behind \"%s\"", item->args[i - 1].p);
        return true;
    }
    return false;
}

static bool check_count(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_directive *d)
{
    unsigned got = item->nargs - 1;
    unsigned min, max;

    bounds(d, &min, &max);
    if (got >= min && got <= max)
        return true;
    if (got > max && missing_semicolon(c, item, d, min))
        return false;
    if (max == 0)
        tg_conf_error(c, item, "\"%s\" takes no arguments, got %u", d->name, got);
    else if (min == max)
        tg_conf_error(
            c, item, "\"%s\" takes %u argument%s, got %u%s", d->name, min, min == 1 ? "" : "s", got,
            d->kind == TG_CONF_STRING && got > max ? ": text with blanks stands in quotes" : "");
    else if (max == TG_CONF_ANY_ARGS)
        tg_conf_error(c, item, "\"%s\" takes %u or more arguments, got %u", d->name, min, got);
    else
        tg_conf_error(c, item, "\"%s\" takes %u to %u arguments, got %u", d->name, min, max, got);
    return false;
}

static bool check_block(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_directive *d)
{
    if (item->block == d->block)
        return true;
    if (d->block)
        tg_conf_error(c, item, "\"%s\" takes a block in braces, not \";\"", d->name);
    else
        tg_conf_error(c, item, "\"%s\" takes no block, it ends with \";\"", d->name);
    return false;
}

bool tg_conf_set(struct tg_conf *c, const struct tg_conf_item *item, const struct tg_directive *d,
                 void *target)
{
    unsigned errors = c->errors;
    bool ok = check_block(c, item, d) && check_count(c, item, d) && set_value(c, item, d, target);

    CHECK(ok || c->errors > errors);
    return ok && c->errors == errors;
}

void tg_conf_defaults(struct tg_conf *c, unsigned where, const struct tg_conf_table *table)
{
    for (const struct tg_directive *d = table->rows; d->name != NULL; d++) {
        const struct tg_conf_item *item;
        struct tg_str text;

        if (d->fallback == NULL || (d->contexts & where) == 0)
            continue;
        text = tg_arena_printf(c->arena, "%s %s;", d->name, d->fallback);
        item = tg_conf_parse_text(c, "default", text);
        CHECK(item != NULL && item->next == NULL);
        CHECK(tg_conf_set(c, item, d, table->target));
    }
}

/* --- names that do not belong --- */

/* All the tables there are to search: c->known, or those of the block. */
struct search {
    const struct tg_directive *const *known;
    const struct tg_conf_table *tables;
    unsigned ntables;
};

static const struct tg_directive *searched(const struct search *s, unsigned i)
{
    if (s->known != NULL)
        return s->known[i];
    return i < s->ntables ? s->tables[i].rows : NULL;
}

/* Contexts, or-ed, where a directive of that name may stand. */
static unsigned places(const struct search *s, struct tg_str name)
{
    unsigned where = 0;
    const struct tg_directive *rows;

    for (unsigned i = 0; (rows = searched(s, i)) != NULL; i++)
        for (; rows->name != NULL; rows++)
            if (tg_str_eq(name, tg_str_of(rows->name)))
                where |= rows->contexts;
    return where;
}

/* All names that may stand in `where`, NULL-terminated, in the arena. */
static const char *const *names_in(struct tg_conf *c, const struct search *s, unsigned where)
{
    const struct tg_directive *rows;
    size_t n = 0;
    const char **names;

    for (unsigned i = 0; (rows = searched(s, i)) != NULL; i++)
        for (; rows->name != NULL; rows++)
            n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (unsigned i = 0; (rows = searched(s, i)) != NULL; i++)
        for (; rows->name != NULL; rows++)
            if ((rows->contexts & where) != 0)
                names[n++] = rows->name;
    return names;
}

/* `"main", "server" or "location"` */
static void write_places(unsigned where, struct tg_buf *out)
{
    for (size_t i = 0; i < CONTEXTS; i++) {
        unsigned bit = contexts[i].context;

        if ((where & bit) == 0)
            continue;
        if ((where & (bit - 1)) != 0)
            tg_buf_puts(out, where >= bit << 1 ? ", " : " or ");
        tg_buf_printf(out, "\"%s\"", contexts[i].name);
    }
}

static void apply_explain(struct tg_conf *c, unsigned context, const struct tg_conf_item *item,
                          const struct tg_conf_table *tables, unsigned ntables)
{
    struct search s = {c->known, tables, ntables};
    unsigned where = places(&s, item->args[0]);
    const char *const *names;
    struct tg_buf list = {0};

    if (where != 0) {
        write_places(where, &list);
        tg_conf_error(c, item, "\"%s\" is not allowed in \"%s\", it belongs in %.*s",
                      item->args[0].p, tg_conf_context_name(context),
                      TG_STR_ARG(tg_buf_str(&list)));
        tg_buf_end(&list);
        return;
    }
    if (tg_conf_foreign(c, item))
        return;
    names = names_in(c, &s, context);
    if (tg_conf_nearest(item->args[0], names) == NULL)
        names = names_in(c, &s, UINT_MAX);
    tg_conf_unknown(c, item, "directive", item->args[0], names);
}

/* --- one block --- */

/* A row with where it writes, and its number among all rows of the block's tables. */
struct place {
    const struct tg_directive *row;
    void *target;
    size_t number;
};

static bool apply_find(const struct tg_conf_table *tables, unsigned ntables, unsigned context,
                       struct tg_str name, struct place *out)
{
    size_t before = 0;

    for (unsigned i = 0; i < ntables; i++) {
        const struct tg_directive *row = tg_conf_row(tables[i].rows, name, context);

        if (row != NULL) {
            *out = (struct place){row, tables[i].target, before + (size_t)(row - tables[i].rows)};
            return true;
        }
        for (row = tables[i].rows; row->name != NULL; row++)
            before++;
    }
    return false;
}

static size_t count_rows(const struct tg_conf_table *tables, unsigned ntables)
{
    size_t n = 0;

    for (unsigned i = 0; i < ntables; i++)
        for (const struct tg_directive *row = tables[i].rows; row->name != NULL; row++)
            n++;
    return n;
}

bool tg_conf_apply(struct tg_conf *c, unsigned context, const struct tg_conf_item *first,
                   const struct tg_conf_table *tables, unsigned ntables)
{
    const struct tg_conf_item **seen =
        tg_arena_zalloc(c->arena, count_rows(tables, ntables), sizeof(const struct tg_conf_item *));
    unsigned errors = c->errors;
    struct place at;

    for (const struct tg_conf_item *item = first; item != NULL; item = item->next) {
        if (!apply_find(tables, ntables, context, item->args[0], &at)) {
            apply_explain(c, context, item, tables, ntables);
        } else if (seen[at.number] != NULL && !at.row->repeat) {
            tg_conf_error(c, item, "\"%s\" stands in %s:%u already, and again", at.row->name,
                          seen[at.number]->file, seen[at.number]->line);
        } else {
            seen[at.number] = item;
            if (!at.row->block || !item->block)
                (void)tg_conf_set(c, item, at.row, at.target);
        }
    }
    for (const struct tg_conf_item *item = first; item != NULL; item = item->next)
        if (item->block && apply_find(tables, ntables, context, item->args[0], &at) &&
            at.row->block && (at.row->repeat || seen[at.number] == item))
            (void)tg_conf_set(c, item, at.row, at.target);
    return c->errors == errors;
}

/* True when it was told already that a ";" is missing there. */
static bool is_recorded(const struct tg_conf *c, const struct tg_conf_item *at, const char *word)
{
    struct tg_str text = tg_arena_printf(c->arena, "\";\" is missing behind \"%s\" in %s:%u", word,
                                         at->file, at->line);
    const struct tg_conf_problem *p = c->problems;

    while (p != NULL && strcmp(p->text, text.p) != 0)
        p = p->next;
    return p != NULL;
}

void tg_conf_hint_semicolons(struct tg_conf *c, const struct tg_conf_item *item)
{
    for (; item != NULL; item = item->next) {
        tg_conf_hint_semicolons(c, item->children);
        for (unsigned i = 1; i < item->nargs; i++) {
            struct search s = {.known = c->known};
            struct tg_conf_item at = *item;

            if (item->lines[i] == item->lines[i - 1] || places(&s, item->args[i]) == 0)
                continue;
            at.line = item->lines[i - 1];
            if (!is_recorded(c, &at, item->args[i - 1].p))
                tg_conf_error(c, &at, "a \";\" may be missing behind \"%s\"", item->args[i - 1].p);
        }
    }
}
