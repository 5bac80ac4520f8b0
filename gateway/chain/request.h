/*
 * One request as filters see it, without any socket: the gateway makes it from what a client sent,
 * the command line from a file. Everything in it lives in its arena (the exchange's lifetime).
 */
#ifndef TG_CHAIN_REQUEST_H
#define TG_CHAIN_REQUEST_H

#include "chain/report.h"
#include "http/fields.h"
#include "json/document.h"

#include <sys/types.h>

struct tg_host;
struct tg_live;
struct tg_before;
struct tg_signing_conf;
struct tg_user;

/* What the command line has in files in place of own requests; texts as services answer, empty: not
 * given. */
struct tg_given {
    struct tg_str catalogue;
    struct tg_str old;  /* the stored config; "null": it is known that there is none */
    struct tg_str user; /* whose token */
};
struct tg_trace;

/* What becomes of requests that are signed with AK and SK (directive `aksk`). */
enum tg_aksk { TG_AKSK_PRESERVE = 1, TG_AKSK_REFUSE, TG_AKSK_RESIGN };

/* A field a filter wants in the forwarded request; an empty value means: leave it out. */
struct tg_set_field {
    struct tg_field field;
    struct tg_set_field *next;
};

/* Where an answer came from: it was asked for, or kept, good or stale, or it is kept that there was
 * none. */
enum tg_span_cached { TG_SPAN_ASKED = 1, TG_SPAN_FRESH, TG_SPAN_STALE, TG_SPAN_FAILURE };

/* One look at what a request itself does not say: an own request, or what an earlier one found. */
struct tg_lookup_span {
    const char *what; /* "catalogue" */
    enum tg_span_cached cached;
    int status;        /* of the answer; 0: none */
    struct tg_str why; /* there was none of use; else empty */
    uint64_t us;       /* that the request waited */
    struct tg_lookup_span *next;
};

/* How the client proved who it is (contract section 6). */
enum tg_credentials {
    TG_CRED_NONE = 1,
    TG_CRED_TOKEN,  /* X-Auth-Token */
    TG_CRED_SIGNED, /* Authorization: SDK-..., V11-... */
    TG_CRED_BEARER, /* Authorization: Bearer */
    TG_CRED_OTHER,  /* any other Authorization */
};

/* By what a location that checks its callers (filter `verify`) knew one, or tried to. */
enum tg_auth_kind {
    TG_AUTH_NONE = 1, /* the request brings nothing that counts */
    TG_AUTH_AKSK,     /* a signature */
    TG_AUTH_TOKEN,    /* a token that goes on */
    TG_AUTH_TLS,      /* a client certificate */
    TG_AUTH_UNIX,     /* the process at the other end of a unix socket */
    TG_AUTH_KEY,      /* a local key */
    TG_AUTH_ANY,      /* nobody asked */
    TG_AUTH_KINDS,
};

/* The word of a kind, for records and metrics: "none", "aksk", ... */
const char *tg_auth_kind_text(enum tg_auth_kind kind);

/* The process at the other end of a unix socket, as the kernel knew it when it connected. */
struct tg_unix_peer {
    bool known; /* false: no unix socket, or a proxy's */
    uid_t uid;
    gid_t gid;
};

struct tg_request {
    struct tg_arena *arena;
    struct tg_str method;
    struct tg_str raw_target;      /* path and query as the client sent them */
    struct tg_str target;          /* path and query as they go upstream */
    struct tg_str path;            /* normalised, without query (target.h) */
    const char *odd_path;          /* what in it servers read in different ways, or NULL */
    const struct tg_field *fields; /* those that go on: without hop-by-hop ones */
    unsigned nfields;
    struct tg_str client_address; /* text, without port */
    struct tg_str tls_principal;  /* common name of the client's certificate; empty: none */
    struct tg_str tls_names;      /* its other names, "dns:NAME" and "uri:NAME", each with "\n" */
    struct tg_unix_peer peer;
    struct tg_str request_id;
    struct tg_str route;       /* the location's pattern */
    struct tg_str upstream;    /* the name of the location's upstream */
    struct tg_str project_id;  /* from the pattern, else what `verify` found; empty: none */
    struct tg_str config_name; /* the same */
    struct tg_str body_name;   /* how the body names the config, set by the json filter; empty: not
                                  at all, in more than one way, or by what is no name */
    enum tg_credentials credentials;
    struct tg_str access_key; /* AK of a signed request, else empty */
    struct tg_str principal;  /* who calls, as the audit log has it: the AK of a signed request,
                                 else "hmac-sha256:..." of the token; empty: no credentials */

    /* signatures; set by the location, then by the filters `verify` and `sign` */
    enum tg_aksk aksk;
    const struct tg_signing_conf *signing; /* NULL: the location has none */
    enum tg_auth_kind auth_kind;           /* 0: the location does not check callers */
    bool auth_verified;                    /* the principal was proved, not only claimed */
    const char *auth_algorithm;            /* of a signature; NULL: none was read */
    int64_t auth_skew_s;                   /* how far its time is behind the gateway's */
    unsigned auth_form;          /* how it departs from the documented form (signing/canonical.h) */
    bool resigned;               /* goes on under a signature of the gateway's */
    struct tg_str signed_key_id; /* whose, once it went */
    struct tg_str signed_credential; /* the name of it in the configuration */
    struct tg_str signed_date;       /* X-Sdk-Date of the last attempt */
    unsigned signed_attempts;

    /* SHA-256 of the body as it came, and as it goes; NULL until a filter has needed it. */
    const unsigned char *body_sha256;
    const unsigned char *forwarded_sha256;

    bool bodyless;      /* has no body and, by its method, needs none */
    struct tg_str body; /* as the client sent it, transfer coding removed */
    struct tg_doc *doc; /* made by the json filter; NULL before */
    uint32_t config;    /* the node of the config object in `doc`, set by the json filter */

    struct tg_live *live;           /* what other filters learned (live.h); NULL: nothing */
    struct tg_lookup_span *lookups; /* in the order they were told */
    const struct tg_user *user;     /* whose token it is (chain/user.h); NULL: not known */
    const struct tg_before *before; /* what stood there (chain/before.h); NULL: not known */
    const struct tg_given *given;   /* on the command line; NULL: nothing */

    uint64_t pattern_steps; /* that regular expressions may still take for this request */
    struct tg_set_field *set_fields;

    /* What a filter that returns TG_REPLY or TG_FAIL leaves (tg_reply(), tg_fail()). */
    enum tg_error error;
    unsigned retry_after;       /* seconds the client is told to wait; 0: the usual */
    struct tg_str error_detail; /* English, may be empty: then the table's text */
    struct tg_str error_detail_zh;

    /* What a filter that returns TG_WAIT leaves (tg_wait()). */
    const char *waiting; /* "asking the key server" */
    unsigned wait_ms;

    const struct tg_host *host;   /* what runs the chain (filter.h); NULL on the command line */
    const struct tg_trace *trace; /* who is told how it is judged (below); NULL: nobody */

    struct tg_report report; /* the last: its list of subjects is not cleared */
};

/* Starts a request: zeroed, with its report, but for the places behind the report's count. */
void tg_request_init(struct tg_request *r, struct tg_arena *arena);

/* The value of the first field of that name (any case), or a slice with p == NULL. */
struct tg_str tg_request_field(const struct tg_request *r, struct tg_str name);

/* The config's name: the path's, else the body's; empty when it is not known. */
static inline struct tg_str tg_request_config_name(const struct tg_request *r)
{
    return r->config_name.n > 0 ? r->config_name : r->body_name;
}

/*
 * Works out `credentials` and `access_key` from the fields. Returns NULL, or a static text that
 * says why it is not known who asks (contract section 6): an Authorization field that is malformed,
 * or a signature without exactly one access key of [A-Za-z0-9]+, or more than one kind of
 * credentials; `credentials` is then TG_CRED_NONE.
 */
const char *tg_request_identify(struct tg_request *r);

/* NULL, or a static text that names a field which an upstream might read otherwise than it is read
 * here: a second one where one counts, one that overrides method or path, one whose name is a known
 * one but for "_". */
const char *tg_request_ambiguity(const struct tg_request *r);

/* True for "X-" and words that say of a method or path that it is another one, in any case and with
 * "-" or "_" between them: the name of a field, or of a parameter that servers read as one. */
bool tg_request_is_override(struct tg_str name);

/* True when Accept-Language prefers Chinese to English (RFC 9110 section 12.5.4). */
bool tg_request_prefers_chinese(const struct tg_request *r);

/* The body as it goes upstream: client's bytes, or the edited document. */
struct tg_str tg_request_forwarded_body(const struct tg_request *r);

/*
 * Appends the API's error body (contract section 5) for a refused request: for the violations of
 * the report when it has any, else for r->error. `status` gets the HTTP status.
 */
void tg_request_answer(const struct tg_request *r, struct tg_buf *out, int *status);

/* --- tracing --- */

/*
 * What somebody who asked is told of how a request is judged: the location that was found, each
 * filter's verdict and time, each rule's result. Values of the body and credentials are never told,
 * only the places of values.
 */

/* Who listens to a request (r->trace; NULL: nobody). */
struct tg_trace {
    void (*line)(void *owner, const struct tg_request *r, struct tg_str text);
    void *owner;
};

/* Tells one fact about a request, as printf does. When nobody listens it costs a branch, and the
 * arguments are not evaluated. */
#define TG_TRACE(request, ...)                                                                     \
    do {                                                                                           \
        if ((request)->trace != NULL)                                                              \
            tg_trace_line(request, __VA_ARGS__);                                                   \
    } while (0)

/* The same, for TG_TRACE(): somebody listens. */
void tg_trace_line(const struct tg_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
