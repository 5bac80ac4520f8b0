/*
 * Counters shared by all processes: one anonymous map, made by the master before it forks, kept
 * across reloads. Every process writes into a slot of its own, so counting costs one addition and
 * no lock; who reads adds the slots up. The slot of a process that ended is folded into the past
 * and given again.
 */
#ifndef TG_SHM_STATS_H
#define TG_SHM_STATS_H

#include "audit/audit.h"
#include "shm/feed.h"
#include "shm/servers.h"

enum {
    TG_STATS_SLOTS = TG_FEED_RINGS, /* processes that can live at once */
    TG_STATS_ROUTES = 64,           /* routes told apart; 0 is "no route or one too many" */
    TG_STATS_ROUTE_TEXT = 256,      /* longer ones are "one too many" */
    TG_STATS_CLASSES = 6,           /* no status, 1xx ... 5xx */
    TG_STATS_BUCKETS = 15,          /* of a histogram, +Inf among them */
    TG_STATS_NAMES = 128,     /* names told apart in one slot; more are counted in names_lost */
    TG_STATS_NAME_TEXT = 160, /* policy and rule have 64 bytes each; longer: names_lost */
    TG_STATS_RULE_TEXT = 72,  /* a policy's or rule's name has 64 bytes */
    TG_STATS_TROUBLE = 160,
    TG_STATS_ANSWER = 8192, /* text of a reload */
    TG_STATS_ANSWERS = 4,   /* of so many reloads the answers stand */
    TG_STATS_REFUSALS = 8,  /* so many wait for a worker that records them; older ones are lost */
    TG_STATS_WHY = 256,
    TG_STATS_STREAM = 80,
    TG_HISTORY_STEPS = 180,      /* samples of the counters that are kept, */
    TG_HISTORY_STEP_US = 5000000 /* one for so long */
};

/* Kinds of limits, as counted. */
enum tg_stats_limit { TG_LIMIT_REQ = 1, TG_LIMIT_CONN, TG_LIMIT_IN_FLIGHT, TG_LIMIT_KINDS };

/* What an answer of the upstream said, its body included (contract section 5). */
enum { TG_STATS_SUCCESS, TG_STATS_FAILURE, TG_STATS_UNKNOWN, TG_STATS_OUTCOMES };

/* The parts of an exchange's time. */
enum { TG_STATS_FILTERS, TG_STATS_CONNECT, TG_STATS_UPSTREAM, TG_STATS_PHASES };

/* What came of a check of the caller: it passed, was refused as one of the rows of errors.h that
 * say so, or for another reason before anything was known. */
enum {
    TG_STATS_AUTH_PASSED,
    TG_STATS_AUTH_FAILED, /* and TG_E_AUTH_MISSING + 1, ... */
    TG_STATS_AUTH_OTHER = TG_STATS_AUTH_FAILED + TG_E_AUTH_ORIGIN - TG_E_AUTH_MISSING + 1,
    TG_STATS_AUTH_RESULTS,
    TG_STATS_AUTH_FORMS = 8
};

/* A histogram: not cumulative, the sum in microseconds. */
struct tg_stats_histogram {
    uint64_t bucket[TG_STATS_BUCKETS];
    uint64_t sum_us;
};

/* Why a request was tried again: connecting to a server failed and the next one was asked; a kept
 * connection was closed, or reset, before any answer. */
enum tg_stats_retry {
    TG_STATS_RETRY_CONNECT,
    TG_STATS_RETRY_CLOSED,
    TG_STATS_RETRY_RESET,
    TG_STATS_RETRIES,
};

/* What only grows. Nothing but uint64_t: slots are added word by word. */
struct tg_stats_counts {
    uint64_t requests[TG_STATS_ROUTES][TG_DECISIONS][TG_STATS_CLASSES];
    uint64_t ends[TG_E_COUNT];
    struct tg_stats_histogram duration[TG_STATS_ROUTES];
    struct tg_stats_histogram phase[TG_STATS_PHASES]; /* by tg_stats_phase_bounds */
    uint64_t changed; /* requests that were allowed and whose body was changed */
    uint64_t outcomes[TG_STATS_OUTCOMES]; /* of the upstream's answers */
    uint64_t retries[TG_STATS_RETRIES];
    struct tg_stats_histogram pool_wait; /* of requests that waited; by tg_stats_phase_bounds */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t accepted; /* connections */
    uint64_t auth[TG_AUTH_KINDS][TG_STATS_AUTH_RESULTS];
    uint64_t auth_forms[TG_STATS_AUTH_FORMS]; /* of signatures that held */
    uint64_t audit_events;
    uint64_t audit_dropped_queue;
    uint64_t audit_dropped_size;
    uint64_t audit_write_errors;
    uint64_t audit_flushes;
    uint64_t audit_timeouts; /* answers given up because their records could not be written */
    uint64_t names_lost;     /* not counted by name: the table was full, or the name too long */
    uint64_t rules[TG_RULE_PLACES][TG_RULE_RESULTS]; /* by enum tg_rule_result - 1 */
};

/* What goes up and down. */
struct tg_stats_gauges {
    uint64_t connections;
    uint64_t exchanges;
    uint64_t upstream_conns;
    uint64_t body_memory;  /* bytes that request bodies take */
    uint64_t audit_queued; /* bytes */
};

/* What a name counts. */
enum tg_stats_what {
    TG_STATS_NORMALIZATION = 1,
    TG_STATS_VIOLATION,
    TG_STATS_JUDGED, /* a policy that was asked */
    TG_STATS_LOOKUP
};

/* One counted name; of looks what and result with '\n' between. */
struct tg_stats_name {
    uint64_t n;
    int64_t last;  /* when a request began that it was counted for last, wall clock */
    uint32_t what; /* enum tg_stats_what; 0: the entry is free */
    char text[TG_STATS_NAME_TEXT];
};

/* One process. `pid` 0: free. */
struct tg_stats_slot {
    int32_t pid;
    uint32_t number;    /* of the worker */
    uint32_t ready;     /* takes connections */
    uint32_t old;       /* of an earlier configuration */
    uint32_t phase;     /* of the exchange it deals with, or dealt with last; 0: none yet */
    uint32_t filter;    /* that runs, tg_filter_index() + 1; 0: none */
    uint64_t started;   /* monotonic microseconds */
    uint64_t heartbeat; /* when it was last seen to turn its loop, monotonic microseconds */
    char trouble[TG_STATS_TROUBLE]; /* of the audit log; "" when there is none */
    uint64_t audit_moves;           /* odd while the next three are written */
    char audit_stream[TG_STATS_STREAM];
    uint64_t audit_seq; /* of the newest line */
    char audit_chain[TG_SHA256_HEX + 1];
    int64_t audit_written; /* wall clock; 0: not yet */
    struct tg_stats_gauges gauges;
    struct tg_stats_counts counts;
    int64_t rule_last[TG_RULE_PLACES]; /* when a request began that a rule did not just let pass
                                          last, wall clock; 0: none */
    struct tg_stats_name names[TG_STATS_NAMES];
};

/* A rule of a policy that has a place. */
struct tg_stats_rule {
    char policy[TG_STATS_RULE_TEXT];
    char rule[TG_STATS_RULE_TEXT];
    char mode[8];
};

/* The counters at one time. */
struct tg_stats_sample {
    uint64_t step;  /* which TG_HISTORY_STEP_US of the monotonic clock; 0: it is being written */
    uint64_t taken; /* monotonic microseconds */
    uint64_t decisions[TG_DECISIONS];
    uint64_t changed;
    uint64_t phase[TG_STATS_PHASES][TG_STATS_BUCKETS];
};

/* What came of a reload. */
struct tg_stats_answer {
    uint64_t number; /* 0: none, or it is being written */
    uint32_t well;
    char text[TG_STATS_ANSWER];
};

/* A configuration that did not come into force. */
struct tg_stats_refusal {
    uint64_t number;   /* from 1; 0: it is being written */
    uint32_t asked_by; /* enum tg_audit_asker */
    char revision[TG_SHA256_HEX + 1];
    char why[TG_STATS_WHY];
};

/* The map. */
struct tg_stats {
    int64_t started; /* wall clock */
    char route[TG_STATS_ROUTES][TG_STATS_ROUTE_TEXT];
    uint32_t routes;
    uint32_t rules; /* places given; 0 is given to who finds none */
    struct tg_stats_rule rule[TG_RULE_PLACES];
    uint32_t log_level;        /* of all processes (admin), 0: as configured */
    uint64_t restarts;         /* workers that died and were replaced */
    uint64_t reloads[2];       /* failed, done */
    uint64_t watch_reloads[2]; /* of these for files that changed */
    int64_t watch_reloaded;    /* and when the last one of them was done, wall clock; 0: none */
    uint64_t generation;       /* of the configuration in force, from 1 */
    int64_t reloaded;          /* wall clock of the last reload that was done */
    uint64_t reload;           /* the number of the last reload that began, from 1 */
    uint32_t draining;         /* the whole gateway ends */
    uint32_t last_reload_well;
    struct tg_stats_answer answer[TG_STATS_ANSWERS]; /* of reload N: N % TG_STATS_ANSWERS */
    uint64_t refusals;       /* configurations that did not come into force */
    uint64_t refusals_taken; /* of them recorded */
    struct tg_stats_refusal refusal[TG_STATS_REFUSALS]; /* number N: N % TG_STATS_REFUSALS */
    uint64_t folding; /* odd while a slot is folded into the past */
    struct tg_stats_slot past;
    struct tg_stats_slot slot[TG_STATS_SLOTS];
    struct tg_server_table servers;
    struct tg_stats_sample history[TG_HISTORY_STEPS]; /* step N: N % TG_HISTORY_STEPS */
    struct tg_feed feed;                              /* ring N is of the process in slot N */
};

/* The upper bounds of the buckets but the last, in microseconds: of whole exchanges (those of
 * OpenTelemetry's HTTP durations), and of their parts, which can be much shorter. */
extern const uint64_t tg_stats_bounds[TG_STATS_BUCKETS - 1];
extern const uint64_t tg_stats_phase_bounds[TG_STATS_BUCKETS - 1];

/* Makes the map (CHECKed: without memory nothing starts). Never freed by workers. */
struct tg_stats *tg_stats_new(void);

/* Unmaps it. NULL is fine. */
void tg_stats_end(struct tg_stats *s);

/* Gives a process a slot, zeroed but for what is passed. The master only. */
struct tg_stats_slot *tg_stats_take(struct tg_stats *s, unsigned index, unsigned number);

/* Folds the slot of a process that ended into the past and frees it. The master only. */
void tg_stats_fold(struct tg_stats *s, unsigned index);

/* The number of a route's pattern, given on first sight; 0 when there are too many or it is too
 * long. The master only, before workers start. */
unsigned tg_stats_route(struct tg_stats *s, struct tg_str pattern);

/* The place of a policy's rule in a mode, given on first sight; 0 when there are too many. The
 * master only, before workers start. */
uint16_t tg_stats_rule(struct tg_stats *s, struct tg_str policy, struct tg_str rule,
                       struct tg_str mode);

/*
 * Counts one ended exchange in the caller's slot (NULL: nothing is counted). `route` is
 * tg_stats_route()'s number, 0 when nothing matched.
 */
void tg_stats_exchange(struct tg_stats_slot *slot, unsigned route,
                       const struct tg_audit_record *record);

/* Takes the worker's gauges and the audit log's counts over. Once per turn of the loop. */
void tg_stats_turn(struct tg_stats_slot *slot, const struct tg_stats_gauges *gauges,
                   const struct tg_audit *audit);

/* A reload begins: returns its number. The master only. */
uint64_t tg_stats_reload(struct tg_stats *s);

/* Notes what happened with a reload (`text` is cut to what fits), for who waits for it. The master
 * only. */
void tg_stats_set_answer(struct tg_stats *s, uint64_t number, bool well, struct tg_str text);

/* Notes that what the last answer was about was wanted by nobody but by files that changed. The
 * master only. */
void tg_stats_watched(struct tg_stats *s, bool well);

/* Notes a configuration that did not come into force, for a worker to record; both texts are cut to
 * what fits. The master only. */
void tg_stats_refuse(struct tg_stats *s, enum tg_audit_asker asked_by, struct tg_str revision,
                     struct tg_str why);

/* Takes the oldest of those that no worker has taken yet; false when there is none. */
bool tg_stats_take_refusal(struct tg_stats *s, struct tg_stats_refusal *out);

/* Copies the newest of them, taken or not; false when there is none. */
bool tg_stats_last_refusal(const struct tg_stats *s, struct tg_stats_refusal *out);

/*
 * Copies the answer of the first reload that began when s->reload was greater than `before`, so of
 * one that has seen what was changed by then; when that one's no longer stands, of the next whose
 * does. False while there is none.
 */
bool tg_stats_answered(const struct tg_stats *s, uint64_t before, struct tg_stats_answer *out);

/*
 * Adds the past and all slots up into *out, which the caller allocates: counts, gauges and names.
 * What it reads may be one event old.
 */
void tg_stats_sum(const struct tg_stats *s, struct tg_stats_slot *out);

/* Adds the requests of all routes and statuses up, by decision - 1. */
void tg_stats_by_decision(const struct tg_stats_counts *c, uint64_t out[TG_DECISIONS]);

/* Notes where the worker's audit log stands. Once a second. */
void tg_stats_audit(struct tg_stats_slot *slot, const struct tg_audit *audit);

/* Where an audit log stood within the last second or so. */
struct tg_stats_head {
    char stream[TG_STATS_STREAM];
    uint64_t seq;                  /* of its newest line */
    char chain[TG_SHA256_HEX + 1]; /* of that line */
};

/* Copies what tg_stats_audit() noted, all three of the same line; false when nothing is noted. */
bool tg_stats_audit_head(const struct tg_stats_slot *slot, struct tg_stats_head *out);

/* True when a worker has turned its event loop within `late` microseconds before `now`, or within
 * 15 seconds when that is more. */
bool tg_stats_slot_turning(const struct tg_stats_slot *slot, uint64_t now, uint64_t late);

/* True when every worker in force has turned its event loop within `late` microseconds, or within
 * 15 seconds when that is more. */
bool tg_stats_turning(const struct tg_stats *s, uint64_t late);

#endif
