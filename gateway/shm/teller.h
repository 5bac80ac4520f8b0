/*
 * Tells of exchanges in the feed. Refused ones and those that were changed are always told, the
 * ordinary ones only while somebody looks; of each of these two kinds some hundred at once and
 * RATE a second more, however many there are: the others are counted as left out. So what it costs
 * is bounded, and without a viewer ordinary requests cost a comparison.
 */
#ifndef TG_SHM_TELLER_H
#define TG_SHM_TELLER_H

#include "audit/glance.h"
#include "shm/stats.h"

struct tg_teller;

/* Tells in the ring of a process's slot. `audit_conf` as in tg_audit_open(). */
struct tg_teller *tg_teller_new(const void *audit_conf, struct tg_stats *stats, unsigned slot);

/* Frees everything. NULL is fine. */
void tg_teller_end(struct tg_teller *t);

/* Tells of an exchange that ended; `now` is monotonic. NULL: nobody is told. */
void tg_teller_tell(struct tg_teller *t, const struct tg_audit_record *record, uint64_t now);

#endif
