/* Addresses of a server, in the order to try them. */
#include "net/addresses.h"

#include "base/check.h"

#include <netinet/in.h>

static void addresses_add(struct tg_addresses *a, const void *address, socklen_t len)
{
    if (a->n == TG_MAX_ADDRESSES)
        return;
    CHECK(len <= sizeof(a->address[0]));
    memset(&a->address[a->n], 0, sizeof(a->address[0]));
    memcpy(&a->address[a->n], address, len);
    a->len[a->n++] = len;
}

static void add_v4(struct tg_addresses *a, struct in_addr address, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};

    addresses_add(a, &v4, sizeof(v4));
}

static void add_v6(struct tg_addresses *a, struct in6_addr address, uint16_t port)
{
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address};

    addresses_add(a, &v6, sizeof(v6));
}

void tg_addresses_literal(struct tg_addresses *a, struct tg_str host, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len = tg_address_make(host, port, &address);

    if (len > 0)
        addresses_add(a, &address, len);
}

void tg_addresses_resolved(struct tg_addresses *a, const struct tg_name_addresses *found,
                           uint16_t port)
{
    a->n = 0;
    for (unsigned i = 0; i < found->nv4 || i < found->nv6; i++) {
        if (i < found->nv4)
            add_v4(a, found->v4[i], port);
        if (i < found->nv6)
            add_v6(a, found->v6[i], port);
    }
}
