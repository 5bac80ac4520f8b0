/* What all rules share: the config's members, and how a finding is made. */
#include "base/check.h"
#include "contract/contract.h"

#include <stdarg.h>
#include <stdio.h>

void tg_contract_judge(struct tg_request *r, enum tg_contract_level level)
{
    struct tg_judge j = {.request = r, .doc = r->doc, .config = r->config, .level = level};

    CHECK(r->doc != NULL && r->config < r->doc->count);
    CHECK(level >= TG_LAX && level <= TG_STRICT);
    if (tg_doc_type(r->doc, r->config) != TG_OBJECT) {
        j.rule = tg_contract_rule("type");
        tg_judge_say(&j, r->config, "must be an object", "必须是对象");
        return;
    }
    j.member = tg_contract_members(j.doc, j.config)->value;
    tg_judge_look(&j);
    for (const struct tg_contract_rule *rule = tg_contract_rules; rule->id != NULL; rule++) {
        if (rule->check == NULL || rule->severity[level - 1] == '-')
            continue;
        j.rule = rule;
        rule->check(&j);
    }
}

bool tg_judge_string(const struct tg_judge *j, enum tg_config_member member, struct tg_str *out)
{
    if (!tg_judge_has(j, member) || tg_doc_type(j->doc, j->member[member]) != TG_STRING)
        return false;
    *out = tg_doc_string(j->doc, j->member[member]);
    return true;
}

/* --- findings --- */

bool tg_judge_wants(const struct tg_judge *j)
{
    const struct tg_report *report = &j->request->report;

    return (tg_contract_severity(j->rule, j->level) == TG_VIOLATION
                ? report->violations
                : report->warnings) < TG_MAX_FINDINGS;
}

static struct tg_str format_text(struct tg_arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static struct tg_str format_text(struct tg_arena *arena, const char *format, va_list args)
{
    char text[4096];
    int n = vsnprintf(text, sizeof(text), format, args);

    CHECK(n >= 0);
    return tg_arena_dup(
        arena, (struct tg_str){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
}

static struct tg_finding start(const struct tg_judge *j)
{
    return (struct tg_finding){.severity = tg_contract_severity(j->rule, j->level),
                               .rule = j->rule->id,
                               .error = j->rule->error,
                               .offset = TG_NONE};
}

void tg_judge_say(struct tg_judge *j, uint32_t node, const char *format, const char *format_zh, ...)
{
    struct tg_finding f = start(j);
    va_list args;

    CHECK(node < j->doc->count);
    if (tg_judge_wants(j)) {
        f.pointer = tg_doc_pointer(j->doc, node);
        f.offset = j->doc->node[node].offset;
        va_start(args, format_zh);
        f.message = format_text(j->request->arena, format, args);
        va_end(args);
        va_start(args, format_zh);
        f.message_zh = format_text(j->request->arena, format_zh, args);
        va_end(args);
    }
    tg_report_add(&j->request->report, &f);
}

void tg_judge_lacks(struct tg_judge *j, uint32_t object, const char *name, const char *text,
                    const char *text_zh)
{
    struct tg_finding f = start(j);

    CHECK(object < j->doc->count && tg_doc_type(j->doc, object) == TG_OBJECT);
    if (tg_judge_wants(j)) {
        f.pointer = tg_arena_printf(j->request->arena, "%.*s/%s",
                                    TG_STR_ARG(tg_doc_pointer(j->doc, object)), name);
        f.message = tg_str_of(text);
        f.message_zh = tg_str_of(text_zh);
    }
    tg_report_add(&j->request->report, &f);
}
