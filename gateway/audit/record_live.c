/* The members of a record that tell what was found out beside the request. */
#include "audit/record_live.h"

#include "base/json_writer.h"
#include "chain/before.h"
#include "chain/user.h"

static void add(struct tg_buf *out, const char *name, struct tg_str value)
{
    if (value.n > 0)
        tg_json_member(out, name, value);
}

void tg_audit_record_user(struct tg_buf *out, const struct tg_user *user)
{
    if (user == NULL)
        return;
    add(out, "user.id", user->id);
    add(out, "user.name", user->name);
    add(out, "user.domain", user->domain);
    add(out, "user.domain_id", user->domain_id);
    add(out, "user.project", user->project);
    add(out, "user.project_id", user->project_id);
    if (user->nroles == 0)
        return;
    tg_json_member_begin(out, "user.roles", '[');
    for (unsigned i = 0; i < user->nroles; i++)
        tg_json_string(out, user->roles[i]);
    tg_json_end(out, ']');
}

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

static void add_lookups(struct tg_buf *out, const struct tg_request *r)
{
    if (r->lookups == NULL)
        return;
    tg_json_member_begin(out, "lookups", '[');
    for (const struct tg_lookup_span *s = r->lookups; s != NULL; s = s->next)
        add_span(out, s);
    tg_json_end(out, ']');
}

/* One operation of RFC 6902. */
static void add_operation(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                          const struct tg_diff *d, struct tg_redact_path *path)
{
    static const char *const ops[] = {
        [TG_DIFF_ADD] = "add", [TG_DIFF_REPLACE] = "replace", [TG_DIFF_REMOVE] = "remove"};

    tg_json_begin(out, '{');
    tg_json_member(out, "op", tg_str_of(ops[d->op]));
    tg_json_member(out, "path", d->pointer);
    if (d->op != TG_DIFF_REMOVE) {
        tg_json_name(out, "value");
        tg_redact_node(redact, out, r, d->node, path);
    }
    tg_json_end(out, '}');
}

static void add_before(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                       struct tg_redact_path *path, bool diff)
{
    const struct tg_before *b = r->before;

    if (b == NULL)
        return;
    if (b->there)
        tg_json_member(out, "before.sha256", (struct tg_str){b->sha256, TG_SHA256_HEX});
    else
        tg_json_member_bool(out, "before.absent", true);
    if (!b->compared)
        return;
    if (b->partial)
        tg_json_member_bool(out, "diff_partial", true);
    if (!diff)
        return;
    tg_json_member_begin(out, "diff", '[');
    for (const struct tg_diff *d = b->changes; d != NULL; d = d->next)
        add_operation(redact, out, r, d, path);
    tg_json_end(out, ']');
}

void tg_audit_record_live(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                          struct tg_redact_path *path, bool diff)
{
    add_lookups(out, r);
    add_before(redact, out, r, path, diff);
}
