/*
 * The keys clients sign with: a file of `key` blocks. A set is loaded whole or not at all and never
 * changes. Secrets lie in locked memory that no core file holds, and are wiped with the set.
 */
#ifndef TG_SIGNING_CLIENT_KEYS_H
#define TG_SIGNING_CLIENT_KEYS_H

#include "config/conf.h"

enum {
    TG_CLIENT_KEYS_MOST = 10000,
    TG_CLIENT_SECRET_LEAST = 16,  /* bytes */
    TG_CLIENT_SECRET_MOST = 128,  /* bytes */
    TG_CLIENT_KEY_PROJECTS = 256, /* of one key */
};

struct tg_client_key {
    struct tg_str access_key;      /* [A-Za-z0-9]+, at most 128 bytes */
    struct tg_str secret;          /* in the set's locked memory */
    struct tg_str principal;       /* the name the log and policies know the caller by */
    const struct tg_str *projects; /* none: no project is allowed */
    unsigned nprojects;
    int64_t not_after; /* the first second, since 1970 UTC, the key is refused; 0: none */
    bool disabled;
};

struct tg_client_keys;

/*
 * Loads a file of
 *     key AK { secret SK; principal NAME; projects ID...; not_after YYYY-MM-DD; disabled; }
 * Its directives' problems are recorded in `c` with their lines, those with the file itself at
 * `item`: it must be a regular file of root's or the process's user, not writable by group or
 * others, not readable by others, and readable by a group only if that is one of the process's own.
 * Returns the set, to be ended with tg_client_keys_end(), or NULL.
 */
struct tg_client_keys *tg_client_keys_load(struct tg_conf *c, const struct tg_conf_item *item,
                                           const char *path);

/* Wipes and frees a set. NULL is fine. */
void tg_client_keys_end(struct tg_client_keys *k);

/* The tables of the file's grammar, 0 the file itself, 1 a key's block, for the reference. */
const struct tg_directive *tg_client_key_directives(unsigned i);

/* The key of that name, or NULL. Time does not depend on which keys there are. */
const struct tg_client_key *tg_client_keys_find(const struct tg_client_keys *k,
                                                struct tg_str access_key);

/* How many keys there are, and the i-th. */
unsigned tg_client_keys_count(const struct tg_client_keys *k);
const struct tg_client_key *tg_client_keys_at(const struct tg_client_keys *k, unsigned i);

/* True when requests for a project may be signed with a key. */
bool tg_client_key_allows(const struct tg_client_key *key, struct tg_str project_id);

#endif
