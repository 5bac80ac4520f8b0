/* `trainguard audit columns`: records as tab-separated columns, the whole line last, for a database
 * that keeps lines as they are and finds them by columns (conf/deploy/clickhouse). */
#include "cli/audit.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <time.h>

struct columns {
    const struct tg_audit_options *options;
    struct tg_arena arena; /* one record's */
    struct tg_buf out;
    bool bad; /* a line was no record */
};

/* What a column holds. */
enum kind { TEXT = 1, NUMBER, SECONDS, MICROSECONDS, CHANGED, REFUSED, WOULD_REFUSE };

/* In their order, behind stream, seq and event. A column is never taken away; a new one stands
 * before the line itself. */
static const struct {
    enum kind kind;
    const char *member;
} columns[] = {
    {SECONDS, "time"},
    {MICROSECONDS, "time"},
    {TEXT, "instance"},
    {TEXT, "request_id"},
    {TEXT, "project_id"},
    {TEXT, "config_name"},
    {TEXT, "http.request.method"},
    {TEXT, "http.route"},
    {TEXT, "url.path"},
    {TEXT, "client.address"},
    {TEXT, "principal"},
    {TEXT, "user.name"},
    {TEXT, "user.domain"},
    {TEXT, "decision"},
    {TEXT, "end"},
    {NUMBER, "http.response.status_code"},
    {NUMBER, "upstream.status_code"},
    {NUMBER, "duration_us"},
    {CHANGED, NULL},
    {REFUSED, NULL},
    {WOULD_REFUSE, NULL},
};

/* --- values --- */

/* Text as ClickHouse's format TabSeparated reads it, also within the quotes of an array. */
static void audit_columns_add_text(struct tg_buf *out, struct tg_str text)
{
    static const char from[] = "\\\t\n\r\b\f'";
    static const char to[] = "\\tnrbf'";

    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(from, text.p[i], sizeof(from) - 1);

        if (text.p[i] == '\0') {
            tg_buf_puts(out, "\\0");
        } else if (at != NULL) {
            tg_buf_putc(out, '\\');
            tg_buf_putc(out, to[at - from]);
        } else {
            tg_buf_putc(out, text.p[i]);
        }
    }
}

static void add_number(struct tg_buf *out, struct tg_str text)
{
    uint64_t number = 0;

    (void)tg_str_u64(text, &number);
    tg_buf_u64(out, number);
}

/* Seconds since 1970 of a time as records have it, or 0: times of a database have time zones. */
static uint64_t seconds_of(struct tg_str text)
{
    struct tm tm = {0};
    char copy[] = "2026-01-02T03:04:05";
    time_t seconds;

    if (text.n < sizeof(copy) - 1)
        return 0;
    memcpy(copy, text.p, sizeof(copy) - 1);
    if (strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) == NULL || (seconds = timegm(&tm)) < 0)
        return 0;
    return (uint64_t)seconds;
}

static struct tg_str fraction_of(struct tg_str text)
{
    const char *dot = text.n > 0 ? memchr(text.p, '.', text.n) : NULL;
    struct tg_str rest = dot != NULL ? tg_str_skip(text, (size_t)(dot + 1 - text.p)) : TG_STR("");

    if (rest.n > 0 && rest.p[rest.n - 1] == 'Z')
        rest.n--;
    return rest;
}

/* --- names of rules --- */

/* "policy.rule", or "rule" alone, as an element of an array. */
static void audit_columns_add_rule(struct columns *c, size_t array, struct tg_str policy,
                                   struct tg_str rule)
{
    if (c->out.n > array + 1)
        tg_buf_putc(&c->out, ',');
    tg_buf_putc(&c->out, '\'');
    audit_columns_add_text(&c->out, policy);
    if (policy.n > 0)
        tg_buf_putc(&c->out, '.');
    audit_columns_add_text(&c->out, rule);
    tg_buf_putc(&c->out, '\'');
}

static bool in_force(const struct tg_doc *doc, uint32_t element)
{
    (void)doc, (void)element;
    return true;
}

static bool limit_refused(const struct tg_doc *doc, uint32_t limit)
{
    return tg_str_eq(tg_audit_text(doc, limit, TG_STR("result")), TG_STR("refuse"));
}

static bool limit_would_refuse(const struct tg_doc *doc, uint32_t limit)
{
    return tg_str_eq(tg_audit_text(doc, limit, TG_STR("result")), TG_STR("would_refuse"));
}

/* Adds the rules of those elements of a list that count. */
static void add_rules(struct columns *c, size_t array, const struct tg_doc *doc, struct tg_str list,
                      bool (*counts)(const struct tg_doc *doc, uint32_t element))
{
    for (uint32_t e = tg_audit_list(doc, list); e != TG_NONE; e = tg_doc_next(doc, e))
        if (counts(doc, e))
            audit_columns_add_rule(c, array, tg_audit_text(doc, e, TG_STR("policy")),
                                   tg_audit_text(doc, e, TG_STR("rule")));
}

/* Whose doing it is that a request was refused, or would have been. */
static void add_array(struct columns *c, const struct tg_doc *doc, bool refused)
{
    size_t array = c->out.n;

    tg_buf_putc(&c->out, '[');
    if (refused)
        add_rules(c, array, doc, TG_STR("violations"), in_force);
    else
        add_rules(c, array, doc, TG_STR("policy.results"), tg_audit_would_refuse);
    add_rules(c, array, doc, TG_STR("limits"), refused ? limit_refused : limit_would_refuse);
    tg_buf_putc(&c->out, ']');
}

/* --- lines --- */

static void add_column(struct columns *c, const struct tg_doc *doc, size_t i)
{
    struct tg_str text = {NULL, 0};

    if (columns[i].member != NULL)
        text = tg_audit_text(doc, 0, tg_str_of(columns[i].member));
    switch (columns[i].kind) {
    case TEXT:
        audit_columns_add_text(&c->out, text);
        break;
    case NUMBER:
        add_number(&c->out, text);
        break;
    case SECONDS:
        tg_buf_u64(&c->out, seconds_of(text));
        break;
    case MICROSECONDS:
        add_number(&c->out, fraction_of(text));
        break;
    case CHANGED:
        tg_buf_u64(&c->out, tg_audit_is_change(doc));
        break;
    case REFUSED:
    case WOULD_REFUSE:
        add_array(c, doc, columns[i].kind == REFUSED);
        break;
    }
}

static void add_line(struct columns *c, const struct tg_doc *doc, struct tg_str text,
                     const struct tg_audit_line *line)
{
    audit_columns_add_text(&c->out, line->stream);
    tg_buf_putc(&c->out, '\t');
    tg_buf_u64(&c->out, line->seq);
    tg_buf_putc(&c->out, '\t');
    audit_columns_add_text(&c->out, line->event);
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        tg_buf_putc(&c->out, '\t');
        add_column(c, doc, i);
    }
    tg_buf_putc(&c->out, '\t');
    audit_columns_add_text(&c->out, text);
    tg_buf_putc(&c->out, '\n');
}

static bool audit_columns_on_line(void *context, struct tg_str text,
                                  const struct tg_audit_place *place)
{
    struct columns *c = context;
    struct tg_audit_line line;
    struct tg_doc doc;

    tg_arena_reset(&c->arena);
    text = tg_str_trim(text);
    if (tg_audit_is_other(text))
        return true;
    if (!tg_audit_line_read(text, &line) || !tg_audit_parse(&doc, &c->arena, text)) {
        tg_complain("trainguard audit: %s:%llu: not a record", place->file,
                    (unsigned long long)place->number);
        c->bad = true;
        return true;
    }
    if (!tg_audit_passes(&c->options->filter, &doc))
        return true;
    c->out.n = 0;
    add_line(c, &doc, text, &line);
    return fwrite(c->out.p, 1, c->out.n, stdout) == c->out.n;
}

int tg_audit_columns(const struct tg_audit_options *options, char **files, int nfiles)
{
    struct columns c = {.options = options};
    const struct tg_audit_reading reading = {audit_columns_on_line, NULL, &c};
    bool ok;

    tg_arena_init(&c.arena);
    ok = tg_audit_read(files, nfiles, false, &reading);
    tg_arena_end(&c.arena);
    tg_buf_end(&c.out);
    return !ok ? TG_AUDIT_UNREADABLE : c.bad ? TG_AUDIT_PROBLEM : TG_AUDIT_FINE;
}
