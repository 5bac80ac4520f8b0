/* What is told of upstreams' servers: which of them fails, since when, and how. */
#ifndef TG_ADMIN_SERVERS_H
#define TG_ADMIN_SERVERS_H

#include "settings/settings.h"
#include "shm/stats.h"

/* Appends the state of each server and its failures as Prometheus text. */
void tg_servers_metrics(const struct tg_settings *settings, const struct tg_stats *s,
                        struct tg_buf *out);

/* Appends one server as a JSON object. */
void tg_servers_status(const struct tg_upstream_server *o, const struct tg_stats *s,
                       struct tg_buf *out);

#endif
