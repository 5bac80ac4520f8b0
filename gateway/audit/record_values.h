/* What a record tells of the live values (chain/live.h) that a request was judged by. */
#ifndef TG_AUDIT_RECORD_VALUES_H
#define TG_AUDIT_RECORD_VALUES_H

#include "audit/redact.h"

/*
 * Appends the member "live" to an object that is open, with a comma before it: each value that was
 * read and known, null where it is known that there is none. The old config is told as the body is,
 * and left out without `old`. Appends nothing when nothing of it was read.
 */
void tg_audit_record_values(struct tg_redact *redact, struct tg_buf *out,
                            const struct tg_request *r, bool old);

#endif
