/*
 * A deadline that moves often and rarely passes: setting it again later costs no call into
 * libevent, the event that is already armed looks at the new deadline when it fires.
 */
#ifndef TG_NET_TIMER_H
#define TG_NET_TIMER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct tg_timer {
    struct event event;
    uint64_t deadline; /* monotonic microseconds; 0: none */
    uint64_t armed;    /* when the event fires; 0: not armed */
    void (*on_deadline)(void *owner);
    void *owner;
};

/* Prepares a timer; it is not set. */
void tg_timer_init(struct tg_timer *t, struct event_base *base, void (*on_deadline)(void *owner),
                   void *owner);

/* Sets the deadline to `us` microseconds after `now` (monotonic). */
void tg_timer_set(struct tg_timer *t, uint64_t now, int64_t us);

/* No deadline any more. The event may still fire and then does nothing. */
void tg_timer_clear(struct tg_timer *t);

/* Takes the event out of the loop; must be called before the memory goes. */
void tg_timer_end(struct tg_timer *t);

#endif
