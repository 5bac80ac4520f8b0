/*
 * `normalize`: repairs what can be repaired without guessing. Here are its directives and what
 * becomes of signed requests; steps.c has the steps.
 */
#include "normalize/normalize.h"
#include "chain/secret_names.h"
#include "normalize/internal.h"

#include "base/check.h"

struct normalize_conf {
    uint8_t choice[TG_NORMAL_STEPS]; /* 0: as the table says, else 1 on, 2 off */
    const struct tg_normal_default *defaults;
    unsigned ndefaults;
};

static const char *const flag_words[] = {"on", "off", NULL};
static const char own_row[] = "normalize_default"; /* a step without a switch */

/* --- directives --- */

static bool set_normalize(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    struct normalize_conf *conf = target;
    const char *names[TG_NORMAL_STEPS + 1];
    unsigned n = 0;
    int choice;

    (void)d;
    if (!tg_conf_word(c, item, item->args[2], flag_words, &choice))
        return false;
    for (unsigned i = 0; i < TG_NORMAL_STEPS; i++) {
        const char *name = tg_normal_steps[i].name;

        if (strcmp(name, own_row) == 0)
            continue;
        if (tg_str_eq(item->args[1], tg_str_of(name))) {
            conf->choice[i] = (uint8_t)choice;
            return true;
        }
        names[n++] = name;
    }
    names[n] = NULL;
    tg_conf_unknown(c, item, "normalization", item->args[1], names);
    return false;
}

static bool check_default(struct tg_conf *c, const struct tg_conf_item *item,
                          const struct tg_contract_member *row)
{
    struct tg_str value = item->args[2];
    bool integer = row->type == TG_CONTRACT_INTEGER;
    struct tg_request none = {
        .arena = c->arena, .project_id = TG_STR("x"), .config_name = TG_STR("x")};
    struct tg_str text;
    uint64_t number;

    if ((row->type != TG_CONTRACT_STRING && !integer) || (row->flags & TG_CONTRACT_RESPONSE))
        tg_conf_error(c, item, "\"normalize_default\" cannot set \"%s\"", row->name);
    else if (!tg_normal_expand(&none, value, &text))
        tg_conf_error(c, item,
                      "\"normalize_default\" knows {project_id} and {config_name}, got \"%s\"",
                      value.p);
    else if (integer && (!tg_str_u64(text, &number) || number > INT64_MAX))
        tg_conf_error(c, item, "\"normalize_default\" takes an integer for \"%s\", got \"%s\"",
                      row->name, value.p);
    else
        return true;
    return false;
}

/* Into a copy: the outer block's list stays as it is. A member named again has the inner value. */
static void add_default(struct tg_conf *c, struct normalize_conf *conf,
                        const struct tg_contract_member *row, struct tg_str value)
{
    struct tg_normal_default *all = tg_arena_alloc(c->arena, (conf->ndefaults + 1) * sizeof(*all));
    unsigned at = 0;

    if (conf->ndefaults > 0)
        memcpy(all, conf->defaults, conf->ndefaults * sizeof(*all));
    while (at < conf->ndefaults && all[at].member != row)
        at++;
    all[at] = (struct tg_normal_default){row, value};
    conf->defaults = all;
    if (at == conf->ndefaults)
        conf->ndefaults++;
}

static bool set_default(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct normalize_conf *conf = target;
    const struct tg_contract_member *row = tg_contract_find(tg_contract_config, item->args[1]);
    const char *names[64];
    unsigned n = 0;

    (void)d;
    if (row == NULL) {
        for (row = tg_contract_config; row->name != NULL; row++)
            names[n++] = row->name;
        CHECK(n < sizeof(names) / sizeof(*names));
        names[n] = NULL;
        tg_conf_unknown(c, item, "member", item->args[1], names);
        return false;
    }
    if (!check_default(c, item, row))
        return false;
    add_default(c, conf, row, item->args[2]);
    return true;
}

static const struct tg_directive directives[] = {
    {.name = "normalize",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .syntax = "NAME on | off",
     .help = "Switches one normalization. On unless switched off: key_to_label, number_to_string, "
             "string_to_integer, drop_response_members, obs_scheme. Off unless switched on: "
             "directory_slash, engine_default, drop_nulls.",
     .set = set_normalize},
    {.name = "normalize_default",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .syntax = "MEMBER VALUE",
     .help = "Adds a member to configs in which it is absent, null or \"\". {project_id} and "
             "{config_name} in the value are those of the request's path; where the path has none "
             "of that name, nothing is added.",
     .set = set_default},
    {.name = NULL},
};

/* --- signed requests: the signature covers the body, so a change would break it (contract section
 * 6) --- */

static bool covers_body(const struct tg_request *r)
{
    return r->credentials == TG_CRED_SIGNED &&
           !tg_str_eq(tg_request_field(r, TG_STR("X-Sdk-Content-Sha256")),
                      TG_STR("UNSIGNED-PAYLOAD"));
}

/* How the client would have to send it, so that nothing needs a change. */
static void report_change(struct tg_request *r, const struct tg_change *change)
{
    static const struct {
        const char *text, *text_zh;
    } ways[] = {
        [TG_CHANGE_REPLACE] = {"write it as", "应写作"},
        [TG_CHANGE_RENAME] = {"call it", "应命名为"},
        [TG_CHANGE_REMOVE] = {"leave it out", "应去掉"},
        [TG_CHANGE_ADD] = {"add it as", "应添加为"},
    };
    struct tg_str to = change->to; /* of a rename alone */
    struct tg_str new = change->new_text;
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = "signed_change",
                           .error = TG_E_SIGNED_CHANGE,
                           .pointer = change->pointer,
                           .offset = change->op == TG_CHANGE_ADD ? TG_NONE : change->offset};

    CHECK(change->op >= TG_CHANGE_REPLACE && change->op <= TG_CHANGE_ADD);
    if (r->report.violations < TG_MAX_FINDINGS) {
        f.message.before = tg_arena_printf(
            r->arena, "needs the change %s, which the signature forbids: %s%s%.*s", change->why,
            ways[change->op].text, new.n + to.n > 0 ? " " : "", TG_STR_ARG(to));
        f.message.after = TG_STR(", then sign");
        f.message_zh.before =
            tg_arena_printf(r->arena, "需要修改 (%s), 但签名不允许: %s%s%.*s", change->why,
                            ways[change->op].text_zh, new.n + to.n > 0 ? " " : "", TG_STR_ARG(to));
        f.message_zh.after = TG_STR(" 后重新签名");
        f.value =
            (struct tg_message_value){new, change->node, tg_secret_value(r->doc, change->node)};
    }
    tg_report_add(&r->report, &f);
}

/* A violation for each change, which says how the client would have to send it. */
static void forbid_changes(struct tg_request *r)
{
    if (!covers_body(r) || r->aksk == TG_AKSK_RESIGN)
        return;
    for (const struct tg_change *c = r->doc->changes; c != NULL; c = c->next)
        report_change(r, c);
}

/* --- the filter --- */

static bool is_on(const struct normalize_conf *c, unsigned step)
{
    CHECK(step < TG_NORMAL_STEPS);
    return c->choice[step] == 0 ? tg_normal_steps[step].on : c->choice[step] == 1;
}

void tg_normalize_stored(struct tg_request *r)
{
    struct tg_normal n = {.request = r, .doc = r->doc, .config = r->config};

    CHECK(r->doc != NULL && tg_doc_type(r->doc, r->config) == TG_OBJECT);
    n.member = tg_contract_members(n.doc, n.config)->value;
    for (unsigned i = 0; i < TG_NORMAL_STEPS; i++) {
        n.why = tg_normal_steps[i].name;
        if (tg_normal_steps[i].on)
            tg_normal_steps[i].run(&n);
    }
}

static enum tg_verdict normalize_on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct normalize_conf *c = conf;
    struct tg_normal n = {.request = r, .doc = r->doc, .config = r->config};

    (void)state;
    CHECK(r->doc != NULL);
    n.defaults = c->defaults;
    n.ndefaults = c->ndefaults;
    if (tg_doc_type(r->doc, r->config) != TG_OBJECT)
        return TG_NEXT; /* left to the rules */
    n.member = tg_contract_members(n.doc, n.config)->value;
    for (unsigned i = 0; i < TG_NORMAL_STEPS; i++) {
        n.why = tg_normal_steps[i].name;
        if (is_on(c, i))
            tg_normal_steps[i].run(&n);
    }
    forbid_changes(r);
    /* violations are reported together with those of the filters behind */
    return TG_NEXT;
}

const struct tg_filter tg_filter_normalize = {
    .abi = TG_FILTER_ABI,
    .name = "normalize",
    .help = "Repairs what real clients get wrong and what can be repaired without guessing.",
    .traits = TG_NEEDS_DOCUMENT | TG_CHANGES_BODY,
    .directives = directives,
    .conf_size = sizeof(struct normalize_conf),
    .on_request = normalize_on_request,
};
