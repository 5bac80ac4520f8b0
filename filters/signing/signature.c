/* Signatures of requests. */
#include "signing/signature.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/* --- dates --- */

bool tg_signing_date_parse(struct tg_str text, int64_t *seconds)
{
    struct tg_clock_parts t = {.year = 0};

    return text.n == TG_SIGNING_DATE && text.p[8] == 'T' && text.p[15] == 'Z' &&
           tg_clock_digits(text, 0, 4, &t.year) && tg_clock_digits(text, 4, 2, &t.month) &&
           tg_clock_digits(text, 6, 2, &t.day) && tg_clock_digits(text, 9, 2, &t.hour) &&
           tg_clock_digits(text, 11, 2, &t.minute) && tg_clock_digits(text, 13, 2, &t.second) &&
           tg_clock_seconds(&t, seconds);
}

void tg_signing_date_write(int64_t seconds, char out[TG_SIGNING_DATE])
{
    time_t when = seconds;
    char text[32];
    struct tm t;

    CHECK(gmtime_r(&when, &t) != NULL &&
          strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &t) == TG_SIGNING_DATE);
    memcpy(out, text, TG_SIGNING_DATE);
}

/* --- making --- */

/* V11 signs with the hex text of HKDF-SHA256 (RFC 5869): salt AK, input SK, info the scope; one
 * block is all of it. */
static void derive(struct tg_str access_key, struct tg_str secret, struct tg_str scope,
                   char out[TG_SHA256_HEX])
{
    static const struct tg_str first_block = {"\x01", 1};
    struct tg_str parts[] = {scope, first_block};
    unsigned char extracted[TG_SHA256], expanded[TG_SHA256];

    tg_hmac_sha256(access_key, secret, extracted);
    struct tg_hash *h = tg_hash_new((struct tg_str){(const char *)extracted, TG_SHA256});
    tg_hash_hmac(h, parts, 2, expanded);
    tg_hash_end(h);
    tg_hex(expanded, TG_SHA256, out);
    tg_wipe(extracted, sizeof(extracted));
    tg_wipe(expanded, sizeof(expanded));
}

static void hex_of(struct tg_str text, char out[TG_SHA256_HEX])
{
    unsigned char digest[TG_SHA256];

    tg_sha256(text, digest);
    tg_hex(digest, TG_SHA256, out);
}

void tg_signature_make(enum tg_authorization_scheme scheme, struct tg_str access_key,
                       struct tg_str secret, struct tg_str date, struct tg_str scope,
                       struct tg_str canonical, char out[TG_AUTHORIZATION_SIGNATURE])
{
    char derived[TG_SHA256_HEX], digest[TG_SHA256_HEX];
    unsigned char code[TG_SHA256];
    bool v11 = scheme == TG_AUTHORIZATION_V11;

    hex_of(canonical, digest);
    if (v11) {
        derive(access_key, secret, scope, derived);
        secret = (struct tg_str){derived, sizeof(derived)};
    }
    struct tg_hash *h = tg_hash_new(secret);
    struct tg_str line = TG_STR("\n");
    struct tg_str parts[] = {tg_authorization_scheme_word(scheme),
                             line,
                             date,
                             line,
                             v11 ? scope : (struct tg_str){NULL, 0},
                             v11 ? line : (struct tg_str){NULL, 0},
                             {digest, sizeof(digest)}};
    tg_hash_hmac(h, parts, sizeof(parts) / sizeof(*parts), code);
    tg_hash_end(h);
    tg_hex(code, TG_SHA256, out);
    tg_wipe(derived, sizeof(derived));
}

/* --- checking --- */

/* The forms that could differ from the documented one for this request. */
static bool is_worth(unsigned form, const struct tg_signing_request *r, struct tg_str claimed,
                     struct tg_str body)
{
    if ((form & TG_FORM_DOUBLE_PATH) != 0 && memchr(r->target.p, '%', r->target.n) == NULL)
        return false;
    if ((form & TG_FORM_VALUE_ORDER) != 0 && memchr(r->target.p, '&', r->target.n) == NULL)
        return false;
    return (form & TG_FORM_EMPTY_HASH) == 0 || (claimed.p != NULL && body.n == 0);
}

static enum tg_signature_verdict try_form(const struct tg_signing_request *r,
                                          const struct tg_authorization *a, struct tg_str secret,
                                          struct tg_str payload, unsigned form,
                                          struct tg_buf *scratch, struct tg_str *bad)
{
    char wanted[TG_AUTHORIZATION_SIGNATURE];

    scratch->n = 0;
    switch (tg_canonical_request(r, a->signed_fields, payload, form, scratch, bad)) {
    case TG_CANONICAL_FIELD:
        return TG_SIGNATURE_FIELD;
    case TG_CANONICAL_PARAMETERS:
        return TG_SIGNATURE_PARAMETERS;
    case TG_CANONICAL_OK:
        break;
    }
    tg_signature_make(a->scheme, a->access_key, secret, tg_signing_field(r, TG_STR("x-sdk-date")),
                      a->scope, tg_buf_str(scratch), wanted);
    return tg_equal_secret((struct tg_str){wanted, sizeof(wanted)}, a->signature)
               ? TG_SIGNATURE_OK
               : TG_SIGNATURE_MISMATCH;
}

/* A signature holds; does the hash it covers belong to the body? */
static enum tg_signature_verdict judge_payload(struct tg_str claimed, struct tg_str actual)
{
    if (claimed.p == NULL || tg_str_eq(claimed, actual))
        return TG_SIGNATURE_OK;
    return tg_str_eq(claimed, TG_STR(TG_SIGNING_UNSIGNED)) ? TG_SIGNATURE_UNSIGNED
                                                           : TG_SIGNATURE_PAYLOAD;
}

void tg_signature_verify(const struct tg_signing_request *r, const struct tg_authorization *a,
                         struct tg_str secret, struct tg_str body, bool all_forms,
                         struct tg_buf *scratch, struct tg_signature_check *out)
{
    struct tg_str claimed = tg_signing_field(r, TG_STR(TG_SIGNING_HASH_FIELD));
    char hash[TG_SHA256_HEX];
    struct tg_str actual = {hash, sizeof(hash)};

    *out = (struct tg_signature_check){.verdict = TG_SIGNATURE_MISMATCH};
    tg_sha256(body, out->body);
    tg_hex(out->body, TG_SHA256, hash);
    for (unsigned form = 0; form < (all_forms ? TG_FORM_COUNT : 1); form++) {
        bool by_hash = claimed.p == NULL || (form & TG_FORM_EMPTY_HASH) != 0;
        if (!is_worth(form, r, claimed, body))
            continue;
        out->verdict =
            try_form(r, a, secret, by_hash ? actual : claimed, form, scratch, &out->field);
        out->form = form;
        if (out->verdict == TG_SIGNATURE_OK)
            out->verdict = by_hash ? TG_SIGNATURE_OK : judge_payload(claimed, actual);
        if (out->verdict != TG_SIGNATURE_MISMATCH)
            return;
    }
    scratch->n = 0;
    tg_canonical_request(r, a->signed_fields, claimed.p == NULL ? actual : claimed, 0, scratch,
                         &out->field);
    out->form = 0;
}

const char *tg_signing_form_text(unsigned form)
{
    static const char *const texts[TG_FORM_COUNT] = {
        "",
        "path=double",
        "values=order",
        "path=double,values=order",
        "empty=hash",
        "path=double,empty=hash",
        "values=order,empty=hash",
        "path=double,values=order,empty=hash",
    };

    CHECK(form < TG_FORM_COUNT);
    return texts[form];
}
