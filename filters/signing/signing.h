/*
 * What a location says about signatures, as the configuration comes to it: whose keys clients sign
 * with, and with which of the gateway's own keys a request is signed anew. `verify` and `sign` read
 * it from the request.
 */
#ifndef TG_SIGNING_H
#define TG_SIGNING_H

#include "signing/client_keys.h"
#include "signing/credential.h"
#include "signing/lock.h"

/* The filters that read it. */
extern const struct tg_filter tg_filter_verify;
extern const struct tg_filter tg_filter_sign;

struct tg_signing_conf {
    const struct tg_client_keys *keys; /* clients'; NULL: not checked here */
    struct tg_signing_locks *locks;    /* with `keys` */
    int64_t clock_skew;                /* microseconds X-Sdk-Date may be off */
    bool all_forms;                    /* those of the SDKs beside the documented one */
    bool unsigned_payload;             /* a signature that covers no body is enough */

    const struct tg_credential_map *credentials; /* the gateway's keys; NULL: not signed here */
    int credential;                              /* number of the one used */
    struct tg_str credential_name;
    struct tg_str credential_project; /* "": the path's, or what the source tells */
};

#endif
