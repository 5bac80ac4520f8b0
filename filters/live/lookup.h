/*
 * What filters find out with requests of the gateway's own: one question of one kind at a time for
 * one caller, whoever waits for it, and for a while the answer is kept. Per worker.
 *
 * A kept answer is told to those who asked for it with their own credential, and to those who are
 * known to belong where it was asked (`trusted`); to nobody else. A credential that the service
 * refuses is the matter of the caller who brought it: others ask again, with their own.
 */
#ifndef TG_LIVE_LOOKUP_H
#define TG_LIVE_LOOKUP_H

#include "chain/fetch.h"

struct tg_lookup_ask;
struct tg_lookup_flight;
struct tg_signing_conf;

/* One answer with status 200, as its kind reads it. */
struct tg_lookup_page {
    struct tg_arena *arena; /* lives as long as the value */
    void *value;            /* value_size bytes, zeroed before the first page */
    unsigned number;        /* of the page, from 0 */
    struct tg_str body;     /* good inside the call */
    const struct tg_lookup_ask *ask;
    /* filled in */
    struct tg_str next; /* the target of one more page, in `arena`; empty: the value is complete */
    int64_t ends;       /* when the value ends by its own word, microseconds since 1970; 0: never */
};

/* What kinds of questions there are is known when the program is built. */
struct tg_lookup_kind {
    const char *what;  /* in records, metrics and logs: "catalogue" */
    const char *doing; /* while it is awaited: "asking for the catalogue" */
    size_t value_size;
    bool kept; /* else each caller asks anew */
    /* The target of the first page, in the arena. NULL: the question names it. */
    struct tg_str (*target)(struct tg_arena *arena, const struct tg_lookup_ask *ask);
    /* Takes a page in. NULL, or a static text: what is wrong with it. */
    const char *(*on_page)(struct tg_lookup_page *page);
    /* Another value takes the place of one that is kept. May be NULL. */
    void (*on_change)(const void *before, const void *after);
};

enum { TG_LOOKUP_FIELDS = 2 };

/* A question. All of it is copied when it is asked, and not when the answer is kept. */
struct tg_lookup_ask {
    const struct tg_lookup_kind *kind;
    struct tg_str upstream;                   /* name */
    struct tg_str subject;                    /* what it is about: with kind and upstream the key */
    struct tg_str target;                     /* of the first page; empty: the kind makes it */
    struct tg_str caller;                     /* who asks, not empty */
    bool trusted;                             /* the caller is known to belong to the subject */
    struct tg_field fields[TG_LOOKUP_FIELDS]; /* with the caller's credential, a secret; one
                                                 without a name is none */
    const struct tg_signing_conf *signing;    /* instead: the gateway's own key; not NULL */
    struct tg_str project;                    /* with it: which a signature names */
    struct tg_str request_id;                 /* filled in by tg_lookup() */
    /* Kept answers: how long one is good, and told for longer while it is asked for again. */
    int64_t ttl;
    int64_t stale;
    int64_t timeout; /* for all pages, microseconds as the others */
};

enum tg_lookup_result {
    TG_LOOKUP_WAIT = 1, /* tg_wait() was called: return TG_WAIT */
    TG_LOOKUP_FOUND,
    TG_LOOKUP_NONE,    /* 404: there is no such thing */
    TG_LOOKUP_REFUSED, /* 401, 403: not with this credential */
    TG_LOOKUP_FAILED   /* no answer, or none that is of use */
};

/* One question of one request, in the state of the filter that asks it; zeroed at first. */
struct tg_lookup {
    enum tg_lookup_result result; /* 0: not asked yet */
    int status;                   /* of the answer; 0: none */
    struct tg_str why;            /* FAILED: in words, in the request's arena */
    const void *value;            /* FOUND: good until the hook returns */
    /* the rest is private */
    struct tg_request *request;
    struct tg_lookup_flight *flight; /* NULL: waits for none */
    struct tg_lookup *next;          /* that waits for the same */
    bool alone;                      /* has nothing to do with another caller's credential */
    uint64_t started;                /* monotonic */
};

/*
 * Asks, or tells what came of it when the filter runs again. With WAIT the hook returns TG_WAIT and
 * runs again when the answer is there. Every other result leaves a span in r->lookups, once.
 * Without a host (`eval`) it is not called (CHECKed).
 */
enum tg_lookup_result tg_lookup(struct tg_request *r, struct tg_lookup *l,
                                const struct tg_lookup_ask *ask);

/* The request is done and waits no more. In on_done of every filter that asks. */
void tg_lookup_done(struct tg_lookup *l);

/* Whether the answer is kept: nothing has to be asked. */
bool tg_lookup_is_kept(const struct tg_request *r, const struct tg_lookup_ask *ask);

/* Counts a caller nobody knows yet in, by the request's address. False: there were `most` within
 * this minute. */
bool tg_lookup_newcomer(const struct tg_request *r, uint64_t most);

/* The table of a worker, which keeps `most` bytes. */
struct tg_lookups *tg_lookups_new(const struct tg_host *host, size_t most);

/* Cancels what is on its way and frees all of it. Nobody may be waiting. NULL is fine. */
void tg_lookups_end(struct tg_lookups *all);

#endif
