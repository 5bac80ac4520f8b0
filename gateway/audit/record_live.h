/* What a record tells of what was found out beside the request: own requests. */
#ifndef TG_AUDIT_RECORD_LIVE_H
#define TG_AUDIT_RECORD_LIVE_H

#include "audit/redact.h"

/* Appends the members to an object that is open, each with a comma before it. */
void tg_audit_record_live(struct tg_buf *out, const struct tg_request *r);

#endif
