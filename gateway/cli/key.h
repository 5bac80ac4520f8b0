/* Files of clients' keys, changed by the command line. */
#ifndef TG_CLI_KEY_H
#define TG_CLI_KEY_H

#include "signing/client_keys.h"

/* A key that is made. */
struct tg_new_key {
    bool local; /* sent as it is, instead of signed with */
    const char *principal;
    const char *const *projects;
    unsigned nprojects;
    const char *not_after; /* YYYY-MM-DD, or NULL */
    char name[32];         /* made: the access key, or the id */
    char secret[80];       /* made: a local key whole, else what belongs to the access key */
};

/* Draws the name and the secret of a key. */
void tg_key_draw(struct tg_new_key *key);

/* Loads a key file; NULL, and its problems on standard error, when it is not right. End the result
 * with tg_client_keys_end(). */
struct tg_client_keys *tg_key_file_load(const char *path);

/*
 * Adds a key at the end of a file, which is made (mode 0600) when it is not there; or disables one.
 * All other text stays as it is; readers see the old file or the new one; two of these at once wait
 * for each other. False, and why on standard error, when the file stays as it was.
 */
bool tg_key_file_add(const char *path, const struct tg_new_key *key);
bool tg_key_file_disable(const char *path, const char *name);

#endif
