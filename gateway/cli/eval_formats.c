/* Evaluations for machines: JSON, GitHub annotations, SARIF 2.1.0, JUnit. */
#include "base/chars.h"
#include "base/check.h"
#include "base/utf8.h"
#include "cli/eval_output.h"
#include "cli/topics.h"

/* --- what the formats share --- */

const char *tg_eval_code(enum tg_error error)
{
    return tg_error_info(error)->code;
}

/* A text of its own ("Invalid OBS path ...") stands behind a colon, a predicate behind its subject.
 */
void tg_eval_sentence(struct tg_buf *out, const struct tg_finding *f)
{
    bool own = f->message.n > 0 && tg_char_is(f->message.p[0], TG_CHAR_UPPER);

    tg_buf_add(out, f->pointer);
    if (f->pointer.n > 0)
        tg_buf_puts(out, own ? ": " : " ");
    tg_buf_add(out, f->message);
}

void tg_eval_change_sentence(struct tg_buf *out, const struct tg_change *c)
{
    tg_buf_add(out, c->pointer);
    switch (c->op) {
    case TG_CHANGE_REPLACE:
        tg_buf_puts(out, ": ");
        tg_buf_add(out, c->old_text);
        tg_buf_puts(out, " becomes ");
        tg_buf_add(out, c->new_text);
        return;
    case TG_CHANGE_RENAME:
        tg_buf_puts(out, " becomes ");
        tg_buf_add(out, c->to);
        return;
    case TG_CHANGE_REMOVE:
        tg_buf_puts(out, " is removed, it was ");
        tg_buf_add(out, c->old_text);
        return;
    case TG_CHANGE_ADD:
        tg_buf_puts(out, " is added: ");
        tg_buf_add(out, c->new_text);
        return;
    }
    TG_UNREACHABLE();
}

/* Appends a separator but before the first of a list. */
static void separate(struct tg_buf *out, bool *more)
{
    tg_buf_puts(out, *more ? ",\n" : "\n");
    *more = true;
}

/* Appends `,"NAME":"TEXT"`; the comma is part of `name`, which is JSON text. */
static void member(struct tg_buf *out, const char *name, struct tg_str text)
{
    tg_buf_puts(out, name);
    tg_buf_json(out, text);
}

static bool fails(const struct tg_eval_run *run, const struct tg_evaluation *v)
{
    return v->result == TG_EVAL_DENY || (v->result == TG_EVAL_WARN && run->fail_on_warn);
}

/* --- json --- */

static void json_place(struct tg_buf *out, struct tg_place place)
{
    if (place.line > 0)
        tg_buf_printf(out, ",\"line\":%u,\"column\":%u", place.line, place.column);
}

static void json_finding(struct tg_buf *out, const struct tg_finding *f, struct tg_place place)
{
    CHECK(f->rule != NULL && (f->severity == TG_VIOLATION || f->severity == TG_WARNING));
    member(out, "{\"pointer\":", f->pointer);
    json_place(out, place);
    member(out,
           ",\"severity\":", f->severity == TG_VIOLATION ? TG_STR("violation") : TG_STR("warning"));
    member(out, ",\"rule\":", tg_str_of(f->rule));
    if (f->policy.n > 0)
        member(out, ",\"policy\":", f->policy);
    member(out, ",\"code\":", tg_str_of(tg_eval_code(f->error)));
    member(out, ",\"message\":", f->message);
    member(out, ",\"message_zh\":", f->message_zh);
    tg_buf_putc(out, '}');
}

static void json_change(struct tg_buf *out, const struct tg_change *c, struct tg_place place)
{
    CHECK(c->op >= TG_CHANGE_REPLACE && c->op <= TG_CHANGE_ADD && c->why != NULL);
    member(out, "{\"pointer\":", c->pointer);
    json_place(out, place);
    member(out, ",\"change\":", tg_str_of(c->why));
    if (c->op == TG_CHANGE_RENAME) {
        member(out, ",\"to\":", c->to);
        tg_buf_putc(out, '}');
        return;
    }
    if (c->op != TG_CHANGE_ADD) {
        tg_buf_puts(out, ",\"before\":");
        tg_buf_add(out, c->old_text);
    }
    if (c->op != TG_CHANGE_REMOVE) {
        tg_buf_puts(out, ",\"after\":");
        tg_buf_add(out, c->new_text);
    }
    tg_buf_putc(out, '}');
}

static unsigned json_findings(struct tg_buf *out, const struct tg_evaluation *v)
{
    unsigned n = 0;

    CHECK(v->request.report.first == NULL || v->places != NULL);
    tg_buf_puts(out, ",\"findings\":[");
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next) {
        tg_buf_puts(out, n > 0 ? "," : "");
        json_finding(out, f, v->places[n++]);
    }
    tg_buf_putc(out, ']');
    return n;
}

static void json_changes(struct tg_buf *out, const struct tg_evaluation *v, unsigned at)
{
    if (v->changes == NULL)
        return;
    CHECK(v->request.doc != NULL && v->places != NULL);
    tg_buf_puts(out, ",\"changes\":[");
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next) {
        json_change(out, c, v->places[at++]);
        tg_buf_puts(out, c->next != NULL ? "," : "");
    }
    tg_buf_puts(out, "],\"patch\":");
    tg_doc_patch(v->request.doc, out);
}

static void json_policies(struct tg_buf *out, const struct tg_report *r)
{
    if (r->policy_revision.n == 0)
        return;
    member(out, ",\"policy_revision\":", r->policy_revision);
    tg_buf_puts(out, ",\"policy_results\":[");
    for (const struct tg_policy_result *p = r->results; p != NULL; p = p->next) {
        member(out, "{\"policy\":", p->policy);
        member(out, ",\"rule\":", p->rule);
        member(out, ",\"result\":", tg_str_of(tg_rule_result_word(p->result)));
        member(out, ",\"mode\":", p->mode);
        if (p->exception.n > 0)
            member(out, ",\"exception\":", p->exception);
        tg_buf_puts(out, p->next != NULL ? "}," : "}");
    }
    tg_buf_putc(out, ']');
}

static void json_begin(struct tg_eval_run *run)
{
    tg_buf_puts(&run->out, "{\"bodies\":[");
}

static void json_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *out = &run->out;
    unsigned n;

    separate(out, &run->more);
    member(out, "{\"file\":", tg_str_of(v->file));
    member(out, ",\"result\":", tg_str_of(tg_eval_word(v->result)));
    if (v->why.n > 0)
        member(out, ",\"why\":", v->why);
    member(out, ",\"project_id\":", v->request.project_id);
    member(out, ",\"config_name\":", v->request.config_name);
    n = json_findings(out, v);
    json_changes(out, v, n);
    json_policies(out, &v->request.report);
    if (v->forwarded.p != NULL)
        member(out, ",\"forwarded\":", v->forwarded);
    if (v->answer.n > 0) {
        tg_buf_printf(out, ",\"status\":%d,\"answer\":", v->status);
        tg_buf_add(out, v->answer);
    }
    CHECK(out->n > 0);
    tg_buf_putc(out, '}');
}

static void json_end(struct tg_eval_run *run)
{
    tg_buf_printf(&run->out, "\n],\"summary\":{\"bodies\":%u", run->bodies);
    for (enum tg_eval_result r = TG_EVAL_PASS; r <= TG_EVAL_ERROR; r++)
        tg_buf_printf(&run->out, ",\"%s\":%u", tg_eval_word(r), run->count[r]);
    tg_buf_printf(&run->out, ",\"violations\":%u,\"warnings\":%u,\"changes\":%u}}\n",
                  run->violations, run->warnings, run->changes);
}

const struct tg_eval_format tg_eval_json = {"json", json_begin, json_each, json_end};

/* --- github: workflow commands; what ends a part of one is escaped --- */

static void github_escape(struct tg_buf *out, struct tg_str s, const char *also)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' || c == '\r' || c == '\n' || (c != '\0' && strchr(also, c) != NULL))
            tg_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
        else
            tg_buf_putc(out, c);
    }
}

static void github_line(struct tg_buf *out, const char *level, const struct tg_evaluation *v,
                        struct tg_place place, const char *title, struct tg_str text)
{
    tg_buf_printf(out, "::%s file=", level);
    github_escape(out, tg_str_of(v->file), ":,");
    if (place.line > 0)
        tg_buf_printf(out, ",line=%u,col=%u", place.line, place.column);
    tg_buf_puts(out, ",title=");
    github_escape(out, tg_str_of(title), ":,");
    tg_buf_puts(out, "::");
    github_escape(out, text, "");
    tg_buf_putc(out, '\n');
}

static void github_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};
    unsigned n = 0;

    CHECK(v->places != NULL || (v->request.report.first == NULL && v->changes == NULL));
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next) {
        text.n = 0;
        tg_eval_sentence(&text, f);
        github_line(&run->out, f->severity == TG_VIOLATION ? "error" : "warning", v, v->places[n++],
                    f->rule, tg_buf_str(&text));
    }
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next) {
        text.n = 0;
        tg_eval_change_sentence(&text, c);
        github_line(&run->out, "notice", v, v->places[n++], c->why, tg_buf_str(&text));
    }
    if (v->why.n > 0)
        github_line(&run->out, "error", v, (struct tg_place){0, 0}, tg_eval_word(v->result),
                    v->why);
    tg_buf_end(&text);
}

const struct tg_eval_format tg_eval_github = {.name = "github", .each = github_each};

/* --- sarif --- */

/* A file as a URI reference (RFC 3986): relative ones stay so. */
static void sarif_uri(struct tg_buf *out, const char *file)
{
    tg_buf_puts(out, file[0] == '/' ? "\"file://" : "\"");
    for (const char *p = file; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (tg_char_is((char)c, TG_CHAR_UNRESERVED) || c == '/')
            tg_buf_putc(out, (char)c);
        else
            tg_buf_printf(out, "%%%02X", (unsigned)c);
    }
    tg_buf_putc(out, '"');
}

static void sarif_location(struct tg_buf *out, const struct tg_evaluation *v, struct tg_place place)
{
    tg_buf_puts(out, "\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
    sarif_uri(out, v->file);
    tg_buf_putc(out, '}');
    if (place.line > 0)
        tg_buf_printf(out, ",\"region\":{\"startLine\":%u,\"startColumn\":%u}", place.line,
                      place.column);
    tg_buf_puts(out, "}}]");
}

static void sarif_result(struct tg_eval_run *run, const struct tg_evaluation *v, const char *level,
                         struct tg_place place, struct tg_str rule, struct tg_str text)
{
    struct tg_buf *out = &run->out;

    CHECK(rule.n > 0);
    separate(out, &run->more);
    member(out, "{\"ruleId\":", rule);
    tg_buf_printf(out, ",\"level\":\"%s\",\"message\":{\"text\":", level);
    tg_buf_json(out, text);
    tg_buf_puts(out, "},");
    sarif_location(out, v, place);
    tg_buf_putc(out, '}');
}

static void sarif_finding(struct tg_eval_run *run, const struct tg_evaluation *v,
                          const struct tg_finding *f, struct tg_place place)
{
    struct tg_buf text = {0};
    struct tg_buf rule = {0};

    tg_eval_sentence(&text, f);
    tg_buf_add(&rule, f->policy);
    tg_buf_puts(&rule, f->policy.n > 0 ? "/" : "");
    tg_buf_puts(&rule, f->rule);
    sarif_result(run, v, f->severity == TG_VIOLATION ? "error" : "warning", place,
                 tg_buf_str(&rule), tg_buf_str(&text));
    tg_buf_end(&rule);
    tg_buf_end(&text);
}

/* What could not be evaluated is no result of a rule: it is a notification about the run. */
static void sarif_notification(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *held = &run->held;

    CHECK(v->result == TG_EVAL_ERROR && v->why.n > 0);
    tg_buf_puts(held, held->n > 0 ? ",\n" : "\n");
    tg_buf_puts(held, "{\"level\":\"error\",\"message\":{\"text\":");
    tg_buf_json(held, v->why);
    tg_buf_puts(held, "},");
    sarif_location(held, v, (struct tg_place){0, 0});
    tg_buf_putc(held, '}');
}

static void sarif_begin(struct tg_eval_run *run)
{
    tg_buf_puts(&run->out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
                           "\"version\":\"2.1.0\",\"runs\":[{"
                           "\"columnKind\":\"unicodeCodePoints\",\"results\":[");
}

static void sarif_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};
    unsigned n = 0;

    CHECK(v->places != NULL || (v->request.report.first == NULL && v->changes == NULL));
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next)
        sarif_finding(run, v, f, v->places[n++]);
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next) {
        text.n = 0;
        tg_eval_change_sentence(&text, c);
        sarif_result(run, v, "note", v->places[n++], tg_str_of(c->why), tg_buf_str(&text));
    }
    tg_buf_end(&text);
    if (v->why.n > 0 && v->result == TG_EVAL_ERROR)
        sarif_notification(run, v);
    else if (v->why.n > 0)
        sarif_result(run, v, "error", (struct tg_place){0, 0},
                     tg_str_of(tg_error_info(v->request.error)->word), v->why);
}

static void sarif_rule(struct tg_buf *out, const struct tg_topic *topic)
{
    CHECK(topic->name != NULL && topic->what != NULL && topic->mend != NULL);
    member(out, "{\"id\":", tg_str_of(topic->name));
    member(out, ",\"shortDescription\":{\"text\":", tg_str_of(topic->what));
    member(out, "},\"help\":{\"text\":", tg_str_of(topic->mend));
    tg_buf_puts(out, "}}");
}

static void sarif_end(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;
    bool more = false;

    tg_buf_puts(out, "\n],\"invocations\":[{\"executionSuccessful\":");
    tg_buf_puts(out, run->count[TG_EVAL_ERROR] == 0 ? "true" : "false");
    tg_buf_puts(out, ",\"toolExecutionNotifications\":[");
    tg_buf_add(out, tg_buf_str(&run->held));
    tg_buf_puts(
        out, "]}],\"tool\":{\"driver\":{\"name\":\"trainguard\",\"semanticVersion\":\"" TG_VERSION
             "\",\"rules\":[");
    for (unsigned i = 0; i < tg_topic_count(); i++) {
        struct tg_topic topic = tg_topic_at(i);

        if (topic.kind == TG_TOPIC_END)
            continue;
        separate(out, &more);
        sarif_rule(out, &topic);
    }
    tg_buf_puts(out, "\n]}}}]}\n");
}

const struct tg_eval_format tg_eval_sarif = {"sarif", sarif_begin, sarif_each, sarif_end};

/* --- junit --- */

/* Text and attribute values. XML 1.0 section 2.2 has no way to write most controls. */
static void xml(struct tg_buf *out, struct tg_str s)
{
    while (s.n > 0) {
        uint32_t code = 0xfffd;
        size_t n = tg_utf8_decode(s, &code);

        if (n == 0 || (code < 0x20 && code != '\t' && code != '\n') || code == 0xfffe ||
            code == 0xffff)
            code = 0xfffd;
        if (code < 0x20 || code == '"' || code == '<' || code == '>' || code == '&')
            tg_buf_printf(out, "&#%u;", (unsigned)code);
        else
            out->n += tg_utf8_encode(code, tg_buf_room(out, 4));
        s = tg_str_skip(s, n > 0 ? n : 1);
    }
}

/* <TAG message="..." type="...">all findings as text</TAG> */
static void junit_trouble(struct tg_buf *out, const char *tag, const char *type,
                          const struct tg_evaluation *v)
{
    const struct tg_finding *first = v->request.report.first;
    struct tg_buf text = {0};

    CHECK(first != NULL || v->why.n > 0);
    tg_buf_printf(out, "<%s type=\"%s\" message=\"", tag, type);
    if (first != NULL)
        tg_eval_sentence(&text, first);
    xml(out, first != NULL ? tg_buf_str(&text) : v->why);
    tg_buf_puts(out, "\">");
    text.n = 0;
    tg_eval_text_findings(&text, false, v);
    tg_buf_add(&text, v->why);
    xml(out, tg_buf_str(&text));
    tg_buf_printf(out, "</%s>", tag);
    tg_buf_end(&text);
}

static void junit_warnings(struct tg_buf *out, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};

    CHECK(v->result == TG_EVAL_WARN);
    tg_eval_text_findings(&text, false, v);
    tg_buf_puts(out, "<system-out>");
    xml(out, tg_buf_str(&text));
    tg_buf_puts(out, "</system-out>");
    tg_buf_end(&text);
}

/* The counts stand before the cases, so the cases wait. */
static void junit_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *held = &run->held;

    tg_buf_puts(held, "  <testcase classname=\"trainguard.eval\" name=\"");
    xml(held, tg_str_of(v->file));
    tg_buf_puts(held, "\">");
    if (v->result == TG_EVAL_ERROR)
        junit_trouble(held, "error", "not evaluated", v);
    else if (fails(run, v))
        junit_trouble(held, "failure", tg_eval_word(v->result), v);
    else if (v->result == TG_EVAL_WARN)
        junit_warnings(held, v);
    tg_buf_puts(held, "</testcase>\n");
}

static void junit_end(struct tg_eval_run *run)
{
    unsigned failures = run->count[TG_EVAL_DENY];

    if (run->fail_on_warn)
        failures += run->count[TG_EVAL_WARN];
    CHECK(failures <= run->bodies);
    tg_buf_puts(&run->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    tg_buf_printf(&run->out,
                  "<testsuites>\n <testsuite name=\"trainguard eval\" tests=\"%u\" failures=\"%u\" "
                  "errors=\"%u\">\n",
                  run->bodies, failures, run->count[TG_EVAL_ERROR]);
    tg_buf_add(&run->out, tg_buf_str(&run->held));
    tg_buf_puts(&run->out, " </testsuite>\n</testsuites>\n");
}

const struct tg_eval_format tg_eval_junit = {.name = "junit", .each = junit_each, .end = junit_end};
