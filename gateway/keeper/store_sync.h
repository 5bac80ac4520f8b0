/*
 * One store of limits, kept in step with this gateway's map: debts are pushed and what all gateways
 * have charged is taken back. It answers once it was greeted, has the scripts and has counted this
 * gateway among those that live, which is a write: a server that is full, a replica, or refuses
 * the user, does not answer.
 */
#ifndef TG_KEEPER_STORE_SYNC_H
#define TG_KEEPER_STORE_SYNC_H

#include "settings/settings.h"
#include "shm/limit_stores.h"

struct event_base;
struct tg_store_sync;

/* Begins; `conf` and the map outlive it. End it with tg_store_sync_end(). */
struct tg_store_sync *tg_store_sync_new(struct event_base *base,
                                        const struct tg_limit_store_conf *conf,
                                        struct tg_limits *limits);

/* True once the store has answered or failed. */
bool tg_store_sync_tried(const struct tg_store_sync *s);

/* Pushes what there is and frees it; waits for nobody. NULL is fine. */
void tg_store_sync_end(struct tg_store_sync *s);

#endif
