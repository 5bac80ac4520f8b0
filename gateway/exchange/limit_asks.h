/*
 * Asks of a worker to its syncer, where a store of limits decides about requests. What is asked in
 * one turn of the loop goes in few packets at its end. Each ask has one answer: the store's or,
 * when that does not come, that it did not say.
 */
#ifndef TG_EXCHANGE_LIMIT_ASKS_H
#define TG_EXCHANGE_LIMIT_ASKS_H

#include "net/loop.h"
#include "net/timer.h"
#include "shm/limit_asks.h"
#include "shm/shared.h"

enum { TG_LIMIT_ASKS = 4096 /* without an answer; more are not taken */ };

/* Who waits: a request by its place, and which of its limits. */
struct tg_limit_asker {
    uint32_t slot, generation;
    unsigned limit;
};

struct tg_limit_awaited;

struct tg_limit_asks {
    struct tg_loop *loop;
    const struct tg_shared *shared;
    /* False: nobody waits there any more. */
    bool (*on_answer)(void *owner, const struct tg_limit_asker *who,
                      const struct tg_limit_answer *answer);
    void *owner;
    int fd; /* -1: nobody is asked */
    struct event *event;
    struct tg_timer timer;            /* the first deadline, or earlier */
    uint32_t serial;                  /* of the next ask */
    struct tg_limit_awaited *awaited; /* by id */
    uint32_t used;                    /* of those, at any time so far */
    uint32_t free;                    /* the first that is free again, plus 1 */
    struct tg_limit_ask out[TG_LIMIT_PACKET];
    unsigned nout;
};

/* Opens it with the worker's end of its channel, which it does not close; -1: nobody is asked. The
 * members loop, shared, on_answer and owner are set. */
void tg_limit_asks_open(struct tg_limit_asks *a, int fd);

/* Ends it; nobody is told anything any more. Harmless before tg_limit_asks_open(). */
void tg_limit_asks_end(struct tg_limit_asks *a);

/*
 * Asks about `entry`, which tg_limit_claim() gave with `ask`, at `now` (monotonic microseconds).
 * False: nobody can be asked, and the claim is given back. True: on_answer follows, not inside this
 * call; what is granted is the asker's then, anything else is given back before.
 */
bool tg_limit_asks_ask(struct tg_limit_asks *a, const struct tg_limit_rule *rule,
                       struct tg_limit_ask *ask, int entry, const struct tg_limit_asker *who,
                       uint64_t now);

/* Gives back what is held, and tells the store when it is a shared limit's. */
void tg_limit_asks_release(struct tg_limit_asks *a, int entry);

/* Sends what was asked. */
void tg_limit_asks_flush(struct tg_limit_asks *a);

#endif
