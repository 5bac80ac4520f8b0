/* IPv4 and IPv6 addresses of sockets, as text and back. */
#ifndef TG_BASE_ADDRESS_H
#define TG_BASE_ADDRESS_H

#include "base/buf.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
    TG_ADDRESS_HOST = 46, /* bytes of "IPv6" with its NUL */
    TG_ADDRESS_TEXT = 56  /* bytes of "[IPv6]:port" with its NUL */
};

/* Reads an address of a family (AF_INET, AF_INET6) into `bytes` (4 or 16, in network order), as
 * inet_pton() does for a C string. False when the text is none. */
bool tg_address_read(int family, struct tg_str text, void *bytes);

/* Writes the bytes of an address the one way inet_ntop() does, with a NUL. */
void tg_address_write(int family, const void *bytes, char out[TG_ADDRESS_HOST]);

/* Makes the socket address of an address of either family, without brackets, and a port; returns
 * its length, or 0 (and *out is zeroed) when the text is no address. */
socklen_t tg_address_make(struct tg_str host, uint16_t port, struct sockaddr_storage *out);

/* The bytes of an IPv4 or IPv6 socket address; NULL for one of another family. */
const void *tg_address_bytes(const struct sockaddr *address);

/* The port of an IPv4 or IPv6 socket address, in host order; -1 for one of another family. */
int tg_address_port(const struct sockaddr_storage *address);

/* Gives an IPv4 or IPv6 socket address another port; one of another family stays as it is. */
void tg_address_set_port(struct sockaddr_storage *address, uint16_t port);

/* Writes an IPv4 or IPv6 socket address (CHECKed) as "10.0.0.1:443" or "[2001:db8::1]:443". */
void tg_address_text(const struct sockaddr_storage *address, char out[TG_ADDRESS_TEXT]);

/* Appends a host, which is a name or an address, as an authority has it: IPv6 in brackets (RFC 3986
 * section 3.2.2). */
void tg_address_add_host(struct tg_buf *out, struct tg_str host);

/* Addresses that begin with the same bits. */
struct tg_network {
    struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;           /* of the 128 */
};

/* Reads ADDRESS or ADDRESS/BITS of either family. NULL, or what is wrong with the text ("is no
 * address", static), which is to stand behind it. */
const char *tg_network_read(struct tg_str text, struct tg_network *out);

/* True when an address is one of a network's. */
bool tg_network_has(const struct tg_network *network, const struct in6_addr *address);

/* Reads an address of either family as one of IPv6, IPv4 as ::ffff:a.b.c.d. False when the text is
 * none. */
bool tg_network_address(struct tg_str text, struct in6_addr *out);

#endif
