/* Whether a request may come in now: the limits of its location and of its connection. */
#include "base/check.h"
#include "exchange/internal.h"

#include <stdio.h>

static struct tg_str key_of(const struct tg_request *r, int key, char text[TG_LIMIT_ADDRESS])
{
    switch (key) {
    case TG_LIMIT_BY_PROJECT:
        return r->project_id;
    case TG_LIMIT_BY_PRINCIPAL:
        return r->principal;
    case TG_LIMIT_BY_ADDRESS:
        return tg_limit_address(r->client_address, text);
    default:
        TG_UNREACHABLE();
    }
}

/* Tells what a limit would have done; returns true when it only would have. */
static bool refused(struct tg_exchange *x, const struct tg_limit_rule *rule, struct tg_str key)
{
    static const char *const names[] = {[TG_LIMIT_REQ] = "limit_req",
                                        [TG_LIMIT_CONN] = "limit_conn",
                                        [TG_LIMIT_IN_FLIGHT] = "limit_in_flight"};

    TG_TRACE(&x->request, "%s refuses%s", names[rule->kind], rule->dry_run ? ", dry_run" : "");
    x->all->shared->slot->counts.limited[rule->kind][rule->dry_run]++;
    if (rule->dry_run)
        tg_log(TG_LOG_NOTICE, "limit", "%s would refuse \"%.*s\", request %.*s", names[rule->kind],
               TG_STR_ARG(key), TG_STR_ARG(x->request.request_id));
    else
        tg_exchange_end(x, TG_E_LIMITED, rule->text);
    return rule->dry_run;
}

static void set_retry(struct tg_exchange *x, uint64_t wait)
{
    x->request.retry_after = (unsigned)((wait + 999999) / 1000000);
}

static bool admit_conn(struct tg_exchange *x)
{
    const struct tg_limit_rule *rule = &x->conn->server->limit_conn;
    uint64_t wait = 0;

    if (tg_conn_acquire(x->conn, x->started, &wait))
        return true;
    set_retry(x, wait);
    if (!rule->dry_run)
        x->keep_alive = false;
    return refused(x, rule, x->request.client_address);
}

/* What a rate charged goes into *charged, -1: nothing. */
static bool admit_rule(struct tg_exchange *x, const struct tg_limit_rule *rule, int *charged)
{
    const struct tg_shared *s = x->all->shared;
    char text[TG_LIMIT_ADDRESS];
    struct tg_str key = key_of(&x->request, rule->key, text);
    uint64_t wait = 0;
    int entry;

    *charged = -1;

    if (key.n == 0)
        return true; /* a path without project, a request without credentials */
    if (!tg_limit_take(s->limits, tg_shared_number(s), rule, key, x->started, &entry, &wait)) {
        set_retry(x, wait);
        return refused(x, rule, key);
    }
    if (rule->kind == TG_LIMIT_REQ) {
        *charged = entry;
    } else {
        CHECK(x->nheld < TG_MAX_LIMITS);
        x->held[x->nheld++] = entry;
    }
    return true;
}

/* All rules or none: what one refuses is not charged by the others. What is held is given back when
 * the exchange ends. */
static void give_back(const struct tg_exchange *x, const int *charged, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (charged[i] >= 0)
            tg_limit_return(x->all->shared->limits, &x->location->limits[i], charged[i]);
}

bool tg_exchange_acquire(struct tg_exchange *x)
{
    const struct tg_location *l = x->location;
    int charged[TG_MAX_LIMITS];

    if (x->all->shared->limits == NULL)
        return true;
    if (!admit_conn(x))
        return false;
    for (unsigned i = 0; i < l->nlimits; i++)
        if (!admit_rule(x, &l->limits[i], &charged[i])) {
            give_back(x, charged, i);
            return false;
        }
    return true;
}
