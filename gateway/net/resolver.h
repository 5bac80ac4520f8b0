/*
 * Names to addresses, in an event loop. A name is looked up in the hosts file, then asked of the
 * name servers in resolv.conf: its A and its AAAA record as two queries. Both files are read at
 * each look-up, so a change counts from the next one on. A name server that has not answered within
 * its share of the time is passed by, and asked last for a while; its late answer is still taken.
 */
#ifndef TG_NET_RESOLVER_H
#define TG_NET_RESOLVER_H

#include "net/name_files.h"

/* The files of this machine. */
#define TG_RESOLV_CONF "/etc/resolv.conf"
#define TG_HOSTS       "/etc/hosts"

struct event_base;
struct tg_resolver;
struct tg_lookup;

/* What a look-up tells its owner; never from inside tg_lookup_start() or tg_lookup_cancel(). */
struct tg_lookup_events {
    /*
     * The name's addresses, at least one. With `last` the look-up has ended and its handle is gone.
     * Without, one family has been found and the other one has not come within 50 ms (RFC 8305
     * section 3): the call is repeated, with both, once that is settled.
     */
    void (*on_addresses)(void *owner, const struct tg_name_addresses *found, bool last);
    /* There is none; the look-up has ended and its handle is gone. `why` names the name. */
    void (*on_failed)(void *owner, const char *why);
};

/* A resolver for the two files (static texts; either may be missing). End it with
 * tg_resolver_end(). */
struct tg_resolver *tg_resolver_new(struct event_base *base, const char *resolv_conf,
                                    const char *hosts);

/* Frees the resolver; nobody who looks something up is told any more. NULL is fine. */
void tg_resolver_end(struct tg_resolver *r);

/*
 * Looks a name up for at most `budget` microseconds (above 0). A name that ends with a dot is
 * absolute. The handle is good until the last event or tg_lookup_cancel().
 */
struct tg_lookup *tg_lookup_start(struct tg_resolver *r, struct tg_str name, int64_t budget,
                                  const struct tg_lookup_events *events, void *owner);

/* Ends a look-up; its owner is told nothing any more. NULL is fine. */
void tg_lookup_cancel(struct tg_lookup *l);

#endif
