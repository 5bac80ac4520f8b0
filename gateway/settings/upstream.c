/* The block "upstream": its directives, and what only the whole block shows. */
#include "net/tls.h"
#include "settings/internal.h"
#include "settings/rows.h"

#include <stddef.h>

#define UPSTREAM(member) .offset = offsetof(struct tg_upstream_conf, member)

const struct tg_directive tg_upstream_directives[] = {
    {.name = "server",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_upstream_server,
     .repeat = true,
     .min_args = 1,
     .max_args = 4,
     .syntax = "HOST[:PORT] [max_fails=NUMBER] [fail_timeout=TIME] [backup]",
     .help = "Name or address of the endpoint; without a port 443, or 80 when `tls` is off. "
             "Several take turns; a request goes to the next one when it could not be connected "
             "to. After `max_fails` (1) failures within `fail_timeout` (10s) a server is passed "
             "over for as long, by all workers; 0 never. A `backup` is asked while all others are "
             "passed over or "
             "could not be connected to. All names are resolved again after `resolve_valid`; one "
             "that ends with a dot is absolute, and no search list counts."},
    {.name = "tls",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_FLAG,
     UPSTREAM(tls),
     .fallback = "on",
     .help = "Speaks TLS (1.2 or newer) to the endpoint."},
    {.name = "host",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_host,
     UPSTREAM(host),
     .syntax = "NAME[:PORT]",
     .help = "Value of the `Host` field sent to the endpoint; without it the host of `server`, "
             "and its port if that is not the usual one."},
    {.name = "accept_host",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .set = tg_set_accept_host,
     UPSTREAM(accept_host),
     .syntax = "NAME[:PORT] ...",
     .help = "Hosts that signed requests may name; without it those of `host` and `server`."},
    {.name = "keepalive",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_NUMBER,
     RANGE(0, 10000),
     UPSTREAM(keepalive),
     .fallback = "32",
     .help = "How many idle connections one worker keeps to this upstream; 0 keeps none."},
    {.name = "keepalive_timeout",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_TIME,
     RANGE(SECOND, DAY),
     UPSTREAM(keepalive_timeout),
     .fallback = "60s",
     .help = "How long an idle connection to the upstream is kept."},
    {.name = "keepalive_requests",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_NUMBER,
     RANGE(1, 1000000000),
     UPSTREAM(keepalive_requests),
     .fallback = "1000",
     .help = "How many requests go over one connection to the upstream before it is closed."},
    {.name = "connect_timeout",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_TIME,
     RANGE(MS, 10 * MINUTE),
     UPSTREAM(connect_timeout),
     .fallback = "3s",
     .help = "How long name resolution, TCP and TLS may take together."},
    {.name = "send_timeout",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_TIME,
     RANGE(MS, DAY),
     UPSTREAM(send_timeout),
     .fallback = "60s",
     .help = "How long the upstream may take nothing of a request between two writes."},
    {.name = "read_timeout",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_TIME,
     RANGE(MS, DAY),
     UPSTREAM(read_timeout),
     .fallback = "60s",
     .help = "How long the upstream may send nothing between two reads of its answer."},
    {.name = "max_connections",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_NUMBER,
     RANGE(0, 1000000),
     UPSTREAM(max_connections),
     .fallback = "0",
     .help = "How many connections one worker has to this upstream at once; 0: no limit. Requests "
             "beyond it wait, at most `connect_timeout`."},
    {.name = "max_pending",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_NUMBER,
     RANGE(0, 1000000),
     UPSTREAM(max_pending),
     .fallback = "128",
     .help = "How many requests of one worker may wait for a connection; more are refused at once "
             "(503)."},
    {.name = "max_retries",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_NUMBER,
     RANGE(0, 1000000),
     UPSTREAM(max_retries),
     .fallback = "16",
     .help = "How many requests of one worker may be tried again at the same time, so that an "
             "endpoint in trouble is not asked twice as often; 0 never tries again."},
    {.name = "resolve_valid",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_TIME,
     RANGE(0, DAY),
     UPSTREAM(resolve_valid),
     .fallback = "30s",
     .help = "How long a resolved address is used again without asking; 0 asks each time. Where a "
             "record has a shorter time to live, that counts, but at least one second. "
             "/etc/resolv.conf and /etc/hosts are read each time, and three quarters of "
             "`connect_timeout` are there for the answer."},
    {.name = "proxy",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_proxy,
     .syntax = "http://HOST[:PORT] | https://HOST[:PORT] | off",
     .help =
         "The forward proxy that connections to the endpoint go through (CONNECT): it gets the "
         "name of `server` unresolved, and TLS to the endpoint goes on inside the tunnel, with "
         "the same checks. Requests of the gateway's own go through it too: look-ups, and those "
         "to IAM for a `credential` that signs for this upstream; never those to addresses of "
         "the machine or its link. It has three quarters of `connect_timeout` to make a tunnel, "
         "and what it does wrong counts in no server's `max_fails`. `https_proxy` and the like "
         "in the environment do nothing."},
    {.name = "proxy_user_file",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_PATH,
     UPSTREAM(proxy_user_file),
     .help =
         "File with `USER:PASSWORD` for the proxy (Basic). Private, as a key; a reload reads it "
         "again."},
    {.name = "proxy_tls_ca",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_PATH,
     UPSTREAM(proxy_tls_ca),
     .help = "PEM file with the authorities that an `https://` proxy's certificate is checked by; "
             "without it the system's."},
    {.name = NULL},
};

/* What only the whole block shows. The place for everything a start would find out about an
 * upstream: endpoint, ports, certificates. */
static bool check_upstream(struct tg_conf *c, const struct tg_conf_item *item,
                           struct tg_upstream_conf *u, bool offline)
{
    unsigned backups = 0;

    if (u->servers == NULL) {
        tg_conf_error(c, item, "upstream \"%s\" has no \"server\"", u->name.p);
        return false;
    }
    for (struct tg_upstream_server *o = u->servers; o != NULL; o = o->next) {
        backups += o->backup;
        if (o->port == 0)
            o->port = u->tls ? 443 : 80;
    }
    if (backups == u->nservers) {
        tg_conf_error(c, item, "upstream \"%s\" has no \"server\" but \"backup\" ones", u->name.p);
        return false;
    }
    if (u->tls && !u->tls_conf.verify)
        tg_conf_warn(c, item, "upstream \"%s\" is not verified, anyone can pose as it", u->name.p);
    if (!u->tls)
        tg_warn_without_tls(c, item->children, "beside \"tls off\"");
    return tg_proxy_finish(c, item, u, offline) &&
           (!u->tls || offline || tg_make_tls_client(c, item, &u->tls_conf, &u->tls_context));
}

/* The upstream of that name, or NULL. */
static struct tg_upstream_conf *find_conf(const struct tg_settings *s, struct tg_str name)
{
    for (struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        if (tg_str_eq(u->name, name))
            return u;
    return NULL;
}

struct tg_upstream_conf *tg_find_upstream(struct tg_conf *c, const struct tg_settings *s,
                                          const struct tg_conf_item *item)
{
    struct tg_str name = item->args[1];
    struct tg_upstream_conf *found = find_conf(s, name);
    const char **names;
    size_t n = 0;

    if (found != NULL)
        return found;
    if (memmem(name.p, name.n, "://", 3) != NULL) {
        tg_conf_error(c, item,
                      "\"%s\" takes the name of an upstream, such as \"api\" of \"upstream api { "
                      "server HOST; }\", got \"%s\"",
                      item->args[0].p, name.p);
        return NULL;
    }
    if (s->upstreams == NULL) {
        tg_conf_error(c, item,
                      "there is no upstream \"%s\", write \"upstream %s { server HOST; }\"", name.p,
                      name.p);
        return NULL;
    }
    for (const struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (const struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        names[n++] = u->name.p;
    tg_conf_unknown(c, item, "upstream", name, names);
    return NULL;
}

bool tg_set_upstream(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    struct tg_settings *s = target;
    struct tg_upstream_conf *u = tg_arena_zalloc(c->arena, 1, sizeof(*u));
    const struct tg_conf_table tables[] = {{tg_upstream_directives, u},
                                           {tg_tls_client_directives, &u->tls_conf}};
    const struct tg_upstream_conf *twin = find_conf(s, item->args[1]);
    struct tg_upstream_conf **last = &s->upstreams;

    (void)d;
    u->name = item->args[1];
    u->tls_conf.plain_hint = "is \"tls off\" meant?";
    u->file = item->file;
    u->line = item->line;
    while (*last != NULL)
        last = &(*last)->next;
    *last = u;
    if (u->name.n == 0) {
        tg_conf_error(c, item, "an upstream needs a name that is not empty");
        return false;
    }
    if (twin != NULL) {
        tg_conf_error(c, item, "upstream \"%s\" stands in %s:%u already, and again", u->name.p,
                      twin->file, twin->line);
        return false;
    }
    for (unsigned i = 0; i < 2; i++)
        tg_conf_defaults(c, TG_IN_UPSTREAM, &tables[i]);
    return tg_conf_apply(c, TG_IN_UPSTREAM, item->children, tables, 2) &&
           check_upstream(c, item, u, s->offline);
}
