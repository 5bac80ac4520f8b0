/* `current`: what stands there before a config is changed or deleted, and what a PUT changes. */
#include "base/check.h"
#include "chain/live.h"
#include "contract/contract.h"
#include "live/credentials.h"
#include "live/diff.h"
#include "live/live.h"
#include "live/rows.h"
#include "normalize/normalize.h"

static const struct tg_directive directives[] = {
    {.name = "current_timeout",
     TG_LIVE_TIMEOUT(current),
     .fallback = "3s",
     .help = "How long the service may take to tell the config that stands there."},
    {.name = "current_on_error",
     TG_LIVE_ON_ERROR(current),
     .help = "What becomes of a PUT or DELETE when the stored config cannot be found out: allow "
             "lets it pass, deny answers 503. auto: deny where a policy of the location reads "
             "`old.*`, else allow."},
    {.name = NULL},
};

/* The answer as it came: whoever asked reads it. */
static const char *on_page(struct tg_lookup_page *page)
{
    *(struct tg_str *)page->value = tg_arena_dup(page->arena, page->body);
    return NULL;
}

static const struct tg_lookup_kind kind = {
    .what = "config",
    .doing = "asking for the stored config",
    .value_size = sizeof(struct tg_str),
    .on_page = on_page,
};

/* --- what stood there --- */

static struct tg_before *make_before(struct tg_request *r)
{
    struct tg_before *b = tg_arena_zalloc(r->arena, 1, sizeof(*b));

    r->before = b;
    return b;
}

/* A request of its own, so that what is found of the old config is no finding about this one. */
static void normalize(struct tg_request *r, struct tg_doc *old)
{
    struct tg_request stored;

    tg_request_init(&stored, r->arena);
    stored.method = r->method;
    stored.path = r->path;
    stored.project_id = r->project_id;
    stored.config_name = r->config_name;
    stored.doc = old;
    tg_normalize_stored(&stored);
}

static void warn_unchanged(struct tg_request *r)
{
    const struct tg_contract_rule *row = tg_contract_rule("unchanged");
    struct tg_finding f = {
        .severity = TG_WARNING,
        .rule = row->id,
        .error = row->error,
        .pointer = TG_STR(""),
        .offset = tg_doc_offset(r->doc, r->config),
        .message = {.before = TG_STR("changes nothing: the stored config is the same")},
        .message_zh = {.before = TG_STR("没有任何变化: 已保存的配置与此相同")},
    };

    tg_report_add(&r->report, &f);
}

static enum tg_verdict know(struct tg_request *r, struct tg_doc *old)
{
    struct tg_before *b = make_before(r);
    unsigned char digest[TG_SHA256];

    normalize(r, old);
    b->there = true;
    tg_sha256(tg_doc_result(old), digest);
    tg_hex(digest, TG_SHA256, b->sha256);
    if (r->doc != NULL && tg_doc_type(r->doc, r->config) == TG_OBJECT) {
        tg_diff(r, old, 0, b);
        if (b->nchanges == 0)
            warn_unchanged(r);
    }
    tg_live_set_old(r, old, 0);
    return TG_NEXT;
}

static enum tg_verdict know_absent(struct tg_request *r)
{
    (void)make_before(r);
    tg_live_set_old(r, NULL, TG_NONE);
    return TG_NEXT;
}

/* The service says "is_success": false with status 200 too. */
static bool is_config(const struct tg_doc *d)
{
    uint32_t success;

    if (tg_doc_type(d, 0) != TG_OBJECT)
        return false;
    success = tg_doc_member(d, 0, TG_STR("is_success"));
    return success == TG_NONE || tg_doc_type(d, success) != TG_FALSE;
}

/* False: it is none. */
static bool read_config(struct tg_request *r, struct tg_str text, struct tg_doc **out)
{
    static const struct tg_json_limits limits = {64, 100000};
    struct tg_doc *d = tg_arena_alloc(r->arena, sizeof(*d));
    struct tg_json_fault fault;

    *out = d;
    return tg_doc_parse(d, r->arena, tg_arena_dup(r->arena, text), &limits, &fault) && is_config(d);
}

/* --- the filter --- */

static enum tg_verdict failed(struct tg_request *r, const struct tg_current_conf *c)
{
    return tg_live_failed(r, c->on_error, "the config that stands there is not known",
                          "无法获取已保存的配置");
}

static enum tg_verdict conclude(struct tg_request *r, const struct tg_current_conf *c,
                                const struct tg_lookup *l)
{
    struct tg_doc *old;

    if (l->result == TG_LOOKUP_NONE)
        return know_absent(r);
    if (l->result == TG_LOOKUP_FOUND && read_config(r, *(const struct tg_str *)l->value, &old))
        return know(r, old);
    return failed(r, c);
}

static enum tg_verdict ask(struct tg_request *r, const struct tg_current_conf *c,
                           struct tg_lookup *l)
{
    struct tg_lookup_ask a = {.kind = &kind,
                              .upstream = r->upstream,
                              .subject = r->path,
                              .target = r->path,
                              .timeout = c->timeout};

    if (!tg_live_credentials(r, &a))
        return failed(r, c);
    if (tg_lookup(r, l, &a) == TG_LOOKUP_WAIT)
        return TG_WAIT;
    return conclude(r, c, l);
}

static enum tg_verdict take_given(struct tg_request *r)
{
    struct tg_doc *old;

    if (r->given == NULL || r->given->old.n == 0)
        return TG_NEXT;
    if (tg_str_eq(tg_str_trim(r->given->old), TG_STR("null")))
        return know_absent(r);
    return read_config(r, r->given->old, &old) ? know(r, old)
                                               : tg_fail(r, "the old config is no JSON object");
}

/* What is refused already is asked nothing for; what creates has nothing before it. */
static bool changes_a_config(const struct tg_request *r)
{
    return r->report.violations == 0 && r->config_name.n > 0 &&
           (tg_str_eq(r->method, TG_STR("PUT")) || tg_str_eq(r->method, TG_STR("DELETE")));
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    if (!changes_a_config(r))
        return TG_NEXT;
    return r->host != NULL ? ask(r, conf, state) : take_given(r);
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r, (void)conf;
    tg_lookup_done(state);
}

const struct tg_filter tg_filter_current = {
    .abi = TG_FILTER_ABI,
    .name = "current",
    .help = "Asks for the config that stands there before a PUT or DELETE of a {config_name}: the "
            "record tells what it changes, policies compare with it.",
    .traits = TG_NEEDS_BODY,
    .directives = directives,
    .conf_size = sizeof(struct tg_current_conf),
    .state_size = sizeof(struct tg_lookup),
    .on_request = on_request,
    .on_done = on_done,
};
