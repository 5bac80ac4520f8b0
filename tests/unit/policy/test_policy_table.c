/* Tables: reading CSV, looking rows up, cells in tests, and what is wrong told at its place. */
#include "policy/csv.h"
#include "policy_fixture.h"

/* --- CSV --- */

/* The rows as "a|b/c|d", or what is wrong with its line. */
static void read_all(const char *text, size_t n, struct tg_buf *out)
{
    struct tg_csv csv = tg_csv_begin((struct tg_str){text, n});
    struct tg_arena arena;
    static struct tg_csv_row row;

    tg_arena_init(&arena);
    while (tg_csv_next(&csv, &arena, &row)) {
        tg_buf_puts(out, out->n > 0 ? "/" : "");
        for (unsigned i = 0; i < row.n; i++)
            tg_buf_printf(out, "%s%.*s", i > 0 ? "|" : "", TG_STR_ARG(row.cells[i]));
    }
    if (csv.wrong != NULL)
        tg_buf_printf(out, "!%u %s", csv.line, csv.wrong);
    tg_arena_end(&arena);
}

static void rows_of_csv(void **state)
{
    static const struct {
        const char *text, *rows;
    } rows[] = {
        {"", ""},
        {"a", "a"},
        {"a,b\nc,d\n", "a|b/c|d"},
        {"a,b\r\nc,d\r\n", "a|b/c|d"},
        {"\xef\xbb\xbf"
         "a,b",
         "a|b"},
        {"a,\n,b\n,", "a|/|b/|"},
        {"\n\na\n\r\n\nb\n\n", "a/b"},
        {"\"a,b\",\"c\"\"d\"", "a,b|c\"d"},
        {"\"\",\"\"", "|"},
        {"\"a\"\n\"b\"\r\n", "a/b"},
        {" a , b ", " a | b "},
        {"队,伍\n", "队|伍"},
        {"a\n\"b", "a!2 has a quote that is not closed"},
        {"\"", "!1 has a quote that is not closed"},
        {"\"a\"\"", "!1 has a quote that is not closed"},
        {"a\"b", "!1 has a quote in the middle of a cell"},
        {"\"a\"b", "!1 has something behind a closing quote"},
        {"\"a\nb\"", "!1 has a control character"},
        {"a\rb", "!1 has a control character"},
        {"a\tb", "!1 has a control character"},
        {"a\n\xff", "a!2 is not UTF-8"},
        {"a\n\"\xc3\"", "a!2 is not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_buf got = {0};

        read_all(rows[i].text, strlen(rows[i].text), &got);
        if (!tg_str_eq(tg_buf_str(&got), tg_str_of(rows[i].rows)))
            fail_msg("%s\nexpected: %s\ngot:      %.*s", rows[i].text, rows[i].rows,
                     TG_STR_ARG(tg_buf_str(&got)));
        tg_buf_end(&got);
    }
}

static void as_many_cells_as_there_may_be(void **state)
{
    (void)state;
    for (unsigned n = TG_CSV_MAX_CELLS - 1; n <= TG_CSV_MAX_CELLS + 1; n++) {
        struct tg_buf text = {0}, got = {0};

        for (unsigned i = 1; i < n; i++)
            tg_buf_puts(&text, "x,");
        tg_buf_putc(&text, 'x');
        read_all(text.p, text.n, &got);
        assert_int_equal(memchr(got.p, '!', got.n) != NULL, n > TG_CSV_MAX_CELLS);
        tg_buf_end(&text);
        tg_buf_end(&got);
    }
}

/* --- policies with tables --- */

static char folder[] = "/tmp/trainguard-tables-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

/* Loads policies beside a table. */
static void load(struct bench *b, const char *policies, const char *table)
{
    char path[128];
    struct tg_str glob;

    write_file("p.conf", policies);
    if (table != NULL)
        write_file("teams.csv", table);
    else
        remove_file("teams.csv");
    snprintf(path, sizeof(path), "%s/*.conf", folder);
    glob = tg_str_of(path);
    tg_arena_init(&b->arena);
    tg_conf_init(&b->conf, &b->arena, "/");
    b->set = tg_policy_load(&b->conf, NULL, &glob, 1);
}

static void load_good(struct bench *b, const char *policies, const char *table)
{
    struct tg_buf problems = {0};

    load(b, policies, table);
    write_problems(&b->conf, &problems);
    if (b->set == NULL)
        fail_msg("%s\n%.*s", policies, TG_STR_ARG(tg_buf_str(&problems)));
    tg_buf_end(&problems);
}

#define TEAMS           "project,bucket,workers\np1,vision,4\np2,nlp,2\np3,,8\np4,audio,\n"
#define OF(rules)       "table teams teams.csv;\npolicy p { match project_id in teams; " rules " }"
#define WORKERS         OF("rule r { at worker_server_num; max {teams.workers}; }")
#define BUCKET          OF("rule r { at train_url; prefix /ml-{teams.bucket}/ /shared/; }")
#define SKIPPING(rules) OF("on_missing skip; " rules)

static void looking_up(void **state)
{
    static const struct {
        const char *policies, *project, *body, *results;
    } rows[] = {
        {WORKERS, "p1", "{\"worker_server_num\":4}", "p.r=pass"},
        {WORKERS, "p1", "{\"worker_server_num\":5}", "p.r=fail!"},
        {WORKERS, "p2", "{\"worker_server_num\":4}", "p.r=fail!"},
        {WORKERS, "p2", "{}", "p.r=skip"},
        {WORKERS, "p5", "{\"worker_server_num\":9}", ""},          /* not in the table */
        {WORKERS, "", "{\"worker_server_num\":1}", "p.r=error!"},  /* nobody knows which row */
        {WORKERS, "p4", "{\"worker_server_num\":1}", "p.r=fail!"}, /* the cell is empty */
        {SKIPPING("rule r { at worker_server_num; max {teams.workers}; }"), "p4",
         "{\"worker_server_num\":1}", "p.r=skip"},
        {SKIPPING("rule r { at worker_server_num; max {teams.workers}; }"), "p1",
         "{\"worker_server_num\":5}", "p.r=fail!"},
        {SKIPPING("rule r { at worker_server_num; max {teams.workers}; }"), "",
         "{\"worker_server_num\":5}", "p.r=error!"},
        {BUCKET, "p1", "{\"train_url\":\"/ml-vision/out/\"}", "p.r=pass"},
        {BUCKET, "p1", "{\"train_url\":\"/shared/out/\"}", "p.r=pass"},
        {BUCKET, "p2", "{\"train_url\":\"/ml-vision/out/\"}", "p.r=fail!"},
        {BUCKET, "p3", "{\"train_url\":\"/shared/out/\"}", "p.r=fail!"},
        {OF("rule r { when worker_server_num min {teams.workers}; deny; }"), "p1",
         "{\"worker_server_num\":4}", "p.r=fail!"},
        {OF("rule r { when worker_server_num min {teams.workers}; deny; }"), "p1",
         "{\"worker_server_num\":3}", "p.r=skip"},
        {OF("rule r { when worker_server_num min {teams.workers}; deny; }"), "p4",
         "{\"worker_server_num\":3}", "p.r=fail!"},
        {"table teams teams.csv; policy p { unless project_id in teams; rule r { deny; } }", "p1",
         "{}", ""},
        {"table teams teams.csv; policy p { unless project_id in teams; rule r { deny; } }", "p9",
         "{}", "p.r=fail!"},
        {"table teams teams.csv; policy p { unless project_id in teams; rule r { deny; } }", "",
         "{}", "p.r=fail!"},
        {"table teams teams.csv; policy p { rule r { deny; } } exception E { policy p; rule r; "
         "match project_id in teams; owner o; ticket t; expires 2999-01-01; }",
         "p1", "{}", "p.r=skip-"},
        {"table teams teams.csv; policy p { rule r { deny; } } exception E { policy p; rule r; "
         "match project_id in teams; owner o; ticket t; expires 2999-01-01; }",
         "p9", "{}", "p.r=fail!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bench b;

        load_good(&b, rows[i].policies, TEAMS);
        bench_body(&b, rows[i].body);
        b.request.project_id = tg_str_of(rows[i].project);
        bench_expect(&b, rows[i].results, rows[i].policies);
        bench_end(&b);
    }
}

/* One set judges requests of many rows one after the other. */
static void fifty_teams(void **state)
{
    struct tg_buf table = {0};
    struct bench b;

    (void)state;
    tg_buf_puts(&table, "project,bucket,workers\r\n");
    for (unsigned i = 0; i < 50; i++)
        tg_buf_printf(&table, "team-%u,b%u,%u\r\n", i, i, i % 7 + 1);
    tg_buf_putc(&table, '\0');
    load_good(&b,
              OF("rule w { at worker_server_num; max {teams.workers}; } "
                 "rule b { at train_url; prefix /ml-{teams.bucket}/; }"),
              table.p);
    for (unsigned i = 0; i < 50; i++) {
        char project[16], body[96];

        for (unsigned more = 0; more < 2; more++) {
            snprintf(project, sizeof(project), "team-%u", i);
            snprintf(body, sizeof(body), "{\"worker_server_num\":%u,\"train_url\":\"/ml-b%u/x/\"}",
                     i % 7 + 1 + more, i + more);
            bench_body(&b, body);
            b.request.project_id = tg_str_of(project);
            bench_expect(&b, more ? "p.w=fail! p.b=fail!" : "p.w=pass p.b=pass", project);
        }
    }
    bench_end(&b);
    tg_buf_end(&table);
}

static void messages(void **state)
{
    static const struct {
        const char *project, *text;
    } rows[] = {
        {"p1", "must be at most 4 (got 9)"},
        {"p4", "has no value in the table for this: must be at most {teams.workers} (got 9)"},
        {"", "could not be judged: must be at most {teams.workers} (got 9)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_buf text = {0};
        struct bench b;

        load_good(&b, WORKERS, TEAMS);
        bench_body(&b, "{\"worker_server_num\":9}");
        b.request.project_id = tg_str_of(rows[i].project);
        tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
        tg_finding_text(&text, b.request.report.first, false);
        if (!tg_str_eq(tg_buf_str(&text), tg_str_of(rows[i].text)))
            fail_msg("expected: %s\ngot:      %.*s", rows[i].text, TG_STR_ARG(tg_buf_str(&text)));
        tg_buf_end(&text);
        bench_end(&b);
    }
}

static void mistakes(void **state)
{
    static const struct {
        const char *policies, *table, *problem, *place;
    } rows[] = {
        {WORKERS, NULL, "cannot read \"", "p.conf:1"},
        {WORKERS, "", "a row of table \"teams\" is missing, the first names the columns",
         "teams.csv:1"},
        {WORKERS, "a,b,workers\np1,x,4\np2,x,4\np1,y,5\n",
         "table \"teams\" has the row \"p1\" twice, in line 2 and again", "teams.csv:4"},
        {WORKERS, "a,b\np1,x\n", "table \"teams\" has no column \"workers\"", "p.conf:2"},
        {WORKERS, "a,b,b\n", "a row of table \"teams\" names a column twice", "teams.csv:1"},
        {WORKERS, "a,,b\n", "a row of table \"teams\" has a column without a name", "teams.csv:1"},
        {WORKERS, "a,workers\np1\n", "a row of table \"teams\" lacks cells", "teams.csv:2"},
        {WORKERS, "a,workers\np1,1,2\n", "a row of table \"teams\" has more cells than columns",
         "teams.csv:2"},
        {WORKERS, "a,workers\n,1\n", "a row of table \"teams\" has no key", "teams.csv:2"},
        {WORKERS, "a,workers\np1,1\np2,many\n", "\"max\" takes a number, got \"many\"",
         "teams.csv:3"},
        {WORKERS, "a,workers\np1,\"1\n", "a row of table \"teams\" has a control character",
         "teams.csv:2"},
        {BUCKET, "a,bucket\np1,x/../y\n", "no OBS path begins with \"/ml-x/../y/\"", "teams.csv:2"},
        {OF("rule r { at spec_id; in {team.x}; }"), TEAMS,
         "a cell of table \"team\" takes a \"match ... in team\" of its policy", "p.conf:2"},
        {"table teams teams.csv; policy p { rule r { at spec_id; in {teams.bucket}; } }", TEAMS,
         "a cell of table \"teams\" takes a \"match ... in teams\" of its policy", "p.conf:1"},
        {OF("match config_name in teams; rule r { at spec_id; max {teams.workers}; }"), TEAMS,
         "a cell of table \"teams\" takes one \"match ... in teams\" of its policy", "p.conf:2"},
        {OF("rule r { at spec_id; in {teams.bucket}{other.x}; }"), TEAMS,
         "a test takes the cells of one table, this one has \"teams\" and \"other\"", "p.conf:2"},
        {"policy p { match project_id in teams; rule r { deny; } }", TEAMS,
         "unknown table \"teams\"", "p.conf:1"},
        {"table team teams.csv; policy p { match project_id in teams; rule r { deny; } }", TEAMS,
         "unknown table \"teams\" in", "did you mean \"team\"?"},
        {"table teams teams.csv; table teams teams.csv; policy p { rule r { deny; } }", TEAMS,
         "table \"teams\" stands in ", "already, and again"},
        {"table teams teams.csv; policy p { match client in teams; rule r { deny; } }", TEAMS,
         "\"match client\" takes addresses, no table", "p.conf:1"},
        {"table \"a b\" teams.csv; policy p { rule r { deny; } }", TEAMS,
         "\"table\" takes a name and a file, got \"a b\"", "p.conf:1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_buf problems = {0};
        struct bench b;

        load(&b, rows[i].policies, rows[i].table);
        write_problems(&b.conf, &problems);
        tg_buf_putc(&problems, '\0');
        if (b.set != NULL || strstr(problems.p, rows[i].problem) == NULL ||
            strstr(problems.p, rows[i].place) == NULL)
            fail_msg("%s\nexpected: %s in %s\ngot:      %s", rows[i].policies, rows[i].problem,
                     rows[i].place, problems.p);
        tg_buf_end(&problems);
        bench_end(&b);
    }
}

/* A table is as much of the policy as its text. */
static void the_revision_knows_tables(void **state)
{
    struct bench one, same, other;

    (void)state;
    load_good(&one, WORKERS, TEAMS);
    load_good(&same, WORKERS, TEAMS);
    load_good(&other, WORKERS, TEAMS "p6,x,1\n");
    assert_true(tg_str_eq(one.set->revision, same.set->revision));
    assert_false(tg_str_eq(one.set->revision, other.set->revision));
    bench_end(&one);
    bench_end(&same);
    bench_end(&other);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_file("p.conf");
    remove_file("teams.csv");
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_csv),
        cmocka_unit_test(as_many_cells_as_there_may_be),
        cmocka_unit_test(looking_up),
        cmocka_unit_test(fifty_teams),
        cmocka_unit_test(messages),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(the_revision_knows_tables),
    };

    tg_clock_freeze(TODAY);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
