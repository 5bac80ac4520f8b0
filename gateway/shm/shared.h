/* What a worker shares with the other processes of the gateway. */
#ifndef TG_SHM_SHARED_H
#define TG_SHM_SHARED_H

#include "shm/limits.h"
#include "shm/teller.h"

/* All NULL, as in a test: nothing is counted, nothing is limited. */
struct tg_shared {
    struct tg_stats *stats;     /* of all processes */
    struct tg_stats_slot *slot; /* where this one counts; one of stats->slot */
    struct tg_limits *limits;   /* of all processes */
    struct tg_teller *teller;   /* of this process */
};

/* The number of the process' slot, as tg_limit_take() wants it. Only when there is one. */
static inline unsigned tg_shared_number(const struct tg_shared *s)
{
    return (unsigned)(s->slot - s->stats->slot);
}

#endif
