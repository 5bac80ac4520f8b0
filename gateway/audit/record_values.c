/* The member of a record that tells which live values a request was judged by. */
#include "audit/record_values.h"

#include "base/check.h"
#include "base/json_writer.h"
#include "chain/live.h"

static void add_list(struct tg_buf *out, const struct tg_live_value *value)
{
    tg_json_begin(out, '[');
    for (unsigned i = 0; i < value->nitems; i++)
        tg_json_string(out, value->items[i]);
    tg_json_end(out, ']');
}

static void add_value(struct tg_buf *out, const struct tg_live_info *info,
                      const struct tg_live_value *value)
{
    tg_json_name(out, info->name);
    if (value->state == TG_LIVE_ABSENT)
        tg_json_raw(out, TG_STR("null"));
    else if (info->kind == TG_LIVE_LIST)
        add_list(out, value);
    else if (info->kind == TG_LIVE_NUMBER)
        tg_json_raw(out, value->text);
    else
        tg_json_string(out, value->text);
}

static void add_old(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                    const struct tg_live_old *old)
{
    struct tg_request beside = *r;

    tg_json_name(out, "old");
    if (old->state == TG_LIVE_ABSENT) {
        tg_json_raw(out, TG_STR("null"));
        return;
    }
    CHECK(old->doc != NULL);
    beside.doc = old->doc;
    beside.config = old->config;
    tg_redact_body(redact, out, &beside);
}

void tg_audit_record_values(struct tg_redact *redact, struct tg_buf *out,
                            const struct tg_request *r, bool old)
{
    const struct tg_live *live = r->live;
    bool some = false;

    if (live == NULL)
        return;
    old = old && redact->conf->body != TG_AUDIT_BODY_NONE && live->old.read &&
          live->old.state != TG_LIVE_UNKNOWN;
    for (unsigned i = 0; i < TG_LIVE_NAMES && !some; i++)
        some = live->values[i].read && live->values[i].state != TG_LIVE_UNKNOWN;
    if (!some && !old)
        return;
    tg_json_member_begin(out, "live", '{');
    for (unsigned i = 0; i < TG_LIVE_NAMES; i++)
        if (live->values[i].read && live->values[i].state != TG_LIVE_UNKNOWN)
            add_value(out, &tg_live_infos[i], &live->values[i]);
    if (old)
        add_old(redact, out, r, &live->old);
    tg_json_end(out, '}');
}
