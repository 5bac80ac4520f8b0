/*
 * What the settings_*.c share among themselves: the tables of the core's directives, their setters,
 * and the scope a setter works in. Nothing else includes it.
 */
#ifndef TG_SETTINGS_INTERNAL_H
#define TG_SETTINGS_INTERNAL_H

#include "settings/settings.h"

/*
 * What directives write into while a block is applied; tg_conf.owner points to it. `server` and
 * `location` are templates outside their own block: an inner block starts as a copy of them. Lives
 * on the stack of whoever applies the block.
 */
struct tg_scope {
    uint32_t magic; /* TG_SCOPE_MAGIC */
    struct tg_settings *settings;
    struct tg_server_conf *server;
    struct tg_location *location;
};

#define TG_SCOPE_MAGIC 0x53434f50U

/* --- tables (directives.c) --- */

extern const struct tg_directive tg_main_directives[];
extern const struct tg_directive tg_admin_directives[];
extern const struct tg_directive tg_server_directives[];
extern const struct tg_directive tg_location_directives[];

/* The places of the core's tables, the audit log's among them, in tg_conf.known. */
enum {
    TG_ROWS_MAIN,
    TG_ROWS_ADMIN,
    TG_ROWS_AUDIT,
    TG_ROWS_UPSTREAM,
    TG_ROWS_TLS_CLIENT,
    TG_ROWS_SERVER,
    TG_ROWS_LOCATION,
    TG_ROWS_CLIENT_KEYS,
    TG_ROWS_KEY_FILE,
    TG_ROWS_KEY,
    TG_ROWS_CREDENTIAL,
    TG_ROWS_LIMIT_STORE,
    TG_CORE_TABLES
};

/* What does the job of nginx's directives that have another name here (nginx_hints.c). */
extern const struct tg_conf_hint tg_nginx_directives[];

/* Rows of all tables: the core's, then those of each known filter that has some. NULL-terminated.
 */
void tg_settings_tables(const struct tg_directive *out[TG_CORE_TABLES + TG_MAX_FILTERS + 1]);

/* --- setters of values (values.c); messages say what each takes --- */

tg_conf_setter tg_set_workers; /* auto | NUMBER, into an int64_t, 0 for auto */
tg_conf_setter
    tg_set_reload_on_change;     /* on | off [quiet=TIME] [most=TIME], into struct tg_settings */
tg_conf_setter tg_set_error_log; /* FILE [LEVEL], into struct tg_settings */

/* Opens the error log and closes it again, once the user is known: what fails now would fail at the
 * start. */
void tg_check_error_log(struct tg_conf *c, const struct tg_settings *s);

tg_conf_setter tg_set_user;   /* NAME [GROUP], looked up, into struct tg_settings */
tg_conf_setter tg_set_module; /* FILE; loads it */
tg_conf_setter tg_set_listen; /* appends to a list of struct tg_listen at the row's offset */
tg_conf_setter tg_set_upstream_server; /* HOST[:PORT], appends to struct tg_upstream_conf */
tg_conf_setter tg_set_accept_host;     /* NAME[:PORT]..., into struct tg_upstream_conf */
/* Reads HOST, HOST:PORT or [IPv6]:PORT into host (a slice of `text`), port (0: none) and literal.
 * False when it is none of them. */
bool tg_read_server(struct tg_str text, struct tg_upstream_server *o);

tg_conf_setter tg_set_host; /* a host name or address with or without port, into a tg_str */

/* --- tracing (debug.c) --- */

tg_conf_setter tg_set_debug_request; /* appends to struct tg_settings */

/* --- upstreams (upstream.c) --- */

extern const struct tg_directive tg_upstream_directives[];

tg_conf_setter tg_set_upstream; /* NAME { ... }, appends to the list in struct tg_settings */

/* --- forward proxies (proxy.c) --- */

tg_conf_setter tg_set_proxy; /* URL or off, into struct tg_upstream_conf */

/* Checks what stands beside `proxy` and, unless `offline`, reads its files. False after a problem.
 */
bool tg_proxy_finish(struct tg_conf *c, const struct tg_conf_item *item, struct tg_upstream_conf *u,
                     bool offline);

/* --- finding upstreams (upstream.c) --- */

/* True for a text of letters, digits, '.', '-', '_' and what `more` allows beside them, of 1 to 253
 * bytes. */
bool tg_is_host(struct tg_str text, const char *more);

/* --- the admin block (admin.c) --- */

tg_conf_setter tg_set_admin;
tg_conf_setter tg_set_admin_names; /* NAME..., into struct tg_settings */
tg_conf_setter tg_set_token_file;  /* FILE, read, into struct tg_settings */

/* --- TLS of a server (tls.c) --- */

tg_conf_setter
    tg_set_tls_file; /* FILE, appends to a list of struct tg_tls_file at the row's offset */
tg_conf_setter tg_set_ticket_keys; /* FILE..., read, into struct tg_settings */
tg_conf_setter tg_set_protocols;   /* TLSv1.2 and TLSv1.3, bits into an int */

/* Checks the TLS directives of a whole server block against each other and, unless `offline`, loads
 * the files. False after a problem. */
bool tg_server_tls(struct tg_conf *c, const struct tg_conf_item *item,
                   struct tg_server_conf *server, bool offline);

/* Warns of each "tls_..." directive of a block that speaks no TLS: it "does nothing WHY". */
void tg_warn_without_tls(struct tg_conf *c, const struct tg_conf_item *items, const char *why);

/* --- TLS of the gateway's own connections (tls_client.c) --- */

extern const struct tg_directive tg_tls_client_directives[]; /* of struct tg_tls_client_conf */

/* Makes what the connections of a block share, *out, from its directives; `item` is the block, with
 * its name. Warns of a key that is not private. False, with *out NULL, after a problem. */
bool tg_make_tls_client(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_tls_client_conf *conf, struct tg_tls_context **out);

/* --- files with secrets (secrets.c) --- */

/*
 * Reads the secret in a private file (tg_file_read_private()), without the line ends behind it,
 * into *out in the configuration's arena. `fault` says what is wrong with a secret, as the second
 * half of a sentence, or NULL. False after a problem, told as `directive` PATH: WHY.
 */
bool tg_read_secret(struct tg_conf *c, const struct tg_conf_item *item, const char *directive,
                    struct tg_str path, const char *(*fault)(struct tg_str secret),
                    struct tg_str *out);

/* Warns of a file with a key that others than the gateway and root can read or change
 * (tg_file_why_not_private()). A file that cannot be read is left to whoever needs it. */
void tg_warn_not_private(struct tg_conf *c, const struct tg_conf_item *item, const char *directive,
                         struct tg_str path);

/* --- setters of limits (limits.c) --- */

tg_conf_setter tg_set_limit;      /* limit_req, limit_in_flight, into struct tg_location */
tg_conf_setter tg_set_limit_conn; /* NUMBER [dry_run], into struct tg_server_conf */

/* --- signatures (signing.c) --- */

extern const struct tg_directive tg_client_keys_directives[];

tg_conf_setter tg_set_client_keys;
tg_conf_setter tg_set_aksk;
tg_conf_setter tg_set_sign;

/* What the names in a location of a server mean, once all blocks are known; checks what belongs
 * together. Records problems. */
void tg_signing_resolve(struct tg_conf *c, struct tg_settings *s, const struct tg_server_conf *v,
                        struct tg_location *l);

/* The block of that name; NULL, and a problem at `item`, when there is none. */
const struct tg_client_keys_conf *tg_find_client_keys(struct tg_conf *c,
                                                      const struct tg_settings *s,
                                                      const struct tg_conf_item *item,
                                                      struct tg_str name);

/* --- callers (callers.c) --- */

tg_conf_setter tg_set_callers;

/* Resolves what `callers` of a location names, and checks that such callers can come at all.
 * Records problems. */
void tg_callers_resolve(struct tg_conf *c, const struct tg_settings *s,
                        const struct tg_server_conf *v, struct tg_location *l);

/* The upstream that the first argument of a directive names; else NULL and a problem (upstream.c).
 */
struct tg_upstream_conf *tg_find_upstream(struct tg_conf *c, const struct tg_settings *s,
                                          const struct tg_conf_item *item);

/* False, and a problem, when a location's filters do not stand in the order in which one uses what
 * another found (live.c). */
bool tg_filters_in_order(struct tg_conf *c, const struct tg_conf_item *item,
                         const struct tg_location *l);

/* Completes what the location's look-ups need, and warns of what they cannot know (live.c). */
void tg_live_resolve(struct tg_conf *c, const struct tg_settings *s, const struct tg_location *l);

/* Ends clients' keys. */
void tg_signing_end(struct tg_settings *s);

/* --- the gateway's own keys (credentials.c) --- */

extern const struct tg_directive tg_credential_directives[];

tg_conf_setter tg_set_credential;

/* Reads the keys of files and the environment: when all is applied, and it is known who the gateway
 * becomes. What is wrong is recorded. */
void tg_credentials_read(struct tg_conf *c, struct tg_settings *s);

/* The credential of that name, or NULL. */
const struct tg_credential_conf *tg_credential_find(const struct tg_settings *s,
                                                    struct tg_str name);

/* A location signs with that credential (nothing when there is none of the name) for an upstream
 * behind `proxy`, which may be NULL: IAM is asked through the first such proxy. Services of the
 * machine or its link are never asked through one. */
void tg_credential_lend_proxy(struct tg_settings *s, struct tg_str name,
                              const struct tg_proxy_conf *proxy);

/* --- stores of limits (limit_stores.c) --- */

extern const struct tg_directive tg_limit_store_directives[];

tg_conf_setter tg_set_limit_store;

/* Finds the stores that the limits of a location name, once all blocks are known, and notes their
 * rules there. Records problems. */
void tg_limit_stores_resolve(struct tg_conf *c, const struct tg_settings *s, struct tg_location *l);

/* Warns of stores that nothing uses. */
void tg_limit_stores_check(struct tg_conf *c, const struct tg_settings *s);

/* --- setters of blocks (blocks.c) --- */

tg_conf_setter tg_set_server;
tg_conf_setter tg_set_location;
tg_conf_setter tg_set_proxy_pass; /* NAME; looked up when all upstreams are known */

/*
 * Applies the main block with the defaults of every table, then checks what only the whole shows:
 * a server is there, addresses differ, upstreams are known. Records problems.
 */
void tg_settings_apply(struct tg_conf *c, struct tg_settings *s);

/* --- locations (route.c) --- */

/* Takes the method and pattern of a location from its item's arguments. False after a problem. */
bool tg_location_name(struct tg_conf *c, const struct tg_conf_item *item, struct tg_location *l);

/* True when every request for `later` would go to `earlier`, which stands before it. */
bool tg_location_covers(const struct tg_location *earlier, const struct tg_location *later);

/* --- filters of a location (filters.c) --- */

tg_conf_setter tg_set_filters; /* NAME..., checked against the filters' traits */

/* Zeroed configuration for every known filter, with the defaults of its rows. */
void tg_filters_defaults(struct tg_conf *c, struct tg_location *l);

/* Gives `l`, a copy of an outer block's template, its own copies of the filters' configuration. */
void tg_filters_inherit(struct tg_conf *c, struct tg_location *l);

/* Puts the tables of all known filters, with their configuration in `l`, behind each other from
 * `out` on; returns how many (at most TG_MAX_FILTERS). */
unsigned tg_filters_tables(const struct tg_location *l, struct tg_conf_table *out);

/* Warns of directives in the location's block whose filter the location does not use, then calls
 * on_load of those it uses. Records problems. */
void tg_filters_load(struct tg_conf *c, const struct tg_conf_item *item, struct tg_location *l);

/* Calls on_unload of every filter whose on_load ran. */
void tg_filters_unload(struct tg_location *l);

#endif
