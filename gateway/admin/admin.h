/*
 * The process that answers questions about the gateway, on the addresses of the `admin` block:
 *
 *   GET  /healthz       the process is alive
 *   GET  /livez         200 while every worker turns its event loop, else 503
 *   GET  /readyz        200 when requests can be served, else 503; ?verbose lists the checks
 *   GET  /metrics       Prometheus text
 *   GET  /status        JSON: processes and totals
 *   GET  /config        the configuration in force, secrets masked
 *   GET  /policies      JSON: policies, rules and exceptions of each location
 *   GET  /certs         JSON: certificates and when they end
 *   GET  /credentials   JSON: the gateway's own keys, without their secrets
 *   POST /reload        as signal HUP; 200, or 500 with what is wrong
 *   POST /drain         as signal QUIT
 *   POST /credentials/refresh   the keeper fetches them anew; 202
 *   POST /log-level     ?level=debug for all workers; ?level=configured ends that
 *
 * POST is for unix sockets alone: who may connect there is a matter of file permissions. It is
 * libevent's own HTTP server: no traffic for the API comes near it.
 */
#ifndef TG_ADMIN_H
#define TG_ADMIN_H

#include "settings/settings.h"
#include "shm/limits.h"

#include <event2/event.h>

struct tg_admin;

/* What the admin process asks the master for, one byte each, over a pipe. */
enum tg_order { TG_ORDER_RELOAD = 'r', TG_ORDER_DRAIN = 'q' };

/*
 * Listens on the sockets of settings->admin_listens. `orders` is the pipe to the master. Reads the
 * certificates' files now: as long as it is allowed to. Settings, stats and limits outlive the
 * result.
 */
struct tg_admin *tg_admin_new(const struct tg_settings *settings, struct tg_stats *stats,
                              const struct tg_limits *limits, int orders);

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

/* --- pages (pages.c) --- */

/* Appends how many keys each limit knows, has forgotten for others, and has let share one entry, as
 * Prometheus text (metrics.c). */
void tg_limits_metrics(const struct tg_limits *l, struct tg_buf *out);

/* Appends the metrics that filters have of what was loaded (on_metrics), as Prometheus text. */
void tg_admin_filter_metrics(const struct tg_settings *settings, struct tg_buf *out);

/* Appends the JSON of /policies and of /certs. */
void tg_admin_policies(const struct tg_settings *settings, struct tg_buf *out);
void tg_admin_certs(const struct tg_settings *settings, struct tg_buf *out);

/* --- the gateway's own keys (credentials.c) --- */

/* Appends the JSON of /credentials. */
void tg_admin_credentials(const struct tg_settings *s, struct tg_buf *out);

/* Appends what is known of them as Prometheus text. */
void tg_admin_credential_metrics(const struct tg_settings *s, struct tg_buf *out);

/* True when each can be signed with. Appends one line per credential, as tg_metrics_ready(). */
bool tg_admin_credentials_ready(const struct tg_settings *s, struct tg_buf *out);

/* Appends their states as a member of a JSON object that is open. */
void tg_admin_credential_states(const struct tg_settings *s, struct tg_buf *out);

#endif
