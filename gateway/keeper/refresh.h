/*
 * The refreshes of one of the gateway's own keys: when its source is asked, what becomes of the
 * answer in the shared map, and what the log tells of it. A failed refresh changes no key.
 */
#ifndef TG_KEEPER_REFRESH_H
#define TG_KEEPER_REFRESH_H

#include "keeper/http_client.h"
#include "settings/settings.h"

struct tg_refresh;

/* Keeps the key of `conf` fresh in `map`, which outlive it; its first look at the source is in the
 * next turn of the loop, unless the map has a key already that is not due. End it with
 * tg_refresh_end(). */
struct tg_refresh *tg_refresh_new(struct event_base *base, struct tg_http_client *client,
                                  const struct tg_credential_conf *conf,
                                  struct tg_credential_map *map);

/* Ends what is under way. NULL is fine. */
void tg_refresh_end(struct tg_refresh *r);

/* A refresh is asked for: `now`, unless one is under way or was less than 30 s ago. */
void tg_refresh_ask(struct tg_refresh *r);

/* What the source reads from a file has changed, perhaps: it is looked at now. */
void tg_refresh_changed(struct tg_refresh *r);

/* Looks at the wall clock, once a second: after a machine has slept, timers are late. */
void tg_refresh_tick(struct tg_refresh *r);

/* How many refreshes have come to an end, well or not. */
unsigned tg_refresh_count(const struct tg_refresh *r);

#endif
