/*
 * One request with its response. An exchange has a phase, moved by one function over a table of
 * allowed next phases; it ends in one place, once, with a reason (a row of errors.h), and there its
 * audit record is written. Its answer's last bytes leave after the record is with the kernel.
 *
 *   intake.c    the request head as it comes
 *   exchange.c  phases, routing, body, chain, end
 *   forward.c   the request towards the upstream
 *   relay.c     the response towards the client
 *   reply.c     the gateway's own answers
 */
#ifndef TG_EXCHANGE_H
#define TG_EXCHANGE_H

#include "chain/chain.h"
#include "client/connection.h"
#include "exchange/outcome.h"
#include "http/response_head.h"
#include "upstream/upstream.h"

enum {
    TG_MAX_TARGET = 32768, /* contract section 1: URI 32 KB, one header 32 KB, all headers 128 KB */
    TG_MAX_FIELD = 32768,
    TG_MAX_RESPONSE_HEAD = 131072,
    TG_HIGH_WATER = 131072,     /* bytes queued towards one side before the other is paused */
    TG_RESPONSE_BUFFER = 65536, /* bytes of an answer that wait for its outcome (strict) */
};

enum tg_phase {
    TG_PHASE_HEAD = 1,
    TG_PHASE_ROUTE,
    TG_PHASE_BODY,
    TG_PHASE_FILTER,
    TG_PHASE_DEPART, /* until the end of the turn; audit mode strict: the intent goes to disk */
    TG_PHASE_CONNECT,
    TG_PHASE_SEND,
    TG_PHASE_AWAIT,
    TG_PHASE_RELAY,
    TG_PHASE_END
};

/* The text of a phase for logs: "while connecting to the upstream". */
const char *tg_phase_text(enum tg_phase phase);

struct tg_exchange {
    /* kept when an ended exchange is used again */
    struct tg_arena arena;
    struct tg_timer timer; /* the phase's deadline */

    /* from here on zeroed for each request */
    uint32_t magic;
    uint32_t slot; /* in the worker's table, for tickets */
    struct tg_worker *worker;
    struct tg_conn *conn; /* NULL once the client is gone */
    enum tg_phase phase;
    struct tg_exchange *next;        /* in one of the worker's lists */
    struct tg_exchange *next_parked; /* in that list, which it may end in */

    /* the request */
    struct tg_request request;
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
    struct evbuffer *body; /* collected, or waiting to be sent; NULL until needed */
    uint64_t body_bytes;   /* received */
    struct tg_chain chain;

    /* towards the upstream */
    struct tg_upstream_conn *peer;
    struct tg_str upstream_address; /* of the last peer, for the record */
    struct tg_str forwarded;        /* collected body as it is sent */
    bool head_sent;
    bool request_sent; /* all of it was handed to the wire */
    bool retried;

    /* the response */
    int upstream_status;              /* 0 until its head is there */
    enum tg_framing response_framing; /* as the upstream sends it */
    enum tg_framing relay_framing;    /* as the client gets it */
    struct tg_chunked response_chunk;
    uint64_t response_left;
    unsigned interim;              /* 1xx answers skipped */
    size_t scanned;                /* bytes of an answer's incomplete head that were looked at */
    bool peer_keep;                /* the upstream's connection can be used again */
    bool watch_outcome;            /* the body is JSON text */
    bool response_seen;            /* bytes of an answer came from the upstream */
    bool response_started;         /* bytes of an answer went, or are bound, to the client */
    bool await_record;             /* none of them goes before a record of it is on disk (strict) */
    bool parked;                   /* waits for tg_exchange_go_on() */
    struct tg_buf response_buffer; /* the answer as far as it came, while await_record holds */
    struct tg_outcome outcome;
    uint64_t bytes_out;

    struct tg_str trace_id;  /* of traceparent; empty: none, or not one that can be read */
    unsigned traces;         /* traceparent fields */
    int held[TG_MAX_LIMITS]; /* limits that get something back at the end */
    unsigned nheld;
    unsigned retry_after; /* seconds the client is told to wait; 0: the usual */

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
    uint64_t connect_us;
    uint64_t sent;
    uint64_t upstream_us;
};

/* --- the connection calls --- */

/*
 * Makes the exchange for a head the guard took, `raw` being its bytes: both are copied. Sets
 * c->exchange. Returns false when it was refused at once (draining, audit log): it has ended.
 */
bool tg_exchange_new(struct tg_conn *c, const struct tg_request_head *head, struct tg_str raw);

/* Makes and ends an exchange for a head that could not be read; `raw` is what there is of it. */
void tg_exchange_refuse(struct tg_conn *c, struct tg_str raw, enum tg_error error, const char *why);

/* Routes the request and, when it has no body, sends it on its way. */
void tg_exchange_start(struct tg_exchange *x);

/* Body bytes (decoded, copied), and their end. Not after tg_exchange_ended(). */
void tg_exchange_body(struct tg_exchange *x, struct tg_str data);
void tg_exchange_body_end(struct tg_exchange *x);

/* All bytes of one read are handed out: what there is of a request can go, in one write. */
void tg_exchange_read_done(struct tg_exchange *x);

/* The body's framing is broken; the body did not come in time. */
void tg_exchange_bad_body(struct tg_exchange *x, const char *why);
void tg_exchange_body_timeout(struct tg_exchange *x, const char *why);

/* The client went away; it does not take its answer; it has taken all that was queued. */
void tg_exchange_client_gone(struct tg_exchange *x);
void tg_exchange_client_stuck(struct tg_exchange *x);
void tg_exchange_client_drained(struct tg_exchange *x);

/* True once the exchange has its end: no more body, please. */
bool tg_exchange_ended(const struct tg_exchange *x);

/* --- the peer calls --- */

void tg_exchange_peer_ready(struct tg_exchange *x);
void tg_exchange_peer_failed(struct tg_exchange *x, enum tg_error error, const char *why);
void tg_exchange_peer_readable(struct tg_exchange *x);
void tg_exchange_peer_drained(struct tg_exchange *x);
void tg_exchange_peer_progress(struct tg_exchange *x);
void tg_exchange_peer_broken(struct tg_exchange *x);

/* --- the worker calls --- */

/* After the audit flush of a turn: sends the last bytes and frees the exchange. */
void tg_exchange_complete(struct tg_exchange *x);

/* The end of the turn it waited for: what it queued there, intent or answer, is on disk, or could
 * not be `written`. */
void tg_exchange_go_on(struct tg_exchange *x, bool written);

/* Frees the memory of a spare exchange. */
void tg_exchange_free_spare(struct tg_exchange *x);

/* Ends an exchange because the worker stops. */
void tg_exchange_abort(struct tg_exchange *x);

/* --- between the parts of the exchange --- */

/* A fresh exchange in phase HEAD, without connection; ended ones are used again. */
struct tg_exchange *tg_exchange_make(struct tg_worker *w);

/* Moves to a phase (CHECKs the table). */
void tg_exchange_to(struct tg_exchange *x, enum tg_phase phase);

/* Sets the phase's deadline, `us` microseconds from now. */
void tg_exchange_deadline(struct tg_exchange *x, int64_t us);

/*
 * The one end. TG_E_DONE: the answer is complete, its last bytes are in x->last. Anything else: the
 * gateway's own answer when none has started, else the answer is cut off. `detail` is what the log
 * says beside the row's text (may be ""; copied).
 */
void tg_exchange_end(struct tg_exchange *x, enum tg_error error, const char *detail);

/* Asks for a connection; `fresh` leaves the pool aside (forward.c). */
void tg_forward_begin(struct tg_exchange *x, bool fresh);

/* Checks the limits of the location and the connection. False: refused, the exchange has ended
 * (admission.c). */
bool tg_exchange_acquire(struct tg_exchange *x);

/* Counts the gateway as a hop of an OPTIONS or TRACE request with Max-Forwards. False: it goes no
 * further, the exchange has ended (max_forwards.c). */
bool tg_exchange_max_forwards(struct tg_exchange *x);

/* Gives back what the limits granted; once, at the end (admission.c). */
void tg_exchange_release(struct tg_exchange *x);

/* Sends what there is of a request, or holds the client back (forward.c). */
void tg_forward_more(struct tg_exchange *x);

/* The peer failed while sending or before an answer: tries another connection when that is allowed
 * (the connection was reused, no answer byte came, the request can be repeated), else ends. */
void tg_forward_failed(struct tg_exchange *x, enum tg_error error, const char *why);

/* Queues the record of an answer that is too long to be kept back until its end;
 * tg_exchange_go_on() follows with the turn's end. May end the exchange. */
void tg_exchange_record_answer(struct tg_exchange *x);

/* Reads from the peer (relay.c). */
void tg_relay_read(struct tg_exchange *x);

/* The record of the answer is on disk: response_buffer goes, the rest as it comes
 * (relay.c). */
void tg_relay_open(struct tg_exchange *x);

/* Builds the gateway's own answer for x->end, if its row has one, into x->last (reply.c). */
void tg_reply_build(struct tg_exchange *x);

/* Builds the answer to an OPTIONS request that goes no further, 200 with Allow, into x->last
 * (reply.c). */
void tg_reply_options(struct tg_exchange *x);

/* Appends what every answer to a changed or warned request carries: Warning,
 * X-Trainguard-Normalized (contract section 5) (reply.c). */
void tg_reply_notes(const struct tg_exchange *x, struct tg_buf *out);

#endif
