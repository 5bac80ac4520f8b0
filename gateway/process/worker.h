/*
 * One worker: an event loop with everything that belongs to it. Workers share nothing. A turn of
 * the loop is: events, then tg_worker_turn(): requests go upstream behind each other, audit lines
 * of the turn in one write, then the last bytes of the answers they belong to.
 */
#ifndef TG_PROCESS_WORKER_H
#define TG_PROCESS_WORKER_H

#include "audit/audit.h"
#include "base/clock.h"
#include "http/response_head.h"
#include "net/timer.h"
#include "settings/settings.h"
#include "shm/stats.h"

#include <event2/event.h>

enum { TG_SCRATCH = 65536 };

struct tg_conn;
struct tg_evhtp;
struct tg_exchange;
struct tg_upstream;
struct evdns_base;

/* Live objects; all zero when a worker has ended in order. */
struct tg_live {
    unsigned connections;
    unsigned exchanges;
    unsigned peers;
};

/* Exchanges by slot, for tickets. A generation changes whenever its slot is given again. */
struct tg_slot {
    struct tg_exchange *exchange; /* NULL: free */
    uint32_t generation;
};

struct tg_exchange_list {
    struct tg_exchange *first;
    struct tg_exchange **last;
};

struct tg_worker {
    const struct tg_settings *settings;
    struct event_base *base;
    struct evdns_base *dns; /* made when a name has to be resolved */
    struct tg_audit *audit;
    struct tg_evhtp *fronts;
    struct tg_conn *conns; /* all of them */
    struct tg_upstream *upstreams;
    struct tg_live live;
    unsigned open_before;       /* connections and peers at the last beat */
    unsigned settled;           /* the same when free memory was last given back */
    struct tg_limits *limits;   /* shared by all processes; NULL: nothing is limited */
    struct tg_stats *stats;     /* of all processes; NULL: nothing is counted */
    struct tg_stats_slot *slot; /* where this one counts; NULL with `stats` */
    uint32_t log_level;         /* the one of `stats` it has obeyed last */
    struct tg_timer beat;       /* turns the loop of an idle worker */
    struct tg_timer patience;   /* how long a drain may take */
    struct tg_slot *slots;
    uint32_t nslots;
    uint32_t *free_slots; /* stack of slot numbers */
    uint32_t nfree;
    struct tg_exchange *spare; /* ended ones, kept with their memory */
    unsigned nspare;
    struct tg_exchange_list ending; /* ended in this turn: answer goes out after the audit flush */
    struct tg_exchange_list held;   /* ended, but their records cannot be written now */
    struct tg_exchange *parked;     /* go on at the end of this turn; strict: once on record */
    struct tg_exchange **last_parked;
    char id_prefix[16]; /* of request ids: random per worker */
    uint64_t id_next;
    uint64_t now;                     /* of this turn, monotonic; 0: not read yet */
    int64_t wall;                     /* the same, wall clock */
    bool draining;                    /* no new exchanges, connections end after their exchange */
    bool stopping;                    /* the loop ends with this turn */
    struct tg_request_head head;      /* the guard's result, used before the next read */
    struct tg_response_head response; /* the same, of an upstream's answer */
    struct tg_buf build;              /* a head being built, used before the next one */
    struct tg_buf decoded;            /* chunks of one read, joined */
    char scratch[TG_SCRATCH]; /* the one read buffer: valid until the next read of any wire */
};

/* The version of libevent that runs, e.g. "2.1.12-stable". */
const char *tg_worker_libevent(void);

/*
 * Makes a worker for settings that outlive it; opens the audit log and listens on the sockets of
 * the settings (already bound). Returns NULL after it logged why. `number` names its audit stream.
 */
struct tg_worker *tg_worker_new(const struct tg_settings *settings, unsigned number);

/* Counts from now on in `slot` of `stats`, takes the log level from there, and obeys `limits`. */
void tg_worker_count(struct tg_worker *w, struct tg_stats *stats, struct tg_stats_slot *slot,
                     struct tg_limits *limits);

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

/* Ends a turn of the loop: the requests that go upstream (in mode `strict` behind their audit
 * lines), the audit lines of what happened in it, then the answers they belong to. Answers whose
 * lines cannot be written wait, unless the mode is `batch`. */
void tg_worker_turn(struct tg_worker *w);

/* Frees everything and logs the live objects (all zero, or an error line). NULL is fine. */
void tg_worker_end(struct tg_worker *w);

/* The monotonic time of this turn of the loop in microseconds, read when it is first wanted: all
 * that happens in a turn happens at one time. */
static inline uint64_t tg_worker_now(struct tg_worker *w)
{
    if (w->now == 0)
        w->now = tg_clock_mono_now();
    return w->now;
}

/* The same of the wall clock. */
static inline int64_t tg_worker_wall(struct tg_worker *w)
{
    if (w->wall == 0)
        w->wall = tg_clock_wall_now();
    return w->wall;
}

/* True when one more connection is below worker_connections. */
bool tg_worker_has_room(const struct tg_worker *w);

/* True when a connection has been idle long enough to be closed for a new one. */
bool tg_worker_can_shed(const struct tg_worker *w);

/* Closes a share of the idle connections, those idle longest. False when none is idle (enough). */
bool tg_worker_shed(struct tg_worker *w);

#endif
