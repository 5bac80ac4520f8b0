/* `trainguard audit show`: records for people, and as JSON or CSV for their tools. */
#include "cli/audit.h"

#include "base/check.h"
#include "base/log.h"
#include "cli/excerpt.h"

#include <stdio.h>
#include <stdlib.h>

enum { DIFF_WIDTH = 200 }; /* bytes of a value in the diff */

struct show {
    const struct tg_audit_options *options;
    struct tg_arena arena; /* one record's */
    struct tg_buf out;
    struct tg_buf *kept; /* with --tail: the last so many records, a ring; owned */
    uint64_t nkept;      /* that went into it */
    bool live;           /* records are printed as they come */
    bool bad;
};

/* --- text --- */

enum colour { PLAIN, RED, GREEN, YELLOW, BLUE, GREY };

static const char *const codes[] = {
    [PLAIN] = "\033[0m",   [RED] = "\033[31m",  [GREEN] = "\033[32m",
    [YELLOW] = "\033[33m", [BLUE] = "\033[34m", [GREY] = "\033[90m"};

static void paint(struct show *s, enum colour colour)
{
    if (s->options->colour)
        tg_buf_puts(&s->out, codes[colour]);
}

static void add_safe(struct show *s, struct tg_str text)
{
    tg_excerpt_clean(&s->out, text);
}

static void add_painted(struct show *s, enum colour colour, struct tg_str text)
{
    paint(s, colour);
    add_safe(s, text);
    paint(s, PLAIN);
}

static void add_member(struct show *s, const struct tg_doc *doc, const char *label,
                       struct tg_str name)
{
    struct tg_str value = tg_audit_text(doc, 0, name);

    if (value.n == 0)
        return;
    tg_buf_puts(&s->out, label);
    add_safe(s, value);
}

/* The texts of an array, with commas between. */
static void audit_show_add_list(struct show *s, const struct tg_doc *doc, const char *label,
                                struct tg_str name)
{
    for (uint32_t e = tg_audit_list(doc, name); e != TG_NONE; e = tg_doc_next(doc, e)) {
        tg_buf_puts(&s->out, label);
        add_safe(s, tg_doc_string(doc, e));
        label = ",";
    }
}

static enum colour decision_colour(struct tg_str decision)
{
    static const struct {
        struct tg_str word;
        enum colour colour;
    } rows[] = {{{"allow", 5}, GREEN},
                {{"warn", 4}, YELLOW},
                {{"deny", 4}, RED},
                {{"invalid", 7}, RED},
                {{"error", 5}, RED}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (tg_str_eq(rows[i].word, decision))
            return rows[i].colour;
    return GREY;
}

static struct tg_str shortened(struct tg_str s)
{
    if (s.n > DIFF_WIDTH)
        s.n = DIFF_WIDTH;
    return s;
}

/* A member's JSON text: "7" is another value than 7. */
static struct tg_str json_of(const struct tg_doc *doc, uint32_t node, struct tg_str name)
{
    uint32_t value = tg_doc_member(doc, node, name);

    return value != TG_NONE ? tg_doc_text(doc, value) : (struct tg_str){NULL, 0};
}

/* One operation: its place, a value if there is one, and why. */
static void add_diff_line(struct show *s, enum colour colour, const char *sign,
                          const struct tg_doc *doc, uint32_t op, struct tg_str value,
                          struct tg_str why)
{
    tg_buf_puts(&s->out, "    ");
    paint(s, colour);
    tg_buf_puts(&s->out, sign);
    add_safe(s, tg_audit_text(doc, op, TG_STR("path")));
    if (value.n > 0) {
        tg_buf_puts(&s->out, ": ");
        add_safe(s, shortened(value));
    }
    paint(s, PLAIN);
    if (why.n > 0) {
        tg_buf_puts(&s->out, "  (");
        add_safe(s, why);
        tg_buf_putc(&s->out, ')');
    }
    tg_buf_putc(&s->out, '\n');
}

static bool is_op(const struct tg_doc *doc, uint32_t e, struct tg_str op)
{
    return e != TG_NONE && tg_str_eq(tg_audit_text(doc, e, TG_STR("op")), op);
}

/* The line of what a replaced member was; what is removed has no other. */
static void add_old_line(struct show *s, const struct tg_doc *doc, uint32_t op, struct tg_str was)
{
    if (was.n > 0 && !is_op(doc, op, TG_STR("remove")))
        add_diff_line(s, RED, "- ", doc, op, was, (struct tg_str){NULL, 0});
}

/* A patch as a diff: what was there are the old lines, and what is there the new ones. Records of
 * before 0.2.0 have `test` operations in place of `was`. */
static void add_patch(struct show *s, const struct tg_doc *doc)
{
    uint32_t next;

    for (uint32_t e = tg_audit_list(doc, TG_STR("patch")); e != TG_NONE; e = next) {
        struct tg_str why = tg_audit_text(doc, e, TG_STR("why"));
        struct tg_str was = json_of(doc, e, TG_STR("was"));
        struct tg_str value = json_of(doc, e, TG_STR("value"));

        next = tg_doc_next(doc, e);
        add_old_line(s, doc, e, was);
        if (is_op(doc, e, TG_STR("test")) && is_op(doc, next, TG_STR("remove"))) {
            why = tg_audit_text(doc, next, TG_STR("why"));
            next = tg_doc_next(doc, next);
        }
        if (is_op(doc, e, TG_STR("test")) || is_op(doc, e, TG_STR("remove")))
            add_diff_line(s, RED, "- ", doc, e, was.n > 0 ? was : value, why);
        else
            add_diff_line(s, GREEN, is_op(doc, e, TG_STR("move")) ? "> " : "+ ", doc, e, value,
                          why);
    }
}

static void audit_show_add_findings(struct show *s, const struct tg_doc *doc, struct tg_str list,
                                    enum colour colour)
{
    for (uint32_t e = tg_audit_list(doc, list); e != TG_NONE; e = tg_doc_next(doc, e)) {
        struct tg_str policy = tg_audit_text(doc, e, TG_STR("policy"));
        struct tg_str pointer = tg_audit_text(doc, e, TG_STR("pointer"));

        tg_buf_puts(&s->out, "    ");
        add_painted(s, colour, tg_audit_text(doc, e, TG_STR("rule")));
        if (policy.n > 0) {
            tg_buf_puts(&s->out, " of ");
            add_safe(s, policy);
        }
        if (pointer.n > 0) {
            tg_buf_puts(&s->out, " at ");
            add_safe(s, pointer);
        }
        tg_buf_puts(&s->out, ": ");
        add_safe(s, tg_audit_text(doc, e, TG_STR("message")));
        tg_buf_putc(&s->out, '\n');
    }
}

static void audit_show_add_results(struct show *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("policy.results")); e != TG_NONE;
         e = tg_doc_next(doc, e)) {
        struct tg_str exception = tg_audit_text(doc, e, TG_STR("exception"));

        tg_buf_puts(&s->out, "    policy ");
        add_safe(s, tg_audit_text(doc, e, TG_STR("policy")));
        tg_buf_puts(&s->out, " rule ");
        add_safe(s, tg_audit_text(doc, e, TG_STR("rule")));
        tg_buf_puts(&s->out, ": ");
        add_painted(s, BLUE, tg_audit_text(doc, e, TG_STR("result")));
        tg_buf_puts(&s->out, " (");
        add_safe(s, tg_audit_text(doc, e, TG_STR("mode")));
        if (exception.n > 0) {
            tg_buf_puts(&s->out, ", exception ");
            add_safe(s, exception);
        }
        tg_buf_puts(&s->out, ")\n");
    }
}

static void audit_show_add_limits(struct show *s, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("limits")); e != TG_NONE; e = tg_doc_next(doc, e)) {
        tg_buf_puts(&s->out, "    limit ");
        add_safe(s, tg_audit_text(doc, e, TG_STR("rule")));
        tg_buf_puts(&s->out, " (");
        add_safe(s, tg_audit_text(doc, e, TG_STR("limit")));
        tg_buf_puts(&s->out, " by ");
        add_safe(s, tg_audit_text(doc, e, TG_STR("by")));
        tg_buf_puts(&s->out, "): ");
        add_painted(s, BLUE, tg_audit_text(doc, e, TG_STR("result")));
        tg_buf_putc(&s->out, '\n');
    }
}

static void audit_show_add_text(struct show *s, const struct tg_doc *doc)
{
    struct tg_str decision = tg_audit_text(doc, 0, TG_STR("decision"));

    add_painted(s, GREY, tg_audit_text(doc, 0, TG_STR("time")));
    tg_buf_putc(&s->out, ' ');
    if (decision.n == 0)
        decision = tg_audit_text(doc, 0, TG_STR("event"));
    add_painted(s, decision_colour(decision), decision);
    add_member(s, doc, " ", TG_STR("http.response.status_code"));
    add_member(s, doc, " ", TG_STR("http.request.method"));
    add_member(s, doc, " ", TG_STR("url.path"));
    add_member(s, doc, " by ", TG_STR("principal"));
    add_member(s, doc, " from ", TG_STR("client.address"));
    add_member(s, doc, " end=", TG_STR("end"));
    add_member(s, doc, " detail=", TG_STR("end_detail"));
    add_member(s, doc, " upstream=", TG_STR("upstream.status_code"));
    add_member(s, doc, " outcome=", TG_STR("upstream.outcome"));
    add_member(s, doc, " code=", TG_STR("upstream.error_code"));
    add_member(s, doc, " us=", TG_STR("duration_us"));
    add_member(s, doc, " id=", TG_STR("request_id"));
    add_member(s, doc, " version=", TG_STR("version"));
    add_member(s, doc, " mode=", TG_STR("mode"));
    add_member(s, doc, " asked-by=", TG_STR("asked_by"));
    add_member(s, doc, " result=", TG_STR("result"));
    add_member(s, doc, " why=", TG_STR("why"));
    add_member(s, doc, " revision=", TG_STR("configuration.revision"));
    audit_show_add_list(s, doc, " policies=", TG_STR("policy.revisions"));
    add_member(s, doc, " bundle=", TG_STR("policy.bundle"));
    add_member(s, doc, " signed_by=", TG_STR("policy.signed_by"));
    add_member(s, doc, " previous=", TG_STR("previous.stream"));
    add_member(s, doc, " records=", TG_STR("records"));
    add_member(s, doc, " count=", TG_STR("count"));
    add_member(s, doc, " stream=", TG_STR("stream"));
    add_member(s, doc, " seq=", TG_STR("seq"));
    tg_buf_putc(&s->out, '\n');
    audit_show_add_findings(s, doc, TG_STR("violations"), RED);
    audit_show_add_findings(s, doc, TG_STR("warnings"), YELLOW);
    audit_show_add_results(s, doc);
    audit_show_add_limits(s, doc);
    add_patch(s, doc);
}

/* --- CSV --- */

static const struct tg_str columns[] = {
    {"time", 4},
    {"stream", 6},
    {"seq", 3},
    {"event", 5},
    {"request_id", 10},
    {"client.address", 14},
    {"http.request.method", 19},
    {"url.path", 8},
    {"project_id", 10},
    {"config_name", 11},
    {"principal", 9},
    {"decision", 8},
    {"end", 3},
    {"http.response.status_code", 25},
    {"upstream.status_code", 20},
    {"upstream.error_code", 19},
    {"bytes.in", 8},
    {"bytes.out", 9},
    {"duration_us", 11},
};

static void add_cell(struct show *s, struct tg_str value)
{
    tg_audit_add_cell(&s->out, value);
}

static void add_rules(struct show *s, const struct tg_doc *doc)
{
    struct tg_buf rules = {0};

    for (uint32_t e = tg_audit_list(doc, TG_STR("violations")); e != TG_NONE;
         e = tg_doc_next(doc, e)) {
        if (rules.n > 0)
            tg_buf_putc(&rules, ' ');
        tg_buf_add(&rules, tg_audit_text(doc, e, TG_STR("rule")));
    }
    add_cell(s, tg_buf_str(&rules));
    tg_buf_end(&rules);
}

static void add_csv(struct show *s, const struct tg_doc *doc)
{
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        add_cell(s, tg_audit_text(doc, 0, columns[i]));
        tg_buf_putc(&s->out, ',');
    }
    add_rules(s, doc);
    tg_buf_puts(&s->out, "\r\n");
}

static void add_csv_head(struct show *s)
{
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        add_cell(s, columns[i]);
        tg_buf_putc(&s->out, ',');
    }
    tg_buf_puts(&s->out, "\"rules\"\r\n");
}

/* --- records --- */

/* False when standard output takes nothing more (`| head`). */
static bool write_out(struct show *s)
{
    bool ok = fwrite(s->out.p, 1, s->out.n, stdout) == s->out.n;

    s->out.n = 0;
    return ok;
}

static void add_record(struct show *s, const struct tg_doc *doc, struct tg_str line)
{
    switch (s->options->output) {
    case TG_AUDIT_TEXT:
        audit_show_add_text(s, doc);
        return;
    case TG_AUDIT_JSON:
        tg_buf_add(&s->out, line);
        tg_buf_putc(&s->out, '\n');
        return;
    case TG_AUDIT_CSV:
        add_csv(s, doc);
        return;
    }
    TG_UNREACHABLE();
}

/* Keeps what was printed for a record in the place of the oldest one that is kept. */
static void audit_show_keep(struct show *s)
{
    struct tg_buf *place;

    if (s->options->tail > 0) {
        place = &s->kept[s->nkept++ % s->options->tail];
        place->n = 0;
        tg_buf_add(place, tg_buf_str(&s->out));
    }
    s->out.n = 0;
}

/* Prints what was kept; from here on records are printed as they come. */
static void print_kept(void *context)
{
    struct show *s = context;
    uint64_t n = s->nkept < s->options->tail ? s->nkept : s->options->tail;

    s->live = true;
    for (uint64_t i = s->nkept - n; i < s->nkept; i++) {
        tg_buf_add(&s->out, tg_buf_str(&s->kept[i % s->options->tail]));
        (void)write_out(s);
    }
}

static bool audit_show_on_line(void *context, struct tg_str line,
                               const struct tg_audit_place *place)
{
    struct show *s = context;
    struct tg_doc doc;

    line = tg_str_trim(line);
    if (!tg_audit_take_line(&doc, &s->arena, line, place, &s->bad) ||
        !tg_audit_passes(&s->options->filter, &doc))
        return true;
    add_record(s, &doc, line);
    if (s->live)
        return write_out(s);
    audit_show_keep(s);
    return true;
}

int tg_audit_show(const struct tg_audit_options *options, char **files, int nfiles)
{
    struct show s = {.options = options, .live = !options->tails && !options->follow};
    const struct tg_audit_reading reading = {audit_show_on_line, print_kept, &s};
    bool ok;

    tg_arena_init(&s.arena);
    if (options->tails) {
        s.kept = calloc(options->tail, sizeof(*s.kept));
        CHECK(s.kept != NULL);
    }
    if (options->output == TG_AUDIT_CSV)
        add_csv_head(&s);
    ok = (s.out.n == 0 || write_out(&s)) && tg_audit_read(files, nfiles, options->follow, &reading);
    if (!s.live)
        print_kept(&s);
    for (uint64_t i = 0; s.kept != NULL && i < options->tail; i++)
        tg_buf_end(&s.kept[i]);
    free(s.kept);
    tg_arena_end(&s.arena);
    tg_buf_end(&s.out);
    return !ok ? TG_AUDIT_UNREADABLE : s.bad ? TG_AUDIT_PROBLEM : TG_AUDIT_FINE;
}
