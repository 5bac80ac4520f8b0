#include "exchange/exchange.h"

#include "base/check.h"
#include "base/clock.h"
#include "client/evhtp.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EXCHANGE_MAGIC = 0x65786368,
    MAX_SPARE = 64, /* ended exchanges kept for reuse */
};

/* --- phases --- */

#define NEXT(phase) (1U << (phase))

/* One row per phase: its text for logs, and where it may go. */
static const struct {
    const char *text;
    unsigned next;
} phases[] = {
    [TG_PHASE_HEAD] = {"taking a request in", NEXT(TG_PHASE_ROUTE) | NEXT(TG_PHASE_END)},
    [TG_PHASE_ROUTE] = {"routing",
                        NEXT(TG_PHASE_BODY) | NEXT(TG_PHASE_DEPART) | NEXT(TG_PHASE_END)},
    [TG_PHASE_BODY] = {"reading the request body", NEXT(TG_PHASE_FILTER) | NEXT(TG_PHASE_END)},
    [TG_PHASE_FILTER] = {"running the filters", NEXT(TG_PHASE_DEPART) | NEXT(TG_PHASE_END)},
    [TG_PHASE_DEPART] = {"about to go upstream", NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_END)},
    [TG_PHASE_CONNECT] = {"connecting to the upstream", NEXT(TG_PHASE_SEND) | NEXT(TG_PHASE_END)},
    [TG_PHASE_SEND] = {"sending the request to the upstream",
                       NEXT(TG_PHASE_AWAIT) | NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_RELAY) |
                           NEXT(TG_PHASE_END)},
    [TG_PHASE_AWAIT] = {"waiting for the upstream's answer",
                        NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_RELAY) | NEXT(TG_PHASE_END)},
    [TG_PHASE_RELAY] = {"relaying the upstream's answer", NEXT(TG_PHASE_END)},
    [TG_PHASE_END] = {"ending", 0},
};

const char *tg_phase_text(enum tg_phase phase)
{
    CHECK(phase >= TG_PHASE_HEAD && phase <= TG_PHASE_END);
    return phases[phase].text;
}

void tg_exchange_to(struct tg_exchange *x, enum tg_phase phase)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK((phases[x->phase].next & NEXT(phase)) != 0);
    x->phase = phase;
}

void tg_exchange_deadline(struct tg_exchange *x, int64_t us)
{
    tg_timer_set(&x->timer, tg_worker_now(x->worker), us);
}

/* What a passed deadline means, by phase. */
static void on_deadline(void *owner)
{
    struct tg_exchange *x = owner;

    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    switch (x->phase) {
    case TG_PHASE_FILTER:
        tg_exchange_end(x, TG_E_FILTER_TIMEOUT, x->request.waiting);
        break;
    case TG_PHASE_CONNECT:
        tg_exchange_end(x, TG_E_CONNECT_TIMEOUT, "");
        break;
    case TG_PHASE_SEND:
        tg_exchange_end(x, TG_E_SEND_TIMEOUT, "");
        break;
    case TG_PHASE_AWAIT:
    case TG_PHASE_RELAY:
        tg_exchange_end(x, TG_E_READ_TIMEOUT, "");
        break;
    default:
        TG_UNREACHABLE(); /* the other phases have no deadline of their own */
    }
}

/* --- memory: exchanges are reused with their arena and their timer --- */

/* The timer stays armed: it finds no deadline, or a later one. To take it out of the loop and put
 * it in again for each request costs more. */

enum { KEPT = offsetof(struct tg_exchange, magic) };

static void take_slot(struct tg_worker *w, struct tg_exchange *x)
{
    if (w->nfree == 0) {
        uint32_t n = w->nslots == 0 ? 64 : w->nslots * 2;

        w->slots = realloc(w->slots, n * sizeof(*w->slots));
        w->free_slots = realloc(w->free_slots, n * sizeof(*w->free_slots));
        CHECK(w->slots != NULL && w->free_slots != NULL);
        for (uint32_t i = n; i > w->nslots; i--) {
            w->slots[i - 1] = (struct tg_slot){NULL, 1};
            w->free_slots[w->nfree++] = i - 1;
        }
        w->nslots = n;
    }
    x->slot = w->free_slots[--w->nfree];
    CHECK(w->slots[x->slot].exchange == NULL);
    w->slots[x->slot].exchange = x;
}

static void free_slot(struct tg_worker *w, struct tg_exchange *x)
{
    CHECK(w->slots[x->slot].exchange == x);
    w->slots[x->slot].exchange = NULL;
    w->slots[x->slot].generation++;
    w->free_slots[w->nfree++] = x->slot;
}

struct tg_exchange *tg_exchange_make(struct tg_worker *w)
{
    struct tg_exchange *x = w->spare;

    if (x != NULL) {
        w->spare = x->next;
        w->nspare--;
    } else {
        x = malloc(sizeof(*x));
        CHECK(x != NULL);
        tg_arena_init(&x->arena);
        tg_timer_init(&x->timer, w->base, on_deadline, x);
    }
    memset((char *)x + KEPT, 0, sizeof(*x) - KEPT);
    x->magic = EXCHANGE_MAGIC;
    x->worker = w;
    x->phase = TG_PHASE_HEAD;
    x->after = TG_AFTER_LINGER;
    take_slot(w, x);
    tg_request_init(&x->request, &x->arena);
    w->live.exchanges++;
    return x;
}

void tg_exchange_free_spare(struct tg_exchange *x)
{
    tg_timer_end(&x->timer);
    tg_arena_end(&x->arena);
    free(x);
}

static void free_exchange(struct tg_exchange *x)
{
    struct tg_worker *w = x->worker;

    CHECK(x->conn == NULL && x->peer == NULL && !x->parked);
    tg_timer_clear(&x->timer);
    tg_buf_end(&x->response_buffer);
    if (x->body != NULL)
        evbuffer_free(x->body);
    free_slot(w, x);
    tg_arena_reset(&x->arena);
    x->magic = 0;
    CHECK(w->live.exchanges > 0);
    w->live.exchanges--;
    if (w->nspare >= MAX_SPARE) {
        tg_exchange_free_spare(x);
        return;
    }
    x->next = w->spare;
    w->spare = x;
    w->nspare++;
}

/* --- routing and the body --- */

/* What a client is told whose path is a guarded one but for a detail. */
static const char *told_resemblance(struct tg_exchange *x, struct tg_str pattern)
{
    if (pattern.n == 0)
        return "";
    return tg_arena_printf(&x->arena,
                           "spell it as %.*s, each {name} 1 to 64 letters, digits, - and _",
                           TG_STR_ARG(pattern))
        .p;
}

static bool route(struct tg_exchange *x)
{
    struct tg_request *r = &x->request;
    struct tg_no_route why;

    x->location = tg_settings_route(x->conn->server, r, &why);
    if (x->location == NULL) {
        tg_exchange_end(x, why.wrong_method ? TG_E_METHOD : TG_E_NOT_FOUND,
                        told_resemblance(x, why.resembled));
        return false;
    }
    r->route = x->location->pattern;
    x->streamed = x->location->nfilters == 0;
    if (!x->streamed && r->target.n > r->path.n && r->target.p[r->path.n] == '/')
        r->target = tg_arena_printf(&x->arena, "%.*s%.*s", TG_STR_ARG(r->path),
                                    TG_STR_ARG(tg_str_skip(r->target, r->path.n + 1)));
    return true;
}

static bool body_allowed(struct tg_exchange *x)
{
    uint64_t most = (uint64_t)x->location->client_max_body_size;

    if (most == 0 && !x->streamed)
        most = TG_JUDGED_BODY_MAX;
    if (!x->streamed && x->framing == TG_FRAMING_NONE) {
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

static void go_upstream(struct tg_exchange *x);
static void run_chain(struct tg_exchange *x);

void tg_exchange_start(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_ROUTE && x->conn != NULL);
    if (!tg_audit_ready(x->worker->audit)) {
        tg_exchange_end(x, TG_E_AUDIT, "");
        return;
    }
    if (!route(x) || !tg_exchange_acquire(x) || !tg_exchange_max_forwards(x) || !body_allowed(x))
        return;
    send_continue(x);
    if (x->streamed) {
        go_upstream(x);
        return;
    }
    tg_exchange_to(x, TG_PHASE_BODY);
    tg_chain_begin(&x->chain, x->location, &x->request);
    if (x->body_complete)
        tg_exchange_body_end(x);
}

void tg_exchange_body(struct tg_exchange *x, struct tg_str data)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(x->phase != TG_PHASE_END && !x->body_complete);
    x->body_bytes += data.n;
    if (!body_allowed(x))
        return;
    if (!x->streamed && x->framing == TG_FRAMING_LENGTH && data.n == x->length) {
        x->request.body = tg_arena_dup(&x->arena, data); /* all of it: nothing to collect */
        return;
    }
    if (x->body == NULL) {
        x->body = evbuffer_new();
        CHECK(x->body != NULL);
    }
    CHECK(evbuffer_add(x->body, data.p, data.n) == 0);
}

/* The collected body in one piece, in the arena: retries and the audit use it until the end. */
static struct tg_str collected(struct tg_exchange *x)
{
    size_t n = x->body != NULL ? evbuffer_get_length(x->body) : 0;
    char *p = tg_arena_alloc(&x->arena, n);

    if (n > 0)
        CHECK(evbuffer_remove(x->body, p, n) == (int)n);
    return (struct tg_str){p, n};
}

void tg_exchange_body_end(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    if (x->phase == TG_PHASE_END)
        return;
    x->body_complete = true;
    if (x->streamed)
        return;
    CHECK(x->phase == TG_PHASE_BODY);
    if (x->request.body.p == NULL)
        x->request.body = collected(x);
    tg_exchange_to(x, TG_PHASE_FILTER);
    run_chain(x);
}

void tg_exchange_read_done(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_END && (x->streamed || x->peer != NULL))
        tg_forward_more(x);
}

void tg_exchange_bad_body(struct tg_exchange *x, const char *why)
{
    tg_exchange_end(x, TG_E_BAD_REQUEST, why);
}

void tg_exchange_body_timeout(struct tg_exchange *x, const char *why)
{
    tg_exchange_end(x, TG_E_BODY_TIMEOUT, why);
}

/* --- towards the upstream --- */

static struct tg_audit_record record_of(const struct tg_exchange *x)
{
    return (struct tg_audit_record){
        .time = x->wall,
        .request = &x->request,
        .trace_id = x->trace_id,
        .end = x->end,
        .end_detail = x->end_detail,
        .status = x->status,
        .upstream_status = x->upstream_status,
        .upstream_address = x->upstream_address,
        .upstream_error_code =
            x->outcome.failed ? tg_str_of(x->outcome.error_code) : (struct tg_str){NULL, 0},
        .upstream_failed = x->outcome.failed,
        .bytes_in = x->body_bytes,
        .bytes_out = x->bytes_out,
        .duration_us = tg_worker_now(x->worker) - x->started,
        .filter_us = x->filter_us,
        .connect_us = x->connect_us,
        .upstream_us = x->upstream_us,
    };
}

/* Waits for the end of the turn, when what was queued is on disk. */
static void park(struct tg_exchange *x)
{
    CHECK(!x->parked);
    x->parked = true;
    x->next_parked = NULL;
    *x->worker->last_parked = x;
    x->worker->last_parked = &x->next_parked;
}

/* With all others of this turn, at its end: a write to an upstream that waits costs its waking,
 * many behind each other cost one. */
static void go_upstream(struct tg_exchange *x)
{
    tg_exchange_to(x, TG_PHASE_DEPART);
    if (!tg_audit_ready(x->worker->audit)) { /* trouble since the request came */
        tg_exchange_end(x, TG_E_AUDIT, "");
        return;
    }
    if (tg_audit_wants_intent(x->worker->audit)) {
        struct tg_audit_record record = record_of(x);

        tg_audit_intent(x->worker->audit, &record);
    }
    park(x);
}

void tg_exchange_record_answer(struct tg_exchange *x)
{
    struct tg_audit_record record = record_of(x);

    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_RELAY && !x->response_started);
    tg_audit_answer(x->worker->audit, &record);
    park(x);
}

void tg_exchange_go_on(struct tg_exchange *x, bool written)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(x->parked);
    x->parked = false;
    if (x->phase == TG_PHASE_END)
        return; /* the client left in the meantime */
    if (!written)
        tg_exchange_end(x, TG_E_AUDIT, "");
    else if (x->phase == TG_PHASE_DEPART)
        tg_forward_begin(x, false);
    else
        tg_relay_open(x);
}

/* --- the chain --- */

static void run_chain(struct tg_exchange *x)
{
    uint64_t started = tg_clock_mono_now();
    enum tg_verdict verdict = tg_chain_run(&x->chain);

    x->filter_us += tg_clock_mono_now() - started;
    switch (verdict) {
    case TG_NEXT:
        tg_timer_clear(&x->timer);
        x->forwarded = tg_request_forwarded_body(&x->request);
        go_upstream(x);
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

struct tg_request_handle tg_request_handle(const struct tg_request *r)
{
    const struct tg_exchange *x = r->exchange;

    if (x == NULL)
        return (struct tg_request_handle){0};
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    return (struct tg_request_handle){x->worker, x->slot, x->worker->slots[x->slot].generation};
}

bool tg_resume(struct tg_request_handle ticket)
{
    struct tg_exchange *x;

    if (ticket.worker == NULL || ticket.slot >= ticket.worker->nslots ||
        ticket.worker->slots[ticket.slot].generation != ticket.generation)
        return false;
    x = ticket.worker->slots[ticket.slot].exchange;
    if (x == NULL || x->phase != TG_PHASE_FILTER || x->request.waiting == NULL)
        return false;
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    x->request.waiting = NULL;
    run_chain(x);
    return true;
}

struct event_base *tg_request_loop(const struct tg_request *r)
{
    const struct tg_exchange *x = r->exchange;

    return x != NULL ? x->worker->base : NULL;
}

/* --- the client --- */

void tg_exchange_client_gone(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    x->conn = NULL;
    if (x->phase != TG_PHASE_END)
        tg_exchange_end(x, TG_E_CLIENT_GONE, "");
}

void tg_exchange_client_stuck(struct tg_exchange *x)
{
    if (x->phase != TG_PHASE_END)
        tg_exchange_end(x, TG_E_CLIENT_TIMEOUT, "");
}

void tg_exchange_client_drained(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_RELAY || x->peer == NULL || x->parked)
        return;
    tg_exchange_deadline(x, x->location->upstream->read_timeout);
    tg_socket_read_on(&x->peer->wire);
}

bool tg_exchange_ended(const struct tg_exchange *x)
{
    return x->phase == TG_PHASE_END;
}

/* --- the end --- */

static void log_end(const struct tg_exchange *x, enum tg_phase phase)
{
    const struct tg_error_info *info = tg_error_info(x->end);
    const struct tg_request *r = &x->request;

    if (!tg_log_wants(info->level))
        return;
    tg_log(info->level, "exchange",
           "%s%s%.*s, while %s, client %.*s, request \"%.*s %.*s\"%s%.*s, id %.*s", info->message,
           x->end_detail.n > 0 ? ": " : "", TG_STR_ARG(x->end_detail), tg_phase_text(phase),
           TG_STR_ARG(r->client_address), TG_STR_ARG(r->method), TG_STR_ARG(r->path),
           x->upstream_address.n > 0 ? ", upstream " : "", TG_STR_ARG(x->upstream_address),
           TG_STR_ARG(r->request_id));
}

/* How the client's connection goes on. */
static enum tg_conn_after after(const struct tg_exchange *x)
{
    if (x->end != TG_E_DONE && x->response_started)
        return TG_AFTER_ABORT;
    if (x->keep_alive && x->body_complete)
        return TG_AFTER_KEEP;
    return TG_AFTER_LINGER;
}

void tg_exchange_end(struct tg_exchange *x, enum tg_error error, const char *detail)
{
    enum tg_phase phase = x->phase;

    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(phase != TG_PHASE_END);
    tg_exchange_to(x, TG_PHASE_END);
    tg_timer_clear(&x->timer);
    tg_upstream_conn_judge(x->peer, error);
    tg_upstream_conn_end(&x->peer);
    x->end = error;
    if (detail != NULL && detail[0] != '\0')
        x->end_detail = tg_arena_dup(&x->arena, tg_str_of(detail));
    /* before the head was judged there is no libevhtp request that could end and leave a connection
     */
    if (phase == TG_PHASE_HEAD)
        x->keep_alive = false;
    if (!x->response_started) {
        x->status = 0; /* what came of an answer stays here */
        x->bytes_out = 0;
    }
    if (x->conn != NULL)
        x->after = after(x);
    if (x->conn != NULL && error != TG_E_DONE && !x->response_started)
        tg_reply_build(x);
    log_end(x, phase);
    tg_chain_done(&x->chain);
    tg_exchange_release(x);
    x->next = NULL;
    *x->worker->ending.last = x;
    x->worker->ending.last = &x->next;
    {
        struct tg_audit_record record = record_of(x);

        tg_audit_outcome(x->worker->audit, &record);
        tg_stats_exchange(x->worker->slot, x->location != NULL ? x->location->stats_route : 0,
                          &record);
    }
}

void tg_exchange_complete(struct tg_exchange *x)
{
    struct tg_conn *c = x->conn;
    struct iovec iov = {(void *)(uintptr_t)x->last.p, x->last.n};
    bool sent = true;

    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_END);
    if (c != NULL) {
        x->conn = NULL;
        if (x->last.n > 0)
            sent = tg_conn_send(c, &iov, 1);
        tg_conn_finish(c, sent ? x->after : TG_AFTER_ABORT);
    }
    free_exchange(x);
}

void tg_exchange_abort(struct tg_exchange *x)
{
    CHECK_MAGIC(x, EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_END)
        tg_exchange_end(x, TG_E_DRAINING, "");
}
