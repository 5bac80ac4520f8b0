/* What a loaded set holds: its names, finding them, freeing. */
#include "base/chars.h"
#include "base/check.h"
#include "policy/internal.h"

const char *const tg_policy_modes[] = {"deny", "warn", "dryrun", NULL};

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

static void end_checks(const struct tg_policy_check *list)
{
    for (; list != NULL; list = list->next)
        tg_policy_tests_end(list->tests);
}

void tg_policy_end(struct tg_policy_set *set)
{
    if (set == NULL)
        return;
    for (struct tg_policy *p = set->policies; p != NULL; p = p->next) {
        tg_policy_match_end(p->matches);
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next) {
            end_checks(r->checks);
            end_checks(r->whens);
        }
    }
    for (struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        tg_policy_match_end(e->matches);
}
