/*
 * The Authorization field of a signed request (contract section 6): scheme, access key, scope, the
 * list of signed fields, signature. Pure; what the signature covers is judged elsewhere.
 */
#ifndef TG_HTTP_AUTHORIZATION_H
#define TG_HTTP_AUTHORIZATION_H

#include "base/str.h"

enum {
    TG_AUTHORIZATION_MAX_FIELDS = 64, /* signed fields */
    TG_AUTHORIZATION_SIGNATURE = 64,  /* lower-case hex digits of a signature */
};

enum tg_authorization_scheme {
    TG_AUTHORIZATION_SDK = 1, /* SDK-HMAC-SHA256 */
    TG_AUTHORIZATION_V11,     /* V11-HMAC-SHA256: the key depends on day, region and service */
};

/* Slices of the field's value. */
struct tg_authorization {
    enum tg_authorization_scheme scheme;
    struct tg_str access_key;    /* [A-Za-z0-9]+ */
    struct tg_str scope;         /* V11: "DAY/REGION/SERVICE"; else empty */
    struct tg_str day;           /* V11: eight digits; else empty */
    struct tg_str signed_fields; /* "host;x-sdk-date": lower-case names, none twice */
    struct tg_str signature;     /* TG_AUTHORIZATION_SIGNATURE digits */
};

/* The word of a scheme as it stands in the field. */
struct tg_str tg_authorization_scheme_word(enum tg_authorization_scheme scheme);

/*
 * Reads the value of an Authorization field. Members come in any order, separated by commas, blanks
 * around them are optional. Returns NULL, or a static text that says what is wrong: another scheme,
 * a member that is missing, unknown or there twice, a form that is not allowed, x-sdk-date not
 * among the signed fields.
 */
const char *tg_authorization_parse(struct tg_str value, struct tg_authorization *out);

/* Takes the next name off a list of signed fields. Returns false when there is none left. */
bool tg_authorization_next(struct tg_str *list, struct tg_str *name);

#endif
