/* resolv.conf and hosts: any bytes give servers that can be asked, names that fit, real addresses.
 */
#include "base/address.h"
#include "base/check.h"
#include "net/name_files.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that reads behind the end are seen. */
static struct tg_str copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return (struct tg_str){copy, size};
}

static size_t length(const char text[TG_NAME_TEXT])
{
    const char *end = memchr(text, '\0', TG_NAME_TEXT);

    CHECK(end != NULL && end != text);
    return (size_t)(end - text);
}

/* Names to ask for end, and each holds the name that was looked up. */
static void check_candidates(const struct tg_name_conf *conf, struct tg_str name)
{
    char text[TG_NAME_TEXT];
    unsigned k = 0;

    while (tg_name_candidate(conf, name, k, text)) {
        CHECK(++k <= conf->ndomains + 1);
        CHECK(length(text) + 1 >= name.n); /* a dot at its end goes */
    }
}

static void check_conf(struct tg_str bytes, struct tg_str name)
{
    struct tg_name_conf *conf = malloc(sizeof(*conf));

    CHECK(conf != NULL);
    tg_name_conf_parse(conf, bytes);
    CHECK(conf->nservers >= 1 && conf->nservers <= TG_NAME_SERVERS);
    CHECK(conf->ndomains <= TG_NAME_DOMAINS && conf->ndots <= 15);
    for (unsigned i = 0; i < conf->nservers; i++) {
        char text[TG_ADDRESS_TEXT];

        CHECK(tg_address_port(&conf->server[i]) > 0);
        tg_address_text(&conf->server[i], text);
    }
    for (unsigned i = 0; i < conf->ndomains; i++)
        (void)length(conf->domain[i]);
    check_candidates(conf, TG_STR("modelarts"));
    check_candidates(conf, TG_STR("a.b.c."));
    check_candidates(conf, name);
    free(conf);
}

static void check_hosts(struct tg_str bytes, struct tg_str name)
{
    struct tg_name_addresses found = {0};

    if (!tg_hosts_find(bytes, name, &found))
        return;
    CHECK(found.nv4 + found.nv6 > 0);
    CHECK(found.nv4 <= TG_NAME_ADDRESSES && found.nv6 <= TG_NAME_ADDRESSES);
    CHECK(found.ttl == UINT32_MAX); /* no record says it */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t first = newline != NULL ? (size_t)(newline - data) : 0;
    struct tg_str name = copy_of(data, first); /* the first line: a name to look up */
    struct tg_str bytes = copy_of(data + first, size - first);

    if (name.n == 0 || name.n >= TG_NAME_TEXT || memchr(name.p, '\0', name.n) != NULL) {
        free((void *)(uintptr_t)name.p);
        name = copy_of((const uint8_t *)"localhost", 9);
    }
    check_conf(bytes, name);
    check_hosts(bytes, name);
    check_hosts(bytes, TG_STR("localhost"));
    free((void *)(uintptr_t)name.p);
    free((void *)(uintptr_t)bytes.p);
    return 0;
}
