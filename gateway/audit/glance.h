/*
 * A record as it is told beside the log, to people who look on: at the level `metadata` of
 * audit_body whatever the log itself tells, and never longer than the reader has room for.
 */
#ifndef TG_AUDIT_GLANCE_H
#define TG_AUDIT_GLANCE_H

#include "audit/audit.h"

struct tg_glance;

enum { TG_GLANCE_LEAST = 4096 }; /* bytes that every record can be told in */

/* `conf` has passed tg_audit_check() and outlives the result. */
struct tg_glance *tg_glance_new(const void *conf);

/* Frees everything. NULL is fine. */
void tg_glance_end(struct tg_glance *g);

/*
 * The record as JSON on one line, of at most `most` bytes (at least TG_GLANCE_LEAST): the members
 * of an outcome behind `time`. What makes it too long is left out, in the log's order, and in the
 * end everything but the beginnings of a few; `truncated` says so. Valid until the next call.
 */
struct tg_str tg_glance_record(struct tg_glance *g, const struct tg_audit_record *record,
                               size_t most);

#endif
