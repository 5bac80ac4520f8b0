/* `trainguard test`: runs the cases below a folder and says what they came to. */
#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/excerpt.h"
#include "cli/policy_cases.h"
#include "cli/xml.h"

#include <errno.h>
#include <fts.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALL_GOOD = 0, SOME_FAILED = 1, CANNOT_RUN = 2 };

/* The filters in front of `policy`, so that it judges what it judges in traffic. */
#define BEFORE                                                                                     \
    "upstream none { server 127.0.0.1:9; tls off; }\n"                                             \
    "server {\n"                                                                                   \
    "    listen 127.0.0.1:0;\n"                                                                    \
    "    location PUT /v1/{project_id}/training-job-configs/{config_name} {\n"                     \
    "        filters json normalize;\n"                                                            \
    "        proxy_pass none;\n"                                                                   \
    "    }\n"                                                                                      \
    "}\n"

struct options {
    bool coverage;
    bool require_tests;
    bool junit;
    const char *folder;
};

struct totals {
    unsigned cases;
    unsigned failed;
    unsigned broken; /* files that could not be used */
    unsigned untested;
    uint64_t took_us;
};

/* --- finding the files --- */

static int test_by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The test files in and below a folder, sorted; NULL when there are none. */
static struct tg_case_file *find_files(const char *folder)
{
    char *paths[] = {strdup(folder), NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, test_by_name);
    struct tg_case_file *first = NULL;
    struct tg_case_file **last = &first;

    for (FTSENT *e; tree != NULL && (e = fts_read(tree)) != NULL;) {
        if (e->fts_info != FTS_F || !tg_str_ends(tg_str_of(e->fts_name), TG_STR(".test.conf")))
            continue;
        *last = tg_case_file_new(e->fts_path);
        last = &(*last)->next;
    }
    if (tree != NULL)
        fts_close(tree);
    free(paths[0]);
    return first;
}

/* --- text --- */

static void test_print_problems(const struct tg_case_file *f)
{
    for (const struct tg_conf_problem *p = f->conf.problems; p != NULL; p = p->next)
        tg_complain("trainguard: [%s] %s", p->level == TG_CONF_WARN ? "warn" : "emerg", p->text);
}

static void add_case(struct tg_buf *out, const struct tg_case *t)
{
    tg_buf_printf(out, "%s  %s (%s:%u)\n", t->failed == 0 && t->error == NULL ? "ok  " : "FAIL",
                  t->name.p, t->item->file, t->item->line);
    if (t->error != NULL)
        tg_buf_printf(out, "      cannot read the body \"%s\": %s\n", t->unread.p, t->error);
    if (t->failed > 0 && t->why.n > 0)
        tg_buf_printf(out, "      the body never came to policy: %.*s\n", TG_STR_ARG(t->why));
    for (const struct tg_case_expect *e = t->expects; t->error == NULL && e != NULL; e = e->next)
        if (!tg_str_eq(e->wanted, e->got))
            tg_buf_printf(out, "      %s: expected %s, got %.*s\n", e->subject.p, e->wanted.p,
                          TG_STR_ARG(e->got));
}

static void print_case(const struct tg_case *t)
{
    struct tg_buf text = {0};

    add_case(&text, t);
    tg_excerpt_print(tg_buf_str(&text));
    tg_buf_end(&text);
}

/* --- coverage: a rule may be in the sets of several files --- */

static bool same_rule(const struct tg_case_rule *a, const struct tg_case_rule *b)
{
    return a->rule->item->line == b->rule->item->line &&
           strcmp(a->rule->item->file, b->rule->item->file) == 0 &&
           tg_str_eq(a->rule->name, b->rule->name);
}

/* Moves what later files saw of a rule to the first file that has it; false for the others. */
static bool test_gather(struct tg_case_file *f, struct tg_case_rule *seen,
                        struct tg_case_file *first)
{
    for (struct tg_case_file *o = first; o != f; o = o->next)
        for (unsigned i = 0; o->set != NULL && i < o->set->nrules; i++)
            if (same_rule(&o->rules[i], seen))
                return false;
    for (struct tg_case_file *o = f->next; o != NULL; o = o->next) {
        for (unsigned i = 0; o->set != NULL && i < o->set->nrules; i++) {
            if (!same_rule(&o->rules[i], seen))
                continue;
            seen->passed += o->rules[i].passed;
            seen->failed += o->rules[i].failed;
        }
    }
    return true;
}

/* Beside a report for machines it goes to standard error. */
static void print_rule(bool junit, const struct tg_case_rule *seen, const char *what)
{
    struct tg_buf text = {0};

    tg_buf_printf(&text, "%s.%s: %s (%s:%u)\n", seen->policy->name.p, seen->rule->name.p, what,
                  seen->rule->item->file, seen->rule->item->line);
    if (junit)
        tg_complain("%.*s", (int)text.n - 1, text.p);
    else
        tg_excerpt_print(tg_buf_str(&text));
    tg_buf_end(&text);
}

static void cover_rule(const struct options *o, const struct tg_case_rule *seen,
                       struct totals *totals)
{
    const char *what = seen->passed + seen->failed == 0 ? "no case touches it"
                       : seen->passed == 0              ? "it never passes"
                       : seen->failed == 0              ? "it never fails"
                                                        : NULL;

    totals->untested += seen->passed + seen->failed == 0;
    if (what != NULL && (o->coverage || (o->require_tests && seen->passed + seen->failed == 0)))
        print_rule(o->junit, seen, what);
}

static void cover(const struct options *o, struct tg_case_file *first, struct totals *totals)
{
    for (struct tg_case_file *f = first; f != NULL; f = f->next)
        for (unsigned i = 0; f->set != NULL && i < f->set->nrules; i++)
            if (test_gather(f, &f->rules[i], first))
                cover_rule(o, &f->rules[i], totals);
}

/* --- JUnit --- */

static void junit_case(struct tg_buf *out, const struct tg_case_file *f, const struct tg_case *t)
{
    tg_buf_puts(out, "  <testcase classname=\"");
    tg_xml_add(out, tg_str_of(f->name));
    tg_buf_puts(out, "\" name=\"");
    tg_xml_add(out, t->name);
    tg_buf_putc(out, '"');
    tg_xml_add_time(out, t->took_us);
    tg_buf_puts(out, ">\n");
    if (t->error != NULL) {
        tg_buf_puts(out, "    <error message=\"");
        tg_xml_add(out, tg_str_of(t->error));
        tg_buf_puts(out, "\"/>\n");
    }
    for (const struct tg_case_expect *e = t->expects; t->error == NULL && e != NULL; e = e->next) {
        if (tg_str_eq(e->wanted, e->got))
            continue;
        tg_buf_puts(out, "    <failure message=\"");
        tg_xml_add(out, e->subject);
        tg_buf_puts(out, ": expected ");
        tg_xml_add(out, e->wanted);
        tg_buf_puts(out, ", got ");
        tg_xml_add(out, e->got);
        tg_buf_puts(out, "\"/>\n");
    }
    tg_buf_puts(out, "  </testcase>\n");
}

static void print_junit(const struct tg_case_file *first, const struct totals *totals)
{
    struct tg_buf out = {0};

    tg_buf_printf(&out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"trainguard test\" "
                  "tests=\"%u\" failures=\"%u\"",
                  totals->cases, totals->failed);
    tg_xml_add_time(&out, totals->took_us);
    tg_buf_puts(&out, ">\n");
    for (const struct tg_case_file *f = first; f != NULL; f = f->next)
        for (const struct tg_case *t = f->cases; f->set != NULL && t != NULL; t = t->next)
            junit_case(&out, f, t);
    tg_buf_puts(&out, "</testsuite>\n");
    fwrite(out.p, 1, out.n, stdout);
    tg_buf_end(&out);
}

/* --- the command --- */

static void run_file(const struct options *o, struct tg_case_file *f,
                     const struct tg_location *before, struct totals *totals)
{
    test_print_problems(f);
    if (f->set == NULL) {
        totals->broken++;
        return;
    }
    tg_case_file_run(f, before);
    for (const struct tg_case *t = f->cases; t != NULL; t = t->next) {
        totals->cases++;
        totals->took_us += t->took_us;
        totals->failed += t->failed > 0 || t->error != NULL;
        if (!o->junit)
            print_case(t);
    }
}

static int run_all(const struct options *o, struct tg_case_file *first,
                   const struct tg_location *before)
{
    struct totals totals = {0};

    for (struct tg_case_file *f = first; f != NULL; f = f->next)
        run_file(o, f, before, &totals);
    if (o->junit)
        print_junit(first, &totals);
    if (o->coverage || o->require_tests)
        cover(o, first, &totals);
    if (!o->junit)
        printf("%u case%s, %u failed\n", totals.cases, totals.cases == 1 ? "" : "s", totals.failed);
    if (totals.broken > 0)
        return CANNOT_RUN;
    return totals.failed > 0 || (o->require_tests && totals.untested > 0) ? SOME_FAILED : ALL_GOOD;
}

static void test_usage(void)
{
    fputs("Usage: trainguard test [OPTION...] FOLDER\n\n"
          "Runs the cases of all *.test.conf in and below a folder against the policies beside "
          "them.\n\n"
          "  --coverage            list rules that no case sees pass, or fail\n"
          "  --require-tests       fail when no case touches a rule\n"
          "  --output text|junit   what to print (text)\n"
          "  -h, --help            print this and exit\n\n"
          "Exit status: 0 all cases hold, 1 some do not, 2 the files cannot be used, or wrong "
          "usage.\n",
          stdout);
}

static bool test_read_options(int argc, char **argv, struct options *o, int *status)
{
    static const struct option names[] = {{"coverage", no_argument, NULL, 'c'},
                                          {"require-tests", no_argument, NULL, 'r'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    while ((c = tg_command_option("test", argc, argv, ":h", names)) != -1) {
        o->coverage = o->coverage || c == 'c';
        o->require_tests = o->require_tests || c == 'r';
        if (c == 'o')
            o->junit = strcmp(optarg, "junit") == 0;
        if (c == 'h') {
            test_usage();
            *status = ALL_GOOD;
            return false;
        }
        if (c == '?' || (c == 'o' && !o->junit && strcmp(optarg, "text") != 0)) {
            *status = tg_command_misused("test", c == '?' ? NULL : "--output takes text or junit");
            return false;
        }
    }
    if (optind + 1 != argc) {
        *status = tg_command_misused("test", "give one FOLDER");
        return false;
    }
    o->folder = argv[optind];
    return true;
}

int tg_test_main(int argc, char **argv)
{
    struct options o = {0};
    struct tg_buf problems = {0};
    struct tg_settings *settings;
    struct tg_case_file *first;
    int status;

    if (!test_read_options(argc, argv, &o, &status))
        return status;
    settings = tg_settings_offline("built-in", TG_STR(BEFORE), "./", &problems);
    CHECK(settings != NULL);
    tg_buf_end(&problems);
    first = find_files(o.folder);
    if (first == NULL) {
        tg_complain("trainguard: no *.test.conf in or below \"%s\"%s%s", o.folder,
                    access(o.folder, R_OK) == 0 ? "" : ": ",
                    access(o.folder, R_OK) == 0 ? "" : strerror(errno));
        status = CANNOT_RUN;
    } else {
        status = run_all(&o, first, settings->servers->locations);
    }
    while (first != NULL) {
        struct tg_case_file *next = first->next;

        tg_case_file_end(first);
        first = next;
    }
    tg_settings_end(settings);
    return status;
}
