/*
 * Requests of the gateway's own, as filters send them: a GET to an upstream of the configuration,
 * over its connections, its TLS and its limits. The answer comes later, in one piece, to a function
 * of the owner, who outlives the job or cancels it.
 */
#ifndef TG_CHAIN_FETCH_H
#define TG_CHAIN_FETCH_H

#include "chain/filter.h"

/* How it ended. The slices are good inside on_answer. */
struct tg_fetch_answer {
    enum tg_error error; /* TG_E_DONE: an answer came, with the members below */
    const char *why;     /* else what the log says of it, may be "" */
    int status;          /* 200 to 599 */
    struct tg_str body;  /* complete, transfer coding removed */
};

struct tg_fetch {
    struct tg_str upstream; /* its name; there is one (CHECKed) */
    struct tg_str target;   /* path and query as they go upstream; copied */
    /* For the audit log where it wants to know before it goes: what is looked up, and for which
     * request; good inside the call. */
    struct tg_str what;
    struct tg_str request_id;
    int64_t timeout; /* microseconds for all of it, waiting for a turn included */

    /* The head goes upstream, to a server whose Host is `host`: appends the lines of the fields
     * that say who asks. Again when it is tried again. False: there is no credential, and the
     * answer is TG_E_CREDENTIAL_MISSING. */
    bool (*on_head)(void *owner, struct tg_str host, struct tg_buf *out);

    /* The one end of a job that was not cancelled, never inside tg_host.fetch: the job is gone. */
    void (*on_answer)(void *owner, const struct tg_fetch_answer *answer);
    void *owner;
};

#endif
