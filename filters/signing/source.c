/* The sources of the gateway's own keys. */
#include "signing/source.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/file.h"
#include "signing/credential_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    METADATA_TIMEOUT_MS = 3000,
    IAM_TIMEOUT_MS = 5000,
    TOKEN_SECONDS = 21600,        /* asked for: the longest there is */
    TOKEN_EARLY = 300,            /* renewed so long before its end */
    WITHOUT_TOKEN_SECONDS = 86400 /* a service that gives none is asked again then */
};

enum phase { IDLE = 1, METADATA_TOKEN, METADATA_KEY, IAM_TOKEN, IAM_KEY };

struct tg_source {
    const struct tg_source_conf *conf;
    enum phase phase;
    struct tg_buf token; /* of the metadata service; empty: none */
    int64_t token_until; /* it, or the knowledge that there is none, holds until then */
    bool token_refused;  /* in this refresh */
    struct tg_source_request *request; /* of the call under way */
    struct tg_source_result *result;
    int64_t now;
};

struct tg_source *tg_source_new(const struct tg_source_conf *conf)
{
    struct tg_source *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->conf = conf;
    s->phase = IDLE;
    return s;
}

void tg_source_end(struct tg_source *s)
{
    if (s == NULL)
        return;
    tg_buf_wipe(&s->token);
    tg_buf_end(&s->token);
    free(s);
}

void tg_source_request_end(struct tg_source_request *r)
{
    tg_buf_wipe(&r->url);
    tg_buf_wipe(&r->fields);
    tg_buf_wipe(&r->body);
    tg_buf_end(&r->url);
    tg_buf_end(&r->fields);
    tg_buf_end(&r->body);
}

/* --- ends --- */

static enum tg_source_step failed(struct tg_source *s, unsigned wait, const char *what,
                                  const char *why)
{
    s->phase = IDLE;
    s->result->wait = wait < TG_SOURCE_WAIT_MOST ? wait : TG_SOURCE_WAIT_MOST;
    snprintf(s->result->error, sizeof(s->result->error), "%s: %s", what, why);
    return TG_SOURCE_FAILED;
}

static enum tg_source_step status_failed(struct tg_source *s, const struct tg_source_answer *a,
                                         const char *what)
{
    char text[32];
    unsigned wait = a->retry_after;

    if (a->status == 0)
        return failed(s, 0, what, a->error);
    /* nobody helps by asking again at once */
    if (wait == 0 && (a->status == 400 || a->status == 401 || a->status == 403))
        wait = TG_SOURCE_WAIT_MOST;
    snprintf(text, sizeof(text), "status %d", a->status);
    return failed(s, wait, what, text);
}

static enum tg_source_step judge(struct tg_source *s, const char *what, const char *why)
{
    s->phase = IDLE;
    return why == NULL ? TG_SOURCE_KEY : failed(s, 0, what, why);
}

/* --- requests --- */

static void ask(struct tg_source *s, enum phase phase, const char *method, const char *path,
                unsigned timeout_ms)
{
    struct tg_source_request *r = s->request;

    s->phase = phase;
    tg_buf_wipe(&r->url);
    tg_buf_wipe(&r->fields);
    tg_buf_wipe(&r->body);
    r->method = method;
    r->timeout_ms = timeout_ms;
    tg_buf_add(&r->url, s->conf->base);
    tg_buf_puts(&r->url, path);
}

static void add_field(struct tg_source *s, const char *name, struct tg_str value)
{
    tg_buf_printf(&s->request->fields, "%s: %.*s\n", name, TG_STR_ARG(value));
}

/* --- files and the environment --- */

static bool is_json(struct tg_str text)
{
    while (text.n > 0 && memchr(" \t\r\n", *text.p, 4) != NULL)
        text = tg_str_skip(text, 1);
    return text.n > 0 && *text.p == '{';
}

static enum tg_source_step read_file(struct tg_source *s)
{
    struct tg_arena arena;
    struct tg_file file;
    const char *why = "cannot be read";

    tg_arena_init(&arena);
    if (tg_file_read(&arena, s->conf->path.p, &file) == NULL) {
        if (file.group == s->conf->group)
            file.mode &= ~(mode_t)S_IRGRP;
        why = tg_file_why_not_private(&file);
    }
    if (why == NULL)
        why = is_json(file.text)
                  ? tg_credential_read_json(file.text, false, s->now, &s->result->key)
                  : tg_credential_read_ini(file.text, s->conf->section, &s->result->key);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return judge(s, "file", why);
}

static struct tg_str variable(const char *name)
{
    return tg_str_of(getenv(name));
}

static enum tg_source_step read_environment(struct tg_source *s)
{
    if (variable("HUAWEICLOUD_SDK_IDP_ID").n > 0)
        return judge(s, "environment", TG_CREDENTIAL_IS_IDTOKEN);
    return judge(s, "environment",
                 tg_credential_fill(variable("HUAWEICLOUD_SDK_AK"), variable("HUAWEICLOUD_SDK_SK"),
                                    variable("HUAWEICLOUD_SDK_SECURITY_TOKEN"),
                                    variable("HUAWEICLOUD_SDK_PROJECT_ID"), &s->result->key));
}

void tg_source_forget_environment(void)
{
    static const char *const names[] = {"HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK",
                                        "HUAWEICLOUD_SDK_SECURITY_TOKEN"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *value = getenv(names[i]);

        if (value != NULL)
            tg_wipe(value, strlen(value));
        unsetenv(names[i]);
    }
}

/* --- the metadata service --- */

static enum tg_source_step ask_metadata_token(struct tg_source *s)
{
    ask(s, METADATA_TOKEN, "PUT", "/meta-data/latest/api/token", METADATA_TIMEOUT_MS);
    tg_buf_printf(&s->request->fields, "X-Metadata-Token-Ttl-Seconds: %d\n", TOKEN_SECONDS);
    return TG_SOURCE_ASK;
}

static enum tg_source_step ask_metadata_key(struct tg_source *s)
{
    ask(s, METADATA_KEY, "GET", "/openstack/latest/securitykey", METADATA_TIMEOUT_MS);
    if (s->token.n > 0)
        add_field(s, "X-Metadata-Token", tg_buf_str(&s->token));
    return TG_SOURCE_ASK;
}

static bool is_token(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n < TG_CREDENTIAL_TOKEN;
}

static enum tg_source_step take_metadata_token(struct tg_source *s,
                                               const struct tg_source_answer *a)
{
    struct tg_str token = tg_str_trim(a->body);

    tg_buf_wipe(&s->token);
    if (a->status == 404 || a->status == 405 || a->status == 503) { /* an older service */
        s->token_until = s->now + WITHOUT_TOKEN_SECONDS;
        return ask_metadata_key(s);
    }
    if (a->status != 200)
        return status_failed(s, a, "metadata token");
    if (!is_token(token))
        return failed(s, 0, "metadata token", "not taken");
    tg_buf_add(&s->token, token);
    s->token_until = s->now + TOKEN_SECONDS - TOKEN_EARLY;
    return ask_metadata_key(s);
}

static bool has_text(struct tg_str body, struct tg_str text)
{
    return body.n > 0 && memmem(body.p, body.n, text.p, text.n) != NULL;
}

static enum tg_source_step take_metadata_key(struct tg_source *s, const struct tg_source_answer *a)
{
    if (a->status == 401 &&
        has_text(a->body, TG_STR("Please configure Cloud Service Agency first")))
        return failed(s, TG_SOURCE_WAIT_MOST, "metadata", "the machine has no agency");
    if (a->status == 401 && !s->token_refused) {
        s->token_refused = true;
        return ask_metadata_token(s);
    }
    if (a->status != 200)
        return status_failed(s, a, "metadata key");
    return judge(s, "metadata key",
                 tg_credential_read_json(a->body, true, s->now, &s->result->key));
}

/* --- IAM --- */

static void write_iam_token(struct tg_source *s, struct tg_str token)
{
    ask(s, IAM_TOKEN, "POST", "/v3.0/OS-AUTH/id-token/tokens", IAM_TIMEOUT_MS);
    add_field(s, "X-Idp-Id", s->conf->idp);
    add_field(s, "Content-Type", TG_STR("application/json"));
    tg_buf_puts(&s->request->body, "{\"auth\":{\"id_token\":{\"id\":");
    tg_buf_json(&s->request->body, token);
    tg_buf_puts(&s->request->body, "}}}");
}

static enum tg_source_step ask_iam_token(struct tg_source *s)
{
    enum tg_source_step step = TG_SOURCE_ASK;
    struct tg_arena arena;
    struct tg_file file;

    tg_arena_init(&arena);
    if (tg_file_read(&arena, s->conf->path.p, &file) == NULL) {
        struct tg_str token = tg_str_trim(tg_str_without_line_ends(file.text));

        if (is_token(token))
            write_iam_token(s, token);
        else
            step = failed(s, 0, "ID token", "the file holds none");
    } else {
        step = failed(s, 0, "ID token", "the file cannot be read");
    }
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return step;
}

static enum tg_source_step take_iam_token(struct tg_source *s, const struct tg_source_answer *a)
{
    if (a->status != 201)
        return status_failed(s, a, "IAM token");
    if (!is_token(a->subject_token))
        return failed(s, 0, "IAM token", "none in the answer");
    ask(s, IAM_KEY, "POST", "/v3.0/OS-CREDENTIAL/securitytokens", IAM_TIMEOUT_MS);
    add_field(s, "Content-Type", TG_STR("application/json"));
    tg_buf_puts(&s->request->body,
                "{\"auth\":{\"identity\":{\"methods\":[\"token\"],\"token\":{\"id\":");
    tg_buf_json(&s->request->body, a->subject_token);
    tg_buf_printf(&s->request->body, ",\"duration_seconds\":%d}}}}", TOKEN_SECONDS);
    return TG_SOURCE_ASK;
}

static enum tg_source_step take_iam_key(struct tg_source *s, const struct tg_source_answer *a)
{
    if (a->status != 201)
        return status_failed(s, a, "IAM key");
    return judge(s, "IAM key", tg_credential_read_json(a->body, true, s->now, &s->result->key));
}

/* --- the machine --- */

enum tg_source_step tg_source_begin(struct tg_source *s, int64_t now,
                                    struct tg_source_request *request,
                                    struct tg_source_result *result)
{
    s->now = now;
    s->request = request;
    s->result = result;
    s->token_refused = false;
    result->wait = 0;
    result->error[0] = '\0';
    switch (s->conf->kind) {
    case TG_SOURCE_FILE:
        return read_file(s);
    case TG_SOURCE_ENV:
        return read_environment(s);
    case TG_SOURCE_METADATA:
        return now < s->token_until ? ask_metadata_key(s) : ask_metadata_token(s);
    case TG_SOURCE_IDTOKEN:
        return ask_iam_token(s);
    }
    TG_UNREACHABLE();
}

enum tg_source_step tg_source_answer(struct tg_source *s, const struct tg_source_answer *answer,
                                     int64_t now, struct tg_source_request *request,
                                     struct tg_source_result *result)
{
    CHECK(s->phase != IDLE);
    s->now = now;
    s->request = request;
    s->result = result;
    if (answer->body.n > TG_CREDENTIAL_TEXT)
        return failed(s, 0, "answer", "too large");
    switch (s->phase) {
    case METADATA_TOKEN:
        return take_metadata_token(s, answer);
    case METADATA_KEY:
        return take_metadata_key(s, answer);
    case IAM_TOKEN:
        return take_iam_token(s, answer);
    case IAM_KEY:
        return take_iam_key(s, answer);
    case IDLE:
        break;
    }
    TG_UNREACHABLE();
}

/* --- when --- */

/* The metadata service has a new key ten minutes before the old one ends, and both hold then. */
int64_t tg_source_margin(const struct tg_source_conf *conf, int64_t now, int64_t expires_at)
{
    int64_t quarter = (expires_at - now) / 4;

    if (conf->kind == TG_SOURCE_METADATA)
        return 9 * 60;
    return quarter < 40 * 60 ? quarter : 40 * 60;
}

int64_t tg_source_next(const struct tg_source_conf *conf, int64_t now, int64_t expires_at,
                       bool same, unsigned random)
{
    int64_t margin = expires_at != 0 ? tg_source_margin(conf, now, expires_at) : 0;
    int64_t at = expires_at - margin + margin * ((int64_t)random - 500) / 5000;

    /* a file may change at any time; a key that is due and still the old one is asked for again */
    if (conf->kind == TG_SOURCE_FILE || (same && at <= now + 60))
        return now + 60;
    return at > now ? at : now + 1;
}

int64_t tg_source_back_off(unsigned failures, unsigned random)
{
    int64_t seconds = failures < 7 ? 1 << (failures - 1) : TG_SOURCE_WAIT_MOST;

    CHECK(failures > 0);
    if (seconds > TG_SOURCE_WAIT_MOST)
        seconds = TG_SOURCE_WAIT_MOST;
    return seconds * 800 + seconds * 400 * random / 1000;
}
