/*
 * Limits on requests and connections, counted for all workers together in one shared map. A key (a
 * project, a principal, a client's address) under one rule has one entry. A rate is kept as the
 * time at which the key has used up what it may (GCRA, ITU-T I.371): one number, moved by
 * compare-and-swap.
 *
 * The map has room for TG_LIMIT_ENTRIES keys; entries whose time has come are given again. When
 * there is no room a key is not limited: a limit protects the upstream, it is no access control.
 */
#ifndef TG_SHM_LIMITS_H
#define TG_SHM_LIMITS_H

#include "shm/stats.h"

enum { TG_LIMIT_ENTRIES = 8192, TG_MAX_LIMITS = 8 };

enum tg_limit_key { TG_LIMIT_BY_PROJECT = 1, TG_LIMIT_BY_PRINCIPAL, TG_LIMIT_BY_ADDRESS };

/* One limit_req, limit_in_flight or limit_conn. */
struct tg_limit_rule {
    enum tg_stats_limit kind;
    int key;           /* enum tg_limit_key */
    uint64_t interval; /* TG_LIMIT_REQ: microseconds one request stands for */
    uint64_t burst;    /* TG_LIMIT_REQ: how many may come at once beyond the first */
    uint64_t most;     /* the other kinds */
    bool dry_run;      /* counts and logs, but lets pass */
    uint64_t id;       /* of its place in the configuration: rules do not share entries */
};

struct tg_limits;

/* Makes the map (CHECKed). */
struct tg_limits *tg_limits_new(void);

/* Unmaps it. NULL is fine. */
void tg_limits_end(struct tg_limits *l);

/*
 * Asks for one more of a key, at `now` (monotonic microseconds). True: granted; *entry is then what
 * tg_limit_release() takes back later, or -1 when there is nothing to give back. False: beyond the
 * limit; *wait is how long until it would be granted, in microseconds (one second for what depends
 * on others). `slot` is the asking process.
 */
bool tg_limit_take(struct tg_limits *l, unsigned slot, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t now, int *entry, uint64_t *wait);

/* Gives back what tg_limit_take() granted. -1 is fine. */
void tg_limit_release(struct tg_limits *l, unsigned slot, int entry);

/* Gives back everything a process held that ended without doing so. The master only. */
void tg_limits_forget(struct tg_limits *l, unsigned slot);

#endif
