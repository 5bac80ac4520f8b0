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
    int asked;         /* the entry the store is asked about */
};

/* The limits of one step, while stores are asked. */
struct tg_admission {
    struct charge charge[TG_MAX_LIMITS];
    unsigned awaited; /* answers */
};

/* What a limit said. */
static bool conclude(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key,
                     const struct tg_limit_grant *grant, struct charge *charge)
{
    tell(x, rule, grant);
    if (grant->entry < 0)
        return refused(x, rule, key, grant->wait);
    if (rule->kind == TG_LIMIT_REQ) {
        charge->entry = grant->entry;
    } else {
        CHECK(x->ngranted < TG_MAX_LIMITS);
        x->granted[x->ngranted++] = grant->entry;
    }
    return true;
}

static bool acquire_key(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key,
                        struct charge *charge)
{
    const struct tg_shared *s = x->all->shared;
    struct tg_limit_grant grant;

    (void)tg_limit_take(s->limits, tg_shared_number(s), rule, key, x->started, &grant);
    return conclude(x, rule, key, &grant, charge);
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

/* The store decides: it is asked, and charge->asked is no longer -1. */
static bool ask(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key,
                struct charge *charge)
{
    const struct tg_shared *s = x->all->shared;
    const struct tg_limit_asker who = {x->slot, x->all->slots[x->slot].generation,
                                       (unsigned)(rule - x->location->limits)};
    struct tg_limit_grant grant;
    struct tg_limit_ask question;
    uint64_t now = tg_loop_now(x->all->loop);

    if (tg_limit_claim(s->limits, tg_shared_number(s), rule, key, now, &question, &grant) !=
        TG_LIMIT_UNKNOWN)
        return conclude(x, rule, key, &grant, charge);
    if (!tg_limit_asks_ask(&x->all->asks, rule, &question, grant.entry, &who, now))
        return acquire_alone(x, rule, key, charge);
    TG_TRACE(&x->request, "limit_store %s is asked, rule %s", rule->share->name, rule->name);
    charge->asked = grant.entry;
    return true;
}

static bool is_asked(const struct tg_limit_rule *rule)
{
    return rule->share != NULL && rule->exact;
}

static bool acquire_rule(struct tg_exchange *x, const struct tg_limit_rule *rule,
                         struct charge *charge)
{
    const struct tg_shared *s = x->all->shared;
    char text[TG_LIMIT_ADDRESS];
    struct tg_str key = key_of(&x->request, rule->key, text);

    if (key.n == 0)
        return true; /* a path without project, a request without credentials */
    if (rule->share != NULL && !tg_limit_store_up(tg_limit_store_at(s->limits, rule->share->number),
                                                  tg_loop_now(x->all->loop)))
        return acquire_alone(x, rule, key, charge);
    return is_asked(rule) ? ask(x, rule, key, charge) : acquire_key(x, rule, key, charge);
}

/* What is held is given back when the exchange ends; what is asked, when the answer comes. */
static void give_back(const struct tg_exchange *x, const struct charge *charges)
{
    for (unsigned i = 0; i < x->location->nlimits; i++) {
        struct tg_limit_rule rule = x->location->limits[i];

        if (charges[i].alone)
            rule = tg_limit_part(&rule, charges[i].replicas);
        if (charges[i].entry >= 0)
            tg_limit_return(x->all->shared->limits, &rule, charges[i].entry);
    }
}

/* Those that are judged here, or those that stores are asked about. */
static bool acquire_some(struct tg_exchange *x, unsigned keys, bool asked,
                         struct tg_admission *admission)
{
    const struct tg_location *l = x->location;

    for (unsigned i = 0; i < l->nlimits; i++) {
        const struct tg_limit_rule *rule = &l->limits[i];

        if ((keys & 1U << rule->key) == 0 || is_asked(rule) != asked)
            continue;
        if (!acquire_rule(x, rule, &admission->charge[i]))
            return false;
        admission->awaited += admission->charge[i].asked >= 0;
    }
    return true;
}

/* All rules by these keys or none: what one refuses is not charged by the others. Stores are asked
 * last, all at once. */
static enum tg_admitted acquire(struct tg_exchange *x, unsigned keys)
{
    struct tg_admission admission = {.awaited = 0};

    CHECK(x->location->nlimits <= TG_MAX_LIMITS && x->admission == NULL);
    for (unsigned i = 0; i < x->location->nlimits; i++)
        admission.charge[i] = (struct charge){.entry = -1, .asked = -1};
    if (!acquire_some(x, keys, false, &admission) || !acquire_some(x, keys, true, &admission)) {
        give_back(x, admission.charge);
        return TG_NOT_ADMITTED;
    }
    if (admission.awaited == 0)
        return TG_ADMITTED;
    x->admission = tg_arena_alloc(&x->arena, sizeof(admission));
    *x->admission = admission;
    return TG_ADMISSION_WAITS;
}

/* What an answer is of a grant. Of a rate its number is until when the key is used up. */
static struct tg_limit_grant grant_of(const struct tg_limit_rule *rule,
                                      const struct tg_limit_answer *answer, int entry)
{
    uint64_t tolerance = rule->burst * rule->interval, number = answer->number;
    bool granted = answer->result == TG_LIMIT_GRANTED;
    struct tg_limit_grant grant = {.entry = granted ? entry : -1};

    if (rule->kind != TG_LIMIT_REQ) {
        grant.left = granted && rule->most > number ? rule->most - number : 0;
        grant.wait = granted ? 0 : SECOND;
        return grant;
    }
    grant.whole = number;
    if (granted)
        grant.left = number > tolerance ? 0 : (tolerance - number) / rule->interval + 1;
    else
        grant.wait = number > tolerance ? number - tolerance : 0;
    return grant;
}

static bool acquire_answered(struct tg_exchange *x, const struct tg_limit_rule *rule,
                             const struct tg_limit_answer *answer, struct charge *charge)
{
    char text[TG_LIMIT_ADDRESS];
    struct tg_str key = key_of(&x->request, rule->key, text);
    const struct tg_limit_grant grant = grant_of(rule, answer, charge->asked);

    CHECK(charge->asked >= 0 && key.n > 0);
    charge->asked = -1;
    return answer->result == TG_LIMIT_UNKNOWN ? acquire_alone(x, rule, key, charge)
                                              : conclude(x, rule, key, &grant, charge);
}

enum tg_admitted tg_exchange_acquired(struct tg_exchange *x, unsigned i,
                                      const struct tg_limit_answer *answer)
{
    struct tg_admission *a = x->admission;

    CHECK(a != NULL && a->awaited > 0 && i < x->location->nlimits);
    a->awaited--;
    if (!acquire_answered(x, &x->location->limits[i], answer, &a->charge[i])) {
        give_back(x, a->charge);
        x->admission = NULL;
        return TG_NOT_ADMITTED;
    }
    if (a->awaited > 0)
        return TG_ADMISSION_WAITS;
    x->admission = NULL;
    return TG_ADMITTED;
}

enum tg_admitted tg_exchange_acquire(struct tg_exchange *x)
{
    unsigned keys = OF_HEAD | (x->location->filters.nidentify == 0 ? OF_CALLER : 0);

    if (x->all->shared->limits == NULL)
        return TG_ADMITTED;
    return acquire_conn(x) ? acquire(x, keys) : TG_NOT_ADMITTED;
}

enum tg_admitted tg_exchange_acquire_caller(struct tg_exchange *x)
{
    return x->all->shared->limits == NULL ? TG_ADMITTED : acquire(x, OF_CALLER);
}
