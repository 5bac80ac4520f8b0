/* A filter outside the tree that never comes to an end with requests for /endless. */
#include "chain/filter.h"

#include <string.h>

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    static const char path[] = "/endless";
    volatile bool endless =
        r->path.n == sizeof(path) - 1 && memcmp(r->path.p, path, r->path.n) == 0;

    (void)conf;
    (void)state;
    while (endless)
        ;
    return TG_NEXT;
}

extern const struct tg_filter tg_module_filter;
const struct tg_filter tg_module_filter = {
    .abi = TG_FILTER_ABI,
    .name = "endless",
    .help = "Never ends.",
    .on_request = on_request,
};
