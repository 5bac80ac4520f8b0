/* Evaluations for machines: JSON, GitHub annotations, SARIF 2.1.0, JUnit. */
#include "admin/topics.h"
#include "base/chars.h"
#include "base/check.h"
#include "base/json_writer.h"
#include "cli/eval_output.h"
#include "cli/excerpt.h"
#include "cli/xml.h"

/* --- what the formats share --- */

const char *tg_eval_code(enum tg_error error)
{
    return tg_error_info(error)->code;
}

/* A text of its own ("Invalid OBS path ...") stands behind a colon, a predicate behind its subject.
 */
void tg_eval_sentence(struct tg_buf *out, const struct tg_finding *f)
{
    struct tg_str text = f->message.before;
    bool own = text.n > 0 && tg_char_is(*text.p, TG_CHAR_UPPER);

    tg_buf_add(out, f->pointer);
    if (f->pointer.n > 0)
        tg_buf_puts(out, own ? ": " : " ");
    tg_finding_text(out, f, false);
}

/* What a change did, as one sentence: "/spec_id: \"7\" becomes 7". */
static void change_sentence(struct tg_buf *out, const struct tg_change *c)
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

/* A finding's sentence as a member. */
static void text_member(struct tg_buf *out, const char *name, const struct tg_finding *f,
                        bool chinese)
{
    struct tg_buf text = {0};

    tg_finding_text(&text, f, chinese);
    tg_json_member(out, name, tg_buf_str(&text));
    tg_buf_end(&text);
}

static bool fails(const struct tg_eval_run *run, const struct tg_evaluation *v)
{
    return v->result == TG_EVAL_DENY || (v->result == TG_EVAL_WARN && run->fail_on_warn);
}

/* --- json --- */

static void json_place(struct tg_buf *out, struct tg_place place)
{
    if (place.line == 0)
        return;
    tg_json_member_number(out, "line", place.line);
    tg_json_member_number(out, "column", place.column);
}

static void json_finding(struct tg_buf *out, const struct tg_finding *f, struct tg_place place)
{
    CHECK(f->rule != NULL && (f->severity == TG_VIOLATION || f->severity == TG_WARNING));
    tg_json_begin(out, '{');
    tg_json_member(out, "pointer", f->pointer);
    json_place(out, place);
    tg_json_member(out, "severity",
                   f->severity == TG_VIOLATION ? TG_STR("violation") : TG_STR("warning"));
    tg_json_member(out, "rule", tg_str_of(f->rule));
    if (f->policy.n > 0)
        tg_json_member(out, "policy", f->policy);
    tg_json_member(out, "code", tg_str_of(tg_eval_code(f->error)));
    text_member(out, "message", f, false);
    text_member(out, "message_zh", f, true);
    tg_json_end(out, '}');
}

static void json_change(struct tg_buf *out, const struct tg_change *c, struct tg_place place)
{
    CHECK(c->op >= TG_CHANGE_REPLACE && c->op <= TG_CHANGE_ADD && c->why != NULL);
    tg_json_begin(out, '{');
    tg_json_member(out, "pointer", c->pointer);
    json_place(out, place);
    tg_json_member(out, "change", tg_str_of(c->why));
    if (c->op == TG_CHANGE_RENAME) {
        tg_json_member(out, "to", c->to);
        tg_json_end(out, '}');
        return;
    }
    if (c->op != TG_CHANGE_ADD)
        tg_json_member_raw(out, "before", c->old_text);
    if (c->op != TG_CHANGE_REMOVE)
        tg_json_member_raw(out, "after", c->new_text);
    tg_json_end(out, '}');
}

static unsigned json_findings(struct tg_buf *out, const struct tg_evaluation *v)
{
    unsigned n = 0;

    CHECK(v->request.report.first == NULL || v->places != NULL);
    tg_json_member_begin(out, "findings", '[');
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next)
        json_finding(out, f, v->places[n++]);
    tg_json_end(out, ']');
    return n;
}

static void json_changes(struct tg_buf *out, const struct tg_evaluation *v, unsigned at)
{
    if (v->changes == NULL)
        return;
    CHECK(v->request.doc != NULL && v->places != NULL);
    tg_json_member_begin(out, "changes", '[');
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next)
        json_change(out, c, v->places[at++]);
    tg_json_end(out, ']');
    tg_json_name(out, "patch");
    tg_doc_patch(v->request.doc, NULL, out);
}

static void json_policies(struct tg_buf *out, const struct tg_report *r)
{
    if (r->policy_revision.n == 0)
        return;
    tg_json_member(out, "policy_revision", r->policy_revision);
    tg_json_member_begin(out, "policy_results", '[');
    for (const struct tg_policy_result *p = r->results; p != NULL; p = p->next) {
        tg_json_begin(out, '{');
        tg_json_member(out, "policy", p->policy);
        tg_json_member(out, "rule", p->rule);
        tg_json_member(out, "result", tg_str_of(tg_rule_result_word(p->result)));
        tg_json_member(out, "mode", p->mode);
        if (p->exception.n > 0)
            tg_json_member(out, "exception", p->exception);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
}

static void json_begin(struct tg_eval_run *run)
{
    tg_json_begin(&run->out, '{');
    tg_json_member_begin(&run->out, "bodies", '[');
}

static void json_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *out = &run->out;
    unsigned n;

    tg_json_line(out);
    tg_json_begin(out, '{');
    tg_json_member(out, "file", tg_str_of(v->file));
    tg_json_member(out, "result", tg_str_of(tg_eval_word(v->result)));
    if (v->why.n > 0)
        tg_json_member(out, "why", v->why);
    tg_json_member(out, "project_id", v->request.project_id);
    tg_json_member(out, "config_name", v->request.config_name);
    n = json_findings(out, v);
    json_changes(out, v, n);
    json_policies(out, &v->request.report);
    if (v->forwarded.p != NULL)
        tg_json_member(out, "forwarded", v->forwarded);
    if (v->answer.n > 0) {
        tg_json_member_number(out, "status", (unsigned)v->status);
        tg_json_member_raw(out, "answer", v->answer);
    }
    CHECK(out->n > 0);
    tg_json_end(out, '}');
}

static void json_end(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;

    tg_buf_putc(out, '\n');
    tg_json_end(out, ']');
    tg_json_member_begin(out, "summary", '{');
    tg_json_member_number(out, "bodies", run->bodies);
    for (enum tg_eval_result r = TG_EVAL_PASS; r <= TG_EVAL_ERROR; r++)
        tg_json_member_number(out, tg_eval_word(r), run->count[r]);
    tg_json_member_number(out, "violations", run->violations);
    tg_json_member_number(out, "warnings", run->warnings);
    tg_json_member_number(out, "changes", run->changes);
    tg_json_end(out, '}');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

const struct tg_eval_format tg_eval_json = {"json", json_begin, json_each, json_end};

/* --- github: workflow commands; what ends a part of one is escaped, and what the terminal of a log
 * would act on is replaced --- */

static void github_escape(struct tg_buf *out, struct tg_str s, const char *also)
{
    while (s.n > 0) {
        char c = s.p[0];

        if (c == '%' || c == '\r' || c == '\n' || (c != '\0' && strchr(also, c) != NULL)) {
            tg_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
            s = tg_str_skip(s, 1);
        } else {
            s = tg_str_skip(s, tg_excerpt_character(out, s));
        }
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
        github_line(&run->out, f->severity == TG_VIOLATION ? "error" : "warning", v,
                    v->regions[n++], f->rule, tg_buf_str(&text));
    }
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next) {
        text.n = 0;
        change_sentence(&text, c);
        github_line(&run->out, "notice", v, v->regions[n++], c->why, tg_buf_str(&text));
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
    tg_json_name(out, "uri");
    tg_buf_puts(out, file[0] == '/' ? "\"file://" : "\"");
    for (const char *p = file; *p != '\0'; p++) {
        if (tg_char_is(*p, TG_CHAR_UNRESERVED) || *p == '/')
            tg_buf_putc(out, *p);
        else
            tg_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
    tg_buf_putc(out, '"');
}

static void sarif_location(struct tg_buf *out, const struct tg_evaluation *v, struct tg_place place)
{
    tg_json_member_begin(out, "locations", '[');
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "physicalLocation", '{');
    tg_json_member_begin(out, "artifactLocation", '{');
    sarif_uri(out, v->file);
    tg_json_end(out, '}');
    if (place.line > 0) {
        tg_json_member_begin(out, "region", '{');
        tg_json_member_number(out, "startLine", place.line);
        tg_json_member_number(out, "startColumn", place.column);
        tg_json_end(out, '}');
    }
    tg_json_end(out, '}');
    tg_json_end(out, '}');
    tg_json_end(out, ']');
}

/* SARIF wraps texts for people into an object. */
static void sarif_text(struct tg_buf *out, const char *name, struct tg_str text)
{
    tg_json_member_begin(out, name, '{');
    tg_json_member(out, "text", text);
    tg_json_end(out, '}');
}

static void sarif_result(struct tg_eval_run *run, const struct tg_evaluation *v, const char *level,
                         struct tg_place place, struct tg_str rule, struct tg_str text)
{
    struct tg_buf *out = &run->out;

    CHECK(rule.n > 0);
    tg_json_line(out);
    tg_json_begin(out, '{');
    tg_json_member(out, "ruleId", rule);
    tg_json_member(out, "level", tg_str_of(level));
    sarif_text(out, "message", text);
    sarif_location(out, v, place);
    tg_json_end(out, '}');
}

/* Each rule of a policy that a finding names is described once. */
static void sarif_policy_rule(struct tg_buf *rules, struct tg_str id)
{
    struct tg_buf rule = {0};

    tg_json_begin(&rule, '{');
    tg_json_member(&rule, "id", id);
    sarif_text(&rule, "shortDescription", TG_STR("a rule of a policy of the organisation"));
    tg_json_end(&rule, '}');
    if (rules->n == 0 || memmem(rules->p, rules->n, rule.p, rule.n) == NULL) {
        if (rules->n > 0)
            tg_json_line(rules);
        tg_buf_add(rules, tg_buf_str(&rule));
    }
    tg_buf_end(&rule);
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
    if (f->policy.n > 0)
        sarif_policy_rule(&run->rules, tg_buf_str(&rule));
    tg_buf_end(&rule);
    tg_buf_end(&text);
}

/* What could not be evaluated is no result of a rule: it is a notification about the run. */
static void sarif_notification(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *last = &run->last;

    CHECK(v->result == TG_EVAL_ERROR && v->why.n > 0);
    tg_json_line(last);
    tg_json_begin(last, '{');
    tg_json_member(last, "level", TG_STR("error"));
    sarif_text(last, "message", v->why);
    sarif_location(last, v, (struct tg_place){0, 0});
    tg_json_end(last, '}');
}

static void sarif_begin(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;

    tg_json_begin(out, '{');
    tg_json_member(out, "$schema", TG_STR("https://json.schemastore.org/sarif-2.1.0.json"));
    tg_json_member(out, "version", TG_STR("2.1.0"));
    tg_json_member_begin(out, "runs", '[');
    tg_json_begin(out, '{');
    tg_json_member(out, "columnKind", TG_STR("unicodeCodePoints"));
    tg_json_member_begin(out, "results", '[');
}

static void sarif_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};
    unsigned n = 0;

    CHECK(v->places != NULL || (v->request.report.first == NULL && v->changes == NULL));
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next)
        sarif_finding(run, v, f, v->regions[n++]);
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next) {
        text.n = 0;
        change_sentence(&text, c);
        sarif_result(run, v, "note", v->regions[n++], tg_str_of(c->why), tg_buf_str(&text));
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
    tg_json_line(out);
    tg_json_begin(out, '{');
    tg_json_member(out, "id", tg_str_of(topic->name));
    sarif_text(out, "shortDescription", tg_str_of(topic->what));
    sarif_text(out, "help", tg_str_of(topic->mend));
    tg_json_end(out, '}');
}

static void sarif_invocation(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;

    tg_json_member_begin(out, "invocations", '[');
    tg_json_begin(out, '{');
    tg_json_member_bool(out, "executionSuccessful", run->count[TG_EVAL_ERROR] == 0);
    tg_json_member_begin(out, "toolExecutionNotifications", '[');
    tg_buf_add(out, tg_buf_str(&run->last));
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_json_end(out, ']');
}

static void sarif_tool(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;

    tg_json_member_begin(out, "tool", '{');
    tg_json_member_begin(out, "driver", '{');
    tg_json_member(out, "name", TG_STR("trainguard"));
    tg_json_member(out, "semanticVersion", TG_STR(TG_VERSION));
    tg_json_member_begin(out, "rules", '[');
    for (unsigned i = 0; i < tg_topic_count(); i++) {
        struct tg_topic topic = tg_topic_at(i);

        if (topic.kind != TG_TOPIC_END)
            sarif_rule(out, &topic);
    }
    if (run->rules.n > 0)
        tg_json_line(out);
    tg_buf_add(out, tg_buf_str(&run->rules));
    tg_buf_putc(out, '\n');
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_json_end(out, '}');
}

static void sarif_end(struct tg_eval_run *run)
{
    struct tg_buf *out = &run->out;

    tg_buf_putc(out, '\n');
    tg_json_end(out, ']');
    sarif_invocation(run);
    sarif_tool(run);
    tg_json_end(out, '}');
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

const struct tg_eval_format tg_eval_sarif = {"sarif", sarif_begin, sarif_each, sarif_end};

/* --- junit --- */

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
    tg_xml_add(out, first != NULL ? tg_buf_str(&text) : v->why);
    tg_buf_puts(out, "\">");
    text.n = 0;
    tg_eval_text_findings(&text, false, v);
    tg_buf_add(&text, v->why);
    tg_xml_add(out, tg_buf_str(&text));
    tg_buf_printf(out, "</%s>", tag);
    tg_buf_end(&text);
}

static void junit_warnings(struct tg_buf *out, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};

    CHECK(v->result == TG_EVAL_WARN);
    tg_eval_text_findings(&text, false, v);
    tg_buf_puts(out, "<system-out>");
    tg_xml_add(out, tg_buf_str(&text));
    tg_buf_puts(out, "</system-out>");
    tg_buf_end(&text);
}

/* The counts stand before the cases, so the cases wait. */
static void junit_each(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    struct tg_buf *last = &run->last;

    tg_buf_puts(last, "  <testcase classname=\"trainguard.eval\" name=\"");
    tg_xml_add(last, tg_str_of(v->file));
    tg_buf_putc(last, '"');
    tg_xml_add_time(last, run->took_us);
    tg_buf_putc(last, '>');
    if (v->result == TG_EVAL_ERROR)
        junit_trouble(last, "error", "not evaluated", v);
    else if (fails(run, v))
        junit_trouble(last, "failure", tg_eval_word(v->result), v);
    else if (v->result == TG_EVAL_WARN)
        junit_warnings(last, v);
    tg_buf_puts(last, "</testcase>\n");
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
                  "errors=\"%u\"",
                  run->bodies, failures, run->count[TG_EVAL_ERROR]);
    tg_xml_add_time(&run->out, run->total_us);
    tg_buf_puts(&run->out, ">\n");
    tg_buf_add(&run->out, tg_buf_str(&run->last));
    tg_buf_puts(&run->out, " </testsuite>\n</testsuites>\n");
}

const struct tg_eval_format tg_eval_junit = {.name = "junit", .each = junit_each, .end = junit_end};
