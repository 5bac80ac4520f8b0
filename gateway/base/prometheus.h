/* Pieces of the Prometheus text format (version 0.0.4). All names get the prefix "trainguard_". */
#ifndef TG_BASE_PROMETHEUS_H
#define TG_BASE_PROMETHEUS_H

#include "base/buf.h"

/* Appends the lines HELP and TYPE of a metric. `type` is "counter", "gauge" or "histogram". */
void tg_prometheus_family(struct tg_buf *out, const char *name, const char *type, const char *help);

/* Appends one label as NAME="VALUE" with backslash, quote and newline escaped. */
void tg_prometheus_label(struct tg_buf *out, const char *name, struct tg_str value);

/* Appends the label of a histogram's bucket: its upper bound, microseconds, in seconds. The number
 * has a point, as OpenMetrics wants it, so that a series has one name in both formats. */
void tg_prometheus_bound(struct tg_buf *out, uint64_t bound);

/* Appends metrics of the text format as OpenMetrics 1.0.0: the family of a counter is called
 * without
 * "_total", a quote in a help is escaped, and "# EOF" is the end. */
void tg_prometheus_open(struct tg_buf *out, struct tg_str text);

#endif
