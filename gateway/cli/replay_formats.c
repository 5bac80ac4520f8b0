/* What `trainguard replay` prints, for people and for machines. */
#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "cli/excerpt.h"
#include "cli/replay.h"
#include "cli/xml.h"

#include <inttypes.h>

enum { MOST_LINES = 100 }; /* requests a case of JUnit tells of */

static const struct {
    const char *member; /* of JSON */
    const char *text;
} counts[TG_REPLAY_COUNTS] = {
    [TG_REPLAY_RECORDS] = {"records", "records"},
    [TG_REPLAY_NEWLY_DENIED] = {"newly_denied", "newly denied"},
    [TG_REPLAY_NEWLY_PASSES] = {"newly_passes", "newly pass"},
    [TG_REPLAY_DENIED] = {"denied_as_before", "denied as before"},
    [TG_REPLAY_PASSES] = {"passes_as_before", "pass as before"},
    [TG_REPLAY_INVALID] = {"invalid", "were invalid and never reached policy"},
    [TG_REPLAY_BODILESS] = {"without_body",
                            "could not be replayed: they have no full body (audit_body full)"},
    [TG_REPLAY_UNKNOWN] = {"unknown", "lack a subject that policies ask for, rules were left on"},
    [TG_REPLAY_REDACTED] = {"redacted", "have redacted values, rules on those may judge otherwise"},
    [TG_REPLAY_UNREAD] = {"unread", "lines are no records"},
};

/* --- text --- */

static void add_clean(struct tg_buf *out, const char *before, struct tg_str text)
{
    tg_buf_puts(out, before);
    tg_excerpt_clean(out, text);
}

/* One line for a request. */
static void add_request(struct tg_buf *out, const struct tg_replay_change *c)
{
    tg_excerpt_clean(out, c->project_id);
    add_clean(out, "/", c->config_name);
    add_clean(out, " at ", c->time);
    add_clean(out, ", request ", c->request_id);
}

static void replay_formats_add_rule(struct tg_buf *out, const struct tg_policy *policy,
                                    const struct tg_policy_rule *rule)
{
    tg_excerpt_clean(out, policy->name);
    add_clean(out, ".", rule->name);
}

static void text_change(struct tg_replay_run *run, const struct tg_replay_change *c)
{
    struct tg_buf *out = &run->out;

    tg_buf_puts(out, c->denied ? "newly denied: " : "newly passes: ");
    add_request(out, c);
    tg_buf_putc(out, '\n');
    for (const struct tg_replay_refusal *f = c->refusals; f != NULL; f = f->next) {
        tg_buf_puts(out, "    ");
        replay_formats_add_rule(out, f->policy, f->rule);
        add_clean(out, ": ", f->pointer);
        add_clean(out, " ", f->message);
        tg_buf_putc(out, '\n');
    }
}

static void text_end(struct tg_replay_run *run)
{
    struct tg_buf *out = &run->out;

    tg_buf_printf(out, "%" PRIu64 " records\n", run->count[TG_REPLAY_RECORDS]);
    for (unsigned i = TG_REPLAY_RECORDS + 1; i < TG_REPLAY_COUNTS; i++)
        if (run->count[i] > 0)
            tg_buf_printf(out, "%8" PRIu64 " %s\n", run->count[i], counts[i].text);
    for (unsigned i = 0; i < run->nrules && run->rules[i].refused > 0; i++) {
        tg_buf_printf(out, "%8" PRIu64 " refused by ", run->rules[i].refused);
        replay_formats_add_rule(out, run->rules[i].policy, run->rules[i].rule);
        tg_buf_putc(out, '\n');
    }
}

/* --- JSON --- */

static void json_begin(struct tg_replay_run *run)
{
    tg_json_begin(&run->out, '{');
    if (!run->quiet)
        tg_json_member_begin(&run->out, "changes", '[');
}

static void json_rule(struct tg_buf *out, const struct tg_policy *policy,
                      const struct tg_policy_rule *rule)
{
    tg_json_member(out, "policy", policy->name);
    tg_json_member(out, "rule", rule->name);
}

static void json_change(struct tg_replay_run *run, const struct tg_replay_change *c)
{
    struct tg_buf *out = &run->out;

    tg_json_line(out);
    tg_json_begin(out, '{');
    tg_json_member(out, "change", c->denied ? TG_STR("newly denied") : TG_STR("newly passes"));
    tg_json_member(out, "time", c->time);
    tg_json_member(out, "request_id", c->request_id);
    tg_json_member(out, "project_id", c->project_id);
    tg_json_member(out, "config_name", c->config_name);
    tg_json_member_begin(out, "refused_by", '[');
    for (const struct tg_replay_refusal *f = c->refusals; f != NULL; f = f->next) {
        tg_json_begin(out, '{');
        json_rule(out, f->policy, f->rule);
        tg_json_member(out, "pointer", f->pointer);
        tg_json_member(out, "message", f->message);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

static void json_end(struct tg_replay_run *run)
{
    struct tg_buf *out = &run->out;

    if (!run->quiet) {
        tg_buf_putc(out, '\n');
        tg_json_end(out, ']');
    }
    for (unsigned i = 0; i < TG_REPLAY_COUNTS; i++)
        tg_json_member_number(out, counts[i].member, run->count[i]);
    tg_json_member_begin(out, "rules", '[');
    for (unsigned i = 0; i < run->nrules; i++) {
        tg_json_begin(out, '{');
        json_rule(out, run->rules[i].policy, run->rules[i].rule);
        tg_json_member_number(out, "refused", run->rules[i].refused);
        tg_json_member_number(out, "newly", run->rules[i].newly);
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* --- JUnit: a case per rule, which fails when it would newly refuse requests --- */

static void junit_change(struct tg_replay_run *run, const struct tg_replay_change *c)
{
    for (const struct tg_replay_refusal *f = c->denied ? c->refusals : NULL; f != NULL;
         f = f->next) {
        struct tg_buf *kept = &run->rules[f->rule->number].judged;

        if (run->rules[f->rule->number].newly > MOST_LINES)
            continue;
        add_request(kept, c);
        add_clean(kept, ": ", f->pointer);
        add_clean(kept, " ", f->message);
        tg_buf_putc(kept, '\n');
    }
}

static void junit_case(struct tg_buf *out, const struct tg_replay_rule *r)
{
    tg_buf_puts(out, "  <testcase classname=\"");
    tg_xml_add(out, r->policy->name);
    tg_buf_puts(out, "\" name=\"");
    tg_xml_add(out, r->rule->name);
    if (r->newly == 0) {
        tg_buf_puts(out, "\"/>\n");
        return;
    }
    tg_buf_printf(out, "\">\n    <failure message=\"%" PRIu64 " requests would newly be denied\">",
                  r->newly);
    tg_xml_add(out, tg_buf_str(&r->judged));
    tg_buf_puts(out, "</failure>\n  </testcase>\n");
}

static void junit_end(struct tg_replay_run *run)
{
    struct tg_buf *out = &run->out;
    unsigned failures = 0;

    for (unsigned i = 0; i < run->nrules; i++)
        failures += run->rules[i].newly > 0;
    tg_buf_printf(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite "
                  "name=\"trainguard replay\" tests=\"%u\" failures=\"%u\"",
                  run->nrules, failures);
    tg_xml_add_time(out, tg_clock_mono_now() - run->began);
    tg_buf_puts(out, ">\n");
    for (unsigned i = 0; i < run->nrules; i++)
        junit_case(out, &run->rules[i]);
    tg_buf_puts(out, "</testsuite>\n");
}

const struct tg_replay_format tg_replay_formats[] = {
    {"text", NULL, text_change, text_end},
    {"json", json_begin, json_change, json_end},
    {"junit", NULL, junit_change, junit_end},
    {NULL, NULL, NULL, NULL},
};
