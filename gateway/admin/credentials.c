/* What is told of the gateway's own keys: a page, metrics, readiness. Never a secret. */
#include "admin/pages.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus.h"

enum { SHOWN = 4 /* characters of an access key at each end */ };

static const char *const source_words[] = {[TG_SOURCE_FILE] = "file",
                                           [TG_SOURCE_ENV] = "env",
                                           [TG_SOURCE_METADATA] = "metadata",
                                           [TG_SOURCE_IDTOKEN] = "idtoken"};

static void read_status(const struct tg_settings *s, const struct tg_credential_conf *c,
                        struct tg_credential_status *out)
{
    tg_credential_map_status(s->credential_map, c->number, tg_clock_wall_now() / 1000000, out);
}

/* --- /credentials --- */

static void add_time(struct tg_buf *out, const char *name, int64_t seconds)
{
    char text[TG_CLOCK_TEXT];

    if (seconds == 0) {
        tg_json_member_raw(out, name, TG_STR("null"));
        return;
    }
    tg_clock_text(seconds * 1000000, text);
    tg_json_member(out, name, tg_str_of(text));
}

/* Enough to find a key in the cloud's console. */
static void add_key_id(struct tg_buf *out, const char *access_key)
{
    struct tg_str key = tg_str_of(access_key);
    char text[2 * SHOWN + 4];

    if (key.n <= 2 * SHOWN) {
        tg_json_member(out, "key_id", key.n == 0 ? key : TG_STR("..."));
        return;
    }
    memcpy(text, key.p, SHOWN);
    memcpy(text + SHOWN, "...", 3);
    memcpy(text + SHOWN + 3, key.p + key.n - SHOWN, SHOWN + 1);
    tg_json_member(out, "key_id", tg_str_of(text));
}

static void add_credential(const struct tg_settings *s, const struct tg_credential_conf *c,
                           struct tg_buf *out)
{
    struct tg_credential_status status;

    read_status(s, c, &status);
    tg_json_begin(out, '{');
    tg_json_member(out, "name", c->name);
    tg_json_member(out, "source", tg_str_of(source_words[c->source.kind]));
    tg_json_member(out, "endpoint", c->endpoint);
    tg_json_member(out, "state", tg_str_of(tg_credential_state_text(status.state)));
    add_key_id(out, status.access_key);
    add_time(out, "expires_at", status.expires_at);
    add_time(out, "refreshed_at", status.refreshed_at);
    tg_json_member_number(out, "refreshes", status.refreshes[1]);
    tg_json_member_number(out, "failures", status.refreshes[0]);
    tg_json_member(out, "error", tg_str_of(status.error));
    tg_json_end(out, '}');
}

void tg_admin_credentials(const struct tg_settings *s, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "credentials", '[');
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next)
        add_credential(s, c, out);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* --- metrics --- */

static void sample(struct tg_buf *out, const char *name, const struct tg_credential_conf *c,
                   const char *label, const char *word, int64_t value)
{
    tg_buf_printf(out, "trainguard_%s{", name);
    tg_prometheus_label(out, "credential", c->name);
    if (label != NULL)
        tg_buf_printf(out, ",%s=\"%s\"", label, word);
    tg_buf_printf(out, "} %ld\n", (long)value);
}

static void add_states(const struct tg_settings *s, struct tg_buf *out)
{
    struct tg_credential_status status;

    tg_prometheus_family(out, "credential_state", "gauge",
                         "1 for the state the gateway's key is in, 0 for the others.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        for (enum tg_credential_state i = TG_CREDENTIAL_NONE; i <= TG_CREDENTIAL_EXPIRED; i++)
            sample(out, "credential_state", c, "state", tg_credential_state_text(i),
                   status.state == i);
    }
}

static void add_times(const struct tg_settings *s, struct tg_buf *out)
{
    struct tg_credential_status status;

    tg_prometheus_family(out, "credential_expires_timestamp_seconds", "gauge",
                         "When the gateway's key ends, since 1970; none for one that does not.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        if (status.expires_at != 0)
            sample(out, "credential_expires_timestamp_seconds", c, NULL, NULL, status.expires_at);
    }
    tg_prometheus_family(out, "credential_refreshed_timestamp_seconds", "gauge",
                         "When the gateway's key was last fetched, since 1970.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        if (status.refreshed_at != 0)
            sample(out, "credential_refreshed_timestamp_seconds", c, NULL, NULL,
                   status.refreshed_at);
    }
}

static void add_refreshes(const struct tg_settings *s, struct tg_buf *out)
{
    static const char *const results[] = {"failed", "done"};
    struct tg_credential_status status;

    tg_prometheus_family(out, "credential_refreshes_total", "counter",
                         "Refreshes of the gateway's keys, by what came of them.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        for (unsigned i = 0; i < 2; i++)
            sample(out, "credential_refreshes_total", c, "result", results[i],
                   (int64_t)status.refreshes[i]);
    }
}

static void add_uses(const struct tg_settings *s, struct tg_buf *out)
{
    tg_prometheus_family(
        out, "signed_total", "counter",
        "Attempts to sign what is forwarded; paused: the service refused the key.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next)
        for (unsigned i = 0; i < TG_KEY_RESULTS; i++)
            sample(out, "signed_total", c, "result", tg_key_result_words[i],
                   (int64_t)tg_credential_map_use(s->credential_map, c->number)->results[i]);
    tg_prometheus_family(out, "credential_refused_total", "counter",
                         "Answers of the service that refused the gateway's key, by code.");
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next)
        for (unsigned i = 0; i < TG_KEY_CODES; i++)
            sample(out, "credential_refused_total", c, "code", tg_key_code_words[i],
                   (int64_t)tg_credential_map_use(s->credential_map, c->number)->refused[i]);
}

static void add_clock(const struct tg_settings *s, struct tg_buf *out)
{
    int64_t ahead;

    tg_prometheus_family(out, "clock_difference_seconds", "gauge",
                         "How far the clock of the services that were asked is ahead of ours.");
    if (s->credential_map != NULL && tg_credential_map_clock(s->credential_map, &ahead))
        tg_buf_printf(out, "trainguard_clock_difference_seconds %ld\n", (long)ahead);
}

void tg_admin_credential_metrics(const struct tg_settings *s, struct tg_buf *out)
{
    add_states(s, out);
    add_times(s, out);
    add_refreshes(s, out);
    add_uses(s, out);
    add_clock(s, out);
}

/* --- readiness, status --- */

bool tg_admin_credentials_ready(const struct tg_settings *s, struct tg_buf *out)
{
    struct tg_credential_status status;
    bool all = true;

    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        bool good = status.state == TG_CREDENTIAL_FRESH || status.state == TG_CREDENTIAL_STALE;
        tg_buf_printf(out, "[%c] credential %.*s %s%s%s\n", good ? '+' : '-', TG_STR_ARG(c->name),
                      tg_credential_state_text(status.state), status.error[0] != '\0' ? ": " : "",
                      status.error);
        all &= good;
    }
    return all;
}

void tg_admin_credential_states(const struct tg_settings *s, struct tg_buf *out)
{
    struct tg_credential_status status;

    tg_json_member_begin(out, "credentials", '{');
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        read_status(s, c, &status);
        tg_json_member(out, c->name.p, tg_str_of(tg_credential_state_text(status.state)));
    }
    tg_json_end(out, '}');
}
