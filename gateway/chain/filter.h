/*
 * The one header a filter includes. A filter is one constant struct tg_filter; filters/README.md
 * teaches it, filters/skeleton.c is the one to copy. Filters never call each other and never touch
 * a socket: the core walks the chain in the order of the configuration.
 */
#ifndef TG_CHAIN_FILTER_H
#define TG_CHAIN_FILTER_H

#include "chain/request.h"
#include "config/conf.h"

/* Raised whenever a struct or function in this header, or one it includes, changes its meaning. A
 * module built against another number is not loaded. */
enum { TG_FILTER_ABI = 2 };

/* What a hook wants next. The first value is 1: a forgotten `return 0` is caught. */
enum tg_verdict {
    TG_NEXT = 1, /* go on with the next filter */
    TG_WAIT,     /* call again when resumed; only as `return tg_wait(...)` */
    TG_REPLY,    /* answer the client; only as `return tg_reply(...)` or tg_refuse() */
    TG_FAIL      /* the filter broke; only as `return tg_fail(...)`; a 500 */
};

/*
 * What a filter relies on and does; the order is checked against it when the file is loaded. A
 * filter with no trait, or TG_SIGNS alone, runs on the request's head, before the body comes. The
 * body is collected only for the first filter of a location that has another trait, and for those
 * behind it; where none has, the body streams. Which traits count may depend on the configuration
 * (on_traits).
 */
enum tg_filter_traits {
    TG_NEEDS_DOCUMENT = 1 << 0, /* must stand behind a filter with TG_GIVES_DOCUMENT */
    TG_GIVES_DOCUMENT = 1 << 1,
    TG_CHANGES_BODY = 1 << 2, /* must stand before every filter with TG_JUDGES_BODY */
    TG_JUDGES_BODY = 1 << 3,
    TG_SIGNS = 1 << 4,      /* must be last */
    TG_NEEDS_BODY = 1 << 5, /* wants r->body, whatever it is */
    TG_IDENTIFIES = 1 << 6, /* settles who calls; limits that go by that are charged behind it */
    TG_JUDGES_REQUEST = 1 << 7, /* also those without a body: they do not pass it by, and what only
                                   resembles its location is refused */
};

/* The traits of filters that look into the body as a document. A request that has no body, of a
 * method that needs none (GET, HEAD, DELETE, OPTIONS, TRACE), passes them by, but for those with
 * TG_JUDGES_REQUEST. */
enum { TG_OF_DOCUMENT = TG_NEEDS_DOCUMENT | TG_GIVES_DOCUMENT | TG_CHANGES_BODY | TG_JUDGES_BODY };

/* What came back, when all of it has come (never its body). */
struct tg_response {
    int status;                    /* the upstream's */
    const struct tg_field *fields; /* of its head, in the request's arena */
    unsigned nfields;
    bool failed;              /* the body says "is_success": false */
    struct tg_str error_code; /* the body's "error_code" beside it, else empty */
};

/* What becomes of an answer of 401. */
enum tg_refusal {
    TG_REFUSAL_PASS = 1, /* it goes to the client */
    TG_REFUSAL_REPLACE,  /* it ends here; only behind tg_reply() */
    TG_REFUSAL_RETRY /* it ends here, and the request is sent once more if it may be; only behind
                        tg_reply(), which counts if it may not */
};

/* Gives places among the counters of all processes: the same to what has the same names. */
struct tg_rule_places {
    uint16_t (*place)(void *owner, struct tg_str policy, struct tg_str rule, struct tg_str mode);
    void *owner;
};

struct tg_filter {
    unsigned abi; /* TG_FILTER_ABI */
    const char *name;
    const char *help;                      /* one sentence for the reference */
    unsigned traits;                       /* enum tg_filter_traits, or-ed */
    const struct tg_directive *directives; /* rows for TG_IN_LOCATION etc., or NULL */
    size_t conf_size;  /* bytes of configuration per location; copied from the outer block */
    size_t state_size; /* bytes of zeroed state per exchange */

    /* Once per location that uses the filter, after its directives are set: compile, load files.
     * Records problems with tg_conf_error(), each once for all locations that share it (see
     * tg_conf_shared()), and returns false. May be NULL. */
    bool (*on_load)(struct tg_conf *c, const struct tg_conf_item *location, void *conf);

    /* Those of `traits` that count with this configuration, once it is loaded. When it needs a
     * document, *why may say what for: "rule \"a.b\" looks into it". NULL: all of them. */
    unsigned (*on_traits)(const void *conf, const char **why);

    /* Undoes on_load when the configuration goes. Must cope with a conf on_load failed on. */
    void (*on_unload)(void *conf);

    /* The request's head is there, its body is not wanted yet: TG_NEXT, or a refusal for which the
     * body need not come. Once before on_request, and before any of the body is collected in the
     * first filter of a location that needs one. May be NULL. */
    enum tg_verdict (*on_head)(struct tg_request *r, const void *conf);

    /* The request's head is there, and all of the body where the traits ask for it. Called again
     * after tg_resume() when it returned TG_WAIT. */
    enum tg_verdict (*on_request)(struct tg_request *r, const void *conf, void *state);

    /* The request's head goes upstream, now, and again when it is tried again: appends field lines
     * to `out`, behind the Host field whose value is `host`. False refuses the request, behind
     * tg_reply() or tg_fail(). May be NULL. */
    bool (*on_forward)(struct tg_request *r, struct tg_str host, struct tg_buf *out,
                       const void *conf, void *state);

    /* The upstream refused what the request was signed with, or so it may be: its answer's status
     * is 401 (RFC 9110 section 15.5.2), and the answer is there, or as much of it as is kept back;
     * none of it has gone to the client. Called before on_response; not with an answer of the
     * gateway's own. May be NULL: then it goes on as any other. */
    enum tg_refusal (*on_unauthorized)(struct tg_request *r, const struct tg_response *response,
                                       const void *conf, void *state);

    /* The upstream has answered in full, after on_request and before on_done; the last filter of
     * the location is the first one called. Not when the answer was the gateway's own or was cut
     * off. May be NULL. */
    void (*on_response)(struct tg_request *r, const struct tg_response *response, const void *conf,
                        void *state);

    /* Exactly once when on_request ran, whatever became of the exchange. May be NULL. */
    void (*on_done)(struct tg_request *r, const void *conf, void *state);

    /* Appends what was loaded, for -T: comment lines ("# ...\n"). May be NULL. */
    void (*on_dump)(const void *conf, struct tg_buf *out);

    /* Appends what was loaded for one location as members of a JSON object that is open, for the
     * admin page /policies. False when there is nothing to tell. May be NULL. */
    bool (*on_status)(const void *conf, struct tg_buf *out);

    /* Appends metrics about what was loaded, as Prometheus text (base/prometheus.h), for the
     * configurations of all locations that use the filter; also when none does. May be NULL. */
    void (*on_metrics)(const void *const *confs, unsigned nconfs, struct tg_buf *out);

    /* Asks `places` for the place of each rule among the counters and keeps it, for
     * tg_report_counts(). In the master, before workers start. May be NULL. */
    void (*on_places)(void *conf, const struct tg_rule_places *places);

    /* The revision of what was loaded beside the configuration (hex SHA-256), which lives as long
     * as `conf`: the audit log names it when a configuration comes into force. May be NULL. */
    struct tg_str (*on_revision)(const void *conf);
};

/* True when a filter with these traits runs once the body has been collected, false when it runs on
 * the head. */
static inline bool tg_traits_need_body(unsigned traits)
{
    return (traits & (TG_OF_DOCUMENT | TG_NEEDS_BODY)) != 0;
}

/* `return tg_reply(r, TG_E_..., "detail", "中文")`: refuse with a row of errors.h. The details may
 * be NULL: then the row's own text. They must live as long as the request, and tell nothing secret
 * of it: they stand in Proxy-Status, which others log, and in traces. */
enum tg_verdict tg_reply(struct tg_request *r, enum tg_error error, const char *detail,
                         const char *detail_zh);

/* `return tg_refuse(r)`: refuse with the violations of r->report (CHECKed: there is one). */
enum tg_verdict tg_refuse(struct tg_request *r);

/* `return tg_fail(r, "detail")`: the filter itself broke. */
enum tg_verdict tg_fail(struct tg_request *r, const char *detail);

/* `return tg_wait(r, "asking the key server", 500)`: why, for the log, and how long at most (ms, at
 * least 1). Whoever wakes the request keeps tg_request_handle() and calls tg_resume(). */
enum tg_verdict tg_wait(struct tg_request *r, const char *why, unsigned ms);

struct event_base;
struct tg_fetch;
struct tg_fetch_job;
struct tg_host;
struct tg_lookups;

/* Names a request to a callback that may come late. A stale one does nothing. */
struct tg_request_handle {
    const struct tg_host *host; /* NULL: of no request that could wait */
    uint32_t slot;
    uint32_t generation;
};

/* What runs the chain of a request, as filters see it (r->host; NULL on the command line). */
struct tg_host {
    struct event_base *loop; /* the worker's */
    struct tg_request_handle (*handle)(const struct tg_host *host, const struct tg_request *r);
    bool (*resume)(struct tg_request_handle handle);
    /* Sends a request of the gateway's own, and gives one up (chain/fetch.h). */
    struct tg_fetch_job *(*fetch)(const struct tg_host *host, const struct tg_fetch *fetch);
    void (*cancel)(struct tg_fetch_job *job);
    struct tg_lookups *lookups; /* what own requests found out (live/lookup.h); may be NULL */
};

/* The handle of a request; on the command line one that wakes nobody. */
struct tg_request_handle tg_request_handle(const struct tg_request *r);

/* Calls the waiting filter again. Returns false when the request is gone or does not wait. */
bool tg_resume(struct tg_request_handle handle);

/* The worker's event loop, for timers and sockets of a filter's own (libevent). NULL in `eval`. */
struct event_base *tg_request_loop(const struct tg_request *r);

/* Sets (or, with an empty value, removes) a field of the forwarded request. Strings are copied. */
void tg_request_set_field(struct tg_request *r, struct tg_str name, struct tg_str value);

/* --- the filters a process knows: built-in ones and modules --- */

enum { TG_MAX_FILTERS = 32 }; /* that one process can know */

/* The filters of a location in the order of the configuration, and the configuration of each. */
struct tg_filter_list {
    const struct tg_filter *at[TG_MAX_FILTERS];
    void *conf[TG_MAX_FILTERS];           /* set when the filter is loaded, */
    unsigned traits[TG_MAX_FILTERS];      /* and those that count then */
    unsigned char number[TG_MAX_FILTERS]; /* of each, tg_filter_index() */
    unsigned n;
    unsigned nhead;     /* of them, those before the first that needs the body */
    unsigned nidentify; /* of them, those up to the last that settles who calls */
};

/* Makes the built-in filters known, a list that ends with NULL (filters/table.h). Once in a
 * process, before the first configuration is loaded. */
void tg_filter_register(const struct tg_filter *const *builtin);

/* Number of known filters, and the i-th: built-in ones first, then loaded modules. */
unsigned tg_filter_count(void);
const struct tg_filter *tg_filter_at(unsigned i);

/* The index of a filter by name, or -1. */
int tg_filter_index(struct tg_str name);

/*
 * Loads a shared object that exports `const struct tg_filter tg_module_filter`. Returns NULL on
 * success, else why not (static or in `arena`): not found, no such symbol, another ABI number, a
 * name that is taken. Modules stay loaded until the process ends.
 */
const char *tg_filter_load_module(struct tg_arena *arena, const char *path);

#endif
