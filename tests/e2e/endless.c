/*
 * A filter outside the tree for tests. It never comes to an end with requests for /endless. When it
 * is loaded, it renames $TEST_RENAME_FROM to $TEST_RENAME_TO: files that change while they are
 * read.
 */
#include "chain/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NAME
#define NAME "endless"
#endif

static void __attribute__((constructor)) change_files(void)
{
    const char *from = getenv("TEST_RENAME_FROM"), *to = getenv("TEST_RENAME_TO");

    if (from != NULL && to != NULL)
        (void)rename(from, to); /* the second time there is nothing to rename */
}

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
    .name = NAME,
    .help = "Never ends.",
    .on_request = on_request,
};
