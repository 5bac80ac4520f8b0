/* The counters of all processes as texts: metrics and readiness. */
#ifndef TG_ADMIN_METRICS_H
#define TG_ADMIN_METRICS_H

#include "settings/settings.h"
#include "shm/limits.h"
#include "shm/usage.h"

/* Appends the sum of all processes as Prometheus text (version 0.0.4). */
void tg_metrics_text(const struct tg_stats *s, struct tg_buf *out);

/* Appends what all processes take together under the names that Prometheus has for it, as its text;
 * what the kernel does not tell is left out. */
void tg_metrics_usage(const struct tg_stats *s, struct tg_usage_map *usage, struct tg_buf *out);

/* Appends which configuration and policies are in force, as Prometheus text. */
void tg_metrics_config(const struct tg_settings *settings, struct tg_buf *out);

/* Brings metrics, which are Prometheus text, into the form that a client with this Accept field
 * (NULL: none) wants: OpenMetrics for those that name it and want it no less. Returns the media
 * type. */
const char *tg_metrics_form(const char *accept, struct tg_buf *text);

/* Appends how many keys each limit knows, has forgotten for others, and has let share one entry, as
 * Prometheus text. */
void tg_limits_metrics(const struct tg_limits *l, struct tg_buf *out);

/* True for ends that the upstream is the cause of. */
bool tg_metrics_of_upstream(enum tg_error e);

/* One thing that has to be well for requests to be served. */
struct tg_check {
    const char *name;
    bool good;
    const char *why; /* when it is not; valid while the map is not written to */
};

enum { TG_CHECKS = 4 };

/* At least one current worker is ready, all of them turn their loop, no audit log is in trouble,
 * the gateway does not end. */
void tg_metrics_checks(const struct tg_stats *s, struct tg_check out[TG_CHECKS]);

/* True when all checks are good. Appends one line for each. */
bool tg_metrics_ready(const struct tg_stats *s, struct tg_buf *out);

/* True when something needs somebody before long, while all goes on: signed policies have expired.
 * Appends a line for it. */
bool tg_metrics_degraded(const struct tg_settings *settings, struct tg_buf *out);

#endif
