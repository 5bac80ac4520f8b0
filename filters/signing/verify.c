/* `verify`: only requests signed with a known key pass, and what was signed is what is judged. */
#include "base/check.h"
#include "base/clock.h"
#include "chain/filter.h"
#include "signing/signature.h"
#include "signing/signing.h"

enum { SHOWN = 2048 }; /* bytes of a canonical request that a refusal shows */

/* One check. */
struct check {
    struct tg_request *r;
    const struct tg_signing_conf *conf;
    struct tg_authorization authorization;
    const struct tg_client_key *key;
    struct tg_buf scratch;
};

/* --- refusals --- */

static enum tg_verdict refuse(struct tg_request *r, enum tg_error error, const char *detail)
{
    return tg_reply(r, error, detail, detail);
}

/* A failure counts against the key it names, whether there is such a key or not. */
static enum tg_verdict fail(struct check *c, enum tg_error error, const char *detail)
{
    tg_signing_failed(c->conf->locks, c->authorization.access_key, c->r->client_address,
                      tg_clock_mono_now());
    return refuse(c->r, error, detail);
}

/* What the client should have signed, on one line as the service shows it; of the fields' values
 * only those that say nothing secret. */
static const char *show_canonical(struct check *c)
{
    struct tg_buf *b = &c->scratch;

    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == '\n')
            b->p[i] = '|';
    return tg_arena_printf(c->r->arena, "verify aksk signature fail, canonicalRequest:%.*s",
                           b->n < SHOWN ? (int)b->n : SHOWN, b->p)
        .p;
}

/* Only harmless values are shown: a signature over other fields is described by their names. */
static bool may_show(struct tg_str signed_fields)
{
    static const struct tg_str harmless[] = {TG_STR("host"), TG_STR("content-type"),
                                             TG_STR("x-sdk-date"), TG_STR("x-project-id"),
                                             TG_STR("x-sdk-content-sha256")};
    struct tg_str name;

    while (tg_authorization_next(&signed_fields, &name)) {
        size_t i = 0;
        while (i < sizeof(harmless) / sizeof(*harmless) && !tg_str_eq(name, harmless[i]))
            i++;
        if (i == sizeof(harmless) / sizeof(*harmless))
            return false;
    }
    return true;
}

/* --- the check, cheapest refusal first --- */

/* A path that routing reads otherwise than the signature does is no path of a signed request, and
 * "%25" would let one signature fit two paths. */
static const char *bad_target(struct tg_request *r)
{
    struct tg_buf sent = {0}, judged = {0};
    struct tg_str raw = r->raw_target;
    const char *mark = memchr(raw.p, '?', raw.n);
    size_t n = mark != NULL ? (size_t)(mark - raw.p) : raw.n;
    const char *why = NULL;

    if (memmem(raw.p, n, "%25", 3) != NULL)
        return "the path of a signed request must not have \"%25\"";
    if (mark != NULL && memchr(mark, '+', raw.n - n) != NULL)
        return "write %20 or %2B for \"+\" in the query of a signed request";
    while (n > 1 && raw.p[n - 1] == '/')
        n--;
    if (!tg_canonical_target((struct tg_str){raw.p, n}, &sent) ||
        !tg_canonical_target(r->path, &judged) ||
        !tg_str_eq(tg_buf_str(&sent), tg_buf_str(&judged)))
        why = "the path of a signed request must have no \"//\", \".\" or \"..\"";
    tg_buf_end(&sent);
    tg_buf_end(&judged);
    return why;
}

static enum tg_verdict check_date(struct check *c, struct tg_str date)
{
    int64_t now = tg_clock_wall_now() / 1000000, skew = c->conf->clock_skew / 1000000, when;
    char server[TG_SIGNING_DATE];

    if (!tg_signing_date_parse(date, &when))
        return fail(c, TG_E_AUTH_MALFORMED, "X-Sdk-Date must be YYYYMMDDTHHMMSSZ");
    if (c->authorization.scheme == TG_AUTHORIZATION_V11 &&
        !tg_str_starts(date, c->authorization.day))
        return fail(c, TG_E_AUTH_MALFORMED, "the day of Credential is not that of X-Sdk-Date");
    if (now - when <= skew && when - now <= skew)
        return TG_NEXT;
    tg_signing_date_write(now, server);
    return fail(c, TG_E_AUTH_EXPIRED,
                tg_arena_printf(c->r->arena,
                                "signature expired, signature time:%.*s,server time:%.*s",
                                TG_STR_ARG(date), TG_SIGNING_DATE, server)
                    .p);
}

static bool key_holds(const struct tg_client_key *key)
{
    return key != NULL && !key->disabled &&
           (key->not_after == 0 || tg_clock_wall_now() / 1000000 < key->not_after);
}

static enum tg_verdict judge(struct check *c, const struct tg_signature_check *got)
{
    switch (got->verdict) {
    case TG_SIGNATURE_OK:
        return TG_NEXT;
    case TG_SIGNATURE_UNSIGNED:
        return c->conf->unsigned_payload
                   ? TG_NEXT
                   : fail(c, TG_E_AUTH_PAYLOAD, "UNSIGNED-PAYLOAD is not accepted here");
    case TG_SIGNATURE_PAYLOAD:
        return fail(c, TG_E_AUTH_PAYLOAD, "X-Sdk-Content-Sha256 is not the hash of the body");
    case TG_SIGNATURE_PARAMETERS:
        return fail(c, TG_E_AUTH_MALFORMED, "the query has more than 256 parameters");
    case TG_SIGNATURE_FIELD:
        return fail(c, TG_E_AUTH_MISMATCH,
                    tg_arena_printf(c->r->arena, "the signed field %.*s is not there exactly once",
                                    TG_STR_ARG(got->field))
                        .p);
    case TG_SIGNATURE_MISMATCH:
        break;
    }
    return fail(c, TG_E_AUTH_MISMATCH,
                may_show(c->authorization.signed_fields) ? show_canonical(c)
                                                         : "verify aksk signature fail");
}

/* With a key that is not there the work is the same, so that time tells nothing. */
static enum tg_verdict check_signature(struct check *c)
{
    static const struct tg_str no_secret = TG_STR("no such key, no such secret");
    struct tg_signing_request wire = {c->r->method, c->r->raw_target, c->r->fields, c->r->nfields};
    struct tg_signature_check got;
    bool holds = key_holds(c->key);

    tg_signature_verify(&wire, &c->authorization, holds ? c->key->secret : no_secret, c->r->body,
                        c->conf->all_forms, &c->scratch, &got);
    if (!holds)
        return fail(c, TG_E_AUTH_UNKNOWN,
                    tg_arena_printf(c->r->arena, "ak %.*s not exist",
                                    TG_STR_ARG(c->authorization.access_key))
                        .p);
    c->r->auth_form = tg_signing_form_text(got.form);
    return judge(c, &got);
}

/* The project a path of the API is about, "/v1/{project_id}/...", also where the location's pattern
 * does not name it; else empty. */
static struct tg_str path_project(const struct tg_request *r)
{
    struct tg_str rest = r->path;

    if (r->project_id.n > 0)
        return r->project_id;
    if (rest.n < 4 || rest.p[0] != '/' || (rest.p[1] != 'v' && rest.p[1] != 'V') ||
        rest.p[2] < '0' || rest.p[2] > '9')
        return TG_STR("");
    const char *from = memchr(rest.p + 1, '/', rest.n - 1);
    if (from == NULL)
        return TG_STR("");
    rest = tg_str_skip(rest, (size_t)(from + 1 - rest.p));
    const char *end = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
    return (struct tg_str){rest.p, end != NULL ? (size_t)(end - rest.p) : rest.n};
}

static enum tg_verdict check_project(struct check *c)
{
    struct tg_signing_request wire = {c->r->method, c->r->raw_target, c->r->fields, c->r->nfields};
    struct tg_str named = tg_signing_field(&wire, TG_STR("x-project-id"));
    struct tg_str project = path_project(c->r);

    if (project.n == 0)
        project = named;
    if (named.n > 0 && !tg_str_eq(named, project))
        return refuse(c->r, TG_E_AUTH_PROJECT, "X-Project-Id is not the project of the path");
    if (project.n == 0)
        return refuse(c->r, TG_E_AUTH_PROJECT, "the request names no project");
    if (!tg_client_key_allows(c->key, project))
        return refuse(
            c->r, TG_E_AUTH_PROJECT,
            tg_arena_printf(c->r->arena, "project %.*s is not of this key", TG_STR_ARG(project)).p);
    return TG_NEXT;
}

static enum tg_verdict run(struct check *c)
{
    struct tg_str access_key = c->authorization.access_key;
    unsigned locked =
        tg_signing_locked(c->conf->locks, access_key, c->r->client_address, tg_clock_mono_now());
    enum tg_verdict verdict;

    if (locked > 0) {
        c->r->retry_after = locked;
        return refuse(c->r, TG_E_AUTH_LOCKED, "AK access failed to reach the limit,forbidden");
    }
    verdict = check_date(c, tg_request_field(c->r, TG_STR("X-Sdk-Date")));
    if (verdict != TG_NEXT)
        return verdict;
    c->key = tg_client_keys_find(c->conf->keys, access_key);
    verdict = check_signature(c);
    if (verdict != TG_NEXT)
        return verdict;
    tg_signing_passed(c->conf->locks, access_key, c->r->client_address);
    return check_project(c);
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    struct check c = {.r = r, .conf = r->signing};
    const char *why;

    (void)conf;
    (void)state;
    if (r->host == NULL)
        return TG_NEXT; /* the command line judges bodies; nobody sent them */
    CHECK(r->signing != NULL && r->signing->keys != NULL);
    if (r->credentials != TG_CRED_SIGNED)
        return tg_reply(r, TG_E_AUTH_MISSING, NULL, NULL);
    why = tg_authorization_parse(tg_request_field(r, TG_STR("Authorization")), &c.authorization);
    if (why != NULL)
        return refuse(r, TG_E_AUTH_MALFORMED, why);
    why = bad_target(r);
    if (why != NULL)
        return refuse(r, TG_E_BAD_REQUEST, why);
    enum tg_verdict verdict = run(&c);
    tg_buf_end(&c.scratch);
    if (verdict == TG_NEXT) {
        r->principal = c.key->principal;
        r->auth_verified = true;
    }
    return verdict;
}

const struct tg_filter tg_filter_verify = {
    .abi = TG_FILTER_ABI,
    .name = "verify",
    .help = "Lets requests pass that are signed with a key of `aksk resign` (SDK-HMAC-SHA256, "
            "V11-HMAC-SHA256); the caller is then the key's principal.",
    .traits = TG_NEEDS_BODY | TG_IDENTIFIES,
    .on_request = on_request,
};
