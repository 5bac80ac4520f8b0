/* The words of the policy language and of the filter, as one table. */
#include "policy/internal.h"

static const char *const on_error_words[] = {"allow", "deny", NULL};
static const char *const on_missing_words[] = {"deny", "skip", NULL};

/* --- blocks: what each makes, then its words --- */

static bool set_policies(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    (void)c;
    (void)d;
    ((struct tg_policy_conf *)target)->item = item;
    return true;
}

static bool set_signers(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    unsigned files = item->nargs - 1;

    (void)d;
    for (unsigned i = 1; i < item->nargs; i++)
        files -= tg_str_eq(item->args[i], TG_STR(TG_BUNDLE_MAY_FALL));
    ((struct tg_policy_conf *)target)->signers = item;
    if (files >= 1 && files <= TG_BUNDLE_KEYS)
        return true;
    tg_conf_error(c, item, "\"policies_signed_by\" takes 1 to %d files of public keys, got %u",
                  TG_BUNDLE_KEYS, files);
    return false;
}

static bool set_table(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    (void)d;
    return tg_policy_set_table(c, item, target);
}

static bool apply(struct tg_conf *c, unsigned context, const struct tg_conf_item *item,
                  void *target)
{
    const struct tg_conf_table table = {tg_policy_directives, target};

    return tg_conf_apply(c, context, item->children, &table, 1);
}

static bool set_policy(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    unsigned errors = c->errors;
    struct tg_policy *p = tg_policy_begin(c, item, target);

    (void)d;
    (void)apply(c, TG_IN_POLICY, item, p);
    tg_policy_finish(c, p, c->errors == errors);
    return c->errors == errors;
}

static bool set_rule(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    unsigned errors = c->errors;
    struct tg_policy_rule *rule = tg_policy_rule_begin(c, item, target);

    (void)d;
    if (apply(c, TG_IN_RULE, item, rule))
        tg_policy_rule_finish(c, rule);
    return c->errors == errors;
}

static bool set_any_of(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    bool ok = tg_policy_any_of_begin(c, item, target);

    (void)d;
    return apply(c, TG_IN_ANY_OF, item, target) && ok;
}

/* Records which tests there are. */
static bool unknown_test(struct tg_conf *c, const struct tg_conf_item *item)
{
    const char *names[32];
    size_t n = 0;

    for (const struct tg_directive *d = tg_policy_directives; d->name != NULL; d++)
        if ((d->contexts & TG_IN_ANY_OF) != 0 && n < sizeof(names) / sizeof(*names) - 1)
            names[n++] = d->name;
    names[n] = NULL;
    tg_conf_unknown(c, item, "test", item->args[2], names);
    return false;
}

/* "when PATH TEST OPERAND...": the test is read as it would be on a line of its own. */
static bool set_when(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    struct tg_policy_check *when = tg_policy_when_begin(c, item, target);
    struct tg_conf_item *test = tg_arena_alloc(c->arena, sizeof(*test));
    const struct tg_directive *row = tg_conf_row(tg_policy_directives, item->args[2], TG_IN_ANY_OF);
    struct tg_policy_rule holder = {.checks = when};

    (void)d;
    *test = *item;
    test->args += 2;
    test->nargs -= 2;
    if (row == NULL)
        return unknown_test(c, item);
    if (when->npaths == 0 || !tg_conf_set(c, test, row, &holder))
        return false;
    tg_policy_when_finish(c, when);
    return true;
}

static bool set_exception(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    unsigned errors = c->errors;
    struct tg_policy_exception *e = tg_policy_exception_begin(c, item, target);

    (void)d;
    if (apply(c, TG_IN_EXCEPTION, item, e))
        tg_policy_exception_finish(c, e);
    return c->errors == errors;
}

/* --- words --- */

enum {
    ANYWHERE = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
    CHECKED = TG_IN_RULE | TG_IN_ANY_OF,
};

#define TEST(word, least, most, text, about)                                                       \
    {                                                                                              \
        .name = (word), .contexts = CHECKED, .kind = TG_CONF_CUSTOM, .min_args = (least),          \
        .max_args = (most), .syntax = (text), .help = (about), .set = tg_set_policy_test           \
    }

const struct tg_directive tg_policy_directives[] = {
    {.name = "policies",
     .contexts = ANYWHERE,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "PATTERN ...",
     .help = "Policy files, as paths or patterns such as `policies/*.conf`. Files whose name ends "
             "in `.test.conf` hold tests and are left out. A pattern without a match is an error.",
     .set = set_policies},
    {.name = "policies_signed_by",
     .contexts = ANYWHERE,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "FILE ... [revision_may_fall]",
     .help = "Public keys (Ed25519, PEM), one of which must have signed the policies: their folder "
             "holds MANIFEST, with `# revision NUMBER`, `# expires DAY` and what sha256sum writes "
             "of each file, and MANIFEST.sig. What is read and not listed, or has other bytes, "
             "stops the load; so does what is listed and missing. A reload refuses another set "
             "that has expired, or has a lower revision without `revision_may_fall`; one that "
             "expires while it is in force goes on. `trainguard policy sign` signs.",
     .set = set_signers},
    {.name = "table",
     .contexts = TG_IN_POLICY_FILE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .syntax = "NAME FILE",
     .help =
         "A table of comma-separated values (RFC 4180), for `match SUBJECT in NAME` and "
         "`{NAME.COLUMN}` in tests. The first row names the columns, the first column is the key. "
         "FILE is relative to the folder of the policy file.",
     .set = set_table},
    {.name = "policy",
     .contexts = TG_IN_POLICY_FILE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .syntax = "NAME",
     .help = "Rules for the requests that all its matches hold for.",
     .set = set_policy},
    {.name = "description",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy, description),
     .syntax = "TEXT",
     .help = "What the policy is for."},
    {.name = "mode",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_ENUM,
     .words = tg_policy_modes,
     .offset = offsetof(struct tg_policy, mode),
     .syntax = "deny | warn | dryrun",
     .help = "What a rule that fails does: refuse the request (the default), tell the client in a "
             "`Warning` line, or nothing but an entry in the audit log."},
    {.name = "on_error",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_ENUM,
     .words = on_error_words,
     .offset = offsetof(struct tg_policy, on_error),
     .syntax = "allow | deny",
     .help = "What a rule that could not be judged, because a pattern hit its limit, does under "
             "`mode deny`. The default is `deny`."},
    {.name = "on_missing",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_ENUM,
     .words = on_missing_words,
     .offset = offsetof(struct tg_policy, on_missing),
     .syntax = "deny | skip",
     .help = "What becomes of a rule whose cell of a table is empty: it fails (the default) or is "
             "skipped."},
    {.name = "match",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .offset = offsetof(struct tg_policy, matches),
     .syntax = "SUBJECT VALUE ... | SUBJECT ~ PATTERN | SUBJECT in TABLE",
     .help = "Which requests: `method`, `route` (the path of the location as it is written), "
             "`project_id`, `config_name`, `principal` (access key, or the HMAC of "
             "the token as the audit log has it, or `tls:` and the common name of a client's "
             "certificate), `user` (id, or DOMAIN/NAME), `domain`, `role` (of the filter "
             "`identify`), `client` (addresses or networks), `header NAME`. "
             "Every match must hold, of its values one; without any it is all requests. A subject "
             "that is not known of a request counts as one that matches.",
     .set = tg_set_policy_match},
    {.name = "unless",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .offset = offsetof(struct tg_policy, matches),
     .syntax = "SUBJECT VALUE ... | SUBJECT ~ PATTERN | SUBJECT in TABLE",
     .help =
         "For which requests it is not meant, with the subjects of `match`: those that have one "
         "of the values. What is not known of a request switches nothing off.",
     .set = tg_set_policy_match},
    {.name = "rule",
     .contexts = TG_IN_POLICY,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .syntax = "NAME",
     .help = "One demand: where to look (`at`, `any_of`) and what must hold there.",
     .set = set_rule},
    {.name = "at",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_CUSTOM,
     .syntax = "PATH",
     .help =
         "The member to look at: `spec_id`, `flavor.code`, `parameter[*].label` (each one), "
         "`parameter[label=NAME].value` (those with that label). `old` and `old.PATH` look into "
         "the config that stands there already (filter `current`), `spec.gpu_num`, `total.gpus` "
         "and such into what the catalogue says (filter `catalogue`).",
     .set = tg_set_policy_at},
    {.name = "at_unknown",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_CUSTOM,
     .syntax = "PATH",
     .help = "The same for a member that the API's documents do not name.",
     .set = tg_set_policy_at},
    {.name = "when",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "PATH TEST VALUE ...",
     .help =
         "A condition: the rule is skipped unless the test holds there, of several values (`[*]`) "
         "for any. One that could not be judged counts as met. Of several lines all must hold.",
     .set = set_when},
    {.name = "any_of",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "PATH ...",
     .help = "Tests over several paths of which any may hold the value. `required` asks for one of "
             "them; the other tests must hold for every value that is there.",
     .set = set_any_of},
    {.name = "mode",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_ENUM,
     .words = tg_policy_modes,
     .offset = offsetof(struct tg_policy_rule, mode),
     .syntax = "deny | warn | dryrun",
     .help = "Overrides the policy's."},
    {.name = "message",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy_rule, message),
     .syntax = "TEXT",
     .help = "What the client is told, instead of the test in words."},
    {.name = "message_zh",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy_rule, message_zh),
     .syntax = "TEXT",
     .help = "The same in Chinese."},
    TEST("required", 0, TG_CONF_NO_ARGS, "", "The member must be there."),
    TEST("absent", 0, TG_CONF_NO_ARGS, "", "The member must not be there."),
    TEST("equals", 1, 1, "VALUE", "A number equals in value, a string letter by letter."),
    TEST("in", 1, TG_CONF_ANY_ARGS, "VALUE ...", "Equals one of them."),
    TEST("not_in", 1, TG_CONF_ANY_ARGS, "VALUE ...",
         "Equals none of them, nor is it another spelling of one that is a number."),
    TEST("min", 1, 1, "NUMBER",
         "The least it may be. Exact, also beyond 64 bits; text that is no number fails."),
    TEST("max", 1, 1, "NUMBER", "The most it may be."),
    TEST("min_length", 1, 1, "NUMBER", "The least characters (Unicode code points)."),
    TEST("max_length", 1, 1, "NUMBER", "The most characters."),
    TEST("prefix", 1, TG_CONF_ANY_ARGS, "TEXT ...",
         "Begins with one of them. An OBS path must have its legal form."),
    TEST("not_prefix", 1, TG_CONF_ANY_ARGS, "TEXT ...",
         "Begins with none of them, whatever the case of letters (OBS paths: exactly)."),
    TEST("matches", 1, TG_CONF_ANY_ARGS, "PATTERN ...",
         "One of the regular expressions (PCRE2) is found in it."),
    TEST("not_matches", 1, TG_CONF_ANY_ARGS, "PATTERN ...", "None of them is."),
    TEST("changed", 0, TG_CONF_NO_ARGS, "",
         "It differs from the config that stands there already (filter `current`); skipped where "
         "none does."),
    TEST("unchanged", 0, TG_CONF_NO_ARGS, "", "It does not differ from it."),
    TEST("increases", 0, TG_CONF_NO_ARGS, "",
         "The number is larger than there, or there is none there."),
    {.name = "deny",
     .contexts = TG_IN_RULE,
     .kind = TG_CONF_CUSTOM,
     .max_args = TG_CONF_NO_ARGS,
     .syntax = "",
     .help = "Fails whenever the policy matches and the rule's `when` hold, also without a body.",
     .set = tg_set_policy_deny},
    {.name = "exception",
     .contexts = TG_IN_POLICY_FILE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .syntax = "NAME",
     .help = "Turns rules of a policy off for the requests it matches, until a day.",
     .set = set_exception},
    {.name = "policy",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy_exception, policy),
     .syntax = "NAME",
     .help = "Whose rules."},
    {.name = "rule",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "NAME ...",
     .help = "Which of them.",
     .set = tg_set_waived_rules},
    {.name = "match",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .offset = offsetof(struct tg_policy_exception, matches),
     .syntax = "SUBJECT VALUE ... | SUBJECT ~ PATTERN | SUBJECT in TABLE",
     .help =
         "For which requests, as in a policy; but a subject that is not known of a request does "
         "not match.",
     .set = tg_set_policy_match},
    {.name = "unless",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .offset = offsetof(struct tg_policy_exception, matches),
     .syntax = "SUBJECT VALUE ... | SUBJECT ~ PATTERN | SUBJECT in TABLE",
     .help = "For which requests it is not granted. A subject that is not known of a request "
             "switches the exception off.",
     .set = tg_set_policy_match},
    {.name = "owner",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy_exception, owner),
     .syntax = "TEXT",
     .help = "Who answers for it."},
    {.name = "ticket",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_policy_exception, ticket),
     .syntax = "TEXT",
     .help = "Where it was granted."},
    {.name = "expires",
     .contexts = TG_IN_EXCEPTION,
     .kind = TG_CONF_CUSTOM,
     .syntax = "YYYY-MM-DD",
     .help = "The last day on which it holds, to its end in UTC.",
     .set = tg_set_expires},
    {.name = NULL},
};
