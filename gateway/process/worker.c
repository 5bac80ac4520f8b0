#include "process/worker.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "client/connection.h"
#include "client/evhtp.h"
#include "client/pool.h"
#include "exchange/exchange.h"
#include "upstream/upstream.h"

#include <event2/dns.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BEAT_US = 1000000,
    MANY = 256,         /* connections that come or go before free memory is given back */
    TRIM_PAD = 1 << 17, /* bytes that stay at the heap's top for what comes next */
};

static void list_init(struct tg_exchange_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

/* Takes all of a list; what is added meanwhile comes in the next round. */
static struct tg_exchange *take_all(struct tg_exchange_list *list)
{
    struct tg_exchange *first = list->first;

    list_init(list);
    return first;
}

static void on_beat(void *owner);
static void on_patience(void *owner);

/* What libevent has to say, such as a name server that does not answer. */
static void on_message(int severity, const char *text)
{
    tg_log(severity >= EVENT_LOG_ERR    ? TG_LOG_ERROR
           : severity == EVENT_LOG_WARN ? TG_LOG_WARN
                                        : TG_LOG_NOTICE,
           "libevent", "%s", text);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    event_set_log_callback(on_message);
    CHECK(config != NULL);
    CHECK(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0);
    base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base != NULL);
    return base;
}

static void open_fronts(struct tg_worker *w)
{
    for (struct tg_server_conf *s = w->settings->servers; s != NULL; s = s->next) {
        if (s->tls_server != NULL && w->settings->tickets != NULL)
            tg_tls_server_tickets(s->tls_server, w->settings->tickets);
        for (struct tg_listen *l = s->listens; l != NULL; l = l->next)
            tg_evhtp_open(w, s, l);
    }
}

const char *tg_worker_libevent(void)
{
    return event_get_version();
}

struct tg_worker *tg_worker_new(const struct tg_settings *settings, unsigned number)
{
    struct tg_worker *w = calloc(1, sizeof(*w));
    struct tg_arena arena;
    unsigned char random[8];
    char stream[16];
    const char *why = "";

    CHECK(w != NULL);
    tg_arena_init(&arena);
    w->settings = settings;
    w->base = new_base();
    list_init(&w->ending);
    list_init(&w->held);
    w->last_parked = &w->parked;
    tg_random(random, sizeof(random));
    tg_hex(random, sizeof(random), w->id_prefix);
    snprintf(stream, sizeof(stream), "%u", number);
    w->audit = tg_audit_open(settings->audit_conf, tg_str_of(stream), &arena, &why);
    if (w->audit == NULL) {
        tg_log(TG_LOG_EMERG, "audit", "cannot open the audit log: %s", why);
        event_base_free(w->base);
        free(w);
        w = NULL;
    } else {
        tg_timer_init(&w->beat, w->base, on_beat, w);
        tg_timer_init(&w->patience, w->base, on_patience, w);
        tg_timer_set(&w->beat, tg_clock_mono_now(), BEAT_US);
        tg_upstreams_open(w);
        open_fronts(w);
    }
    tg_arena_end(&arena);
    return w;
}

bool tg_worker_has_room(const struct tg_worker *w)
{
    return w->live.connections < (unsigned)w->settings->worker_connections;
}

/* Who has just connected, or has just had an answer, is about to send something. */
enum { MIN_IDLE_US = 100000 };

static bool is_sheddable(const struct tg_conn *c, uint64_t now)
{
    return tg_conn_is_idle(c) && tg_conn_idle_time(c, now) >= MIN_IDLE_US;
}

bool tg_worker_can_shed(const struct tg_worker *w)
{
    uint64_t now = tg_clock_mono_now();

    for (const struct tg_conn *c = w->conns; c != NULL; c = c->next)
        if (is_sheddable(c, now))
            return true;
    return false;
}

/* A sixteenth of the span between the one that is idle longest and the newest goes at once, so that
 * the walk over all connections is not made for each new one. */
bool tg_worker_shed(struct tg_worker *w)
{
    uint64_t now = tg_clock_mono_now(), most = 0;
    unsigned closed = 0;

    for (const struct tg_conn *c = w->conns; c != NULL; c = c->next)
        if (is_sheddable(c, now) && tg_conn_idle_time(c, now) > most)
            most = tg_conn_idle_time(c, now);
    for (struct tg_conn *c = w->conns, *next; most > 0 && c != NULL; c = next) {
        next = c->next;
        if (!is_sheddable(c, now) || tg_conn_idle_time(c, now) < most - most / 16)
            continue;
        tg_conn_close_idle(c);
        closed++;
    }
    if (closed > 0)
        tg_log(TG_LOG_WARN, "worker", "%u idle connections closed to make room for others", closed);
    return closed > 0;
}

static void unpark_all(struct tg_worker *w, bool written)
{
    struct tg_exchange *x = w->parked;

    w->parked = NULL;
    w->last_parked = &w->parked;
    for (struct tg_exchange *next; x != NULL; x = next) {
        next = x->next_parked;
        tg_exchange_go_on(x, written);
    }
}

/* What the log's trouble refused is told so; any other answer waits for its record. */
static void complete_all(struct tg_worker *w, struct tg_exchange *x, bool written)
{
    for (struct tg_exchange *next; x != NULL; x = next) {
        next = x->next;
        if (written || x->end == TG_E_AUDIT) {
            tg_exchange_complete(x);
            continue;
        }
        x->next = NULL;
        *w->held.last = x;
        w->held.last = &x->next;
    }
}

/* The audit lines of everything that happened in this turn, then what waited for them. Sending the
 * last bytes may start a pipelined request that ends at once, and so may going upstream: those end
 * in a round of their own, behind their audit lines. */
void tg_worker_turn(struct tg_worker *w)
{
    if (w->ending.first == NULL && w->parked == NULL && w->held.first == NULL)
        return;
    do {
        struct tg_exchange *ending;
        bool written;

        if (!tg_audit_wants_intent(w->audit))
            unpark_all(w, true); /* no record to wait for */
        written = tg_audit_flush(w->audit) || tg_audit_ready(w->audit);
        ending = take_all(&w->ending);
        unpark_all(w, written);
        if (written)
            complete_all(w, take_all(&w->held), true);
        complete_all(w, ending, written);
    } while (w->ending.first != NULL || w->parked != NULL);
}

/* --- counters --- */

static void count_turn(struct tg_worker *w)
{
    struct tg_stats_gauges gauges = {
        .connections = w->live.connections,
        .exchanges = w->live.exchanges,
        .peers = w->live.peers,
    };

    if (w->slot == NULL)
        return;
    tg_stats_turn(w->slot, &gauges, w->audit);
    if (w->stats->log_level == w->log_level)
        return;
    w->log_level = w->stats->log_level;
    tg_log_level((enum tg_log_level)(w->log_level != 0 ? (int64_t)w->log_level
                                                       : w->settings->error_log_level));
}

static unsigned apart(unsigned a, unsigned b)
{
    return a > b ? a - b : b - a;
}

/* A burst of connections leaves holes of some 20 KB each, what their handshakes took; the allocator
 * returns only what is free at the top of the heap. When the burst is over, and not for a few:
 * looking for pages takes milliseconds. */
static void give_memory_back(struct tg_worker *w)
{
    unsigned open = w->live.connections + w->live.peers;
    bool at_rest = apart(open, w->open_before) < MANY;

    w->open_before = open;
    if (!at_rest || apart(open, w->settled) < MANY)
        return;
    tg_pool_empty();
    malloc_trim(TRIM_PAD);
    w->settled = open;
    tg_log(TG_LOG_DEBUG, "worker", "free memory given back with %u connections", open);
}

static void on_beat(void *owner)
{
    struct tg_worker *w = owner;
    uint64_t now = tg_clock_mono_now();

    if (w->slot != NULL)
        w->slot->beat = now;
    /* who is told that we are not ready sends nothing that would make us try again */
    tg_audit_tick(w->audit);
    give_memory_back(w);
    tg_timer_set(&w->beat, now, BEAT_US);
}

void tg_worker_count(struct tg_worker *w, struct tg_stats *stats, struct tg_stats_slot *slot,
                     struct tg_limits *limits)
{
    w->limits = limits;
    w->stats = stats;
    w->slot = slot;
    w->log_level = stats->log_level;
}

/* --- the loop --- */

static void close_idle(struct tg_worker *w)
{
    uint64_t now = tg_clock_mono_now();

    for (struct tg_conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        tg_conn_drain_idle(c, now);
    }
    tg_upstreams_close_idle(w);
}

void tg_worker_run(struct tg_worker *w)
{
    while (!w->stopping) {
        w->now = 0;
        w->wall = 0;
        CHECK(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
        tg_worker_turn(w);
        count_turn(w);
        if (!w->draining)
            continue;
        close_idle(w);
        tg_worker_turn(w);
        if (w->live.connections == 0)
            w->stopping = true;
    }
}

static void on_patience(void *owner)
{
    struct tg_worker *w = owner;

    tg_log(TG_LOG_WARN, "worker", "shutdown_timeout: %u requests are cut off", w->live.exchanges);
    tg_worker_stop(w);
}

void tg_worker_stop(struct tg_worker *w)
{
    w->stopping = true;
    event_base_loopbreak(w->base);
}

void tg_worker_drain(struct tg_worker *w)
{
    if (w->draining)
        return;
    w->draining = true;
    tg_timer_set(&w->patience, tg_clock_mono_now(), w->settings->shutdown_timeout);
    for (struct tg_evhtp *f = w->fronts; f != NULL; f = tg_evhtp_next(f))
        tg_evhtp_stop(f);
    if (w->slot != NULL)
        __atomic_store_n(&w->slot->ready, false, __ATOMIC_RELEASE);
}

static void abort_all(struct tg_worker *w)
{
    for (uint32_t i = 0; i < w->nslots; i++)
        if (w->slots[i].exchange != NULL)
            tg_exchange_abort(w->slots[i].exchange);
    tg_worker_turn(w);
    while (w->conns != NULL)
        tg_conn_close(w->conns);
    tg_worker_turn(w);
    complete_all(w, take_all(&w->held), true); /* their clients are gone now */
}

static void report_live(const struct tg_live *live)
{
    bool clean = live->connections == 0 && live->exchanges == 0 && live->peers == 0;

    tg_log(clean ? TG_LOG_NOTICE : TG_LOG_ERROR, "worker",
           "live objects: connections %u, exchanges %u, peers %u", live->connections,
           live->exchanges, live->peers);
}

/* Queries whose peers are gone were cancelled; their last callbacks free what they hold. */
static void end_dns(struct tg_worker *w)
{
    if (w->dns == NULL)
        return;
    evdns_base_free(w->dns, 1);
    CHECK(event_base_loop(w->base, EVLOOP_NONBLOCK) >= 0);
}

void tg_worker_end(struct tg_worker *w)
{
    if (w == NULL)
        return;
    tg_worker_drain(w);
    abort_all(w);
    end_dns(w); /* its last callbacks may still tell upstreams something */
    tg_upstreams_end(w);
    while (w->fronts != NULL)
        tg_evhtp_end(w->fronts);
    tg_timer_end(&w->beat);
    tg_timer_end(&w->patience);
    tg_audit_close(w->audit);
    report_live(&w->live);
    while (w->spare != NULL) {
        struct tg_exchange *x = w->spare;

        w->spare = x->next;
        tg_exchange_free_spare(x);
    }
    event_base_free(w->base);
    free(w->slots);
    free(w->free_slots);
    tg_buf_end(&w->build);
    tg_buf_end(&w->decoded);
    free(w);
}
