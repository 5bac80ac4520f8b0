/*
 * What the audit log does not tell. Whether a value is told is decided by its place in the body,
 * before anything is written: `audit_body metadata` tells the values of those members that the
 * contract says are harmless, where the contract has them, and no others; `full` tells all of them;
 * `none` none. At every level the value of a member (or parameter) with a name that matches a
 * pattern of audit_redact is not told. What is not told becomes "hmac-sha256:" and 32 hex digits:
 * equal values can be seen to be equal, none can be recovered.
 *
 * In an object with a member label, key or name beside `value`, that member's value is a name too:
 * it decides about the member `value` and no pattern hides it.
 */
#ifndef TG_AUDIT_REDACT_H
#define TG_AUDIT_REDACT_H

#include "audit/names.h"
#include "audit/token_cache.h"
#include "chain/request.h"
#include "contract/contract.h"

struct tg_redact {
    const struct tg_audit_conf *conf;     /* borrowed */
    struct tg_hash *hash;                 /* keyed by the salt; owned */
    struct tg_token_cache *tokens;        /* tokens under that key; owned */
    size_t most;                          /* bytes of a buffer behind which no body is told */
    struct tg_names names;                /* of members, as judged by the settings */
    uint8_t config_facts[TG_CONFIG_ROWS]; /* of the config's members, by their numbers, */
    uint8_t config_ways[TG_CONFIG_ROWS];  /* and how each is told (redact.c) */
};

/* Makes the rules of checked settings ready. End it with tg_redact_end(). */
void tg_redact_init(struct tg_redact *r, const struct tg_audit_conf *conf);
void tg_redact_end(struct tg_redact *r);

/* Appends "hmac-sha256:..." of `value`, without quotes. */
void tg_redact_digest(struct tg_redact *r, struct tg_buf *out, struct tg_str value);

/* The same for a client's token, which comes again and again. */
void tg_redact_token(struct tg_redact *r, struct tg_buf *out, struct tg_str token);

/* What is known of a place in a body. */
struct tg_redact_place {
    const struct tg_contract_member *members; /* of an object here; NULL: none that is known */
    bool hidden;                              /* by a name, or by the level */
    bool harmless;                            /* level metadata tells a scalar here */
    bool around;                              /* the config stands somewhere below */
};

/*
 * The way to the place that was looked at last: its containers from the outside in. What places
 * have in common is looked at once, so that a patch is linear in its own size. One for all places
 * of a request; `n` is 0 at the start.
 */
struct tg_redact_path {
    struct {
        uint32_t node;
        struct tg_redact_place place;
    } at[TG_JSON_MAX_DEPTH];
    unsigned n;
};

/* True when the value of a node of the request's document (a value, or the value of a name) is
 * told. A node that was removed still has its place. */
bool tg_redact_tells(struct tg_redact *r, const struct tg_request *request, uint32_t node,
                     struct tg_redact_path *path);

/* Appends a message as a JSON string, with its value where that is told. */
void tg_redact_message(struct tg_redact *r, struct tg_buf *out, const struct tg_request *request,
                       const struct tg_message *message, const struct tg_message_value *value,
                       struct tg_redact_path *path);

/* Appends a value of the request's document, what is not told in it redacted. */
void tg_redact_node(struct tg_redact *r, struct tg_buf *out, const struct tg_request *request,
                    uint32_t node, struct tg_redact_path *path);

/* Appends the request's document as the body level allows (not to be called with level none). */
void tg_redact_body(struct tg_redact *r, struct tg_buf *out, const struct tg_request *request);

#endif
