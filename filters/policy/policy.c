/*
 * The filter `policy`: judges the request and its normalized document by the organisation's
 * policies and never changes it. conf/policies/README.md teaches the language.
 */
#include "base/check.h"
#include "policy/internal.h"

static bool same_arguments(const struct tg_conf_item *a, const struct tg_conf_item *b)
{
    unsigned i = 1;

    if (a == NULL || b == NULL)
        return a == b;
    while (i < a->nargs && i < b->nargs && tg_str_eq(a->args[i], b->args[i]))
        i++;
    return i == a->nargs && i == b->nargs;
}

/* What a line names: loaded, and complained about, for the first that names it. */
static struct tg_policy_shared *shared(struct tg_conf *c, const struct tg_conf_item *item,
                                       const struct tg_conf_item *signers)
{
    void **list = tg_conf_shared(c, tg_policy_directives);
    struct tg_policy_shared *s = *list;

    while (s != NULL && !(same_arguments(s->item, item) && same_arguments(s->signers, signers)))
        s = s->next;
    if (s == NULL) {
        s = tg_arena_zalloc(c->arena, 1, sizeof(*s));
        s->item = item;
        s->signers = signers;
        s->set = tg_policy_load_signed(c, item, signers);
        s->next = *list;
        *list = s;
    }
    s->users++;
    return s;
}

/* A policy for some projects, in a location that does not know which project asks, would be for all
 * of them. False after it recorded that. */
static bool knows_project(struct tg_conf *c, const struct tg_conf_item *location,
                          const struct tg_policy_set *set)
{
    struct tg_str pattern = location->args[location->nargs - 1];
    const struct tg_policy *p = set->policies;

    if (memmem(pattern.p, pattern.n, "{project_id}", 12) != NULL)
        return true;
    while (p != NULL && !tg_policy_match_asks(p->matches, TG_MATCH_PROJECT))
        p = p->next;
    if (p == NULL)
        return true;
    tg_conf_error(
        c, location,
        "policy \"%s\" asks for the project_id, which location \"%s\" does not have: call "
        "that segment {project_id}",
        p->name.p, pattern.p);
    return false;
}

static bool policy_load(struct tg_conf *c, const struct tg_conf_item *location, void *conf)
{
    struct tg_policy_conf *p = conf;

    p->shared = NULL;
    if (p->item == NULL) {
        tg_conf_error(c, location, "filter \"policy\" has no \"policies\"");
        return false;
    }
    p->shared = shared(c, p->item, p->signers);
    return p->shared->set != NULL && knows_project(c, location, p->shared->set);
}

static void unload(void *conf)
{
    struct tg_policy_conf *p = conf;

    if (p->shared != NULL && --p->shared->users == 0)
        tg_policy_end(p->shared->set);
    p->shared = NULL;
}

const struct tg_policy_bundle *tg_policy_bundle_of(const void *conf)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    return set != NULL ? set->bundle : NULL;
}

bool tg_policy_reads(const void *conf, enum tg_live_name name)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    CHECK(name < TG_LIVE_NAMES);
    return set != NULL && (set->live & UINT32_C(1) << name) != 0;
}

bool tg_policy_reads_old(const void *conf)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    return set != NULL && set->old;
}

enum { OF_BODIES = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY };

/* A set that looks at no body runs on the head. */
static unsigned traits(const void *conf, const char **why)
{
    *why = tg_policy_set_of(conf)->needs_document;
    return *why != NULL ? OF_BODIES | TG_JUDGES_REQUEST : TG_JUDGES_REQUEST;
}

static enum tg_verdict policy_judge(struct tg_request *r, const void *conf, void *state)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    (void)state;
    CHECK(set != NULL);
    r->report.policy_revision = set->revision;
    tg_policy_eval(set, r, tg_policy_report, r);
    return TG_NEXT; /* violations are told together with those of the filters behind */
}

static void dump(const void *conf, struct tg_buf *out)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    CHECK(set != NULL);
    tg_buf_printf(out, "# policy revision %.*s, rules: %u\n", TG_STR_ARG(set->revision),
                  set->nrules);
    if (set->bundle != NULL)
        tg_buf_printf(out, "# signed as revision %lu by key %s, expires %s\n",
                      set->bundle->manifest.revision, set->bundle->signed_by,
                      set->bundle->manifest.expires.p);
    for (const struct tg_policy_table *t = set->tables; t != NULL; t = t->next)
        tg_buf_printf(out, "# table %s, rows: %u\n", t->name.p, t->nrows);
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        tg_buf_printf(out, "# exception %s expires %s%s\n", e->name.p, e->expires.p,
                      tg_policy_exception_holds(e) ? "" : ", has expired");
}

static struct tg_str revision(const void *conf)
{
    return tg_policy_set_of(conf)->revision;
}

const struct tg_filter tg_filter_policy = {
    .abi = TG_FILTER_ABI,
    .name = "policy",
    .help = "Judges the request and its normalized body by the organisation's policies, see "
            "conf/policies/README.md. It runs on the head, and bodies stream, where no rule looks "
            "into them.",
    .traits = OF_BODIES | TG_JUDGES_REQUEST,
    .directives = tg_policy_directives,
    .conf_size = sizeof(struct tg_policy_conf),
    .on_load = policy_load,
    .on_traits = traits,
    .on_unload = unload,
    .on_request = policy_judge,
    .on_dump = dump,
    .on_status = tg_policy_status,
    .on_metrics = tg_policy_metrics,
    .on_places = tg_policy_places,
    .on_revision = revision,
};
