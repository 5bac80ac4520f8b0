/* Addresses of one origin, in the order to try them. Pure. */
#ifndef TG_UPSTREAM_ADDRESSES_H
#define TG_UPSTREAM_ADDRESSES_H

#include "base/address.h"
#include "settings/settings.h"

enum { TG_MAX_ADDRESSES = 8 };

struct tg_addresses {
    struct sockaddr_storage address[TG_MAX_ADDRESSES];
    socklen_t len[TG_MAX_ADDRESSES];
    unsigned n;
};

/* Appends an IPv4 or IPv6 address; what does not fit, or is of another family, is left out. */
void tg_addresses_add(struct tg_addresses *a, const struct sockaddr *address, socklen_t len);

/* Appends the address an origin's host is, when it is one. */
void tg_addresses_literal(struct tg_addresses *a, const struct tg_upstream_server *o);

/* Makes the families take turns, beginning with the first address's: when one of the two leads
 * nowhere, the second attempt is of the other (RFC 8305 section 4). The order within each stays. */
void tg_addresses_interleave(struct tg_addresses *a);

#endif
