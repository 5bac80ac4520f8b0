/*
 * Signed sets of policies (`policies_signed_by`): the files are those that the MANIFEST of their
 * folder lists, with the bytes it tells, and somebody whose key is trusted has signed it. Guards
 * against who may write the folder of policies, not against who may write trainguard.conf.
 */
#ifndef TG_POLICY_BUNDLE_H
#define TG_POLICY_BUNDLE_H

#include "base/ed25519.h"
#include "config/conf.h"
#include "policy/manifest.h"

#define TG_BUNDLE_MAY_FALL "revision_may_fall"

enum {
    TG_BUNDLE_KEYS = 16,          /* trusted at once */
    TG_BUNDLE_SOON_S = 14 * 86400 /* before its end one hears of it */
};

struct tg_policy_bundle {
    const struct tg_conf_item *at; /* the `policies` it is about; NULL: a command */
    struct tg_str folder;          /* with its '/' */
    struct tg_str list;            /* the path of MANIFEST */
    struct tg_manifest manifest;
    char digest[TG_SHA256_HEX + 1]; /* of MANIFEST */
    char signed_by[TG_ED25519_ID + 1];
    bool may_fall; /* a later one may have a lower revision */
};

/*
 * Reads and checks the list in the folder of a policy file, and who signed it; `signers` is the
 * `policies_signed_by` line: files of public keys. Warns of one that has expired or soon will.
 * Records problems and returns NULL. Memory is c->arena's.
 */
struct tg_policy_bundle *tg_policy_bundle_open(struct tg_conf *c, const struct tg_conf_item *at,
                                               const struct tg_conf_item *signers,
                                               const char *file);

/* True when the list has that file with these bytes; else it recorded a problem. */
bool tg_policy_bundle_allows(struct tg_conf *c, const struct tg_policy_bundle *b, const char *file,
                             struct tg_str text);

/* True when what the list has besides what was asked about is there with its bytes: a policy that
 * was taken away would look enforced. Else it recorded a problem. */
bool tg_policy_bundle_complete(struct tg_conf *c, const struct tg_policy_bundle *b);

/*
 * Why a set may not follow the one in force, as a sentence in c->arena; NULL: it may. The same list
 * always may. Another one that has expired, or whose revision is lower, may not. `before` NULL:
 * nothing of that folder is in force. `now` is seconds since 1970.
 */
const char *tg_policy_bundle_refused(struct tg_arena *arena, const struct tg_policy_bundle *b,
                                     const struct tg_policy_bundle *before, int64_t now);

#endif
