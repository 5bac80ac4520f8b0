/*
 * The loaded configuration as the gateway uses it: what the file came to, checked and ready.
 * Read-only after load; lives in one arena; several workers may hold the same one.
 */
#ifndef TG_SETTINGS_H
#define TG_SETTINGS_H

#include "audit/audit.h"
#include "base/address.h"
#include "base/crypto.h"
#include "base/log.h"
#include "chain/filter.h"
#include "config/conf.h"
#include "http/target.h"
#include "net/tls.h"
#include "shm/limit_asks.h"
#include "signing/signing.h"

#include <sys/socket.h>
#include <sys/types.h>

struct tg_audit_conf;

enum {
    TG_MAX_UPSTREAM_SERVERS = 64, /* servers of one upstream */
    TG_JUDGED_BODY_MAX = 1 << 20, /* bytes of a body that filters judge where
                                     client_max_body_size is 0 */
};

/* One `listen`. */
struct tg_listen {
    struct sockaddr_storage address;
    socklen_t address_len;
    const char *text; /* as written */
    const char *file; /* where it stands */
    unsigned line;
    unsigned mode; /* of a unix socket's file; 0: what the umask leaves */
    int fd;        /* opened by the worker or its master; -1 before */
    bool tls;
    bool proxy_protocol; /* a PROXY header comes first (proxy_protocol.h) */
    struct tg_listen *next;
};

/* One `server HOST:PORT` of an upstream. */
struct tg_upstream_server {
    const char *text;     /* as written: "host:port" or "host" */
    struct tg_str host;   /* without brackets */
    uint16_t port;        /* as written, else 443 with TLS, 80 without */
    bool literal;         /* host is an IP address */
    bool backup;          /* asked while no other is up */
    unsigned max_fails;   /* failures within fail_timeout after which it is passed over; 0: never */
    int64_t fail_timeout; /* and how long, microseconds */
    unsigned number;      /* in the servers' table, given by the master; 0: in none */
    struct tg_upstream_server *next;
};

/* `proxy` of an upstream: who makes the connections to its servers (RFC 9110 section 9.3.6). */
struct tg_proxy_conf {
    struct tg_upstream_server server; /* where it is; its `text` is "HOST:PORT" */
    bool tls;                         /* it is spoken TLS with */
    struct tg_str ca;                 /* file its certificate is checked by; empty: the system's */
    struct tg_tls_context *tls_context; /* made at load; NULL without `tls` */
    struct tg_str authorization;        /* "Basic ...", a secret; NUL-terminated; empty: none */
};

/* upstream NAME { } */
struct tg_upstream_conf {
    struct tg_str name;
    const char *file; /* where it stands */
    unsigned line;
    struct tg_upstream_server *servers;
    unsigned nservers;
    bool tls;
    struct tg_tls_client_conf tls_conf;
    struct tg_str host; /* Host to send; empty: the server's host (and port if not the default) */
    const struct tg_conf_item *accept_host; /* its arguments are the names that a signed request may
                                               have in Host; NULL: those of `host` and `server` */
    int64_t keepalive;                      /* idle connections kept per worker */
    int64_t keepalive_timeout;              /* microseconds, as all times */
    int64_t keepalive_requests;
    int64_t connect_timeout; /* name resolution, TCP and TLS together */
    int64_t send_timeout;
    int64_t read_timeout;
    int64_t max_connections;             /* per worker; 0: no limit */
    int64_t max_pending;                 /* requests that wait for one of them */
    int64_t max_retries;                 /* requests that are tried again at one time */
    int64_t resolve_valid;               /* how long a resolved address is used again */
    const struct tg_conf_item *proxy_at; /* where `proxy` stands; NULL: nowhere */
    struct tg_proxy_conf *proxy;         /* NULL: its servers are connected to */
    struct tg_str proxy_user_file;       /* empty: the proxy wants no user */
    struct tg_str proxy_tls_ca;          /* empty: the system's */
    struct tg_tls_context *tls_context;  /* made at load */
    struct tg_upstream_conf *next;
};

enum tg_forwarded { TG_FORWARDED_OFF = 1, TG_FORWARDED_XFF, TG_FORWARDED_RFC7239 };

enum tg_limit_headers { TG_LIMIT_HEADERS_OFF = 1, TG_LIMIT_HEADERS_DRAFT };

/* client_keys NAME { } */
struct tg_client_keys_conf {
    struct tg_str name;
    const struct tg_conf_item *item;
    struct tg_str file;
    int64_t clock_skew;
    int forms; /* 1: those of the SDKs too, 2: the documented one alone */
    bool unsigned_payload;
    struct tg_client_keys *keys; /* owned; NULL when read offline */
    struct tg_signing_locks *locks;
    struct tg_client_keys_conf *next;
};

/* The authorities the keeper checks certificates by where none are named. */
#define TG_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

/* credential NAME { } */
struct tg_credential_conf {
    struct tg_str name;
    const struct tg_conf_item *item;
    struct tg_source_conf source;
    struct tg_str project_id;
    struct tg_str endpoint; /* URL of the service that is asked; empty: the usual one */
    struct tg_str host;     /* its host without brackets; empty: nobody is asked */
    uint16_t port;
    struct tg_str tls_ca;              /* file of the authorities its certificate is checked by */
    const struct tg_proxy_conf *proxy; /* of an upstream it signs for; NULL: it is asked directly */
    int number;                        /* in the map */
    struct tg_credential_conf *next;
};

enum {
    TG_LIMIT_STORE_SERVERS = 8,
    TG_LIMIT_STORE_RULES = TG_LIMIT_TABLES - 1 /* each has a table of its own in the map */
};

/* One `server` of a limit_store. */
struct tg_limit_store_server {
    const char *text;   /* as written */
    struct tg_str host; /* without brackets */
    uint16_t port;
    struct tg_str path; /* of a unix socket; empty: none */
    unsigned number;    /* from 0 */
    struct tg_limit_store_server *next;
};

/* limit_store NAME { } */
struct tg_limit_store_conf {
    struct tg_str name;
    const struct tg_conf_item *item;
    struct tg_limit_store_server *servers; /* in the order written */
    bool tls;
    struct tg_tls_client_conf tls_conf;
    struct tg_tls_context *tls_context; /* made at load; NULL: no TLS */
    struct tg_str user;
    struct tg_str password_file;
    struct tg_str password; /* what is in it; empty: none */
    struct tg_str key_file;
    int64_t sync;
    int64_t lease;
    struct tg_limit_share share;
    char fleet[2 * TG_LIMIT_DIGEST + 1]; /* names who shares this key file, in the store */
    const struct tg_limit_rule *rules[TG_LIMIT_STORE_RULES]; /* each id once */
    unsigned nrules;
    struct tg_limit_store_conf *next;
};

/* location [METHOD] PATTERN { } */
struct tg_location {
    struct tg_str method; /* empty: any */
    struct tg_str
        pattern; /* as written, e.g. /v1/{project_id}/training-job-configs/{config_name} */
    struct tg_target_pattern prepared; /* the same, to be matched */
    struct tg_str skeleton;            /* the same, to be resembled (target.h) */
    int project_id;                    /* which of the pattern's {name}s that is, or -1 */
    int config_name;
    const char *file;
    unsigned line;
    struct tg_filter_list filters;
    unsigned nloaded;                  /* filters whose on_load ran, for tg_settings_end() */
    bool judges;                       /* one of its filters judges requests or their bodies */
    void *filter_conf[TG_MAX_FILTERS]; /* by tg_filter_index(), for every known filter */
    struct tg_upstream_conf *upstream;
    const struct tg_conf_item *proxy_pass; /* where the upstream is named */
    int64_t client_max_body_size;
    int forwarded; /* enum tg_forwarded */
    bool via;
    int aksk;                               /* enum tg_aksk */
    struct tg_signing_conf signing;         /* all zero where nothing is verified or signed */
    const struct tg_conf_item *aksk_keys;   /* where `aksk resign` names the keys, or NULL */
    const struct tg_conf_item *sign;        /* where the credential is named, or NULL */
    const struct tg_conf_item *callers_at;  /* where `callers` stands, or NULL */
    struct tg_callers *callers;             /* what it says; shared by the locations inside */
    const struct tg_conf_item *accept_host; /* its arguments are names of the gateway, or NULL */
    struct tg_limit_rule limits[TG_MAX_LIMITS];
    const struct tg_conf_item *limits_at[TG_MAX_LIMITS]; /* where each stands */
    unsigned nlimits;
    int limit_headers;        /* enum tg_limit_headers */
    unsigned stats_route;     /* its number in the counters, given by the master */
    struct tg_location *next; /* in the order written */
};

struct tg_server_conf {
    struct tg_listen *listens;
    struct tg_location *locations;
    int64_t client_header_timeout;
    int64_t client_body_timeout;
    int64_t client_body_min_rate;   /* bytes per second; 0: any */
    int64_t client_header_max_size; /* whole head, bytes */
    int64_t client_max_fields;
    int64_t send_timeout;
    int64_t keepalive_timeout;
    int64_t keepalive_requests;
    int64_t keepalive_time; /* 0: any */
    int64_t lingering_timeout;
    struct tg_tls_server_conf tls_conf;
    struct tg_tls_server *tls_server; /* made at load; NULL: no TLS */
    struct tg_limit_rule limit_conn;  /* `most` 0: none */
    struct tg_server_conf *next;
};

/* One `debug_request`. */
struct tg_debug_request {
    int subject;                     /* what its values are, from 1: address, project, id */
    const struct tg_conf_item *item; /* its values are the arguments from the second on */
    struct tg_network *networks;     /* they as networks, for `address` */
    struct tg_debug_request *next;
};

/* `reload_on_change`; times in microseconds. */
struct tg_reload_on_change {
    bool on;
    int64_t quiet; /* how long nothing may have changed */
    int64_t most;  /* and the most to wait for that */
};

enum tg_affinity { TG_AFFINITY_OFF = 1, TG_AFFINITY_AUTO };

struct tg_settings {
    struct tg_arena arena; /* everything below lives in it */
    const char *file;
    const struct tg_conf_item *tree;  /* for -T */
    bool offline;                     /* read by tg_settings_offline() */
    char revision[TG_SHA256_HEX + 1]; /* tg_settings_revision() before it was read; "" offline */
    enum tg_audit_asker asked_by;     /* who wanted it in force; of a reload set by the master */
    int64_t worker_processes;         /* 0: auto */
    int64_t worker_connections;
    int64_t worker_body_memory;  /* bytes; 0: any */
    int64_t lookup_concurrency;  /* own requests at once, of one worker */
    int64_t lookup_max_size;     /* of an answer to one, bytes */
    int64_t lookup_cache_size;   /* what one worker keeps of them, bytes */
    int worker_cpu_affinity;     /* enum tg_affinity */
    int64_t audit_timeout;       /* how long an answer waits for its record (blocking) */
    int64_t worker_hang_timeout; /* 0: a loop that stands still is never ended */
    int64_t shutdown_timeout;    /* how long a drain may take */
    struct tg_reload_on_change reload_on_change;
    bool daemon;
    struct tg_str error_log; /* file, or "stderr" */
    int error_log_level;     /* enum tg_log_level */
    bool error_log_json;
    const struct tg_conf_item *error_log_at; /* where it stands; NULL: nowhere */
    struct tg_str pid;
    struct tg_str user; /* whom workers become; empty: they stay who they are */
    uid_t uid;          /* of user */
    gid_t gid;
    struct tg_debug_request *debug_requests;
    bool sandbox;
    int64_t tls_ticket_rotation;
    struct tg_ticket_key ticket_keys[TG_TICKET_KEYS]; /* of `tls_ticket_key_file` */
    unsigned nticket_keys;                            /* 0: none, the gateway draws its own */
    int64_t ticket_key_modified;    /* when the file of the first was written, seconds since 1970 */
    struct tg_ticket_keys *tickets; /* set by the master before workers start; may be NULL */
    struct tg_audit_conf *audit_conf;
    struct tg_listen *admin_listens;        /* admin { listen ... } */
    const struct tg_conf_item *admin_names; /* its `server_name`: the arguments; NULL: none */
    struct tg_str admin_token;              /* what is in its token_file; empty: none */
    struct tg_upstream_conf *upstreams;
    struct tg_client_keys_conf *client_keys;
    struct tg_credential_conf *credentials;
    struct tg_credential_map *credential_map; /* their keys; NULL without `credential` */
    struct tg_limit_store_conf *limit_stores;
    struct tg_limit_channels limit_channels; /* opened by the master before workers start */
    struct tg_server_conf *servers;
};

/*
 * Loads a configuration file: parse, apply, check (unknown upstreams, filter order, certificates,
 * CA files, policies, log files). `prefix` as in tg_conf_init(). All problems are printed to
 * standard error as nginx prints them ("trainguard: [emerg] ..."). Returns NULL after an error; the
 * caller ends the result with tg_settings_end().
 */
struct tg_settings *tg_settings_load(const char *file, const char *prefix);

/*
 * The revision of a configuration as it stands in its files: hex SHA-256 over its words, in order,
 * and the bytes of all regular files its arguments name but logs, the pid file and sources of
 * credentials; of one too large to be read, over its identity and times. Nothing is understood or
 * run. What cannot be read does not count; with mistakes of grammar, the identities of the files
 * do.
 */
void tg_settings_revision(const char *file, const char *prefix, char out[TG_SHA256_HEX + 1]);

/* How the files of a configuration stand: two that have the same of both are the same files, with
 * the same bytes, whatever was there in between. */
struct tg_settings_state {
    char revision[TG_SHA256_HEX + 1];
    char identity[TG_SHA256_HEX + 1]; /* hex SHA-256 over inodes and times */
};

/* The revision and which files it is of. Tells `on_name` (NULL: nobody) of each file and pattern by
 * its name before it looks, be it there or not, also of arguments that name none. */
void tg_settings_state(const char *file, const char *prefix,
                       void (*on_name)(void *owner, const char *name), void *owner,
                       struct tg_settings_state *out);

/*
 * The revisions of what filters loaded beside the configuration, each once, in the order of the
 * locations. They lie in `arena`, or live as long as the settings.
 */
struct tg_str *tg_settings_loaded(const struct tg_settings *s, struct tg_arena *arena, unsigned *n);

enum { TG_SHORT_REVISION = 12 }; /* hex digits by which gateways are compared */

/* The beginnings of the revisions of a configuration and its policies; of several of these that of
 * SHA-256 over them all; empty: none. */
void tg_settings_short_revisions(const struct tg_settings *s, char config[TG_SHORT_REVISION + 1],
                                 char policies[TG_SHORT_REVISION + 1]);

struct tg_policy_bundle;

enum { TG_SETTINGS_BUNDLES = 64 }; /* signed sets of policies that are told apart */

/* They in one line: with commas between what is of several; empty: none is signed. */
struct tg_settings_signed {
    struct tg_str revisions;
    struct tg_str signers; /* ids of keys */
    struct tg_str expires; /* the last day of the first that ends, YYYY-MM-DD */
    int64_t expires_at;    /* the second behind it, since 1970; 0: none */
};

/* What is signed, in texts of the arena. */
struct tg_settings_signed tg_settings_signed(const struct tg_settings *s, struct tg_arena *arena);

/* False, with a line in `problems` for each, when signed policies may not follow those that are in
 * force (tg_policy_bundle_refused()). */
bool tg_settings_may_follow(struct tg_settings *s, const struct tg_settings *before,
                            struct tg_buf *problems);

/* tg_settings_load() with the problems appended to `problems` instead, one line each: "[emerg]
 * ...\n" or
 * "[warn] ...\n". With warnings alone the result is there. */
struct tg_settings *tg_settings_read(const char *file, const char *prefix, struct tg_buf *problems);

/* Prints such lines to standard error as nginx does: "trainguard: [emerg] ...". */
void tg_settings_print(const struct tg_buf *problems);

/*
 * The same for the command line: nothing is opened that only a running gateway needs (audit log, CA
 * files), so that a configuration can be used where it does not run. `text` is read instead of a
 * file when its p is not NULL; `file` is then its name in messages.
 */
struct tg_settings *tg_settings_offline(const char *file, struct tg_str text, const char *prefix,
                                        struct tg_buf *problems);

/*
 * A location like `base` with the directives of `text` on top, as if they stood inside it; "" gives
 * an equal one. It lives and is unloaded with the settings but is never routed to. Problems as in
 * tg_settings_read(); returns NULL after an error.
 */
const struct tg_location *tg_settings_derive(struct tg_settings *s, const struct tg_location *base,
                                             struct tg_str text, struct tg_buf *problems);

/* True when only this machine can connect: loopback, or a unix socket. */
bool tg_listen_is_local(const struct tg_listen *l);

/* The place of a filter among those that know of each other, from 0; UINT_MAX for any other. They
 * stand in a location in this order. */
unsigned tg_settings_filter_place(struct tg_str name);

/* The file of the error log, or NULL: standard error. */
const char *tg_settings_error_log(const struct tg_settings *s);

/* Whom the gateway's files may belong to besides root: the user workers become, else who we are. */
uid_t tg_settings_user(const struct tg_settings *s);

/* The folder of a file with its '/', so that what stands beside a configuration is found; on the
 * heap, the caller's. */
char *tg_settings_folder(const char *file);

/* True when one of a list asks for lines about a request, which was routed. */
bool tg_debug_request_wants(const struct tg_debug_request *list, const struct tg_request *r);

/* Whether processes that are made of this one get the secrets of clients' keys with its memory. */
void tg_settings_inherit_keys(const struct tg_settings *s, bool on);

/* Unloads the filters and frees all memory. NULL is fine. */
void tg_settings_end(struct tg_settings *s);

/* Wipes and frees what only workers and the admin process need, secrets first of all: clients'
 * keys, keys and certificates of TLS. For the keeper. */
void tg_settings_keep_credentials(struct tg_settings *s);

/* Wipes what only the syncer needs: passwords of stores of limits, their TLS. */
void tg_limit_stores_forget(struct tg_settings *s);

/* Ends what the stores hold, names of keys among it. */
void tg_limit_stores_end(struct tg_settings *s);

/* Opens the channels over which `workers` ask the syncer, when a store decides about each request
 * of some limit. False after a problem. */
bool tg_limit_stores_open(struct tg_settings *s, unsigned workers, struct tg_buf *problems);

/* The whole reference page of directives (core tables, then each filter's), as Markdown. */
void tg_settings_reference(struct tg_buf *out);

/* The configuration as text, secrets masked (-T). */
void tg_settings_dump(const struct tg_settings *s, struct tg_buf *out);

/* True when what only resembles the pattern of a location is refused. All that goes to "/" and is
 * judged on the head is judged there, however it is spelt. */
static inline bool tg_location_guards(const struct tg_location *l)
{
    return l->filters.n > l->filters.nhead || (l->judges && l->pattern.n > 1);
}

/* True when bodies for a location are collected, since a filter looks into them. */
static inline bool tg_location_collects(const struct tg_location *l)
{
    return l->filters.n > l->filters.nhead;
}

/* The most bytes a request body for a location may have; 0: any. Judged bodies are always bounded.
 */
static inline uint64_t tg_location_body_most(const struct tg_location *l)
{
    if (l->client_max_body_size == 0 && tg_location_collects(l))
        return TG_JUDGED_BODY_MAX;
    return (uint64_t)l->client_max_body_size;
}

/* True when a signed request for this upstream may name `host` (as sent): one of `accept_host`, or
 * of the upstream's own names; a port that is not named there must be the usual one. */
bool tg_upstream_conf_accepts_host(const struct tg_upstream_conf *u, struct tg_str host);

/* Why there is no location. */
struct tg_no_route {
    bool wrong_method;       /* patterns match, but no method does */
    struct tg_str resembled; /* the guarded pattern that the path resembles, or empty */
    const char *ambiguous; /* what of a request for a guarded pattern can be read in another way */
};

/*
 * The location for a method and a normalised path (target.h): the first one whose pattern and
 * method match; else NULL, and *why tells more. A request that changes something and whose path
 * only resembles the pattern of a location with filters (tg_target_resembles()) has no location: an
 * upstream may be more lenient about it. Fills route, project_id and config_name of `r` from the
 * pattern; both slices of the latter point into r->path.
 */
const struct tg_location *tg_settings_route(const struct tg_server_conf *s, struct tg_request *r,
                                            struct tg_no_route *why);

/* Tells whoever traces a request what tg_settings_route() came to: `l`, or NULL and why. */
void tg_location_trace(const struct tg_location *l, const struct tg_request *r,
                       const struct tg_no_route *why);

#endif
