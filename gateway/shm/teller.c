/* What is worth telling, and how much of it. */
#include "shm/teller.h"

#include "audit/record.h"
#include "base/check.h"

#include <stdlib.h>

enum {
    MAGIC = 0x54454c4c,
    INTERVAL_US = 10000, /* one event of a kind */
    BURST = 256,         /* as many as a page lists */
};

/* A rate as the time at which what may be told is used up (GCRA, as limits.c has it). */
struct budget {
    uint64_t used_up;
};

struct tg_teller {
    uint32_t magic;
    struct tg_glance *glance;
    struct tg_feed_writer writer;
    struct budget notable;
    struct budget ordinary;
};

struct tg_teller *tg_teller_new(const void *audit_conf, struct tg_stats *stats, unsigned slot)
{
    struct tg_teller *t = calloc(1, sizeof(*t));

    CHECK(t != NULL);
    t->magic = MAGIC;
    t->glance = tg_glance_new(audit_conf);
    tg_feed_writer_init(&t->writer, &stats->feed, slot);
    return t;
}

void tg_teller_end(struct tg_teller *t)
{
    if (t == NULL)
        return;
    CHECK_MAGIC(t, MAGIC);
    tg_glance_end(t->glance);
    t->magic = 0;
    free(t);
}

static bool take(struct budget *b, uint64_t now)
{
    uint64_t at = b->used_up > now ? b->used_up : now;

    CHECK(now > 0);
    if (at - now > BURST * INTERVAL_US)
        return false;
    b->used_up = at + INTERVAL_US;
    return true;
}

static void put(struct tg_teller *t, const struct tg_audit_record *record, struct budget *budget,
                uint64_t now)
{
    CHECK_MAGIC(t, MAGIC);
    if (take(budget, now))
        tg_feed_put(&t->writer, tg_glance_record(t->glance, record, TG_FEED_EVENT));
    else
        tg_feed_leave_out(&t->writer);
}

void tg_teller_tell(struct tg_teller *t, const struct tg_audit_record *record, uint64_t now)
{
    if (t == NULL)
        return;
    if (tg_audit_decision(record) != TG_DECISION_ALLOW || tg_audit_changed(record))
        put(t, record, &t->notable, now);
    else if (tg_feed_watched(t->writer.feed, now))
        put(t, record, &t->ordinary, now);
}
