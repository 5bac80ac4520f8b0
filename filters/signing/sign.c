/* `sign`: signs what is forwarded with the gateway's own key, anew for each attempt. */
#include "base/check.h"
#include "base/clock.h"
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

/* Says what is known of a key that cannot be used. */
static enum tg_verdict refuse_without_key(struct tg_request *r)
{
    const struct tg_signing_conf *s = r->signing;
    struct tg_credential_status status;
    const char *word;

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

    (void)conf;
    if (r->host == NULL || r->auth_kind == TG_AUTH_TOKEN)
        return TG_NEXT; /* nobody sent it, or it goes on under its own token */
    CHECK(r->signing != NULL && r->signing->credentials != NULL && r->auth_kind > TG_AUTH_NONE);
    key = key_state(r->signing);
    if (key == TG_CREDENTIAL_NONE && s->deadline == 0)
        return await_first_key(r, s);
    if (key == TG_CREDENTIAL_NONE || key == TG_CREDENTIAL_EXPIRED)
        return refuse_without_key(r);
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

static void fill(struct attempt *a, const struct tg_request *r, struct tg_str host,
                 const struct tg_credential *key, int64_t now)
{
    static const struct tg_str names[2][2] = {
        {TG_STR("host;x-sdk-date"), TG_STR("host;x-sdk-date;x-security-token")},
        {TG_STR("host;x-project-id;x-sdk-date"),
         TG_STR("host;x-project-id;x-sdk-date;x-security-token")}};
    struct tg_str project = r->project_id; /* `verify` has looked for one */

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

static void sign_attempt(struct tg_request *r, const struct attempt *a,
                         const struct tg_credential *key, struct tg_str payload, struct tg_buf *out)
{
    struct tg_signing_request wire = {r->method, r->target, a->field, a->nfields};
    char signature[TG_AUTHORIZATION_SIGNATURE];
    struct tg_buf canonical = {0};
    struct tg_str bad;

    /* on_request has counted the parameters, and the fields are there: it cannot fail */
    CHECK(tg_canonical_request(&wire, a->signed_fields, payload, 0, &canonical, &bad) ==
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

static bool on_forward(struct tg_request *r, struct tg_str host, struct tg_buf *out,
                       const void *conf, void *state)
{
    char payload[TG_SHA256_HEX];
    struct attempt a = {.nfields = 0};
    struct tg_credential key;
    int64_t now = tg_clock_wall_now() / 1000000;

    (void)conf, (void)state;
    if (!r->resigned)
        return true;
    if (!tg_credential_map_read(r->signing->credentials, r->signing->credential, now, &key)) {
        refuse_without_key(r);
        return false;
    }
    tg_hex(hash_forwarded(r), TG_SHA256, payload);
    fill(&a, r, host, &key, now);
    sign_attempt(r, &a, &key, (struct tg_str){payload, TG_SHA256_HEX}, out);
    r->signed_key_id = tg_arena_dup(r->arena, tg_str_of(key.access_key));
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
    .on_done = on_done,
};
