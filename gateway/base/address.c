/* Addresses of sockets as text and back. */
#include "base/address.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <stdio.h>

_Static_assert((int)TG_ADDRESS_HOST == INET6_ADDRSTRLEN, "room for every address");

bool tg_address_read(int family, struct tg_str text, void *bytes)
{
    char copy[TG_ADDRESS_HOST];

    /* inet_pton() would stop at a NUL without complaint */
    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, bytes) == 1;
}

void tg_address_write(int family, const void *bytes, char out[TG_ADDRESS_HOST])
{
    CHECK(inet_ntop(family, bytes, out, TG_ADDRESS_HOST) != NULL);
}

socklen_t tg_address_make(struct tg_str host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    bool is_v4;

    memset(out, 0, sizeof(*out));
    is_v4 = tg_address_read(AF_INET, host, &v4->sin_addr);
    if (!is_v4 && !tg_address_read(AF_INET6, host, &v6->sin6_addr))
        return 0;
    out->ss_family = is_v4 ? AF_INET : AF_INET6;
    tg_address_set_port(out, port);
    return is_v4 ? sizeof(*v4) : sizeof(*v6);
}

const void *tg_address_bytes(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address->sa_family == AF_INET6)
        return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return NULL;
}

/* Where the port stands, in network order; NULL: the family has none. */
static in_port_t *port_of(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return &((struct sockaddr_in *)(void *)address)->sin_port;
    if (address->ss_family == AF_INET6)
        return &((struct sockaddr_in6 *)(void *)address)->sin6_port;
    return NULL;
}

int tg_address_port(const struct sockaddr_storage *address)
{
    struct sockaddr_storage copy = *address;
    const in_port_t *port = port_of(&copy);

    return port != NULL ? ntohs(*port) : -1;
}

void tg_address_set_port(struct sockaddr_storage *address, uint16_t port)
{
    in_port_t *at = port_of(address);

    if (at != NULL)
        *at = htons(port);
}

void tg_address_add_host(struct tg_buf *out, struct tg_str host)
{
    bool v6 = host.n > 0 && memchr(host.p, ':', host.n) != NULL;

    tg_buf_puts(out, v6 ? "[" : "");
    tg_buf_add(out, host);
    tg_buf_puts(out, v6 ? "]" : "");
}

void tg_address_text(const struct sockaddr_storage *address, char out[TG_ADDRESS_TEXT])
{
    const void *bytes = tg_address_bytes((const struct sockaddr *)(const void *)address);
    char host[TG_ADDRESS_HOST];

    CHECK(bytes != NULL);
    tg_address_write(address->ss_family, bytes, host);
    snprintf(out, TG_ADDRESS_TEXT, address->ss_family == AF_INET ? "%s:%d" : "[%s]:%d", host,
             tg_address_port(address));
}

/* --- networks --- */

/* *bits is how many of them a network of the family may use. */
static bool read_either(struct tg_str text, struct in6_addr *out, unsigned *bits)
{
    struct in_addr v4;

    *bits = 128;
    if (tg_address_read(AF_INET6, text, out))
        return true;
    if (!tg_address_read(AF_INET, text, &v4))
        return false;
    *bits = 32;
    memset(out->s6_addr, 0, 10);
    memset(out->s6_addr + 10, 0xff, 2);
    memcpy(out->s6_addr + 12, &v4, 4);
    return true;
}

const char *tg_network_read(struct tg_str text, struct tg_network *out)
{
    const char *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - text.p) : text.n;
    struct in6_addr zeroed;
    unsigned most;
    uint64_t bits;

    if (!read_either((struct tg_str){text.p, n}, &out->address, &most))
        return "is no address";
    bits = most;
    if (slash != NULL && (!tg_str_u64(tg_str_skip(text, n + 1), &bits) || bits > most))
        return "has no legal prefix length";
    out->bits = (unsigned)bits + 128 - most;
    zeroed = out->address;
    for (unsigned i = out->bits; i < 128; i++)
        zeroed.s6_addr[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
    return memcmp(&zeroed, &out->address, sizeof(zeroed)) == 0 ? NULL
                                                               : "has bits behind its prefix";
}

bool tg_network_has(const struct tg_network *network, const struct in6_addr *address)
{
    unsigned bits = network->bits;
    unsigned whole = bits / 8;
    unsigned mask = 0xffU << (8 - bits % 8) & 0xff;
    const uint8_t *a = network->address.s6_addr, *b = address->s6_addr;

    CHECK(bits <= 128);
    if (memcmp(a, b, whole) != 0)
        return false;
    return bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

bool tg_network_address(struct tg_str text, struct in6_addr *out)
{
    unsigned bits;

    return read_either(text, out, &bits);
}
