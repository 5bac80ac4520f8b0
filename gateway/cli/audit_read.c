/* Reads audit logs for the command line: files in their order, lines, records, filters. */
#include "cli/audit.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { FOLLOW_PAUSE_NS = 200000000, MAX_DEPTH = 200, MAX_TOKENS = 4000000 };

/* --- the order of files --- */

/* Splits "PATH.7" into the length of PATH and 7; a name without a number is number 0. */
static size_t split_name(const char *file, uint64_t *number)
{
    const char *dot = strrchr(file, '.');

    *number = 0;
    if (dot != NULL && tg_str_u64(tg_str_of(dot + 1), number) && *number > 0)
        return (size_t)(dot - file);
    *number = 0;
    return strlen(file);
}

/* True when `a` was written before `b`: both are of one log, and `a` was rotated earlier. */
static bool is_older(const char *a, const char *b)
{
    uint64_t na;
    uint64_t nb;
    size_t la = split_name(a, &na);
    size_t lb = split_name(b, &nb);

    return la == lb && memcmp(a, b, la) == 0 && na > nb;
}

/* Sorts each log's files among themselves; other files stay in the order given. */
static void order_files(char **files, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && is_older(files[k], files[k - 1]); k--) {
            char *swap = files[k];

            files[k] = files[k - 1];
            files[k - 1] = swap;
        }
}

/* --- lines --- */

struct source {
    FILE *file;
    char *line; /* owned; grows */
    size_t cap;
    struct tg_audit_place place;
    tg_audit_reader *reader;
    void *context;
};

static bool cannot_read(const char *file)
{
    fprintf(stderr, "trainguard audit: %s: %s\n", file, strerror(errno));
    return false;
}

/* Reads lines until the file's end; false when the reader wants no more. With `wait` a line without
 * its newline is left for later. */
static bool read_lines(struct source *s, bool wait)
{
    for (;;) {
        long at = wait ? ftell(s->file) : 0;
        ssize_t n = getline(&s->line, &s->cap, s->file);

        if (n <= 0)
            return true;
        s->place.complete = s->line[n - 1] == '\n';
        if (!s->place.complete && wait) {
            fseek(s->file, at, SEEK_SET);
            return true;
        }
        s->place.number++;
        if (!s->reader(s->context,
                       (struct tg_str){s->line, (size_t)n - (s->place.complete ? 1 : 0)},
                       &s->place))
            return false;
    }
}

/* True when the path names another file than the one that is open. */
static bool was_replaced(const struct source *s)
{
    struct stat named;
    struct stat mine;

    return stat(s->place.file, &named) == 0 && fstat(fileno(s->file), &mine) == 0 &&
           (named.st_ino != mine.st_ino || named.st_dev != mine.st_dev);
}

/* Waits for more lines. A file that was rotated away is read to its end before the next one. */
static bool follow_lines(struct source *s)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_PAUSE_NS};

    for (;;) {
        bool replaced = was_replaced(s);

        clearerr(s->file);
        if (!read_lines(s, true))
            return true;
        if (replaced) {
            FILE *next = fopen(s->place.file, "re");

            if (next == NULL)
                return cannot_read(s->place.file);
            fclose(s->file);
            s->file = next;
            s->place.number = 0;
            continue;
        }
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
}

static bool read_file(struct source *s, const char *name, bool follow, bool *more)
{
    bool standard = strcmp(name, "-") == 0;
    bool ok = true;

    s->place.file = name;
    s->place.number = 0;
    s->file = standard ? stdin : fopen(name, "re");
    if (s->file == NULL)
        return cannot_read(name);
    *more = read_lines(s, follow);
    if (ferror(s->file))
        ok = cannot_read(name);
    if (ok && *more && follow)
        ok = follow_lines(s);
    if (!standard)
        fclose(s->file);
    return ok;
}

bool tg_audit_read(char **files, int nfiles, bool follow, tg_audit_reader *reader, void *context)
{
    struct source s = {.reader = reader, .context = context};
    bool ok = true;
    bool more = true;

    order_files(files, nfiles);
    for (int i = 0; i < nfiles && ok && more; i++) {
        s.place.file_index = (unsigned)i;
        ok = read_file(&s, files[i], follow && i + 1 == nfiles, &more);
    }
    free(s.line);
    return ok;
}

/* --- records --- */

bool tg_audit_parse(struct tg_doc *doc, struct tg_arena *arena, struct tg_str line)
{
    const struct tg_json_limits limits = {MAX_DEPTH, MAX_TOKENS};
    struct tg_json_fault fault;

    return tg_doc_parse(doc, arena, line, &limits, &fault) && tg_doc_type(doc, 0) == TG_OBJECT;
}

struct tg_str tg_audit_text(const struct tg_doc *doc, uint32_t node, struct tg_str name)
{
    uint32_t value = TG_NONE;

    if (tg_doc_type(doc, node) == TG_OBJECT)
        value = tg_doc_member(doc, node, name);
    if (value == TG_NONE)
        return (struct tg_str){NULL, 0};
    return tg_doc_type(doc, value) == TG_STRING ? tg_doc_string(doc, value)
                                                : tg_doc_text(doc, value);
}

uint32_t tg_audit_list(const struct tg_doc *doc, struct tg_str name)
{
    uint32_t list = tg_doc_member(doc, 0, name);

    return list != TG_NONE && tg_doc_type(doc, list) == TG_ARRAY ? tg_doc_first(doc, list)
                                                                 : TG_NONE;
}

/* --- filters --- */

/* True for the rule's name, alone or behind its policy's and a dot. */
static bool is_rule(struct tg_str policy, struct tg_str rule, struct tg_str wanted)
{
    if (tg_str_eq(rule, wanted))
        return true;
    return policy.n > 0 && wanted.n == policy.n + 1 + rule.n && wanted.p[policy.n] == '.' &&
           tg_str_starts(wanted, policy) && tg_str_ends(wanted, rule);
}

static bool has_rule(const struct tg_doc *doc, struct tg_str wanted)
{
    static const struct tg_str lists[] = {
        {"violations", 10}, {"warnings", 8}, {"policy.results", 14}};

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        for (uint32_t e = tg_audit_list(doc, lists[i]); e != TG_NONE; e = tg_doc_next(doc, e))
            if (is_rule(tg_audit_text(doc, e, TG_STR("policy")),
                        tg_audit_text(doc, e, TG_STR("rule")), wanted))
                return true;
    return false;
}

bool tg_audit_passes(const struct tg_audit_filter *f, const struct tg_doc *doc)
{
    const struct {
        struct tg_str want;
        struct tg_str member;
    } equal[] = {
        {f->decision, TG_STR("decision")},
        {f->project, TG_STR("project_id")},
        {f->config, TG_STR("config_name")},
        {f->principal, TG_STR("principal")},
    };
    struct tg_str time = tg_audit_text(doc, 0, TG_STR("time"));

    for (size_t i = 0; i < sizeof(equal) / sizeof(*equal); i++)
        if (equal[i].want.n > 0 &&
            !tg_str_eq(tg_audit_text(doc, 0, equal[i].member), equal[i].want))
            return false;
    if (f->since.n > 0 && tg_audit_compare(time, &f->since) < 0)
        return false;
    if (f->until.n > 0 && tg_audit_compare(time, &f->until) >= 0)
        return false;
    return f->rule.n == 0 || has_rule(doc, f->rule);
}
