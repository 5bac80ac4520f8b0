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

/* Who may use the gateway's key without a signature (directive `callers`). */
struct tg_callers {
    const struct tg_str *names; /* of client certificates: a common name, "dns:...", "uri:..." */
    unsigned nnames;
    const struct tg_unix_caller { /* processes; -1: any */
        int64_t uid;
        int64_t gid;
    } * peers;
    unsigned npeers;
    bool token; /* with an X-Auth-Token, which goes on as it is, unsigned */
    bool any;
    struct tg_str keys_name;           /* of client_keys, or empty */
    const struct tg_client_keys *keys; /* those whose local keys count; NULL: none */
    struct tg_signing_locks *locks;    /* with `keys` */
};

struct tg_signing_conf {
    const struct tg_callers *callers;  /* NULL: none but who signs */
    const struct tg_str *accept_hosts; /* names of the gateway beside addresses and localhost */
    unsigned naccept_hosts;
    const struct tg_client_keys *keys; /* clients'; NULL: signatures are not checked here */
    struct tg_signing_locks *locks;    /* with `keys` */
    int64_t clock_skew;                /* microseconds X-Sdk-Date may be off */
    bool all_forms;                    /* those of the SDKs beside the documented one */
    bool unsigned_payload;             /* a signature that covers no body is enough */

    const struct tg_credential_map *credentials; /* the gateway's keys; NULL: not signed here */
    int credential;                              /* number of the one used */
    struct tg_str credential_name;
    struct tg_str credential_project; /* "": the path's, or what the source tells */
};

/*
 * Appends the fields that sign a GET of the gateway's own, to a server whose Host is `host`, with
 * the location's credential. `target` is one that the gateway made itself. False: there is no key
 * that holds.
 */
bool tg_sign_own(const struct tg_signing_conf *conf, struct tg_str project, struct tg_str target,
                 struct tg_str host, struct tg_buf *out);

#endif
