/* Reads audit logs for the command line: files in their order, lines, records, filters. */
#include "cli/audit.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
    FOLLOW_PAUSE_NS = 200000000,
    MAX_DEPTH = 200,
    MAX_TOKENS = 4000000,
    CHUNK = 64 << 10,
    MAX_LINE = 64 << 20 /* no record is as long: of what is, no more is kept */
};

/* --- the order of files --- */

/*
 * Splits a rotated file's name into the length of its log's name and how old it is: PATH.7 as this
 * program and logrotate write it, PATH-20260131 with logrotate's dateext, either with .gz behind
 * it. PATH itself has the age 0.
 */
static size_t split_name(const char *file, uint64_t *age)
{
    struct tg_str name = tg_str_of(file);
    size_t n;

    *age = 0;
    if (tg_str_ends(name, TG_STR(".gz")))
        name.n -= strlen(".gz");
    for (n = name.n; n > 0 && file[n - 1] >= '0' && file[n - 1] <= '9';)
        n--;
    if (n < 2 || !tg_str_u64(tg_str_skip(name, n), age) || *age == 0 ||
        (file[n - 1] != '.' && file[n - 1] != '-')) {
        *age = 0;
        return name.n;
    }
    if (file[n - 1] == '-')
        *age = UINT64_MAX - *age; /* a later date is younger */
    return n - 1;
}

static bool same_log(const char *a, const char *b, uint64_t *age_a, uint64_t *age_b)
{
    size_t n = split_name(a, age_a);

    return n == split_name(b, age_b) && memcmp(a, b, n) == 0;
}

/* True when `a` was written before `b`: both are of one log, and `a` was rotated earlier. */
static bool is_older(const char *a, const char *b)
{
    uint64_t age_a;
    uint64_t age_b;

    return same_log(a, b, &age_a, &age_b) && age_a > age_b;
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
    int fd;
    gzFile file; /* owned, with fd; plain text is read as it is */
    struct tg_buf text;
    bool begun; /* some of the file was read */
    struct tg_audit_place place;
    const struct tg_audit_reading *reading;
};

enum got { GOT_ALL = 1, GOT_ENOUGH, GOT_ERROR };

static enum got cannot_read(const char *file, const char *why)
{
    tg_complain("trainguard audit: %s: %s", file, why);
    return GOT_ERROR;
}

/* Text that another program than gzip made would be judged as if it were none. */
static bool is_packed(struct tg_str text)
{
    static const struct tg_str starts[] = {{"\xfd\x37zXZ", 5},
                                           {"\x28\xb5\x2f\xfd", 4},
                                           {"BZh", 3},
                                           {"\x04\x22M\x18", 4},
                                           {"PK\x03\x04", 4}};

    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
        if (tg_str_starts(text, starts[i]))
            return true;
    return false;
}

static bool audit_read_give(struct source *s, struct tg_str line, bool complete)
{
    s->place.number++;
    s->place.complete = complete;
    return s->reading->on_line(s->reading->context, line, &s->place);
}

/* Gives all whole lines of the text and keeps the rest. `seen` bytes of it have no newline. */
static bool give_lines(struct source *s, size_t seen)
{
    struct tg_str rest = tg_buf_str(&s->text);
    const char *newline;
    bool more = true;

    while (more && (newline = memchr(rest.p + seen, '\n', rest.n - seen)) != NULL) {
        struct tg_str line = {rest.p, (size_t)(newline - rest.p)};

        rest = tg_str_skip(rest, line.n + 1);
        seen = 0;
        more = audit_read_give(s, line, true);
    }
    if (rest.n > 0 && rest.p != s->text.p)
        memmove(s->text.p, rest.p, rest.n);
    s->text.n = rest.n < MAX_LINE ? rest.n : MAX_LINE;
    return more;
}

/* Reads lines until the file's end. With `wait` a line without its newline is left for later. */
static enum got read_lines(struct source *s, bool wait)
{
    int n, error = Z_OK;

    while ((n = gzread(s->file, tg_buf_room(&s->text, CHUNK), CHUNK)) > 0) {
        size_t seen = s->text.n;

        s->text.n += (size_t)n;
        if (!s->begun && is_packed(tg_buf_str(&s->text)))
            return cannot_read(s->place.file, "is packed, and not by gzip: unpack it first");
        s->begun = true;
        if (!give_lines(s, seen))
            return GOT_ENOUGH;
    }
    (void)gzerror(s->file, &error);
    if (error == Z_ERRNO)
        return cannot_read(s->place.file, strerror(errno));
    if (n < 0 || (error != Z_OK && error != Z_STREAM_END))
        return cannot_read(s->place.file, "is damaged: not all of it can be unpacked");
    if (wait || s->text.n == 0)
        return GOT_ALL;
    return audit_read_give(s, tg_buf_str(&s->text), false) ? GOT_ALL : GOT_ENOUGH;
}

/* True when the path names another file than the one that is open. */
static bool was_replaced(const struct source *s)
{
    struct stat named;
    struct stat mine;

    return stat(s->place.file, &named) == 0 && fstat(s->fd, &mine) == 0 &&
           (named.st_ino != mine.st_ino || named.st_dev != mine.st_dev);
}

static bool audit_read_open_file(struct source *s, const char *name)
{
    s->place.file = name;
    s->place.number = 0;
    s->text.n = 0;
    s->begun = false;
    s->fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    s->file = s->fd >= 0 ? gzdopen(s->fd, "rb") : NULL;
    if (s->file != NULL)
        return true;
    (void)cannot_read(name, strerror(errno));
    if (s->fd >= 0)
        close(s->fd);
    return false;
}

/* Waits for more lines. A file that was rotated away is read to its end before the next one. */
static enum got follow_lines(struct source *s)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_PAUSE_NS};

    for (;;) {
        bool replaced = was_replaced(s);
        enum got got;

        gzclearerr(s->file);
        got = read_lines(s, true);
        if (got != GOT_ALL)
            return got;
        if (replaced) {
            gzclose(s->file);
            s->file = NULL;
            if (!audit_read_open_file(s, s->place.file))
                return GOT_ERROR;
            continue;
        }
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
}

static enum got audit_read_read_file(struct source *s, const char *name, bool follow)
{
    enum got got;

    if (!audit_read_open_file(s, name))
        return GOT_ERROR;
    got = read_lines(s, follow);
    if (got == GOT_ALL && follow) {
        if (s->reading->on_caught_up != NULL)
            s->reading->on_caught_up(s->reading->context);
        got = follow_lines(s);
    }
    if (s->file != NULL)
        gzclose(s->file);
    return got;
}

bool tg_audit_read(char **files, int nfiles, bool follow, const struct tg_audit_reading *reading)
{
    struct source s = {.reading = reading};
    enum got got = GOT_ALL;
    uint64_t ages[2];

    order_files(files, nfiles);
    for (int i = 0; i < nfiles && got == GOT_ALL; i++) {
        s.place.file_index = (unsigned)i;
        s.place.rotated = i > 0 && same_log(files[i - 1], files[i], &ages[0], &ages[1]);
        got = audit_read_read_file(&s, files[i], follow && i + 1 == nfiles);
    }
    tg_buf_end(&s.text);
    return got != GOT_ERROR;
}

bool tg_audit_is_other(struct tg_str line)
{
    line = tg_str_trim(line);
    return line.n == 0 || *line.p != '{';
}

/* --- records --- */

bool tg_audit_parse(struct tg_doc *doc, struct tg_arena *arena, struct tg_str line)
{
    const struct tg_json_limits limits = {MAX_DEPTH, MAX_TOKENS};
    struct tg_json_fault fault;

    return tg_doc_parse(doc, arena, line, &limits, &fault) && tg_doc_type(doc, 0) == TG_OBJECT;
}

bool tg_audit_take_line(struct tg_doc *doc, struct tg_arena *arena, struct tg_str line,
                        const struct tg_audit_place *place, bool *bad)
{
    tg_arena_reset(arena);
    if (tg_audit_is_other(line))
        return false;
    if (tg_audit_parse(doc, arena, line))
        return true;
    tg_complain("trainguard audit: %s:%llu: not a record", place->file,
                (unsigned long long)place->number);
    *bad = true;
    return false;
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

bool tg_audit_is_change(const struct tg_doc *doc)
{
    struct tg_str method = tg_audit_text(doc, 0, TG_STR("http.request.method"));
    struct tg_str status = tg_audit_text(doc, 0, TG_STR("upstream.status_code"));

    return tg_str_eq(tg_audit_text(doc, 0, TG_STR("event")), TG_STR("outcome")) &&
           (tg_str_eq(method, TG_STR("PUT")) || tg_str_eq(method, TG_STR("POST")) ||
            tg_str_eq(method, TG_STR("DELETE"))) &&
           status.n == 3 && *status.p == '2' &&
           tg_audit_text(doc, 0, TG_STR("upstream.failed")).n == 0;
}

bool tg_audit_would_refuse(const struct tg_doc *doc, uint32_t result)
{
    struct tg_str word = tg_audit_text(doc, result, TG_STR("result"));

    return tg_str_eq(tg_audit_text(doc, result, TG_STR("mode")), TG_STR("dryrun")) &&
           tg_audit_text(doc, result, TG_STR("exception")).n == 0 &&
           (tg_str_eq(word, TG_STR("fail")) || tg_str_eq(word, TG_STR("error")));
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
        {f->id, TG_STR("request_id")},
        {f->path, TG_STR("url.path")},
        {f->method, TG_STR("http.request.method")},
        {f->status, TG_STR("http.response.status_code")},
        {f->end, TG_STR("end")},
        {f->client, TG_STR("client.address")},
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
