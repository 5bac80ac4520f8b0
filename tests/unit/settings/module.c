/* A filter outside the tree, built several times: as it should be, and with one mistake each. */
#include "chain/filter.h"

extern const struct tg_filter MODULE_SYMBOL;

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    (void)r;
    (void)conf;
    (void)state;
    return TG_NEXT;
}

static const struct tg_directive directives[] = {
    {.name = "outside_limit",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_NUMBER,
     .max = 10,
     .fallback = "3",
     .help = "A limit."},
    {.name = NULL},
};

const struct tg_filter MODULE_SYMBOL = {
    .abi = MODULE_ABI,
    .name = MODULE_NAME,
    .help = "Stands outside.",
    .directives = directives,
    .conf_size = sizeof(int64_t),
    .on_request = on_request,
};
