/* The walker: which filter is called next, and what is left of it. */
#include "chain/chain.h"

#include "base/check.h"
#include "base/clock.h"

#include <inttypes.h>

void tg_chain_begin(struct tg_chain *c, const struct tg_filter_list *filters,
                    struct tg_request *request)
{
    CHECK(filters->n <= TG_MAX_FILTERS);
    *c = (struct tg_chain){.filters = filters, .request = request};
    for (unsigned i = 0; i < filters->n; i++) {
        size_t size = filters->at[i]->state_size;

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

/* A filter of documents has nothing to look at in a request without a body. */
static bool passes_by(const struct tg_request *r, unsigned traits)
{
    return r->bodyless && (traits & TG_OF_DOCUMENT) != 0 && (traits & TG_JUDGES_REQUEST) == 0;
}

/* Tells which filter's hook runs from now on, until leave(). */
static void enter(const struct tg_chain *c, unsigned i)
{
    if (c->running != NULL)
        *c->running = c->filters->number[i] + UINT32_C(1);
}

static void leave(const struct tg_chain *c)
{
    if (c->running != NULL)
        *c->running = 0;
}

static enum tg_verdict chain_run(const struct tg_chain *c, const struct tg_filter *f)
{
    enum tg_verdict verdict;

    enter(c, c->at);
    verdict = f->on_request(c->request, c->filters->conf[c->at], c->state[c->at]);
    leave(c);
    check_verdict(c->request, verdict);
    return verdict;
}

/* --- tracing --- */

static const char *verdict_word(enum tg_verdict verdict)
{
    static const char *const words[] = {
        [TG_NEXT] = "next", [TG_WAIT] = "wait", [TG_REPLY] = "reply", [TG_FAIL] = "fail"};

    return words[verdict];
}

/* What the contract's rules found; a policy's rules tell of themselves. */
static void trace_findings(const struct tg_request *r, const char *filter,
                           const struct tg_finding *from)
{
    for (const struct tg_finding *f = from; f != NULL; f = f->next)
        if (f->policy.n == 0)
            TG_TRACE(r, "filter %s: %s %s at \"%.*s\"", filter,
                     f->severity == TG_VIOLATION ? "violation" : "warning", f->rule,
                     TG_STR_ARG(f->pointer));
}

/* Why a request does not go on; of a refusal by findings they tell. */
static struct tg_str reason(const struct tg_request *r, enum tg_verdict verdict)
{
    if (verdict == TG_WAIT)
        return tg_str_of(r->waiting);
    if (verdict == TG_NEXT || r->report.violations > 0)
        return TG_STR("");
    return r->error_detail.n > 0 ? r->error_detail : tg_str_of(tg_error_info(r->error)->message);
}

static unsigned count_changes(const struct tg_request *r)
{
    return r->doc != NULL ? r->doc->nchanges : 0;
}

static enum tg_verdict call_traced(struct tg_chain *c, const struct tg_filter *f)
{
    struct tg_request *r = c->request;
    const struct tg_finding *last = r->report.last;
    unsigned changes = count_changes(r);
    uint64_t started = tg_clock_mono_now();
    enum tg_verdict verdict = chain_run(c, f);
    uint64_t took = tg_clock_mono_now() - started;
    struct tg_str why;

    trace_findings(r, f->name, last != NULL ? last->next : r->report.first);
    why = reason(r, verdict);
    TG_TRACE(r, "filter %s: %s%s%.*s, %u changes, %" PRIu64 " us", f->name, verdict_word(verdict),
             why.n > 0 ? ", " : "", TG_STR_ARG(why), count_changes(r) - changes, took);
    return verdict;
}

/* --- walking --- */

/* on_head of the next filter, once. */
static enum tg_verdict chain_look(struct tg_chain *c, const struct tg_filter *f)
{
    uint32_t bit = UINT32_C(1) << c->at;
    enum tg_verdict verdict;

    if (f->on_head == NULL || (c->looked & bit) != 0)
        return TG_NEXT;
    c->looked |= bit;
    enter(c, c->at);
    verdict = f->on_head(c->request, c->filters->conf[c->at]);
    leave(c);
    check_verdict(c->request, verdict);
    CHECK(verdict != TG_WAIT);
    if (verdict != TG_NEXT)
        TG_TRACE(c->request, "filter %s: %s, %.*s, on the head", f->name, verdict_word(verdict),
                 TG_STR_ARG(reason(c->request, verdict)));
    return verdict;
}

enum tg_verdict tg_chain_look(struct tg_chain *c)
{
    CHECK(c->at < c->filters->n);
    if (passes_by(c->request, c->filters->traits[c->at]))
        return TG_NEXT;
    return chain_look(c, c->filters->at[c->at]);
}

static enum tg_verdict call(struct tg_chain *c)
{
    const struct tg_filter *f = c->filters->at[c->at];
    enum tg_verdict verdict;

    if (passes_by(c->request, c->filters->traits[c->at])) {
        TG_TRACE(c->request, "filter %s: passed by, no body", f->name);
        return TG_NEXT;
    }
    verdict = chain_look(c, f);
    if (verdict != TG_NEXT)
        return verdict;
    c->entered |= UINT32_C(1) << c->at;
    if (++c->turns > TG_CHAIN_MAX_TURNS)
        return tg_fail(c->request, "the chain did not settle");
    c->request->waiting = NULL;
    return c->request->trace != NULL ? call_traced(c, f) : chain_run(c, f);
}

enum tg_verdict tg_chain_run_to(struct tg_chain *c, unsigned end)
{
    CHECK(c->filters != NULL && end <= c->filters->n);
    while (c->at < end) {
        enum tg_verdict verdict = call(c);

        if (verdict != TG_NEXT)
            return verdict;
        c->at++;
        c->turns = 0;
    }
    /* a filter may leave the refusal to those behind it, so that all is told in one answer */
    return c->request->report.violations > 0 ? tg_refuse(c->request) : TG_NEXT;
}

enum tg_verdict tg_chain_run(struct tg_chain *c)
{
    return tg_chain_run_to(c, c->filters->n);
}

static bool has_entered(const struct tg_chain *c, unsigned i)
{
    return (c->entered & UINT32_C(1) << i) != 0;
}

bool tg_chain_wants_forward(const struct tg_chain *c)
{
    for (unsigned i = 0; c->filters != NULL && i < c->filters->n; i++)
        if (has_entered(c, i) && c->filters->at[i]->on_forward != NULL)
            return true;
    return false;
}

bool tg_chain_forward(struct tg_chain *c, struct tg_str host, struct tg_buf *out)
{
    for (unsigned i = 0; c->filters != NULL && i < c->filters->n; i++) {
        const struct tg_filter *f = c->filters->at[i];
        bool good;

        if (!has_entered(c, i) || f->on_forward == NULL)
            continue;
        enter(c, i);
        good = f->on_forward(c->request, host, out, c->filters->conf[i], c->state[i]);
        leave(c);
        if (!good)
            return false;
    }
    return true;
}

bool tg_chain_wants_unauthorized(const struct tg_chain *c)
{
    for (unsigned i = 0; c->filters != NULL && i < c->filters->n; i++)
        if (has_entered(c, i) && c->filters->at[i]->on_unauthorized != NULL)
            return true;
    return false;
}

enum tg_refusal tg_chain_unauthorized(struct tg_chain *c, const struct tg_response *response)
{
    enum tg_refusal refusal = TG_REFUSAL_PASS;

    CHECK(c->filters != NULL);
    for (unsigned i = c->filters->n; i-- > 0 && refusal == TG_REFUSAL_PASS;) {
        const struct tg_filter *f = c->filters->at[i];

        if (has_entered(c, i) && f->on_unauthorized != NULL)
            refusal = f->on_unauthorized(c->request, response, c->filters->conf[i], c->state[i]);
    }
    CHECK(refusal >= TG_REFUSAL_PASS && refusal <= TG_REFUSAL_RETRY);
    CHECK(refusal == TG_REFUSAL_PASS || c->request->error != TG_E_DONE);
    return refusal;
}

bool tg_chain_wants_response(const struct tg_chain *c)
{
    for (unsigned i = 0; c->filters != NULL && i < c->filters->n; i++)
        if (has_entered(c, i) && c->filters->at[i]->on_response != NULL)
            return true;
    return false;
}

void tg_chain_response(struct tg_chain *c, const struct tg_response *response)
{
    CHECK(c->filters != NULL);
    for (unsigned i = c->filters->n; i-- > 0;) {
        const struct tg_filter *f = c->filters->at[i];

        if (!has_entered(c, i) || f->on_response == NULL)
            continue;
        enter(c, i);
        f->on_response(c->request, response, c->filters->conf[i], c->state[i]);
        leave(c);
    }
}

void tg_chain_done(struct tg_chain *c)
{
    if (c->filters == NULL)
        return;
    for (unsigned i = c->filters->n; i-- > 0;) {
        const struct tg_filter *f = c->filters->at[i];

        if (!has_entered(c, i) || f->on_done == NULL)
            continue;
        enter(c, i);
        f->on_done(c->request, c->filters->conf[i], c->state[i]);
        leave(c);
    }
    c->filters = NULL;
}
