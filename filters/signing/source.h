/*
 * Where one of the gateway's own keys comes from, as a machine without sockets: it says what to ask
 * next, is told the answer, and ends with a key or with the word for what went wrong. The wire
 * formats are those of the SDKs.
 */
#ifndef TG_SIGNING_SOURCE_H
#define TG_SIGNING_SOURCE_H

#include "base/buf.h"
#include "signing/credential.h"

enum {
    TG_SOURCE_WAIT_MOST = 60, /* seconds between tries */
    TG_SOURCE_ERROR = 128,    /* of why there is no key */
};

/* One request to be sent. The buffers are the caller's, emptied and filled. */
struct tg_source_request {
    const char *method;
    struct tg_buf url;
    struct tg_buf fields; /* "Name: value" lines, each with its "\n" */
    struct tg_buf body;
    unsigned timeout_ms;
};

/* Wipes and frees the buffers. */
void tg_source_request_end(struct tg_source_request *r);

/* What came back. Slices are the caller's. */
struct tg_source_answer {
    int status;                  /* 0: none came */
    const char *error;           /* status 0: a short word without secrets; static */
    struct tg_str subject_token; /* of X-Subject-Token */
    unsigned retry_after;        /* seconds; 0: not told */
    struct tg_str body;
};

enum tg_source_step {
    TG_SOURCE_ASK = 1, /* send the request and tell the answer */
    TG_SOURCE_KEY,     /* `key` is there */
    TG_SOURCE_FAILED,  /* `error` says why */
};

/* The end of a refresh. */
struct tg_source_result {
    struct tg_credential key;
    char error[TG_SOURCE_ERROR];
    unsigned wait; /* FAILED: seconds the other side, or the kind of failure, asks to wait; 0: the
                      caller's own back-off */
};

struct tg_source;

/* Makes a source that borrows `conf`. End it with tg_source_end(). */
struct tg_source *tg_source_new(const struct tg_source_conf *conf);

/* Wipes and frees it. NULL is fine. */
void tg_source_end(struct tg_source *s);

/* Begins a refresh at `now` (seconds since 1970 UTC); one that is under way is forgotten. */
enum tg_source_step tg_source_begin(struct tg_source *s, int64_t now,
                                    struct tg_source_request *request,
                                    struct tg_source_result *result);

/* Goes on with the answer to the last request. */
enum tg_source_step tg_source_answer(struct tg_source *s, const struct tg_source_answer *answer,
                                     int64_t now, struct tg_source_request *request,
                                     struct tg_source_result *result);

/* Wipes what the environment holds of keys, and takes it out of there: for processes that have no
 * use for it. */
void tg_source_forget_environment(void);

/* --- when --- */

/* How long before its end a key that came at `now` is renewed, in seconds. */
int64_t tg_source_margin(const struct tg_source_conf *conf, int64_t now, int64_t expires_at);

/*
 * When to refresh next, in seconds since 1970 UTC, after a key came at `now` (not ENV).
 * `same`: it was the key that was there already. `random` is 0 to 999: spreads many gateways.
 */
int64_t tg_source_next(const struct tg_source_conf *conf, int64_t now, int64_t expires_at,
                       bool same, unsigned random);

/* How long to wait after the `failures`-th failure in a row (from 1), in milliseconds: 1, 2, 4 up
 * to 60 seconds, 20 % more or less by `random` (0 to 999). */
int64_t tg_source_back_off(unsigned failures, unsigned random);

#endif
