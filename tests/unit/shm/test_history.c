/* The counters of the last quarter of an hour, one sample a step. */
#include "shm/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STEP (uint64_t) TG_HISTORY_STEP_US

static unsigned count(const struct tg_stats *s, uint64_t now)
{
    struct tg_stats_sample sample;
    uint64_t age, before = UINT64_MAX;
    unsigned n = 0;

    while (tg_history_at(s, now, n, &sample, &age)) {
        assert_true(age < before);
        before = age;
        n++;
    }
    return n;
}

static void samples(void **state)
{
    struct tg_stats *s = tg_stats_new();
    struct tg_stats_sample sample;
    uint64_t now = 1000 * STEP, age;

    (void)state;
    assert_int_equal(count(s, now), 0);
    for (unsigned i = 0; i < 5; i++, now += STEP) {
        s->past.counts.changed = i;
        tg_history_keep(s, now);
        s->past.counts.changed = 99; /* too late for this step */
        tg_history_keep(s, now + STEP / 2);
    }
    assert_int_equal(count(s, now), 5);
    assert_true(tg_history_at(s, now, 4, &sample, &age));
    assert_int_equal(sample.changed, 4);
    assert_int_equal(age, STEP);
    assert_true(tg_history_at(s, now, 0, &sample, &age));
    assert_int_equal(sample.changed, 0);
    assert_int_equal(count(s, now + 178 * STEP), 1);
    assert_int_equal(count(s, now + 179 * STEP), 0);
    tg_stats_end(s);
}

static void no_more_than_its_length(void **state)
{
    struct tg_stats *s = tg_stats_new();
    uint64_t now = STEP;

    (void)state;
    for (unsigned i = 0; i < 2 * TG_HISTORY_STEPS; i++, now += STEP)
        tg_history_keep(s, now);
    assert_int_equal(count(s, now - STEP), TG_HISTORY_STEPS);
    tg_stats_end(s);
}

/* A machine that has just started, and samples of which nobody can say when they were. */
static void the_first_steps(void **state)
{
    struct tg_stats *s = tg_stats_new();

    (void)state;
    tg_history_keep(s, STEP - 1); /* step 0 is none */
    assert_int_equal(count(s, STEP - 1), 0);
    tg_history_keep(s, STEP);
    assert_int_equal(count(s, STEP), 1);
    s->history[1].taken = UINT64_MAX;
    assert_int_equal(count(s, STEP), 0);
    tg_stats_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(no_more_than_its_length),
        cmocka_unit_test(the_first_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
