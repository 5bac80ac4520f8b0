#include "upstream/addresses.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

void tg_addresses_add(struct tg_addresses *a, const struct sockaddr *address, socklen_t len)
{
    if (a->n == TG_MAX_ADDRESSES ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    CHECK(len <= sizeof(a->address[0]));
    memset(&a->address[a->n], 0, sizeof(a->address[0]));
    memcpy(&a->address[a->n], address, len);
    a->len[a->n++] = len;
}

void tg_addresses_literal(struct tg_addresses *a, const struct tg_upstream_server *o)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};

    if (inet_pton(AF_INET, o->host.p, &v4.sin_addr) == 1)
        tg_addresses_add(a, (struct sockaddr *)&v4, sizeof(v4));
    else if (inet_pton(AF_INET6, o->host.p, &v6.sin6_addr) == 1)
        tg_addresses_add(a, (struct sockaddr *)&v6, sizeof(v6));
}

void tg_addresses_interleave(struct tg_addresses *a)
{
    struct tg_addresses in = *a;
    bool used[TG_MAX_ADDRESSES] = {false};
    sa_family_t last = AF_UNSPEC;

    a->n = 0;
    while (a->n < in.n) {
        unsigned next = in.n;

        for (unsigned i = 0; i < in.n; i++) {
            if (used[i])
                continue;
            if (next == in.n)
                next = i; /* of either family, if the other one has no more */
            if (in.address[i].ss_family != last) {
                next = i;
                break;
            }
        }
        CHECK(next < in.n);
        used[next] = true;
        last = in.address[next].ss_family;
        a->address[a->n] = in.address[next];
        a->len[a->n++] = in.len[next];
    }
}

void tg_address_text(const struct sockaddr_storage *address, char out[TG_ADDRESS_TEXT])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    char host[INET6_ADDRSTRLEN];

    if (address->ss_family == AF_INET) {
        CHECK(inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL);
        snprintf(out, TG_ADDRESS_TEXT, "%s:%u", host, ntohs(v4->sin_port));
    } else {
        CHECK(inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL);
        snprintf(out, TG_ADDRESS_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}
