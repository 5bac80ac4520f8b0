/* The syncer: its stores and its heartbeat. */
#include "keeper/syncer.h"

#include "base/check.h"
#include "base/clock.h"
#include "keeper/store_sync.h"
#include "net/loop.h"
#include "net/timer.h"
#include "shm/limit_stores.h"

#include <event2/event.h>
#include <stdlib.h>

enum {
    SYNCER_MAGIC = 0x73796e72,
    HEARTBEAT_US = 1000000,
    FIRST_US = 1000000,
    DNS = 53,
};

/* A worker that asks. */
struct channel {
    struct tg_syncer *syncer;
    int fd;
    struct event *event;
    struct tg_limit_answer out[TG_LIMIT_PACKET];
    unsigned nout;
};

struct tg_syncer {
    uint32_t magic;
    const struct tg_settings *settings;
    struct tg_limits *limits;
    struct tg_loop loop;
    struct tg_timer heartbeat;
    struct tg_store_sync *store[TG_LIMIT_STORES];
    unsigned number[TG_LIMIT_STORES]; /* their places in the map */
    unsigned nstores;
    struct channel *channel;
    unsigned nchannels;
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

/* --- workers that ask --- */

/* What cannot be sent has no answer: who waits for it has a deadline. */
static void send_answers(struct channel *c)
{
    if (c->nout > 0)
        (void)tg_limit_send(c->fd, c->out, c->nout, sizeof(*c->out));
    c->nout = 0;
}

static void on_answer(void *from, const struct tg_limit_answer *answer)
{
    struct channel *c = from;

    if (c->nout == TG_LIMIT_PACKET)
        send_answers(c);
    c->out[c->nout++] = *answer;
}

static void take_ask(struct channel *c, const struct tg_limit_ask *ask)
{
    const struct tg_syncer *s = c->syncer;

    for (unsigned i = 0; i < s->nstores; i++)
        if (s->number[i] == ask->store)
            tg_store_sync_ask(s->store[i], ask, c);
}

/* What nobody reads any more, since the master has died, ends with this process. */
static void on_asked(evutil_socket_t fd, short what, void *arg)
{
    struct channel *c = arg;
    struct tg_limit_ask ask[TG_LIMIT_PACKET];
    bool ended;
    unsigned n = tg_limit_receive(fd, ask, sizeof(*ask), &ended);

    (void)what;
    for (unsigned i = 0; i < n; i++)
        take_ask(c, &ask[i]);
    for (unsigned i = 0; i < c->syncer->nstores; i++)
        tg_store_sync_flush(c->syncer->store[i]);
    if (ended)
        event_del(c->event);
}

static void open_channels(struct tg_syncer *s, const struct tg_limit_channels *from)
{
    s->nchannels = from->n;
    s->channel = calloc(from->n > 0 ? from->n : 1, sizeof(*s->channel));
    CHECK(s->channel != NULL);
    for (unsigned i = 0; i < from->n; i++) {
        struct channel *c = &s->channel[i];

        *c = (struct channel){.syncer = s, .fd = from->syncer[i]};
        c->event = event_new(s->loop.base, c->fd, EV_READ | EV_PERSIST, on_asked, c);
        CHECK(c->event != NULL && event_add(c->event, NULL) == 0);
    }
}

static void close_channels(struct tg_syncer *s)
{
    for (unsigned i = 0; i < s->nchannels; i++) {
        send_answers(&s->channel[i]);
        event_free(s->channel[i].event);
    }
    free(s->channel);
}

/* --- life --- */

struct tg_syncer *tg_syncer_new(const struct tg_settings *settings, struct tg_limits *limits)
{
    struct tg_syncer *s = calloc(1, sizeof(*s));

    CHECK(s != NULL && tg_syncer_wanted(settings));
    s->magic = SYNCER_MAGIC;
    s->settings = settings;
    s->limits = limits;
    tg_loop_open(&s->loop);
    for (const struct tg_limit_store_conf *e = settings->limit_stores; e != NULL; e = e->next)
        if (e->nrules > 0) {
            s->number[s->nstores] = e->share.number;
            s->store[s->nstores++] = tg_store_sync_new(s->loop.base, e, limits, on_answer);
        }
    open_channels(s, &settings->limit_channels);
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

/* Answers of one turn go together. */
static void turn(struct tg_syncer *s)
{
    tg_loop_turn(&s->loop);
    for (unsigned i = 0; i < s->nchannels; i++)
        send_answers(&s->channel[i]);
}

/* Timers of the stores turn the loop meanwhile. */
void tg_syncer_first(struct tg_syncer *s)
{
    uint64_t deadline = tg_clock_mono_now() + FIRST_US;

    while (!s->stopping && !have_all_tried(s) && tg_clock_mono_now() < deadline)
        turn(s);
}

void tg_syncer_run(struct tg_syncer *s)
{
    while (!s->stopping)
        turn(s);
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
    close_channels(s);
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
