/*
 * One worker: an event loop with the clients, exchanges and upstreams that live on it. Workers
 * share nothing but a map of counters and limits. A turn of the loop is: events, then
 * tg_exchanges_turn(): requests go upstream behind each other, audit lines of the turn in one
 * write, then the last bytes of the answers they belong to.
 */
#ifndef TG_PROCESS_WORKER_H
#define TG_PROCESS_WORKER_H

#include "exchange/exchange.h"

struct tg_worker {
    const struct tg_settings *settings;
    struct tg_audit *audit;
    struct tg_loop loop;
    struct tg_clients clients;
    struct tg_upstreams upstreams;
    struct tg_fetches fetches;
    struct tg_exchanges exchanges;
    struct tg_shared shared;
    size_t free_before;          /* bytes free in the heap at the last heartbeat */
    size_t free_kept;            /* those of them that the kernel has back already, at most */
    unsigned most_sockets;       /* connections of both sides that leave descriptors for the rest */
    bool warned_scarce;          /* since the last heartbeat, that descriptors ran out */
    uint32_t log_level;          /* the one of the shared map it has obeyed last */
    struct tg_timer heartbeat;   /* turns the loop of an idle worker */
    struct tg_timer drain_timer; /* how long a drain may take */
    bool stopping;               /* the loop ends with this turn */
};

/*
 * Makes a worker for settings that outlive it; opens the audit log and listens on the sockets of
 * the settings (already bound). Returns NULL after it logged why. `number` names its audit stream.
 */
struct tg_worker *tg_worker_new(const struct tg_settings *settings, unsigned number);

/* Counts from now on in shared->slot, tells of requests in its ring, takes the log level from the
 * map, and obeys the limits; `channel` is where it asks the syncer, -1: nowhere. */
void tg_worker_count(struct tg_worker *w, const struct tg_shared *shared, int channel);

/* Runs the loop until tg_worker_stop() or, after tg_worker_drain(), until nothing is left. */
void tg_worker_run(struct tg_worker *w);

/* Ends at once after the current turn: exchanges are aborted, each with its record. */
void tg_worker_stop(struct tg_worker *w);

/*
 * Stops listening and ends when all connections are done, at the latest after shutdown_timeout.
 * Answers from now on say that the connection ends with them. A connection that stays idle for a
 * second and has nothing to read is half closed, so that a request that crosses is not reset.
 */
void tg_worker_drain(struct tg_worker *w);

/* Frees everything and logs the live objects (all zero, or an error line). NULL is fine. */
void tg_worker_end(struct tg_worker *w);

#endif
