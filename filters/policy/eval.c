/* All rules of all policies over one request. Nothing here allocates but for texts with escapes. */
#include "base/check.h"
#include "base/clock.h"
#include "contract/contract.h"
#include "policy/internal.h"

/* --- names to values, once per request --- */

/* The slot of a member that is in no table of the contract's, or TG_NONE. */
static uint32_t eval_slot_of(const struct tg_policy_set *set, struct tg_str name)
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
        slot = eval_slot_of(set, tg_doc_string(doc, m));
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
    struct tg_request *request;
    const struct tg_doc *doc; /* NULL: the request has none */
    uint32_t config;
    bool is_object; /* the config */
    struct tg_policy_outcome *outcome;

    const struct tg_policy_check *check;
    const struct tg_policy_path *path; /* at hand, when it leads elsewhere than into the config */
    struct tg_policy_seen seen;        /* the value at hand */
    unsigned found;                    /* FOUND_..., or-ed */
    struct tg_policy_value first_missing;
};

static void eval_fail(struct judging *j, enum tg_rule_result result,
                      const struct tg_policy_test *test, struct tg_policy_value value)
{
    struct tg_policy_outcome *o = j->outcome;

    CHECK(result == TG_RULE_FAIL || result == TG_RULE_ERROR);
    j->found |= result == TG_RULE_FAIL ? FOUND_FAILURE : FOUND_ERROR;
    value.path = j->path;
    if (o->nfaults < TG_POLICY_MAX_SEEN)
        o->faults[o->nfaults++] = (struct tg_policy_fault){test, value};
}

static inline void eval_look_at(struct judging *j, uint32_t node)
{
    enum tg_node_type type = tg_doc_type(j->doc, node);
    struct tg_str text =
        type == TG_STRING ? tg_doc_string(j->doc, node) : tg_doc_text(j->doc, node);

    j->seen.well_formed = j->seen.obs && tg_contract_is_obs_path(j->doc, node);
    j->seen.type = type;
    j->seen.text = text;
}

/* One fault per value, which is in `seen` and stands at a node or is a text: its first test that
 * does not pass. */
static inline void judge_seen(struct judging *j, uint32_t node, struct tg_str text)
{
    const struct tg_policy_test *t = j->check->absent;
    enum tg_rule_result result = TG_RULE_FAIL;

    j->found |= FOUND_VALUE;
    if (t == NULL)
        for (t = j->check->tests; t != NULL; t = t->next)
            if (t->run != NULL && (result = t->run(t, &j->seen)) != TG_RULE_PASS)
                break;
    if (t != NULL)
        eval_fail(j, result, t,
                  (struct tg_policy_value){.found = TG_FOUND_VALUE, .node = node, .text = text});
}

static void judge_value(struct judging *j, uint32_t node)
{
    eval_look_at(j, node);
    judge_seen(j, node, (struct tg_str){NULL, 0});
}

static void judge_missing(struct judging *j, struct tg_policy_value value)
{
    if (!(j->found & FOUND_MISSING))
        j->first_missing = value;
    j->found |= FOUND_MISSING;
    if (j->check->required != NULL && j->check->npaths == 1)
        eval_fail(j, TG_RULE_FAIL, j->check->required, value);
}

static void on_value(void *context, const struct tg_policy_value *value)
{
    struct judging *j = context;

    switch (value->found) {
    case TG_FOUND_VALUE:
        judge_value(j, value->node);
        break;
    case TG_FOUND_OTHER:
    case TG_FOUND_ALIKE:
        eval_fail(j, TG_RULE_FAIL, NULL, *value);
        break;
    case TG_FOUND_MISSING:
        judge_missing(j, *value);
        break;
    case TG_FOUND_UNKNOWN:
    case TG_FOUND_REQUEST:
        TG_UNREACHABLE(); /* no walk finds them */
    }
}

/* Most paths are one name: its slot has the value, without a walk. */
static inline void judge_path(struct judging *j, const struct tg_policy_path *path)
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
        judge_missing(j, (struct tg_policy_value){.found = TG_FOUND_MISSING,
                                                  .node = j->config,
                                                  .name = path->steps[0].name.text});
}

/* One of several paths is enough for what is required. */
static void judge_required(struct judging *j, const struct tg_policy_check *check)
{
    if (check->required != NULL &&
        (j->found & (FOUND_VALUE | FOUND_FAILURE | FOUND_MISSING)) == FOUND_MISSING)
        eval_fail(j, TG_RULE_FAIL, check->required, j->first_missing);
}

static inline enum tg_rule_result conclude_check(struct judging *j,
                                                 const struct tg_policy_check *check)
{
    if (check->npaths > 1)
        judge_required(j, check);
    if (j->found & (FOUND_FAILURE | FOUND_ERROR))
        return j->found & FOUND_FAILURE ? TG_RULE_FAIL : TG_RULE_ERROR;
    return (j->found & FOUND_VALUE) || check->absent != NULL ? TG_RULE_PASS : TG_RULE_SKIP;
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
    return conclude_check(j, check);
}

/* --- one check of a rule that is not plain --- */

/* Nobody could tell what is there: the rule cannot be judged. */
static void judge_unknown(struct judging *j, const struct tg_policy_test *t, const char *what)
{
    tg_report_unknown(&j->request->report, what);
    eval_fail(j, TG_RULE_ERROR, t, (struct tg_policy_value){.found = TG_FOUND_UNKNOWN});
}

/* Walks a path through the old config. */
static void walk_old(struct tg_request *r, const struct tg_policy_path *path,
                     tg_policy_value_hook *hook, void *context)
{
    const struct tg_live_old *old = tg_live_read_old(r);
    uint32_t first = TG_NONE;

    CHECK(old->state == TG_LIVE_KNOWN);
    if (tg_doc_type(old->doc, old->config) == TG_OBJECT) {
        (void)tg_contract_members(old->doc, old->config); /* the walk looks at its notes */
        first = path->nsteps > 0 ? tg_doc_member(old->doc, old->config, path->steps[0].name.text)
                                 : TG_NONE;
    }
    if (path->nsteps == 0)
        hook(context, &(struct tg_policy_value){.found = TG_FOUND_VALUE, .node = old->config});
    else
        tg_policy_path_walk(path, old->doc, old->config, first, hook, context);
}

/* "old" alone is missing where no config stands yet; what would be in it says nothing then. */
static void judge_old(struct judging *j, const struct tg_policy_path *path)
{
    const struct tg_live_old *old = tg_live_read_old(j->request);
    const struct tg_doc *doc = j->doc;
    uint32_t config = j->config;

    j->seen.obs = path->obs;
    if (old->state == TG_LIVE_UNKNOWN) {
        judge_unknown(j, j->check->tests, "old");
    } else if (old->state == TG_LIVE_KNOWN) {
        j->doc = old->doc;
        j->config = old->config;
        walk_old(j->request, path, on_value, j);
        j->doc = doc;
        j->config = config;
    } else if (path->nsteps == 0) {
        judge_missing(j, (struct tg_policy_value){.found = TG_FOUND_MISSING});
    }
}

static void see_live(struct judging *j, const struct tg_policy_path *path,
                     const struct tg_live_value *value)
{
    j->seen.type = tg_live_infos[path->live].kind == TG_LIVE_NUMBER ? TG_NUMBER : TG_STRING;
    j->seen.text = value->text;
    j->seen.obs = false;
}

static void judge_live(struct judging *j, const struct tg_policy_path *path)
{
    const struct tg_live_value *value = tg_live_read(j->request, path->live);

    if (value->state == TG_LIVE_UNKNOWN)
        judge_unknown(j, j->check->tests, tg_live_infos[path->live].name);
    else if (value->state == TG_LIVE_ABSENT)
        judge_missing(j, (struct tg_policy_value){.found = TG_FOUND_MISSING});
    else {
        see_live(j, path, value);
        judge_seen(j, 0, value->text);
    }
}

/* PASS, FAIL or ERROR of a test that compares; SKIP where there is nothing to compare: no config
 * stands yet, or both lack the member. `now` is what the config has. */
static enum tg_rule_result eval_compare(struct judging *j, const struct tg_policy_test *t,
                                        const struct tg_policy_path *path,
                                        struct tg_policy_nodes *now)
{
    const struct tg_live_old *old = tg_live_read_old(j->request);
    struct tg_policy_nodes before;

    now->n = 0;
    if (old->state != TG_LIVE_KNOWN)
        return old->state == TG_LIVE_ABSENT ? TG_RULE_SKIP : TG_RULE_ERROR;
    (void)tg_contract_members(old->doc, old->config);
    tg_policy_path_nodes(path, j->doc, j->config, j->request->arena, now);
    tg_policy_path_nodes(path, old->doc, old->config, j->request->arena, &before);
    if (now->n == 0 && before.n == 0)
        return TG_RULE_SKIP;
    return tg_policy_test_compare(t, now, &before);
}

static void judge_change(struct judging *j, const struct tg_policy_test *t,
                         const struct tg_policy_path *path)
{
    struct tg_policy_nodes now;
    enum tg_rule_result result = eval_compare(j, t, path, &now);

    if (result == TG_RULE_ERROR && tg_live_read_old(j->request)->state == TG_LIVE_UNKNOWN)
        judge_unknown(j, t, "old");
    else if (result == TG_RULE_FAIL || result == TG_RULE_ERROR)
        eval_fail(j, result, t,
                  now.n > 0 ? (struct tg_policy_value){.found = TG_FOUND_VALUE, .node = now.at[0]}
                            : (struct tg_policy_value){.found = TG_FOUND_MISSING,
                                                       .node = j->config,
                                                       .name = path->steps[0].name.text});
    else if (result == TG_RULE_PASS)
        j->found |= FOUND_VALUE;
}

/* Tests that compare look for the values themselves; the others are left out where there are none
 * of theirs, so that a value counts as judged only by a test that did. */
static void judge_in_config(struct judging *j, const struct tg_policy_check *check,
                            const struct tg_policy_path *path)
{
    bool others = path->unknown; /* or nobody would see what resembles its names */

    for (const struct tg_policy_test *t = check->tests; t != NULL; t = t->next) {
        if (tg_policy_test_compares(t))
            judge_change(j, t, path);
        else
            others = true;
    }
    if (others)
        judge_path(j, path);
}

/* A check of any kind. */
static enum tg_rule_result judge_any_check(struct judging *j, const struct tg_policy_check *check)
{
    CHECK(check->npaths > 0 && check->tests != NULL);
    j->check = check;
    j->found = 0;
    for (unsigned i = 0; i < check->npaths; i++) {
        const struct tg_policy_path *path = &check->paths[i];

        j->path = path->source != TG_SOURCE_CONFIG ? path : NULL;
        if (path->source == TG_SOURCE_OLD)
            judge_old(j, path);
        else if (path->source == TG_SOURCE_LIVE)
            judge_live(j, path);
        else
            judge_in_config(j, check, path);
    }
    return conclude_check(j, check);
}

/* --- conditions --- */

struct asking {
    struct judging *j;
    const struct tg_policy_test *test;
    bool there;   /* a value is */
    bool met;     /* by one of them */
    bool unknown; /* one could not be judged */
};

static void ask_seen(struct asking *a)
{
    enum tg_rule_result result =
        tg_policy_test_is_missing(a->test) ? TG_RULE_ERROR : a->test->run(a->test, &a->j->seen);

    a->met = a->met || result == TG_RULE_PASS;
    a->unknown = a->unknown || result == TG_RULE_ERROR;
}

/* What is of a type that the test cannot judge does not switch a rule off. */
static void ask_value(void *context, const struct tg_policy_value *value)
{
    struct asking *a = context;

    if (value->found == TG_FOUND_MISSING)
        return;
    a->unknown = a->unknown || value->found == TG_FOUND_ALIKE;
    if (value->found == TG_FOUND_ALIKE)
        return;
    a->there = true;
    if (a->test->run == NULL) {
        a->met = a->met || tg_policy_test_is(a->test, "required");
        return;
    }
    eval_look_at(a->j, value->node);
    if (value->found == TG_FOUND_OTHER || a->j->seen.type == TG_OBJECT ||
        a->j->seen.type == TG_ARRAY)
        a->unknown = true;
    else
        ask_seen(a);
}

static void ask_old(struct asking *a, const struct tg_policy_path *path)
{
    const struct tg_live_old *old = tg_live_read_old(a->j->request);
    const struct tg_doc *doc = a->j->doc;

    if (old->state == TG_LIVE_UNKNOWN)
        a->unknown = true;
    if (old->state != TG_LIVE_KNOWN)
        return;
    a->j->doc = old->doc;
    walk_old(a->j->request, path, ask_value, a);
    a->j->doc = doc;
}

static void ask_live(struct asking *a, const struct tg_policy_path *path)
{
    const struct tg_live_value *value = tg_live_read(a->j->request, path->live);

    a->unknown = value->state == TG_LIVE_UNKNOWN;
    if (value->state != TG_LIVE_KNOWN)
        return;
    a->there = true;
    see_live(a->j, path, value);
    if (a->test->run == NULL)
        a->met = tg_policy_test_is(a->test, "required");
    else
        ask_seen(a);
}

static void ask_change(struct asking *a, const struct tg_policy_path *path)
{
    struct tg_policy_nodes now;
    enum tg_rule_result result = eval_compare(a->j, a->test, path, &now);

    a->there = true;
    a->met = result == TG_RULE_PASS;
    a->unknown = result == TG_RULE_ERROR;
}

static void eval_ask(struct asking *a, const struct tg_policy_path *path)
{
    a->j->seen.obs = path->obs;
    if (path->source == TG_SOURCE_OLD)
        ask_old(a, path);
    else if (path->source == TG_SOURCE_LIVE)
        ask_live(a, path);
    else if (tg_policy_test_compares(a->test))
        ask_change(a, path);
    else
        tg_policy_path_walk(path, a->j->doc, a->j->config, a->j->set->slots[path->slot], ask_value,
                            a);
}

/* The name of what was not known of a condition, for the record. */
static const char *asked_of(const struct tg_policy_check *when)
{
    const struct tg_policy_path *path = &when->paths[0];

    if (path->source == TG_SOURCE_LIVE)
        return tg_live_infos[path->live].name;
    return path->source == TG_SOURCE_OLD || tg_policy_test_compares(when->tests) ? "old" : "when";
}

/* True when a condition holds, or it is not known that it does not. */
static bool holds(struct judging *j, const struct tg_policy_check *when)
{
    struct asking a = {.j = j, .test = when->tests};

    CHECK(when->npaths == 1 && when->tests != NULL && when->tests->next == NULL);
    eval_ask(&a, &when->paths[0]);
    if (when->absent != NULL)
        a.met = !a.there && !a.unknown;
    if (!a.met && a.unknown)
        tg_report_unknown(&j->request->report, asked_of(when));
    return a.met || a.unknown;
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
static void eval_conclude(struct tg_policy_outcome *o, struct tg_request *r)
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

/* True when a cell is empty that a test of the rule refers to. */
static bool lacks_a_cell(const struct tg_policy_rule *rule)
{
    for (const struct tg_policy_check *k = rule->checks; k != NULL; k = k->next)
        for (const struct tg_policy_test *t = k->tests; t != NULL; t = t->next)
            if (tg_policy_test_is_missing(t))
                return true;
    return false;
}

/* A rule that is not plain, or of a request without a document. Not inlined: most are. */
__attribute__((noinline)) static void judge_any_rule(struct judging *j, struct tg_policy_outcome *o)
{
    const struct tg_policy_rule *rule = o->rule;

    if (rule->needs_document && j->doc == NULL)
        return;
    if (o->policy->on_missing == TG_POLICY_MISSING_SKIP && lacks_a_cell(rule))
        return;
    for (const struct tg_policy_check *w = rule->whens; w != NULL; w = w->next)
        if (!holds(j, w))
            return;
    for (const struct tg_policy_check *c = rule->checks; c != NULL; c = c->next)
        o->result = graver(o->result, judge_any_check(j, c));
    j->path = NULL;
    if (rule->deny == NULL)
        return;
    eval_fail(j, TG_RULE_FAIL, rule->deny, (struct tg_policy_value){.found = TG_FOUND_REQUEST});
    o->result = TG_RULE_FAIL;
}

/* `plain`: the rule is, and the request has a document. */
static inline void judge_rule(struct judging *j, struct tg_policy_outcome *o, bool plain)
{
    o->result = TG_RULE_SKIP;
    o->exception = NULL;
    o->denies = false;
    o->warns = false;
    o->nfaults = 0;
    if (!plain) {
        judge_any_rule(j, o);
        return;
    }
    for (const struct tg_policy_check *c = o->rule->checks; c != NULL; c = c->next)
        o->result = graver(o->result, judge_check(j, c));
}

/* What nothing stood there for was not asked; what an exception switched off was. */
static void count(struct tg_rule_counts *counts, const struct tg_policy_outcome *o)
{
    if (o->result != TG_RULE_SKIP || o->exception != NULL)
        counts->of[counts->n++] = (uint16_t)(o->rule->place * 8U + (unsigned)o->result);
}

void tg_policy_eval(const struct tg_policy_set *set, struct tg_request *r, tg_policy_hook *hook,
                    void *context)
{
    struct tg_policy_outcome o;
    struct judging j = {
        .set = set, .request = r, .doc = r->doc, .config = r->config, .outcome = &o};
    struct tg_rule_counts *counts = NULL;
    bool ready = r->doc == NULL;
    bool plain;

    j.seen.steps = &r->pattern_steps;
    r->pattern_steps = tg_pattern_steps(r->doc != NULL ? r->doc->text.n : 0);
    CHECK(r->doc == NULL || r->config < r->doc->count);
    j.is_object = r->doc != NULL && tg_doc_type(r->doc, r->config) == TG_OBJECT;
    for (o.policy = set->policies; o.policy != NULL; o.policy = o.policy->next) {
        /* A policy of which it is not known whether it applies does. */
        if (tg_policy_match_request(o.policy->matches, r) == TG_POLICY_NOT_MET) {
            TG_TRACE(r, "policy %s: not for this request", o.policy->name.p);
            continue;
        }
        if (!ready)
            fill_slots(set, r->doc, r->config);
        ready = true;
        if (counts == NULL)
            counts = tg_report_counts(&r->report, set->nrules);
        plain = o.policy->plain && r->doc != NULL && r->trace == NULL;
        tg_report_judged(&r->report, o.policy->name);
        for (o.rule = o.policy->rules; o.rule != NULL; o.rule = o.rule->next) {
            judge_rule(&j, &o, plain);
            eval_conclude(&o, r);
            if (!plain && r->trace != NULL)
                tg_policy_trace(r, &o);
            count(counts, &o);
            hook(context, &o);
        }
    }
}
