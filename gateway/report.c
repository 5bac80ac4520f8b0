#include "report.h"

#include "check.h"

void tg_report_init(struct tg_report *r, struct tg_arena *arena)
{
    *r = (struct tg_report){.arena = arena};
}

void tg_report_add(struct tg_report *r, const struct tg_finding *f)
{
    struct tg_finding *copy;

    CHECK(f->severity == TG_WARNING || f->severity == TG_VIOLATION);
    if (f->severity == TG_VIOLATION)
        r->violations++;
    else
        r->warnings++;
    if (r->violations + r->warnings > TG_MAX_FINDINGS)
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
