/* The keys a log may be chained by: none, and those of --key-file. */
#ifndef TG_CLI_AUDIT_KEYS_H
#define TG_CLI_AUDIT_KEYS_H

#include "audit/chain.h"
#include "cli/audit.h"

struct tg_audit_keys {
    struct tg_audit_chain plain;
    struct tg_audit_chain keyed[TG_AUDIT_MAX_KEYS];
    unsigned n; /* of keyed */
};

/* Reads the key files of the options. False after it printed why one cannot be read. End it in
 * either case. */
bool tg_audit_keys_read(struct tg_audit_keys *keys, const struct tg_audit_options *options);

/* Frees them. */
void tg_audit_keys_end(struct tg_audit_keys *keys);

/* The key that has this id (`chain_key_id`), or NULL. */
struct tg_audit_chain *tg_audit_keys_find(struct tg_audit_keys *keys, struct tg_str id);

/* True when the line follows from `previous` (64 hex digits) under a key, or without one. */
bool tg_audit_fits(struct tg_audit_chain *chain, const char *previous,
                   const struct tg_audit_line *line);

/* The key under which the line follows from `previous`, or NULL: without any key, the plain hash.
 */
struct tg_audit_chain *tg_audit_keys_fit(struct tg_audit_keys *keys, const char *previous,
                                         const struct tg_audit_line *line);

#endif
