/* What the files of limits share: rules, and what is known of stores. */
#ifndef TG_SHM_LIMIT_TYPES_H
#define TG_SHM_LIMIT_TYPES_H

#include "base/crypto.h"
#include "shm/stats.h"

struct tg_limits;

enum {
    TG_LIMIT_ENTRIES = 4096, /* keys of one rule */
    TG_LIMIT_TABLES = 64,    /* rules with a table of their own; more share the last one */
    TG_MAX_LIMITS = 8,       /* of one location */
    TG_LIMIT_NAME = 64,
    TG_LIMIT_ADDRESS = 48,
    TG_LIMIT_KEY = 96, /* bytes of a key that can be told */
    TG_LIMIT_STORES = 8,
    TG_LIMIT_DIGEST = 16, /* bytes of a key's HMAC that stand for it */
    TG_LIMIT_WHY = 160    /* bytes of why a store failed */
};

enum tg_limit_key {
    TG_LIMIT_BY_PROJECT = 1,
    TG_LIMIT_BY_PRINCIPAL,
    TG_LIMIT_BY_ADDRESS,
    TG_LIMIT_BY_USER
};

/* What holds for requests while the store does not answer. */
enum tg_limit_on_error {
    TG_LIMIT_ON_ERROR_LOCAL = 1,
    TG_LIMIT_ON_ERROR_PASS,
    TG_LIMIT_ON_ERROR_DENY
};

/* What the rules of one limit_store have in common. */
struct tg_limit_share {
    const char *name;     /* the store's */
    unsigned number;      /* its place in the map, by tg_limit_store_number() */
    int on_error;         /* enum tg_limit_on_error */
    int64_t timeout;      /* of an answer, microseconds */
    struct tg_hash *hash; /* keyed by what all gateways of the store know; NULL when read offline */
};

/* One limit_req, limit_in_flight or limit_conn. */
struct tg_limit_rule {
    enum tg_stats_limit kind;
    int key;           /* enum tg_limit_key */
    uint64_t interval; /* TG_LIMIT_REQ: microseconds one request stands for */
    uint64_t burst;    /* TG_LIMIT_REQ: how many may come at once beyond the first */
    uint64_t most;     /* the other kinds */
    bool dry_run;      /* counts and logs, but lets pass */
    bool alone;        /* of what is shared: as it holds while its store is away */
    uint64_t id;       /* of its name, or place, and of what it counts; not 0. Rules of one id share
                          entries */
    const char *name;  /* for metrics and records: its `name=`, else its place "FILE:LINE", cut to
                          TG_LIMIT_NAME - 1 bytes */
    const char *label; /* for clients: its `name=`, else `text` */
    const char *text;  /* as it stands in the configuration, without name and dry_run */
    const char *shared; /* the name of its limit_store; NULL: each gateway counts for itself */
    const struct tg_limit_share *share; /* the same, resolved: whom it is shared through */
    uint64_t debt; /* of what is shared: what one request adds for all, microseconds */
    bool exact;    /* of what is shared: the store decides about each request */
};

/* The words of the configuration: by enum tg_limit_key - 1, then NULL, and by enum
 * tg_stats_limit. */
extern const char *const tg_limit_key_words[];
extern const char *const tg_limit_kind_words[TG_LIMIT_KINDS];

/* What came of a call to a store, for metrics. */
enum tg_limit_call {
    TG_LIMIT_CALL_OK,
    TG_LIMIT_CALL_TIMEOUT,  /* no answer in time */
    TG_LIMIT_CALL_NOSCRIPT, /* the script was not there, and was sent */
    TG_LIMIT_CALL_OOM,      /* the server is full */
    TG_LIMIT_CALL_READONLY, /* the server is a replica */
    TG_LIMIT_CALL_DENIED,   /* user, password or rights */
    TG_LIMIT_CALL_DOWN,     /* the connection broke */
    TG_LIMIT_CALL_ERROR,    /* anything else, nonsense among it */
    TG_LIMIT_CALLS
};

/* Their words, for metrics. */
extern const char *const tg_limit_call_words[TG_LIMIT_CALLS];

/* A store as all processes see it. */
struct tg_limit_store {
    char name[TG_LIMIT_NAME]; /* "": the place is free */
    uint64_t up_until;        /* it answers, as far as is known; monotonic microseconds */
    uint32_t replicas;        /* gateways that live, as last told; 0: never told */
    uint32_t unused;
    uint64_t calls[TG_LIMIT_CALLS];
    struct tg_stats_histogram duration; /* of calls that were answered, by tg_limit_call_bounds */
    uint64_t pending;                   /* calls without an answer */
    uint64_t debt;                      /* keys with something that the store was not told */
    uint64_t fallback;                  /* times a request was judged without it */
    char why[TG_LIMIT_WHY];             /* it failed last; "": it has not */
    int64_t failed;                     /* when, wall clock, microseconds; 0: never */
    int64_t since;                      /* it answers, or does not; the same; 0: not tried yet */
    char server[TG_LIMIT_WHY];          /* that answers, or did last; "": none has */
};

extern const uint64_t tg_limit_call_bounds[TG_STATS_BUCKETS - 1]; /* microseconds */

#endif
