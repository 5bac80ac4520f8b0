/* The filters of a location: their order against their traits, their configuration, loading. */
#include "base/check.h"
#include "settings/internal.h"

/* --- order --- */

static bool has(const struct tg_filter *f, unsigned trait)
{
    return (f->traits & trait) != 0;
}

/* The first filter of the location before the `end`th with a trait, or NULL. */
static const struct tg_filter *with_trait(const struct tg_location *l, unsigned end, unsigned trait)
{
    for (unsigned i = 0; i < end; i++)
        if (has(l->filters.at[i], trait))
            return l->filters.at[i];
    return NULL;
}

/* The name of a known filter that gives a document, for the hint. */
static const char *giver(void)
{
    for (unsigned i = 0; i < tg_filter_count(); i++)
        if (has(tg_filter_at(i), TG_GIVES_DOCUMENT))
            return tg_filter_at(i)->name;
    return "a filter that gives one";
}

static bool check_order(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_location *l)
{
    for (unsigned i = 0; i < l->filters.n; i++) {
        const struct tg_filter *f = l->filters.at[i];
        const struct tg_filter *judge = with_trait(l, i, TG_JUDGES_BODY);

        if (judge != NULL && (f->traits & (TG_CHANGES_BODY | TG_GIVES_DOCUMENT)) != 0)
            tg_conf_error(c, item, "filter \"%s\" %s, put it before \"%s\", which judges it",
                          f->name, has(f, TG_CHANGES_BODY) ? "changes the body" : "reads the body",
                          judge->name);
        else if (has(f, TG_SIGNS) && i + 1 < l->filters.n)
            tg_conf_error(c, item, "filter \"%s\" signs the request, put it last", f->name);
        else
            continue;
        return false;
    }
    return true;
}

static bool unknown_filter(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str name)
{
    const char *names[TG_MAX_FILTERS + 1];
    unsigned n = tg_filter_count();

    CHECK(n <= TG_MAX_FILTERS);
    for (unsigned i = 0; i < n; i++)
        names[i] = tg_filter_at(i)->name;
    names[n] = NULL;
    tg_conf_unknown(c, item, "filter", name, names);
    return false;
}

/* Adds the filter of one argument. */
static bool take_filter(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str name,
                        struct tg_location *l)
{
    int index = tg_filter_index(name);

    if (index < 0)
        return unknown_filter(c, item, name);
    for (unsigned i = 0; i < l->filters.n; i++) {
        if (l->filters.at[i] == tg_filter_at((unsigned)index)) {
            tg_conf_error(c, item, "filter \"%s\" stands twice, name it once", name.p);
            return false;
        }
    }
    CHECK(l->filters.n < TG_MAX_FILTERS);
    l->filters.number[l->filters.n] = (unsigned char)index;
    l->filters.at[l->filters.n++] = tg_filter_at((unsigned)index);
    return true;
}

/* How many run until it is settled who calls. */
static unsigned count_identify(const struct tg_location *l)
{
    unsigned n = l->filters.n;

    while (n > 0 && !has(l->filters.at[n - 1], TG_IDENTIFIES))
        n--;
    return n;
}

bool tg_set_filters(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_location *l = target;
    bool ok = true;

    (void)d;
    l->filters.n = 0;
    for (unsigned i = 1; i < item->nargs; i++)
        ok = take_filter(c, item, item->args[i], l) && ok;
    l->filters.nidentify = count_identify(l);
    return ok && check_order(c, item, l) && tg_filters_in_order(c, item, l);
}

/* --- configuration --- */

/* A row table for filters without directives. */
static const struct tg_directive no_rows[] = {{.name = NULL}};

static struct tg_conf_table filters_table_of(const struct tg_location *l, unsigned i)
{
    const struct tg_directive *rows = tg_filter_at(i)->directives;

    return (struct tg_conf_table){rows != NULL ? rows : no_rows, l->filter_conf[i]};
}

void tg_filters_defaults(struct tg_conf *c, struct tg_location *l)
{
    for (unsigned i = 0; i < tg_filter_count(); i++) {
        struct tg_conf_table table;

        l->filter_conf[i] = tg_arena_zalloc(c->arena, 1, tg_filter_at(i)->conf_size);
        table = filters_table_of(l, i);
        tg_conf_defaults(c, UINT_MAX, &table);
    }
}

void tg_filters_inherit(struct tg_conf *c, struct tg_location *l)
{
    for (unsigned i = 0; i < tg_filter_count(); i++) {
        struct tg_str outer = {l->filter_conf[i], tg_filter_at(i)->conf_size};
        void *own = tg_arena_alloc(c->arena, outer.n);

        CHECK(outer.p != NULL);
        l->filter_conf[i] = memcpy(own, outer.p, outer.n);
    }
}

unsigned tg_filters_tables(const struct tg_location *l, struct tg_conf_table *out)
{
    unsigned n = tg_filter_count();

    CHECK(n <= TG_MAX_FILTERS);
    for (unsigned i = 0; i < n; i++)
        out[i] = filters_table_of(l, i);
    return n;
}

/* --- loading --- */

static bool uses(const struct tg_location *l, const struct tg_filter *f)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (l->filters.at[i] == f)
            return true;
    return false;
}

/* A policy in a location that forgot the filter would look enforced. */
static void warn_unused(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_location *l)
{
    for (unsigned i = 0; i < tg_filter_count(); i++) {
        const struct tg_filter *f = tg_filter_at(i);

        if (uses(l, f) ||
            tg_conf_row(filters_table_of(l, i).rows, item->args[0], TG_IN_LOCATION) == NULL)
            continue;
        tg_conf_warn(c, item, "\"%s\" does nothing, \"%s\" is not among the location's filters",
                     item->args[0].p, f->name);
    }
}

/* How many run before the body comes. */
static unsigned count_head(const struct tg_filter_list *filters)
{
    unsigned n = 0;

    while (n < filters->n && !tg_traits_need_body(filters->traits[n]))
        n++;
    return n;
}

/* The line of a location that names its filters; the location where it took them over. */
static const struct tg_conf_item *filters_line(const struct tg_conf_item *location)
{
    for (const struct tg_conf_item *i = location->children; i != NULL; i = i->next)
        if (tg_str_eq(i->args[0], TG_STR("filters")))
            return i;
    return location;
}

/* The traits of a loaded filter; *given is whether one before it gives a document. */
static unsigned take_traits(struct tg_conf *c, const struct tg_conf_item *location,
                            const struct tg_location *l, unsigned i, bool *given)
{
    const struct tg_filter *f = l->filters.at[i];
    const char *why = NULL;
    unsigned traits = f->traits;

    if (f->on_traits != NULL)
        traits = f->on_traits(l->filters.conf[i], &why);
    CHECK((traits & ~f->traits) == 0);
    if ((traits & TG_NEEDS_DOCUMENT) != 0 && !*given)
        tg_conf_error(c, filters_line(location),
                      "filter \"%s\" needs a document%s%s, put \"%s\" before it", f->name,
                      why != NULL ? ": " : "", why != NULL ? why : "", giver());
    *given = *given || (traits & TG_GIVES_DOCUMENT) != 0;
    return traits;
}

static void settle_traits(struct tg_conf *c, const struct tg_conf_item *location,
                          struct tg_location *l)
{
    bool given = false;

    l->judges = false;
    for (unsigned i = 0; i < l->filters.n; i++) {
        l->filters.traits[i] = take_traits(c, location, l, i, &given);
        l->judges = l->judges || (l->filters.traits[i] & TG_JUDGES_REQUEST) != 0;
    }
    l->filters.nhead = count_head(&l->filters);
    l->judges = l->judges || tg_location_collects(l);
}

void tg_filters_load(struct tg_conf *c, const struct tg_conf_item *item, struct tg_location *l)
{
    bool good = true;

    for (const struct tg_conf_item *child = item->children; child != NULL; child = child->next)
        warn_unused(c, child, l);
    CHECK(l->nloaded == 0);
    while (l->nloaded < l->filters.n) {
        unsigned i = l->nloaded++;
        const struct tg_filter *f = l->filters.at[i];
        void *conf = l->filter_conf[tg_filter_index(tg_str_of(f->name))];

        l->filters.conf[i] = conf;
        if (f->on_load != NULL && !f->on_load(c, item, conf)) {
            CHECK(c->errors > 0);
            good = false;
        }
    }
    if (good)
        settle_traits(c, item, l);
}

void tg_filters_unload(struct tg_location *l)
{
    CHECK(l->nloaded <= l->filters.n);
    while (l->nloaded > 0) {
        const struct tg_filter *f = l->filters.at[--l->nloaded];

        if (f->on_unload != NULL)
            f->on_unload(l->filters.conf[l->nloaded]);
    }
}
