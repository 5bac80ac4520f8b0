/* Keeps and reads samples of the counters of the last quarter of an hour. */
#include "shm/history.h"

#include "base/check.h"

#include <stdlib.h>

static uint64_t step_of(uint64_t now)
{
    return now / TG_HISTORY_STEP_US;
}

static void fill(struct tg_stats_sample *sample, const struct tg_stats_counts *c)
{
    tg_stats_by_decision(c, sample->decisions);
    sample->changed = c->changed;
    for (unsigned p = 0; p < TG_STATS_PHASES; p++)
        memcpy(sample->phase[p], c->phase[p].bucket, sizeof(sample->phase[p]));
}

void tg_history_keep(struct tg_stats *s, uint64_t now)
{
    struct tg_stats_sample *sample = &s->history[step_of(now) % TG_HISTORY_STEPS];
    struct tg_stats_slot *sum;

    if (__atomic_load_n(&sample->step, __ATOMIC_ACQUIRE) == step_of(now))
        return;
    sum = malloc(sizeof(*sum));
    CHECK(sum != NULL);
    tg_stats_sum(s, sum);
    __atomic_store_n(&sample->step, 0, __ATOMIC_SEQ_CST);
    fill(sample, &sum->counts);
    sample->taken = now;
    __atomic_store_n(&sample->step, step_of(now), __ATOMIC_SEQ_CST);
    free(sum);
}

static bool stands(const struct tg_stats_sample *sample, uint64_t step, uint64_t now)
{
    return sample->step == step && step != 0 && sample->taken <= now;
}

bool tg_history_at(const struct tg_stats *s, uint64_t now, unsigned i, struct tg_stats_sample *out,
                   uint64_t *age)
{
    uint64_t last = step_of(now);
    uint64_t first = last >= TG_HISTORY_STEPS ? last - TG_HISTORY_STEPS + 1 : 1;

    for (uint64_t step = first; step <= last; step++) {
        *out = s->history[step % TG_HISTORY_STEPS];
        if (!stands(out, step, now) || i-- > 0)
            continue;
        *age = now - out->taken;
        return true;
    }
    return false;
}
