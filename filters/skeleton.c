/*
 * The filter to copy: refuses configs without a description. It is compiled and tested, and built
 * as a module that `load_module` takes. README.md beside this file explains it line by line.
 *
 * To build one in, call the struct tg_filter_<name> and add a line to filters/table.c.
 */
#include "chain/filter.h"

/* One per location; the inner block starts with a copy of the outer one's. */
struct skeleton_conf {
    bool required;
};

static const struct tg_directive directives[] = {
    {.name = "skeleton_required",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_FLAG,
     .offset = offsetof(struct skeleton_conf, required),
     .fallback = "on",
     .syntax = "on | off",
     .help = "Whether a config must have a description."},
    {.name = NULL},
};

/* One per exchange, zeroed. */
struct skeleton_state {
    bool refused;
};

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct skeleton_conf *c = conf;
    struct skeleton_state *s = state;
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = "skeleton",
                           .error = TG_E_MISSING,
                           .pointer = TG_STR("/config_desc"),
                           .offset = TG_NONE,
                           .message = {.before = TG_STR("is required: say what the config is for")},
                           .message_zh = {.before = TG_STR("必填: 请说明配置的用途")}};

    if (!c->required || tg_doc_type(r->doc, r->config) != TG_OBJECT ||
        tg_doc_member(r->doc, r->config, TG_STR("config_desc")) != TG_NONE)
        return TG_NEXT;
    s->refused = true;
    tg_report_add(&r->report, &f);
    return tg_refuse(r);
}

/* Runs once for each on_request that ran, however the exchange ended: the place to give back what
 * is not in the request's arena. */
static void on_done(struct tg_request *r, const void *conf, void *state)
{
    const struct skeleton_state *s = state;

    (void)conf;
    if (s->refused)
        tg_log(TG_LOG_DEBUG, "skeleton", "a config without a description, request %.*s",
               TG_STR_ARG(r->request_id));
}

const struct tg_filter tg_module_filter = {
    .abi = TG_FILTER_ABI,
    .name = "skeleton",
    .help = "Refuses configs without a description.",
    .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
    .directives = directives,
    .conf_size = sizeof(struct skeleton_conf),
    .state_size = sizeof(struct skeleton_state),
    .on_request = on_request,
    .on_done = on_done,
};
