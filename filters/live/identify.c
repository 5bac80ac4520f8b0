/* `identify`: asks the identity service whose token it is, and refuses one of another project. */
#include "base/check.h"
#include "base/clock.h"
#include "chain/live.h"
#include "chain/user.h"
#include "live/json_page.h"
#include "live/live.h"
#include "live/lookup.h"
#include "live/rows.h"
#include "signing/credential_text.h"

enum {
    MAX_ROLES = 256, /* of one token */
};

static bool set_upstream(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    struct tg_identify_conf *conf = target;

    (void)c, (void)d;
    conf->item = item;
    conf->upstream = item->args[1];
    return true;
}

static const struct tg_directive directives[] = {
    {.name = "identify",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .set = set_upstream,
     .syntax = "UPSTREAM",
     .help = "The upstream of the identity service (IAM) that is asked whose token a request "
             "brings: `GET /v3/auth/tokens` with that token."},
    {.name = "identify_ttl",
     TG_LIVE_TTL(identify),
     .help = "How long the owner of a token is kept, at most until the token ends."},
    {.name = "identify_timeout",
     TG_LIVE_TIMEOUT(identify),
     .fallback = "3s",
     .help = "How long the identity service may take."},
    {.name = "identify_rate",
     .kind = TG_CONF_NUMBER,
     TG_LIVE_ROW(identify, rate),
     .min = 0,
     .max = 1000000,
     .fallback = "120",
     .help = "How many tokens that are not known yet one address may bring within a minute; more "
             "are answered 429. 0: any number."},
    {.name = "identify_on_error",
     TG_LIVE_ON_ERROR(identify),
     .help = "What becomes of requests whose caller cannot be found out: allow lets them pass with "
             "the caller unknown, deny answers 503, or 401 where the token is refused. auto: deny "
             "where a policy of the location matches on users, domains or roles, else allow."},
    {.name = NULL},
};

/* --- the answer --- */

/* A token for a domain has no project, and its roles hold in no project's domain. */
static void read_roles(const struct tg_doc *d, uint32_t token, struct tg_arena *arena,
                       struct tg_user *u)
{
    struct tg_str *roles;
    unsigned n = 0;

    for (uint32_t e = tg_json_page_list(d, token, "roles"); e != TG_NONE && n < MAX_ROLES;
         e = tg_doc_next(d, e))
        n++;
    roles = tg_arena_alloc(arena, n * sizeof(*roles));
    n = 0;
    for (uint32_t e = tg_json_page_list(d, token, "roles"); e != TG_NONE && n < MAX_ROLES;
         e = tg_doc_next(d, e)) {
        struct tg_str name = tg_json_page_text(d, e, "name");

        if (name.n > 0)
            roles[n++] = name;
    }
    u->roles = roles;
    u->nroles = n;
}

static const char *on_page(struct tg_lookup_page *page)
{
    struct tg_user *u = page->value;
    struct tg_doc d;
    uint32_t token, user, domain, project;
    int64_t seconds;

    if (!tg_json_page(&d, page->arena, page->body))
        return "the answer is no JSON object";
    token = tg_json_page_object(&d, 0, "token");
    user = tg_json_page_object(&d, token, "user");
    domain = tg_json_page_object(&d, user, "domain");
    project = tg_json_page_object(&d, token, "project");
    u->id = tg_json_page_text(&d, user, "id");
    u->name = tg_json_page_text(&d, user, "name");
    u->domain = tg_json_page_text(&d, domain, "name");
    u->domain_id = tg_json_page_text(&d, domain, "id");
    u->project = tg_json_page_text(&d, project, "name");
    u->project_id = tg_json_page_text(&d, project, "id");
    if (u->project_id.n > 0)
        read_roles(&d, token, page->arena, u);
    if (tg_expiry_parse(tg_json_page_text(&d, token, "expires_at"), &seconds))
        page->ends = seconds * TG_LIVE_SECOND;
    return u->id.n > 0 ? NULL : "the answer has no token.user.id";
}

/* A token names one user: that it names another one is told. */
static void on_change(const void *before, const void *after)
{
    const struct tg_user *a = before, *b = after;

    if (!tg_str_eq(a->id, b->id))
        tg_log(TG_LOG_WARN, "identify", "a token's owner was user %.*s and is now user %.*s",
               TG_STR_ARG(a->id), TG_STR_ARG(b->id));
}

static const struct tg_lookup_kind kind = {
    .what = "user",
    .doing = "asking whose token it is",
    .value_size = sizeof(struct tg_user),
    .kept = true,
    .on_page = on_page,
    .on_change = on_change,
};

/* --- what is known --- */

static struct tg_str copy(struct tg_request *r, struct tg_str text)
{
    return tg_arena_dup(r->arena, text);
}

/* What is kept may go before the request does. */
static const struct tg_user *copy_user(struct tg_request *r, const struct tg_user *from)
{
    struct tg_user *u = tg_arena_alloc(r->arena, sizeof(*u));
    struct tg_str *roles = tg_arena_alloc(r->arena, from->nroles * sizeof(*roles));

    *u = (struct tg_user){copy(r, from->id),
                          copy(r, from->name),
                          copy(r, from->domain),
                          copy(r, from->domain_id),
                          copy(r, from->project),
                          copy(r, from->project_id),
                          roles,
                          from->nroles};
    for (unsigned i = 0; i < from->nroles; i++)
        roles[i] = copy(r, from->roles[i]);
    return u;
}

static void publish_text(struct tg_request *r, enum tg_live_name name, struct tg_str text)
{
    if (text.n > 0)
        tg_live_set_text(r, name, text);
}

/* Roles hold in the token's project: of another one, or of none, nothing is known. */
static void publish(struct tg_request *r, const struct tg_user *u)
{
    publish_text(r, TG_LIVE_USER_ID, u->id);
    publish_text(r, TG_LIVE_USER_NAME, u->name);
    publish_text(r, TG_LIVE_DOMAIN, u->domain);
    if (r->project_id.n > 0 && tg_str_eq(u->project_id, r->project_id))
        tg_live_set_list(r, TG_LIVE_ROLES, u->roles, u->nroles);
}

static enum tg_verdict know(struct tg_request *r, const struct tg_user *found)
{
    const struct tg_user *u = copy_user(r, found);

    r->user = u;
    publish(r, u);
    if (r->project_id.n == 0 || u->project_id.n == 0 || tg_str_eq(u->project_id, r->project_id))
        return TG_NEXT;
    return tg_reply(r, TG_E_TOKEN_PROJECT,
                    tg_arena_printf(r->arena, "the token is of project %.*s, the path names %.*s",
                                    TG_STR_ARG(u->project_id), TG_STR_ARG(r->project_id))
                        .p,
                    tg_arena_printf(r->arena, "令牌属于项目 %.*s, 请求路径为 %.*s",
                                    TG_STR_ARG(u->project_id), TG_STR_ARG(r->project_id))
                        .p);
}

/* --- the filter --- */

/* The command line has who asks in a file, or nobody. */
static enum tg_verdict take_given(struct tg_request *r)
{
    struct tg_user u = {.id = {NULL, 0}};
    struct tg_lookup_page page = {.arena = r->arena, .value = &u};
    const char *why;

    if (r->given == NULL || r->given->user.n == 0)
        return TG_NEXT;
    page.body = r->given->user;
    why = on_page(&page);
    return why == NULL ? know(r, &u) : tg_fail(r, why);
}

static struct tg_lookup_ask question(struct tg_request *r, const struct tg_identify_conf *c)
{
    struct tg_str token = tg_request_field(r, TG_STR("X-Auth-Token"));

    return (struct tg_lookup_ask){
        .kind = &kind,
        .upstream = c->upstream,
        .subject = r->principal,
        .target = TG_STR("/v3/auth/tokens"),
        .caller = r->principal,
        .fields = {{TG_STR("X-Auth-Token"), token}, {TG_STR("X-Subject-Token"), token}},
        .ttl = c->ttl,
        .timeout = c->timeout,
    };
}

static enum tg_verdict conclude(struct tg_request *r, const struct tg_identify_conf *c,
                                const struct tg_lookup *l)
{
    switch (l->result) {
    case TG_LOOKUP_FOUND:
        return know(r, l->value);
    case TG_LOOKUP_NONE:
    case TG_LOOKUP_REFUSED:
        return c->on_error == TG_LIVE_DENY ? tg_reply(r, TG_E_TOKEN_REFUSED, NULL, NULL) : TG_NEXT;
    case TG_LOOKUP_FAILED:
    case TG_LOOKUP_WAIT:
        break;
    }
    return tg_live_failed(r, c->on_error, "the identity service does not say who asks",
                          "身份服务未能确认请求者");
}

static enum tg_verdict ask(struct tg_request *r, const struct tg_identify_conf *c,
                           struct tg_lookup *l)
{
    struct tg_lookup_ask a = question(r, c);

    if (l->request == NULL && c->rate > 0 && !tg_lookup_is_kept(r, &a) &&
        !tg_lookup_newcomer(r, (uint64_t)c->rate)) {
        r->retry_after = 60;
        return tg_reply(r, TG_E_LIMITED, "too many unknown tokens from this address",
                        "该地址使用的未知令牌过多");
    }
    if (tg_lookup(r, l, &a) == TG_LOOKUP_WAIT)
        return TG_WAIT;
    return conclude(r, c, l);
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct tg_identify_conf *c = conf;

    if (r->host == NULL)
        return take_given(r);
    if (r->credentials != TG_CRED_TOKEN)
        return r->auth_verified ? TG_NEXT
                                : tg_live_failed(r, c->on_error,
                                                 "who asks is known of requests with X-Auth-Token",
                                                 "仅可确认使用 X-Auth-Token 的请求者");
    return ask(r, c, state);
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r, (void)conf;
    tg_lookup_done(state);
}

static bool on_load(struct tg_conf *c, const struct tg_conf_item *location, void *conf)
{
    if (((struct tg_identify_conf *)conf)->item == NULL)
        tg_conf_error(c, location, "filter \"identify\" needs \"identify UPSTREAM\"");
    return ((struct tg_identify_conf *)conf)->item != NULL;
}

const struct tg_filter tg_filter_identify = {
    .abi = TG_FILTER_ABI,
    .name = "identify",
    .help = "Asks the identity service whose token a request brings; a token of another project "
            "than the path's is refused.",
    .traits = TG_IDENTIFIES,
    .directives = directives,
    .conf_size = sizeof(struct tg_identify_conf),
    .state_size = sizeof(struct tg_lookup),
    .on_load = on_load,
    .on_request = on_request,
    .on_done = on_done,
};
