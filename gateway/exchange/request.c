/* A request from its routing to its departure: its body, and the filters of its location. */
#include "exchange/internal.h"

#include "base/check.h"
#include "base/clock.h"
#include "http/methods.h"

#include <event2/buffer.h>
#include <inttypes.h>

/* --- tracing --- */

static void trace_to_log(void *owner, const struct tg_request *r, struct tg_str text)
{
    (void)owner;
    tg_log_debug("trace", "%.*s, client %.*s, id %.*s", TG_STR_ARG(text),
                 TG_STR_ARG(r->client_address), TG_STR_ARG(r->request_id));
}

/* Decides whether the log tells how the request, which was routed, is judged. */
static void choose_trace(struct tg_exchange *x)
{
    static const struct tg_trace to_log = {.line = trace_to_log};
    const struct tg_debug_request *asked = x->all->debug_requests;

    if (tg_log_wants(TG_LOG_DEBUG) || (asked != NULL && tg_debug_request_wants(asked, &x->request)))
        x->request.trace = &to_log;
}

/* --- routing --- */

/* What a client is told whose path is a guarded one but for a detail. */
static const char *name_resemblance(struct tg_exchange *x, struct tg_str pattern)
{
    if (pattern.n == 0)
        return "";
    return tg_arena_printf(&x->arena,
                           "spell it as %.*s, each {name} 1 to 64 letters, digits, - and _",
                           TG_STR_ARG(pattern))
        .p;
}

static bool refuse_route(struct tg_exchange *x, const struct tg_no_route *why)
{
    if (why->ambiguous != NULL)
        tg_exchange_end(x, TG_E_BAD_REQUEST, why->ambiguous);
    else
        tg_exchange_end(x, why->wrong_method ? TG_E_METHOD : TG_E_NOT_FOUND,
                        name_resemblance(x, why->resembled));
    return false;
}

/* Where filters judge the request, what they judged goes upstream: the normalised path. Elsewhere
 * the target's bytes go as they came. */
static struct tg_str judged_target(struct tg_exchange *x)
{
    const struct tg_request *r = &x->request;
    const char *mark = memchr(r->target.p, '?', r->target.n);
    struct tg_str query =
        tg_str_skip(r->target, mark != NULL ? (size_t)(mark - r->target.p) : r->target.n);

    if (tg_str_eq((struct tg_str){r->target.p, r->target.n - query.n}, r->path))
        return r->target;
    return query.n > 1
               ? tg_arena_printf(&x->arena, "%.*s%.*s", TG_STR_ARG(r->path), TG_STR_ARG(query))
               : r->path;
}

static bool route(struct tg_exchange *x)
{
    struct tg_request *r = &x->request;
    struct tg_no_route why;

    x->location = tg_settings_route(x->conn->server, r, &why);
    choose_trace(x);
    tg_location_trace(x->location, r, &why);
    if (x->location == NULL)
        return refuse_route(x, &why);
    r->route = x->location->pattern;
    r->upstream = x->location->upstream->name;
    r->aksk = (enum tg_aksk)x->location->aksk;
    r->signing = &x->location->signing;
    if (r->credentials == TG_CRED_SIGNED && r->aksk == TG_AKSK_REFUSE) {
        tg_exchange_end(x, TG_E_SIGNED_REFUSED, "");
        return false;
    }
    if (r->credentials == TG_CRED_SIGNED && r->aksk != TG_AKSK_RESIGN && x->host.n > 0 &&
        !tg_upstream_conf_accepts_host(x->location->upstream, x->host)) {
        tg_exchange_end(x, TG_E_BAD_REQUEST, "a signed request's Host is none of the upstream's");
        return false;
    }
    x->streamed = x->location->filters.nhead == x->location->filters.n;
    if (x->location->filters.n > 0)
        r->target = judged_target(x);
    return true;
}

static bool is_bodyless(const struct tg_exchange *x)
{
    return tg_method_needs_no_body(x->request.method) &&
           (x->framing == TG_FRAMING_NONE || (x->framing == TG_FRAMING_LENGTH && x->length == 0));
}

static bool body_allowed(struct tg_exchange *x)
{
    uint64_t most = tg_location_body_most(x->location);

    if (!x->streamed && x->framing == TG_FRAMING_NONE && !x->request.bodyless) {
        tg_exchange_end(x, TG_E_LENGTH_REQUIRED, "");
        return false;
    }
    if (most > 0 && (x->length > most || x->body_bytes > most)) {
        tg_exchange_end(x, TG_E_BODY_TOO_LARGE,
                        tg_arena_printf(&x->arena, "client_max_body_size is %" PRIu64, most).p);
        return false;
    }
    return true;
}

static void send_continue(struct tg_exchange *x)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = {(void *)(uintptr_t)line, sizeof(line) - 1};

    if (x->expect_continue && !x->body_complete && x->body_bytes == 0)
        (void)tg_conn_send(x->conn, &iov, 1); /* a broken connection reports itself */
    x->expect_continue = false;
}

/* With all others of this turn, at its end: a write to an upstream that waits costs its waking,
 * many behind each other cost one. */
static void go_upstream(struct tg_exchange *x)
{
    tg_exchange_to(x, TG_PHASE_DEPART);
    if (!tg_audit_ready(x->all->audit)) { /* trouble since the request came */
        tg_exchange_end(x, TG_E_AUDIT, "");
        return;
    }
    tg_exchange_record_intent(x);
    tg_exchange_await_flush(x);
}

/* --- the filters --- */

static void collect(struct tg_exchange *x);

/* While the upstream is asked a large document takes no more than its text. */
static void settle_document(struct tg_exchange *x)
{
    struct tg_doc *doc = x->request.doc;

    if (doc == NULL || doc->cap <= TG_DOC_LARGE)
        return;
    x->kept = tg_audit_keep(x->all->audit, &x->request);
    tg_doc_settle(doc);
    tg_exchange_count_body(x);
}

/* All filters that could run have let the request pass: what follows is the body for the others, or
 * the upstream. */
static void pass(struct tg_exchange *x)
{
    bool needs_body = x->chain.at < x->location->filters.n;

    CHECK(x->chain.at <= x->location->filters.n);
    if (needs_body && tg_chain_look(&x->chain) != TG_NEXT) {
        tg_exchange_end(x, x->request.error, "");
        return;
    }
    send_continue(x);
    if (needs_body) {
        collect(x);
        return;
    }
    if (!x->streamed)
        x->forwarded = tg_request_forwarded_body(&x->request);
    settle_document(x);
    go_upstream(x);
}

/* The filters that can run now; who calls is settled among them or not. */
static unsigned runnable(const struct tg_exchange *x)
{
    const struct tg_filter_list *f = &x->location->filters;

    return x->chain.at < f->nhead ? f->nhead : f->n;
}

/* Runs those, but for limits between them that refuse, so that the exchange has ended, or wait for
 * a store: then it is false. */
static bool run_filters(struct tg_exchange *x, enum tg_verdict *verdict)
{
    unsigned end = runnable(x), caller = x->location->filters.nidentify;

    CHECK(x->phase == TG_PHASE_FILTER && x->chain.at <= end);
    if (x->chain.at < caller && caller <= end) {
        *verdict = tg_chain_run_to(&x->chain, caller);
        if (*verdict != TG_NEXT)
            return true;
        if (tg_exchange_acquire_caller(x) != TG_ADMITTED)
            return false;
    }
    *verdict = tg_chain_run_to(&x->chain, end);
    return true;
}

void tg_exchange_run_chain(struct tg_exchange *x)
{
    uint64_t started = tg_clock_mono_now();
    enum tg_verdict verdict;
    bool acquired = run_filters(x, &verdict);

    tg_loop_later(x->all->loop, tg_clock_mono_now());
    x->filter_us += tg_loop_now(x->all->loop) - started;
    if (!acquired) {
        tg_timer_clear(&x->timer); /* that of a filter that waited before */
        return;
    }
    tg_exchange_count_body(x);
    if ((verdict == TG_NEXT || verdict == TG_WAIT) && !tg_exchange_body_fits(x, 0))
        return;
    switch (verdict) {
    case TG_NEXT:
        tg_timer_clear(&x->timer);
        pass(x);
        return;
    case TG_WAIT:
        tg_exchange_deadline(x, (int64_t)x->request.wait_ms * 1000);
        return;
    case TG_REPLY:
        tg_exchange_end(x, x->request.error, "");
        return;
    case TG_FAIL:
        tg_exchange_end(x, TG_E_INTERNAL, x->request.error_detail.p);
        return;
    }
    TG_UNREACHABLE();
}

static void filter(struct tg_exchange *x)
{
    tg_exchange_to(x, TG_PHASE_FILTER);
    tg_exchange_run_chain(x);
}

static void begin_chain(struct tg_exchange *x)
{
    struct tg_stats_slot *slot = x->all->shared->slot;

    tg_chain_begin(&x->chain, &x->location->filters, &x->request);
    x->chain.running = slot != NULL ? &slot->filter : NULL;
}

/* The limits let it pass. */
static void admitted(struct tg_exchange *x)
{
    if (!tg_exchange_max_forwards(x) || !body_allowed(x))
        return;
    if (x->location->filters.n > 0)
        begin_chain(x);
    if (x->location->filters.nhead > 0)
        filter(x);
    else
        pass(x);
}

void tg_exchange_limit_answered(struct tg_exchange *x, unsigned i,
                                const struct tg_limit_answer *answer)
{
    CHECK(x->phase == TG_PHASE_LIMIT || x->phase == TG_PHASE_FILTER);
    if (tg_exchange_acquired(x, i, answer) != TG_ADMITTED)
        return;
    if (x->phase == TG_PHASE_LIMIT)
        admitted(x);
    else
        tg_exchange_run_chain(x);
}

void tg_exchange_start(struct tg_exchange *x)
{
    enum tg_admitted how;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_ROUTE && x->conn != NULL);
    if (!tg_audit_ready(x->all->audit)) {
        tg_exchange_end(x, TG_E_AUDIT, "");
        return;
    }
    x->request.bodyless = is_bodyless(x);
    if (!route(x))
        return;
    how = tg_exchange_acquire(x);
    if (how == TG_ADMITTED)
        admitted(x);
    else if (how == TG_ADMISSION_WAITS)
        tg_exchange_to(x, TG_PHASE_LIMIT);
}

/* --- the body --- */

/* Once a quarter of a body is there, room is made for all of it: what did not come takes little. */
static void collect_more(struct tg_exchange *x, struct tg_str data)
{
    struct tg_buf *all = &x->collected;
    size_t room = data.n;

    if (x->framing == TG_FRAMING_LENGTH && x->body_bytes >= x->length / 4)
        room = (size_t)x->length - all->n;
    CHECK(room >= data.n);
    memcpy(tg_buf_room(all, room), data.p, data.n);
    all->n += data.n;
}

static void keep(struct tg_exchange *x, struct tg_str data)
{
    CHECK(x->request.body.p == NULL);
    if (x->streamed) {
        if (x->body == NULL)
            x->body = evbuffer_new();
        CHECK(x->body != NULL && evbuffer_add(x->body, data.p, data.n) == 0);
    } else if (x->framing == TG_FRAMING_LENGTH && data.n == x->length) {
        x->request.body = tg_arena_dup(&x->arena, data); /* all of it: nothing to collect */
    } else {
        collect_more(x, data);
    }
}

void tg_exchange_on_body(void *exchange, struct tg_str data)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->phase != TG_PHASE_END && !x->body_complete);
    if (x->body_bytes == 0)
        x->arena_before = tg_arena_used(&x->arena);
    x->body_bytes += data.n;
    if (!body_allowed(x) || !tg_exchange_body_fits(x, data.n))
        return;
    keep(x, data);
    tg_exchange_count_body(x);
}

/* Retries and the audit use the body until the end. */
static void finish_body(struct tg_exchange *x)
{
    if (x->request.body.p == NULL)
        x->request.body = x->collected.n > 0 ? tg_buf_str(&x->collected) : TG_STR("");
    CHECK(x->request.body.n == x->body_bytes);
    filter(x);
}

/* Of a body that came while filters of the head waited, some or all is there already. */
static void collect(struct tg_exchange *x)
{
    tg_exchange_to(x, TG_PHASE_BODY);
    if (x->body_complete)
        finish_body(x);
}

void tg_exchange_on_body_end(void *exchange)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(!x->body_complete);
    CHECK(x->framing != TG_FRAMING_LENGTH || x->body_bytes == x->length);
    x->body_complete = true;
    if (x->phase == TG_PHASE_BODY)
        finish_body(x);
}

void tg_exchange_on_read_done(void *exchange)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_END && (x->streamed || x->upstream_conn != NULL))
        tg_forward_more(x);
}

void tg_exchange_on_bad_body(void *exchange, const char *why)
{
    tg_exchange_end(exchange, TG_E_BAD_REQUEST, why);
}

void tg_exchange_on_timeout(void *exchange, const char *why)
{
    tg_exchange_end(exchange, TG_E_BODY_TIMEOUT, why);
}
