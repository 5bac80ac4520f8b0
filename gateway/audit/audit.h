/*
 * The audit log: one JSON object per line for every request, whatever became of it. This header is
 * all the rest of the gateway knows about it.
 */
#ifndef TG_AUDIT_H
#define TG_AUDIT_H

#include "audit/conf.h"
#include "chain/request.h"

/* What a limit said: unknown, its store did not answer. */
enum tg_audit_limit_result {
    TG_AUDIT_LIMIT_REFUSE = 1,
    TG_AUDIT_LIMIT_WOULD_REFUSE,
    TG_AUDIT_LIMIT_UNKNOWN
};

/* A limit that a request went beyond, or that could not be asked. */
struct tg_audit_limit {
    const char *rule;                  /* its name, or where it stands */
    const char *limit;                 /* its directive */
    const char *by;                    /* the kind of its key */
    enum tg_audit_limit_result result; /* would have been refused: dry_run */
    const char *store;                 /* whose count it was: a limit_store's name, or "local" */
    uint64_t wait_us;                  /* until it would grant again */
    struct tg_audit_limit *next;
};

struct tg_audit_kept;

/* The facts of one exchange, filled by the exchange when it ends. Slices live until the call
 * returns. */
struct tg_audit_record {
    const struct tg_audit_kept *kept; /* what tg_audit_keep() wrote; NULL: nothing */
    int64_t time; /* wall clock at the first byte of the request, microseconds */
    const struct tg_request *request; /* never NULL; fields that are not known are empty */
    struct tg_str host;               /* Host of a signed request, which goes on; else empty */
    struct tg_str trace_id;
    enum tg_error end;                   /* why the exchange ended */
    struct tg_str end_detail;            /* the error log's words, may be empty */
    const struct tg_audit_limit *limits; /* in the order of the configuration */
    int status;                          /* sent to the client; 0 when none was */
    int upstream_status;                 /* 0: no answer came */
    struct tg_str upstream_address;
    struct tg_str upstream_proxy;      /* empty: none */
    struct tg_str upstream_tried;      /* what was tried in vain, one line each */
    struct tg_str upstream_error_code; /* `error_code` of the answer's body */
    bool upstream_failed;              /* is_success: false was seen */
    bool outcome_unknown;              /* the answer's body could not be looked into */
    uint64_t bytes_in;                 /* request body, decoded */
    uint64_t bytes_out;                /* response body */
    uint64_t duration_us;              /* whole exchange */
    uint64_t filter_us;                /* chain */
    uint64_t pool_us;                  /* waited for one of the open connections */
    uint64_t connect_us;               /* resolution, TCP, TLS; 0 on a kept-alive connection */
    uint64_t upstream_us;              /* request sent to response head */
};

/* Who wanted a configuration in force. */
enum tg_audit_asker {
    TG_AUDIT_ASKED_START = 1, /* whoever started the program */
    TG_AUDIT_ASKED_SIGNAL,
    TG_AUDIT_ASKED_ADMIN,   /* a client of the admin listeners */
    TG_AUDIT_ASKED_UPGRADE, /* the program before this one */
    TG_AUDIT_ASKED_WATCH    /* files that changed (reload_on_change) */
};

/* A configuration that came into force, or did not. */
struct tg_audit_configuration {
    enum tg_audit_asker asked_by;
    struct tg_str revision;      /* hex SHA-256 of its files; empty: not known */
    const struct tg_str *loaded; /* revisions of the policies, when it is in force */
    unsigned nloaded;
    struct tg_str why; /* it is not in force; empty: it is */
};

struct event_base;
struct tg_audit;

/*
 * Opens the log of one worker (`stream` is its own id: "0", "1", ...) and writes the start record,
 * which names the stream before it. `conf` has passed tg_audit_check() and outlives the result. The
 * process must ignore SIGPIPE and SIGXFSZ. On failure returns NULL and fills *why (static or errno
 * text in `arena`). A syslog server over UDP or TCP is looked up and connected to in the event loop
 * `base` (NULL will do for other logs): here and in tg_audit_close() the loop runs until that has
 * succeeded or failed (seconds), in between nothing waits for it.
 */
struct tg_audit *tg_audit_open(const void *conf, struct tg_str stream, struct event_base *base,
                               struct tg_arena *arena, const char **why);

/* Writes the stop record, flushes, closes. What cannot be written now is lost, and the error log
 * says how much. NULL is fine. */
void tg_audit_close(struct tg_audit *a);

/* False while the log cannot be written and the mode promises that nothing goes unrecorded: new
 * requests get TG_E_AUDIT. Tries again by itself (at most once a second). */
bool tg_audit_ready(struct tg_audit *a);

/* Why the log cannot be written now ("audit.jsonl: No space left on device"), or NULL. In `batch`
 * too. Valid until the next call on the log. */
const char *tg_audit_trouble(const struct tg_audit *a);

/* Appends who calls, as the record's `principal` says it; nothing without credentials. */
void tg_audit_principal(struct tg_audit *a, const struct tg_request *r, struct tg_buf *out);

/* To be called once a second: tries again to write what could not be written, and forgets secrets
 * that are not needed any more. */
void tg_audit_tick(struct tg_audit *a);

/* True when the mode wants an intent record on disk before a byte goes upstream (`strict`). */
bool tg_audit_wants_intent(const struct tg_audit *a);

/*
 * Writes what the records of a request will tell of its document, into the request's arena: the
 * document may be settled then (tg_doc_settle()). Never NULL; lives as long as the request.
 */
const struct tg_audit_kept *tg_audit_keep(struct tg_audit *a, const struct tg_request *r);

/*
 * Queues the record that a request is about to go upstream / that a long answer is about to go to
 * the client / that an exchange ended. While the log cannot be written, what ended with TG_E_AUDIT
 * is dropped when 8 MB wait, and counted; other records in `batch` when 16 MB wait. In the other
 * modes no other record is ever dropped: nothing may go upstream unless tg_audit_ready().
 */
void tg_audit_intent(struct tg_audit *a, const struct tg_audit_record *record);
void tg_audit_answer(struct tg_audit *a, const struct tg_audit_record *record);
void tg_audit_outcome(struct tg_audit *a, const struct tg_audit_record *record);

struct tg_fetch;

/* Queues a line `lookup`: the gateway is about to send a request of its own. */
void tg_audit_lookup(struct tg_audit *a, const struct tg_fetch *fetch);

/*
 * Hands all queued lines to the sink: one write (and in `strict` one fdatasync) for all of them.
 * The worker calls it once per turn of its loop, before the last bytes of the turn's answers are
 * sent. Returns false when they could not be written; they stay queued. After a failure it tries at
 * most once a second.
 */
bool tg_audit_flush(struct tg_audit *a);

/* Flushes, then opens the file again under its name (USR1). No line is lost: what is queued goes to
 * the old file, or to the new one when the old one takes nothing more. */
void tg_audit_reopen(struct tg_audit *a);

/* Queues the line `configuration`: of the one in force behind the start record, later of those that
 * did not come into force. */
void tg_audit_configuration(struct tg_audit *a, const struct tg_audit_configuration *c);

/* The newest line of the stream. */
struct tg_audit_standing {
    struct tg_str stream; /* empty: the log is off */
    uint64_t seq;
    struct tg_str chain; /* hex */
};

/* Fills *out; its texts are valid until the next call on the log. */
void tg_audit_stands(const struct tg_audit *a, struct tg_audit_standing *out);

struct tg_audit_counts {
    uint64_t events;        /* intents, answers and outcomes told to the log */
    uint64_t dropped_queue; /* of them lost because the queue was full */
    uint64_t dropped_size;  /* of them lost because a sink takes no line that long (syslog) */
    uint64_t write_errors;  /* writes, syncs and opens that failed */
    uint64_t flushes;       /* writes to the sink */
    uint64_t queued;        /* bytes that wait now */
};

/* Fills *out with the counts since tg_audit_open(). */
void tg_audit_count(const struct tg_audit *a, struct tg_audit_counts *out);

#endif
