/*
 * The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): the line or block a load
 * balancer sends before anything else to tell whose connection it passes on. Pure: bytes in,
 * verdict out; no allocation, no logging, no socket. Strict: what the text leaves in doubt is
 * refused.
 */
#ifndef TG_HTTP_PROXY_PROTOCOL_H
#define TG_HTTP_PROXY_PROTOCOL_H

#include "base/address.h"
#include "http/request_head.h"

enum {
    TG_PROXY_V1_MAX = 107, /* section 2.1: the longest line, CRLF included */
    TG_PROXY_V2_MAX = 4096 /* head, addresses and TLVs; the text allows 64 KB, nobody sends them */
};

struct tg_proxy {
    bool present;                  /* false: LOCAL or UNKNOWN, the socket's own address counts */
    char address[TG_ADDRESS_HOST]; /* the client's, as inet_ntop() writes it; "unix:" */
    uint16_t port;                 /* the client's; 0 with unix sockets */
};

/*
 * Looks for a whole header at the start of `in`. DONE: *out is filled and *used is the header's
 * length; what follows belongs to the connection. MORE: so far all of `in` belongs to a header.
 * BAD: *why is a static English text; the connection must be closed (section 2: no guessing).
 */
enum tg_parse tg_proxy_read(struct tg_str in, struct tg_proxy *out, size_t *used, const char **why);

#endif
