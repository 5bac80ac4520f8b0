/*
 * The process that answers questions about the gateway, on the addresses of the `admin` block:
 *
 *   GET  /              the page for browsers (conf/page), else the list of paths
 *   GET  /healthz       the process is alive
 *   GET  /livez         200 while every worker turns its event loop, else 503
 *   GET  /readyz        200 when requests can be served, else 503; ?verbose lists the checks
 *   GET  /metrics       Prometheus text
 *   GET  /status        JSON: what is in force, processes and totals
 *   GET  /history       JSON: the counters of the last quarter of an hour
 *   GET  /events        records as they are written, as server-sent events (viewers.h)
 *   GET  /config        the configuration in force, secrets masked
 *   GET  /policies      JSON: policies, rules and exceptions of each location
 *   GET  /certs         JSON: certificates and when they end
 *   GET  /credentials   JSON: the gateway's own keys, without their secrets
 *   GET  /callers       JSON: clients' keys, without their secrets, and how they were used
 *   GET  /topics        JSON: what rules demand and how to mend what they name
 *   POST /reload        as signal HUP; 200, or 500 with what is wrong
 *   POST /drain         as signal QUIT
 *   POST /credentials/refresh   the keeper fetches them anew; 202
 *   POST /log-level     ?level=debug for all workers; ?level=configured ends that
 *
 * POST is for unix sockets alone: who may connect there is a matter of file permissions. On
 * addresses a request names its host, and where others can connect it brings a token (protect.h);
 * probes and /metrics are free. It is libevent's own HTTP server: no traffic for the API comes near
 * it.
 */
#ifndef TG_ADMIN_H
#define TG_ADMIN_H

#include "settings/settings.h"
#include "shm/limits.h"
#include "shm/usage.h"

#include <event2/event.h>

struct tg_admin;

/* What the admin process asks the master for, one byte each, over a pipe. */
enum tg_order { TG_ORDER_RELOAD = 'r', TG_ORDER_DRAIN = 'q' };

/*
 * Listens on the sockets of settings->admin_listens. `orders` is the pipe to the master. Reads the
 * certificates' files now: as long as it is allowed to. Settings, stats, limits and usage outlive
 * the result.
 */
struct tg_admin *tg_admin_new(const struct tg_settings *settings, struct tg_stats *stats,
                              const struct tg_limits *limits, struct tg_usage_map *usage,
                              int orders);

/* Its loop, for signals. */
struct event_base *tg_admin_base(const struct tg_admin *a);

/* Runs until tg_admin_stop(), or, after tg_admin_drain(), until every answer is out. */
void tg_admin_run(struct tg_admin *a);

/* Ends tg_admin_run() with this turn of the loop. */
void tg_admin_stop(struct tg_admin *a);

/* Accepts no more; tg_admin_run() ends when the last connection has its answer. */
void tg_admin_drain(struct tg_admin *a);

/* Frees everything. */
void tg_admin_end(struct tg_admin *a);

#endif
