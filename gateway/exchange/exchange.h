/*
 * Requests with their responses. An exchange is one of them; it has phases, moved by one function
 * over a table of allowed next phases; it ends in one place, once, with a reason (a row of
 * errors.h), and there its audit record is written. Its answer's last bytes leave after the record
 * is with the kernel. Here is what a worker has of all of them.
 */
#ifndef TG_EXCHANGE_H
#define TG_EXCHANGE_H

#include "audit/audit.h"
#include "chain/filter.h"
#include "client/clients.h"
#include "exchange/limit_asks.h"
#include "net/loop.h"
#include "shm/shared.h"
#include "upstream/fetch.h"

struct tg_exchange;

/* One by slot, for handles. The generation changes whenever the slot is given again. */
struct tg_exchange_slot {
    struct tg_exchange *exchange; /* NULL: free */
    uint32_t generation;
};

struct tg_exchange_list {
    struct tg_exchange *first;
    struct tg_exchange **last;
};

struct tg_exchanges {
    struct tg_loop *loop;
    struct tg_audit *audit;
    struct tg_upstreams *upstreams;
    struct tg_fetches *fetches; /* the gateway's own requests; opened here */
    const struct tg_shared *shared;
    struct tg_limit_asks asks; /* where stores of limits decide */
    int64_t audit_timeout;     /* how long an answer waits for its record, microseconds */
    uint64_t body_memory_most; /* worker_body_memory; 0: any */
    size_t lookup_cache_size;  /* bytes */
    uint64_t body_memory;      /* what request bodies take now, bytes; zero when none lives */
    uint64_t body_memory_peak; /* the most it was since who reads it set it back */
    const struct tg_debug_request *debug_requests; /* whose requests are traced; NULL: only where
                                                      all are */
    struct tg_host host;                           /* what filters may ask for */
    unsigned live;                                 /* zero when all has ended in order */
    struct tg_exchange_slot *slots;
    uint32_t nslots;
    uint32_t *free_slots; /* stack of slot numbers */
    uint32_t nfree_slots;
    struct tg_exchange *free_list; /* ended ones, kept with their memory */
    unsigned nfree_list;
    struct tg_exchange_list ending; /* ended in this turn: answer goes out after the audit flush */
    struct tg_exchange_list awaiting_audit; /* ended, but their records cannot be written now */
    struct tg_exchange *awaiting_flush; /* go on at the end of this turn; strict: once on record */
    struct tg_exchange **last_awaiting_flush;
    uint64_t seed;      /* of the groups of clients: who does not know it cannot join another's */
    char id_prefix[16]; /* of request ids: random per worker */
    uint64_t id_next;
    struct tg_buf head;    /* memory for a head, of one function that builds and hands it on */
    struct tg_buf decoded; /* the same for the chunks of one read, joined */
};

/* What connections tell of requests; the owner is the struct tg_exchanges. */
extern const struct tg_client_events tg_exchange_client_events;

/* The text of a phase for logs: "connecting to the upstream"; of a number that is none, that there
 * is no request. */
const char *tg_phase_text(unsigned phase);

/* Prepares for requests. The members loop, audit, upstreams, fetches, shared and audit_timeout are
 * set (and body_memory_most, lookup_cache_size, debug_requests), the others zero. */
void tg_exchanges_open(struct tg_exchanges *all);

/* Asks the syncer from now on, over the worker's end of its channel; -1: nobody is asked. */
void tg_exchanges_ask(struct tg_exchanges *all, int channel);

/*
 * Ends a turn of the loop: the requests that go upstream (in mode `strict` behind their audit
 * lines), the audit lines of what happened in it, then the answers they belong to. Answers whose
 * lines cannot be written wait, unless the mode is `batch`; after audit_timeout their clients are
 * cut off, and the lines stay queued.
 */
void tg_exchanges_turn(struct tg_exchanges *all);

/* Ends all exchanges, each with its record (the worker stops). A turn follows. */
void tg_exchanges_abort(struct tg_exchanges *all);

/* Frees everything. The clients are gone, whatever is left waits for its record in vain. */
void tg_exchanges_end(struct tg_exchanges *all);

#endif
