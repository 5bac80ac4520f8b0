/*
 * `trainguard audit verify`: follows the chain of every stream through the files and tells what is
 * wrong with the first line that does not fit, and with each one after it. A worker that died
 * leaves other marks than a hand: its lines end without a stop record, but none before the end is
 * missing, and the next stream names exactly the last one.
 */
#include "base/check.h"
#include "base/log.h"
#include "cli/audit_heads.h"
#include "cli/audit_keys.h"
#include "cli/audit_stored.h"
#include "cli/excerpt.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUCKETS = 1024, MAX_FINDINGS = 1000 };

/* Numbers that were passed over; a line that shows up later fills its hole. */
struct gap {
    uint64_t from;
    uint64_t to;
    struct finding *finding;
    struct gap *next;
};

/* What a start record says of the stream before it; judged when all lines have been read. */
struct previous {
    struct tg_str stream;
    uint64_t seq;
    struct tg_str chain;
    struct tg_audit_place place;
    struct previous *next;
};

struct stream {
    struct tg_str name;
    struct tg_audit_chain *chained; /* by which kind and key; NULL: not known */
    uint64_t seq;
    char chain[TG_SHA256_HEX];
    const char *file; /* of the newest line */
    unsigned file_index;
    uint64_t number;
    bool stopped;
    bool confirmed;                   /* a later stream names exactly its last line */
    const struct tg_audit_head *head; /* the next one to be compared */
    struct gap *gaps;
    struct stream *next;   /* in the bucket */
    struct stream *behind; /* in order of appearance */
};

struct finding {
    bool problem; /* else a remark */
    const char *file;
    uint64_t number;
    const char *text;
    struct finding *next;
};

struct verify {
    struct tg_arena arena;
    struct tg_audit_keys keys;
    struct tg_audit_heads heads;
    bool wrong_key; /* told once */
    struct previous *previous;
    struct previous **last_previous;
    struct tg_audit_stored *stored; /* puts lines into their order; NULL: they are in it */
    struct stream *buckets[BUCKETS];
    struct stream *first;
    struct stream **last;
    struct finding *findings;
    struct finding **last_finding;
    struct finding *torn; /* of the line before, when it was a torn one */
    unsigned problems;
    uint64_t lines;
    uint64_t others; /* that are none of a log */
    uint64_t twice;  /* stored more than once */
    uint64_t nstreams;
};

/* --- findings --- */

__attribute__((format(printf, 4, 5))) static struct finding *
verify_tell(struct verify *v, bool problem, const struct tg_audit_place *place, const char *format,
            ...)
{
    struct finding *f = tg_arena_zalloc(&v->arena, 1, sizeof(*f));
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    f->problem = problem;
    f->file = place->file;
    f->number = place->number;
    f->text = tg_arena_dup(&v->arena, tg_str_of(text)).p;
    v->problems += problem;
    if (v->problems > MAX_FINDINGS)
        return f;
    *v->last_finding = f;
    v->last_finding = &f->next;
    return f;
}

/* --- streams --- */

static struct stream **verify_bucket_of(struct verify *v, struct tg_str name)
{
    unsigned hash = 0;

    for (size_t i = 0; i < name.n; i++)
        hash = hash * 31 + (unsigned char)name.p[i];
    return &v->buckets[hash % BUCKETS];
}

static struct stream *find_stream(struct verify *v, struct tg_str name)
{
    struct stream *s = *verify_bucket_of(v, name);

    while (s != NULL && !tg_str_eq(s->name, name))
        s = s->next;
    return s;
}

static struct stream *add_stream(struct verify *v, struct tg_str name)
{
    struct stream **bucket = verify_bucket_of(v, name);
    struct stream *s = tg_arena_zalloc(&v->arena, 1, sizeof(*s));

    s->name = tg_arena_dup(&v->arena, name);
    memset(s->chain, '0', sizeof(s->chain));
    s->head = tg_audit_heads_of(&v->heads, name);
    s->next = *bucket;
    *bucket = s;
    *v->last = s;
    v->last = &s->behind;
    v->nstreams++;
    return s;
}

/* Is the line that which heads of its stream tell of? Those of lines before it are passed: that the
 * lines are not there is told elsewhere. */
static void check_heads(struct verify *v, struct stream *s, const struct tg_audit_line *line,
                        const struct tg_audit_place *place)
{
    for (; s->head != NULL && s->head->seq <= line->seq;
         s->head = tg_audit_heads_next(&v->heads, s->head))
        if (s->head->seq == line->seq && !tg_str_eq(s->head->chain, line->chain))
            verify_tell(v, true, place,
                        "changed: the line is not the head of its stream in %s:%llu",
                        s->head->place.file, (unsigned long long)s->head->place.number);
}

/* The line is where its stream stands now. */
static void move_to(struct verify *v, struct stream *s, const struct tg_audit_line *line,
                    const struct tg_audit_place *place)
{
    check_heads(v, s, line, place);
    s->seq = line->seq;
    memcpy(s->chain, line->chain.p, TG_SHA256_HEX);
    s->file = place->file;
    s->file_index = place->file_index;
    s->number = place->number;
    if (tg_str_eq(line->event, TG_STR("stop")))
        s->stopped = true;
}

/* True when the line follows from `previous` in its stream. A stream whose first line is not there
 * has not named its key: then the line shows which one it is. */
static bool follows(struct verify *v, struct stream *s, const char *previous,
                    const struct tg_audit_line *line)
{
    if (s->chained != NULL)
        return tg_audit_fits(s->chained, previous, line);
    s->chained = tg_audit_keys_fit(&v->keys, previous, line);
    return s->chained != NULL;
}

/* --- the lines that name others: start, continue --- */

struct anchor {
    struct tg_str algorithm;
    struct tg_str key_id;
    struct tg_str stream; /* previous.* */
    uint64_t seq;
    struct tg_str chain;
};

/* Reads a start or continue record. */
static bool read_anchor(struct tg_arena *arena, struct tg_str line, struct anchor *out)
{
    struct tg_doc doc;

    *out = (struct anchor){0};
    if (!tg_audit_parse(&doc, arena, line))
        return false;
    out->algorithm = tg_audit_text(&doc, 0, TG_STR("chain_algorithm"));
    out->key_id = tg_audit_text(&doc, 0, TG_STR("chain_key_id"));
    out->stream = tg_audit_text(&doc, 0, TG_STR("previous.stream"));
    out->chain = tg_audit_text(&doc, 0, TG_STR("previous.chain"));
    (void)tg_str_u64(tg_audit_text(&doc, 0, TG_STR("previous.seq")), &out->seq);
    return true;
}

/* Is the chain of the kind we can check? Someone without the key could write the whole log again
 * without one, so that is a problem where a key was given. */
static void verify_check_key(struct verify *v, struct stream *s, const struct anchor *a,
                             const struct tg_audit_place *place)
{
    if (!tg_str_eq(a->algorithm, TG_STR("hmac-sha256"))) {
        s->chained = &v->keys.plain;
        if (v->keys.n > 0)
            verify_tell(v, true, place,
                        "changed: the stream has no key, though --key-file was given");
        return;
    }
    s->chained = tg_audit_keys_find(&v->keys, a->key_id);
    if (s->chained != NULL)
        return;
    v->wrong_key = true;
    tg_complain("trainguard audit: %s:%llu: the chain has %s (its id is %.*s)", place->file,
                (unsigned long long)place->number,
                v->keys.n == 0 ? "a key: give --key-file" : "another key", TG_STR_ARG(a->key_id));
}

static void note_previous(struct verify *v, const struct anchor *a,
                          const struct tg_audit_place *place)
{
    struct previous *p;

    if (a->stream.n == 0)
        return;
    p = tg_arena_zalloc(&v->arena, 1, sizeof(*p));
    /* the anchor's texts stand in the buffer of the line at hand */
    *p = (struct previous){tg_arena_dup(&v->arena, a->stream), a->seq,
                           tg_arena_dup(&v->arena, a->chain), *place, NULL};
    *v->last_previous = p;
    v->last_previous = &p->next;
}

/* What a start record says about the stream before it. */
static void check_previous(struct verify *v, const struct previous *a)
{
    struct stream *before = find_stream(v, a->stream);
    const struct tg_audit_place *place = &a->place;

    if (before == NULL) {
        verify_tell(v, place->file_index > 0, place,
                    place->file_index > 0 ? "removed: the stream %.*s, named here as the one before"
                                          : "follows the stream %.*s, which is not in these files",
                    TG_STR_ARG(a->stream));
        return;
    }
    if (a->seq > before->seq)
        verify_tell(
            v, true, place,
            "truncated: the stream %.*s had %llu lines when this one began, its last one here is "
            "line %llu of %s with seq %llu",
            TG_STR_ARG(before->name), (unsigned long long)a->seq,
            (unsigned long long)before->number, before->file, (unsigned long long)before->seq);
    else if (a->seq == before->seq && a->chain.n == TG_SHA256_HEX &&
             memcmp(a->chain.p, before->chain, TG_SHA256_HEX) != 0)
        verify_tell(v, true, place,
                    "changed: the last line of the stream %.*s is not the one named here",
                    TG_STR_ARG(before->name));
    else
        before->confirmed = a->seq == before->seq;
}

static void on_new_stream(struct verify *v, struct tg_str text, const struct tg_audit_line *line,
                          const struct tg_audit_place *place)
{
    struct stream *s = add_stream(v, line->stream);
    bool begins = tg_str_eq(line->event, TG_STR("start")) && line->seq == 1;
    struct anchor a;

    if (!begins && !tg_str_eq(line->event, TG_STR("continue"))) {
        verify_tell(v, true, place,
                    "removed: the beginning of the stream %.*s; the first line here is "
                    "seq %llu",
                    TG_STR_ARG(line->stream), (unsigned long long)line->seq);
        move_to(v, s, line, place);
        return;
    }
    if (read_anchor(&v->arena, text, &a)) {
        verify_check_key(v, s, &a, place);
        if (begins)
            note_previous(v, &a, place);
        else if (a.chain.n == TG_SHA256_HEX)
            memcpy(s->chain, a.chain.p, TG_SHA256_HEX);
    }
    if (!follows(v, s, s->chain, line))
        verify_tell(v, true, place, "changed: the line does not fit its chain value");
    else if (!begins)
        verify_tell(v, false, place, "continues the stream %.*s from a file that was not given",
                    TG_STR_ARG(line->stream));
    /* a continue record does not move the chain */
    if (begins)
        move_to(v, s, line, place);
    else
        s->seq = line->seq;
    s->file = place->file;
    s->file_index = place->file_index;
    s->number = place->number;
}

/* A stream that is known goes on in another file. What a continue record says must agree with where
 * the stream stands; whether the files were put into one since then makes no difference. */
static void on_continue(struct verify *v, struct stream *s, struct tg_str text,
                        const struct tg_audit_line *line, const struct tg_audit_place *place)
{
    struct anchor a;

    if (!read_anchor(&v->arena, text, &a) || a.chain.n != TG_SHA256_HEX ||
        !follows(v, s, a.chain.p, line)) {
        verify_tell(v, true, place, "changed: the line does not fit its chain value");
    } else if (v->stored != NULL && tg_audit_stored_had(v->stored, s->name, line->seq, a.chain.p)) {
        return;
    } else if (line->seq < s->seq) {
        verify_tell(
            v, true, place,
            "moved: the continue record of the stream %.*s belongs behind seq %llu, the stream is "
            "at %llu",
            TG_STR_ARG(s->name), (unsigned long long)line->seq, (unsigned long long)s->seq);
        return;
    } else if (line->seq != s->seq || memcmp(a.chain.p, s->chain, TG_SHA256_HEX) != 0) {
        verify_tell(
            v, true, place,
            "removed: the stream %.*s goes on behind seq %llu, but the file before it ends at %llu",
            TG_STR_ARG(s->name), (unsigned long long)line->seq, (unsigned long long)s->seq);
        s->seq = line->seq;
        memcpy(s->chain, a.chain.p, TG_SHA256_HEX);
    }
    s->file = place->file;
    s->file_index = place->file_index;
    s->number = place->number;
}

/* --- the other lines --- */

/* A line whose number is lower than expected: found again, or never written by us. */
static void on_low_number(struct verify *v, struct stream *s, const struct tg_audit_line *line,
                          const struct tg_audit_place *place)
{
    for (struct gap *g = s->gaps; g != NULL; g = g->next) {
        if (line->seq < g->from || line->seq > g->to)
            continue;
        if (g->from == g->to) {
            g->finding->text = tg_arena_printf(&v->arena,
                                               "moved: the line with seq %llu of the stream %.*s "
                                               "belongs before this one, it stands at %s:%llu",
                                               (unsigned long long)line->seq, TG_STR_ARG(s->name),
                                               place->file, (unsigned long long)place->number)
                                   .p;
            g->from = UINT64_MAX;
            return;
        }
        verify_tell(v, true, place, "moved: seq %llu of the stream %.*s belongs further up",
                    (unsigned long long)line->seq, TG_STR_ARG(s->name));
        return;
    }
    verify_tell(v, true, place, "inserted: seq %llu of the stream %.*s has been there already",
                (unsigned long long)line->seq, TG_STR_ARG(s->name));
}

static void on_gap(struct verify *v, struct stream *s, const struct tg_audit_line *line,
                   const struct tg_audit_place *place)
{
    struct gap *g = tg_arena_zalloc(&v->arena, 1, sizeof(*g));

    g->from = s->seq + 1;
    g->to = line->seq - 1;
    g->finding = verify_tell(
        v, true, place, "removed: before this line, %llu of the stream %.*s (seq %llu to %llu)",
        (unsigned long long)(g->to - g->from + 1), TG_STR_ARG(s->name), (unsigned long long)g->from,
        (unsigned long long)g->to);
    g->next = s->gaps;
    s->gaps = g;
    move_to(v, s, line, place);
}

static void on_known_stream(struct verify *v, struct stream *s, struct tg_str text,
                            const struct tg_audit_line *line, const struct tg_audit_place *place)
{
    if (tg_str_eq(line->event, TG_STR("continue"))) {
        on_continue(v, s, text, line, place);
        return;
    }
    if (line->seq <= s->seq) {
        on_low_number(v, s, line, place);
        return;
    }
    if (s->stopped)
        verify_tell(v, true, place, "inserted: behind the stop record of the stream %.*s",
                    TG_STR_ARG(s->name));
    else if (s->file_index != place->file_index && place->rotated)
        verify_tell(v, true, place,
                    "removed: the continue record of the stream %.*s at the beginning of this file",
                    TG_STR_ARG(s->name));
    if (line->seq > s->seq + 1) {
        on_gap(v, s, line, place);
        return;
    }
    if (!follows(v, s, s->chain, line))
        verify_tell(v, true, place, "changed: the line does not fit its chain value");
    move_to(v, s, line, place);
}

/* A line that is none. Whether a crash tore it shows in the line behind it; two workers that start
 * then may both end it, which leaves an empty one. Where other programs write into the same sink,
 * lines that do not look like a piece of ours are theirs. */
static void on_other_line(struct verify *v, struct tg_str line, struct finding *torn,
                          const struct tg_audit_place *place)
{
    struct tg_str begin = TG_STR("{\"time\":\"");

    if (tg_audit_is_other(line)) {
        v->torn = line.n == 0 ? torn : NULL;
        v->others++;
        return;
    }
    if (line.n > begin.n)
        line.n = begin.n;
    if (!tg_str_starts(begin, line))
        verify_tell(v, true, place, "inserted: not a line of an audit log");
    else if (place->complete)
        v->torn = verify_tell(v, true, place, "truncated: the end of the line is missing");
    else
        verify_tell(v, false, place,
                    "the file ends within a line: it is being written, or its writer died");
}

static bool verify_on_line(void *context, struct tg_str text, const struct tg_audit_place *place)
{
    struct verify *v = context;
    struct finding *torn = v->torn;
    struct tg_audit_line line;
    struct stream *s;

    v->torn = NULL;
    text = tg_str_trim(text);
    if (!tg_audit_line_read(text, &line)) {
        on_other_line(v, text, torn, place);
        return true;
    }
    v->lines++;
    if (torn != NULL && tg_str_eq(line.event, TG_STR("start"))) {
        torn->problem = false;
        torn->text = "torn by a crash: a new stream begins behind it";
        v->problems--;
    }
    s = find_stream(v, line.stream);
    if (s == NULL)
        on_new_stream(v, text, &line, place);
    else
        on_known_stream(v, s, text, &line, place);
    return !v->wrong_key;
}

/* --- lines that were stored elsewhere --- */

/* Takes a line that is judged when those before it were; what is no record is judged at once. */
static bool store_line(void *context, struct tg_str text, const struct tg_audit_place *place)
{
    struct verify *v = context;
    struct tg_audit_line line;

    text = tg_str_trim(text);
    if (!tg_audit_line_read(text, &line))
        return verify_on_line(v, text, place);
    return tg_audit_store(v->stored, text, &line, place);
}

static bool judge_stored(void *context, struct tg_str text, const struct tg_audit_place *place,
                         bool twice)
{
    struct verify *v = context;

    v->twice += twice;
    return twice || verify_on_line(v, text, place);
}

/* Gives what waits still; false after it printed why lines were lost. */
static bool end_stored(struct verify *v)
{
    if (v->stored == NULL || v->wrong_key || tg_audit_stored_rest(v->stored) || v->wrong_key)
        return true;
    tg_complain("trainguard audit: %s", tg_audit_stored_trouble(v->stored));
    return false;
}

/* --- the end --- */

/* A stream without a stop record. */
static void check_ends(struct verify *v, bool closed)
{
    for (struct stream *s = v->first; s != NULL; s = s->behind) {
        struct tg_audit_place place = {.file = s->file, .number = s->number};

        if (s->stopped)
            continue;
        if (s->confirmed)
            verify_tell(
                v, false, &place,
                "crash: the stream %.*s has no stop record; nothing is missing, a later stream "
                "names its last line",
                TG_STR_ARG(s->name));
        else
            verify_tell(
                v, closed, &place,
                "the stream %.*s has no stop record: its worker runs, died, or lines are missing "
                "at the end",
                TG_STR_ARG(s->name));
    }
}

/* The heads that no line came up to. */
static void check_late_heads(struct verify *v)
{
    for (size_t i = 0; i < v->heads.n; i++) {
        const struct tg_audit_head *h = &v->heads.at[i];
        const struct stream *s = find_stream(v, h->stream);

        if (tg_audit_heads_next(&v->heads, h) != NULL || (s != NULL && s->seq >= h->seq))
            continue;
        if (s == NULL)
            verify_tell(v, true, &h->place, "removed: the stream %.*s, which had %llu lines",
                        TG_STR_ARG(h->stream), (unsigned long long)h->seq);
        else
            verify_tell(
                v, true, &h->place,
                "truncated: the stream %.*s had %llu lines, its last one here is line %llu of %s "
                "with seq %llu",
                TG_STR_ARG(h->stream), (unsigned long long)h->seq, (unsigned long long)s->number,
                s->file, (unsigned long long)s->seq);
    }
}

static void print(const struct verify *v)
{
    for (const struct finding *f = v->findings; f != NULL; f = f->next) {
        struct tg_buf line = {0};

        tg_buf_printf(&line, "%s:%llu: %s%s\n", f->file, (unsigned long long)f->number,
                      f->problem ? "" : "note: ", f->text);
        tg_excerpt_print(tg_buf_str(&line));
        tg_buf_end(&line);
    }
    if (v->others > 0)
        printf("%llu lines are none of an audit log\n", (unsigned long long)v->others);
    if (v->twice > 0)
        printf("%llu lines are there more than once\n", (unsigned long long)v->twice);
    if (v->lines == 0 && v->problems == 0)
        puts("nothing to verify");
    else
        printf("%llu lines, %llu streams, %u problem%s%s\n", (unsigned long long)v->lines,
               (unsigned long long)v->nstreams, v->problems, v->problems == 1 ? "" : "s",
               v->problems > 0 ? ""
               : v->keys.n > 0 ? ": the log is intact"
                               : ": the log is intact (no key)");
}

static void verify_ends(struct verify *v, bool closed)
{
    for (const struct previous *p = v->previous; p != NULL; p = p->next)
        check_previous(v, p);
    check_late_heads(v);
    check_ends(v, closed);
    print(v);
}

int tg_audit_verify(const struct tg_audit_options *options, char **files, int nfiles)
{
    struct verify v = {.problems = 0};
    const struct tg_audit_reading reading = {
        .on_line = options->stored ? store_line : verify_on_line, .context = &v};
    bool heads, ok;

    tg_arena_init(&v.arena);
    v.last = &v.first;
    v.last_finding = &v.findings;
    v.last_previous = &v.previous;
    v.stored = options->stored ? tg_audit_stored_new(judge_stored, &v) : NULL;
    heads = tg_audit_heads_read(&v.heads, options->heads_file);
    ok = tg_audit_keys_read(&v.keys, options) && heads &&
         tg_audit_read(files, nfiles, false, &reading) && end_stored(&v) && !v.wrong_key;
    if (ok)
        verify_ends(&v, options->closed);
    tg_audit_stored_end(v.stored);
    tg_audit_heads_end(&v.heads);
    tg_audit_keys_end(&v.keys);
    tg_arena_end(&v.arena);
    if (!ok)
        return TG_AUDIT_UNREADABLE;
    return v.problems > 0 || v.lines == 0 ? TG_AUDIT_PROBLEM : TG_AUDIT_FINE;
}
