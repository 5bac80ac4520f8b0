/* Makes and checks signatures of requests: SDK-HMAC-SHA256 and V11-HMAC-SHA256. */
#ifndef TG_SIGNING_SIGNATURE_H
#define TG_SIGNING_SIGNATURE_H

#include "base/crypto.h"
#include "http/authorization.h"
#include "signing/canonical.h"

enum { TG_SIGNING_DATE = 16 }; /* bytes of "20261201T081530Z" */

/* The field a client names its body's hash in, and the text for "none". */
#define TG_SIGNING_HASH_FIELD "x-sdk-content-sha256"
#define TG_SIGNING_UNSIGNED   "UNSIGNED-PAYLOAD"

/* Reads YYYYMMDDTHHMMSSZ as seconds since 1970 UTC. False, and *seconds left alone, for anything
 * else, also for days and hours there are not. */
bool tg_signing_date_parse(struct tg_str text, int64_t *seconds);

/* Writes a time (seconds since 1970 UTC, years 1970 to 9999) in that form, without NUL. */
void tg_signing_date_write(int64_t seconds, char out[TG_SIGNING_DATE]);

/*
 * Puts the signature of a canonical request into `out`: lower-case hex. `secret` is the SK of
 * `access_key`, `date` the value of X-Sdk-Date; `scope` matters to V11 alone. Keys in between are
 * wiped.
 */
void tg_signature_make(enum tg_authorization_scheme scheme, struct tg_str access_key,
                       struct tg_str secret, struct tg_str date, struct tg_str scope,
                       struct tg_str canonical, char out[TG_AUTHORIZATION_SIGNATURE]);

enum tg_signature_verdict {
    TG_SIGNATURE_OK = 1,
    TG_SIGNATURE_UNSIGNED,   /* it holds, and covers no body: UNSIGNED-PAYLOAD */
    TG_SIGNATURE_PAYLOAD,    /* it holds, and the claimed hash is not the body's */
    TG_SIGNATURE_MISMATCH,   /* `scratch` has the documented form of what should be signed */
    TG_SIGNATURE_FIELD,      /* a signed field is missing or there twice */
    TG_SIGNATURE_PARAMETERS, /* too many parameters */
};

struct tg_signature_check {
    enum tg_signature_verdict verdict;
    unsigned char body[TG_SHA256]; /* the hash of the body */
    unsigned form;                 /* the one that held, bits of enum tg_signing_form */
    struct tg_str field;           /* TG_SIGNATURE_FIELD: its name */
};

/*
 * Checks a signature against the request as it came and its whole `body`. With `all_forms` the
 * documented form is tried first, then those of the SDKs; else it alone. Compares in constant time.
 * `scratch` is emptied and used.
 */
void tg_signature_verify(const struct tg_signing_request *r, const struct tg_authorization *a,
                         struct tg_str secret, struct tg_str body, bool all_forms,
                         struct tg_buf *scratch, struct tg_signature_check *out);

/* What a form is called in records: "", "path=double", "values=order,empty=hash". Static. */
const char *tg_signing_form_text(unsigned form);

#endif
