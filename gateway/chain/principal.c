/* Who calls, for filters: the same words as in the audit log, so that a line of it can be copied
 * into a policy. */
#include "audit/audit.h"
#include "base/check.h"
#include "exchange/exchange.h"
#include "process/worker.h"

struct tg_str tg_request_principal(struct tg_request *r)
{
    const struct tg_exchange *x = r->exchange;
    struct tg_buf text = {0};

    if (r->principal.n > 0 || x == NULL)
        return r->principal;
    CHECK(x->worker != NULL && x->worker->audit != NULL);
    tg_audit_principal(x->worker->audit, r, &text);
    r->principal = tg_arena_dup(r->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return r->principal;
}
