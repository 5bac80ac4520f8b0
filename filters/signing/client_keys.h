/*
 * The keys clients sign with: a file of `key` blocks. A set is loaded whole or not at all and never
 * changes. Secrets lie in locked memory that no core file holds, and are wiped with the set.
 */
#ifndef TG_SIGNING_CLIENT_KEYS_H
#define TG_SIGNING_CLIENT_KEYS_H

#include "base/crypto.h"
#include "config/conf.h"

enum {
    TG_CLIENT_KEYS_MOST = 10000,
    TG_CLIENT_SECRET_LEAST = 16,  /* bytes */
    TG_CLIENT_SECRET_MOST = 128,  /* bytes */
    TG_CLIENT_KEY_PROJECTS = 256, /* of one key */
};

/* What a local key begins with; behind it its id, "_" and its secret. Scanners for secrets know it.
 */
#define TG_LOCAL_KEY "tglk_"

/* A key clients sign with, or a local key, which they send as it is and whose secret is not here.
 */
struct tg_client_key {
    struct tg_str access_key;        /* or a local key's id: [A-Za-z0-9]+, at most 128 bytes */
    struct tg_str secret;            /* in the set's locked memory; empty: a local key */
    unsigned char digest[TG_SHA256]; /* of a local key as it is sent */
    struct tg_str principal;         /* the name the log and policies know the caller by */
    const struct tg_str *projects;   /* none: no project is allowed */
    unsigned nprojects;
    int64_t not_after; /* the first second, since 1970 UTC, the key is refused; 0: none */
    bool disabled;
};

struct tg_client_keys;

/* What has become of the requests that named a key, in all workers of a configuration. */
struct tg_client_key_use {
    int64_t last; /* when one passed last, seconds since 1970 UTC; 0: never */
    uint64_t passed;
    uint64_t failed;
    int64_t locked_until; /* for the address that was locked last, the same; 0: none ever was */
};

/*
 * Loads a file of
 *     key AK { secret SK; principal NAME; projects ID...; not_after YYYY-MM-DD; disabled; }
 *     local_key ID { sha256 HEX; principal NAME; ... }
 * Its directives' problems are recorded in `c` with their lines, those with the file itself at
 * `item`: it must be a regular file of root's or the process's user, not writable by group or
 * others, not readable by others, and readable by a group only if that is one of the process's own.
 * Returns the set, to be ended with tg_client_keys_end(), or NULL.
 */
struct tg_client_keys *tg_client_keys_load(struct tg_conf *c, const struct tg_conf_item *item,
                                           const char *path);

/* The same for the text of such a file, called `name` in messages; nothing is asked about the file.
 */
struct tg_client_keys *tg_client_keys_read(struct tg_conf *c, const char *name, struct tg_str text);

/* Whether processes that are made of this one get the set's secrets with its memory; at first they
 * do. One that does not must not touch the set. */
void tg_client_keys_inherit(struct tg_client_keys *k, bool on);

/* Wipes and frees a set. NULL is fine. */
void tg_client_keys_end(struct tg_client_keys *k);

/* The tables of the file's grammar: the file itself, and the blocks in it. */
extern const struct tg_directive tg_key_file_directives[];
extern const struct tg_directive tg_key_directives[];

/* The key of that name, or NULL. Time does not depend on which keys there are. */
const struct tg_client_key *tg_client_keys_find(const struct tg_client_keys *k,
                                                struct tg_str access_key);

/* True for a key that was found and holds at `now` (seconds since 1970 UTC): neither disabled nor
 * past its last day. */
bool tg_client_key_holds(const struct tg_client_key *key, int64_t now);

/* The id in a local key as a client sends it; empty when it has not that form. */
struct tg_str tg_local_key_id(struct tg_str text);

/* The local key a client sent, when it is known and holds at `now`; else NULL. The secret is
 * compared in constant time, also with that of a key there is not. */
const struct tg_client_key *tg_local_key_find(const struct tg_client_keys *k, struct tg_str text,
                                              int64_t now);

/* Counts a request that named `key` (NULL: nothing is counted) and passed at `now`, or failed,
 * which locked the key for an address until `locked_until` (0: it did not); seconds since 1970 UTC.
 */
void tg_client_key_passed(const struct tg_client_keys *k, const struct tg_client_key *key,
                          int64_t now);
void tg_client_key_failed(const struct tg_client_keys *k, const struct tg_client_key *key,
                          int64_t locked_until);

/* The use of a key. */
struct tg_client_key_use tg_client_key_use(const struct tg_client_keys *k,
                                           const struct tg_client_key *key);

/* How many keys there are, and the i-th. */
unsigned tg_client_keys_count(const struct tg_client_keys *k);
const struct tg_client_key *tg_client_keys_at(const struct tg_client_keys *k, unsigned i);

/* True when requests for a project may be signed with a key. */
bool tg_client_key_allows(const struct tg_client_key *key, struct tg_str project_id);

#endif
