/*
 * The event loop of a worker, with the time of its turn and the one buffer its sockets are read
 * into. What happens in one turn happens at one time, but behind work that takes long
 * (tg_loop_later()).
 */
#ifndef TG_NET_LOOP_H
#define TG_NET_LOOP_H

#include "base/check.h"
#include "base/clock.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

enum { TG_SCRATCH = 65536 };

struct tg_loop {
    struct event_base *base;
    uint64_t now;              /* of this turn, monotonic microseconds; 0: not read yet */
    int64_t wall;              /* of this turn, wall clock; 0: not read yet */
    struct tg_clock_date date; /* the text of this second, for answers */
    /* no descriptor is left: closes something idle, false: there is nothing (the owner sets it) */
    bool (*on_scarce)(void *owner);
    void *owner;
    bool draining; /* nothing new begins: connections and requests that are there come to an end */
    char scratch[TG_SCRATCH]; /* the one read buffer: valid until the next read of any socket */
};

/* The version of libevent that runs, e.g. "2.1.12-stable". Static text. */
const char *tg_loop_libevent(void);

/* Makes the event base of a zeroed loop (CHECKed), and has libevent's own messages logged. */
void tg_loop_open(struct tg_loop *l);

/* Frees the event base; all events on it must have been taken out. */
void tg_loop_end(struct tg_loop *l);

/* One turn: waits for events unless some are due, and runs their callbacks. */
void tg_loop_turn(struct tg_loop *l);

/* Runs what is due without waiting for more. */
void tg_loop_poll(struct tg_loop *l);

/*
 * A call that makes a descriptor failed with `error`. True when there was none left (EMFILE,
 * ENFILE) and something idle was closed: the call may be made again at once.
 */
bool tg_loop_made_room(const struct tg_loop *l, int error);

/* The monotonic time of this turn in microseconds, read when it is first wanted. */
static inline uint64_t tg_loop_now(struct tg_loop *l)
{
    if (l->now == 0)
        l->now = tg_clock_mono_now();
    return l->now;
}

/* The turn goes on at `now`, monotonic microseconds: what was done in it took time. */
static inline void tg_loop_later(struct tg_loop *l, uint64_t now)
{
    CHECK(now >= l->now);
    l->now = now;
}

/* The wall clock of this turn in microseconds since 1970, read when it is first wanted. */
static inline int64_t tg_loop_wall(struct tg_loop *l)
{
    if (l->wall == 0)
        l->wall = tg_clock_wall_now();
    return l->wall;
}

#endif
