/*
 * The core's blocks. Each starts as a copy of what the block around it has come to, applies what
 * stands inside, and is then checked for what only the whole block shows.
 */
#include "audit/audit.h"
#include "base/address.h"
#include "base/check.h"
#include "settings/internal.h"

#include <netinet/in.h>

/* The scope of a load (CHECKed). */
static struct tg_scope *scope_of(const struct tg_conf *c)
{
    struct tg_scope *scope = c->owner;

    CHECK_MAGIC(scope, TG_SCOPE_MAGIC);
    CHECK(scope->settings != NULL && scope->server != NULL && scope->location != NULL);
    return scope;
}

/* Applies the inside of a block in a scope of its own. Tables of the filters follow `core`. */
static bool apply_inside(struct tg_conf *c, unsigned context, const struct tg_conf_item *first,
                         struct tg_scope *scope, const struct tg_conf_table *core, unsigned ncore)
{
    struct tg_conf_table tables[TG_CORE_TABLES + TG_MAX_FILTERS];
    void *outer = c->owner;
    unsigned n = ncore;
    bool ok;

    CHECK(ncore <= TG_CORE_TABLES);
    memcpy(tables, core, ncore * sizeof(*core));
    n += tg_filters_tables(scope->location, tables + ncore);
    c->owner = scope;
    ok = tg_conf_apply(c, context, first, tables, n);
    c->owner = outer;
    return ok;
}

/* --- server, location --- */

bool tg_set_server(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                   const struct tg_directive *d)
{
    const struct tg_scope *outer = scope_of(c);
    struct tg_settings *s = target;
    struct tg_server_conf *server = tg_arena_alloc(c->arena, sizeof(*server));
    struct tg_location location = *outer->location;
    struct tg_scope scope = {TG_SCOPE_MAGIC, s, server, &location};
    const struct tg_conf_table core[] = {{c->known[TG_ROWS_SERVER], server},
                                         {c->known[TG_ROWS_LOCATION], &location}};
    struct tg_server_conf **last = &s->servers;

    (void)d;
    *server = *outer->server;
    CHECK(server->next == NULL && server->locations == NULL);
    while (*last != NULL)
        last = &(*last)->next;
    *last = server;
    tg_filters_inherit(c, &location);
    if (!apply_inside(c, TG_IN_SERVER, item->children, &scope, core, 2))
        return false;
    if (server->listens == NULL)
        tg_conf_error(c, item, "\"server\" has no \"listen\"");
    else if (server->locations == NULL)
        tg_conf_error(c, item, "\"server\" has no \"location\"");
    return server->listens != NULL && server->locations != NULL &&
           tg_server_tls(c, item, server, s->offline);
}

bool tg_set_proxy_pass(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_location *l = target;

    (void)c;
    (void)d;
    l->proxy_pass = item;
    return true;
}

/* A location that is never reached judges nothing: an error, not a warning. */
static bool check_reached(struct tg_conf *c, const struct tg_conf_item *item,
                          const struct tg_server_conf *server, const struct tg_location *l)
{
    for (const struct tg_location *e = server->locations; e != l; e = e->next) {
        CHECK(e != NULL);
        if (!tg_location_covers(e, l))
            continue;
        tg_conf_error(
            c, item,
            "location \"%s\" is never reached, \"%s\" in %s:%u takes its requests; it stands",
            l->pattern.p, e->pattern.p, e->file, e->line);
        return false;
    }
    return true;
}

bool tg_set_location(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    const struct tg_scope *outer = scope_of(c);
    struct tg_location *l = tg_arena_alloc(c->arena, sizeof(*l));
    struct tg_scope scope = {TG_SCOPE_MAGIC, outer->settings, outer->server, l};
    const struct tg_conf_table core = {c->known[TG_ROWS_LOCATION], l};
    struct tg_location **last = &outer->server->locations;

    (void)target;
    (void)d;
    *l = *outer->location;
    l->file = item->file;
    l->line = item->line;
    tg_filters_inherit(c, l);
    if (!tg_location_name(c, item, l))
        return false;
    while (*last != NULL)
        last = &(*last)->next;
    *last = l;
    if (!apply_inside(c, TG_IN_LOCATION, item->children, &scope, &core, 1) ||
        !check_reached(c, item, outer->server, l))
        return false;
    if (l->proxy_pass == NULL) {
        tg_conf_error(c, item, "location \"%s\" has no \"proxy_pass\"", l->pattern.p);
        return false;
    }
    tg_filters_load(c, item, l);
    return true;
}

/* --- main, and what only the whole shows --- */

static void resolve_upstream(struct tg_conf *c, const struct tg_settings *s, struct tg_location *l)
{
    if (l->proxy_pass != NULL)
        l->upstream = tg_find_upstream(c, s, l->proxy_pass);
}

/* Port 0 is another port each time. */
static bool same_address(const struct tg_listen *a, const struct tg_listen *b)
{
    return tg_address_port(&a->address) != 0 &&
           memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

/* Compares one address with those of `list` up to itself; false after a problem. */
static bool check_listen(struct tg_conf *c, const struct tg_listen *l, const struct tg_listen *list)
{
    const struct tg_conf_item at = {.file = l->file, .line = l->line};

    for (const struct tg_listen *e = list; e != NULL && e != l; e = e->next) {
        if (!same_address(e, l))
            continue;
        tg_conf_error(c, &at, "\"listen %s\" stands in %s:%u already, and again", l->text, e->file,
                      e->line);
        return false;
    }
    return true;
}

static void check_listens(struct tg_conf *c, const struct tg_settings *s)
{
    for (const struct tg_server_conf *later = s->servers; later != NULL; later = later->next) {
        for (const struct tg_listen *l = later->listens; l != NULL; l = l->next) {
            const struct tg_server_conf *e = s->servers;

            if (!check_listen(c, l, s->admin_listens))
                continue;
            while (e != later && check_listen(c, l, e->listens))
                e = e->next;
            if (e == later)
                (void)check_listen(c, l, e->listens);
        }
    }
}

/* --- writing routes of the API that nobody judges --- */

/* The requests that write a training config (contract section 1), with a path each. */
static const struct {
    struct tg_str method;
    struct tg_str path;
    const char *pattern;
} writing_routes[] = {
    {{"PUT", 3},
     {"/v1/p/training-job-configs/c", 28},
     "/v1/{project_id}/training-job-configs/{config_name}"},
    {{"POST", 4}, {"/v1/p/training-job-configs", 26}, "/v1/{project_id}/training-job-configs"},
    {{"POST", 4}, {"/v1/p/training-jobs", 19}, "/v1/{project_id}/training-jobs"},
    {{"POST", 4},
     {"/v1/p/training-jobs/j/versions", 30},
     "/v1/{project_id}/training-jobs/{job_id}/versions"},
    {{"POST", 4}, {"/v2/p/training-jobs", 19}, "/v2/{project_id}/training-jobs"},
};

static bool is_guard(const struct tg_server_conf *server)
{
    for (const struct tg_location *l = server->locations; l != NULL; l = l->next)
        if (l->judges)
            return true;
    return false;
}

/* Rules that hold where a config is changed, and not where one is created, hold nowhere. A server
 * that judges nothing at all is no guard. */
static void warn_of_unguarded(struct tg_conf *c, const struct tg_server_conf *server)
{
    for (size_t i = 0; i < sizeof(writing_routes) / sizeof(*writing_routes); i++) {
        struct tg_request r = {.arena = c->arena,
                               .method = writing_routes[i].method,
                               .target = writing_routes[i].path,
                               .path = writing_routes[i].path};
        struct tg_no_route why;
        const struct tg_location *l = tg_settings_route(server, &r, &why);

        if (l == NULL || l->judges)
            continue;
        tg_conf_warn(c, &(struct tg_conf_item){.file = l->file, .line = l->line},
                     "\"%s %s\" writes a training config and passes unjudged: give it a location "
                     "with \"filters\"; it goes to location \"%s\"",
                     writing_routes[i].method.p, writing_routes[i].pattern, l->pattern.p);
    }
}

/* A body that is collected takes that much of the budget by itself. */
static void check_body_memory(struct tg_conf *c, const struct tg_settings *s)
{
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            if (tg_location_collects(l) && s->worker_body_memory > 0 &&
                tg_location_body_most(l) > (uint64_t)s->worker_body_memory)
                tg_conf_error(c, &(struct tg_conf_item){.file = l->file, .line = l->line},
                              "a body for location \"%s\" may have %lu bytes "
                              "(client_max_body_size), \"worker_body_memory\" is %ld: it is to be "
                              "as much at least, or 0",
                              l->pattern.p, tg_location_body_most(l), (long)s->worker_body_memory);
}

void tg_settings_apply(struct tg_conf *c, struct tg_settings *s)
{
    struct tg_server_conf server = {0};
    struct tg_location location = {0};
    struct tg_scope scope = {TG_SCOPE_MAGIC, s, &server, &location};
    const struct tg_conf_table core[] = {{c->known[TG_ROWS_MAIN], s},
                                         {c->known[TG_ROWS_AUDIT], s->audit_conf},
                                         {c->known[TG_ROWS_SERVER], &server},
                                         {c->known[TG_ROWS_LOCATION], &location}};
    bool applied;

    for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++)
        tg_conf_defaults(c, UINT_MAX, &core[i]);
    tg_filters_defaults(c, &location);
    applied = apply_inside(c, TG_IN_MAIN, s->tree, &scope, core, 4);
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (struct tg_location *l = v->locations; l != NULL; l = l->next) {
            resolve_upstream(c, s, l);
            tg_signing_resolve(c, s, v, l);
            tg_live_resolve(c, s, l);
            tg_limit_stores_resolve(c, s, l);
        }
    tg_limit_stores_check(c, s);
    check_listens(c, s);
    if (applied)
        check_body_memory(c, s);
    for (struct tg_server_conf *v = s->servers; v != NULL && applied && !s->offline; v = v->next)
        if (is_guard(v))
            warn_of_unguarded(c, v);
    if (applied && s->servers == NULL)
        tg_conf_error(c, NULL, "\"%s\" has no \"server\" block", s->file);
    if (applied && !s->offline) {
        tg_credentials_read(c, s);
        tg_check_error_log(c, s);
        (void)tg_audit_check(c, s->audit_conf);
    }
}
