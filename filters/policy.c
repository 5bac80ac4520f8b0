/*
 * The filter `policy`: judges the normalized document by the organisation's policies and never
 * changes it. conf/policies/README.md teaches the language.
 */
#include "check.h"
#include "policy_parts.h"

bool tg_set_policies(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    (void)c;
    (void)d;
    ((struct tg_policy_conf *)target)->item = item;
    return true;
}

static bool load(struct tg_conf *c, const struct tg_conf_item *location, void *conf)
{
    struct tg_policy_conf *p = conf;

    p->set = NULL;
    if (p->item == NULL) {
        tg_conf_error(c, location, "filter \"policy\" has no \"policies\"");
        return false;
    }
    p->set = tg_policy_load(c, p->item, p->item->args + 1, p->item->nargs - 1);
    return p->set != NULL;
}

static void unload(void *conf)
{
    struct tg_policy_conf *p = conf;

    tg_policy_end(p->set);
    p->set = NULL;
}

static enum tg_verdict judge(struct tg_request *r, const void *conf, void *state)
{
    const struct tg_policy_conf *p = conf;
    unsigned violations = r->report.violations;

    (void)state;
    CHECK(p->set != NULL);
    r->report.policy_revision = p->set->revision;
    tg_policy_eval(p->set, r, tg_policy_report, r);
    return r->report.violations > violations ? tg_refuse(r) : TG_NEXT;
}

static void dump(const void *conf, struct tg_buf *out)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    CHECK(set != NULL);
    tg_buf_printf(out, "# policy revision %.*s, rules: %u\n", TG_STR_ARG(set->revision),
                  set->nrules);
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        tg_buf_printf(out, "# exception %s expires %s%s\n", e->name.p, e->expires.p,
                      tg_policy_exception_holds(e) ? "" : ", has expired");
}

const struct tg_policy_set *tg_policy_set_of(const void *conf)
{
    return ((const struct tg_policy_conf *)conf)->set;
}

const struct tg_filter tg_filter_policy = {
    .abi = TG_FILTER_ABI,
    .name = "policy",
    .help =
        "Judges the normalized body by the organisation's policies, see conf/policies/README.md.",
    .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
    .directives = tg_policy_directives,
    .conf_size = sizeof(struct tg_policy_conf),
    .on_load = load,
    .on_unload = unload,
    .on_request = judge,
    .on_dump = dump,
};
