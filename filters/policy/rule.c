/* The blocks `rule` and `any_of`, and what only the whole of one shows. */
#include "base/check.h"
#include "policy/internal.h"

/* --- parts of a rule --- */

static struct tg_policy_check *new_check(struct tg_conf *c, const struct tg_conf_item *item,
                                         unsigned npaths)
{
    struct tg_policy_check *check = tg_arena_zalloc(c->arena, 1, sizeof(*check));

    check->item = item;
    check->paths = tg_arena_zalloc(c->arena, npaths, sizeof(*check->paths));
    return check;
}

static struct tg_policy_check *add_check(struct tg_conf *c, const struct tg_conf_item *item,
                                         struct tg_policy_rule *rule, unsigned npaths)
{
    struct tg_policy_check *check = new_check(c, item, npaths);
    struct tg_policy_check **last = &rule->checks;

    while (*last != NULL)
        last = &(*last)->next;
    *last = check;
    return check;
}

bool tg_set_policy_at(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct tg_policy_check *check = ((struct tg_policy_rule *)target)->checks;

    CHECK(check != NULL);
    if (check->npaths > 0) {
        tg_conf_error(c, item, "a rule has one \"at\" or \"at_unknown\", \"any_of\" takes several");
        return false;
    }
    if (!tg_policy_path_read(c, item, item->args[1], strcmp(d->name, "at_unknown") == 0,
                             &check->paths[0]))
        return false;
    check->npaths = 1;
    return true;
}

bool tg_set_policy_deny(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    (void)d;
    return tg_policy_test_read(c, item, &((struct tg_policy_rule *)target)->deny) != NULL;
}

struct tg_policy_check *tg_policy_when_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                             struct tg_policy_rule *rule)
{
    struct tg_policy_check *check = new_check(c, item, 1);
    struct tg_policy_check **last = &rule->whens;

    while (*last != NULL)
        last = &(*last)->next;
    *last = check;
    if (tg_policy_path_read(c, item, item->args[1], false, &check->paths[0]))
        check->npaths = 1;
    return check;
}

/* The check that a test word in this block goes to: the last one, since an any_of block is applied
 * behind the words of its rule. */
bool tg_set_policy_test(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct tg_policy_check *check = ((struct tg_policy_rule *)target)->checks;
    struct tg_policy_test *test;

    (void)d;
    CHECK(check != NULL);
    while (check->next != NULL)
        check = check->next;
    test = tg_policy_test_read(c, item, &check->tests);
    if (test == NULL)
        return false;
    if (tg_policy_test_is(test, "required"))
        check->required = test;
    if (tg_policy_test_is(test, "absent"))
        check->absent = test;
    return true;
}

bool tg_policy_any_of_begin(struct tg_conf *c, const struct tg_conf_item *item,
                            struct tg_policy_rule *rule)
{
    struct tg_policy_check *check = add_check(c, item, rule, item->nargs - 1);
    bool ok = true;

    for (unsigned i = 1; i < item->nargs; i++)
        ok = tg_policy_path_read(c, item, item->args[i], false, &check->paths[i - 1]) && ok;
    if (ok)
        check->npaths = item->nargs - 1;
    return ok;
}

/* --- what only the whole shows --- */

static const struct tg_policy_test *find_test(const struct tg_policy_check *check, const char *word)
{
    for (const struct tg_policy_test *t = check->tests; t != NULL; t = t->next)
        if (tg_policy_test_is(t, word))
            return t;
    return NULL;
}

static void check_range(struct tg_conf *c, const struct tg_policy_check *check, const char *least,
                        const char *most)
{
    const struct tg_policy_test *low = find_test(check, least);
    const struct tg_policy_test *high = find_test(check, most);

    if (low != NULL && high != NULL && !low->refers && !high->refers &&
        tg_policy_range_is_empty(low, high))
        tg_conf_error(c, high->item, "\"%s\" %s is below \"%s\" %s, nothing can pass", most,
                      high->operands[0].text.p, least, low->operands[0].text.p);
}

static void check_tests(struct tg_conf *c, const struct tg_policy_check *check, bool *can_fail)
{
    for (const struct tg_policy_test *t = check->tests; t != NULL; t = t->next)
        for (unsigned i = 0; i < check->npaths; i++)
            if (!tg_policy_test_fits(c, t, &check->paths[i], can_fail))
                break;
    check_range(c, check, "min", "max");
    check_range(c, check, "min_length", "max_length");
    if (check->required != NULL && check->absent != NULL)
        tg_conf_error(c, check->absent->item, "\"absent\" contradicts \"required\"");
    else if (check->absent != NULL && check->tests->next != NULL)
        tg_conf_error(c, check->absent->item, "\"absent\" leaves nothing for other tests");
}

void tg_policy_when_finish(struct tg_conf *c, const struct tg_policy_check *when)
{
    bool can_fail = false;

    check_tests(c, when, &can_fail);
}

/* Drops the rule's own check when only its any_of blocks look anywhere, or it just denies. */
static void settle_own_check(struct tg_policy_rule *rule)
{
    struct tg_policy_check *own = rule->checks;

    if (own->npaths == 0 && own->tests == NULL && (own->next != NULL || rule->deny != NULL))
        rule->checks = own->next;
}

/* A live value of the catalogue depends on what the config asks for: none without one. */
static bool looks_into_config(const struct tg_policy_check *list)
{
    for (; list != NULL; list = list->next) {
        for (unsigned i = 0; i < list->npaths; i++)
            if (list->paths[i].source != TG_SOURCE_OLD)
                return true;
    }
    return false;
}

static bool rule_is_plain(const struct tg_policy_rule *rule)
{
    if (rule->deny != NULL || rule->whens != NULL)
        return false;
    for (const struct tg_policy_check *k = rule->checks; k != NULL; k = k->next) {
        for (unsigned i = 0; i < k->npaths; i++)
            if (k->paths[i].source != TG_SOURCE_CONFIG)
                return false;
        for (const struct tg_policy_test *t = k->tests; t != NULL; t = t->next)
            if (tg_policy_test_compares(t) || t->refers)
                return false;
    }
    return true;
}

void tg_policy_rule_finish(struct tg_conf *c, struct tg_policy_rule *rule)
{
    unsigned errors = c->errors;
    bool can_fail = false;

    settle_own_check(rule);
    if (rule->deny != NULL && rule->checks != NULL)
        tg_conf_error(c, rule->deny->item,
                      "\"deny\" leaves nothing for other tests, a condition stands in \"when\"");
    can_fail = rule->deny != NULL;
    for (const struct tg_policy_check *k = rule->checks; k != NULL; k = k->next) {
        if (k->npaths == 0)
            tg_conf_error(c, k->item, "rule \"%s\" does not say where, \"at\" is missing",
                          rule->name.p);
        else if (k->tests == NULL)
            tg_conf_error(c, k->item, "rule \"%s\" has no test", rule->name.p);
        else
            check_tests(c, k, &can_fail);
    }
    if (c->errors == errors && !can_fail)
        tg_conf_warn(c, rule->item, "rule \"%s\" can never fail", rule->name.p);
    rule->needs_document = looks_into_config(rule->checks) || looks_into_config(rule->whens);
    rule->plain = rule_is_plain(rule);
}

static void rule_add_rule(struct tg_conf *c, struct tg_policy *policy, struct tg_policy_rule *rule)
{
    const struct tg_policy_rule *twin = tg_policy_rule_find(policy, rule->name);
    struct tg_policy_rule **last = &policy->rules;

    while (*last != NULL)
        last = &(*last)->next;
    *last = rule;
    if (twin != NULL)
        tg_conf_error(c, rule->item,
                      "rule \"%s\" of policy \"%s\" stands in %s:%u already, and again",
                      rule->name.p, policy->name.p, twin->item->file, twin->item->line);
}

struct tg_policy_rule *tg_policy_rule_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                            struct tg_policy *policy)
{
    struct tg_policy_rule *rule = tg_arena_zalloc(c->arena, 1, sizeof(*rule));

    rule->name = item->args[1];
    rule->item = item;
    rule->mode = policy->mode;
    (void)add_check(c, item, rule, 1);
    rule_add_rule(c, policy, rule); /* whatever is wrong with it: its patterns are freed there */
    (void)tg_policy_name(c, item);
    return rule;
}

static void settle_checks(struct tg_conf *c, const struct tg_policy_check *list,
                          const struct tg_policy_match *matches)
{
    for (; list != NULL; list = list->next)
        for (struct tg_policy_test *t = list->tests; t != NULL; t = t->next)
            if (t->refers)
                tg_policy_test_settle(c, t, matches, list->paths, list->npaths);
}

void tg_policy_rule_settle(struct tg_conf *c, const struct tg_policy_rule *rule,
                           const struct tg_policy_match *matches)
{
    settle_checks(c, rule->checks, matches);
    settle_checks(c, rule->whens, matches);
}
