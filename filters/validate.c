/* `validate`: judges the normalized config by the contract's rules. */
#include "contract/contract.h"

struct validate_conf {
    int level; /* enum tg_contract_level */
};

static const struct tg_directive directives[] = {
    {.name = "validate",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_ENUM,
     .offset = offsetof(struct validate_conf, level),
     .words = tg_contract_levels,
     .fallback = "documented",
     .syntax = "lax | documented | strict",
     .help = "How strict configs are judged. lax: types, lengths and forms of what is there. "
             "documented: also what must be there, and warnings. strict: warnings refuse too."},
    {.name = NULL},
};

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct validate_conf *c = conf;

    (void)state;
    tg_contract_judge(r, (enum tg_contract_level)c->level);
    return TG_NEXT; /* violations are told together with those of the filters behind */
}

const struct tg_filter tg_filter_validate = {
    .abi = TG_FILTER_ABI,
    .name = "validate",
    .help = "Refuses configs that the API does not take, with every violation in one answer.",
    .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
    .directives = directives,
    .conf_size = sizeof(struct validate_conf),
    .on_request = on_request,
};
