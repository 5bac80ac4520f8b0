/* Sets deadlines again without a call into libevent. */
#include "net/timer.h"

#include "base/check.h"
#include "base/clock.h"

#include <event2/event.h>

static void arm(struct tg_timer *t, uint64_t now)
{
    uint64_t us = t->deadline > now ? t->deadline - now : 0;
    struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

    CHECK(event_add(&t->event, &tv) == 0);
    t->armed = t->deadline;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct tg_timer *t = arg;
    uint64_t now = tg_clock_mono_now();

    (void)fd, (void)what;
    t->armed = 0;
    if (t->deadline == 0)
        return;
    if (t->deadline > now) {
        arm(t, now);
        return;
    }
    t->deadline = 0;
    t->on_deadline(t->owner);
}

void tg_timer_init(struct tg_timer *t, struct event_base *base, void (*on_deadline)(void *owner),
                   void *owner)
{
    *t = (struct tg_timer){.on_deadline = on_deadline, .owner = owner};
    CHECK(event_assign(&t->event, base, -1, 0, on_event, t) == 0);
}

void tg_timer_set(struct tg_timer *t, uint64_t now, int64_t us)
{
    CHECK(us >= 0);
    t->deadline = now + (uint64_t)us + 1;
    if (t->armed == 0 || t->armed > t->deadline)
        arm(t, now);
}

void tg_timer_clear(struct tg_timer *t)
{
    t->deadline = 0;
}

void tg_timer_end(struct tg_timer *t)
{
    event_del(&t->event);
    t->deadline = 0;
    t->armed = 0;
}
