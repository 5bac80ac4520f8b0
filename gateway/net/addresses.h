/* Addresses of one server, in the order to try them. Pure. */
#ifndef TG_NET_ADDRESSES_H
#define TG_NET_ADDRESSES_H

#include "base/address.h"
#include "net/name_files.h"

enum { TG_MAX_ADDRESSES = 8 };

struct tg_addresses {
    struct sockaddr_storage address[TG_MAX_ADDRESSES];
    socklen_t len[TG_MAX_ADDRESSES];
    unsigned n;
};

/* Appends the address a host is, when it is one (without brackets). */
void tg_addresses_literal(struct tg_addresses *a, struct tg_str host, uint16_t port);

/* Sets the addresses to those of a name, the families taking turns and IPv4 first: when one of them
 * leads nowhere, the second attempt is of the other (RFC 8305 section 4). What does not fit is left
 * out. */
void tg_addresses_resolved(struct tg_addresses *a, const struct tg_name_addresses *found,
                           uint16_t port);

#endif
