/*
 * The core's directives, one row each. Times are microseconds, sizes bytes; defaults and bounds are
 * nginx's where it has the directive and nothing speaks against it.
 */
#include "settings/internal.h"
#include "settings/rows.h"

#include <stddef.h>

/* A server's timeouts and limits may also stand outside, for all servers; a location's likewise. */
enum {
    SERVERS = TG_IN_MAIN | TG_IN_SERVER,
    LOCATIONS = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION
};

#define MAIN(member)     .offset = offsetof(struct tg_settings, member)
#define SERVER(member)   .offset = offsetof(struct tg_server_conf, member)
#define LOCATION(member) .offset = offsetof(struct tg_location, member)

static const char *const affinity_words[] = {
    [TG_AFFINITY_OFF - 1] = "off",
    [TG_AFFINITY_AUTO - 1] = "auto",
    NULL,
};

const struct tg_directive tg_main_directives[] = {
    {.name = "client_keys",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = tg_set_client_keys,
     .syntax = "NAME { ... }",
     .help = "Keys that clients sign with, for `aksk resign NAME`."},
    {.name = "credential",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = tg_set_credential,
     .syntax = "NAME { ... }",
     .help = "A key of the gateway's own, for `sign NAME`."},
    {.name = "limit_store",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = tg_set_limit_store,
     .syntax = "NAME { ... }",
     .help = "A store in which several gateways count together, for limits with `shared=NAME`."},
    {.name = "worker_processes",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_workers,
     RANGE(1, 512),
     MAIN(worker_processes),
     .fallback = "auto",
     .syntax = "NUMBER | auto",
     .help = "How many workers share the work, 1 to 512; `auto` starts one per processor."},
    {.name = "worker_connections",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_NUMBER,
     RANGE(16, 1048576),
     MAIN(worker_connections),
     .fallback = "1024",
     .help = "How many client connections one worker holds open at once. When they are all in use, "
             "those that linger or are beyond `limit_conn` are closed, then the oldest that have "
             "sent part of a request, then idle ones, then those whose body does not come or whose "
             "answer is not taken; else new ones wait in the kernel's queue."},
    {.name = "worker_body_memory",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_SIZE,
     RANGE(0, INT64_C(1) << 40),
     MAIN(worker_body_memory),
     .fallback = "256m",
     .help =
         "How much memory the request bodies of one worker may take together: what is "
         "collected, what filters made of it, what waits to be sent. Beyond it the largest body "
         "that is still being collected is answered 503; 0: no limit. At least as much as "
         "`client_max_body_size` where filters look into bodies."},
    {.name = "lookup_concurrency",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_NUMBER,
     RANGE(1, 1000),
     MAIN(lookup_concurrency),
     .fallback = "16",
     .help = "How many requests of its own (`identify`, `catalogue`, `current`) one worker has on "
             "their way at once; others wait, as many as the upstream's `max_pending`."},
    {.name = "lookup_max_size",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_SIZE,
     RANGE(KB, 64 * MB),
     MAIN(lookup_max_size),
     .fallback = "1m",
     .help = "How large the answer to one of the gateway's own requests may be. It counts in "
             "`worker_body_memory` while it comes."},
    {.name = "lookup_cache_size",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_SIZE,
     RANGE(64 * KB, 1024 * MB),
     MAIN(lookup_cache_size),
     .fallback = "16m",
     .help = "How much one worker keeps of what its own requests found out. Beyond it what was "
             "not used for longest goes."},
    {.name = "worker_cpu_affinity",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_ENUM,
     MAIN(worker_cpu_affinity),
     .words = affinity_words,
     .fallback = "off",
     .help = "`auto` binds each worker to one processor, in turn."},
    {.name = "shutdown_timeout",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_TIME,
     RANGE(SECOND, 7 * DAY),
     MAIN(shutdown_timeout),
     .fallback = "1h",
     .help = "How long the workers of an earlier configuration may take to finish their requests; "
             "what is under way then is cut off, with a record."},
    {.name = "worker_hang_timeout",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_TIME,
     RANGE(0, HOUR),
     MAIN(worker_hang_timeout),
     .fallback = "30s",
     .help = "A worker whose event loop has not turned for so long, in a loop of a module for "
             "example, is killed and replaced, and the log names what it was doing; 0 never. A "
             "machine that stood still does not count."},
    {.name = "audit_timeout",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_TIME,
     RANGE(SECOND, DAY),
     MAIN(audit_timeout),
     .fallback = "30s",
     .help = "How long an answer waits when its record cannot be written (`mode=blocking`, a full "
             "disk). Then its client is cut off; the record stays queued and is written when there "
             "is room."},
    {.name = "reload_on_change",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_reload_on_change,
     .min_args = 1,
     .max_args = 3,
     RANGE(SECOND / 100, HOUR),
     MAIN(reload_on_change),
     .fallback = "off",
     .syntax = "on [quiet=TIME] [most=TIME] | off",
     .help = "Loads the configuration again, as a reload does, when the bytes of one of its files "
             "have changed (policies, tables, certificates, keys). Their folders are watched, "
             "Kubernetes' swap of `..data` too, and compared each minute. It waits until nothing "
             "has happened for `quiet` (1s), for `most` (10s) at the most. What cannot be loaded "
             "is tried again, less and less often, and whenever it changes."},
    {.name = "daemon",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_FLAG,
     MAIN(daemon),
     .fallback = "off",
     .help = "Goes into the background once the workers serve. Not for containers and systemd."},
    {.name = "error_log",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_error_log,
     .min_args = 1,
     .max_args = 3,
     .fallback = "stderr notice",
     .syntax = "FILE | stderr [emerg | alert | crit | error | warn | notice | info | debug] "
               "[format=text | format=json]",
     .help = "Where the gateway writes what happens to it, and from which level on; without a "
             "level: `error`. With `format=json` each line is an object with `time`, `level`, "
             "`pid`, `unit` and `message`. What is said before the configuration is read is text."},
    {.name = "debug_request",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_debug_request,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "address ADDRESS[/BITS]... | project ID... | id REQUEST_ID...",
     .help = "Requests of which the error log tells, whatever its level, how they are judged: the "
             "location that was found, the verdict and time of each filter, the result of each "
             "rule. Several may stand; one that holds is enough. Values of bodies and credentials "
             "are never told. With `error_log FILE debug` it is told of all requests."},
    {.name = "pid",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_PATH,
     MAIN(pid),
     .help = "The file that holds the master's process id. Without it no such file is written."},
    {.name = "user",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_user,
     .min_args = 1,
     .max_args = 2,
     .syntax = "NAME [GROUP]",
     .help = "Whom workers become when the gateway is started by root; the group is the user's own "
             "unless another one is named. The user must be able to write the audit log."},
    {.name = "sandbox",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_FLAG,
     MAIN(sandbox),
     .fallback = "on",
     .help = "Workers give up what they do not need before they serve: capabilities, new "
             "privileges, all files but the logs, authorities and what of /etc their user may read "
             "(Landlock; names are looked up in files there that others replace), and system calls "
             "they have no use for (seccomp). No process "
             "dumps core. What the kernel does not have is said in the log."},
    {.name = "tls_ticket_rotation",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_TIME,
     RANGE(SECOND, 7 * DAY),
     MAIN(tls_ticket_rotation),
     .fallback = "12h",
     .help = "How long one key seals the session tickets of TLS clients. A ticket is taken until "
             "the key after its own has aged too; a reload makes a new key at once."},
    {.name = "tls_ticket_key_file",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_ticket_keys,
     .min_args = 1,
     .max_args = TG_TICKET_KEYS,
     .syntax = "FILE ...",
     .help = "Keys for session tickets that several gateways share: 80 bytes each, as nginx has "
             "them (`openssl rand 80`). The first seals, all open. They do not age by themselves: "
             "put a new one before the others at least each week. Private, as any key."},
    {.name = "load_module",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_module,
     .repeat = true,
     .syntax = "FILE",
     .help = "Loads a filter that was built outside the tree. It may be used anywhere in the "
             "configuration, also before this line."},
    {.name = "admin",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_admin,
     .block = true,
     .max_args = TG_CONF_NO_ARGS,
     .help = "Where the gateway can be asked about itself."},
    {.name = "upstream",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_upstream,
     .block = true,
     .repeat = true,
     .syntax = "NAME",
     .help = "An API endpoint that `proxy_pass` can name."},
    {.name = "server",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_server,
     .block = true,
     .repeat = true,
     .max_args = TG_CONF_NO_ARGS,
     .help = "Addresses clients connect to, and the locations behind them."},
    {.name = NULL},
};

static const char *const verify_words[] = {
    [TG_VERIFY_OFF - 1] = "off",
    [TG_VERIFY_ON - 1] = "on",
    [TG_VERIFY_OPTIONAL - 1] = "optional",
    NULL,
};

const struct tg_directive tg_server_directives[] = {
    {.name = "listen",
     .contexts = TG_IN_SERVER,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_listen,
     .repeat = true,
     .min_args = 1,
     .max_args = 4,
     SERVER(listens),
     .syntax = "ADDRESS:PORT | [IPV6]:PORT | PORT | unix:PATH [mode=OCTAL] [tls] [proxy_protocol]",
     .help = "An address clients connect to. A port alone means all IPv4 addresses of the machine, "
             "port 0 a free one. `tls`: clients speak TLS. `proxy_protocol`: each connection "
             "begins with a PROXY header (version 1 or 2), whose address counts as the client's: "
             "only the load balancer may be able to connect."},
    {.name = "tls_certificate",
     .contexts = TG_IN_SERVER,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_tls_file,
     .repeat = true,
     SERVER(tls_conf.certificates),
     .syntax = "FILE",
     .help = "PEM file with a certificate and the chain behind it. Several may stand, each with "
             "its `tls_certificate_key`; a client gets the first one that is made out to the name "
             "it asks for (SNI), else the first. A reload reads them again."},
    {.name = "tls_certificate_key",
     .contexts = TG_IN_SERVER,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_tls_file,
     .repeat = true,
     SERVER(tls_conf.keys),
     .syntax = "FILE",
     .help = "PEM file with the private key of the `tls_certificate` in the same place of the "
             "order, without a pass phrase."},
    {.name = "tls_stapling_file",
     .contexts = TG_IN_SERVER,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_tls_file,
     .repeat = true,
     SERVER(tls_conf.staples),
     .syntax = "FILE",
     .help =
         "DER file with the OCSP response about a `tls_certificate`, as `openssl ocsp -respout` "
         "writes it. It goes out with the certificate to clients that ask, until it expires; a "
         "reload reads a newer one. Several may stand, one for each certificate."},
    {.name = "tls_protocols",
     .contexts = SERVERS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_protocols,
     .min_args = 1,
     .max_args = 2,
     SERVER(tls_conf.protocols),
     .fallback = "TLSv1.2 TLSv1.3",
     .syntax = "[TLSv1.2] [TLSv1.3]",
     .help = "The versions of TLS that clients may speak."},
    {.name = "tls_verify_client",
     .contexts = SERVERS,
     .kind = TG_CONF_ENUM,
     SERVER(tls_conf.verify_client),
     .words = verify_words,
     .fallback = "off",
     .help = "Whether clients show a certificate of an authority in `tls_client_ca`. With "
             "`optional` they may do without one, but not with a bad one. The common name is "
             "known to policies and the audit log."},
    {.name = "tls_client_ca",
     .contexts = SERVERS,
     .kind = TG_CONF_PATH,
     SERVER(tls_conf.client_ca),
     .help = "PEM file with the authorities that vouch for clients."},
    {.name = "tls_client_crl",
     .contexts = SERVERS,
     .kind = TG_CONF_PATH,
     SERVER(tls_conf.client_crl),
     .help = "PEM file with the revocation lists of all authorities of clients' chains, for "
             "`tls_verify_client`. Certificates on it, and those of an authority without a list or "
             "with one that is out of date, are refused. A reload reads it again; sessions from "
             "before it do not resume then."},
    {.name = "client_header_timeout",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(MS, HOUR),
     SERVER(client_header_timeout),
     .fallback = "60s",
     .help = "How long the whole head of a request may take to arrive (408)."},
    {.name = "client_body_timeout",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(MS, DAY),
     SERVER(client_body_timeout),
     .fallback = "60s",
     .help = "How long a client may send nothing between two reads of its body (408)."},
    {.name = "client_body_min_rate",
     .contexts = SERVERS,
     .kind = TG_CONF_SIZE,
     RANGE(0, 1024 * MB),
     SERVER(client_body_min_rate),
     .fallback = "100",
     .help = "How many bytes of its body a client must send in a second on average, beside one "
             "`client_body_timeout` for the whole of it (408). Time in which the upstream takes "
             "nothing does not count. 0: any rate will do."},
    {.name = "client_header_max_size",
     .contexts = SERVERS,
     .kind = TG_CONF_SIZE,
     RANGE(KB, MB),
     SERVER(client_header_max_size),
     .fallback = "128k",
     .help = "Size of the whole head of a request, request line included (431). ModelArts tokens "
             "alone have several kilobytes."},
    {.name = "client_max_fields",
     .contexts = SERVERS,
     .kind = TG_CONF_NUMBER,
     RANGE(1, 200),
     SERVER(client_max_fields),
     .fallback = "100",
     .help = "Number of header fields of a request (431)."},
    {.name = "send_timeout",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(MS, DAY),
     SERVER(send_timeout),
     .fallback = "60s",
     .help = "How long a client may take nothing of its answer between two writes."},
    {.name = "keepalive_timeout",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(0, DAY),
     SERVER(keepalive_timeout),
     .fallback = "75s",
     .help = "How long a client's idle connection is kept; 0 closes it after each answer."},
    {.name = "keepalive_requests",
     .contexts = SERVERS,
     .kind = TG_CONF_NUMBER,
     RANGE(1, 1000000000),
     SERVER(keepalive_requests),
     .fallback = "1000",
     .help = "How many requests a client may send over one connection."},
    {.name = "keepalive_time",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(0, 7 * DAY),
     SERVER(keepalive_time),
     .fallback = "1h",
     .help = "How old a client's connection may become, less up to a tenth at random: the first "
             "answer after it is the last, so that clients spread over new gateways; 0: any age."},
    {.name = "lingering_timeout",
     .contexts = SERVERS,
     .kind = TG_CONF_TIME,
     RANGE(0, 10 * MINUTE),
     SERVER(lingering_timeout),
     .fallback = "5s",
     .help = "How long the rest of a refused request is read and dropped, so that the client gets "
             "to see the answer; 0 closes at once."},
    {.name = "limit_conn",
     .contexts = SERVERS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_limit_conn,
     .min_args = 1,
     .max_args = 3,
     .syntax = "NUMBER [name=NAME] [dry_run]",
     .help =
         "How many connections one client address may use at once, of all workers together "
         "(429). A connection counts from its start on, one beyond the limit gives way first when "
         "connections run out."},
    {.name = "location",
     .contexts = TG_IN_SERVER,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_location,
     .block = true,
     .repeat = true,
     .min_args = 1,
     .max_args = 2,
     .syntax = "[METHOD] PATTERN",
     .help = "What happens to requests for a path. A pattern with `{name}` segments matches a "
             "whole path, one without matches what lies below it too. The first location that "
             "matches is taken, so the narrow ones stand before the wide ones. The segments "
             "`{project_id}` and `{config_name}` are what policies and the audit log know by these "
             "names."},
    {.name = NULL},
};

static const char *const forwarded_words[] = {
    [TG_FORWARDED_OFF - 1] = "off",
    [TG_FORWARDED_XFF - 1] = "x-forwarded-for",
    [TG_FORWARDED_RFC7239 - 1] = "forwarded",
    NULL,
};

static const char *const limit_headers_words[] = {
    [TG_LIMIT_HEADERS_OFF - 1] = "off",
    [TG_LIMIT_HEADERS_DRAFT - 1] = "draft",
    NULL,
};

const struct tg_directive tg_location_directives[] = {
    {.name = "filters",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_filters,
     .min_args = 1,
     .max_args = TG_MAX_FILTERS,
     .syntax = "NAME...",
     .help =
         "The filters a request goes through, in this order. Those before the first one that looks "
         "into the body run on the head alone; where none does, bodies stream."},
    {.name = "proxy_pass",
     .contexts = TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_proxy_pass,
     .syntax = "UPSTREAM",
     .help = "The upstream that gets the requests. Every location has one."},
    {.name = "client_max_body_size",
     .contexts = LOCATIONS,
     .kind = TG_CONF_SIZE,
     RANGE(0, 1024 * 1024 * MB),
     LOCATION(client_max_body_size),
     .fallback = "0",
     .help =
         "Largest request body (413). `0`: one megabyte where filters look into the body, no limit "
         "where it only passes through."},
    {.name = "forwarded",
     .contexts = LOCATIONS,
     .kind = TG_CONF_ENUM,
     LOCATION(forwarded),
     .words = forwarded_words,
     .fallback = "off",
     .help = "Tells the upstream the client's address, in `X-Forwarded-For` or in `Forwarded` "
             "(RFC 7239)."},
    {.name = "aksk",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_aksk,
     .min_args = 1,
     .max_args = 2,
     .fallback = "preserve",
     .syntax = "preserve | refuse | resign KEYS",
     .help = "What becomes of requests that are signed with AK and SK. preserve: forwarded as they "
             "are, refused when they need a change, which would break the signature. refuse: none "
             "is accepted. resign: only requests signed with one of the `client_keys` are "
             "accepted, and signed anew with the key of `sign` after the changes."},
    {.name = "sign",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_sign,
     .syntax = "CREDENTIAL",
     .help = "The gateway's own key that the filter `sign` signs with."},
    {.name = "callers",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_callers,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "[tls NAME...] [unix uid=N[,gid=N]...] [key KEYS] [token] [any]",
     .help = "Who may use the gateway's own key without a signature of theirs, for the filter "
             "`verify`; nobody unless it is said. tls: a verified client certificate with this "
             "common name, or `dns:NAME` or `uri:NAME` among its other names. unix: a process of "
             "this user or group at a unix socket. key: a local key of these `client_keys`, sent "
             "as `Authorization: Bearer` or `X-Trainguard-Key`. token: who sends an "
             "`X-Auth-Token`, which goes on as it is, unsigned. any: everybody who reaches the "
             "listener."},
    {.name = "accept_host",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .set = tg_set_accept_host,
     LOCATION(accept_host),
     .syntax = "NAME[:PORT] ...",
     .help = "Names of the gateway that `callers` may ask for, beside addresses and localhost: "
             "any other would be a web page's that had its name resolved to this machine."},
    {.name = "limit_req",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_limit,
     .repeat = true,
     .min_args = 2,
     .max_args = 7,
     .syntax = "project | principal | user | address rate=NUMBER/s | rate=NUMBER/m [burst=NUMBER] "
               "[shared=STORE [exact]] [name=NAME] [dry_run]",
     .help =
         "How often requests may come from one project, principal, user or client address, to all "
         "workers together (429 with `Retry-After`). `burst` more than the rate may come at "
         "once. With `shared` the rate is that of all gateways with this `limit_store` together: "
         "each judges by what it knows, tells the store what passed and is told what passed "
         "elsewhere, so that no request waits; what passes beyond the rate within one `sync` is "
         "made up for afterwards. With `exact` the store decides about each request, which waits "
         "for its answer, at most its `timeout`. `name` is what answers, records and metrics call "
         "the limit; "
         "limits of one name "
         "and key share their counts. With `dry_run` nothing is refused, but counted, logged "
         "and recorded. Limits of outer blocks hold too. What goes by project and address is "
         "charged before the body comes, what goes by principal or user once that is known: in "
         "a location with the filter `verify` only when the signature holds. `user` is whose "
         "token it is, however many tokens that may be (filter `identify`); a caller whom the "
         "identity service does not name counts by its principal. A request is charged by all "
         "limits of such a step, or by none."},
    {.name = "limit_in_flight",
     .contexts = LOCATIONS,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_limit,
     .repeat = true,
     .min_args = 2,
     .max_args = 5,
     .syntax = "project | principal | user | address NUMBER [shared=STORE] [name=NAME] [dry_run]",
     .help =
         "How many requests of one project, principal, user or client address may be under way at "
         "once, in all workers together (429). With `shared`, in all gateways with this "
         "`limit_store` together: each request waits for the store's answer, at most its "
         "`timeout`, and what a gateway that died had under way counts until its `lease` ends. "
         "`name` and the rest as with `limit_req`."},
    {.name = "limit_headers",
     .contexts = LOCATIONS,
     .kind = TG_CONF_ENUM,
     LOCATION(limit_headers),
     .words = limit_headers_words,
     .fallback = "off",
     .help = "With `draft`, answers tell the limits of the request and what is left of them in "
             "`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-12), but "
             "for those with `dry_run`. What is left may be gone when the next request comes."},
    {.name = "via",
     .contexts = LOCATIONS,
     .kind = TG_CONF_FLAG,
     LOCATION(via),
     .fallback = "off",
     .help = "Adds a `Via` field (RFC 9110 section 7.6.3) to forwarded requests."},
    {.name = NULL},
};
