/* Addresses of one origin, in the order to try them. Pure. */
#ifndef TG_UPSTREAM_ADDRESSES_H
#define TG_UPSTREAM_ADDRESSES_H

#include "settings/settings.h"

enum {
    TG_MAX_ADDRESSES = 8,
    TG_ADDRESS_TEXT = 56 /* bytes of "[IPv6]:port" with its NUL */
};

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

/* Writes "10.0.0.1:443" or "[2001:db8::1]:443" with a NUL. */
void tg_address_text(const struct sockaddr_storage *address, char out[TG_ADDRESS_TEXT]);

#endif
