/* One store of limits: what it is told, and what it tells. */
#include "keeper/store_sync.h"

#include "base/check.h"
#include "base/clock.h"
#include "keeper/store_link.h"
#include "keeper/store_scripts.h"
#include "net/timer.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SYNC_MAGIC = 0x73796e63,
    HOT_US = 10000,     /* between pushes of keys that are half used up */
    TRUST_US = 1000000, /* how long the last news hold when this process stands still */
    SHA = 40,
    KEY = 512,
    NUMBER = 24,
    ARGS = 5,
    CHUNK = 64
};

/* More than any key can be used up ahead. */
#define MOST_US (UINT64_C(1) << 52)

/* A call without an answer. */
struct call {
    enum tg_store_script script;
    bool load;                           /* SCRIPT LOAD of it; else it runs */
    bool sent;                           /* its text went with it: NOSCRIPT would be nonsense */
    const struct tg_limit_rule *rule;    /* of all but TG_STORE_BEAT */
    struct tg_limit_due due;             /* TG_STORE_CHARGE */
    struct tg_limit_ask ask;             /* TG_STORE_TAKE, and who waits */
    void *from;                          /* the same */
    struct tg_store_statement statement; /* TG_STORE_HOLD */
    struct call *next;                   /* free ones */
};

struct tg_store_sync {
    uint32_t magic;
    const struct tg_limit_store_conf *conf;
    struct tg_limits *limits;
    struct tg_limit_store *shown; /* what others see of it */
    tg_store_answer *answer;
    struct tg_store_held *held;
    struct tg_store_link *link;
    struct tg_timer timer;
    char sha[TG_STORE_SCRIPTS][SHA + 1];
    bool up;
    bool tried;
    bool told_down;
    uint64_t synced; /* when all keys were pushed last, monotonic */
    uint64_t beaten; /* when the last beat was sent */
    bool warned[TG_LIMIT_STORE_RULES];
    struct call *free;
    struct call calls[TG_STORE_CALLS];
};

static void count(struct tg_store_sync *s, enum tg_limit_call what)
{
    __atomic_add_fetch(&s->shown->calls[what], 1, __ATOMIC_RELAXED);
}

static void show_up(struct tg_store_sync *s, uint64_t until)
{
    __atomic_store_n(&s->shown->up_until, until, __ATOMIC_RELAXED);
}

/* --- calls --- */

static struct call *new_call(struct tg_store_sync *s, enum tg_store_script script)
{
    struct call *c = s->free;

    CHECK(c != NULL && tg_store_link_room(s->link) > 0);
    s->free = c->next;
    *c = (struct call){.script = script};
    return c;
}

static void end_call(struct tg_store_sync *s, struct call *c)
{
    c->next = s->free;
    s->free = c;
}

static void load(struct tg_store_sync *s, enum tg_store_script script)
{
    struct call *c = new_call(s, script);
    const struct tg_str words[] = {TG_STR("SCRIPT"), TG_STR("LOAD"),
                                   tg_str_of(tg_store_scripts[script])};

    c->load = true;
    tg_store_link_call(s->link, words, 3, c);
}

/* Runs a script with one key and `n` arguments. */
static void run(struct tg_store_sync *s, struct call *c, const char *key, const struct tg_str *args,
                unsigned n)
{
    struct tg_str words[4 + ARGS] = {
        c->sent ? TG_STR("EVAL") : TG_STR("EVALSHA"),
        tg_str_of(c->sent ? tg_store_scripts[c->script] : s->sha[c->script]),
        TG_STR("1"),
        tg_str_of(key),
    };

    CHECK(n <= ARGS);
    memcpy(words + 4, args, n * sizeof(*args));
    tg_store_link_call(s->link, words, 4 + n, c);
}

static struct tg_str number(char text[NUMBER], int64_t n)
{
    int length = snprintf(text, NUMBER, "%ld", (long)n);

    return (struct tg_str){text, (size_t)length};
}

/* Who knows the key file can tell which key it is, and nobody else; rules of one key are of one
 * slot of a cluster. */
static void name_key(char key[KEY], const struct tg_limit_rule *rule,
                     const unsigned char digest[TG_LIMIT_DIGEST], const char *kind)
{
    char hex[2 * TG_LIMIT_DIGEST + 1] = "";

    tg_hex(digest, TG_LIMIT_DIGEST, hex);
    snprintf(key, KEY, "tg:{%s}:%s:%s", hex, rule->label == rule->name ? rule->name : "", kind);
}

static void charge(struct tg_store_sync *s, struct call *c)
{
    char key[KEY], amount[NUMBER];
    const struct tg_str args[] = {number(amount, c->due.amount)};

    name_key(key, c->rule, c->due.digest, "rate");
    run(s, c, key, args, 1);
}

static void take(struct tg_store_sync *s, struct call *c)
{
    char key[KEY], interval[NUMBER], most[NUMBER];
    const struct tg_str args[] = {number(interval, (int64_t)c->rule->interval),
                                  number(most, (int64_t)(c->rule->interval * c->rule->burst))};

    name_key(key, c->rule, c->ask.digest, "rate");
    run(s, c, key, args, 2);
}

static void hold(struct tg_store_sync *s, struct call *c)
{
    char key[KEY], have[NUMBER], want[NUMBER], most[NUMBER], lease[NUMBER];
    const struct tg_str args[] = {tg_str_of(tg_limit_replica(s->limits)),
                                  number(have, c->statement.have), number(want, c->statement.want),
                                  number(most, (int64_t)c->rule->most),
                                  number(lease, s->conf->lease)};

    name_key(key, c->rule, c->statement.digest, "held");
    run(s, c, key, args, 5);
}

static void beat(struct tg_store_sync *s, struct call *c)
{
    char key[KEY], lease[NUMBER];
    const struct tg_str args[] = {tg_str_of(tg_limit_replica(s->limits)),
                                  number(lease, s->conf->lease)};

    snprintf(key, sizeof(key), "tg:{%s}:%s:gateways", s->conf->fleet, s->conf->name.p);
    run(s, c, key, args, 2);
}

static void send_again(struct tg_store_sync *s, struct call *c)
{
    static void (*const send[])(struct tg_store_sync *, struct call *) = {
        [TG_STORE_CHARGE] = charge,
        [TG_STORE_TAKE] = take,
        [TG_STORE_HOLD] = hold,
        [TG_STORE_BEAT] = beat,
    };

    c->sent = true;
    send[c->script](s, c);
    tg_store_link_flush(s->link);
}

static void send_beat(struct tg_store_sync *s, uint64_t now)
{
    s->beaten = now;
    beat(s, new_call(s, TG_STORE_BEAT));
}

/* --- what is asked --- */

static void tell(struct tg_store_sync *s, const struct tg_limit_ask *ask, void *from,
                 enum tg_limit_result result, uint64_t ahead)
{
    s->answer(from, &(struct tg_limit_answer){
                        .id = ask->id, .serial = ask->serial, .result = result, .number = ahead});
}

/* As many statements as can be without an answer. */
static void push_held(struct tg_store_sync *s)
{
    struct tg_store_statement statement;

    while (s->up && tg_store_link_room(s->link) > 0 && tg_store_held_next(s->held, &statement)) {
        struct call *c = new_call(s, TG_STORE_HOLD);

        c->rule = statement.rule;
        c->statement = statement;
        hold(s, c);
    }
}

/* The number of a limit by its id; conf->nrules: there is none. */
static unsigned find_rule(const struct tg_store_sync *s, uint64_t id)
{
    unsigned i = 0;

    while (i < s->conf->nrules && s->conf->rules[i]->id != id)
        i++;
    return i;
}

void tg_store_sync_ask(struct tg_store_sync *s, const struct tg_limit_ask *ask, void *from)
{
    const struct tg_limit_rule *rule;
    struct call *c;
    unsigned i;
    bool known;

    CHECK_MAGIC(s, SYNC_MAGIC);
    i = find_rule(s, ask->rule);
    rule = i < s->conf->nrules ? s->conf->rules[i] : NULL;
    known = rule != NULL && ask->at < TG_LIMIT_ENTRIES && ask->slot < TG_STATS_SLOTS;
    if (known && ask->release && rule->kind == TG_LIMIT_IN_FLIGHT) {
        tg_store_held_touch(s->held, i, ask->at);
    } else if (!known || ask->release || !s->up || tg_store_link_room(s->link) == 0) {
        tell(s, ask, from, TG_LIMIT_UNKNOWN, 0);
    } else if (rule->kind == TG_LIMIT_IN_FLIGHT) {
        tg_store_held_ask(s->held, i, ask, from);
    } else {
        c = new_call(s, TG_STORE_TAKE);
        c->rule = rule;
        c->ask = *ask;
        c->from = from;
        take(s, c);
    }
}

void tg_store_sync_flush(struct tg_store_sync *s)
{
    push_held(s);
    if (s->up)
        tg_store_link_flush(s->link);
}

/* Ends a call that the store did not answer. */
static void lose_call(struct tg_store_sync *s, struct call *c)
{
    if (c->script == TG_STORE_TAKE && !c->load)
        tell(s, &c->ask, c->from, TG_LIMIT_UNKNOWN, 0);
    if (c->script == TG_STORE_HOLD && !c->load)
        tg_store_held_lost(s->held, c->statement.of);
    end_call(s, c);
}

/* --- answers --- */

/* With more gateways than requests within one sync, what passes beyond the rate has no useful
 * bound. */
static void warn_of_many(struct tg_store_sync *s, uint64_t replicas)
{
    for (unsigned i = 0; i < s->conf->nrules; i++) {
        if (replicas == 1 || s->warned[i] || s->conf->rules[i]->exact ||
            s->conf->rules[i]->interval * replicas <= (uint64_t)s->conf->sync)
            continue;
        s->warned[i] = true;
        tg_log(TG_LOG_WARN, "syncer",
               "the limit %s is shared by %lu gateways, but less than that passes within one "
               "\"sync\": together they pass more than it allows",
               s->conf->rules[i]->name, replicas);
    }
}

static void take_beat(struct tg_store_sync *s, int64_t replicas)
{
    __atomic_store_n(&s->shown->replicas, (uint32_t)replicas, __ATOMIC_RELAXED);
    warn_of_many(s, (uint64_t)replicas);
    show_up(s, tg_clock_mono_now() + TRUST_US + (uint64_t)s->conf->sync);
    tg_store_held_renew(s->held);
    if (s->up)
        return;
    s->shown->since = tg_clock_wall_now();
    snprintf(s->shown->server, sizeof(s->shown->server), "%s", tg_store_link_server(s->link));
    s->up = s->tried = true;
    s->told_down = false;
    tg_store_link_proved(s->link);
    tg_log(TG_LOG_NOTICE, "syncer", "limit_store \"%s\" answers, %s, gateways: %ld",
           s->conf->name.p, tg_store_link_server(s->link), (long)replicas);
}

/* The scripts come in their order, then the first beat. */
static bool take_sha(struct tg_store_sync *s, enum tg_store_script script, struct tg_str sha)
{
    if (sha.n != SHA)
        return false;
    memcpy(s->sha[script], sha.p, SHA);
    if (script == TG_STORE_SCRIPTS - 1) {
        send_beat(s, tg_clock_mono_now());
        tg_store_link_flush(s->link);
    }
    return true;
}

static bool take_charged(struct tg_store_sync *s, const struct call *c,
                         const struct tg_redis_reply *reply)
{
    uint64_t ahead;

    if (reply->kind != TG_REDIS_TEXT || !tg_str_u64(reply->text, &ahead) || ahead > MOST_US)
        return false;
    (void)tg_limit_settle(s->limits, c->rule, &c->due, ahead, tg_clock_mono_now());
    return true;
}

/* Two numbers, the first of which is at most so large. */
static bool take_pair(const struct tg_redis_reply *reply, uint64_t most, uint64_t pair[2])
{
    for (unsigned i = 0; i < 2; i++) {
        struct tg_redis_reply one = tg_redis_at(reply, i);

        if (one.kind != TG_REDIS_NUMBER || one.number < 0)
            return false;
        pair[i] = (uint64_t)one.number;
    }
    return pair[0] <= most && pair[1] <= MOST_US;
}

/* Should the store go away, the map goes on from what it said. */
static bool take_taken(struct tg_store_sync *s, const struct call *c,
                       const struct tg_redis_reply *reply)
{
    const struct tg_limit_due due = {.at = c->ask.at, .key = c->ask.key};
    uint64_t pair[2];

    if (!take_pair(reply, 1, pair))
        return false;
    pair[1] = tg_limit_settle(s->limits, c->rule, &due, pair[1], tg_clock_mono_now());
    tell(s, &c->ask, c->from, pair[0] == 1 ? TG_LIMIT_GRANTED : TG_LIMIT_REFUSED, pair[1]);
    return true;
}

static bool take_held(struct tg_store_sync *s, const struct call *c,
                      const struct tg_redis_reply *reply)
{
    uint64_t pair[2];

    if (!take_pair(reply, c->statement.want, pair))
        return false;
    tg_store_held_done(s->held, c->statement.of, pair[0], pair[1]);
    return true;
}

/* False: it is no answer to this. */
static bool take_answer(struct tg_store_sync *s, const struct call *c,
                        const struct tg_redis_reply *reply)
{
    if (c->load)
        return reply->kind == TG_REDIS_TEXT && take_sha(s, c->script, reply->text);
    switch (c->script) {
    case TG_STORE_CHARGE:
        return take_charged(s, c, reply);
    case TG_STORE_TAKE:
        return take_taken(s, c, reply);
    case TG_STORE_HOLD:
        return take_held(s, c, reply);
    case TG_STORE_BEAT:
        if (reply->kind != TG_REDIS_NUMBER || reply->number < 1 || reply->number > INT32_MAX)
            return false;
        take_beat(s, reply->number);
        return true;
    case TG_STORE_SCRIPTS:
        break;
    }
    TG_UNREACHABLE();
}

static void observe(struct tg_store_sync *s, uint64_t us)
{
    struct tg_stats_histogram *h = &s->shown->duration;
    unsigned i = 0;

    while (i < TG_STATS_BUCKETS - 1 && us > tg_limit_call_bounds[i])
        i++;
    h->bucket[i]++;
    h->sum_us += us;
}

/* A key that somebody uses for something else is that key's trouble; all else is the store's. */
static void refused(struct tg_store_sync *s, struct call *c, struct tg_str error)
{
    enum tg_limit_call what = tg_store_link_judge(error);
    char why[TG_LIMIT_WHY];

    if (what == TG_LIMIT_CALL_NOSCRIPT && !c->sent && !c->load) {
        count(s, what);
        send_again(s, c);
        return;
    }
    if (c->rule != NULL && tg_str_starts(error, TG_STR("WRONGTYPE"))) {
        count(s, TG_LIMIT_CALL_ERROR);
        lose_call(s, c);
        return;
    }
    if (c->script == TG_STORE_CHARGE && !c->load)
        tg_limit_unsettled(s->limits, c->rule, &c->due);
    lose_call(s, c);
    snprintf(why, sizeof(why), "%.*s", TG_STR_ARG(error));
    tg_store_link_drop(s->link, what, why);
}

static void on_reply(void *owner, void *call, const struct tg_redis_reply *reply, uint64_t us)
{
    struct tg_store_sync *s = owner;
    struct call *c = call;
    bool good;

    CHECK_MAGIC(s, SYNC_MAGIC);
    observe(s, us);
    if (reply->kind == TG_REDIS_ERROR) {
        refused(s, c, reply->text);
        return;
    }
    good = take_answer(s, c, reply);
    if (!good) {
        lose_call(s, c);
        tg_store_link_drop(s->link, TG_LIMIT_CALL_ERROR, "its answer makes no sense");
        return;
    }
    end_call(s, c);
    count(s, TG_LIMIT_CALL_OK);
    tg_store_sync_flush(s); /* who asked for the same meanwhile */
}

/* --- the connection --- */

static void on_greeted(void *owner)
{
    struct tg_store_sync *s = owner;

    CHECK_MAGIC(s, SYNC_MAGIC);
    for (unsigned i = 0; i < TG_STORE_SCRIPTS; i++)
        load(s, (enum tg_store_script)i);
    tg_store_link_flush(s->link);
}

/* Whether it was charged is not known: rather too little than twice. */
static void on_lost(void *owner, void *call)
{
    lose_call(owner, call);
}

static void on_down(void *owner, enum tg_limit_call what, const char *why)
{
    static const char *const then[] = {[TG_LIMIT_ON_ERROR_LOCAL] = "each gateway counts for itself",
                                       [TG_LIMIT_ON_ERROR_PASS] = "nothing is limited by it",
                                       [TG_LIMIT_ON_ERROR_DENY] = "what it limits is refused"};
    struct tg_store_sync *s = owner;

    CHECK_MAGIC(s, SYNC_MAGIC);
    show_up(s, 0);
    count(s, what);
    snprintf(s->shown->why, sizeof(s->shown->why), "%s", why);
    s->shown->failed = tg_clock_wall_now();
    if (s->up || !s->tried)
        s->shown->since = s->shown->failed;
    s->up = false;
    s->tried = true;
    tg_store_held_down(s->held);
    if (s->told_down)
        return;
    s->told_down = true;
    tg_log(TG_LOG_WARN, "syncer", "limit_store \"%s\" is away, %s: %s", s->conf->name.p,
           then[s->conf->share.on_error], why);
}

static const struct tg_store_link_events link_events = {on_greeted, on_reply, on_lost, on_down};

/* --- time --- */

/* As much as can be without an answer; the rest stays for the next time. */
static unsigned push_rule(struct tg_store_sync *s, const struct tg_limit_rule *rule, bool all)
{
    struct tg_limit_due due[CHUNK];
    unsigned n, room, pushed = 0;

    do {
        room = tg_store_link_room(s->link);
        n = tg_limit_collect(s->limits, rule, all, room < CHUNK ? room : CHUNK, due);
        for (unsigned i = 0; i < n; i++) {
            struct call *c = new_call(s, TG_STORE_CHARGE);

            c->rule = rule;
            c->due = due[i];
            charge(s, c);
        }
        pushed += n;
    } while (n == CHUNK);
    return pushed;
}

static void push(struct tg_store_sync *s, uint64_t now)
{
    bool all = now - s->synced >= (uint64_t)s->conf->sync;

    if (all)
        s->synced = now;
    for (unsigned i = 0; i < s->conf->nrules; i++)
        (void)push_rule(s, s->conf->rules[i], all);
    if (now - s->beaten >= (uint64_t)s->conf->lease / 3 && tg_store_link_room(s->link) > 0)
        send_beat(s, now);
    tg_store_link_flush(s->link);
}

/* Returns how many keys have a debt. */
static unsigned look(struct tg_store_sync *s, uint64_t now)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->conf->nrules; i++)
        n += s->up ? tg_limit_indebted(s->limits, s->conf->rules[i])
                   : tg_limit_age(s->limits, s->conf->rules[i], now);
    return n;
}

/* A key that comes to be half used up is seen soon, also by who was idle. */
static void on_timer(void *owner)
{
    struct tg_store_sync *s = owner;
    uint64_t now = tg_clock_mono_now();

    CHECK_MAGIC(s, SYNC_MAGIC);
    s->shown->debt = look(s, now);
    if (s->up) {
        show_up(s, now + TRUST_US + (uint64_t)s->conf->sync);
        push(s, now);
    }
    s->shown->pending = tg_store_link_pending(s->link);
    tg_timer_set(&s->timer, now, s->up ? HOT_US : s->conf->sync);
}

/* --- life --- */

struct tg_store_sync *tg_store_sync_new(struct event_base *base,
                                        const struct tg_limit_store_conf *conf,
                                        struct tg_limits *limits, tg_store_answer *answer)
{
    struct tg_store_sync *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->magic = SYNC_MAGIC;
    s->conf = conf;
    s->limits = limits;
    s->shown = tg_limit_store_at(limits, conf->share.number);
    s->answer = answer;
    s->held = tg_store_held_new(conf, limits, answer);
    for (unsigned i = 0; i < TG_STORE_CALLS; i++)
        end_call(s, &s->calls[i]);
    s->link = tg_store_link_new(base, conf, &link_events, s);
    tg_timer_init(&s->timer, base, on_timer, s);
    tg_timer_set(&s->timer, tg_clock_mono_now(), conf->sync);
    tg_store_link_start(s->link);
    return s;
}

bool tg_store_sync_tried(const struct tg_store_sync *s)
{
    return s->tried;
}

void tg_store_sync_end(struct tg_store_sync *s)
{
    if (s == NULL)
        return;
    if (s->up) {
        s->synced = 0;
        tg_store_held_renew(s->held);
        push_held(s);
        push(s, tg_clock_mono_now());
    }
    tg_store_link_end(s->link);
    tg_store_held_end(s->held);
    tg_timer_end(&s->timer);
    s->magic = 0;
    free(s);
}
