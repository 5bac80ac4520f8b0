/* What the gateway is and does, as JSON for programs and for the page. */
#ifndef TG_ADMIN_STATUS_H
#define TG_ADMIN_STATUS_H

#include "settings/settings.h"
#include "shm/limits.h"

/* Appends /status: what is in force, each process, the counters. */
void tg_status_text(const struct tg_settings *settings, const struct tg_stats *s,
                    const struct tg_limits *l, struct tg_buf *out);

/* Appends /history: the counters of the last quarter of an hour, oldest first. */
void tg_status_history(const struct tg_stats *s, struct tg_buf *out);

/* Appends /audit/heads: where the audit log of each process stands, one JSON object a line. */
void tg_status_heads(const struct tg_settings *settings, const struct tg_stats *s,
                     struct tg_buf *out);

#endif
