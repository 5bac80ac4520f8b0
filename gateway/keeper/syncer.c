/* The syncer: its stores and its heartbeat. */
#include "keeper/syncer.h"

#include "base/check.h"
#include "base/clock.h"
#include "keeper/store_sync.h"
#include "net/loop.h"
#include "net/timer.h"
#include "shm/limit_stores.h"

#include <stdlib.h>

enum {
    SYNCER_MAGIC = 0x73796e72,
    HEARTBEAT_US = 1000000,
    FIRST_US = 1000000,
    DNS = 53,
};

struct tg_syncer {
    uint32_t magic;
    const struct tg_settings *settings;
    struct tg_limits *limits;
    struct tg_loop loop;
    struct tg_timer heartbeat;
    struct tg_store_sync *store[TG_LIMIT_STORES];
    unsigned nstores;
    bool draining;
    bool stopping;
};

bool tg_syncer_wanted(const struct tg_settings *s)
{
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        if (e->nrules > 0)
            return true;
    return false;
}

/* Several times within worker_hang_timeout, as workers do it. */
static int64_t heartbeat_interval(const struct tg_settings *s)
{
    int64_t often = s->worker_hang_timeout / 8;

    return often > 0 && often < HEARTBEAT_US ? often : HEARTBEAT_US;
}

static void on_heartbeat(void *owner)
{
    struct tg_syncer *s = owner;
    uint64_t now = tg_clock_mono_now();

    CHECK_MAGIC(s, SYNCER_MAGIC);
    if (!s->draining)
        tg_limit_syncer_beat(s->limits, now);
    tg_timer_set(&s->heartbeat, now, heartbeat_interval(s->settings));
}

struct tg_syncer *tg_syncer_new(const struct tg_settings *settings, struct tg_limits *limits)
{
    struct tg_syncer *s = calloc(1, sizeof(*s));

    CHECK(s != NULL && tg_syncer_wanted(settings));
    s->magic = SYNCER_MAGIC;
    s->settings = settings;
    s->limits = limits;
    tg_loop_open(&s->loop);
    for (const struct tg_limit_store_conf *e = settings->limit_stores; e != NULL; e = e->next)
        if (e->nrules > 0)
            s->store[s->nstores++] = tg_store_sync_new(s->loop.base, e, limits);
    tg_timer_init(&s->heartbeat, s->loop.base, on_heartbeat, s);
    on_heartbeat(s);
    return s;
}

struct event_base *tg_syncer_base(const struct tg_syncer *s)
{
    return s->loop.base;
}

static bool have_all_tried(const struct tg_syncer *s)
{
    for (unsigned i = 0; i < s->nstores; i++)
        if (!tg_store_sync_tried(s->store[i]))
            return false;
    return true;
}

/* Timers of the stores turn the loop meanwhile. */
void tg_syncer_first(struct tg_syncer *s)
{
    uint64_t deadline = tg_clock_mono_now() + FIRST_US;

    while (!s->stopping && !have_all_tried(s) && tg_clock_mono_now() < deadline)
        tg_loop_turn(&s->loop);
}

void tg_syncer_run(struct tg_syncer *s)
{
    while (!s->stopping)
        tg_loop_turn(&s->loop);
}

void tg_syncer_stop(struct tg_syncer *s)
{
    s->stopping = true;
    event_base_loopbreak(s->loop.base);
}

void tg_syncer_drain(struct tg_syncer *s)
{
    s->draining = true;
}

void tg_syncer_end(struct tg_syncer *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->nstores; i++)
        tg_store_sync_end(s->store[i]);
    tg_timer_end(&s->heartbeat);
    tg_loop_end(&s->loop);
    s->magic = 0;
    free(s);
}

/* --- what it needs --- */

/* Names are asked for over TCP where an answer does not fit. */
uint16_t tg_syncer_port(const struct tg_settings *s, unsigned i)
{
    if (i == 0)
        return DNS;
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        for (const struct tg_limit_store_server *o = e->servers; o != NULL; o = o->next)
            if (o->port != 0 && --i == 0)
                return o->port;
    return 0;
}

bool tg_syncer_needs_unix(const struct tg_settings *s)
{
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        for (const struct tg_limit_store_server *o = e->servers; o != NULL; o = o->next)
            if (o->path.n > 0)
                return true;
    return false;
}
