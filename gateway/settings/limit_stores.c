/* The block "limit_store": where limits are counted for several gateways together. */
#include "audit/conf.h"
#include "base/check.h"
#include "net/tls.h"
#include "settings/internal.h"
#include "settings/rows.h"

#include <errno.h>
#include <stddef.h>
#include <sys/un.h>

#define STORE(member) .offset = offsetof(struct tg_limit_store_conf, member)

enum {
    REDIS_PORT = 6379,
    KEY_LEAST = 16,
    SECRET_MOST = 512,
};

static const char *const on_error_words[] = {
    [TG_LIMIT_ON_ERROR_LOCAL - 1] = "local",
    [TG_LIMIT_ON_ERROR_PASS - 1] = "pass",
    [TG_LIMIT_ON_ERROR_DENY - 1] = "deny",
    NULL,
};

/* --- directives --- */

/* HOST, HOST:PORT or unix:PATH. */
static bool read_place(struct tg_conf *c, const struct tg_conf_item *item,
                       struct tg_limit_store_server *o)
{
    struct tg_upstream_server at = {.port = 0};
    struct tg_str text = item->args[1];

    if (tg_str_starts(text, TG_STR("unix:")) && text.n > 5) {
        o->path = tg_conf_path(c, tg_str_skip(text, 5));
        if (o->path.n < sizeof(((struct sockaddr_un *)0)->sun_path))
            return true;
    } else if (tg_read_server(text, &at)) {
        o->host = tg_arena_dup(c->arena, at.host);
        o->port = at.port != 0 ? at.port : REDIS_PORT;
        return true;
    }
    tg_conf_error(c, item, "\"server\" takes HOST, HOST:PORT or unix:PATH, got \"%s\"", text.p);
    return false;
}

static bool set_server(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_limit_store_conf *s = target;
    struct tg_limit_store_server *o = tg_arena_zalloc(c->arena, 1, sizeof(*o));
    struct tg_limit_store_server **last = &s->servers;

    (void)d;
    o->text = item->args[1].p;
    while (*last != NULL) {
        o->number = (*last)->number + 1;
        last = &(*last)->next;
    }
    *last = o;
    if (o->number < TG_LIMIT_STORE_SERVERS)
        return read_place(c, item, o);
    tg_conf_error(c, item, "more than %d servers of one \"limit_store\"", TG_LIMIT_STORE_SERVERS);
    return false;
}

const struct tg_directive tg_limit_store_directives[] = {
    {.name = "server",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_CUSTOM,
     .set = set_server,
     .repeat = true,
     .syntax = "HOST[:PORT] | unix:PATH",
     .help = "A Redis server, of version 7 or newer; without a port 6379. Of several, the first "
             "that says it is master is spoken with."},
    {.name = "tls",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_FLAG,
     STORE(tls),
     .fallback = "off",
     .help = "Speaks TLS (1.2 or newer) to the servers. Their certificates are always checked."},
    {.name = "user",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_STRING,
     STORE(user),
     .fallback = "default",
     .syntax = "NAME",
     .help = "The user of the servers' ACL."},
    {.name = "password_file",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     STORE(password_file),
     .help = "File with the user's password, readable by the gateway alone. Without it nobody "
             "logs in."},
    {.name = "key_file",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     STORE(key_file),
     .help = "File with a secret of 16 bytes or more, the same for all gateways that share the "
             "limits and readable by them alone. What limits count by is known to the servers as "
             "HMAC under it: no access key, project or address stands there."},
    {.name = "sync",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_TIME,
     RANGE(10 * MS, 10 * SECOND),
     STORE(sync),
     .fallback = "100ms",
     .help = "How often the servers are told what has passed, and tell what has passed elsewhere. "
             "For keys that have used up half of their burst it is 10ms."},
    {.name = "timeout",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_TIME,
     RANGE(MS, 10 * SECOND),
     STORE(share.timeout),
     .fallback = "50ms",
     .help = "How long an answer may take, also for requests that wait for one. After one that is "
             "late the store counts as away until it has answered again on another connection."},
    {.name = "lease",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_TIME,
     RANGE(SECOND, 10 * MINUTE),
     STORE(lease),
     .fallback = "3s",
     .help = "How long a gateway that says nothing counts as alive, and holds what it has in "
             "flight."},
    {.name = "on_error",
     .contexts = TG_IN_LIMIT_STORE,
     .kind = TG_CONF_ENUM,
     STORE(share.on_error),
     .words = on_error_words,
     .fallback = "local",
     .help = "What holds while the store is away. local: each gateway counts for itself, with its "
             "part of the number: that divided by the gateways that lived when it was last told, "
             "at least 1. pass: nothing is refused. deny: requests under a shared limit are "
             "refused (503)."},
    {.name = NULL},
};

/* --- the block --- */

static const char *length_fault(struct tg_str secret, size_t least)
{
    return secret.n < least || secret.n > SECRET_MOST ? "it has too few bytes, or too many" : NULL;
}

static const char *password_fault(struct tg_str password)
{
    return length_fault(password, 1);
}

static const char *key_fault(struct tg_str key)
{
    return length_fault(key, KEY_LEAST);
}

static bool limit_stores_read_key(struct tg_conf *c, struct tg_limit_store_conf *s)
{
    const struct tg_str parts[] = {TG_STR("fleet"), s->name};
    unsigned char digest[TG_SHA256];
    struct tg_str key;

    if (!tg_read_secret(c, s->item, "key_file", s->key_file, key_fault, &key))
        return false;
    s->share.hash = tg_hash_new(key);
    tg_wipe((void *)(uintptr_t)key.p, key.n);
    tg_hash_hmac(s->share.hash, parts, 2, digest);
    tg_hex(digest, TG_LIMIT_DIGEST, s->fleet);
    return true;
}

static bool is_alone(const struct tg_limit_store_conf *s)
{
    for (const struct tg_limit_store_server *o = s->servers; o != NULL; o = o->next)
        if (o->path.n == 0 && !tg_str_starts(o->host, TG_STR("127.")) &&
            !tg_str_eq(o->host, TG_STR("::1")) && !tg_str_eq(o->host, TG_STR("localhost")))
            return false;
    return true;
}

/* What only the whole block shows; files are read unless `offline`. */
static bool check(struct tg_conf *c, struct tg_limit_store_conf *s, bool offline)
{
    const char *missing = s->servers == NULL ? "server" : s->key_file.n == 0 ? "key_file" : NULL;

    if (missing != NULL) {
        tg_conf_error(c, s->item, "limit_store \"%s\" has no \"%s\"", s->name.p, missing);
        return false;
    }
    if (s->password_file.n == 0 && !tg_str_eq(s->user, TG_STR("default"))) {
        tg_conf_error(c, s->item, "limit_store \"%s\": \"user %s\" needs a \"password_file\"",
                      s->name.p, s->user.p);
        return false;
    }
    if (s->share.timeout >= s->lease) {
        tg_conf_error(c, s->item, "limit_store \"%s\": \"timeout\" is to be shorter than \"lease\"",
                      s->name.p);
        return false;
    }
    if (!s->tls)
        tg_warn_without_tls(c, s->item->children, "beside \"tls off\"");
    if (!s->tls && s->password_file.n > 0 && !is_alone(s))
        tg_conf_warn(c, s->item,
                     "limit_store \"%s\": its password goes in the clear, \"tls on\" "
                     "hides it",
                     s->name.p);
    return offline || ((s->password_file.n == 0 ||
                        tg_read_secret(c, s->item, "password_file", s->password_file,
                                       password_fault, &s->password)) &&
                       limit_stores_read_key(c, s) &&
                       (!s->tls || tg_make_tls_client(c, s->item, &s->tls_conf, &s->tls_context)));
}

static struct tg_limit_store_conf *limit_stores_find(const struct tg_settings *s,
                                                     struct tg_str name)
{
    struct tg_limit_store_conf *store = s->limit_stores;

    while (store != NULL && !tg_str_eq(store->name, name))
        store = store->next;
    return store;
}

bool tg_set_limit_store(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct tg_settings *settings = target;
    struct tg_limit_store_conf *s = tg_arena_zalloc(c->arena, 1, sizeof(*s));
    const struct tg_conf_table tables[] = {{tg_limit_store_directives, s},
                                           {tg_tls_client_directives, &s->tls_conf}};
    unsigned n = 0;

    (void)d;
    for (const struct tg_limit_store_conf *e = settings->limit_stores; e != NULL; e = e->next)
        n++;
    if (tg_str_eq(item->args[1], TG_STR("local"))) {
        tg_conf_error(c, item, "\"local\" is what records and metrics call this gateway's counts");
        return false;
    }
    if (item->args[1].n == 0 || item->args[1].n >= TG_LIMIT_NAME ||
        limit_stores_find(settings, item->args[1]) != NULL || n == TG_LIMIT_STORES) {
        tg_conf_error(c, item,
                      "each of at most %d stores of limits has a name of its own, of at most %d "
                      "bytes, got \"%s\"",
                      TG_LIMIT_STORES, TG_LIMIT_NAME - 1, item->args[1].p);
        return false;
    }
    s->name = item->args[1];
    s->share.name = s->name.p;
    s->item = item;
    s->next = settings->limit_stores;
    settings->limit_stores = s;
    s->tls_conf.verify = true;
    tg_conf_defaults(c, TG_IN_LIMIT_STORE, &tables[0]);
    return tg_conf_apply(c, TG_IN_LIMIT_STORE, item->children, tables, 2) &&
           check(c, s, settings->offline);
}

/* --- the limits that name a store --- */

static void unknown_store(struct tg_conf *c, const struct tg_settings *s,
                          const struct tg_conf_item *item, const char *name)
{
    const char *names[TG_LIMIT_STORES + 1];
    unsigned n = 0;

    if (s->limit_stores == NULL) {
        tg_conf_error(c, item,
                      "there is no limit_store \"%s\", write \"limit_store %s { server HOST; "
                      "key_file FILE; }\"; it stands",
                      name, name);
        return;
    }
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        names[n++] = e->name.p;
    names[n] = NULL;
    tg_conf_unknown(c, item, "limit_store", tg_str_of(name), names);
}

static bool is_named(const struct tg_limit_rule *rule)
{
    return rule->label == rule->name;
}

/* Without a name, all limits of one directive and key would be one count. */
static bool is_ambiguous(struct tg_conf *c, const struct tg_conf_item *item,
                         const struct tg_limit_store_conf *s, const struct tg_limit_rule *rule)
{
    for (unsigned i = 0; i < s->nrules && !is_named(rule); i++) {
        const struct tg_limit_rule *other = s->rules[i];

        if (is_named(other) || other->kind != rule->kind || other->key != rule->key)
            continue;
        tg_conf_error(c, item,
                      "\"%s %s\" is shared in %s already, and one count for all gateways needs a "
                      "name: give both limits a \"name=\"; it stands",
                      tg_limit_kind_words[rule->kind], tg_limit_key_words[rule->key - 1],
                      other->name);
        return true;
    }
    return false;
}

static void note_rule(struct tg_conf *c, const struct tg_conf_item *item,
                      struct tg_limit_store_conf *s, const struct tg_limit_rule *rule)
{
    for (unsigned i = 0; i < s->nrules; i++)
        if (s->rules[i]->id == rule->id)
            return;
    if (is_ambiguous(c, item, s, rule))
        return;
    if (s->nrules == TG_LIMIT_STORE_RULES) {
        tg_conf_error(c, item, "more than %d limits are shared", TG_LIMIT_STORE_RULES);
        return;
    }
    s->rules[s->nrules++] = rule;
    if (!rule->exact && (int64_t)rule->interval * 2 > s->sync)
        tg_conf_warn(c, item,
                     "within one \"sync\" of limit_store \"%s\" passes less than one request of "
                     "this rate: several gateways pass more together than it allows, but with "
                     "\"exact\"; it stands",
                     s->name.p);
}

/* Who is not known by the same name everywhere cannot be counted everywhere. */
static bool can_share(struct tg_conf *c, const struct tg_settings *s,
                      const struct tg_conf_item *item, const struct tg_limit_rule *rule)
{
    if ((rule->key != TG_LIMIT_BY_PRINCIPAL && rule->key != TG_LIMIT_BY_USER) || s->offline ||
        s->audit_conf->key_file.n > 0)
        return true;
    tg_conf_error(c, item,
                  "principals have another name in each gateway without \"audit_key_file\", so "
                  "that a limit by them cannot be shared; it stands");
    return false;
}

void tg_limit_stores_resolve(struct tg_conf *c, const struct tg_settings *s, struct tg_location *l)
{
    for (unsigned i = 0; i < l->nlimits; i++) {
        struct tg_limit_rule *rule = &l->limits[i];
        struct tg_limit_store_conf *store;

        if (rule->shared == NULL)
            continue;
        store = limit_stores_find(s, tg_str_of(rule->shared));
        if (store == NULL) {
            unknown_store(c, s, l->limits_at[i], rule->shared);
            continue;
        }
        if (!can_share(c, s, l->limits_at[i], rule))
            continue;
        rule->share = &store->share;
        note_rule(c, l->limits_at[i], store, rule);
    }
}

/* A count of one name is here or there. */
static void check_twins(struct tg_conf *c, const struct tg_settings *s, const struct tg_location *l)
{
    for (unsigned i = 0; i < l->nlimits; i++)
        for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
            for (unsigned r = 0; r < e->nrules; r++)
                if (e->rules[r]->id == l->limits[i].id && e->rules[r]->share != l->limits[i].share)
                    tg_conf_error(c, l->limits_at[i],
                                  "the limit \"%s\" is shared through \"%s\" elsewhere, so that it "
                                  "is to be shared here; it stands",
                                  l->limits[i].name, e->name.p);
}

void tg_limit_stores_check(struct tg_conf *c, const struct tg_settings *s)
{
    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            check_twins(c, s, l);
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        if (e->nrules == 0)
            tg_conf_warn(c, e->item, "limit_store \"%s\" does nothing: no limit says \"shared=%s\"",
                         e->name.p, e->name.p);
}

void tg_limit_stores_forget(struct tg_settings *s)
{
    for (struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next) {
        tg_tls_context_end(e->tls_context);
        e->tls_context = NULL;
        tg_wipe((void *)(uintptr_t)e->password.p, e->password.n);
    }
}

static bool is_asked(const struct tg_settings *s)
{
    for (const struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        for (unsigned i = 0; i < e->nrules; i++)
            if (e->rules[i]->exact)
                return true;
    return false;
}

bool tg_limit_stores_open(struct tg_settings *s, unsigned workers, struct tg_buf *problems)
{
    if (!is_asked(s) || tg_limit_channels_open(&s->limit_channels, workers))
        return true;
    tg_buf_printf(problems, "[emerg] no sockets between workers and syncer: %s\n", strerror(errno));
    return false;
}

void tg_limit_stores_end(struct tg_settings *s)
{
    tg_limit_stores_forget(s);
    tg_limit_channels_end(&s->limit_channels);
    for (struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        tg_hash_end(e->share.hash);
    s->limit_stores = NULL;
}
