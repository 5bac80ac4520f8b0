/* The map of limits as it lies in memory, for limits.c and limit_stores.c; nothing else includes
 * it. */
#ifndef TG_SHM_LIMIT_MAP_H
#define TG_SHM_LIMIT_MAP_H

#include "shm/limit_types.h"

enum {
    TG_LIMIT_OVERFLOW = TG_LIMIT_ENTRIES, /* the entry of all keys that find no room */
    TG_LIMIT_STRIDE = TG_LIMIT_ENTRIES + 1,
    TG_LIMIT_BITS = 64, /* entries that one word of marks stands for */
    TG_LIMIT_MARKS = TG_LIMIT_STRIDE / TG_LIMIT_BITS + 1
};

struct tg_limit_entry {
    uint64_t key;     /* hash of a key; 0: free */
    uint64_t used_up; /* when a rate's key has used up what it may; monotonic microseconds */
    uint32_t held;    /* in flight, or connections */
    uint32_t refused; /* or would have been, since the key came here */
};

/* What an entry of a shared rule has beside that. */
struct tg_limit_debt {
    int64_t pending; /* passed, and not told to the store yet; microseconds */
    uint64_t named;  /* the key that `digest` stands for; 0: none */
    unsigned char digest[TG_LIMIT_DIGEST];
};

struct tg_limits_table {
    uint64_t id; /* of its rule; 0: free */
    uint64_t warned;
    uint64_t given_up;
    uint64_t shared;
    uint64_t refused[2]; /* would have been (dry_run) */
    uint64_t alone[2];   /* the same, while the store was away */
    uint32_t kind;
    int32_t by_key;
    uint32_t holds; /* something has been held */
    uint32_t store; /* the place of its store, plus 1; 0: local */
    char name[TG_LIMIT_NAME];
    struct tg_limit_entry entry[TG_LIMIT_STRIDE]; /* the last one is of all that find no room */
    uint16_t by[TG_STATS_SLOTS][TG_LIMIT_STRIDE]; /* what of `held` is whose */
    char text[TG_LIMIT_ENTRIES][TG_LIMIT_KEY]; /* of each entry's key; cut, or another one's, when
                                                  its hash is not that of the entry */
    uint64_t whole; /* of a rate: microseconds it may be ahead; else how much may be held */
    struct tg_limit_debt debt[TG_LIMIT_STRIDE];
    uint64_t touched[TG_LIMIT_MARKS]; /* entries with something pending */
    uint64_t hot[TG_LIMIT_MARKS];     /* those beyond half of what may come at once */
};

struct tg_limits {
    uint64_t seed; /* who does not know it cannot aim at an entry */
    struct tg_limits_table table[TG_LIMIT_TABLES];
    struct tg_limit_store store[TG_LIMIT_STORES];
    uint64_t syncer_beat;
    uint32_t gone[TG_STATS_SLOTS]; /* processes of a slot that have ended without giving back */
    char replica[2 * TG_LIMIT_DIGEST + 1]; /* who this gateway is, in stores */
};

#endif
