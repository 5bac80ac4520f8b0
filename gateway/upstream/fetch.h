/*
 * Requests of the gateway's own (chain/fetch.h) for one worker: so many at once, the others in the
 * order they came, each with a deadline, each answer within a size. Their answers are parsed as
 * those that are relayed.
 */
#ifndef TG_UPSTREAM_FETCH_H
#define TG_UPSTREAM_FETCH_H

#include "chain/fetch.h"
#include "upstream/upstream.h"

struct tg_fetch_queue {
    struct tg_fetch_job *first;
    struct tg_fetch_job **last;
};

struct tg_fetches {
    struct tg_upstreams *upstreams;
    unsigned most;     /* at once: lookup_concurrency */
    size_t max_answer; /* bytes of a body: lookup_max_size */
    unsigned running;  /* of them */
    unsigned live;     /* running and waiting; zero when all has ended in order */
    bool hold;         /* new jobs wait for tg_fetches_release() before they take their turn */
    struct tg_fetch_queue waiting;
    uint64_t memory; /* what the bodies take now, bytes */
    /* False: the worker has no room for `more` bytes (the owner sets it). */
    bool (*fits)(void *owner, size_t more);
    void *owner;
};

/* Prepares; upstreams, most, max_answer, fits and owner are set, the others zero. */
void tg_fetches_open(struct tg_fetches *all);

/* Starts a job, or has it wait for its turn: as many as the upstream's max_pending may. */
struct tg_fetch_job *tg_fetch_start(struct tg_fetches *all, const struct tg_fetch *fetch);

/* True when jobs wait to be released; and lets those that wait now take their turn. */
bool tg_fetches_await_release(const struct tg_fetches *all);
void tg_fetches_release(struct tg_fetches *all);

/* Ends a job without an answer. */
void tg_fetch_cancel(struct tg_fetch_job *job);

#endif
