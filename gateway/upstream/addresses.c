#include "upstream/addresses.h"

#include "base/check.h"

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
    struct sockaddr_storage address;
    socklen_t len = tg_address_make(o->host, o->port, &address);

    if (len > 0)
        tg_addresses_add(a, (struct sockaddr *)&address, len);
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
