/*
 * `trainguard audit summary`: what the outcome records add up to, as tables. The one of dry runs
 * answers: who would have been refused if this rule were enforced?
 */
#include "audit_cli.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

enum table { DECISIONS, ENDS, PROJECTS, RULES, CHANGES, POLICIES, DRYRUNS, EXCEPTIONS, TABLES };

static const struct {
    const char *title;
    const char *columns; /* blanks in a key part them */
} tables[] = {
    [DECISIONS] = {"decisions", "decision"},
    [ENDS] = {"outcomes", "end status upstream"},
    [PROJECTS] = {"projects", "project decision"},
    [RULES] = {"violations and warnings", "rule pointer"},
    [CHANGES] = {"normalizations", "name"},
    [POLICIES] = {"policy results", "policy rule result mode"},
    [DRYRUNS] = {"would be refused if dry runs were enforced",
                 "policy rule project config principal"},
    [EXCEPTIONS] = {"exceptions used", "exception"},
};

struct row {
    enum table table;
    struct tg_str key; /* columns parted by '\n' */
    uint64_t count;
    struct row *next;
};

struct summary {
    const struct tg_audit_options *options;
    struct tg_arena arena;  /* rows */
    struct tg_arena record; /* one record's */
    struct row *buckets[BUCKETS];
    struct row **sorted;
    size_t nrows;
    uint64_t records;
    bool bad;
};

/* --- counting --- */

static void count_key(struct summary *s, enum table table, struct tg_str key)
{
    unsigned hash = (unsigned)table;
    struct row **at;

    for (size_t i = 0; i < key.n; i++)
        hash = hash * 31 + (unsigned char)key.p[i];
    at = &s->buckets[hash % BUCKETS];
    while (*at != NULL && ((*at)->table != table || !tg_str_eq((*at)->key, key)))
        at = &(*at)->next;
    if (*at == NULL) {
        *at = tg_arena_zalloc(&s->arena, 1, sizeof(**at));
        (*at)->table = table;
        (*at)->key = tg_arena_dup(&s->arena, key);
        s->nrows++;
    }
    (*at)->count++;
}

/* Counts the row whose columns these members of `node` are. */
static void count_members(struct summary *s, enum table table, const struct tg_doc *doc,
                          uint32_t node, const char *const *names)
{
    struct tg_buf key = {0};

    for (size_t i = 0; names[i] != NULL; i++) {
        struct tg_str value = tg_audit_text(doc, node, tg_str_of(names[i]));

        if (i > 0)
            tg_buf_putc(&key, '\n');
        tg_buf_add(&key, value.n > 0 ? value : TG_STR("-"));
    }
    count_key(s, table, tg_buf_str(&key));
    tg_buf_end(&key);
}

/* One row per element of a list. */
static void count_list(struct summary *s, enum table table, const struct tg_doc *doc,
                       struct tg_str list, const char *const *names)
{
    for (uint32_t e = tg_audit_list(doc, list); e != TG_NONE; e = doc->node[e].next)
        count_members(s, table, doc, e, names);
}

/* A result that only a dry run kept from refusing the request. */
static bool would_refuse(const struct tg_doc *doc, uint32_t result)
{
    struct tg_str word = tg_audit_text(doc, result, TG_STR("result"));

    return tg_str_eq(tg_audit_text(doc, result, TG_STR("mode")), TG_STR("dryrun")) &&
           tg_audit_text(doc, result, TG_STR("exception")).n == 0 &&
           (tg_str_eq(word, TG_STR("fail")) || tg_str_eq(word, TG_STR("error")));
}

static void count_dryruns(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("policy.results")); e != TG_NONE;
         e = doc->node[e].next) {
        struct tg_str policy = tg_audit_text(doc, e, TG_STR("policy"));
        struct tg_str rule = tg_audit_text(doc, e, TG_STR("rule"));
        struct tg_str project = tg_audit_text(doc, 0, TG_STR("project_id"));
        struct tg_str config = tg_audit_text(doc, 0, TG_STR("config_name"));
        struct tg_str principal = tg_audit_text(doc, 0, TG_STR("principal"));

        if (would_refuse(doc, e))
            count_key(s, DRYRUNS,
                      tg_arena_printf(&s->record, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s",
                                      TG_STR_ARG(policy), TG_STR_ARG(rule), TG_STR_ARG(project),
                                      TG_STR_ARG(config), TG_STR_ARG(principal)));
    }
}

/* A patch names each change in the operation behind its tests. */
static void count_changes(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("patch")); e != TG_NONE; e = doc->node[e].next) {
        struct tg_str why = tg_audit_text(doc, e, TG_STR("why"));

        if (why.n > 0)
            count_key(s, CHANGES, why);
    }
}

static void count_exceptions(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("exceptions")); e != TG_NONE; e = doc->node[e].next)
        if (tg_doc_type(doc, e) == TG_STRING)
            count_key(s, EXCEPTIONS, tg_doc_string(doc, e));
}

static void count_record(struct summary *s, const struct tg_doc *doc)
{
    static const char *const decision[] = {"decision", NULL};
    static const char *const outcome[] = {"end", "http.response.status_code",
                                          "upstream.status_code", NULL};
    static const char *const project[] = {"project_id", "decision", NULL};
    static const char *const rule[] = {"rule", "pointer", NULL};
    static const char *const result[] = {"policy", "rule", "result", "mode", NULL};

    s->records++;
    count_members(s, DECISIONS, doc, 0, decision);
    count_members(s, ENDS, doc, 0, outcome);
    count_members(s, PROJECTS, doc, 0, project);
    count_list(s, RULES, doc, TG_STR("violations"), rule);
    count_list(s, RULES, doc, TG_STR("warnings"), rule);
    count_list(s, POLICIES, doc, TG_STR("policy.results"), result);
    count_dryruns(s, doc);
    count_changes(s, doc);
    count_exceptions(s, doc);
}

static bool on_line(void *context, struct tg_str line, const struct tg_audit_place *place)
{
    struct summary *s = context;
    struct tg_doc doc;

    tg_arena_reset(&s->record);
    if (!tg_audit_parse(&doc, &s->record, tg_str_trim(line))) {
        fprintf(stderr, "trainguard audit: %s:%llu: not a record\n", place->file,
                (unsigned long long)place->number);
        s->bad = true;
    } else if (tg_str_eq(tg_audit_text(&doc, 0, TG_STR("event")), TG_STR("outcome")) &&
               tg_audit_passes(&s->options->filter, &doc)) {
        count_record(s, &doc);
    }
    return true;
}

/* --- printing --- */

/* By table, then the largest count first, then by key. */
static int compare_rows(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left;
    const struct row *b = *(const struct row *const *)right;
    size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
    int order;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    order = n > 0 ? memcmp(a->key.p, b->key.p, n) : 0;
    return order != 0 ? order : a->key.n < b->key.n ? -1 : a->key.n > b->key.n;
}

static void sort_rows(struct summary *s)
{
    size_t n = 0;

    s->sorted = tg_arena_zalloc(&s->arena, s->nrows + 1, sizeof(*s->sorted));
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct row *r = s->buckets[i]; r != NULL; r = r->next)
            s->sorted[n++] = r;
    CHECK(n == s->nrows);
    qsort(s->sorted, n, sizeof(*s->sorted), compare_rows);
}

/* Takes the next column off a key. */
static struct tg_str next_column(struct tg_str *key, char separator)
{
    const char *end = key->n > 0 ? memchr(key->p, separator, key->n) : NULL;
    struct tg_str column = {key->p, end != NULL ? (size_t)(end - key->p) : key->n};

    *key = tg_str_skip(*key, column.n + (end != NULL ? 1 : 0));
    return column;
}

static void add_safe(struct tg_buf *out, struct tg_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        tg_buf_putc(out, c < 0x20 || c == 0x7f ? '?' : text.p[i]);
    }
}

static void add_text_row(struct tg_buf *out, const struct row *row)
{
    struct tg_str key = row->key;

    tg_buf_printf(out, "%10llu", (unsigned long long)row->count);
    while (key.n > 0) {
        tg_buf_puts(out, "  ");
        add_safe(out, next_column(&key, '\n'));
    }
    tg_buf_putc(out, '\n');
}

static void add_text(const struct summary *s, struct tg_buf *out)
{
    tg_buf_printf(out, "%llu requests\n", (unsigned long long)s->records);
    for (size_t i = 0; i < s->nrows; i++) {
        enum table table = s->sorted[i]->table;

        if (i == 0 || s->sorted[i - 1]->table != table)
            tg_buf_printf(out, "\n%s\n%10s  %s\n", tables[table].title, "count",
                          tables[table].columns);
        add_text_row(out, s->sorted[i]);
    }
}

/* {"requests":N,"TITLE":[{"count":N,"COLUMN":...}]} */
static void add_json(const struct summary *s, struct tg_buf *out)
{
    tg_buf_printf(out, "{\"requests\":%llu", (unsigned long long)s->records);
    for (size_t i = 0; i < s->nrows; i++) {
        const struct row *row = s->sorted[i];
        struct tg_str columns = tg_str_of(tables[row->table].columns);
        struct tg_str key = row->key;

        if (i == 0 || s->sorted[i - 1]->table != row->table)
            tg_buf_printf(out, "%s,\"%s\":[", i > 0 ? "]" : "", tables[row->table].title);
        else
            tg_buf_putc(out, ',');
        tg_buf_printf(out, "{\"count\":%llu", (unsigned long long)row->count);
        while (columns.n > 0) {
            tg_buf_putc(out, ',');
            tg_buf_json(out, next_column(&columns, ' '));
            tg_buf_putc(out, ':');
            tg_buf_json(out, next_column(&key, '\n'));
        }
        tg_buf_putc(out, '}');
    }
    tg_buf_puts(out, s->nrows > 0 ? "]}\n" : "}\n");
}

/* table,count,column 1, ... */
static void add_csv(const struct summary *s, struct tg_buf *out)
{
    for (size_t i = 0; i < s->nrows; i++) {
        struct tg_str key = s->sorted[i]->key;

        tg_buf_printf(out, "\"%s\",%llu", tables[s->sorted[i]->table].title,
                      (unsigned long long)s->sorted[i]->count);
        while (key.n > 0) {
            struct tg_str column = next_column(&key, '\n');

            tg_buf_puts(out, ",\"");
            for (size_t k = 0; k < column.n; k++) {
                if (column.p[k] == '"')
                    tg_buf_putc(out, '"');
                tg_buf_putc(out, column.p[k]);
            }
            tg_buf_putc(out, '"');
        }
        tg_buf_puts(out, "\r\n");
    }
}

int tg_audit_summary(const struct tg_audit_options *options, char **files, int nfiles)
{
    static void (*const writers[])(const struct summary *, struct tg_buf *) = {
        [TG_AUDIT_TEXT] = add_text, [TG_AUDIT_JSON] = add_json, [TG_AUDIT_CSV] = add_csv};
    struct summary *s = calloc(1, sizeof(*s));
    struct tg_buf out = {0};
    int status = TG_AUDIT_UNREADABLE;

    CHECK(s != NULL);
    s->options = options;
    tg_arena_init(&s->arena);
    tg_arena_init(&s->record);
    if (tg_audit_read(files, nfiles, false, on_line, s)) {
        sort_rows(s);
        writers[options->output](s, &out);
        status = s->bad ? TG_AUDIT_PROBLEM : TG_AUDIT_FINE;
        if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
            status = TG_AUDIT_UNREADABLE;
    }
    tg_buf_end(&out);
    tg_arena_end(&s->arena);
    tg_arena_end(&s->record);
    free(s);
    return status;
}
