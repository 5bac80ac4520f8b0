/* Addresses of sockets as text and back. */
#include "base/address.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

void tg_address_text(const struct sockaddr_storage *address, char out[TG_ADDRESS_TEXT])
{
    const void *bytes = tg_address_bytes((const struct sockaddr *)(const void *)address);
    char host[TG_ADDRESS_HOST];

    CHECK(bytes != NULL);
    tg_address_write(address->ss_family, bytes, host);
    snprintf(out, TG_ADDRESS_TEXT, address->ss_family == AF_INET ? "%s:%d" : "[%s]:%d", host,
             tg_address_port(address));
}
