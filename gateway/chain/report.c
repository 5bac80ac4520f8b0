/* What the filters found: kept in the order found, up to a ceiling. */
#include "chain/report.h"

#include "base/check.h"

const char *const tg_rule_result_words[TG_RULE_ERROR + 1] = {"pass", "fail",  "warn",
                                                             "skip", "error", NULL};

const char *const tg_decision_words[TG_DECISIONS + 1] = {"allow",   "warn",  "deny",
                                                         "invalid", "error", NULL};

void tg_report_add(struct tg_report *r, const struct tg_finding *f)
{
    struct tg_finding *copy;
    unsigned *count = f->severity == TG_VIOLATION ? &r->violations : &r->warnings;

    CHECK(f->severity == TG_WARNING || f->severity == TG_VIOLATION);
    CHECK(f->error > TG_E_DONE && f->error < TG_E_COUNT && f->rule != NULL);
    if (++*count > TG_MAX_FINDINGS)
        return;
    copy = tg_arena_alloc(r->arena, sizeof(*copy));
    *copy = *f;
    copy->next = NULL;
    if (r->last != NULL)
        r->last->next = copy;
    else
        r->first = copy;
    r->last = copy;
}

const struct tg_finding *tg_report_violation(const struct tg_report *r)
{
    const struct tg_finding *policy = NULL;

    for (const struct tg_finding *f = r->first; f != NULL; f = f->next) {
        if (f->severity != TG_VIOLATION)
            continue;
        if (f->error != TG_E_POLICY)
            return f;
        policy = policy != NULL ? policy : f;
    }
    return policy;
}

void tg_report_unknown(struct tg_report *r, const char *subject)
{
    for (unsigned i = 0; i < r->nunknown; i++)
        if (strcmp(r->unknown[i], subject) == 0)
            return;
    CHECK(r->nunknown < TG_MAX_UNKNOWN);
    r->unknown[r->nunknown++] = subject;
}

static void add_message(struct tg_buf *out, const struct tg_message *m,
                        const struct tg_message_value *value, bool chinese)
{
    tg_buf_add(out, m->before);
    if (value->text.p != NULL && value->secret)
        tg_buf_puts(out, chinese ? "一个不予显示的值" : "a value that is not shown");
    else
        tg_buf_add(out, value->text);
    tg_buf_add(out, m->after);
}

void tg_finding_text(struct tg_buf *out, const struct tg_finding *f, bool chinese)
{
    add_message(out, chinese ? &f->message_zh : &f->message, &f->value, chinese);
}

struct tg_str tg_result_text(const struct tg_report *r, const struct tg_policy_result *p)
{
    struct tg_buf text = {0};
    struct tg_str kept;

    add_message(&text, &p->message, &p->value, false);
    kept = tg_arena_dup(r->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return kept;
}

void tg_report_judged(struct tg_report *r, struct tg_str policy)
{
    struct tg_policy_judged *p = tg_arena_alloc(r->arena, sizeof(*p));

    *p = (struct tg_policy_judged){policy, r->judged};
    r->judged = p;
}

struct tg_rule_counts *tg_report_counts(struct tg_report *r, unsigned most)
{
    struct tg_rule_counts *c = tg_arena_alloc(r->arena, sizeof(*c) + most * sizeof(c->of[0]));

    c->n = 0;
    c->next = r->counts;
    r->counts = c;
    return c;
}

void tg_report_result(struct tg_report *r, const struct tg_policy_result *p)
{
    struct tg_policy_result *copy = tg_arena_alloc(r->arena, sizeof(*copy));

    *copy = *p;
    copy->next = NULL;
    if (r->last_result != NULL)
        r->last_result->next = copy;
    else
        r->results = copy;
    r->last_result = copy;
}
