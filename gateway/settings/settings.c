/* The loaded configuration: from file to settings, its problems as text, and who asks it later. */
#include "settings/settings.h"

#include "audit/conf.h"
#include "base/check.h"
#include "http/target.h"
#include "net/tls.h"
#include "settings/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Modules first: what they bring must be known before the first block is applied. Problems are
 * recorded when the directive itself is applied. */
static void load_modules(struct tg_conf *c, const struct tg_conf_item *item)
{
    for (; item != NULL; item = item->next)
        if (tg_str_eq(item->args[0], TG_STR("load_module")) && item->nargs == 2)
            (void)tg_filter_load_module(c->arena, tg_conf_path(c, item->args[1]).p);
}

static void write_problems(const struct tg_conf *c, struct tg_buf *out)
{
    unsigned shown = 0;

    for (const struct tg_conf_problem *p = c->problems; p != NULL; p = p->next, shown++)
        tg_buf_printf(out, "[%s] %s\n", p->level == TG_CONF_WARN ? "warn" : "emerg", p->text);
    if (c->errors + c->warnings > shown)
        tg_buf_printf(out, "[emerg] and %u more\n", c->errors + c->warnings - shown);
}

/* Reads `text`, or the file when there is none. */
static struct tg_settings *read_settings(const char *file, struct tg_str text, const char *prefix,
                                         bool offline, struct tg_buf *problems)
{
    const struct tg_directive *tables[TG_CORE_TABLES + TG_MAX_FILTERS + 1];
    struct tg_settings *s = calloc(1, sizeof(*s));
    struct tg_conf c;

    CHECK(s != NULL && file != NULL);
    tg_arena_init(&s->arena);
    tg_conf_init(&c, &s->arena, tg_arena_dup(&s->arena, tg_str_of(prefix)).p);
    s->file = tg_arena_dup(&s->arena, tg_str_of(file)).p;
    s->offline = offline;
    s->asked_by = TG_AUDIT_ASKED_START;
    s->audit_conf = tg_arena_zalloc(&s->arena, 1, tg_audit_conf_size());
    s->tree = text.p != NULL ? tg_conf_parse_text(&c, file, text) : tg_conf_parse(&c, file);
    if (c.errors == 0) {
        load_modules(&c, s->tree);
        tg_settings_tables(tables);
        c.known = tables;
        c.foreign = tg_nginx_directives;
        tg_settings_apply(&c, s);
    }
    write_problems(&c, problems);
    if (c.errors == 0)
        return s;
    tg_settings_end(s);
    return NULL;
}

struct tg_settings *tg_settings_read(const char *file, const char *prefix, struct tg_buf *problems)
{
    char revision[TG_SHA256_HEX + 1];
    struct tg_settings *s;

    tg_settings_revision(file, prefix, revision);
    s = read_settings(file, (struct tg_str){NULL, 0}, prefix, false, problems);
    if (s == NULL)
        return NULL;
    memcpy(s->revision, revision, sizeof(revision));
    s->audit_conf->revision = tg_str_of(s->revision);
    s->audit_conf->loaded = tg_settings_loaded(s, &s->arena, &s->audit_conf->nloaded);
    return s;
}

struct tg_settings *tg_settings_offline(const char *file, struct tg_str text, const char *prefix,
                                        struct tg_buf *problems)
{
    return read_settings(file, text, prefix, true, problems);
}

void tg_settings_print(const struct tg_buf *problems)
{
    struct tg_str rest = tg_buf_str(problems);

    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = (size_t)(end - rest.p) + 1;

        fprintf(stderr, "trainguard: %.*s", (int)n, rest.p);
        rest = tg_str_skip(rest, n);
    }
}

struct tg_settings *tg_settings_load(const char *file, const char *prefix)
{
    struct tg_buf problems = {0};
    struct tg_settings *s = tg_settings_read(file, prefix, &problems);

    tg_settings_print(&problems);
    tg_buf_end(&problems);
    return s;
}

/* The server of derived locations: the last one, without addresses. Made when it is needed. */
static struct tg_server_conf *derived_server(struct tg_settings *s)
{
    struct tg_server_conf **last = &s->servers;

    while (*last != NULL)
        last = &(*last)->next;
    return *last = tg_arena_zalloc(&s->arena, 1, sizeof(**last));
}

const struct tg_location *tg_settings_derive(struct tg_settings *s, const struct tg_location *base,
                                             struct tg_str text, struct tg_buf *problems)
{
    const struct tg_directive *tables[TG_CORE_TABLES + TG_MAX_FILTERS + 1];
    struct tg_location outer = *base;
    struct tg_scope scope = {TG_SCOPE_MAGIC, s, derived_server(s), &outer};
    const struct tg_conf_item *block;
    struct tg_conf c;

    tg_conf_init(&c, &s->arena, "./");
    outer.next = NULL;
    outer.nloaded = 0;
    text = tg_arena_printf(&s->arena, "location %.*s \"%.*s\" { %.*s }", TG_STR_ARG(base->method),
                           TG_STR_ARG(base->pattern), TG_STR_ARG(text));
    block = tg_conf_parse_text(&c, "the command line", text);
    if (c.errors == 0) {
        tg_settings_tables(tables);
        c.known = tables;
        c.owner = &scope;
        CHECK(tg_set_location(&c, block, s, NULL) || c.errors > 0);
    }
    write_problems(&c, problems);
    return c.errors == 0 ? scope.server->locations : NULL;
}

uid_t tg_settings_user(const struct tg_settings *s)
{
    return s->user.n > 0 ? s->uid : geteuid();
}

const char *tg_settings_error_log(const struct tg_settings *s)
{
    return s->error_log.n == 0 || tg_str_eq(s->error_log, TG_STR("stderr")) ? NULL : s->error_log.p;
}

char *tg_settings_folder(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash != NULL ? strndup(file, (size_t)(slash - file) + 1) : strdup("./");

    CHECK(folder != NULL);
    return folder;
}

void tg_settings_keep_credentials(struct tg_settings *s)
{
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (struct tg_location *l = v->locations; l != NULL; l = l->next)
            tg_filters_unload(l);
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        tg_tls_server_end(v->tls_server);
    for (struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        tg_tls_context_end(u->tls_context);
    tg_signing_end(s);
    s->servers = NULL;
    s->upstreams = NULL;
    s->client_keys = NULL;
}

void tg_settings_end(struct tg_settings *s)
{
    struct tg_arena arena;

    if (s == NULL)
        return;
    tg_settings_keep_credentials(s);
    tg_credential_map_end(s->credential_map);
    arena = s->arena;
    free(s);
    tg_arena_end(&arena);
}

/* --- text --- */

/* What the filters of a location loaded beside the configuration. */
static void dump_loaded(const struct tg_location *l, struct tg_buf *out)
{
    for (unsigned i = 0; i < l->filters.n; i++) {
        const struct tg_filter *f = l->filters.at[i];

        if (f->on_dump == NULL)
            continue;
        tg_buf_printf(out, "\n# location %.*s%s%.*s, filter %s\n", TG_STR_ARG(l->method),
                      l->method.n > 0 ? " " : "", TG_STR_ARG(l->pattern), f->name);
        f->on_dump(l->filter_conf[tg_filter_index(tg_str_of(f->name))], out);
    }
}

void tg_settings_dump(const struct tg_settings *s, struct tg_buf *out)
{
    const struct tg_directive *tables[TG_CORE_TABLES + TG_MAX_FILTERS + 1];

    tg_settings_tables(tables);
    tg_conf_dump(s->tree, tables, out);
    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            dump_loaded(l, out);
}

void tg_settings_tables(const struct tg_directive *out[TG_CORE_TABLES + TG_MAX_FILTERS + 1])
{
    const struct tg_directive *const core[TG_CORE_TABLES] = {
        tg_main_directives,        tg_admin_directives,     tg_upstream_directives,
        tg_server_directives,      tg_location_directives,  tg_audit_directives,
        tg_client_keys_directives, tg_credential_directives};
    unsigned n = 0;

    for (; n < TG_CORE_TABLES; n++)
        out[n] = core[n];
    CHECK(tg_filter_count() <= TG_MAX_FILTERS);
    for (unsigned i = 0; i < tg_filter_count(); i++)
        if (tg_filter_at(i)->directives != NULL)
            out[n++] = tg_filter_at(i)->directives;
    out[n] = NULL;
}

static const struct {
    const char *title;
    const struct tg_directive *rows;
} sections[] = {
    {"Process", tg_main_directives},
    {"Admin", tg_admin_directives},
    {"Audit log", tg_audit_directives},
    {"Upstreams", tg_upstream_directives},
    {"Servers", tg_server_directives},
    {"Locations", tg_location_directives},
    {"Client keys", tg_client_keys_directives},
    {"Credentials", tg_credential_directives},
};

static void write_filter(const struct tg_filter *f, struct tg_buf *out)
{
    struct tg_buf title = {0};

    tg_buf_printf(&title, "Filter `%s`\n\n%s", f->name, f->help != NULL ? f->help : "");
    if (f->directives == NULL)
        tg_buf_puts(&title, " It has no directives.");
    tg_buf_putc(&title, '\0');
    if (f->directives != NULL)
        tg_conf_reference(title.p, f->directives, out);
    else
        tg_buf_printf(out, "## %s\n\n", title.p);
    tg_buf_end(&title);
}

void tg_settings_reference(struct tg_buf *out)
{
    tg_buf_puts(out, "# Directives\n\nMade by `trainguard --reference`; change the tables in the "
                     "code, not this page.\n\nA time is a number with `ms`, `s`, `m`, `h` or `d` "
                     "behind it (seconds without), a size one with `k`, `m` or `g` (bytes "
                     "without). File names that do not begin with `/` are taken from the prefix "
                     "(`-p`). What stands in an outer block holds in the blocks inside it until "
                     "it is set again. `include FILE;` may stand anywhere and takes patterns such "
                     "as `conf.d/*.conf`.\n\n");
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        tg_conf_reference(sections[i].title, sections[i].rows, out);
    for (unsigned i = 0; i < tg_filter_count(); i++)
        write_filter(tg_filter_at(i), out);
    CHECK(out->n > 1 && out->p[out->n - 1] == '\n');
    out->n--; /* the empty line behind the last row */
}

/* --- routing --- */

static void take_values(struct tg_request *r, const struct tg_location *l,
                        const struct tg_str *values, unsigned n)
{
    CHECK(l->project_id < (int)n && l->config_name < (int)n);
    r->route = l->pattern;
    r->project_id = l->project_id >= 0 ? values[l->project_id] : (struct tg_str){NULL, 0};
    r->config_name = l->config_name >= 0 ? values[l->config_name] : (struct tg_str){NULL, 0};
}

static bool takes_method(const struct tg_location *l, const struct tg_request *r)
{
    return l->method.n == 0 || tg_str_eq(l->method, r->method);
}

/* A host without the usual port, which may be empty (RFC 3986 section 6.2.3). */
static struct tg_str without_port(struct tg_str host, struct tg_str usual)
{
    if (tg_str_ends(host, usual))
        host.n -= usual.n;
    else if (tg_str_ends(host, TG_STR(":")))
        host.n--;
    return host;
}

static bool same_host(struct tg_str a, struct tg_str b, struct tg_str usual_port)
{
    return tg_str_ieq(without_port(a, usual_port), without_port(b, usual_port));
}

bool tg_upstream_conf_accepts_host(const struct tg_upstream_conf *u, struct tg_str host)
{
    struct tg_str port = u->tls ? TG_STR(":443") : TG_STR(":80");

    for (unsigned i = 1; u->accept_host != NULL && i < u->accept_host->nargs; i++)
        if (same_host(u->accept_host->args[i], host, port))
            return true;
    if (u->accept_host != NULL)
        return false;
    for (const struct tg_upstream_server *o = u->origins; o != NULL; o = o->next)
        if (same_host(tg_str_of(o->text), host, port))
            return true;
    return u->host.n > 0 && same_host(u->host, host, port);
}

/* Methods that change nothing (RFC 9110 section 9.2.1). */
static bool is_safe(struct tg_str method)
{
    return tg_str_eq(method, TG_STR("GET")) || tg_str_eq(method, TG_STR("HEAD")) ||
           tg_str_eq(method, TG_STR("OPTIONS"));
}

/* The path of a target, and what follows it from its "?" on. */
static struct tg_str split_target(struct tg_str target, struct tg_str *query)
{
    const char *mark = memchr(target.p, '?', target.n);
    size_t n = mark != NULL ? (size_t)(mark - target.p) : target.n;

    *query = tg_str_skip(target, n);
    return (struct tg_str){target.p, n};
}

/* True when the request is for another method of the location's very path: that is no disguise. */
static bool is_other_method(const struct tg_location *l, const struct tg_request *r)
{
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;

    return r->odd_path == NULL && !tg_str_ieq(l->method, r->method) &&
           tg_target_match(&l->prepared, r->path, values, TG_TARGET_PARAMETERS, &n);
}

/* The guarded location that a server more lenient than the router may see in the target, or NULL.
 * The first one that its skeleton fits decides, as the router's first match does. */
static const struct tg_location *find_resembled(const struct tg_server_conf *s,
                                                const struct tg_request *r)
{
    size_t cap = r->target.n + TG_TARGET_SKELETON_MORE;
    struct tg_str query;
    struct tg_str path = split_target(r->target, &query);
    struct tg_str skeleton = tg_target_skeleton(path, tg_arena_alloc(r->arena, cap), cap);

    for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
        if (!tg_target_resembles(l->skeleton, skeleton))
            continue;
        if (tg_location_judges(l))
            return l;
        if (takes_method(l, r))
            return NULL;
    }
    return NULL;
}

/* Frameworks take the method from a parameter, too. */
static bool names_method(const struct tg_request *r)
{
    static const struct tg_str names[] = {
        {"_method", 7}, {"method_override", 15}, {"x-http-method-override", 22}};
    struct tg_str rest;
    size_t cap;

    (void)split_target(r->target, &rest);
    if (rest.n == 0)
        return false;
    cap = rest.n + TG_TARGET_SKELETON_MORE;
    rest = tg_target_decode(rest, tg_arena_alloc(r->arena, cap), cap);
    for (; rest.n > 0; rest = tg_str_skip(rest, 1)) {
        struct tg_str name = tg_str_skip(rest, 1);

        if (strchr("?&;", *rest.p) == NULL)
            continue;
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            if (name.n >= names[i].n && tg_str_ieq((struct tg_str){name.p, names[i].n}, names[i]))
                return true;
    }
    return false;
}

/* Whether a request that the router would send to `l` (NULL: nowhere) may go there. */
static bool is_plain(const struct tg_server_conf *s, const struct tg_request *r,
                     const struct tg_location *l, struct tg_no_route *why)
{
    bool guarded = l != NULL && tg_location_judges(l);
    bool override = names_method(r);
    const struct tg_location *like = l;

    if (guarded)
        why->ambiguous = r->odd_path;
    else if (is_safe(r->method) && !override)
        return true;
    else
        like = find_resembled(s, r);
    if (like != NULL && override)
        why->ambiguous = "a parameter of the query names another method";
    else if (!guarded && like != NULL && !is_other_method(like, r))
        why->resembled = like->pattern;
    if (why->resembled.n > 0)
        why->wrong_method = false;
    return why->ambiguous == NULL && why->resembled.n == 0;
}

static const struct tg_location *find_location(const struct tg_server_conf *s, struct tg_request *r,
                                               struct tg_no_route *why)
{
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;

    for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
        if (!tg_target_match(&l->prepared, r->path, values, TG_TARGET_PARAMETERS, &n))
            continue;
        if (takes_method(l, r)) {
            why->wrong_method = false;
            take_values(r, l, values, n);
            return l;
        }
        why->wrong_method = true;
    }
    return NULL;
}

const struct tg_location *tg_settings_route(const struct tg_server_conf *s, struct tg_request *r,
                                            struct tg_no_route *why)
{
    const struct tg_location *l;

    *why = (struct tg_no_route){0};
    l = find_location(s, r, why);
    return is_plain(s, r, l, why) ? l : NULL;
}

static const char *no_route_text(const struct tg_no_route *why)
{
    if (why->ambiguous != NULL)
        return why->ambiguous;
    if (why->resembled.n > 0)
        return "the path resembles a guarded one";
    return why->wrong_method ? "patterns match, but no method does" : "no pattern matches";
}

void tg_location_trace(const struct tg_location *l, const struct tg_request *r,
                       const struct tg_no_route *why)
{
    if (l == NULL)
        TG_TRACE(r, "\"%.*s %.*s\" has no location: %s%s%.*s", TG_STR_ARG(r->method),
                 TG_STR_ARG(tg_target_shown(r->path)), no_route_text(why),
                 why->resembled.n > 0 ? ", " : "", TG_STR_ARG(why->resembled));
    else
        TG_TRACE(r,
                 "\"%.*s %.*s\" goes to location \"%.*s%s%.*s\" (%s:%u), %u filters, upstream "
                 "%.*s, project_id \"%.*s\", config_name \"%.*s\"",
                 TG_STR_ARG(r->method), TG_STR_ARG(tg_target_shown(r->path)), TG_STR_ARG(l->method),
                 l->method.n > 0 ? " " : "", TG_STR_ARG(l->pattern), l->file, l->line, l->filters.n,
                 TG_STR_ARG(l->upstream->name), TG_STR_ARG(r->project_id),
                 TG_STR_ARG(r->config_name));
}
