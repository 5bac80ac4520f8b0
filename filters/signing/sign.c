/* `sign`: signs what is forwarded with the gateway's own key, anew for each attempt. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "chain/filter.h"
#include "signing/signature.h"
#include "signing/signing.h"

#include <event2/event.h>

enum {
    FIRST_KEY_MS = 5000, /* how long a request waits for it */
    LOOK_US = 20000,     /* how often it looks */
};

/* One request that is signed. */
struct sign_state {
    uint32_t serial; /* of the key the last attempt was signed with; 0: none was */

    /* while it waits for the first key */
    const struct tg_signing_conf *signing;
    struct tg_request_handle handle;
    struct event *look; /* NULL: it does not */
    uint64_t deadline;  /* monotonic microseconds */
};

/* --- the first key --- */

static enum tg_credential_state key_state(const struct tg_signing_conf *s)
{
    return tg_credential_map_state(s->credentials, s->credential, tg_clock_wall_now() / 1000000);
}

static void stop_waiting(struct sign_state *s)
{
    if (s->look != NULL)
        event_free(s->look);
    s->look = NULL;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct sign_state *s = arg;

    (void)fd, (void)what;
    if (key_state(s->signing) == TG_CREDENTIAL_NONE && tg_clock_mono_now() < s->deadline)
        return;
    stop_waiting(s);
    (void)tg_resume(s->handle);
}

/* The keeper cannot wake workers: they look at its map. */
static enum tg_verdict await_first_key(struct tg_request *r, struct sign_state *s)
{
    const struct timeval often = {0, LOOK_US};

    s->signing = r->signing;
    s->handle = tg_request_handle(r);
    s->deadline = tg_clock_mono_now() + FIRST_KEY_MS * UINT64_C(1000);
    s->look = event_new(tg_request_loop(r), -1, EV_PERSIST, on_look, s);
    CHECK(s->look != NULL && event_add(s->look, &often) == 0);
    return tg_wait(r, "waiting for the gateway's first key", 2 * FIRST_KEY_MS);
}

/* --- keys that cannot be used --- */

static struct tg_key_use *use_of(const struct tg_signing_conf *s)
{
    return tg_credential_map_use(s->credentials, s->credential);
}

/* Says what is known of it. */
static enum tg_verdict refuse_without_key(struct tg_request *r)
{
    const struct tg_signing_conf *s = r->signing;
    struct tg_credential_status status;
    const char *word;

    tg_key_use_missing(use_of(s));
    tg_credential_map_status(s->credentials, s->credential, tg_clock_wall_now() / 1000000, &status);
    word = tg_credential_state_text(status.state);
    return tg_reply(
        r, TG_E_CREDENTIAL_MISSING,
        tg_arena_printf(r->arena, "the gateway's credential is not available (%s: %s%s%s)",
                        s->credential_name.p, word, status.error[0] != '\0' ? ", " : "",
                        status.error)
            .p,
        tg_arena_printf(r->arena, "网关的凭据不可用 (%s: %s)", s->credential_name.p, word).p);
}

/* The service refused it too often, and would lock it. */
static enum tg_verdict refuse_with_resting_key(struct tg_request *r, unsigned wait)
{
    const char *name = r->signing->credential_name.p;

    r->retry_after = wait;
    return tg_reply(r, TG_E_CREDENTIAL_MISSING,
                    tg_arena_printf(r->arena,
                                    "the service refuses the gateway's credential (%s): it rests",
                                    name)
                        .p,
                    tg_arena_printf(r->arena, "服务端拒绝网关的凭据 (%s), 暂停使用", name).p);
}

static bool rests(const struct tg_request *r, unsigned *wait)
{
    const struct tg_signing_conf *s = r->signing;

    return tg_key_use_rests(use_of(s), tg_credential_map_serial(s->credentials, s->credential),
                            tg_clock_mono_now(), wait);
}

/* --- the head --- */

/* What says who called the gateway, or signed for it, is the client's business: none of it goes on.
 */
static void drop_client_fields(struct tg_request *r)
{
    static const struct tg_str names[] = {
        TG_STR("Authorization"),     TG_STR("X-Sdk-Date"),       TG_STR("X-Sdk-Content-Sha256"),
        TG_STR("X-Sdk-Content-Sm3"), TG_STR("X-Security-Token"), TG_STR("X-Auth-Token"),
        TG_STR("X-Project-Id"),      TG_STR("X-Domain-Id"),      TG_STR("X-Forwarded-Host"),
        TG_STR("X-Trainguard-Key")};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        tg_request_set_field(r, names[i], TG_STR(""));
}

/* Path and query go out in their canonical spelling: both sides then agree whatever is decoded. */
static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    struct sign_state *s = state;
    struct tg_buf target = {0};
    enum tg_credential_state key;
    unsigned wait;

    (void)conf;
    if (r->host == NULL || r->auth_kind == TG_AUTH_TOKEN)
        return TG_NEXT; /* nobody sent it, or it goes on under its own token */
    CHECK(r->signing != NULL && r->signing->credentials != NULL && r->auth_kind > TG_AUTH_NONE);
    key = key_state(r->signing);
    if (key == TG_CREDENTIAL_NONE && s->deadline == 0)
        return await_first_key(r, s);
    if (key == TG_CREDENTIAL_NONE || key == TG_CREDENTIAL_EXPIRED)
        return refuse_without_key(r);
    if (rests(r, &wait))
        return refuse_with_resting_key(r, wait);
    if (!tg_canonical_target(r->target, &target)) {
        tg_buf_end(&target);
        return tg_reply(r, TG_E_BAD_REQUEST, "the query has more than 256 parameters",
                        "查询参数超过 256 个");
    }
    r->target = tg_arena_dup(r->arena, tg_buf_str(&target));
    tg_buf_end(&target);
    drop_client_fields(r);
    r->resigned = true;
    return TG_NEXT;
}

/* The fields of one attempt: date, key and token are taken together. */
struct attempt {
    struct tg_field field[4];
    unsigned nfields;
    struct tg_str signed_fields;
    char date[TG_SIGNING_DATE];
};

static void add(struct attempt *a, const char *name, struct tg_str value)
{
    a->field[a->nfields++] = (struct tg_field){tg_str_of(name), value};
}

static void fill(struct attempt *a, struct tg_str project, struct tg_str host,
                 const struct tg_credential *key, int64_t now)
{
    static const struct tg_str names[2][2] = {
        {TG_STR("host;x-sdk-date"), TG_STR("host;x-sdk-date;x-security-token")},
        {TG_STR("host;x-project-id;x-sdk-date"),
         TG_STR("host;x-project-id;x-sdk-date;x-security-token")}};

    if (project.n == 0)
        project = tg_str_of(key->project_id);
    tg_signing_date_write(now, a->date);
    add(a, "Host", host);
    if (project.n > 0)
        add(a, "X-Project-Id", project);
    add(a, "X-Sdk-Date", (struct tg_str){a->date, TG_SIGNING_DATE});
    if (key->token[0] != '\0')
        add(a, "X-Security-Token", tg_str_of(key->token));
    a->signed_fields = names[project.n > 0][key->token[0] != '\0'];
}

static void write_fields(const struct attempt *a, const struct tg_credential *key,
                         struct tg_str signature, struct tg_buf *out)
{
    for (unsigned i = 1; i < a->nfields; i++) /* Host is there already */
        tg_fields_add(out, a->field[i].name, a->field[i].value);
    tg_buf_puts(out, "Authorization: SDK-HMAC-SHA256 Access=");
    tg_buf_puts(out, key->access_key);
    tg_buf_puts(out, ", SignedHeaders=");
    tg_buf_add(out, a->signed_fields);
    tg_buf_puts(out, ", Signature=");
    tg_buf_add(out, signature);
    tg_buf_puts(out, "\r\n");
}

/* Of a request whose query has no more parameters than can be signed. */
static void sign_attempt(struct tg_str method, struct tg_str target, const struct attempt *a,
                         const struct tg_credential *key, struct tg_str payload, struct tg_buf *out)
{
    struct tg_signing_request request = {method, target, a->field, a->nfields};
    char signature[TG_AUTHORIZATION_SIGNATURE];
    struct tg_buf canonical = {0};
    struct tg_str bad;

    /* the parameters are counted, and the fields are there: it cannot fail */
    CHECK(tg_canonical_request(&request, a->signed_fields, payload, 0, &canonical, &bad) ==
          TG_CANONICAL_OK);
    tg_signature_make(TG_AUTHORIZATION_SDK, tg_str_of(key->access_key), tg_str_of(key->secret),
                      (struct tg_str){a->date, TG_SIGNING_DATE}, TG_STR(""), tg_buf_str(&canonical),
                      signature);
    tg_buf_wipe(&canonical);
    tg_buf_end(&canonical);
    write_fields(a, key, (struct tg_str){signature, sizeof(signature)}, out);
}

/* Once for all attempts; what `verify` has hashed and nobody has changed counts. */
static const unsigned char *hash_forwarded(struct tg_request *r)
{
    struct tg_str body = tg_request_forwarded_body(r);
    unsigned char *digest;

    if (r->forwarded_sha256 != NULL)
        return r->forwarded_sha256;
    if (r->body_sha256 != NULL && body.p == r->body.p && body.n == r->body.n)
        return r->forwarded_sha256 = r->body_sha256;
    digest = tg_arena_alloc(r->arena, TG_SHA256);
    tg_sha256(body, digest);
    return r->forwarded_sha256 = digest;
}

/* The key of one attempt; the caller wipes it. False: there is none to sign with, which is said. */
static bool take_key(struct tg_request *r, struct sign_state *s, int64_t now,
                     struct tg_credential *key)
{
    unsigned wait;

    if (!tg_credential_map_read(r->signing->credentials, r->signing->credential, now, key)) {
        refuse_without_key(r);
        return false;
    }
    s->serial = key->serial;
    if (tg_key_use_begin(use_of(r->signing), key->serial, tg_clock_mono_now(), &wait))
        return true;
    tg_wipe(key, sizeof(*key));
    refuse_with_resting_key(r, wait);
    return false;
}

static bool on_forward(struct tg_request *r, struct tg_str host, struct tg_buf *out,
                       const void *conf, void *state)
{
    struct sign_state *s = state;
    char payload[TG_SHA256_HEX];
    struct attempt a = {.nfields = 0};
    struct tg_credential key;
    int64_t now = tg_clock_wall_now() / 1000000;

    (void)conf;
    if (!r->resigned)
        return true;
    if (!take_key(r, s, now, &key))
        return false;
    tg_hex(hash_forwarded(r), TG_SHA256, payload);
    fill(&a, r->project_id, host, &key, now);
    sign_attempt(r->method, r->target, &a, &key, (struct tg_str){payload, TG_SHA256_HEX}, out);
    r->signed_key_id = tg_arena_dup(r->arena, tg_str_of(key.access_key));
    r->signed_credential = r->signing->credential_name;
    r->signed_date = tg_arena_dup(r->arena, (struct tg_str){a.date, TG_SIGNING_DATE});
    r->signed_attempts++;
    tg_wipe(&key, sizeof(key));
    return true;
}

/* --- what the service says of the signature --- */

/* What the service sends beside the code (the canonical request, with the key's token) is told to
 * nobody. A key that was changed meanwhile gets its own try. */
static enum tg_refusal on_unauthorized(struct tg_request *r, const struct tg_response *response,
                                       const void *conf, void *state)
{
    const struct tg_signing_conf *c = r->signing;
    const struct sign_state *s = state;
    int code = tg_key_code(response->error_code);
    unsigned row;

    (void)conf;
    if (s->serial == 0 || code < 0)
        return TG_REFUSAL_PASS;
    row = tg_key_use_refused(use_of(c), s->serial, tg_clock_mono_now(), code);
    tg_log(TG_LOG_ERROR, "sign", "credential \"%s\": the service refused key %.*s with %s%s",
           c->credential_name.p, TG_STR_ARG(r->signed_key_id), tg_key_code_words[code],
           row == TG_KEY_TRIES ? ", three times in a row: it rests for a minute" : "");
    tg_credential_map_ask(c->credentials, c->credential);
    tg_reply(r, TG_E_CREDENTIAL_REFUSED,
             tg_arena_printf(r->arena, "the gateway's credential was refused (%s: %s)",
                             c->credential_name.p, tg_key_code_words[code])
                 .p,
             tg_arena_printf(r->arena, "网关的凭据被拒绝 (%s: %s)", c->credential_name.p,
                             tg_key_code_words[code])
                 .p);
    return tg_credential_map_serial(c->credentials, c->credential) != s->serial
               ? TG_REFUSAL_RETRY
               : TG_REFUSAL_REPLACE;
}

static void look_at_clock(const struct tg_signing_conf *c, const struct tg_response *response)
{
    int64_t date;

    for (unsigned i = 0; i < response->nfields; i++)
        if (tg_str_ieq(response->fields[i].name, TG_STR("Date")) &&
            tg_clock_date_read(response->fields[i].value, &date))
            tg_credential_map_set_clock(c->credentials, date - tg_clock_wall_now() / 1000000);
}

static void on_response(struct tg_request *r, const struct tg_response *response, const void *conf,
                        void *state)
{
    const struct sign_state *s = state;

    (void)conf;
    if (s->serial == 0)
        return;
    look_at_clock(r->signing, response);
    if (response->status != 401)
        tg_key_use_passed(use_of(r->signing), s->serial);
}

/* --- requests of the gateway's own --- */

bool tg_sign_own(const struct tg_signing_conf *conf, struct tg_str project, struct tg_str target,
                 struct tg_str host, struct tg_buf *out)
{
    struct attempt a = {.nfields = 0};
    int64_t now = tg_clock_wall_now() / 1000000;
    unsigned char digest[TG_SHA256];
    char payload[TG_SHA256_HEX];
    struct tg_credential key;

    if (!tg_credential_map_read(conf->credentials, conf->credential, now, &key))
        return false;
    tg_sha256(TG_STR(""), digest);
    tg_hex(digest, TG_SHA256, payload);
    fill(&a, project, host, &key, now);
    sign_attempt(TG_STR("GET"), target, &a, &key, (struct tg_str){payload, TG_SHA256_HEX}, out);
    tg_wipe(&key, sizeof(key));
    return true;
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r, (void)conf;
    stop_waiting(state);
}

const struct tg_filter tg_filter_sign = {
    .abi = TG_FILTER_ABI,
    .name = "sign",
    .help = "Signs what is forwarded with the key of the directive `sign` (SDK-HMAC-SHA256).",
    .traits = TG_SIGNS | TG_NEEDS_BODY,
    .state_size = sizeof(struct sign_state),
    .on_request = on_request,
    .on_forward = on_forward,
    .on_unauthorized = on_unauthorized,
    .on_response = on_response,
    .on_done = on_done,
};
