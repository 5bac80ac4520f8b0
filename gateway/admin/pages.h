/* Pages that tell of what was loaded: what filters have to tell, certificates, the gateway's own
 * keys.
 */
#ifndef TG_ADMIN_PAGES_H
#define TG_ADMIN_PAGES_H

#include "settings/settings.h"

/* Appends the metrics that filters have of what was loaded (on_metrics), as Prometheus text. */
void tg_admin_filter_metrics(const struct tg_settings *settings, struct tg_buf *out);

/* Appends the JSON of /policies and of /certs. */
void tg_admin_policies(const struct tg_settings *settings, struct tg_buf *out);
void tg_admin_certs(const struct tg_settings *settings, struct tg_buf *out);

/* Appends the JSON of /topics: what rules, normalizations and ends demand, and how to mend what
 * they name, in both languages. */
void tg_admin_topics(struct tg_buf *out);

/* --- the gateway's own keys (credentials.c) --- */

/* Appends the JSON of /credentials. */
void tg_admin_credentials(const struct tg_settings *s, struct tg_buf *out);

/* Appends what is known of them as Prometheus text. */
void tg_admin_credential_metrics(const struct tg_settings *s, struct tg_buf *out);

/* True when each can be signed with. Appends one line per credential, as tg_metrics_ready(). */
bool tg_admin_credentials_ready(const struct tg_settings *s, struct tg_buf *out);

/* Appends their states as a member of a JSON object that is open. */
void tg_admin_credential_states(const struct tg_settings *s, struct tg_buf *out);

/* Appends what is known of stores of limits as Prometheus text, and as a member of a JSON object
 * that is open (limit_stores.c). */
void tg_admin_limit_store_metrics(const struct tg_settings *s, const struct tg_limits *l,
                                  struct tg_buf *out);
void tg_admin_limit_stores(const struct tg_settings *s, const struct tg_limits *l,
                           struct tg_buf *out);

/* Appends when the certificates that are told on /certs end as Prometheus text. */
void tg_admin_cert_metrics(const struct tg_settings *settings, struct tg_buf *out);

/* Appends the JSON of /callers, and how many keys clients have as Prometheus text (callers.c). */
void tg_admin_callers(const struct tg_settings *settings, struct tg_buf *out);
void tg_admin_caller_metrics(const struct tg_settings *settings, struct tg_buf *out);

#endif
