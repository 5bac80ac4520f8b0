/*
 * Gateways that share one rate, as one program: so many maps of limits, each with a syncer of its
 * own and a connection to a real Redis. Arrivals of one key (Poisson) are judged against the map of
 * a random gateway; the ideal is one machine that judges the same arrivals.
 *
 *     limits SOCKET GATEWAYS RATE BURST DEMAND SYNC_MS SECONDS
 */
#include "shm/limits.h"
#include "base/check.h"
#include "base/clock.h"
#include "keeper/store_sync.h"

#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 256 };

struct gateway {
    struct tg_limits *limits;
    struct tg_store_sync *sync;
};

struct trial {
    struct event_base *base;
    struct gateway gateway[MOST];
    struct tg_limits *ideal;
    struct tg_limit_store_conf conf;
    struct tg_limit_store_server server;
    struct tg_limit_rule rule, alone;
    unsigned n;
    double demand;
    uint64_t next; /* arrival */
    uint64_t arrived, passed, passed_ideal;
};

static double uniform(void)
{
    return (double)(random() + 1) / ((double)RAND_MAX + 2);
}

static bool take(struct tg_limits *l, const struct tg_limit_rule *rule, uint64_t now)
{
    struct tg_limit_grant grant;

    return tg_limit_take(l, 0, rule, TG_STR("project"), now, &grant);
}

static void arrive(struct trial *t, uint64_t now)
{
    for (; t->next <= now; t->next += (uint64_t)(-log(uniform()) / t->demand * 1e6)) {
        t->arrived++;
        t->passed += take(t->gateway[(unsigned)random() % t->n].limits, &t->rule, now);
        t->passed_ideal += take(t->ideal, &t->alone, now);
    }
}

static void prepare(struct trial *t, char **argv)
{
    t->n = (unsigned)atoi(argv[2]);
    CHECK(t->n > 0 && t->n <= MOST);
    t->demand = atof(argv[5]);
    t->server = (struct tg_limit_store_server){.text = argv[1], .path = tg_str_of(argv[1])};
    t->conf = (struct tg_limit_store_conf){.name = TG_STR("fleet"),
                                           .servers = &t->server,
                                           .user = TG_STR("default"),
                                           .sync = atoi(argv[6]) * 1000,
                                           .timeout = 10000000,
                                           .lease = 60000000,
                                           .share = {.name = "fleet", .on_error = 1},
                                           .fleet = "trial",
                                           .nrules = 1};
    t->conf.share.hash = tg_hash_new(TG_STR("a trial's key of its own"));
    t->rule = (struct tg_limit_rule){.kind = TG_LIMIT_REQ,
                                     .key = TG_LIMIT_BY_PROJECT,
                                     .interval = (uint64_t)(1e6 / atof(argv[3])),
                                     .burst = (uint64_t)atoi(argv[4]),
                                     .id = 1,
                                     .name = "trial",
                                     .label = "trial",
                                     .share = &t->conf.share};
    t->rule.debt = t->rule.interval;
    t->alone = t->rule;
    t->alone.share = NULL;
    t->conf.rules[0] = &t->rule;
    t->base = event_base_new();
    t->ideal = tg_limits_new();
    for (unsigned i = 0; i < t->n; i++) {
        t->gateway[i].limits = tg_limits_new();
        (void)tg_limit_store_number(t->gateway[i].limits, "fleet");
        t->gateway[i].sync = tg_store_sync_new(t->base, &t->conf, t->gateway[i].limits);
    }
}

static void await_stores(struct trial *t)
{
    for (unsigned i = 0; i < t->n;) {
        const struct tg_limit_store *s = tg_limit_store_at(t->gateway[i].limits, 0);

        event_base_loop(t->base, EVLOOP_ONCE);
        while (i < t->n && tg_limit_store_up(s = tg_limit_store_at(t->gateway[i].limits, 0),
                                             tg_clock_mono_now()))
            i++;
    }
}

static void run(struct trial *t, double seconds)
{
    const struct timeval turn = {0, 1000};
    uint64_t end = tg_clock_mono_now() + (uint64_t)(seconds * 1e6);

    t->next = tg_clock_mono_now();
    for (uint64_t now = t->next; now < end; now = tg_clock_mono_now()) {
        arrive(t, now);
        event_base_loopexit(t->base, &turn);
        event_base_loop(t->base, 0);
    }
}

static uint64_t calls(struct trial *t)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < t->n; i++)
        n += tg_limit_store_at(t->gateway[i].limits, 0)->calls[TG_LIMIT_CALL_OK];
    return n;
}

int main(int argc, char **argv)
{
    static struct trial t;

    if (argc != 8) {
        fprintf(stderr, "limits SOCKET GATEWAYS RATE BURST DEMAND SYNC_MS SECONDS\n");
        return EXIT_FAILURE;
    }
    tg_log_level(TG_LOG_ERROR);
    prepare(&t, argv);
    await_stores(&t);
    run(&t, atof(argv[7]));
    printf("{\"gateways\":%u,\"arrived\":%lu,\"passed\":%lu,\"ideal\":%lu,\"against_ideal\":%.2f,"
           "\"calls_per_request\":%.3f}\n",
           t.n, t.arrived, t.passed, t.passed_ideal,
           100.0 * ((double)t.passed / (double)t.passed_ideal - 1),
           (double)calls(&t) / (double)t.arrived);
    return EXIT_SUCCESS;
}
