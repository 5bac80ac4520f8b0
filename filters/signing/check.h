/* One check of a caller by the filter `verify`, and how it ends. */
#ifndef TG_SIGNING_CHECK_H
#define TG_SIGNING_CHECK_H

#include "chain/filter.h"
#include "signing/signing.h"

/* The field that brings a local key, beside Authorization. */
#define TG_KEY_FIELD "X-Trainguard-Key"

/* One check. */
struct tg_check {
    struct tg_request *r;
    const struct tg_signing_conf *conf;
    const struct tg_client_keys *keys; /* where `key` is from */
    struct tg_signing_locks *locks;    /* with `keys` */
    const struct tg_client_key *key;   /* that proved who it is; NULL: it was something else */
};

/* `return tg_check_refuse(...)` with a text in one language for both: it names fields and keys. */
enum tg_verdict tg_check_refuse(const struct tg_check *c, enum tg_error error, const char *detail);

/* Refuses, with `detail`, a key that failed too often from where the client is. */
enum tg_verdict tg_check_lock(const struct tg_check *c, struct tg_str name, const char *detail);

/* A failure: counted against the key it names, whether there is such a key or not. */
enum tg_verdict tg_check_fail(const struct tg_check *c, struct tg_str name, enum tg_error error,
                              const char *detail);

/* The key `c->key` has proved who it is. */
void tg_check_pass(const struct tg_check *c);

#endif
