/*
 * The last quarter of an hour of the counters, kept where it outlives the process that keeps it.
 * Whoever keeps it writes the same: a sample is that of its step of the monotonic clock.
 */
#ifndef TG_SHM_HISTORY_H
#define TG_SHM_HISTORY_H

#include "shm/stats.h"

/* Takes the sample of the step that `now` (monotonic) is in, unless there is one. */
void tg_history_keep(struct tg_stats *s, uint64_t now);

/* Copies the `i`-th oldest sample that is not older than the history reaches; false when there are
 * no more. *age: how long ago it was taken, microseconds. */
bool tg_history_at(const struct tg_stats *s, uint64_t now, unsigned i, struct tg_stats_sample *out,
                   uint64_t *age);

#endif
