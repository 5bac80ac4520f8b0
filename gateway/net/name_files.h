/*
 * What /etc/resolv.conf and /etc/hosts say about names (resolv.conf(5), hosts(5)). Pure: bytes in,
 * values out; net/resolver reads the files and asks the name servers.
 */
#ifndef TG_NET_NAME_FILES_H
#define TG_NET_NAME_FILES_H

#include "base/str.h"

#include <netinet/in.h>

enum {
    TG_NAME_SERVERS = 8,   /* name servers; further ones are passed over */
    TG_NAME_DOMAINS = 16,  /* domains of the search list; further ones are passed over */
    TG_NAME_TEXT = 256,    /* bytes of a name with its NUL (RFC 1035 section 2.3.4) */
    TG_NAME_ADDRESSES = 8, /* addresses of each family; further ones are passed over */
};

/* The addresses of a name. */
struct tg_name_addresses {
    struct in_addr v4[TG_NAME_ADDRESSES];
    struct in6_addr v6[TG_NAME_ADDRESSES];
    unsigned nv4;
    unsigned nv6;
    uint32_t ttl; /* seconds the shortest-lived record holds; UINT32_MAX: no record says it */
};

/* A resolv.conf. */
struct tg_name_conf {
    struct sockaddr_storage server[TG_NAME_SERVERS];
    unsigned nservers; /* at least 1: without any it is 127.0.0.1 */
    char domain[TG_NAME_DOMAINS][TG_NAME_TEXT];
    unsigned ndomains;
    unsigned ndots; /* 0 to 15 */
};

/*
 * Reads the lines `nameserver`, `search`, `domain` and `options ndots:N`; the last search list
 * counts. A name server is an address, or `ADDRESS:PORT`, or `[ADDRESS]:PORT`. What cannot be read
 * is passed over, as libc does.
 */
void tg_name_conf_parse(struct tg_name_conf *out, struct tg_str bytes);

/*
 * Writes the `k`th name (from 0) to ask name servers for when `name` is looked up: the name and the
 * name in each domain of the search list, in the order of resolv.conf(5). A name that ends with a
 * dot is absolute: the name without the dot is the one to ask for. False when there are no more;
 * names that would be too long are left out.
 */
bool tg_name_candidate(const struct tg_name_conf *conf, struct tg_str name, unsigned k,
                       char out[TG_NAME_TEXT]);

/*
 * Looks a name up in the bytes of a hosts file, without regard to case or to a dot at its end.
 * False when the file does not have the name; but `localhost` and names below it are loopback even
 * then (RFC 6761 section 6.3).
 */
bool tg_hosts_find(struct tg_str bytes, struct tg_str name, struct tg_name_addresses *out);

#endif
