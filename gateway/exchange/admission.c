/* Whether a request may come in now: the limits of its location and of its connection. */
#include "base/check.h"
#include "exchange/internal.h"

#include <stdio.h>

static struct tg_str key_of(const struct tg_request *r, int key)
{
    switch (key) {
    case TG_LIMIT_BY_PROJECT:
        return r->project_id;
    case TG_LIMIT_BY_PRINCIPAL:
        return r->principal;
    case TG_LIMIT_BY_ADDRESS:
        return r->client_address;
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

    x->all->shared->slot->counts.limited[rule->kind][rule->dry_run]++;
    if (rule->dry_run)
        tg_log(TG_LOG_NOTICE, "limit", "%s would refuse \"%.*s\", request %.*s", names[rule->kind],
               TG_STR_ARG(key), TG_STR_ARG(x->request.request_id));
    else
        tg_exchange_end(x, TG_E_LIMITED, names[rule->kind]);
    return rule->dry_run;
}

static void set_retry(struct tg_exchange *x, uint64_t wait)
{
    x->retry_after = (unsigned)((wait + 999999) / 1000000);
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

static bool admit_rule(struct tg_exchange *x, const struct tg_limit_rule *rule)
{
    const struct tg_shared *s = x->all->shared;
    struct tg_str key = key_of(&x->request, rule->key);
    uint64_t wait = 0;
    int entry = -1;

    if (key.n == 0)
        return true; /* a path without project, a request without credentials */
    if (!tg_limit_take(s->limits, tg_shared_number(s), rule, key, x->started, &entry, &wait)) {
        set_retry(x, wait);
        return refused(x, rule, key);
    }
    if (entry >= 0) {
        CHECK(x->nheld < TG_MAX_LIMITS);
        x->held[x->nheld++] = entry;
    }
    return true;
}

bool tg_exchange_acquire(struct tg_exchange *x)
{
    const struct tg_location *l = x->location;

    if (x->all->shared->limits == NULL)
        return true;
    if (!admit_conn(x))
        return false;
    for (unsigned i = 0; i < l->nlimits; i++)
        if (!admit_rule(x, &l->limits[i]))
            return false;
    return true;
}
