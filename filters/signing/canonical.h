/*
 * The canonical request that SDK-HMAC-SHA256 and V11-HMAC-SHA256 signatures cover: method, path,
 * query, signed fields, payload hash, each on lines of its own. The SDKs differ in three details;
 * each is a bit of the form.
 */
#ifndef TG_SIGNING_CANONICAL_H
#define TG_SIGNING_CANONICAL_H

#include "base/buf.h"
#include "http/fields.h"

/* A request as it is on the wire. Slices are the caller's. */
struct tg_signing_request {
    struct tg_str method;
    struct tg_str target; /* path and query, as sent */
    const struct tg_field *fields;
    unsigned nfields;
};

/* How a signer departs from the documented form; or-ed. */
enum tg_signing_form {
    TG_FORM_DOUBLE_PATH = 1, /* the path's own escapes are escaped again (Node, Java) */
    TG_FORM_VALUE_ORDER = 2, /* values of one parameter stay in their order (Java) */
    TG_FORM_EMPTY_HASH = 4,  /* an empty body counts as such, whatever was claimed (Python) */
    TG_FORM_COUNT = 8,
};

enum { TG_SIGNING_MAX_PARAMETERS = 256 };

enum tg_canonical_result {
    TG_CANONICAL_OK = 1,
    TG_CANONICAL_FIELD,      /* a signed field is missing or there more than once */
    TG_CANONICAL_PARAMETERS, /* more than TG_SIGNING_MAX_PARAMETERS in the query */
};

/* The value of the only field of that name (any case), without blanks around it; p == NULL when
 * there is none, or more than one. */
struct tg_str tg_signing_field(const struct tg_signing_request *r, struct tg_str name);

/*
 * Appends the canonical request. `signed_fields` is a list as tg_authorization has it, `payload`
 * the last line (the hex hash of the body, or the text that was claimed), `form` or-ed bits of enum
 * tg_signing_form. On TG_CANONICAL_FIELD *bad is the name.
 */
enum tg_canonical_result tg_canonical_request(const struct tg_signing_request *r,
                                              struct tg_str signed_fields, struct tg_str payload,
                                              unsigned form, struct tg_buf *out,
                                              struct tg_str *bad);

/* Appends path and query of a target in their canonical spelling, the path without the closing
 * slash that only the canonical request has: a server that decodes the result reads what `target`
 * says. False for more than TG_SIGNING_MAX_PARAMETERS parameters. */
bool tg_canonical_target(struct tg_str target, struct tg_buf *out);

#endif
