/*
 * One store of limits, kept in step with this gateway's map: debts are pushed and what all gateways
 * have charged is taken back. It answers once it was greeted, has the scripts and has counted this
 * gateway among those that live, which is a write: a server that is full, a replica, or refuses
 * the user, does not answer.
 */
#ifndef TG_KEEPER_STORE_SYNC_H
#define TG_KEEPER_STORE_SYNC_H

#include "keeper/store_held.h"
#include "shm/limit_stores.h"

struct event_base;
struct tg_store_sync;

/* Begins; `conf` and the map outlive it, and so does whoever asks: `answer` is called for each ask,
 * maybe inside it. End it with tg_store_sync_end(). */
struct tg_store_sync *tg_store_sync_new(struct event_base *base,
                                        const struct tg_limit_store_conf *conf,
                                        struct tg_limits *limits, tg_store_answer *answer);

/* Asks the store, or tells it what was given back. What comes from another process may be nonsense:
 * then it is not known. tg_store_sync_flush() follows, behind the last of several. */
void tg_store_sync_ask(struct tg_store_sync *s, const struct tg_limit_ask *ask, void *from);
void tg_store_sync_flush(struct tg_store_sync *s);

/* True once the store has answered or failed. */
bool tg_store_sync_tried(const struct tg_store_sync *s);

/* Pushes what there is and frees it; waits for nobody. NULL is fine. */
void tg_store_sync_end(struct tg_store_sync *s);

#endif
