/* Whether a request may come in now: the limits of its location and of its connection. */
#include "base/check.h"
#include "chain/user.h"
#include "exchange/internal.h"
#include "shm/limit_stores.h"

#include <inttypes.h>

#define SECOND UINT64_C(1000000)

/* Keys as bits, for the steps in which limits are asked. */
enum {
    OF_CALLER = 1 << TG_LIMIT_BY_PRINCIPAL | 1 << TG_LIMIT_BY_USER,
    OF_HEAD = 1 << TG_LIMIT_BY_PROJECT | 1 << TG_LIMIT_BY_ADDRESS,
};

static struct tg_str key_of(const struct tg_request *r, int key, char text[TG_LIMIT_ADDRESS])
{
    switch (key) {
    case TG_LIMIT_BY_PROJECT:
        return r->project_id;
    case TG_LIMIT_BY_PRINCIPAL:
        return r->principal;
    case TG_LIMIT_BY_USER: /* whom nobody could name counts by the token, or the key */
        return r->user != NULL ? r->user->id : r->principal;
    case TG_LIMIT_BY_ADDRESS:
        return tg_limit_address(r->client_address, text);
    default:
        TG_UNREACHABLE();
    }
}

/* --- what is told --- */

/* The name of the store whose count it is. */
static const char *counter_of(const struct tg_limit_rule *rule)
{
    return rule->share != NULL && !rule->alone ? rule->share->name : "local";
}

static void note(struct tg_exchange *x, const struct tg_limit_rule *rule,
                 enum tg_audit_limit_result result, uint64_t wait)
{
    struct tg_audit_limit **last = &x->limits;

    CHECK(rule->key >= TG_LIMIT_BY_PROJECT && rule->name != NULL);
    while (*last != NULL)
        last = &(*last)->next;
    *last = tg_arena_zalloc(&x->arena, 1, sizeof(**last));
    **last = (struct tg_audit_limit){.rule = rule->name,
                                     .limit = tg_limit_kind_words[rule->kind],
                                     .by = tg_limit_key_words[rule->key - 1],
                                     .result = result,
                                     .store = counter_of(rule),
                                     .wait_us = wait};
}

/* A limit with its name, if it has one, and whose count it was. */
static const char *detail(struct tg_exchange *x, const struct tg_limit_rule *rule)
{
    bool named = rule->label != rule->text;

    return tg_arena_printf(&x->arena, "%s%s%s%s, counted by %s", rule->label, named ? " (" : "",
                           named ? rule->text : "", named ? ")" : "",
                           rule->share != NULL && !rule->alone ? rule->share->name : "this gateway")
        .p;
}

/* Tells what a limit did, or would have done; true when it only would have. */
static bool refused(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key,
                    uint64_t wait)
{
    CHECK(x->phase != TG_PHASE_END);
    note(x, rule, rule->dry_run ? TG_AUDIT_LIMIT_WOULD_REFUSE : TG_AUDIT_LIMIT_REFUSE, wait);
    tg_limit_count(x->all->shared->limits, rule);
    TG_TRACE(&x->request, "%s refuses%s, rule %s", tg_limit_kind_words[rule->kind],
             rule->dry_run ? ", dry_run" : "", rule->name);
    if (rule->dry_run) {
        tg_log(TG_LOG_NOTICE, "limit", "%s would refuse \"%.*s\", rule %s, request %.*s",
               tg_limit_kind_words[rule->kind], TG_STR_ARG(key), rule->name,
               TG_STR_ARG(x->request.request_id));
        return true;
    }
    x->request.retry_after = (unsigned)((wait + SECOND - 1) / SECOND);
    tg_exchange_end(x, TG_E_LIMITED, detail(x, rule));
    return false;
}

/* The window of a rate is the time in which all of it comes back. */
static struct tg_str policy_text(struct tg_exchange *x, const struct tg_limit_rule *rule)
{
    uint64_t quota = rule->burst + 1;

    if (rule->kind == TG_LIMIT_REQ)
        return tg_arena_printf(&x->arena, "\"%s\";q=%" PRIu64 ";w=%" PRIu64, rule->label, quota,
                               (quota * rule->interval + SECOND - 1) / SECOND);
    return tg_arena_printf(&x->arena, "\"%s\";q=%" PRIu64 ";qu=\"concurrent-requests\"",
                           rule->label, rule->most);
}

/* Of what is used up, when one more is granted; else when all is back. */
static struct tg_str left_text(struct tg_exchange *x, const struct tg_limit_rule *rule,
                               const struct tg_limit_grant *grant)
{
    uint64_t until = grant->entry < 0 ? grant->wait : grant->whole;

    if (rule->kind == TG_LIMIT_REQ || grant->entry < 0)
        return tg_arena_printf(&x->arena, "\"%s\";r=%" PRIu64 ";t=%" PRIu64, rule->label,
                               grant->left, (until + SECOND - 1) / SECOND);
    return tg_arena_printf(&x->arena, "\"%s\";r=%" PRIu64, rule->label, grant->left);
}

static struct tg_str joined(struct tg_exchange *x, struct tg_str list, struct tg_str item)
{
    return list.n == 0
               ? item
               : tg_arena_printf(&x->arena, "%.*s, %.*s", TG_STR_ARG(list), TG_STR_ARG(item));
}

/* For RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-12, sections 3, 4). */
static void tell(struct tg_exchange *x, const struct tg_limit_rule *rule,
                 const struct tg_limit_grant *grant)
{
    if (x->location->limit_headers != TG_LIMIT_HEADERS_DRAFT || rule->dry_run)
        return;
    x->limit_policy = joined(x, x->limit_policy, policy_text(x, rule));
    x->limit_left = joined(x, x->limit_left, left_text(x, rule, grant));
}

/* --- what is asked --- */

static bool acquire_conn(struct tg_exchange *x)
{
    const struct tg_limit_rule *rule = &x->conn->server->limit_conn;
    uint64_t wait = 0;

    if (tg_conn_acquire(x->conn, x->started, &wait))
        return true;
    if (!rule->dry_run)
        x->keep_alive = false;
    return refused(x, rule, x->request.client_address, wait);
}

/* What a rate charged. */
struct charge {
    int entry;         /* -1: nothing */
    bool alone;        /* while the store was away */
    uint32_t replicas; /* of how many gateways this was one then */
};

static bool acquire_key(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key,
                        struct charge *charge)
{
    const struct tg_shared *s = x->all->shared;
    struct tg_limit_grant grant;
    bool granted = tg_limit_take(s->limits, tg_shared_number(s), rule, key, x->started, &grant);

    tell(x, rule, &grant);
    if (!granted)
        return refused(x, rule, key, grant.wait);
    if (rule->kind == TG_LIMIT_REQ) {
        charge->entry = grant.entry;
    } else {
        CHECK(x->ngranted < TG_MAX_LIMITS);
        x->granted[x->ngranted++] = grant.entry;
    }
    return true;
}

/* The store of a shared rule does not answer. */
static bool acquire_alone(struct tg_exchange *x, const struct tg_limit_rule *rule,
                          struct tg_str key, struct charge *charge)
{
    struct tg_limit_store *store = tg_limit_store_at(x->all->shared->limits, rule->share->number);

    __atomic_add_fetch(&store->fallback, 1, __ATOMIC_RELAXED);
    TG_TRACE(&x->request, "limit_store %s is away, rule %s", rule->share->name, rule->name);
    if (rule->share->on_error == TG_LIMIT_ON_ERROR_LOCAL) {
        struct tg_limit_rule part;

        charge->alone = true;
        charge->replicas = store->replicas;
        part = tg_limit_part(rule, charge->replicas);
        return acquire_key(x, &part, key, charge);
    }
    note(x, rule, TG_AUDIT_LIMIT_UNKNOWN, 0);
    if (rule->share->on_error == TG_LIMIT_ON_ERROR_PASS || rule->dry_run)
        return true;
    tg_exchange_end(x, TG_E_LIMIT_STORE,
                    tg_arena_printf(&x->arena, "%s, %s", rule->share->name, rule->label).p);
    return false;
}

static bool acquire_rule(struct tg_exchange *x, const struct tg_limit_rule *rule,
                         struct charge *charge)
{
    const struct tg_shared *s = x->all->shared;
    char text[TG_LIMIT_ADDRESS];
    struct tg_str key = key_of(&x->request, rule->key, text);

    if (key.n == 0)
        return true; /* a path without project, a request without credentials */
    if (rule->share != NULL &&
        !tg_limit_store_up(tg_limit_store_at(s->limits, rule->share->number), x->started))
        return acquire_alone(x, rule, key, charge);
    return acquire_key(x, rule, key, charge);
}

/* What is held is given back when the exchange ends. */
static void give_back(const struct tg_exchange *x, const struct charge *charges, unsigned n)
{
    CHECK(n <= x->location->nlimits);
    for (unsigned i = 0; i < n; i++) {
        struct tg_limit_rule rule = x->location->limits[i];

        if (charges[i].alone)
            rule = tg_limit_part(&rule, charges[i].replicas);
        if (charges[i].entry >= 0)
            tg_limit_return(x->all->shared->limits, &rule, charges[i].entry);
    }
}

/* All rules by these keys or none: what one refuses is not charged by the others. */
static bool acquire(struct tg_exchange *x, unsigned keys)
{
    const struct tg_location *l = x->location;
    struct charge charges[TG_MAX_LIMITS];

    CHECK(l->nlimits <= TG_MAX_LIMITS);
    for (unsigned i = 0; i < l->nlimits; i++) {
        charges[i] = (struct charge){.entry = -1};
        if ((keys & 1U << l->limits[i].key) != 0 && !acquire_rule(x, &l->limits[i], &charges[i])) {
            give_back(x, charges, i);
            return false;
        }
    }
    return true;
}

bool tg_exchange_acquire(struct tg_exchange *x)
{
    unsigned keys = OF_HEAD | (x->location->filters.nidentify == 0 ? OF_CALLER : 0);

    return x->all->shared->limits == NULL || (acquire_conn(x) && acquire(x, keys));
}

bool tg_exchange_acquire_caller(struct tg_exchange *x)
{
    return x->all->shared->limits == NULL || acquire(x, OF_CALLER);
}
