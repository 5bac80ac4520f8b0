/* A worker that asks its syncer: what goes, who is answered, and by whom when the syncer is not. */
#include "exchange/limit_asks.h"

#include "shm/limit_stores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS INT64_C(1000)

struct worker {
    struct tg_loop loop;
    struct tg_shared shared;
    struct tg_limit_asks asks;
    struct tg_limit_channels channels;
    struct tg_limit_share share;
    struct tg_limit_rule rate, flight;
    int syncer; /* its end */
    bool gone;  /* nobody waits */
    unsigned answers;
    struct tg_limit_asker who; /* of the last one */
    struct tg_limit_answer answer;
};

static bool on_answer(void *owner, const struct tg_limit_asker *who,
                      const struct tg_limit_answer *answer)
{
    struct worker *w = owner;

    w->answers++;
    w->who = *who;
    w->answer = *answer;
    return !w->gone;
}

static void begin(struct worker *w, int64_t timeout)
{
    memset(w, 0, sizeof(*w));
    tg_loop_open(&w->loop);
    w->shared.stats = tg_stats_new();
    w->shared.slot = &w->shared.stats->slot[3];
    w->shared.limits = tg_limits_new();
    w->share = (struct tg_limit_share){
        .name = "fleet", .timeout = timeout, .hash = tg_hash_new(TG_STR("a key of all gateways"))};
    w->rate = (struct tg_limit_rule){.kind = TG_LIMIT_REQ,
                                     .key = TG_LIMIT_BY_PROJECT,
                                     .interval = 1000000,
                                     .burst = 4,
                                     .debt = 1000000,
                                     .id = 1,
                                     .name = "rate",
                                     .exact = true,
                                     .share = &w->share};
    w->flight = w->rate;
    w->flight.kind = TG_LIMIT_IN_FLIGHT;
    w->flight.id = 2;
    w->flight.most = 1;
    assert_true(tg_limit_channels_open(&w->channels, 1));
    w->syncer = w->channels.syncer[0];
    w->asks.loop = &w->loop;
    w->asks.shared = &w->shared;
    w->asks.on_answer = on_answer;
    w->asks.owner = w;
    tg_limit_asks_open(&w->asks, w->channels.worker[0]);
}

static void end(struct worker *w)
{
    tg_limit_asks_end(&w->asks);
    tg_limit_channels_end(&w->channels);
    tg_hash_end(w->share.hash);
    tg_limits_end(w->shared.limits);
    tg_stats_end(w->shared.stats);
    tg_loop_end(&w->loop);
}

/* How much is held of the only key in flight. */
static unsigned held(const struct worker *w, unsigned at)
{
    struct tg_limit_holding holding;

    assert_true(tg_limit_holding(w->shared.limits, &w->flight, at, &holding));
    return holding.held;
}

/* Asks, and takes what arrives at the syncer; returns the entry. */
static int ask(struct worker *w, const struct tg_limit_rule *rule, struct tg_limit_ask *out)
{
    const struct tg_limit_asker who = {7, 8, 2};
    uint64_t now = tg_clock_mono_now();
    struct tg_limit_ask question;
    struct tg_limit_grant grant;
    bool ended;

    assert_int_equal(tg_limit_claim(w->shared.limits, tg_shared_number(&w->shared), rule,
                                    TG_STR("p"), now, &question, &grant),
                     TG_LIMIT_UNKNOWN);
    assert_true(tg_limit_asks_ask(&w->asks, rule, &question, grant.entry, &who, now));
    tg_limit_asks_flush(&w->asks);
    assert_int_equal(tg_limit_receive(w->syncer, out, sizeof(*out), &ended), 1);
    assert_true(out->rule == rule->id && out->slot == 3 && out->until > now && !out->release);
    return grant.entry;
}

static void reply(struct worker *w, const struct tg_limit_ask *to, unsigned result)
{
    const struct tg_limit_answer answer = {
        .id = to->id, .serial = to->serial, .result = result, .number = 1};

    assert_true(tg_limit_send(w->syncer, &answer, 1, sizeof(answer)));
    tg_loop_poll(&w->loop);
}

static void what_is_answered(void **state)
{
    struct tg_limit_ask got[TG_LIMIT_PACKET];
    struct worker w;
    bool ended;
    int entry;

    (void)state;
    begin(&w, 60000 * MS);
    entry = ask(&w, &w.flight, got);
    assert_int_equal(held(&w, got->at), 1);
    reply(&w, got, TG_LIMIT_GRANTED);
    assert_int_equal(w.answers, 1);
    assert_true(w.who.slot == 7 && w.who.generation == 8 && w.who.limit == 2);
    assert_int_equal(held(&w, got->at), 1);
    reply(&w, got, TG_LIMIT_GRANTED); /* again: nobody waits for it */
    assert_int_equal(w.answers, 1);
    tg_limit_asks_release(&w.asks, entry);
    tg_limit_asks_flush(&w.asks);
    assert_int_equal(tg_limit_receive(w.syncer, got, sizeof(*got), &ended), 1);
    assert_true(got->release && got->rule == 2);

    (void)ask(&w, &w.flight, got);
    reply(&w, got, TG_LIMIT_REFUSED);
    assert_int_equal(w.answers, 2);
    assert_int_equal(held(&w, got->at), 0);
    end(&w);
}

/* Answers to who had the socket before, and nonsense. */
static void what_is_no_answer(void **state)
{
    struct tg_limit_ask got[TG_LIMIT_PACKET], other;
    struct worker w;

    (void)state;
    begin(&w, 60000 * MS);
    (void)ask(&w, &w.rate, got);
    other = *got;
    other.serial++;
    reply(&w, &other, TG_LIMIT_GRANTED);
    other = *got;
    other.id = UINT32_MAX;
    reply(&w, &other, TG_LIMIT_GRANTED);
    reply(&w, got, 0);
    reply(&w, got, TG_LIMIT_UNKNOWN + 1);
    assert_int_equal(w.answers, 0);
    reply(&w, got, TG_LIMIT_REFUSED);
    assert_int_equal(w.answers, 1);
    end(&w);
}

/* Who has gone away keeps nothing of what was granted. */
static void nobody_waits(void **state)
{
    struct tg_limit_ask got[TG_LIMIT_PACKET];
    struct tg_limit_due due;
    struct worker w;
    bool ended;

    (void)state;
    begin(&w, 60000 * MS);
    w.gone = true;
    (void)ask(&w, &w.flight, got);
    reply(&w, got, TG_LIMIT_GRANTED);
    assert_int_equal(held(&w, got->at), 0);
    tg_limit_asks_flush(&w.asks);
    assert_int_equal(tg_limit_receive(w.syncer, got, sizeof(*got), &ended), 1);
    assert_true(got->release);
    (void)ask(&w, &w.rate, got);
    reply(&w, got, TG_LIMIT_GRANTED);
    assert_int_equal(tg_limit_collect(w.shared.limits, &w.rate, true, 1, &due), 1);
    assert_int_equal(due.amount, -1000000);
    end(&w);
}

/* Without an answer in time the answer is that nobody knows. */
static void too_late(void **state)
{
    struct tg_limit_ask got[TG_LIMIT_PACKET];
    struct worker w;

    (void)state;
    begin(&w, MS);
    (void)ask(&w, &w.flight, got);
    while (w.answers == 0)
        tg_loop_turn(&w.loop);
    assert_int_equal(w.answer.result, TG_LIMIT_UNKNOWN);
    assert_int_equal(held(&w, got->at), 0);
    reply(&w, got, TG_LIMIT_GRANTED);
    assert_int_equal(w.answers, 1);
    end(&w);
}

/* The syncer of a configuration of before has died: nothing turns the loop for it. */
static void nobody_there(void **state)
{
    struct tg_limit_ask question = {.id = 0};
    struct tg_limit_grant grant;
    struct worker w;

    (void)state;
    begin(&w, MS);
    (void)tg_limit_channels_of_worker(&w.channels, 0);
    tg_loop_poll(&w.loop);
    assert_false(event_pending(w.asks.event, EV_READ, NULL));
    assert_int_equal(tg_limit_claim(w.shared.limits, 3, &w.flight, TG_STR("p"), tg_clock_mono_now(),
                                    &question, &grant),
                     TG_LIMIT_UNKNOWN);
    assert_true(tg_limit_asks_ask(&w.asks, &w.flight, &question, grant.entry,
                                  &(struct tg_limit_asker){.slot = 0}, tg_clock_mono_now()));
    tg_limit_asks_flush(&w.asks);
    while (w.answers == 0)
        tg_loop_turn(&w.loop);
    assert_int_equal(w.answer.result, TG_LIMIT_UNKNOWN);
    end(&w);
}

/* More than can be waited for, and nobody to ask: told at once, and nothing is kept. */
static void no_room(void **state)
{
    struct tg_limit_ask question;
    struct tg_limit_grant grant;
    struct worker w;
    uint64_t now = tg_clock_mono_now();
    unsigned asked = 0;

    (void)state;
    begin(&w, 60000 * MS);
    for (bool more = true; more; asked += more) {
        (void)tg_limit_claim(w.shared.limits, 3, &w.rate, TG_STR("p"), now, &question, &grant);
        more = tg_limit_asks_ask(&w.asks, &w.rate, &question, grant.entry,
                                 &(struct tg_limit_asker){.slot = 0}, now);
    }
    assert_int_equal(asked, TG_LIMIT_ASKS);
    end(&w);

    begin(&w, 60000 * MS);
    tg_limit_asks_end(&w.asks);
    (void)tg_limit_claim(w.shared.limits, 3, &w.flight, TG_STR("p"), now, &question, &grant);
    assert_false(tg_limit_asks_ask(&w.asks, &w.flight, &question, grant.entry,
                                   &(struct tg_limit_asker){.slot = 0}, now));
    assert_int_equal(held(&w, question.at), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_answered), cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(nobody_waits),     cmocka_unit_test(too_late),
        cmocka_unit_test(nobody_there),     cmocka_unit_test(no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
