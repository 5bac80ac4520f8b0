/*
 * Limits on requests and connections, counted for all workers together in one shared map. A rule
 * has a table of its own, and a key (a project, a principal, a client's address) an entry in it. A
 * rate is kept as the time at which the key has used up what it may (GCRA, ITU-T I.371): one
 * number, moved by compare-and-swap.
 *
 * Who invents keys cannot end a limit. An entry that knows nothing any more is given again; where
 * there is none near a key's place, the rate's entry whose debt ends soonest is given up, but never
 * one that would refuse now and never one of what is held. When there is none of these either, the
 * key shares one entry, with the limit of one, with all others that find no room.
 */
#ifndef TG_SHM_LIMITS_H
#define TG_SHM_LIMITS_H

#include "shm/limit_asks.h"

/* What a limit says to a request. */
struct tg_limit_grant {
    int entry;      /* what is given back later; -1: refused */
    uint64_t wait;  /* of what was refused: until it would be granted, microseconds (one second for
                       what depends on others) */
    uint64_t left;  /* how many more would be granted now */
    uint64_t whole; /* of a rate: until all of it would be granted again, microseconds */
};

/* Makes the map (CHECKed). */
struct tg_limits *tg_limits_new(void);

/* Unmaps it. NULL is fine. */
void tg_limits_end(struct tg_limits *l);

/*
 * Asks for one more of a key, at `now` (monotonic microseconds). True: granted; out->entry is what
 * tg_limit_release() takes back later of what is held, and tg_limit_return() of a rate. False:
 * beyond the limit. `slot` is the asking process.
 */
bool tg_limit_take(struct tg_limits *l, unsigned slot, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t now, struct tg_limit_grant *out);

/*
 * Claims one more of a key for a rule whose store decides (`exact`). TG_LIMIT_UNKNOWN: the store is
 * to be asked, with `ask`; of what is held one is counted here until it has answered. Anything else
 * is decided here, as tg_limit_take() does it: what this gateway holds alone is the limit, or the
 * key has no entry of its own, and is not shared.
 */
enum tg_limit_result tg_limit_claim(struct tg_limits *l, unsigned slot,
                                    const struct tg_limit_rule *rule, struct tg_str key,
                                    uint64_t now, struct tg_limit_ask *ask,
                                    struct tg_limit_grant *out);

/* Counts a request that a rule refused, or would have (dry_run). */
void tg_limit_count(struct tg_limits *l, const struct tg_limit_rule *rule);

/* Gives back what tg_limit_take() granted of what is held. -1 is fine. */
void tg_limit_release(struct tg_limits *l, unsigned slot, int entry);

/* Gives back what tg_limit_take() granted of a rate: the request was refused by another rule. */
void tg_limit_return(struct tg_limits *l, const struct tg_limit_rule *rule, int entry);

/* Gives back everything a process held that ended without doing so. The master only. */
void tg_limits_forget(struct tg_limits *l, unsigned slot);

/* The key of a client's address (text): an IPv6 address counts as its /64, what one subscriber has
 * (RFC 6177), one of the form ::ffff:1.2.3.4 as the IPv4 address it stands for. */
struct tg_str tg_limit_address(struct tg_str address, char out[TG_LIMIT_ADDRESS]);

/* What a table looks like. */
struct tg_limit_table {
    char name[TG_LIMIT_NAME]; /* its rule's */
    unsigned kind;            /* enum tg_stats_limit */
    int key;                  /* enum tg_limit_key */
    uint64_t refused[2];      /* requests since the start; would have been (dry_run) */
    uint64_t alone[2];        /* of what is shared: the same, while its store was away */
    uint64_t keys;            /* entries that know something at `now` */
    uint64_t given_up;        /* entries given up for others since the start */
    uint64_t shared;          /* times a key found no room since the start */
    unsigned store;           /* the place of its limit_store, plus 1; 0: it has none */
};

/* Describes table `i` as of `now`; false when there are no more. */
bool tg_limit_table_at(const struct tg_limits *l, unsigned i, uint64_t now,
                       struct tg_limit_table *out);

/* A key of a table. */
struct tg_limit_use {
    char key[TG_LIMIT_KEY + 1]; /* as records tell it; "": it is not known, or too long */
    unsigned percent;           /* of what it may, used up or held now; rounded up */
    uint64_t refused;           /* or would have been, since it came into the table */
};

enum { TG_LIMIT_BUSIEST = 5 };

/* Copies those keys of table `i` that use most of what they may, the busiest first; those of which
 * nothing is used and nothing was refused are none. Returns how many. */
unsigned tg_limit_busiest(const struct tg_limits *l, unsigned i, uint64_t now,
                          struct tg_limit_use out[TG_LIMIT_BUSIEST]);

#endif
