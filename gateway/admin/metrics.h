/* The counters of all processes as texts: metrics, status, readiness. */
#ifndef TG_ADMIN_METRICS_H
#define TG_ADMIN_METRICS_H

#include "settings/settings.h"

/* Appends the sum of all processes as Prometheus text (version 0.0.4). */
void tg_metrics_text(const struct tg_stats *s, struct tg_buf *out);

/* Appends the sum as JSON, with what is in force and a line for each process. */
void tg_metrics_status(const struct tg_stats *s, const struct tg_settings *settings,
                       struct tg_buf *out);

/* Appends which configuration and policies are in force, as Prometheus text. */
void tg_metrics_config(const struct tg_settings *settings, struct tg_buf *out);

/*
 * True when requests can be served: at least one current worker is ready, all of them turn their
 * loop, no audit log is in trouble, the gateway does not end. Appends one line per check.
 */
bool tg_metrics_ready(const struct tg_stats *s, struct tg_buf *out);

#endif
