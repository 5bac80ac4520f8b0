/* When a source is asked, and what becomes of its answers. */
#include "keeper/refresh.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/timer.h"
#include "signing/source.h"

#include <stdlib.h>

enum {
    WIPE_S = 60,          /* how long an old key stays for who is copying it */
    ASKED_S = 30,         /* between two refreshes that are asked for */
    LOGGED_S = 60,        /* between two lines about one failure that lasts */
    LONGEST_S = 31536000, /* to a timer's end */
};

#define SECOND INT64_C(1000000)

struct tg_refresh {
    struct tg_http_client *client;
    const struct tg_credential_conf *conf;
    struct tg_credential_map *map;
    struct tg_source *source;
    struct tg_source_request request;
    struct tg_source_result result;
    struct tg_http_call *call; /* under way */
    struct tg_timer next;
    struct tg_timer wipe;
    int64_t at;        /* when it is asked next, by the wall clock; INT64_MAX: not by it */
    int64_t due;       /* when the key should have been renewed; seconds since 1970 UTC */
    int64_t asked;     /* when a refresh was last asked for; the same */
    int64_t logged;    /* when the last failure was last told; the same */
    unsigned failures; /* in a row */
    unsigned count;
    char error[TG_SOURCE_ERROR];    /* the last failure, as it was told */
    enum tg_credential_state state; /* the key's, told with it */
};

static int64_t seconds_now(void)
{
    return tg_clock_wall_now() / SECOND;
}

/* 0 to 999: many gateways must not ask at one time. */
static unsigned any(void)
{
    uint16_t random;

    tg_random(&random, sizeof(random));
    return random % 1000;
}

static void set_next(struct tg_refresh *r, int64_t us)
{
    tg_timer_set(&r->next, tg_clock_mono_now(), us < LONGEST_S * SECOND ? us : LONGEST_S * SECOND);
}

/* --- what came of it --- */

static void log_key(struct tg_refresh *r, bool same)
{
    if (r->failures > 0)
        tg_log(TG_LOG_NOTICE, "keeper", "credential \"%s\": the key could be fetched again",
               r->conf->name.p);
    else if (!same)
        tg_log(TG_LOG_INFO, "keeper", "credential \"%s\": a new key, %s", r->conf->name.p,
               r->result.key.access_key);
    r->error[0] = '\0';
}

/* A key that lasts has its own time; a wall clock that is set back must not make it due sooner. */
static void plan(struct tg_refresh *r, int64_t now, int64_t came, bool same)
{
    const struct tg_credential *key = &r->result.key;
    int64_t at = tg_source_next(&r->conf->source, came, key->expires_at, same, any());

    r->due = key->expires_at == 0
                 ? INT64_MAX
                 : key->expires_at - tg_source_margin(&r->conf->source, came, key->expires_at);
    r->at = at;
    set_next(r, at > now ? (at - now) * SECOND : 0);
}

static void take_key(struct tg_refresh *r)
{
    struct tg_credential before;
    int64_t now = seconds_now();
    bool same = tg_credential_map_read(r->map, r->conf->number, now, &before) &&
                strcmp(before.access_key, r->result.key.access_key) == 0 &&
                strcmp(before.token, r->result.key.token) == 0 &&
                strcmp(before.secret, r->result.key.secret) == 0;

    tg_wipe(&before, sizeof(before));
    tg_credential_map_publish(r->map, r->conf->number, &r->result.key, now);
    tg_timer_set(&r->wipe, tg_clock_mono_now(), WIPE_S * SECOND);
    log_key(r, same);
    r->failures = 0;
    plan(r, now, now, same);
    tg_wipe(&r->result, sizeof(r->result));
}

/* Each cause and state once, then once a minute while it lasts. */
static void log_failure(struct tg_refresh *r, int64_t now)
{
    enum tg_credential_state state = tg_credential_map_state(r->map, r->conf->number, now);
    bool holds = state == TG_CREDENTIAL_FRESH || state == TG_CREDENTIAL_STALE;

    if (strcmp(r->error, r->result.error) == 0 && r->state == state && now - r->logged < LOGGED_S &&
        now >= r->logged)
        return;
    r->state = state;
    memcpy(r->error, r->result.error, sizeof(r->error));
    r->logged = now;
    tg_log(holds ? TG_LOG_WARN : TG_LOG_ERROR, "keeper", "credential \"%s\" is %s: %s",
           r->conf->name.p, tg_credential_state_text(state), r->error);
}

static void take_failure(struct tg_refresh *r)
{
    int64_t now = seconds_now();
    int64_t wait_ms = r->result.wait * INT64_C(1000);

    r->failures++;
    tg_credential_map_failed(r->map, r->conf->number, tg_str_of(r->result.error), now >= r->due);
    log_failure(r, now);
    if (wait_ms == 0)
        wait_ms = tg_source_back_off(r->failures, any());
    set_next(r, wait_ms * 1000);
}

/* --- asking --- */

static void on_reply(void *owner, const struct tg_http_reply *reply);

static struct tg_http_proxy proxy_of(const struct tg_proxy_conf *p)
{
    return (struct tg_http_proxy){.host = p->server.host,
                                  .port = p->server.port,
                                  .text = p->server.text,
                                  .tls = p->tls,
                                  .authorities = p->ca.n > 0 ? p->ca.p : TG_AUTHORITIES,
                                  .authorization = p->authorization};
}

static void ask(struct tg_refresh *r)
{
    const struct tg_proxy_conf *proxy = r->conf->proxy;
    const struct tg_http_proxy through =
        proxy != NULL ? proxy_of(proxy) : (struct tg_http_proxy){.port = 0};
    const struct tg_http_question question = {
        .method = r->request.method,
        .url = tg_buf_str(&r->request.url),
        .host = r->conf->host,
        .port = r->conf->port,
        .fields = tg_buf_str(&r->request.fields),
        .body = tg_buf_str(&r->request.body),
        .authorities = r->conf->tls_ca.p,
        .proxy = proxy != NULL ? &through : NULL,
        .timeout_ms = r->request.timeout_ms,
    };

    r->call = tg_http_client_ask(r->client, &question, on_reply, r);
}

static void go_on(struct tg_refresh *r, enum tg_source_step step)
{
    switch (step) {
    case TG_SOURCE_ASK:
        ask(r);
        return;
    case TG_SOURCE_KEY:
        take_key(r);
        break;
    case TG_SOURCE_FAILED:
        take_failure(r);
        break;
    }
    r->count++;
    tg_source_request_end(&r->request);
}

static void note_clock(const struct tg_refresh *r, int64_t date)
{
    if (date == 0)
        return;
    tg_credential_map_set_clock(r->map, date - seconds_now());
}

static void on_reply(void *owner, const struct tg_http_reply *reply)
{
    struct tg_refresh *r = owner;
    const struct tg_source_answer answer = {
        .status = reply->status,
        .error = reply->error,
        .subject_token = tg_http_reply_field(reply, "X-Subject-Token"),
        .retry_after = reply->retry_after,
        .body = reply->body,
    };

    r->call = NULL; /* it ends with this callback */
    note_clock(r, reply->date);
    go_on(r, tg_source_answer(r->source, &answer, seconds_now(), &r->request, &r->result));
}

static void on_next(void *owner)
{
    struct tg_refresh *r = owner;

    r->at = INT64_MAX;
    if (r->call == NULL)
        go_on(r, tg_source_begin(r->source, seconds_now(), &r->request, &r->result));
}

static void on_wipe(void *owner)
{
    struct tg_refresh *r = owner;

    tg_credential_map_wipe_old(r->map, r->conf->number);
}

/* --- life --- */

/* What is in the map already goes on: the keeper was started again, or another configuration came
 * into force. Files and the environment cost nothing to look at. */
static void plan_first(struct tg_refresh *r)
{
    struct tg_credential_status status;
    int64_t now = seconds_now();
    bool asks = r->conf->host.n > 0;

    tg_credential_map_status(r->map, r->conf->number, now, &status);
    if (!asks || !tg_credential_map_read(r->map, r->conf->number, now, &r->result.key) ||
        status.state == TG_CREDENTIAL_STALE) {
        set_next(r, 0);
        return;
    }
    plan(r, now, status.refreshed_at, false);
    tg_wipe(&r->result, sizeof(r->result));
}

struct tg_refresh *tg_refresh_new(struct event_base *base, struct tg_http_client *client,
                                  const struct tg_credential_conf *conf,
                                  struct tg_credential_map *map)
{
    struct tg_refresh *r = calloc(1, sizeof(*r));

    CHECK(r != NULL);
    r->client = client;
    r->conf = conf;
    r->map = map;
    r->at = INT64_MAX;
    r->source = tg_source_new(&conf->source);
    tg_timer_init(&r->next, base, on_next, r);
    tg_timer_init(&r->wipe, base, on_wipe, r);
    plan_first(r);
    return r;
}

void tg_refresh_end(struct tg_refresh *r)
{
    if (r == NULL)
        return;
    tg_http_call_cancel(r->call);
    tg_timer_end(&r->next);
    tg_timer_end(&r->wipe);
    tg_source_request_end(&r->request);
    tg_source_end(r->source);
    tg_wipe(r, sizeof(*r));
    free(r);
}

void tg_refresh_ask(struct tg_refresh *r)
{
    int64_t now = seconds_now();

    if (now - r->asked < ASKED_S && now >= r->asked)
        return;
    r->asked = now;
    set_next(r, 0);
}

void tg_refresh_changed(struct tg_refresh *r)
{
    if (r->conf->source.kind == TG_SOURCE_FILE)
        set_next(r, 0);
}

void tg_refresh_tick(struct tg_refresh *r)
{
    if (seconds_now() <= r->at)
        return;
    r->at = INT64_MAX;
    set_next(r, 0);
}

unsigned tg_refresh_count(const struct tg_refresh *r)
{
    return r->count;
}
