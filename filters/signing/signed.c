/* Requests that are signed: only with a known key, and what was signed is what is judged. */
#include "base/clock.h"
#include "signing/signature.h"
#include "signing/verify.h"

enum { SHOWN = 2048 }; /* bytes of a canonical request that a refusal shows */

/* One check of a signature. */
struct check {
    struct tg_check *whole;
    struct tg_request *r;
    const struct tg_signing_conf *conf;
    struct tg_authorization authorization;
    struct tg_buf scratch;
};

/* --- refusals --- */

static enum tg_verdict refuse(const struct check *c, enum tg_error error, const char *detail)
{
    return tg_check_refuse(c->whole, error, detail);
}

static enum tg_verdict fail(const struct check *c, enum tg_error error, const char *detail)
{
    return tg_check_fail(c->whole, c->authorization.access_key, error, detail);
}

/* The values of a canonical query become "*": refusals stand where others read them, too. */
static void show_query(struct tg_buf *out, struct tg_str query)
{
    while (query.n > 0) {
        const char *end = memchr(query.p, '&', query.n);
        size_t n = end != NULL ? (size_t)(end - query.p) : query.n;
        const char *equals = memchr(query.p, '=', n);

        tg_buf_add(out, (struct tg_str){query.p, (size_t)(equals + 1 - query.p)});
        if (equals + 1 < query.p + n)
            tg_buf_putc(out, '*');
        if (end != NULL)
            tg_buf_putc(out, '&');
        query = tg_str_skip(query, end != NULL ? n + 1 : n);
    }
}

/* Of the values of signed fields only those that say nothing secret. */
static void show_field(struct tg_buf *out, struct tg_str line)
{
    static const struct tg_str harmless[] = {TG_STR("host:"), TG_STR("content-type:"),
                                             TG_STR("x-sdk-date:"), TG_STR("x-project-id:"),
                                             TG_STR("x-sdk-content-sha256:")};
    const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;

    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        if (tg_str_starts(line, harmless[i]))
            colon = NULL;
    tg_buf_add(out, colon == NULL ? line : (struct tg_str){line.p, (size_t)(colon + 1 - line.p)});
    if (colon != NULL)
        tg_buf_puts(out, "***");
}

/* What the client should have signed, on one line as the service shows it. */
static const char *show_canonical(const struct check *c)
{
    struct tg_str rest = tg_buf_str(&c->scratch);
    struct tg_buf shown = {0};
    const char *text;

    for (unsigned number = 1; rest.n > 0; number++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct tg_str line = {rest.p, end != NULL ? (size_t)(end - rest.p) : rest.n};

        if (number == 3)
            show_query(&shown, line);
        else
            show_field(&shown, line);
        if (end != NULL)
            tg_buf_putc(&shown, '|');
        rest = tg_str_skip(rest, end != NULL ? line.n + 1 : line.n);
    }
    text = tg_arena_printf(c->r->arena, "verify aksk signature fail, canonicalRequest:%.*s",
                           shown.n < SHOWN ? (int)shown.n : SHOWN, shown.p)
               .p;
    tg_buf_end(&shown);
    return text;
}

/* --- the check, cheapest refusal first --- */

/* A path that routing reads otherwise than the signature does is no path of a signed request. */
static const char *bad_target(struct tg_request *r)
{
    struct tg_buf sent = {0}, judged = {0};
    struct tg_str raw = r->raw_target;
    const char *mark = memchr(raw.p, '?', raw.n);
    size_t n = mark != NULL ? (size_t)(mark - raw.p) : raw.n;
    const char *why = NULL;

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
    c->r->auth_skew_s = now - when;
    if (now - when <= skew && when - now <= skew)
        return TG_NEXT;
    tg_signing_date_write(now, server);
    return fail(c, TG_E_AUTH_EXPIRED,
                tg_arena_printf(c->r->arena,
                                "signature expired, signature time:%.*s,server time:%.*s",
                                TG_STR_ARG(date), TG_SIGNING_DATE, server)
                    .p);
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
    return fail(c, TG_E_AUTH_MISMATCH, show_canonical(c));
}

/* The record of the request wants it again. */
static const unsigned char *keep_digest(struct tg_request *r, const unsigned char digest[TG_SHA256])
{
    const struct tg_str bytes = {(const char *)digest, TG_SHA256};

    return (const unsigned char *)tg_arena_dup(r->arena, bytes).p;
}

/* With a key that is not there the work is the same, so that time tells nothing. */
static enum tg_verdict check_signature(struct check *c)
{
    static const struct tg_str no_secret = TG_STR("no such key, no such secret");
    struct tg_signing_request request = {c->r->method, c->r->raw_target, c->r->fields,
                                         c->r->nfields};
    struct tg_signature_check got;
    bool holds = c->whole->key != NULL && c->whole->key->secret.n > 0 &&
                 tg_client_key_holds(c->whole->key, tg_clock_wall_now() / 1000000);

    tg_signature_verify(&request, &c->authorization, holds ? c->whole->key->secret : no_secret,
                        c->r->body, c->conf->all_forms, &c->scratch, &got);
    c->r->body_sha256 = keep_digest(c->r, got.body);
    if (!holds)
        return fail(c, TG_E_AUTH_UNKNOWN,
                    tg_arena_printf(c->r->arena, "ak %.*s not exist",
                                    TG_STR_ARG(c->authorization.access_key))
                        .p);
    c->r->auth_form = got.form;
    return judge(c, &got);
}

static enum tg_verdict judge_key(struct check *c)
{
    struct tg_check *whole = c->whole;
    struct tg_str access_key = c->authorization.access_key;
    enum tg_verdict verdict =
        tg_check_lock(whole, access_key, "AK access failed to reach the limit,forbidden");

    if (verdict == TG_NEXT)
        verdict = check_date(c, tg_request_field(c->r, TG_STR("X-Sdk-Date")));
    if (verdict != TG_NEXT)
        return verdict;
    whole->key = tg_client_keys_find(whole->keys, access_key);
    verdict = check_signature(c);
    if (verdict == TG_NEXT)
        tg_check_pass(whole);
    return verdict;
}

enum tg_verdict tg_check_signed(struct tg_check *whole)
{
    struct tg_request *r = whole->r;
    struct check c = {.whole = whole, .r = r, .conf = whole->conf};
    const char *why;

    whole->keys = whole->conf->keys;
    whole->locks = whole->conf->locks;
    r->auth_kind = TG_AUTH_AKSK;
    why = tg_authorization_parse(tg_request_field(r, TG_STR("Authorization")), &c.authorization);
    if (why != NULL)
        return refuse(&c, TG_E_AUTH_MALFORMED, why);
    r->auth_algorithm = tg_authorization_scheme_word(c.authorization.scheme).p;
    why = bad_target(r);
    if (why != NULL)
        return refuse(&c, TG_E_BAD_REQUEST, why);
    enum tg_verdict verdict = judge_key(&c);
    tg_buf_end(&c.scratch);
    return verdict;
}
