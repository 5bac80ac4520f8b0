/* Pieces of the Prometheus text format (version 0.0.4). All names get the prefix "trainguard_". */
#ifndef TG_BASE_PROMETHEUS_H
#define TG_BASE_PROMETHEUS_H

#include "base/buf.h"

/* Appends the lines HELP and TYPE of a metric. `type` is "counter", "gauge" or "histogram". */
void tg_prometheus_family(struct tg_buf *out, const char *name, const char *type, const char *help);

/* Appends one label as NAME="VALUE" with backslash, quote and newline escaped. */
void tg_prometheus_label(struct tg_buf *out, const char *name, struct tg_str value);

#endif
