/* What a record tells of what was found out beside the request: own requests, who asks, what
 * stood there. */
#ifndef TG_AUDIT_RECORD_LIVE_H
#define TG_AUDIT_RECORD_LIVE_H

#include "audit/redact.h"

struct tg_user;

/* All append members to an object that is open. */

/* The user (OpenTelemetry's names); NULL: nothing. */
void tg_audit_record_user(struct tg_buf *out, const struct tg_user *user);

/* Own requests, and what stood there before; with `diff` what the request changes of that. */
void tg_audit_record_live(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                          struct tg_redact_path *path, bool diff);

#endif
