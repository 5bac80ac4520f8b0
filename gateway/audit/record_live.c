/* The members of a record that tell what was found out beside the request. */
#include "audit/record_live.h"

#include "base/json_writer.h"

/* One look: what was asked for, or kept from an earlier time. */
static void add_span(struct tg_buf *out, const struct tg_lookup_span *s)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "what", tg_str_of(s->what));
    if (s->status != 0)
        tg_json_member_number(out, "status", (uint64_t)s->status);
    tg_json_member_bool(out, "cached", s->cached != TG_SPAN_ASKED);
    if (s->cached == TG_SPAN_STALE)
        tg_json_member_bool(out, "stale", true);
    tg_json_member_number(out, "us", s->us);
    if (s->why.n > 0)
        tg_json_member(out, "error", s->why);
    tg_json_end(out, '}');
}

void tg_audit_record_live(struct tg_buf *out, const struct tg_request *r)
{
    if (r->lookups == NULL)
        return;
    tg_json_member_begin(out, "lookups", '[');
    for (const struct tg_lookup_span *s = r->lookups; s != NULL; s = s->next)
        add_span(out, s);
    tg_json_end(out, ']');
}
