/* All rules of all policies over one request. Nothing here allocates but for texts with escapes. */
#include "base/check.h"
#include "base/clock.h"
#include "contract/contract.h"
#include "policy/policy.h"

/* --- names to values, once per request --- */

/* The slot of a member that is in no table of the contract's, or TG_NONE. */
static uint32_t slot_of(const struct tg_policy_set *set, struct tg_str name)
{
    for (uint32_t i = tg_policy_hash(name) & set->hash_mask; set->hash[i] != 0;
         i = (i + 1) & set->hash_mask)
        if (tg_str_eq(set->names[set->hash[i] - 1], name))
            return TG_CONFIG_ROWS + set->hash[i] - 1;
    return TG_NONE;
}

static void fill_named(const struct tg_policy_set *set, const struct tg_doc *doc, uint32_t config)
{
    for (uint32_t m = tg_doc_first(doc, config); m != TG_NONE; m = tg_doc_next(doc, m)) {
        uint32_t slot;

        if (tg_contract_row(doc, tg_contract_config, m) != NULL)
            continue;
        slot = slot_of(set, tg_doc_string(doc, m));
        if (slot != TG_NONE)
            set->slots[slot] = tg_doc_value(doc, m);
    }
}

static void fill_slots(const struct tg_policy_set *set, struct tg_doc *doc, uint32_t config)
{
    const struct tg_contract_view *view;

    if (tg_doc_type(doc, config) != TG_OBJECT || set->nnames > 0)
        memset(set->slots, 0xff, set->nslots * sizeof(*set->slots)); /* TG_NONE */
    if (tg_doc_type(doc, config) != TG_OBJECT)
        return;
    view = tg_contract_members(doc, config);
    memcpy(set->slots, view->value, sizeof(view->value));
    if (view->unknown && set->nnames > 0)
        fill_named(set, doc, config);
}

/* --- one check --- */

/* What a check came upon. */
enum {
    FOUND_VALUE = 1 << 0,
    FOUND_MISSING = 1 << 1, /* then `first_missing` is set */
    FOUND_FAILURE = 1 << 2,
    FOUND_ERROR = 1 << 3, /* what could not be judged */
};

/* What is the same for all rules, then what belongs to one check. */
struct judging {
    const struct tg_policy_set *set;
    const struct tg_doc *doc;
    uint32_t config;
    bool is_object; /* the config */
    struct tg_policy_outcome *outcome;

    const struct tg_policy_check *check;
    struct tg_policy_seen seen; /* the value at hand */
    unsigned found;             /* FOUND_..., or-ed */
    struct tg_policy_value first_missing;
};

static void fail(struct judging *j, enum tg_rule_result result, const struct tg_policy_test *test,
                 struct tg_policy_value value)
{
    struct tg_policy_outcome *o = j->outcome;

    CHECK(result == TG_RULE_FAIL || result == TG_RULE_ERROR);
    j->found |= result == TG_RULE_FAIL ? FOUND_FAILURE : FOUND_ERROR;
    if (o->nfaults < TG_POLICY_MAX_SEEN)
        o->faults[o->nfaults++] = (struct tg_policy_fault){test, value};
}

static void look_at(struct judging *j, uint32_t node)
{
    enum tg_node_type type = tg_doc_type(j->doc, node);
    struct tg_str text =
        type == TG_STRING ? tg_doc_string(j->doc, node) : tg_doc_text(j->doc, node);

    j->seen.well_formed = j->seen.obs && tg_contract_is_obs_path(j->doc, node);
    j->seen.type = type;
    j->seen.text = text;
}

/* One fault per value: its first test that does not pass. */
static void judge_value(struct judging *j, uint32_t node)
{
    const struct tg_policy_test *t = j->check->absent;
    enum tg_rule_result result = TG_RULE_FAIL;

    j->found |= FOUND_VALUE;
    if (t == NULL) {
        look_at(j, node);
        for (t = j->check->tests; t != NULL; t = t->next)
            if (t->run != NULL && (result = t->run(t, &j->seen)) != TG_RULE_PASS)
                break;
    }
    if (t != NULL)
        fail(j, result, t, (struct tg_policy_value){.found = TG_FOUND_VALUE, .node = node});
}

static void judge_missing(struct judging *j, struct tg_policy_value value)
{
    if (!(j->found & FOUND_MISSING))
        j->first_missing = value;
    j->found |= FOUND_MISSING;
    if (j->check->required != NULL && j->check->npaths == 1)
        fail(j, TG_RULE_FAIL, j->check->required, value);
}

static void on_value(void *context, const struct tg_policy_value *value)
{
    struct judging *j = context;

    switch (value->found) {
    case TG_FOUND_VALUE:
        judge_value(j, value->node);
        break;
    case TG_FOUND_OTHER:
        fail(j, TG_RULE_FAIL, NULL, *value);
        break;
    case TG_FOUND_MISSING:
        judge_missing(j, *value);
        break;
    }
}

/* Most paths are one name: its slot has the value, without a walk. */
static void judge_path(struct judging *j, const struct tg_policy_path *path)
{
    uint32_t first;

    CHECK(path->slot < j->set->nslots);
    first = j->set->slots[path->slot];
    j->seen.obs = path->obs;
    if (!path->direct || !j->is_object)
        tg_policy_path_walk(path, j->doc, j->config, first, on_value, j);
    else if (!tg_contract_is_absent(j->doc, first, path->empty))
        judge_value(j, first);
    else
        judge_missing(
            j, (struct tg_policy_value){TG_FOUND_MISSING, j->config, path->steps[0].name.text});
}

/* One of several paths is enough for what is required. */
static void judge_required(struct judging *j, const struct tg_policy_check *check)
{
    if (check->required != NULL &&
        (j->found & (FOUND_VALUE | FOUND_FAILURE | FOUND_MISSING)) == FOUND_MISSING)
        fail(j, TG_RULE_FAIL, check->required, j->first_missing);
}

static enum tg_rule_result judge_check(struct judging *j, const struct tg_policy_check *check)
{
    const struct tg_policy_path *path = check->paths;
    unsigned left = check->npaths;

    CHECK(left > 0 && check->tests != NULL);
    j->check = check;
    j->found = 0;
    do
        judge_path(j, path++);
    while (--left > 0);
    if (check->npaths > 1)
        judge_required(j, check);
    if (j->found & (FOUND_FAILURE | FOUND_ERROR))
        return j->found & FOUND_FAILURE ? TG_RULE_FAIL : TG_RULE_ERROR;
    return (j->found & FOUND_VALUE) || check->absent != NULL ? TG_RULE_PASS : TG_RULE_SKIP;
}

/* --- one rule --- */

/* The graver of two results of one rule's checks. */
static enum tg_rule_result graver(enum tg_rule_result a, enum tg_rule_result b)
{
    static const unsigned char weight[] = {
        [TG_RULE_SKIP] = 1, [TG_RULE_PASS] = 2, [TG_RULE_ERROR] = 3, [TG_RULE_FAIL] = 4};

    if (a == TG_RULE_SKIP)
        return b;
    CHECK(a != TG_RULE_WARN && b != TG_RULE_WARN);
    return weight[a] >= weight[b] ? a : b;
}

/* The exception that switches the rule off for this request, or NULL. One of which it is not known
 * whether it is meant does not. */
static const struct tg_policy_exception *waived(const struct tg_policy_rule *rule,
                                                struct tg_request *r)
{
    for (const struct tg_policy_waiver *w = rule->waivers; w != NULL; w = w->next)
        if (tg_policy_exception_holds(w->exception) &&
            tg_policy_match_request(w->exception->matches, r) == TG_POLICY_MET)
            return w->exception;
    return NULL;
}

/* From what the tests say to what becomes of the request. */
static void conclude(struct tg_policy_outcome *o, struct tg_request *r)
{
    bool error = o->result == TG_RULE_ERROR;
    bool counts;

    if (o->result != TG_RULE_FAIL && !error)
        return;
    counts = !error || o->policy->on_error == TG_POLICY_ERROR_DENY;
    o->exception = waived(o->rule, r);
    if (o->exception != NULL) {
        o->result = TG_RULE_SKIP;
        return;
    }
    o->denies = counts && o->rule->mode == TG_POLICY_DENY;
    o->warns =
        o->rule->mode == TG_POLICY_WARN || (error && o->rule->mode == TG_POLICY_DENY && !counts);
    if (o->rule->mode == TG_POLICY_WARN && !error)
        o->result = TG_RULE_WARN;
}

static void judge_rule(struct judging *j, struct tg_policy_outcome *o)
{
    o->result = TG_RULE_SKIP;
    o->exception = NULL;
    o->denies = false;
    o->warns = false;
    o->nfaults = 0;
    for (const struct tg_policy_check *c = o->rule->checks; c != NULL; c = c->next)
        o->result = graver(o->result, judge_check(j, c));
}

void tg_policy_eval(const struct tg_policy_set *set, struct tg_request *r, tg_policy_hook *hook,
                    void *context)
{
    struct tg_policy_outcome o;
    struct judging j = {.set = set, .doc = r->doc, .config = r->config, .outcome = &o};
    bool ready = false;

    j.seen.steps = &r->pattern_steps;
    r->pattern_steps = tg_pattern_steps(r->doc->text.n);
    CHECK(r->doc != NULL && r->config < r->doc->count);
    j.is_object = tg_doc_type(r->doc, r->config) == TG_OBJECT;
    for (o.policy = set->policies; o.policy != NULL; o.policy = o.policy->next) {
        /* A policy of which it is not known whether it applies does. */
        if (tg_policy_match_request(o.policy->matches, r) == TG_POLICY_NOT_MET) {
            TG_TRACE(r, "policy %s: not for this request", o.policy->name.p);
            continue;
        }
        if (!ready)
            fill_slots(set, r->doc, r->config);
        ready = true;
        for (o.rule = o.policy->rules; o.rule != NULL; o.rule = o.rule->next) {
            judge_rule(&j, &o);
            conclude(&o, r);
            if (r->trace != NULL)
                tg_policy_trace(r, &o);
            hook(context, &o);
        }
    }
}
