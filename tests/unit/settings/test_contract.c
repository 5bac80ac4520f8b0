/*
 * The table tests/data/contract/: bodies with every finding they get and what is forwarded, run
 * through the chain without any socket. The same table is read by the end-to-end tests.
 *
 * Each row also shows three properties: a normalized body normalizes to itself, what was accepted
 * stays accepted, and what the document says of itself is what its text says.
 */
#include "chain/chain.h"
#include "settings/settings.h"
#include "table.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const files[] = {"members.json", "json.json",      "paths.json",  "lists.json",
                                    "whole.json",   "normalize.json", "bodies.json", NULL};

enum { LEAST_ROWS = 400 };

/* --- the table --- */

struct row {
    const char *file;
    const struct tg_doc *table;
    uint32_t node;
    struct tg_str name, level, body, forwarded; /* forwarded.p NULL: refused */
    bool seen[64];                              /* expected findings that came */
};

static struct tg_str text_of(const struct row *row, const char *member)
{
    uint32_t node = tg_doc_member(row->table, row->node, tg_str_of(member));

    if (node == TG_NONE || tg_doc_type(row->table, node) != TG_STRING)
        return (struct tg_str){NULL, 0};
    return tg_doc_string(row->table, node);
}

static void read_file(const char *file, struct tg_buf *out)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof(path), "%s/contract/%s", TG_TEST_DATA, file);
    f = fopen(path, "rb");
    assert_non_null(f);
    out->n = fread(tg_buf_room(out, 1 << 20), 1, 1 << 20, f);
    fclose(f);
}

/* --- one evaluation --- */

/* A configuration with one location that has the row's level and switches. */
static struct tg_settings *settings_of(const struct row *row)
{
    uint32_t switches = tg_doc_member(row->table, row->node, TG_STR("switches"));
    struct tg_buf conf = {0};
    struct tg_buf problems = {0};
    struct tg_settings *settings;

    tg_buf_puts(&conf, "upstream a { server 127.0.0.1:1; tls off; }\n"
                       "server { listen 127.0.0.1:0; location / { proxy_pass a;\n"
                       "filters json normalize validate;\n");
    tg_buf_printf(&conf, "validate %.*s;\n", TG_STR_ARG(row->level));
    if (switches != TG_NONE)
        for (uint32_t s = tg_doc_first(row->table, switches); s != TG_NONE;
             s = tg_doc_next(row->table, s))
            tg_buf_add(&conf, tg_doc_string(row->table, s));
    tg_buf_puts(&conf, "}}\n");
    settings = tg_settings_offline("row", tg_buf_str(&conf), "./", &problems);
    if (settings == NULL)
        fail_msg("%.*s: %.*s", TG_STR_ARG(row->name), TG_STR_ARG(tg_buf_str(&problems)));
    tg_buf_end(&conf);
    tg_buf_end(&problems);
    return settings;
}

/* Fills `r` and walks the chain; the document lives until the arena is reset. */
static enum tg_verdict run(const struct row *row, const struct tg_settings *settings,
                           struct tg_arena *arena, struct tg_request *r, struct tg_str body)
{
    struct tg_field fields[2] = {{TG_STR("Content-Type"), TG_STR("application/json")},
                                 {TG_STR("Authorization"), text_of(row, "authorization")}};
    struct tg_chain chain;
    enum tg_verdict verdict;

    tg_request_init(r, arena);
    r->fields = memcpy(tg_arena_alloc(arena, sizeof(fields)), fields, sizeof(fields));
    r->nfields = fields[1].value.p != NULL ? 2 : 1;
    r->body = body;
    r->project_id = text_of(row, "project_id");
    r->config_name = text_of(row, "config_name");
    (void)tg_request_identify(r);
    tg_chain_begin(&chain, &settings->servers->locations->filters, r);
    verdict = tg_chain_run(&chain);
    tg_chain_done(&chain);
    return verdict;
}

/* --- findings --- */

static bool number_is(const struct tg_doc *d, uint32_t node, unsigned value)
{
    int64_t number;

    if (tg_doc_type(d, node) == TG_NULL)
        return value == 0;
    return tg_doc_integer(d, node, &number) && number == (int64_t)value;
}

/* True when an element [pointer, rule, line, column, severity] is this finding. */
static bool is_expected(const struct tg_doc *d, uint32_t e, const struct tg_finding *f,
                        struct tg_place place)
{
    uint32_t pointer = tg_doc_first(d, e);
    uint32_t rule = tg_doc_next(d, pointer);
    uint32_t line = tg_doc_next(d, rule);
    uint32_t column = tg_doc_next(d, line);
    uint32_t severity = tg_doc_next(d, column);

    return tg_doc_is(d, pointer, f->pointer) && tg_doc_is(d, rule, tg_str_of(f->rule)) &&
           number_is(d, line, place.line) && number_is(d, column, place.column) &&
           tg_doc_is(d, severity,
                     f->severity == TG_VIOLATION ? TG_STR("violation") : TG_STR("warning"));
}

static void show(const struct row *row, const struct tg_request *r)
{
    print_error("%s: %.*s\n", row->file, TG_STR_ARG(row->name));
    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next) {
        struct tg_place p = {0, 0};

        tg_doc_places(r->body, &f->offset, 1, &p);
        print_error("    [\"%.*s\", \"%s\", %u, %u, %d] %.*s\n", TG_STR_ARG(f->pointer), f->rule,
                    p.line, p.column, f->severity, TG_STR_ARG(f->message.before));
    }
}

static bool find(struct row *row, const struct tg_finding *f, struct tg_place place)
{
    uint32_t list = tg_doc_member(row->table, row->node, TG_STR("expected"));
    unsigned i = 0;

    for (uint32_t e = tg_doc_first(row->table, list); e != TG_NONE;
         e = tg_doc_next(row->table, e), i++)
        if (!row->seen[i] && is_expected(row->table, e, f, place)) {
            row->seen[i] = true;
            return true;
        }
    return false;
}

static unsigned check_findings(struct row *row, const struct tg_request *r)
{
    uint32_t list = tg_doc_member(row->table, row->node, TG_STR("expected"));
    unsigned expected = 0;
    unsigned got = 0;
    bool wrong = false;

    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next, got++) {
        struct tg_place place = {0, 0};

        tg_doc_places(r->body, &f->offset, 1, &place);
        wrong = !find(row, f, place) || wrong;
        wrong = f->message.before.n == 0 || f->message_zh.before.n == 0 || wrong;
    }
    for (uint32_t e = tg_doc_first(row->table, list); e != TG_NONE; e = tg_doc_next(row->table, e))
        expected++;
    if (!wrong && expected == got)
        return 0;
    show(row, r);
    return 1;
}

/* --- properties --- */

/* What was forwarded passes as it is, and nothing is left to change. */
static unsigned check_stable(const struct row *row, const struct tg_settings *settings,
                             struct tg_str forwarded)
{
    struct tg_arena arena;
    struct tg_request r;
    unsigned wrong = 0;

    tg_arena_init(&arena);
    if (run(row, settings, &arena, &r, forwarded) != TG_NEXT || r.doc->nchanges > 0) {
        print_error("%s: %.*s: not stable\n", row->file, TG_STR_ARG(row->name));
        wrong = 1;
    }
    tg_arena_end(&arena);
    return wrong;
}

static bool same_node(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    if (tg_doc_type(a, x) != tg_doc_type(b, y))
        return false;
    if (tg_doc_first(a, x) == TG_NONE && tg_doc_type(a, x) != TG_OBJECT &&
        tg_doc_type(a, x) != TG_ARRAY)
        return tg_str_eq(tg_doc_text(a, x), tg_doc_text(b, y));
    if (tg_doc_type(a, x) == TG_NAME && !tg_str_eq(tg_doc_string(a, x), tg_doc_string(b, y)))
        return false;
    x = tg_doc_first(a, x);
    y = tg_doc_first(b, y);
    for (; x != TG_NONE && y != TG_NONE; x = tg_doc_next(a, x), y = tg_doc_next(b, y))
        if (!same_node(a, x, b, y))
            return false;
    return x == y;
}

/* The text that is sent, read again, is the document the rules saw. */
static unsigned check_seen_is_sent(const struct row *row, const struct tg_request *r)
{
    struct tg_json_limits limits = {TG_JSON_MAX_DEPTH, 1000000};
    struct tg_json_fault fault;
    struct tg_doc again;

    if (r->doc == NULL)
        return 0;
    if (tg_doc_parse(&again, r->arena, tg_doc_result(r->doc), &limits, &fault) &&
        same_node(r->doc, 0, &again, 0))
        return 0;
    print_error("%s: %.*s: another document is sent\n", row->file, TG_STR_ARG(row->name));
    return 1;
}

/* --- rows --- */

static unsigned check_row(struct row *row)
{
    struct tg_settings *settings = settings_of(row);
    struct tg_arena arena;
    struct tg_request r;
    struct tg_str sent;
    enum tg_verdict verdict;
    unsigned wrong;

    tg_arena_init(&arena);
    verdict = run(row, settings, &arena, &r, row->body);
    wrong = check_findings(row, &r);
    wrong += check_seen_is_sent(row, &r);
    sent = verdict == TG_NEXT ? tg_request_forwarded_body(&r) : (struct tg_str){NULL, 0};
    if (!tg_str_eq(sent, row->forwarded) || (sent.p == NULL) != (row->forwarded.p == NULL)) {
        print_error("%s: %.*s: forwarded %.*s\n", row->file, TG_STR_ARG(row->name),
                    TG_STR_ARG(sent));
        wrong++;
    }
    if (verdict == TG_NEXT)
        wrong += check_stable(row, settings, sent);
    tg_arena_end(&arena);
    tg_settings_end(settings);
    return wrong;
}

static unsigned check_file(const char *file, unsigned *rows)
{
    struct tg_json_limits limits = {64, 1000000};
    struct tg_buf text = {0};
    struct tg_arena arena;
    struct tg_json_fault fault;
    struct tg_doc table;
    unsigned wrong = 0;

    tg_arena_init(&arena);
    read_file(file, &text);
    assert_true(tg_doc_parse(&table, &arena, tg_buf_str(&text), &limits, &fault));
    for (uint32_t n = tg_doc_first(&table, 0); n != TG_NONE; n = tg_doc_next(&table, n)) {
        struct row row = {.file = file, .table = &table, .node = n};

        row.name = text_of(&row, "name");
        row.level = text_of(&row, "level");
        row.body = text_of(&row, "body");
        row.forwarded = text_of(&row, "forwarded");
        wrong += check_row(&row);
        ++*rows;
    }
    tg_arena_end(&arena);
    tg_buf_end(&text);
    return wrong;
}

static void every_row(void **state)
{
    unsigned rows = 0;
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; files[i] != NULL; i++)
        wrong += check_file(files[i], &rows);
    assert_int_equal(wrong, 0);
    assert_true(rows >= LEAST_ROWS);
}

/* No file of the table is left out. */
static void every_file_is_read(void **state)
{
    DIR *dir = opendir(TG_TEST_DATA "/contract");
    struct dirent *e;
    unsigned found = 0;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        found += e->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(found, sizeof(files) / sizeof(files[0]) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_file_is_read),
    };

    tg_filter_register(tg_builtin_filters);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
