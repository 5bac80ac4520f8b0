#include "chain/chain.h"

#include "base/check.h"

void tg_chain_begin(struct tg_chain *c, const struct tg_location *location,
                    struct tg_request *request)
{
    CHECK(location->nfilters <= TG_MAX_FILTERS);
    *c = (struct tg_chain){.location = location, .request = request};
    for (unsigned i = 0; i < location->nfilters; i++) {
        size_t size = location->filters[i]->state_size;

        c->state[i] = size > 0 ? tg_arena_zalloc(request->arena, 1, size) : NULL;
    }
}

/* What a hook must leave behind for each verdict; a forgotten one is a bug of that filter. */
static void check_verdict(const struct tg_request *r, enum tg_verdict verdict)
{
    CHECK(verdict >= TG_NEXT && verdict <= TG_FAIL);
    CHECK(verdict != TG_WAIT || (r->waiting != NULL && r->wait_ms > 0));
    CHECK(verdict != TG_REPLY || r->error != TG_E_DONE);
}

enum tg_verdict tg_chain_run(struct tg_chain *c)
{
    CHECK(c->location != NULL && c->entered <= c->location->nfilters);
    while (c->at < c->location->nfilters) {
        const struct tg_filter *f = c->location->filters[c->at];
        enum tg_verdict verdict;

        if (c->entered == c->at)
            c->entered++;
        if (++c->turns > TG_CHAIN_MAX_TURNS)
            return tg_fail(c->request, "the chain did not settle");
        c->request->waiting = NULL;
        verdict = f->on_request(c->request, c->location->conf[c->at], c->state[c->at]);
        check_verdict(c->request, verdict);
        if (verdict != TG_NEXT)
            return verdict;
        c->at++;
        c->turns = 0;
    }
    /* a filter may leave the refusal to those behind it, so that all is told in one answer */
    return c->request->report.violations > 0 ? tg_refuse(c->request) : TG_NEXT;
}

void tg_chain_done(struct tg_chain *c)
{
    if (c->location == NULL)
        return;
    while (c->entered > 0) {
        const struct tg_filter *f = c->location->filters[--c->entered];

        if (f->on_done != NULL)
            f->on_done(c->request, c->location->conf[c->entered], c->state[c->entered]);
    }
    c->location = NULL;
}
