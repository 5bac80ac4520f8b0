/* Requests that may go so far and no further: Max-Forwards (RFC 9110 section 7.6.2). */
#include "base/check.h"
#include "exchange/internal.h"

/* How often there is such a field; its value, when there is one. */
static unsigned find(const struct tg_request *r, struct tg_str name, struct tg_str *value)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->nfields; i++)
        if (tg_str_ieq(r->fields[i].name, name)) {
            *value = r->fields[i].value;
            n++;
        }
    return n;
}

static void send_on(struct tg_exchange *x, struct tg_str name, uint64_t left)
{
    struct tg_set_field *set = tg_arena_zalloc(&x->arena, 1, sizeof(*set));

    set->field.name = name;
    set->field.value = tg_arena_printf(&x->arena, "%lu", left);
    set->next = x->request.set_fields;
    x->request.set_fields = set;
}

bool tg_exchange_max_forwards(struct tg_exchange *x)
{
    const struct tg_str name = TG_STR("Max-Forwards");
    bool trace = tg_str_eq(x->request.method, TG_STR("TRACE"));
    struct tg_str value;
    uint64_t left;
    unsigned n;

    CHECK(x->phase == TG_PHASE_ROUTE || x->phase == TG_PHASE_LIMIT);
    if (!trace && !tg_str_eq(x->request.method, TG_STR("OPTIONS")))
        return true; /* others may carry one, and it means nothing */
    n = find(&x->request, name, &value);
    if (n == 0)
        return true;
    if (n > 1 || !tg_str_u64(value, &left)) {
        tg_exchange_end(x, TG_E_BAD_REQUEST, "malformed Max-Forwards");
    } else if (left > 0) {
        send_on(x, name, left - 1);
        return true;
    } else if (trace) { /* what would be echoed is what clients send in confidence */
        tg_exchange_end(x, TG_E_METHOD, "TRACE with Max-Forwards: 0");
    } else {
        tg_reply_options(x);
        tg_exchange_end(x, TG_E_DONE, "");
    }
    return false;
}
