/*
 * Gateways that share one limit, each a process with a map of limits, a syncer and a connection to
 * a real Redis of its own. Requests of one key come to each (Poisson); the ideal is one machine
 * that judges the same arrivals.
 *
 *     limits SOCKET MODE GATEWAYS RATE BURST DEMAND SYNC_MS SECONDS
 *
 * MODE is debt or exact, where RATE and DEMAND are requests a second; or flight, where RATE is how
 * many may be under way at once and DEMAND how many would be on average, of 100 ms each (BURST is
 * not looked at). Prints one line of JSON.
 */
#include "shm/limits.h"
#include "base/check.h"
#include "base/clock.h"
#include "keeper/store_sync.h"

#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256, SERVICE_US = 100000 };

/* A request, as the process it came to saw it. */
struct arrival {
    uint64_t at;
    uint64_t begun, ended; /* flight: while it was under way */
    uint64_t waited;       /* for the answer of the store */
    uint64_t service;      /* flight: how long it takes, if it is let in */
    int entry;
    bool passed;
};

/* What processes share. */
struct shared {
    uint32_t ready; /* processes whose store answers */
    uint64_t start; /* when all begin */
    uint64_t calls; /* of all, answered */
    uint32_t n[MOST];
    struct arrival arrival[]; /* so many for each process */
};

struct trial {
    struct event_base *base;
    struct tg_limits *limits;
    struct tg_store_sync *sync;
    struct tg_limit_store_conf conf;
    struct tg_limit_store_server server;
    struct tg_limit_rule rule;
    struct shared *shared;
    unsigned gateways, room; /* arrivals of one process, at most */
    bool exact, flight;
    double demand, seconds;
    unsigned mine; /* this process */
    uint64_t end;
};

static double uniform(void)
{
    return (double)(random() + 1) / ((double)RAND_MAX + 2);
}

static struct arrival *arrival_of(const struct trial *t, unsigned process, unsigned i)
{
    return &t->shared->arrival[(size_t)process * t->room + i];
}

/* --- one gateway --- */

static struct trial *me;

static bool on_answer_to(struct arrival *a, const struct tg_limit_answer *answer)
{
    uint64_t now = tg_clock_mono_now();

    a->waited = now - a->at;
    a->passed = answer->result == TG_LIMIT_GRANTED;
    a->begun = now;
    a->ended = now + a->service;
    return a->passed;
}

static void on_answer(void *from, const struct tg_limit_answer *answer)
{
    struct arrival *a = from;

    if (!on_answer_to(a, answer) && me->flight)
        tg_limit_release(me->limits, 0, a->entry);
}

static void ask(struct trial *t, struct arrival *a)
{
    struct tg_limit_grant grant;
    struct tg_limit_ask question;

    if (tg_limit_claim(t->limits, 0, &t->rule, TG_STR("project"), a->at, &question, &grant) !=
        TG_LIMIT_UNKNOWN)
        return;
    a->entry = grant.entry;
    question.until = UINT64_MAX;
    tg_store_sync_ask(t->sync, &question, a);
}

static void arrive(struct trial *t, uint64_t now, uint64_t *next)
{
    double each = t->demand / t->gateways;

    if (t->flight)
        each *= 1e6 / SERVICE_US;
    for (; *next <= now && t->shared->n[t->mine] < t->room;
         *next += (uint64_t)(-log(uniform()) / each * 1e6)) {
        struct arrival *a = arrival_of(t, t->mine, t->shared->n[t->mine]++);
        struct tg_limit_grant grant;

        *a = (struct arrival){.at = now, .service = SERVICE_US, .entry = -1};
        if (t->exact)
            ask(t, a);
        else
            a->passed = tg_limit_take(t->limits, 0, &t->rule, TG_STR("project"), now, &grant);
    }
}

/* What is done makes room, and the store is told. Returns when the next one is. */
static uint64_t leave(struct trial *t, uint64_t now)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; t->flight && i < t->shared->n[t->mine]; i++) {
        struct arrival *a = arrival_of(t, t->mine, i);
        struct tg_limit_ask told;

        if (!a->passed || a->entry < 0)
            continue;
        if (a->ended > now) {
            next = a->ended < next ? a->ended : next;
            continue;
        }
        a->ended = now;
        tg_limit_release(t->limits, 0, a->entry);
        CHECK(tg_limit_released(t->limits, a->entry, &told));
        tg_store_sync_ask(t->sync, &told, NULL);
        a->entry = -1;
    }
    return next;
}

static void turn(struct trial *t, uint64_t until)
{
    uint64_t now = tg_clock_mono_now(), us = until > now ? until - now : 0;
    const struct timeval wait = {0, us < 100000 ? (suseconds_t)us : 100000};

    tg_store_sync_flush(t->sync);
    event_base_loopexit(t->base, &wait);
    event_base_loop(t->base, EVLOOP_ONCE);
}

static void be_gateway(struct trial *t)
{
    uint64_t next;

    srandom((unsigned)getpid());
    t->base = event_base_new();
    t->limits = tg_limits_new();
    (void)tg_limit_store_number(t->limits, "fleet");
    t->sync = tg_store_sync_new(t->base, &t->conf, t->limits, on_answer);
    while (!tg_limit_store_up(tg_limit_store_at(t->limits, 0), tg_clock_mono_now()))
        event_base_loop(t->base, EVLOOP_ONCE);
    __atomic_add_fetch(&t->shared->ready, 1, __ATOMIC_RELEASE);
    while ((next = __atomic_load_n(&t->shared->start, __ATOMIC_ACQUIRE)) == 0 ||
           tg_clock_mono_now() < next)
        turn(t, tg_clock_mono_now() + 10000);
    t->end = next + (uint64_t)(t->seconds * 1e6);
    for (uint64_t now = next; now < t->end; now = tg_clock_mono_now()) {
        uint64_t done = leave(t, now);

        arrive(t, now, &next);
        turn(t, done < next ? done : next);
    }
    __atomic_add_fetch(&t->shared->calls, tg_limit_store_at(t->limits, 0)->calls[TG_LIMIT_CALL_OK],
                       __ATOMIC_RELAXED);
}

/* --- what came of it --- */

static int by_time(const void *a, const void *b)
{
    const struct arrival *const *x = a, *const *y = b;

    return ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static struct arrival **sorted(const struct trial *t, size_t *n)
{
    struct arrival **all = calloc((size_t)t->gateways * t->room, sizeof(*all));

    CHECK(all != NULL);
    for (unsigned p = 0; p < t->gateways; p++)
        for (unsigned i = 0; i < t->shared->n[p]; i++)
            all[(*n)++] = arrival_of(t, p, i);
    qsort(all, *n, sizeof(struct arrival *), by_time);
    return all;
}

/* How many one machine would let in. */
static size_t ideal(const struct trial *t, struct arrival **all, size_t n)
{
    struct tg_limits *limits = tg_limits_new();
    struct tg_limit_rule rule = t->rule;
    struct tg_limit_grant grant;
    size_t passed = 0, first = 0;
    struct arrival **in = calloc(n + 1, sizeof(*in));

    CHECK(in != NULL);
    rule.share = NULL;
    for (size_t i = 0; i < n; i++) {
        for (; t->flight && first < passed && in[first]->at + SERVICE_US <= all[i]->at; first++)
            tg_limit_release(limits, 0, in[first]->entry);
        if (!tg_limit_take(limits, 0, &rule, TG_STR("project"), all[i]->at, &grant))
            continue;
        all[i]->entry = grant.entry;
        in[passed++] = all[i];
    }
    free(in);
    tg_limits_end(limits);
    return passed;
}

/* How many were under way at the same time, at most. */
static unsigned most_at_once(struct arrival **all, size_t n)
{
    uint64_t *begun = calloc(n + 1, sizeof(*begun)), *ended = calloc(n + 1, sizeof(*ended));
    size_t m = 0, gone = 0;
    unsigned most = 0;

    CHECK(begun != NULL && ended != NULL);
    for (size_t i = 0; i < n; i++)
        if (all[i]->passed) {
            begun[m] = all[i]->begun;
            ended[m++] = all[i]->ended;
        }
    qsort(begun, m, sizeof(*begun), by_number);
    qsort(ended, m, sizeof(*ended), by_number);
    for (size_t i = 0; i < m; i++) {
        while (ended[gone] <= begun[i])
            gone++;
        if (i + 1 - gone > most)
            most = (unsigned)(i + 1 - gone);
    }
    free(begun);
    free(ended);
    return most;
}

static uint64_t median_wait(struct arrival **all, size_t n)
{
    uint64_t *waits = calloc(n + 1, sizeof(*waits)), median;

    CHECK(waits != NULL);
    for (size_t i = 0; i < n; i++)
        waits[i] = all[i]->waited;
    qsort(waits, n, sizeof(*waits), by_number);
    median = waits[n / 2];
    free(waits);
    return median;
}

static void tell(const struct trial *t)
{
    size_t n = 0, passed = 0, of_one;
    struct arrival **all = sorted(t, &n);

    for (size_t i = 0; i < n; i++)
        passed += all[i]->passed;
    of_one = ideal(t, all, n);
    printf("{\"arrived\":%zu,\"passed\":%zu,\"ideal\":%zu,\"against_ideal\":%.2f,\"calls_per_"
           "request\":"
           "%.3f,\"median_wait_us\":%lu,\"most_at_once\":%u}\n",
           n, passed, of_one, of_one > 0 ? 100.0 * ((double)passed / (double)of_one - 1) : 0.0,
           (double)t->shared->calls / (double)(n > 0 ? n : 1), median_wait(all, n),
           t->flight ? most_at_once(all, n) : 0);
    free(all);
}

/* --- all of it --- */

static void prepare(struct trial *t, char **argv)
{
    t->flight = strcmp(argv[2], "flight") == 0;
    t->exact = t->flight || strcmp(argv[2], "exact") == 0;
    t->gateways = (unsigned)atoi(argv[3]);
    CHECK(t->gateways > 0 && t->gateways <= MOST);
    t->demand = atof(argv[6]);
    t->seconds = atof(argv[8]);
    t->room =
        (unsigned)(t->demand * (t->flight ? 1e6 / SERVICE_US : 1) * t->seconds / t->gateways * 2) +
        1000;
    t->server = (struct tg_limit_store_server){.text = argv[1], .path = tg_str_of(argv[1])};
    t->conf = (struct tg_limit_store_conf){
        .name = TG_STR("fleet"),
        .servers = &t->server,
        .user = TG_STR("default"),
        .sync = atoi(argv[7]) * 1000,
        .lease = 60000000,
        .share = {.name = "fleet", .on_error = TG_LIMIT_ON_ERROR_DENY, .timeout = 10000000},
        .fleet = "trial",
        .nrules = 1};
    t->conf.share.hash = tg_hash_new(TG_STR("a trial's key of its own"));
    t->rule = (struct tg_limit_rule){.kind = t->flight ? TG_LIMIT_IN_FLIGHT : TG_LIMIT_REQ,
                                     .key = TG_LIMIT_BY_PROJECT,
                                     .interval = (uint64_t)(1e6 / atof(argv[4])),
                                     .burst = (uint64_t)atoi(argv[5]),
                                     .most = (uint64_t)atoi(argv[4]),
                                     .exact = t->exact,
                                     .id = 1,
                                     .name = "trial",
                                     .label = "trial",
                                     .share = &t->conf.share};
    t->rule.debt = t->rule.interval;
    t->conf.rules[0] = &t->rule;
    t->shared =
        mmap(NULL, sizeof(*t->shared) + (size_t)t->gateways * t->room * sizeof(struct arrival),
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(t->shared != MAP_FAILED);
}

int main(int argc, char **argv)
{
    static struct trial t;
    int status, bad = 0;

    if (argc != 9) {
        fprintf(stderr, "limits SOCKET MODE GATEWAYS RATE BURST DEMAND SYNC_MS SECONDS\n");
        return EXIT_FAILURE;
    }
    tg_log_level(TG_LOG_ERROR);
    prepare(&t, argv);
    me = &t;
    for (t.mine = 0; t.mine < t.gateways; t.mine++)
        if (fork() == 0) {
            be_gateway(&t);
            _exit(0);
        }
    while (__atomic_load_n(&t.shared->ready, __ATOMIC_ACQUIRE) < t.gateways &&
           waitpid(-1, &status, WNOHANG) <= 0)
        usleep(1000);
    __atomic_store_n(&t.shared->start, tg_clock_mono_now() + 100000, __ATOMIC_RELEASE);
    while (wait(&status) > 0)
        bad |= status;
    tell(&t);
    return bad != 0;
}
