/* Evaluations for people: as a compiler prints them, and a line that sums up. */
#include "admin/topics.h"
#include "base/check.h"
#include "cli/eval_output.h"
#include "cli/excerpt.h"

enum { MAX_VALUE = 70 }; /* characters of a value before and after a change */

/* --- colours (ECMA-48 SGR) --- */

enum colour { PLAIN, BOLD, RED, YELLOW, GREEN, BLUE, COLOURS };

static const char *const sgr[COLOURS] = {
    [PLAIN] = "\033[0m",     [BOLD] = "\033[1m",   [RED] = "\033[1;31m",
    [YELLOW] = "\033[1;33m", [GREEN] = "\033[32m", [BLUE] = "\033[34m",
};

static const char *paint(bool on, enum colour c)
{
    CHECK(c < COLOURS);
    return on ? sgr[c] : "";
}

/* --- one line for a place --- */

static void add_place(struct tg_buf *out, bool colour, const char *file, struct tg_place place)
{
    tg_buf_puts(out, paint(colour, BOLD));
    tg_excerpt_clean(out, tg_str_of(strcmp(file, "-") == 0 ? "<stdin>" : file));
    if (place.line > 0)
        tg_buf_printf(out, ":%u:%u", place.line, place.column);
    tg_buf_puts(out, ":");
    tg_buf_puts(out, paint(colour, PLAIN));
    tg_buf_putc(out, ' ');
}

static void add_word(struct tg_buf *out, bool colour, enum colour c, const char *word)
{
    tg_buf_puts(out, paint(colour, c));
    tg_buf_puts(out, word);
    tg_buf_puts(out, paint(colour, PLAIN));
}

static void add_clean(struct tg_buf *out, const struct tg_buf *text)
{
    tg_excerpt_clean(out, tg_buf_str(text));
}

void tg_eval_text_error(struct tg_buf *out, bool colour, const char *file, struct tg_str why)
{
    add_place(out, colour, file, (struct tg_place){0, 0});
    add_word(out, colour, RED, "error:");
    tg_buf_putc(out, ' ');
    tg_excerpt_clean(out, why);
    tg_buf_putc(out, '\n');
}

/* --- findings --- */

static void eval_text_add_rule(struct tg_buf *out, const struct tg_finding *f)
{
    CHECK(f->rule != NULL);
    tg_buf_puts(out, " [");
    if (f->policy.n > 0) {
        tg_excerpt_clean(out, f->policy);
        tg_buf_putc(out, '/');
    }
    tg_excerpt_clean(out, tg_str_of(f->rule));
    tg_buf_printf(out, ", %s]\n", tg_eval_code(f->error));
}

static void add_hint(struct tg_buf *out, bool colour, const struct tg_finding *f)
{
    struct tg_topic topic;

    if (f->policy.n > 0 || !tg_topic_find(tg_str_of(f->rule), &topic))
        return;
    tg_buf_puts(out, paint(colour, BLUE));
    tg_buf_puts(out, "       =");
    tg_buf_puts(out, paint(colour, PLAIN));
    tg_buf_printf(out, " fix: %s\n", topic.mend);
}

static void eval_text_add_finding(struct tg_buf *out, bool colour, const struct tg_evaluation *v,
                                  const struct tg_finding *f, struct tg_place place)
{
    bool violation = f->severity == TG_VIOLATION;
    enum colour c = violation ? RED : YELLOW;
    const struct tg_excerpt_style style = {paint(colour, BLUE), paint(colour, c),
                                           paint(colour, PLAIN)};
    struct tg_buf sentence = {0};

    CHECK(violation || f->severity == TG_WARNING);
    CHECK(place.line == 0 || f->offset <= v->body.n);
    add_place(out, colour, v->file, place);
    add_word(out, colour, c, violation ? "error:" : "warning:");
    tg_buf_putc(out, ' ');
    tg_eval_sentence(&sentence, f);
    add_clean(out, &sentence);
    tg_buf_end(&sentence);
    eval_text_add_rule(out, f);
    if (place.line > 0 && !f->value.secret)
        tg_excerpt(out, v->body, f->offset, place.line, &style);
    add_hint(out, colour, f);
}

static unsigned eval_text_add_findings(struct tg_buf *out, bool colour,
                                       const struct tg_evaluation *v)
{
    const struct tg_report *r = &v->request.report;
    unsigned n = 0;

    CHECK(r->first == NULL || v->places != NULL);
    for (const struct tg_finding *f = r->first; f != NULL; f = f->next)
        eval_text_add_finding(out, colour, v, f, v->places[n++]);
    if (r->violations + r->warnings > n) {
        add_place(out, colour, v->file, (struct tg_place){0, 0});
        tg_buf_printf(out, "and %u more\n", r->violations + r->warnings - n);
    }
    return n;
}

void tg_eval_text_findings(struct tg_buf *out, bool colour, const struct tg_evaluation *v)
{
    (void)eval_text_add_findings(out, colour, v);
}

/* --- changes --- */

/* One side of a change, cut at MAX_VALUE characters. */
static void add_side(struct tg_buf *out, bool colour, enum colour c, char sign, struct tg_str text)
{
    size_t n = 0;

    for (unsigned left = MAX_VALUE; n < text.n && left > 0; left--)
        for (n++; n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80;)
            n++;
    tg_buf_puts(out, "       ");
    tg_buf_puts(out, paint(colour, c));
    tg_buf_putc(out, sign);
    tg_buf_putc(out, ' ');
    tg_excerpt_clean(out, (struct tg_str){text.p, n});
    tg_buf_puts(out, n < text.n ? "..." : "");
    tg_buf_puts(out, paint(colour, PLAIN));
    tg_buf_putc(out, '\n');
}

static void add_change(struct tg_buf *out, bool colour, const struct tg_evaluation *v,
                       const struct tg_change *c, struct tg_place place)
{
    bool renamed = c->op == TG_CHANGE_RENAME;

    CHECK(c->op >= TG_CHANGE_REPLACE && c->op <= TG_CHANGE_ADD && c->why != NULL);
    add_place(out, colour, v->file, place);
    add_word(out, colour, GREEN, "changed:");
    tg_buf_putc(out, ' ');
    tg_excerpt_clean(out, c->pointer);
    tg_buf_printf(out, " [%s]\n", c->why);
    if (c->op != TG_CHANGE_ADD)
        add_side(out, colour, RED, '-', renamed ? c->pointer : c->old_text);
    if (c->op != TG_CHANGE_REMOVE)
        add_side(out, colour, GREEN, '+', renamed ? c->to : c->new_text);
}

/* --- the format --- */

static void each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    unsigned n = eval_text_add_findings(&run->out, run->colour, v);

    CHECK(v->changes == NULL || v->places != NULL);
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next)
        add_change(&run->out, run->colour, v, c, v->places[n++]);
    if (v->result == TG_EVAL_DENY && v->why.n > 0)
        tg_eval_text_error(&run->out, run->colour, v->file, v->why);
}

static void add_count(struct tg_buf *out, const char *between, unsigned n, const char *one,
                      const char *many)
{
    if (n > 0)
        tg_buf_printf(out, "%s%u %s", between, n, n == 1 ? one : many);
}

static void eval_text_end(struct tg_eval_run *run)
{
    static const struct {
        enum tg_eval_result result;
        const char *word;
    } results[] = {{TG_EVAL_PASS, "passed"},
                   {TG_EVAL_WARN, "passed with warnings"},
                   {TG_EVAL_DENY, "denied"},
                   {TG_EVAL_ERROR, "not evaluated"}};
    struct tg_buf *out = &run->out;
    const char *between = ": ";

    CHECK(run->bodies > 0);
    tg_buf_puts(out, paint(run->colour, BOLD));
    tg_buf_printf(out, "%u %s", run->bodies, run->bodies == 1 ? "body" : "bodies");
    for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
        unsigned n = run->count[results[i].result];

        add_count(out, between, n, results[i].word, results[i].word);
        between = n > 0 ? ", " : between;
    }
    between = "; ";
    add_count(out, between, run->violations, "violation", "violations");
    between = run->violations > 0 ? ", " : between;
    add_count(out, between, run->warnings, "warning", "warnings");
    between = run->warnings > 0 ? ", " : between;
    add_count(out, between, run->changes, "change", "changes");
    tg_buf_puts(out, paint(run->colour, PLAIN));
    tg_buf_putc(out, '\n');
}

const struct tg_eval_format tg_eval_text = {.name = "text", .each = each, .end = eval_text_end};
