/*
 * What this gateway holds of limits in flight, as a store is to be told it. A statement says how
 * many of a key this gateway holds and how many more it wants, and the store grants what there is;
 * so each statement is the whole truth, whatever became of those before. There is at most one
 * without an answer per key: what is asked meanwhile goes with the next. Who holds what stands in
 * the map of limits, where a worker that died holds nothing any more.
 */
#ifndef TG_KEEPER_STORE_HELD_H
#define TG_KEEPER_STORE_HELD_H

#include "settings/settings.h"
#include "shm/limit_asks.h"

struct tg_store_held;

/* Where an answer goes: `from` is who asked. */
typedef void tg_store_answer(void *from, const struct tg_limit_answer *answer);

/* Makes the ledger of a store; all outlive it. End it with tg_store_held_end(). */
struct tg_store_held *tg_store_held_new(const struct tg_limit_store_conf *conf,
                                        const struct tg_limits *limits, tg_store_answer *answer);

/* NULL is fine. */
void tg_store_held_end(struct tg_store_held *h);

/* One more of a key is asked for, under the `rule`th limit of the store, which counts what is in
 * flight. */
void tg_store_held_ask(struct tg_store_held *h, unsigned rule, const struct tg_limit_ask *ask,
                       void *from);

/* Something of an entry was given back. */
void tg_store_held_touch(struct tg_store_held *h, unsigned rule, unsigned at);

/* Everything that is held, or that the store thinks is, is to be stated again. */
void tg_store_held_renew(struct tg_store_held *h);

struct tg_store_key;

/* A statement. */
struct tg_store_statement {
    struct tg_store_key *of;
    const struct tg_limit_rule *rule;
    unsigned char digest[TG_LIMIT_DIGEST];
    uint32_t have, want;
};

/* The next one that is due. tg_store_held_done() or tg_store_held_lost() follows. False: none. */
bool tg_store_held_next(struct tg_store_held *h, struct tg_store_statement *out);

/* The store has granted so many of what was wanted, and all gateways hold `all` now. */
void tg_store_held_done(struct tg_store_held *h, struct tg_store_key *of, uint64_t granted,
                        uint64_t all);

/* The store is away: nobody waits for it any more. */
void tg_store_held_down(struct tg_store_held *h);

/* It did not say. */
void tg_store_held_lost(struct tg_store_held *h, struct tg_store_key *of);

#endif
