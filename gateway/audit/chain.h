/*
 * The hash chain of the audit log: how one line follows from the one before it in its stream.
 *
 *     chain = HMAC-SHA256(key, previous chain || text)        SHA-256(...) without a key
 *
 * `previous chain` is 64 hex digits, all zero before the first line of a stream; `text` is the line
 * without its last member, that is up to and without `,"chain":"..."}`. Writer and verifier share
 * this code.
 */
#ifndef TG_AUDIT_CHAIN_H
#define TG_AUDIT_CHAIN_H

#include "base/buf.h"
#include "base/crypto.h"

enum {
    TG_AUDIT_CHAIN_TAIL = sizeof(",\"chain\":\"") - 1 + TG_SHA256_HEX + sizeof("\"}") - 1,
    TG_KEY_ID_HEX = 16
};

struct tg_audit_chain {
    struct tg_hash *hash;       /* owned */
    bool keyed;                 /* HMAC instead of plain SHA-256 */
    char at[TG_SHA256_HEX];     /* hex of the newest line */
    char key_id[TG_KEY_ID_HEX]; /* tells which key, without telling the key; zeros without one */
};

/* Starts a chain at 64 zeros. `key` may be empty. End it with tg_audit_chain_end(). */
void tg_audit_chain_init(struct tg_audit_chain *c, struct tg_str key);
void tg_audit_chain_end(struct tg_audit_chain *c);

/* The hex digits of `text` following `previous` (64 hex digits); the chain does not move. */
void tg_audit_chain_follow(struct tg_audit_chain *c, const char *previous, struct tg_str text,
                           char out[TG_SHA256_HEX]);

/* Closes the line that begins at offset `start` of the buffer: adds the chain member, brace and
 * newline, and moves the chain on. */
void tg_audit_chain_seal(struct tg_audit_chain *c, struct tg_buf *b, size_t start);

/*
 * Splits a line (without its newline) into the text that is hashed and the 64 hex digits. Returns
 * false when it does not end as sealed lines do.
 */
bool tg_audit_chain_split(struct tg_str line, struct tg_str *text, struct tg_str *hex);

#endif
