/*
 * A filter outside the tree that asks: what the directive names, with the caller's own token, kept
 * or not. What it found goes upstream in a field of its own.
 */
#include "live/lookup.h"

struct asking_conf {
    struct tg_str target;
    struct tg_str upstream;
    bool kept;
    bool trusted;
    int64_t ttl;
    int64_t stale;
    int64_t timeout;
};

struct asking_state {
    struct tg_lookup lookup;
};

#define ROW(text, form, member)                                                                    \
    .name = (text), .contexts = TG_IN_LOCATION, .kind = (form),                                    \
    .offset = offsetof(struct asking_conf, member), .help = "Of the test."

static const struct tg_directive directives[] = {
    {ROW("asking_target", TG_CONF_STRING, target)},
    {ROW("asking_upstream", TG_CONF_STRING, upstream)},
    {ROW("asking_kept", TG_CONF_FLAG, kept), .fallback = "on"},
    {ROW("asking_trusted", TG_CONF_FLAG, trusted), .fallback = "off"},
    {ROW("asking_ttl", TG_CONF_TIME, ttl), .max = 60000000, .fallback = "60s"},
    {ROW("asking_stale", TG_CONF_TIME, stale), .max = 60000000, .fallback = "0"},
    {ROW("asking_timeout", TG_CONF_TIME, timeout), .max = 60000000, .fallback = "10s"},
    {.name = NULL},
};

struct value {
    struct tg_str text;
};

/* A page that begins with '/' names the next one; the value is the last. */
static const char *on_page(struct tg_lookup_page *page)
{
    struct value *v = page->value;

    v->text = tg_arena_dup(page->arena, page->body);
    if (page->body.n > 0 && *page->body.p == '/')
        page->next = v->text;
    return page->body.n == 0 ? "it is empty" : NULL;
}

static const struct tg_lookup_kind kinds[] = {
    {.what = "loose", .doing = "asking", .value_size = sizeof(struct value), .on_page = on_page},
    {.what = "kept",
     .doing = "asking",
     .value_size = sizeof(struct value),
     .kept = true,
     .on_page = on_page},
};

static void say(struct tg_request *r, const struct tg_lookup *l, enum tg_lookup_result result)
{
    static const char *const words[] = {[TG_LOOKUP_FOUND] = "found",
                                        [TG_LOOKUP_NONE] = "none",
                                        [TG_LOOKUP_REFUSED] = "refused",
                                        [TG_LOOKUP_FAILED] = "failed"};
    struct tg_str text = l->why;

    if (result == TG_LOOKUP_FOUND)
        text = ((const struct value *)l->value)->text;
    tg_request_set_field(
        r, TG_STR("X-Asked"),
        tg_arena_printf(r->arena, "%s %d %.*s", words[result], l->status, TG_STR_ARG(text)));
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct asking_conf *c = conf;
    struct asking_state *s = state;
    struct tg_str token = tg_request_field(r, TG_STR("X-Auth-Token"));
    struct tg_lookup_ask ask = {.kind = &kinds[c->kept],
                                .upstream = c->upstream.n > 0 ? c->upstream : r->upstream,
                                .subject = r->path,
                                .target = c->target,
                                .caller = r->principal,
                                .trusted = c->trusted,
                                .fields = {{TG_STR("X-Auth-Token"), token}},
                                .ttl = c->ttl,
                                .stale = c->stale,
                                .timeout = c->timeout};
    enum tg_lookup_result result = tg_lookup(r, &s->lookup, &ask);

    if (result == TG_LOOKUP_WAIT)
        return TG_WAIT;
    say(r, &s->lookup, result);
    return TG_NEXT;
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r, (void)conf;
    tg_lookup_done(&((struct asking_state *)state)->lookup);
}

const struct tg_filter tg_module_filter = {
    .abi = TG_FILTER_ABI,
    .name = "asking",
    .help = "Asks.",
    .directives = directives,
    .conf_size = sizeof(struct asking_conf),
    .state_size = sizeof(struct asking_state),
    .on_request = on_request,
    .on_done = on_done,
};
