/*
 * Limits that several gateways share through a store (limit_store). A request is judged against
 * this machine's map as any other is, and what it was charged is noted beside its key as debt; the
 * syncer pushes debts to the store and takes what all gateways together have charged back into the
 * map. The map knows keys as HMACs: what they were stays in the process that saw them.
 */
#ifndef TG_SHM_LIMIT_STORES_H
#define TG_SHM_LIMIT_STORES_H

#include "shm/limit_asks.h"

struct tg_limits_table;

/* The place of a store, taken when it has none yet; when all are taken, the last one. The master
 * only. */
unsigned tg_limit_store_number(struct tg_limits *l, const char *name);

/* A store by its place (CHECKed). */
struct tg_limit_store *tg_limit_store_at(struct tg_limits *l, unsigned number);

/* A copy of it for readers that trust no other process: its texts end. */
void tg_limit_store_read(const struct tg_limits *l, unsigned number, struct tg_limit_store *out);

/* True when the store of a rule answers, as of `now` (monotonic microseconds). */
static inline bool tg_limit_store_up(const struct tg_limit_store *s, uint64_t now)
{
    return __atomic_load_n(&s->up_until, __ATOMIC_RELAXED) > now;
}

/* A rule as one of `replicas` gateways applies it without the store: its share of the number, at
 * least one. */
struct tg_limit_rule tg_limit_part(const struct tg_limit_rule *rule, uint32_t replicas);

/* --- the side of requests: for limits.c --- */

/* Notes how stores know the key, of hash `h`, that entry `at` of a shared rule's table stands for.
 */
void tg_limit_name(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t h);

/* Notes that a request of a shared rule was granted in entry `at` of its table, whose key, of hash
 * `h`, is charged up to `ahead` microseconds from now on. */
void tg_limit_note(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t h, uint64_t ahead);

/* Takes back what tg_limit_note() noted of a rate, or the store granted. */
void tg_limit_owe_less(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule);

/* What the syncer is told when one was given back of what is held in an entry. False: nothing, the
 * entry is not of a shared limit. */
bool tg_limit_released(const struct tg_limits *l, int entry, struct tg_limit_ask *out);

/* --- the syncer's side --- */

/* The name of this gateway in all stores, which no other has. */
const char *tg_limit_replica(const struct tg_limits *l);

/* How many processes of a slot have ended, before anything they held was given back. */
uint32_t tg_limit_gone(const struct tg_limits *l, unsigned slot);

/* What is held of a key. */
struct tg_limit_holding {
    uint64_t key;
    uint32_t held; /* those who ask for it among them */
    unsigned char digest[TG_LIMIT_DIGEST];
};

/* What entry `at` of a rule's table holds. False: it is no key's that stores know. */
bool tg_limit_holding(const struct tg_limits *l, const struct tg_limit_rule *rule, unsigned at,
                      struct tg_limit_holding *out);

/* When the syncer in force last turned its loop, monotonic microseconds; 0: not yet. */
void tg_limit_syncer_beat(struct tg_limits *l, uint64_t now);
uint64_t tg_limit_syncer_beaten(const struct tg_limits *l);

/* A key with a debt. */
struct tg_limit_due {
    unsigned at;    /* its entry */
    uint64_t key;   /* whose it was */
    int64_t amount; /* what the store has to be told, microseconds; may be negative */
    unsigned char digest[TG_LIMIT_DIGEST];
};

/* Takes up to `most` debts of a rule out of the map, each whole; those of keys beyond half of what
 * may come at once, or, with `all`, of every key. Returns how many. */
unsigned tg_limit_collect(struct tg_limits *l, const struct tg_limit_rule *rule, bool all,
                          unsigned most, struct tg_limit_due *out);

/* The store was told and says that all gateways have used the key up to `ahead` microseconds from
 * `now` on: that holds here, with what passed since, but at most twice what so many gateways can
 * have let pass without news: what is beyond is a fault of the store's, and would be kept for as
 * long. Returns what holds of `ahead`. */
uint64_t tg_limit_settle(struct tg_limits *l, const struct tg_limit_rule *rule,
                         const struct tg_limit_due *due, uint64_t ahead, uint64_t now);

/* The store was not told: the debt stands again. */
void tg_limit_unsettled(struct tg_limits *l, const struct tg_limit_rule *rule,
                        const struct tg_limit_due *due);

/* While the store is away: a debt that time has paid is none. Returns the keys with a debt. */
unsigned tg_limit_age(struct tg_limits *l, const struct tg_limit_rule *rule, uint64_t now);

/* Keys of a rule with a debt. */
unsigned tg_limit_indebted(const struct tg_limits *l, const struct tg_limit_rule *rule);

#endif
