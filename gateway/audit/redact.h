/*
 * What the audit log does not tell. Values of members (and of parameters) with a name that matches
 * a pattern of audit_redact become "hmac-sha256:" and 32 hex digits: equal values can be seen to be
 * equal, none can be recovered. The same holds for what the body level leaves out.
 *
 * In an object with a member label, key or name, that member's value is a name too: it decides
 * about the member `value` and is itself never hidden.
 */
#ifndef TG_AUDIT_REDACT_H
#define TG_AUDIT_REDACT_H

#include "audit/token_cache.h"
#include "chain/secret_names.h"
#include "json/document.h"

struct tg_redact {
    const struct tg_audit_conf *conf; /* borrowed */
    struct tg_hash *hash;             /* keyed by the salt; owned */
    struct tg_token_cache *callers;   /* tokens under that key; owned */
    struct tg_names names;            /* of members, as judged by the settings */
};

/* Makes the rules of checked settings ready. End it with tg_redact_end(). */
void tg_redact_init(struct tg_redact *r, const struct tg_audit_conf *conf);
void tg_redact_end(struct tg_redact *r);

/* True when a name matches a pattern. */
bool tg_redact_name(struct tg_redact *r, struct tg_str name);

/* True when a name matches a pattern that holds when audit_redact is not given. */
bool tg_redact_secret_name(struct tg_str name);

/* Appends "hmac-sha256:..." of `value`, without quotes. */
void tg_redact_digest(struct tg_redact *r, struct tg_buf *out, struct tg_str value);

/* The same for a client's token, which comes again and again. */
void tg_redact_token(struct tg_redact *r, struct tg_buf *out, struct tg_str token);

/* The same as tg_redact_digest(), as a JSON string. */
void tg_redact_value(struct tg_redact *r, struct tg_buf *out, struct tg_str value);

/* True when the value at an RFC 6901 pointer must not be told. `doc` may be NULL. */
bool tg_redact_pointer(struct tg_redact *r, const struct tg_doc *doc, struct tg_str pointer);

/* The containers around the change that was looked at last, from the outside in, and whether their
 * places are hidden. `n` is 0 at the start. */
struct tg_redact_path {
    struct {
        uint32_t node;
        bool hidden;
    } at[TG_JSON_MAX_DEPTH];
    unsigned n;
};

/* The same for the place of a change. One path for all changes of a document: what they have in
 * common is looked at once, so that a patch is linear in its own size. */
bool tg_redact_change(struct tg_redact *r, const struct tg_doc *doc, const struct tg_change *change,
                      struct tg_redact_path *path);

/*
 * Appends a message about the value at `pointer` as a JSON string. When that value must not be
 * told, what stands in quotes is replaced, and the whole message when it still has the value in it.
 */
void tg_redact_message(struct tg_redact *r, struct tg_buf *out, struct tg_str message,
                       const struct tg_doc *doc, struct tg_str pointer);

/* Appends valid JSON text without the white space between its tokens: always one line. */
void tg_redact_compact(struct tg_buf *out, struct tg_str json);

/* Appends the value `node` as the body level allows (not to be called with level none). */
void tg_redact_body(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                    uint32_t node);

#endif
