/* The loaded configuration: from file to settings, its problems as text, and back to text. */
#include "settings/settings.h"

#include "audit/conf.h"
#include "base/check.h"
#include "net/tls.h"
#include "settings/internal.h"

#include <stdio.h>
#include <stdlib.h>

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
    c.environment = true;
    s->tree = text.p != NULL ? tg_conf_parse_text(&c, file, text) : tg_conf_parse(&c, file);
    c.environment = false; /* policies are read after it */
    if (c.errors == 0) {
        load_modules(&c, s->tree);
        tg_settings_tables(tables);
        c.known = tables;
        c.foreign = tg_nginx_directives;
        tg_settings_apply(&c, s);
        if (c.errors > 0)
            tg_conf_hint_semicolons(&c, s->tree);
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
    struct tg_settings_signed signs;
    struct tg_settings *s;

    tg_settings_revision(file, prefix, revision);
    s = read_settings(file, (struct tg_str){NULL, 0}, prefix, false, problems);
    if (s == NULL)
        return NULL;
    memcpy(s->revision, revision, sizeof(revision));
    s->audit_conf->revision = tg_str_of(s->revision);
    s->audit_conf->loaded = tg_settings_loaded(s, &s->arena, &s->audit_conf->nloaded);
    signs = tg_settings_signed(s, &s->arena);
    s->audit_conf->bundle = signs.revisions;
    s->audit_conf->signed_by = signs.signers;
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
        size_t n = (size_t)(end - rest.p);

        tg_complain("trainguard: %.*s", (int)n, rest.p);
        rest = tg_str_skip(rest, n + 1);
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

char *tg_settings_folder(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash != NULL ? strndup(file, (size_t)(slash - file) + 1) : strdup("./");

    CHECK(folder != NULL);
    return folder;
}

static void end_upstream(struct tg_upstream_conf *u)
{
    tg_tls_context_end(u->tls_context);
    if (u->proxy == NULL)
        return;
    tg_tls_context_end(u->proxy->tls_context);
    u->proxy->tls_context = NULL;
}

void tg_settings_keep_credentials(struct tg_settings *s)
{
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (struct tg_location *l = v->locations; l != NULL; l = l->next)
            tg_filters_unload(l);
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        tg_tls_server_end(v->tls_server);
    for (struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        end_upstream(u);
    tg_signing_end(s);
    tg_wipe(s->ticket_keys, sizeof(s->ticket_keys));
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
    tg_limit_stores_end(s);
    tg_credential_map_end(s->credential_map);
    arena = s->arena;
    free(s);
    tg_arena_end(&arena);
}

/* --- text --- */

static void dump_keys(const struct tg_client_keys_conf *k, struct tg_buf *out)
{
    unsigned n = k->keys != NULL ? tg_client_keys_count(k->keys) : 0, disabled = 0, local = 0;

    for (unsigned i = 0; i < n; i++) {
        disabled += tg_client_keys_at(k->keys, i)->disabled;
        local += tg_client_keys_at(k->keys, i)->secret.n == 0;
    }
    tg_buf_printf(out, "# client_keys %s: %u keys (%u local, %u disabled)\n", k->name.p, n, local,
                  disabled);
}

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
    for (const struct tg_client_keys_conf *k = s->client_keys; k != NULL; k = k->next)
        dump_keys(k, out);
    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            dump_loaded(l, out);
}

/* The core's tables in the order of the reference. */
static const struct {
    const char *title;
    const struct tg_directive *rows;
} sections[TG_CORE_TABLES] = {
    [TG_ROWS_MAIN] = {"Process", tg_main_directives},
    [TG_ROWS_ADMIN] = {"Admin", tg_admin_directives},
    [TG_ROWS_AUDIT] = {"Audit log", tg_audit_directives},
    [TG_ROWS_UPSTREAM] = {"Upstreams", tg_upstream_directives},
    [TG_ROWS_TLS_CLIENT] = {"TLS to servers", tg_tls_client_directives},
    [TG_ROWS_SERVER] = {"Servers", tg_server_directives},
    [TG_ROWS_LOCATION] = {"Locations", tg_location_directives},
    [TG_ROWS_CLIENT_KEYS] = {"Client keys", tg_client_keys_directives},
    [TG_ROWS_KEY_FILE] = {"Key files of clients", tg_key_file_directives},
    [TG_ROWS_KEY] = {"Keys of clients", tg_key_directives},
    [TG_ROWS_CREDENTIAL] = {"Credentials", tg_credential_directives},
    [TG_ROWS_LIMIT_STORE] = {"Stores of limits", tg_limit_store_directives},
};

void tg_settings_tables(const struct tg_directive *out[TG_CORE_TABLES + TG_MAX_FILTERS + 1])
{
    unsigned n = 0;

    for (; n < TG_CORE_TABLES; n++)
        out[n] = sections[n].rows;
    CHECK(tg_filter_count() <= TG_MAX_FILTERS);
    for (unsigned i = 0; i < tg_filter_count(); i++)
        if (tg_filter_at(i)->directives != NULL)
            out[n++] = tg_filter_at(i)->directives;
    out[n] = NULL;
}

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
                     "as `conf.d/*.conf`. `${NAME}` in an argument is what the "
                     "environment had at the start, `${NAME:-DEFAULT}` the default when that is "
                     "unset or empty; unset without a default is an error. In single quotes it "
                     "stands for itself.\n\n");
    for (unsigned i = 0; i < TG_CORE_TABLES; i++)
        tg_conf_reference(sections[i].title, sections[i].rows, out);
    for (unsigned i = 0; i < tg_filter_count(); i++)
        write_filter(tg_filter_at(i), out);
    CHECK(out->n > 1 && out->p[out->n - 1] == '\n');
    out->n--; /* the empty line behind the last row */
}
