/*
 * The processes of the master: who is alive, who died and when to start it again, who drains. Knows
 * nothing of what they do: that is a callback.
 */
#ifndef TG_PROCESS_SUPERVISOR_H
#define TG_PROCESS_SUPERVISOR_H

#include "process/listeners.h"
#include "shm/usage.h"

#include <sys/types.h>

enum {
    TG_SUPERVISOR_ADMIN = TG_MAX_WORKERS, /* the number of the process that answers questions */
    TG_SUPERVISOR_KEEPER,                 /* of the one that fetches keys */
    TG_SUPERVISOR_SYNCER,                 /* and of the one that speaks with stores of limits */
    TG_SUPERVISOR_NUMBERS,
    TG_SUPERVISOR_SIZE = TG_STATS_SLOTS - 1
};

struct tg_process {
    pid_t pid;       /* 0: the entry is free */
    unsigned number; /* which socket of each address is its; or one of the above */
    unsigned generation;
    uint64_t started;
    uint64_t heartbeat; /* of its slot, when it was last looked at */
    unsigned still;     /* looks in a row that found the same heartbeat */
};

/* What a process is given by the supervisor. */
struct tg_seat {
    unsigned place;             /* among all that live; below TG_SUPERVISOR_SIZE */
    struct tg_stats_slot *slot; /* where it counts; NULL for all but workers */
    struct tg_usage_map *usage; /* where it notes what it takes, at its place */
    int ready; /* it writes one byte there when it serves, and closes it; -1: nobody waits */
};

/* A process to be started again, not before `at`. */
struct tg_respawn {
    bool due;
    uint64_t at;
    int64_t delay;
};

struct tg_supervisor {
    struct tg_process process[TG_SUPERVISOR_SIZE];
    struct tg_respawn respawn[TG_SUPERVISOR_NUMBERS];
    unsigned generation;    /* in force; members of others drain and are not replaced */
    unsigned generations;   /* used so far */
    unsigned workers;       /* wanted */
    bool admin;             /* wanted */
    bool keeper;            /* wanted */
    bool syncer;            /* wanted */
    uint64_t looked;        /* when tg_supervisor_look() last did, monotonic */
    bool ending;            /* nobody is started any more */
    bool resting;           /* no workers, but the master stays */
    bool failed;            /* somebody died while ending */
    struct tg_stats *stats; /* borrowed, like the limits and the usage */
    struct tg_limits *limits;
    struct tg_usage_map *usage;

    /* The life of a process, in it: returns its exit status. */
    int (*work)(void *owner, unsigned number, const struct tg_seat *seat);
    /* When the keeper or syncer in force (its number) last turned its loop, monotonic microseconds;
     * 0: not yet. */
    uint64_t (*heartbeat)(const void *owner, unsigned number);
    void *owner;
};

/*
 * Starts all processes of a new generation and waits, at most ten seconds, until each serves. Then
 * the generation is in force and older members are told to drain; it waits, at most one second,
 * until none of them takes connections any more. When there is no room for so many more, the oldest
 * generations that still drain are cut off first. On failure those it started are ended, the older
 * ones go on, and false is returned.
 */
bool tg_supervisor_start(struct tg_supervisor *c);

/* Tells all to drain and starts nobody again until the next tg_supervisor_start(). */
void tg_supervisor_rest(struct tg_supervisor *c);

/* Sends a signal to all. */
void tg_supervisor_tell(const struct tg_supervisor *c, int signal_number);

/* Takes note of everybody who ended (also children that are nobody's, as PID 1 has them). Returns
 * true when `watched`, a child that is no member, was among them, and puts its status there. */
bool tg_supervisor_reap(struct tg_supervisor *c, pid_t watched, int *status);

/* Starts who is due, and ends a keeper whose generation has drained and left nobody it could be
 * for; returns how long until the next start is due, in microseconds, or -1. */
int64_t tg_supervisor_respawn(struct tg_supervisor *c);

/*
 * Ends workers, and a keeper, whose event loop has not turned for `timeout` microseconds: looks at
 * all of them twice in that time, and kills who was found at the same heartbeat by two looks in a
 * row, so that a machine that stood still, the caller with it, ends nobody. They are replaced as
 * any that die. Returns how long until the next look, in microseconds; -1, and does nothing, when
 * `timeout` is 0.
 */
int64_t tg_supervisor_look(struct tg_supervisor *c, int64_t timeout);

/* How many live, members of earlier configurations too. */
unsigned tg_supervisor_count(const struct tg_supervisor *c);

#endif
