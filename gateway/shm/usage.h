/*
 * What the processes of the gateway take of the machine: processors, memory, descriptors. Each
 * measures itself, since a sandbox lets nobody look at another: it opens what the kernel tells of
 * it before it gives its rights up, and notes what it reads in a map that all share. The map stands
 * apart from the counters, which not every process may see.
 */
#ifndef TG_SHM_USAGE_H
#define TG_SHM_USAGE_H

#include "shm/stats.h"

enum {
    TG_USAGE_MASTER = TG_STATS_SLOTS - 1, /* the entry of the master; below it those of others */
    TG_USAGE_EACH_US = 5000000            /* how often a process notes what it takes */
};

/* One process, or what all of them take together. */
struct tg_usage {
    int32_t pid; /* 0: the entry is free; of a sum: how many there are */
    uint32_t unused;
    uint64_t cpu_us;   /* in user and kernel mode */
    uint64_t resident; /* bytes; of a sum: those that are shared once */
    uint64_t shared;   /* bytes of them that are of a file or of a map others see */
    uint64_t size;     /* bytes of addresses */
    uint64_t open;     /* descriptors; of a sum: of the process that has the greatest part open */
    uint64_t most;     /* of them; the process' limit */
};

struct tg_usage_map;

/* Where a process reads what it takes; -1: the kernel does not tell. */
struct tg_usage_meter {
    int memory;
    int descriptors;
};

/* Makes the map (CHECKed). */
struct tg_usage_map *tg_usage_new(void);

/* Unmaps it. NULL is fine. */
void tg_usage_end(struct tg_usage_map *m);

/* Opens what tg_usage_note() reads, in the process it is about, before its sandbox. */
struct tg_usage_meter tg_usage_open(void);

/* Closes it. */
void tg_usage_close(struct tg_usage_meter *meter);

/* Notes in entry `i` what the calling process takes. The time of children that have ended counts as
 * its own. */
void tg_usage_note(struct tg_usage_map *m, unsigned i, const struct tg_usage_meter *meter);

/* A process ended: its entry is free. The time it took is the master's from the next time on that
 * notes what it takes. The master only. */
void tg_usage_forget(struct tg_usage_map *m, unsigned i);

/* What all take together. Time never goes back: while that of a process that ended is not the
 * master's yet, it is what was told last. */
struct tg_usage tg_usage_sum(struct tg_usage_map *m);

#endif
