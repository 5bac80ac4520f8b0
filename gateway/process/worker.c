/* One worker: what lives on its loop is put together here, counted, drained and ended. */
#include "process/worker.h"

#include "audit/conf.h"
#include "base/check.h"
#include "base/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    HEARTBEAT_US = 1000000,
    KEPT = 16,          /* descriptors that connections leave to others */
    FREED = 1 << 20,    /* bytes that stand free before they are given back */
    TRIM_PAD = 1 << 17, /* bytes that stay at the heap's top for what comes next */
};

static void worker_on_heartbeat(void *owner);
static void on_drain_timeout(void *owner);

/* The second line of the stream: what this worker serves by. */
static void record_settings(struct tg_audit *audit, const struct tg_settings *s)
{
    tg_audit_configuration(audit,
                           &(struct tg_audit_configuration){.asked_by = s->asked_by,
                                                            .revision = s->audit_conf->revision,
                                                            .loaded = s->audit_conf->loaded,
                                                            .nloaded = s->audit_conf->nloaded});
    (void)tg_audit_flush(audit);
}

static struct tg_audit *open_audit(const struct tg_settings *settings, unsigned number,
                                   struct event_base *base)
{
    struct tg_arena arena;
    struct tg_audit *audit;
    char stream[16];
    const char *why = "";

    tg_arena_init(&arena);
    snprintf(stream, sizeof(stream), "%u", number);
    audit = tg_audit_open(settings->audit_conf, tg_str_of(stream), base, &arena, &why);
    if (audit != NULL)
        record_settings(audit, settings);
    else
        tg_log(TG_LOG_EMERG, "audit", "cannot open the audit log: %s", why);
    tg_arena_end(&arena);
    return audit;
}

/* What is kept for others in case of need: connections to upstreams, then those of clients. */
static bool on_scarce(void *owner)
{
    struct tg_worker *w = owner;

    if (!w->warned_scarce)
        tg_log(TG_LOG_WARN, "worker", "descriptors are scarce: idle connections are closed");
    w->warned_scarce = true;
    return tg_upstreams_shed(&w->upstreams) || tg_clients_shed(&w->clients);
}

/* Requests can wait for room, or are refused; hosts, resolv.conf, name servers and logs find
 * descriptors, since what is idle leaves some. */
static unsigned most_sockets(void)
{
    struct rlimit limit;
    int first_free = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (first_free < 0)
        return 0;
    close(first_free);
    if (limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return limit.rlim_cur > (rlim_t)first_free + KEPT
               ? (unsigned)limit.rlim_cur - KEPT - (unsigned)first_free
               : 0;
}

static void leave_descriptors(struct tg_worker *w)
{
    while (w->clients.live + w->upstreams.live > w->most_sockets && on_scarce(w))
        ;
}

/* Each part is told what it stands on; who is above it, it knows as an owner of callbacks. */
static void compose(struct tg_worker *w)
{
    CHECK(w->audit != NULL && w->loop.base != NULL);
    w->loop.on_scarce = on_scarce;
    w->loop.owner = w;
    w->exchanges.loop = &w->loop;
    w->exchanges.audit = w->audit;
    w->exchanges.upstreams = &w->upstreams;
    w->exchanges.fetches = &w->fetches;
    w->exchanges.lookup_cache_size = (size_t)w->settings->lookup_cache_size;
    w->fetches.upstreams = &w->upstreams;
    w->fetches.most = (unsigned)w->settings->lookup_concurrency;
    w->fetches.max_answer = (size_t)w->settings->lookup_max_size;
    w->exchanges.shared = &w->shared;
    w->exchanges.audit_timeout = w->settings->audit_timeout;
    w->exchanges.debug_requests = w->settings->debug_requests;
    w->exchanges.body_memory_most = (uint64_t)w->settings->worker_body_memory;
    w->clients.loop = &w->loop;
    w->clients.shared = &w->shared;
    w->clients.events = &tg_exchange_client_events;
    w->clients.owner = &w->exchanges;
    tg_upstreams_open(&w->upstreams, &w->loop, w->settings->upstreams);
    tg_exchanges_open(&w->exchanges);
    tg_clients_open(&w->clients, w->settings);
}

/* Several times within worker_hang_timeout: who looks twice in it sees another heartbeat each time.
 */
static int64_t worker_heartbeat_interval(const struct tg_settings *s)
{
    int64_t often = s->worker_hang_timeout / 8;

    CHECK(often >= 0);
    return often > 0 && often < HEARTBEAT_US ? often : HEARTBEAT_US;
}

struct tg_worker *tg_worker_new(const struct tg_settings *settings, unsigned number)
{
    struct tg_worker *w = calloc(1, sizeof(*w));

    CHECK(w != NULL);
    w->settings = settings;
    tg_loop_open(&w->loop);
    w->audit = open_audit(settings, number, w->loop.base);
    if (w->audit == NULL) {
        tg_loop_end(&w->loop);
        free(w);
        return NULL;
    }
    tg_timer_init(&w->heartbeat, w->loop.base, worker_on_heartbeat, w);
    tg_timer_init(&w->drain_timer, w->loop.base, on_drain_timeout, w);
    tg_timer_set(&w->heartbeat, tg_clock_mono_now(), worker_heartbeat_interval(settings));
    compose(w);
    w->most_sockets = most_sockets();
    return w;
}

/* --- counters --- */

static void count_turn(struct tg_worker *w)
{
    struct tg_stats_gauges gauges = {
        .connections = w->clients.live,
        .exchanges = w->exchanges.live,
        .upstream_conns = w->upstreams.live,
        .body_memory = w->exchanges.body_memory + w->fetches.memory,
    };
    const struct tg_stats *stats = w->shared.stats;

    CHECK(gauges.body_memory >= w->fetches.memory);
    if (w->shared.slot == NULL)
        return;
    tg_stats_turn(w->shared.slot, &gauges, w->audit);
    if (stats->log_level == w->log_level)
        return;
    w->log_level = stats->log_level;
    tg_log_level((enum tg_log_level)(w->log_level != 0 ? (int64_t)w->log_level
                                                       : w->settings->error_log_level));
}

/* What the master could not put in force is recorded by whichever worker in force sees it first. */
static void record_refusals(struct tg_worker *w)
{
    struct tg_stats_refusal r;

    if (w->shared.slot == NULL || w->loop.draining)
        return;
    while (tg_stats_take_refusal(w->shared.stats, &r))
        tg_audit_configuration(
            w->audit, &(struct tg_audit_configuration){.asked_by = (enum tg_audit_asker)r.asked_by,
                                                       .revision = tg_str_of(r.revision),
                                                       .why = tg_str_of(r.why)});
    (void)tg_audit_flush(w->audit);
}

/* What bodies took and gave back since the last heartbeat: the kernel had to give it again. */
static size_t taken_again(struct tg_worker *w)
{
    struct tg_exchanges *all = &w->exchanges;
    size_t n = all->body_memory_peak - all->body_memory;

    CHECK(all->body_memory_peak >= all->body_memory);
    all->body_memory_peak = all->body_memory;
    return n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Large bodies leave holes in the heap, and so does a burst of connections with their handshakes;
 * the allocator returns only what is free at the top of the heap. What has stood free for a
 * heartbeat goes, and not for a little: looking for pages takes milliseconds. */
static void give_memory_back(struct tg_worker *w)
{
    size_t now = mallinfo2().fordblks;
    size_t stood = least(now, w->free_before);
    size_t again = least(now, taken_again(w));

    w->free_before = now;
    w->free_kept = least(w->free_kept, now - again);
    if (stood < w->free_kept + FREED)
        return;
    tg_clients_trim();
    malloc_trim(TRIM_PAD);
    w->free_kept = mallinfo2().fordblks;
    tg_log(TG_LOG_DEBUG, "worker", "free memory given back with %u connections",
           w->clients.live + w->upstreams.live);
}

static void worker_on_heartbeat(void *owner)
{
    struct tg_worker *w = owner;
    uint64_t now = tg_clock_mono_now();

    if (w->shared.slot != NULL) {
        w->shared.slot->heartbeat = now;
        tg_stats_audit(w->shared.slot, w->audit);
    }
    /* who is told that we are not ready sends nothing that would make us try again */
    tg_audit_tick(w->audit);
    record_refusals(w);
    give_memory_back(w);
    w->warned_scarce = false;
    tg_timer_set(&w->heartbeat, now, worker_heartbeat_interval(w->settings));
}

void tg_worker_count(struct tg_worker *w, const struct tg_shared *shared, int channel)
{
    CHECK(w->shared.stats == NULL && shared->stats != NULL && shared->slot != NULL);
    w->shared = *shared;
    tg_upstreams_share(&w->upstreams, &shared->stats->servers);
    tg_exchanges_ask(&w->exchanges, channel);
    w->shared.teller =
        tg_teller_new(w->settings->audit_conf, shared->stats, tg_shared_number(shared));
    tg_stats_audit(shared->slot, w->audit);
    w->log_level = shared->stats->log_level;
}

/* --- the loop --- */

void tg_worker_run(struct tg_worker *w)
{
    while (!w->stopping) {
        tg_loop_turn(&w->loop);
        tg_exchanges_turn(&w->exchanges);
        CHECK(w->exchanges.ending.first == NULL);
        leave_descriptors(w);
        count_turn(w);
        if (!w->loop.draining)
            continue;
        tg_clients_drain_idle(&w->clients);
        tg_upstreams_close_idle(&w->upstreams);
        tg_exchanges_turn(&w->exchanges);
        if (w->clients.live == 0)
            w->stopping = true;
    }
}

static void on_drain_timeout(void *owner)
{
    struct tg_worker *w = owner;

    CHECK(w->loop.draining);
    tg_log(TG_LOG_WARN, "worker", "shutdown_timeout: %u requests are cut off", w->exchanges.live);
    tg_worker_stop(w);
}

void tg_worker_stop(struct tg_worker *w)
{
    w->stopping = true;
    event_base_loopbreak(w->loop.base);
}

void tg_worker_drain(struct tg_worker *w)
{
    if (w->loop.draining)
        return;
    w->loop.draining = true;
    tg_timer_set(&w->drain_timer, tg_clock_mono_now(), w->settings->shutdown_timeout);
    tg_clients_stop(&w->clients);
    if (w->shared.slot != NULL)
        __atomic_store_n(&w->shared.slot->ready, false, __ATOMIC_RELEASE);
}

/* --- the end --- */

static void report_live(const struct tg_worker *w)
{
    bool clean = w->clients.live == 0 && w->exchanges.live == 0 && w->upstreams.live == 0 &&
                 w->fetches.live == 0 && w->exchanges.body_memory + w->fetches.memory == 0;

    tg_log(clean ? TG_LOG_NOTICE : TG_LOG_ERROR, "worker",
           "live objects: connections %u, exchanges %u, upstream connections %u, body memory %lu",
           w->clients.live, w->exchanges.live, w->upstreams.live,
           w->exchanges.body_memory + w->fetches.memory);
}

void tg_worker_end(struct tg_worker *w)
{
    if (w == NULL)
        return;
    tg_worker_drain(w);
    tg_exchanges_abort(&w->exchanges);
    tg_exchanges_turn(&w->exchanges);
    tg_clients_close(&w->clients);
    tg_exchanges_turn(&w->exchanges);
    tg_exchanges_end(&w->exchanges);
    tg_upstreams_end(&w->upstreams);
    tg_clients_end(&w->clients);
    tg_timer_end(&w->heartbeat);
    tg_timer_end(&w->drain_timer);
    tg_audit_close(w->audit);
    tg_teller_end(w->shared.teller);
    report_live(w);
    tg_loop_end(&w->loop);
    free(w);
}
