/*
 * `trainguard audit summary`: what the outcome records add up to, as tables. The one of dry runs
 * answers: who would have been refused if this rule were enforced?
 */
#include "base/json_writer.h"
#include "cli/audit.h"

#include "base/check.h"
#include "base/log.h"
#include "base/utf8.h"
#include "cli/excerpt.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 4096, COLUMNS = 4 };

enum table {
    DECISIONS,
    ENDS,
    PROJECTS,
    RULES,
    RULE_PROJECTS,
    CHANGES,
    POLICIES,
    DRYRUNS,
    DRYRUN_PROJECTS,
    EXCEPTIONS,
    CONFIGURATIONS,
    TABLES
};

static const struct {
    const char *title;
    const char *columns; /* parted by blanks; at most COLUMNS */
} tables[] = {
    [DECISIONS] = {"decisions", "decision"},
    [ENDS] = {"outcomes", "end status upstream"},
    [PROJECTS] = {"projects", "project decision"},
    [RULES] = {"violations and warnings", "policy rule"},
    [RULE_PROJECTS] = {"violations and warnings by project", "policy rule project"},
    [CHANGES] = {"normalizations", "name"},
    [POLICIES] = {"policy results", "policy rule result mode"},
    [DRYRUNS] = {"would be refused if dry runs were enforced", "policy rule"},
    [DRYRUN_PROJECTS] = {"would be refused if dry runs were enforced, by project",
                         "policy rule project"},
    [EXCEPTIONS] = {"exceptions used", "exception"},
    [CONFIGURATIONS] = {"configurations", "asked_by result revision"},
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
    struct tg_audit_bound first, last; /* their times */
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

static void add_column(struct tg_buf *key, struct tg_str value)
{
    if (key->n > 0)
        tg_buf_putc(key, '\n');
    if (value.n == 0)
        tg_buf_putc(key, '-');
    for (size_t i = 0; i < value.n; i++)
        tg_buf_putc(key, value.p[i] == '\n' ? '?' : value.p[i]);
}

static void add_columns(struct tg_buf *key, const struct tg_doc *doc, uint32_t node,
                        const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        add_column(key, tg_audit_text(doc, node, tg_str_of(names[i])));
}

/* Counts the row whose columns these members of `node` are. */
static void count_members(struct summary *s, enum table table, const struct tg_doc *doc,
                          uint32_t node, const char *const *names)
{
    struct tg_buf key = {0};

    add_columns(&key, doc, node, names);
    count_key(s, table, tg_buf_str(&key));
    tg_buf_end(&key);
}

/* One row per element of a list. */
static void count_list(struct summary *s, enum table table, const struct tg_doc *doc,
                       struct tg_str list, const char *const *names)
{
    for (uint32_t e = tg_audit_list(doc, list); e != TG_NONE; e = tg_doc_next(doc, e))
        count_members(s, table, doc, e, names);
}

/* A policy's rule, alone and by the project; the contract's rules have no policy. */
static void count_rule(struct summary *s, enum table table, enum table by_project,
                       const struct tg_doc *doc, uint32_t element)
{
    static const char *const of_element[] = {"policy", "rule", NULL};
    static const char *const of_record[] = {"project_id", NULL};
    struct tg_buf key = {0};

    add_columns(&key, doc, element, of_element);
    count_key(s, table, tg_buf_str(&key));
    add_columns(&key, doc, 0, of_record);
    count_key(s, by_project, tg_buf_str(&key));
    tg_buf_end(&key);
}

static void count_rules(struct summary *s, const struct tg_doc *doc, struct tg_str list)
{
    for (uint32_t e = tg_audit_list(doc, list); e != TG_NONE; e = tg_doc_next(doc, e))
        count_rule(s, RULES, RULE_PROJECTS, doc, e);
}

static void count_dryruns(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("policy.results")); e != TG_NONE;
         e = tg_doc_next(doc, e))
        if (tg_audit_would_refuse(doc, e))
            count_rule(s, DRYRUNS, DRYRUN_PROJECTS, doc, e);
}

static void count_text(struct summary *s, enum table table, struct tg_str text)
{
    struct tg_buf key = {0};

    add_column(&key, text);
    count_key(s, table, tg_buf_str(&key));
    tg_buf_end(&key);
}

/* A patch names each change in the operation behind its tests. */
static void count_changes(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("patch")); e != TG_NONE; e = tg_doc_next(doc, e)) {
        struct tg_str why = tg_audit_text(doc, e, TG_STR("why"));

        if (why.n > 0)
            count_text(s, CHANGES, why);
    }
}

/* An exception is an object; records of older versions have its name alone. */
static void count_exceptions(struct summary *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("exceptions")); e != TG_NONE;
         e = tg_doc_next(doc, e))
        count_text(s, EXCEPTIONS,
                   tg_doc_type(doc, e) == TG_STRING ? tg_doc_string(doc, e)
                                                    : tg_audit_text(doc, e, TG_STR("name")));
}

/* Keeps the first and the last time. */
static void note_time(struct summary *s, struct tg_str time)
{
    struct tg_audit_bound *first = &s->first, *last = &s->last;

    if (time.n == 0 || time.n >= sizeof(first->text))
        return;
    if (first->n == 0 || tg_audit_compare(time, first) < 0) {
        memcpy(first->text, time.p, time.n);
        first->n = time.n;
    }
    if (last->n == 0 || tg_audit_compare(time, last) > 0) {
        memcpy(last->text, time.p, time.n);
        last->n = time.n;
    }
}

static void count_record(struct summary *s, const struct tg_doc *doc)
{
    static const char *const decision[] = {"decision", NULL};
    static const char *const outcome[] = {"end", "http.response.status_code",
                                          "upstream.status_code", NULL};
    static const char *const project[] = {"project_id", "decision", NULL};
    static const char *const result[] = {"policy", "rule", "result", "mode", NULL};

    s->records++;
    note_time(s, tg_audit_text(doc, 0, TG_STR("time")));
    count_members(s, DECISIONS, doc, 0, decision);
    count_members(s, ENDS, doc, 0, outcome);
    count_members(s, PROJECTS, doc, 0, project);
    count_rules(s, doc, TG_STR("violations"));
    count_rules(s, doc, TG_STR("warnings"));
    count_list(s, POLICIES, doc, TG_STR("policy.results"), result);
    count_dryruns(s, doc);
    count_changes(s, doc);
    count_exceptions(s, doc);
}

/* Each worker has a line of the configuration it serves by. */
static void count_line(struct summary *s, const struct tg_doc *doc)
{
    static const char *const configuration[] = {"asked_by", "result", "configuration.revision",
                                                NULL};
    struct tg_str event = tg_audit_text(doc, 0, TG_STR("event"));

    if (tg_str_eq(event, TG_STR("outcome")))
        count_record(s, doc);
    else if (tg_str_eq(event, TG_STR("configuration")))
        count_members(s, CONFIGURATIONS, doc, 0, configuration);
}

static bool audit_summary_on_line(void *context, struct tg_str line,
                                  const struct tg_audit_place *place)
{
    struct summary *s = context;
    struct tg_doc doc;

    if (tg_audit_take_line(&doc, &s->record, tg_str_trim(line), place, &s->bad) &&
        tg_audit_passes(&s->options->filter, &doc))
        count_line(s, &doc);
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

/* Leaves so many rows of each table. */
static void keep_top(struct summary *s)
{
    size_t kept = 0;
    uint64_t rank[TABLES] = {0};

    for (size_t i = 0; i < s->nrows; i++)
        if (++rank[s->sorted[i]->table] <= s->options->top)
            s->sorted[kept++] = s->sorted[i];
    s->nrows = kept;
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
    if (s->options->top > 0)
        keep_top(s);
}

/* Takes the next column off a key. */
static struct tg_str next_column(struct tg_str *key, char separator)
{
    const char *end = key->n > 0 ? memchr(key->p, separator, key->n) : NULL;
    struct tg_str column = {key->p, end != NULL ? (size_t)(end - key->p) : key->n};

    *key = tg_str_skip(*key, column.n + (end != NULL ? 1 : 0));
    return column;
}

/* One line of a table, its columns as wide as said; the last one ends the line. */
static void add_text_row(struct tg_buf *out, struct tg_str columns, char separator,
                         const size_t *widths)
{
    for (size_t i = 0; columns.n > 0; i++) {
        struct tg_str column = next_column(&columns, separator);

        tg_buf_puts(out, "  ");
        tg_excerpt_clean(out, column);
        for (size_t n = tg_utf8_length(column); n < widths[i] && columns.n > 0; n++)
            tg_buf_putc(out, ' ');
    }
    tg_buf_putc(out, '\n');
}

static void widen(size_t *widths, struct tg_str columns, char separator)
{
    for (size_t i = 0; columns.n > 0; i++) {
        struct tg_str column = next_column(&columns, separator);

        size_t n = tg_utf8_length(column);

        CHECK(i < COLUMNS);
        widths[i] = n > widths[i] ? n : widths[i];
    }
}

/* Prints the table of some rows. */
static void add_table(struct tg_buf *out, struct row *const *rows, size_t n)
{
    struct tg_str columns = tg_str_of(tables[rows[0]->table].columns);
    size_t widths[COLUMNS] = {0};

    widen(widths, columns, ' ');
    for (size_t i = 0; i < n; i++)
        widen(widths, rows[i]->key, '\n');
    tg_buf_printf(out, "\n%s\n%10s", tables[rows[0]->table].title, "count");
    add_text_row(out, columns, ' ', widths);
    for (size_t i = 0; i < n; i++) {
        tg_buf_printf(out, "%10llu", (unsigned long long)rows[i]->count);
        add_text_row(out, rows[i]->key, '\n', widths);
    }
}

static void audit_summary_add_text(const struct summary *s, struct tg_buf *out)
{
    size_t n;

    tg_buf_printf(out, "%llu requests", (unsigned long long)s->records);
    if (s->first.n > 0) {
        tg_buf_puts(out, " from ");
        tg_excerpt_clean(out, (struct tg_str){s->first.text, s->first.n});
        tg_buf_puts(out, " to ");
        tg_excerpt_clean(out, (struct tg_str){s->last.text, s->last.n});
    }
    tg_buf_putc(out, '\n');
    for (size_t i = 0; i < s->nrows; i += n) {
        n = 1;
        while (i + n < s->nrows && s->sorted[i + n]->table == s->sorted[i]->table)
            n++;
        add_table(out, s->sorted + i, n);
    }
}

/* {"requests":N,"TITLE":[{"count":N,"COLUMN":...}]} */
static void add_json(const struct summary *s, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_number(out, "requests", s->records);
    for (size_t i = 0; i < s->nrows; i++) {
        const struct row *row = s->sorted[i];
        struct tg_str columns = tg_str_of(tables[row->table].columns);
        struct tg_str key = row->key;

        if (i > 0 && s->sorted[i - 1]->table != row->table)
            tg_json_end(out, ']');
        if (i == 0 || s->sorted[i - 1]->table != row->table)
            tg_json_member_begin(out, tables[row->table].title, '[');
        tg_json_begin(out, '{');
        tg_json_member_number(out, "count", row->count);
        while (columns.n > 0) {
            tg_json_string(out, next_column(&columns, ' '));
            tg_buf_putc(out, ':');
            tg_json_string(out, next_column(&key, '\n'));
        }
        tg_json_end(out, '}');
    }
    if (s->nrows > 0)
        tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* The names of the columns of all tables, each once. */
static const char *const csv_columns[] = {"decision",  "end",      "status",  "upstream", "policy",
                                          "rule",      "project",  "name",    "result",   "mode",
                                          "exception", "asked_by", "revision"};

/* The value a row has in a column; empty when its table has no such column. */
static struct tg_str cell_of(const struct row *row, const char *column)
{
    struct tg_str columns = tg_str_of(tables[row->table].columns);
    struct tg_str key = row->key;

    while (columns.n > 0) {
        struct tg_str value = next_column(&key, '\n');

        if (tg_str_eq(next_column(&columns, ' '), tg_str_of(column)))
            return value;
    }
    return TG_STR("");
}

/* Rows of all tables with the same fields (RFC 4180 section 2). */
static void add_csv(const struct summary *s, struct tg_buf *out)
{
    const size_t n = sizeof(csv_columns) / sizeof(*csv_columns);

    tg_buf_puts(out, "table,count");
    for (size_t k = 0; k < n; k++)
        tg_buf_printf(out, ",%s", csv_columns[k]);
    tg_buf_puts(out, "\r\n");
    for (size_t i = 0; i < s->nrows; i++) {
        tg_buf_printf(out, "\"%s\",%llu", tables[s->sorted[i]->table].title,
                      (unsigned long long)s->sorted[i]->count);
        for (size_t k = 0; k < n; k++) {
            tg_buf_putc(out, ',');
            tg_audit_add_cell(out, cell_of(s->sorted[i], csv_columns[k]));
        }
        tg_buf_puts(out, "\r\n");
    }
}

int tg_audit_summary(const struct tg_audit_options *options, char **files, int nfiles)
{
    static void (*const writers[])(const struct summary *,
                                   struct tg_buf *) = {[TG_AUDIT_TEXT] = audit_summary_add_text,
                                                       [TG_AUDIT_JSON] = add_json,
                                                       [TG_AUDIT_CSV] = add_csv};
    struct summary *s = calloc(1, sizeof(*s));
    struct tg_buf out = {0};
    int status = TG_AUDIT_UNREADABLE;

    CHECK(s != NULL);
    s->options = options;
    tg_arena_init(&s->arena);
    tg_arena_init(&s->record);
    if (tg_audit_read(files, nfiles, false,
                      &(struct tg_audit_reading){.on_line = audit_summary_on_line, .context = s})) {
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
