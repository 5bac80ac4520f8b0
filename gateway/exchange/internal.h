/*
 * One exchange, for the files of this folder; nothing else includes it. Each file calls those above
 * it in this list:
 *
 *   limit_asks.c    what the syncer is asked about limits that stores decide about
 *   outcome.c       what an answer's body says of its outcome
 *   reply.c         the gateway's own answers, and what it adds to relayed ones
 *   exchange.c      phases, memory, records, the end
 *   admission.c     limits
 *   body_memory.c   the budget of what bodies take, and who gives way
 *   max_forwards.c  requests that go no further
 *   relay.c         the response towards the client
 *   forward.c       the request towards the upstream
 *   request.c       routing, the body, the filters
 *   intake.c        the request head as it comes
 *   exchanges.c     all of them: lists, handles, the end of a turn
 */
#ifndef TG_EXCHANGE_INTERNAL_H
#define TG_EXCHANGE_INTERNAL_H

#include "chain/chain.h"
#include "client/connection.h"
#include "exchange/exchange.h"
#include "exchange/outcome.h"
#include "http/response_head.h"

#define TG_EXCHANGE_MAGIC 0x65786368U

enum {
    TG_MAX_RESPONSE_HEAD = 131072, /* contract section 1: all headers 128 KB */
    TG_HIGH_WATER = 131072,        /* bytes queued towards one side before the other is paused */
    TG_RESPONSE_BUFFER = 65536,    /* bytes of an answer that wait for its outcome (strict) */
};

enum tg_phase {
    TG_PHASE_HEAD = 1,
    TG_PHASE_ROUTE,
    TG_PHASE_LIMIT,
    TG_PHASE_BODY,
    TG_PHASE_FILTER,
    TG_PHASE_DEPART, /* until the end of the turn; audit mode strict: the intent goes to disk */
    TG_PHASE_CONNECT,
    TG_PHASE_SEND,
    TG_PHASE_AWAIT,
    TG_PHASE_RELAY,
    TG_PHASE_END
};

/* What came of the limits of a step. */
enum tg_admitted {
    TG_ADMITTED = 1,
    TG_ADMISSION_WAITS, /* for the answers of stores */
    TG_NOT_ADMITTED     /* one refused: the exchange has ended */
};

struct tg_admission;

struct tg_exchange {
    /* kept when an ended exchange is used again */
    struct tg_arena arena;
    struct tg_timer timer;   /* the phase's deadline */
    struct tg_buf collected; /* the body that filters judge, unless it came whole */

    /* from here on zeroed for each request */
    uint32_t magic;
    uint32_t slot; /* in the table of all, for handles */
    struct tg_exchanges *all;
    struct tg_conn *conn; /* NULL once the client is gone */
    enum tg_phase phase;
    struct tg_exchange *next;          /* in one of the lists */
    struct tg_exchange *next_awaiting; /* in awaiting_flush, where it may end */
    uint64_t awaits_audit;             /* since when it is in awaiting_audit, monotonic */

    /* the request, beside `request` below */
    const struct tg_location *location; /* NULL until routed */
    struct tg_str host;                 /* as the client sent it */
    struct tg_str connection;           /* values of Connection, joined */
    enum tg_framing framing;
    uint64_t length;
    unsigned minor;
    bool is_head;
    bool keep_alive; /* the client wants, and so far can have, another request */
    bool expect_continue;
    bool streamed; /* the body passes through; else it is collected */
    bool body_complete;
    struct evbuffer *body; /* streamed: what waits to be sent; NULL until needed */
    uint64_t body_bytes;   /* received */
    uint64_t body_memory;  /* what is counted for it in that of all */
    size_t arena_before;   /* bytes of the arena that are older than the body */
    struct tg_chain chain;

    /* towards the upstream */
    struct tg_upstream_conn *upstream_conn;
    struct tg_str upstream_address;   /* of the last connection, for the record */
    struct tg_str upstream_proxy;     /* that it went through; empty: none */
    struct tg_str upstream_tried;     /* what was tried in vain, one line each */
    struct tg_str forwarded;          /* collected body as it is sent */
    size_t forwarded_at;              /* so many bytes of it were handed to the socket */
    const struct tg_audit_kept *kept; /* what records tell of a document that is settled */
    bool head_sent;
    bool request_sent; /* all of it was handed to the socket */
    bool retried;

    /* the response */
    int upstream_status;              /* 0 until its head is there */
    enum tg_framing response_framing; /* as the upstream sends it */
    enum tg_framing relay_framing;    /* as the client gets it */
    struct tg_chunked response_chunk;
    uint64_t response_left;
    unsigned interim;              /* 1xx answers skipped */
    size_t scanned;                /* bytes of an answer's incomplete head that were looked at */
    bool upstream_keep;            /* the upstream's connection can be used again */
    bool watch_outcome;            /* the body is JSON text */
    bool outcome_unknown;          /* the body of what was judged is coded: not looked into */
    bool response_seen;            /* bytes of an answer came from the upstream */
    bool response_started;         /* bytes of an answer went, or are bound, to the client */
    bool await_record;             /* none of them goes before a record of it is on disk (strict) */
    bool awaits_flush;             /* waits for the end of the turn */
    bool unauthorized;             /* 401: none of them goes before filters have seen it */
    struct tg_buf response_buffer; /* the answer as far as it came, while one of them holds */
    struct tg_outcome outcome;
    const struct tg_field *response_fields; /* for filters that want them; else NULL */
    unsigned nresponse_fields;
    uint64_t bytes_out;

    struct tg_str trace_id;     /* of traceparent; empty: none, or not one that can be read */
    unsigned traces;            /* traceparent fields */
    int granted[TG_MAX_LIMITS]; /* limits that get something back at the end */
    unsigned ngranted;
    struct tg_admission *admission; /* while stores of limits are asked; else NULL */
    struct tg_audit_limit *limits;  /* those the request went beyond */
    struct tg_str limit_policy;     /* what RateLimit-Policy and RateLimit tell; empty: nothing */
    struct tg_str limit_left;

    /* the end */
    enum tg_error end;
    struct tg_str end_detail;
    int status;
    struct tg_str last; /* the last bytes of the answer, sent after the audit flush */
    enum tg_conn_after after;

    /* times: wall of the first byte, then monotonic; microseconds */
    int64_t wall;
    uint64_t started;
    uint64_t filter_us;
    uint64_t connect_started;
    uint64_t pool_us; /* waited while max_connections were open */
    uint64_t connect_us;
    uint64_t sent;
    uint64_t upstream_us;

    struct tg_request request; /* the last: it starts itself (tg_request_init()) */
};

/* What bodies and own answers take now, bytes. */
static inline uint64_t tg_exchanges_memory(const struct tg_exchanges *all)
{
    return all->body_memory + all->fetches->memory;
}

/* --- exchange.c --- */

/* A fresh exchange in phase HEAD, without connection; ended ones are used again. */
struct tg_exchange *tg_exchange_make(struct tg_exchanges *all);

/* Frees the memory of an exchange that is in no list. */
void tg_exchange_free(struct tg_exchange *x);

/* Moves to a phase (CHECKs the table). */
void tg_exchange_to(struct tg_exchange *x, enum tg_phase phase);

/* Notes for the record whom the request went to, or was to go to, and who was tried in vain. */
void tg_exchange_note_server(struct tg_exchange *x);

/* Counts what the body takes now, in the sum of all: what is collected or queued, and what was made
 * of it. */
void tg_exchange_count_body(struct tg_exchange *x);

/* Sets the phase's deadline, `us` microseconds from now. */
void tg_exchange_deadline(struct tg_exchange *x, int64_t us);

/*
 * The one end. TG_E_DONE: the answer is complete, its last bytes are in x->last. Anything else: the
 * gateway's own answer when none has started, else the answer is cut off. `detail` is what the log
 * says beside the row's text (may be ""; copied).
 */
void tg_exchange_end(struct tg_exchange *x, enum tg_error error, const char *detail);

/* After the audit flush of a turn: sends the last bytes and frees the exchange. */
void tg_exchange_complete(struct tg_exchange *x);

/* Waits for the end of the turn, when the requests of the turn depart and what was queued for the
 * audit log is written. */
void tg_exchange_await_flush(struct tg_exchange *x);

/* Queues the record of a request that is about to go upstream, when the audit log wants one
 * (strict). */
void tg_exchange_record_intent(struct tg_exchange *x);

/* Queues the record of an answer that is too long to be kept back until its end, and waits for the
 * end of the turn. */
void tg_exchange_record_answer(struct tg_exchange *x);

/* on_stuck and on_gone of struct tg_client_events, which has their contracts: the exchange ends, by
 * send_timeout or because its client went away. */
void tg_exchange_on_stuck(void *exchange);
void tg_exchange_on_gone(void *exchange);

/* --- admission.c --- */

/* Asks the limits of the connection, and those of the location that go by what the head says:
 * project and address, and the principal where no filter settles who calls. */
enum tg_admitted tg_exchange_acquire(struct tg_exchange *x);

/* Asks those that go by who calls, once a filter has settled that. */
enum tg_admitted tg_exchange_acquire_caller(struct tg_exchange *x);

/* A store has answered about the `i`th limit of the location, or did not in time; what of that step
 * has come of it. */
enum tg_admitted tg_exchange_acquired(struct tg_exchange *x, unsigned i,
                                      const struct tg_limit_answer *answer);

/* --- body_memory.c --- */

/*
 * True when the body may take `more` bytes than are counted. Beyond worker_body_memory the client
 * address (as limits count it) whose bodies take most makes room: the largest of them that is still
 * being collected, the caller's among them, gives way (TG_E_OVERLOADED). False: that was the
 * caller's.
 */
bool tg_exchange_body_fits(struct tg_exchange *x, size_t more);

/* --- max_forwards.c --- */

/* Counts the gateway as a hop of an OPTIONS or TRACE request with Max-Forwards. False: it goes no
 * further, the exchange has ended. */
bool tg_exchange_max_forwards(struct tg_exchange *x);

/* --- relay.c --- */

/* Reads from the upstream connection. False: it closed before a byte of an answer came. */
bool tg_relay_read(struct tg_exchange *x);

/* The record of the answer is on disk: response_buffer goes, the rest as it comes. */
void tg_relay_open(struct tg_exchange *x);

/* struct tg_client_events: the client has taken what was queued, more may be read. */
void tg_relay_on_drained(void *exchange);

/* --- forward.c --- */

/* Asks for a connection; `fresh` leaves the pool aside. */
void tg_forward_begin(struct tg_exchange *x, bool fresh);

/* Sends a request once more, over a connection of its own, after an answer to it was kept back and
 * dropped. False, and nothing is done, when it may not be repeated (RFC 9110 section 9.2.2) or was.
 */
bool tg_forward_again(struct tg_exchange *x);

/* Sends what there is of a request, or holds the client back. */
void tg_forward_more(struct tg_exchange *x);

/* --- request.c --- */

/* Routes the request and, when it has no body, sends it on its way. */
void tg_exchange_start(struct tg_exchange *x);

/* Calls the filters whose turn it is, again when they waited, and goes on as they say. */
void tg_exchange_run_chain(struct tg_exchange *x);

/* The answer of a store about the `i`th limit: the request goes on when it was the last. */
void tg_exchange_limit_answered(struct tg_exchange *x, unsigned i,
                                const struct tg_limit_answer *answer);

/* on_body to on_timeout of struct tg_client_events, which has their contracts: the body is streamed
 * or collected; what is wrong with it ends the exchange. */
void tg_exchange_on_body(void *exchange, struct tg_str data);
void tg_exchange_on_body_end(void *exchange);
void tg_exchange_on_read_done(void *exchange);
void tg_exchange_on_bad_body(void *exchange, const char *why);
void tg_exchange_on_timeout(void *exchange, const char *why);

/* --- intake.c: struct tg_client_events, the owner being struct tg_exchanges --- */

/* on_request: makes an exchange of a head, whose texts it copies, and starts it. */
void tg_exchange_on_request(void *all, struct tg_conn *c, const struct tg_request_head *head,
                            struct tg_str raw);

/* on_unreadable: makes an exchange that answers what is no request, and records it. */
void tg_exchange_on_unreadable(void *all, struct tg_conn *c, struct tg_str raw, enum tg_error error,
                               const char *why);

/* --- reply.c --- */

/* Builds the gateway's own answer for x->end, if its row has one, into x->last. */
void tg_reply_build(struct tg_exchange *x);

/* Builds the answer to an OPTIONS request that goes no further, 200 with Allow, into x->last. */
void tg_reply_options(struct tg_exchange *x);

/* Appends what answers to a changed, warned or limited request carry: Warning,
 * X-Trainguard-Normalized (contract section 5), RateLimit-Policy, RateLimit. */
void tg_reply_notes(const struct tg_exchange *x, struct tg_buf *out);

/* Appends the Date of an answer that has none yet (RFC 9110 section 6.6.1). */
void tg_reply_date(const struct tg_exchange *x, struct tg_buf *out);

#endif
