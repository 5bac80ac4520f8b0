/* One exchange: its phases, its memory, its records and its end. */
#include "exchange/internal.h"

#include "base/check.h"
#include "base/clock.h"
#include "http/target.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    MAX_KEPT = 64,             /* ended exchanges kept for reuse */
    MAX_KEPT_BODY = 16 * 1024, /* bytes of the buffer that each of them keeps */
};

/* --- phases --- */

#define NEXT(phase) (1U << (phase))

/* One row per phase: its text for logs, and where it may go. */
static const struct {
    const char *text;
    unsigned next;
} phases[] = {
    [TG_PHASE_HEAD] = {"taking a request in", NEXT(TG_PHASE_ROUTE) | NEXT(TG_PHASE_END)},
    [TG_PHASE_ROUTE] = {"routing", NEXT(TG_PHASE_LIMIT) | NEXT(TG_PHASE_FILTER) |
                                       NEXT(TG_PHASE_BODY) | NEXT(TG_PHASE_DEPART) |
                                       NEXT(TG_PHASE_END)},
    [TG_PHASE_LIMIT] = {"asking a store of limits", NEXT(TG_PHASE_FILTER) | NEXT(TG_PHASE_BODY) |
                                                        NEXT(TG_PHASE_DEPART) | NEXT(TG_PHASE_END)},
    [TG_PHASE_BODY] = {"reading the request body", NEXT(TG_PHASE_FILTER) | NEXT(TG_PHASE_END)},
    [TG_PHASE_FILTER] = {"running the filters",
                         NEXT(TG_PHASE_BODY) | NEXT(TG_PHASE_DEPART) | NEXT(TG_PHASE_END)},
    [TG_PHASE_DEPART] = {"about to go upstream", NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_END)},
    [TG_PHASE_CONNECT] = {"connecting to the upstream", NEXT(TG_PHASE_SEND) | NEXT(TG_PHASE_END)},
    [TG_PHASE_SEND] = {"sending the request to the upstream",
                       NEXT(TG_PHASE_AWAIT) | NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_RELAY) |
                           NEXT(TG_PHASE_END)},
    [TG_PHASE_AWAIT] = {"waiting for the upstream's answer",
                        NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_RELAY) | NEXT(TG_PHASE_END)},
    /* back to CONNECT: the answer was kept back, and the request is signed anew */
    [TG_PHASE_RELAY] = {"relaying the upstream's answer",
                        NEXT(TG_PHASE_CONNECT) | NEXT(TG_PHASE_END)},
    [TG_PHASE_END] = {"ending", 0},
};

const char *tg_phase_text(unsigned phase)
{
    return phase >= TG_PHASE_HEAD && phase <= TG_PHASE_END ? phases[phase].text
                                                           : "dealing with no request";
}

void tg_exchange_to(struct tg_exchange *x, enum tg_phase phase)
{
    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK((phases[x->phase].next & NEXT(phase)) != 0);
    x->phase = phase;
    if (x->all->shared->slot != NULL)
        x->all->shared->slot->phase = phase;
}

void tg_exchange_deadline(struct tg_exchange *x, int64_t us)
{
    CHECK(x->phase >= TG_PHASE_FILTER && x->phase < TG_PHASE_END && x->phase != TG_PHASE_DEPART);
    tg_timer_set(&x->timer, tg_loop_now(x->all->loop), us);
}

void tg_exchange_note_server(struct tg_exchange *x)
{
    const struct tg_upstream_conn *p = x->upstream_conn;
    struct tg_str before = x->upstream_tried;

    x->upstream_address = tg_arena_dup(&x->arena, tg_str_of(p->address));
    if (p->proxy[0] != '\0')
        x->upstream_proxy = tg_arena_dup(&x->arena, tg_str_of(p->proxy));
    if (p->failed.n > 0)
        x->upstream_tried = tg_arena_printf(&x->arena, "%.*s%.*s", TG_STR_ARG(before),
                                            TG_STR_ARG(tg_buf_str(&p->failed)));
}

/* Who waited for one of the connections that are open already is told so: no server was slow. */
static void pending_too_late(struct tg_exchange *x)
{
    const struct tg_upstream_conf *conf = x->location->upstream;
    struct tg_str why =
        tg_arena_printf(&x->arena, "waited %" PRId64 " ms for one of %" PRId64 " connections",
                        conf->connect_timeout / 1000, (int64_t)conf->max_connections);

    x->pool_us = tg_loop_now(x->all->loop) - x->connect_started;
    x->request.error = TG_E_CONNECT_TIMEOUT;
    x->request.error_detail = why;
    tg_exchange_end(x, TG_E_CONNECT_TIMEOUT, why.p);
}

static void connect_too_late(struct tg_exchange *x)
{
    char why[TG_UPSTREAM_WORDS];
    enum tg_error error;

    if (x->upstream_conn != NULL && x->upstream_conn->state == TG_UPSTREAM_CONN_PENDING) {
        pending_too_late(x);
        return;
    }
    tg_exchange_note_server(x);
    error = tg_upstream_conn_awaited(x->upstream_conn, why);
    tg_exchange_end(x, error, tg_arena_dup(&x->arena, tg_str_of(why)).p);
}

/* What a passed deadline means, by phase. */
static void on_deadline(void *owner)
{
    struct tg_exchange *x = owner;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    switch (x->phase) {
    case TG_PHASE_FILTER:
        tg_exchange_end(x, TG_E_FILTER_TIMEOUT, x->request.waiting);
        break;
    case TG_PHASE_CONNECT:
        connect_too_late(x);
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

enum {
    KEPT = offsetof(struct tg_exchange, magic),
    STARTED = offsetof(struct tg_exchange, request), /* by tg_request_init() */
};

static void take_slot(struct tg_exchanges *all, struct tg_exchange *x)
{
    if (all->nfree_slots == 0) {
        uint32_t n = all->nslots == 0 ? 64 : all->nslots * 2;

        all->slots = realloc(all->slots, n * sizeof(*all->slots));
        all->free_slots = realloc(all->free_slots, n * sizeof(*all->free_slots));
        CHECK(all->slots != NULL && all->free_slots != NULL);
        for (uint32_t i = n; i > all->nslots; i--) {
            all->slots[i - 1] = (struct tg_exchange_slot){NULL, 1};
            all->free_slots[all->nfree_slots++] = i - 1;
        }
        all->nslots = n;
    }
    x->slot = all->free_slots[--all->nfree_slots];
    CHECK(all->slots[x->slot].exchange == NULL);
    all->slots[x->slot].exchange = x;
}

static void free_slot(struct tg_exchanges *all, struct tg_exchange *x)
{
    CHECK(x->slot < all->nslots && all->nfree_slots < all->nslots);
    CHECK(all->slots[x->slot].exchange == x);
    all->slots[x->slot].exchange = NULL;
    all->slots[x->slot].generation++;
    all->free_slots[all->nfree_slots++] = x->slot;
}

struct tg_exchange *tg_exchange_make(struct tg_exchanges *all)
{
    struct tg_exchange *x = all->free_list;

    if (x != NULL) {
        CHECK(all->nfree_list > 0 && x->magic == 0);
        all->free_list = x->next;
        all->nfree_list--;
    } else {
        x = malloc(sizeof(*x));
        CHECK(x != NULL);
        tg_arena_init(&x->arena);
        tg_timer_init(&x->timer, all->loop->base, on_deadline, x);
        x->collected = (struct tg_buf){0};
    }
    memset((char *)x + KEPT, 0, STARTED - KEPT);
    x->magic = TG_EXCHANGE_MAGIC;
    x->all = all;
    x->phase = TG_PHASE_HEAD;
    x->after = TG_AFTER_LINGER;
    take_slot(all, x);
    tg_request_init(&x->request, &x->arena);
    all->live++;
    return x;
}

void tg_exchange_free(struct tg_exchange *x)
{
    tg_timer_end(&x->timer);
    tg_arena_end(&x->arena);
    tg_buf_end(&x->collected);
    free(x);
}

/* Bytes that a body takes; what went upstream and what it was parsed into are part of it. */
static size_t taken_by_body(const struct tg_exchange *x)
{
    size_t n;

    if (x->body_bytes == 0)
        return 0;
    CHECK(tg_arena_used(&x->arena) >= x->arena_before);
    n = tg_arena_used(&x->arena) - x->arena_before + x->collected.n;
    if (x->body != NULL)
        n += evbuffer_get_length(x->body);
    if (x->upstream_conn != NULL)
        n += tg_socket_queued(&x->upstream_conn->socket);
    return n;
}

static void set_body_memory(struct tg_exchange *x, uint64_t n)
{
    struct tg_exchanges *all = x->all;

    CHECK(all->body_memory >= x->body_memory);
    all->body_memory += n - x->body_memory;
    x->body_memory = n;
    if (all->body_memory > all->body_memory_peak)
        all->body_memory_peak = all->body_memory;
}

void tg_exchange_count_body(struct tg_exchange *x)
{
    set_body_memory(x, taken_by_body(x));
}

/* The record tells of a body that was collected to its end: that one stays. */
static void drop_body(struct tg_exchange *x)
{
    if (x->request.body.p == NULL)
        tg_buf_end(&x->collected);
    if (x->body == NULL)
        return;
    evbuffer_free(x->body);
    x->body = NULL;
}

static void give_back(struct tg_exchange *x)
{
    struct tg_exchanges *all = x->all;

    CHECK(x->conn == NULL && x->upstream_conn == NULL && !x->awaits_flush);
    tg_timer_clear(&x->timer);
    tg_buf_end(&x->response_buffer);
    drop_body(x);
    if (x->collected.cap > MAX_KEPT_BODY)
        tg_buf_end(&x->collected);
    x->collected.n = 0;
    set_body_memory(x, 0);
    free_slot(all, x);
    tg_arena_reset(&x->arena);
    x->magic = 0;
    CHECK(all->live > 0);
    all->live--;
    CHECK(all->live > 0 || all->body_memory == 0);
    if (all->nfree_list >= MAX_KEPT) {
        tg_exchange_free(x);
        return;
    }
    x->next = all->free_list;
    all->free_list = x;
    all->nfree_list++;
}

/* --- records --- */

static struct tg_audit_record record_of(const struct tg_exchange *x)
{
    return (struct tg_audit_record){
        .kept = x->kept,
        .time = x->wall,
        .request = &x->request,
        .host = x->request.credentials == TG_CRED_SIGNED ? x->host : (struct tg_str){NULL, 0},
        .trace_id = x->trace_id,
        .end = x->end,
        .end_detail = x->end_detail,
        .limits = x->limits,
        .status = x->status,
        .upstream_status = x->upstream_status,
        .upstream_address = x->upstream_address,
        .upstream_proxy = x->upstream_proxy,
        .upstream_tried = x->upstream_tried,
        .upstream_error_code = tg_str_of(x->outcome.error_code),
        .upstream_failed = x->outcome.failed,
        .outcome_unknown = x->outcome_unknown,
        .bytes_in = x->body_bytes,
        .bytes_out = x->bytes_out,
        .duration_us = tg_loop_now(x->all->loop) - x->started,
        .filter_us = x->filter_us,
        .pool_us = x->pool_us,
        .connect_us = x->connect_us,
        .upstream_us = x->upstream_us,
    };
}

void tg_exchange_await_flush(struct tg_exchange *x)
{
    CHECK(x->phase == TG_PHASE_DEPART || x->phase == TG_PHASE_RELAY);
    CHECK(!x->awaits_flush);
    x->awaits_flush = true;
    x->next_awaiting = NULL;
    *x->all->last_awaiting_flush = x;
    x->all->last_awaiting_flush = &x->next_awaiting;
}

void tg_exchange_record_intent(struct tg_exchange *x)
{
    struct tg_audit_record record;

    CHECK(x->phase == TG_PHASE_DEPART && !x->head_sent);
    if (!tg_audit_wants_intent(x->all->audit))
        return;
    record = record_of(x);
    tg_audit_intent(x->all->audit, &record);
}

void tg_exchange_record_answer(struct tg_exchange *x)
{
    struct tg_audit_record record = record_of(x);

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_RELAY && !x->response_started);
    tg_audit_answer(x->all->audit, &record);
    tg_exchange_await_flush(x);
}

/* --- the end --- */

static void log_end(const struct tg_exchange *x, enum tg_phase phase)
{
    const struct tg_error_info *info = tg_error_info(x->end);
    const struct tg_request *r = &x->request;

    TG_TRACE(r, "ended while %s: %s%s%.*s, %d, upstream %d, %" PRIu64 " us", tg_phase_text(phase),
             info->message, x->end_detail.n > 0 ? ": " : "", TG_STR_ARG(x->end_detail), x->status,
             x->upstream_status, tg_loop_now(x->all->loop) - x->started);
    if (!tg_log_wants(info->level))
        return;
    tg_log(info->level, "exchange",
           "%s%s%.*s, while %s, client %.*s, request \"%.*s %.*s\"%s%.*s, id %.*s", info->message,
           x->end_detail.n > 0 ? ": " : "", TG_STR_ARG(x->end_detail), tg_phase_text(phase),
           TG_STR_ARG(r->client_address), TG_STR_ARG(r->method),
           TG_STR_ARG(tg_target_shown(r->path)), x->upstream_address.n > 0 ? ", upstream " : "",
           TG_STR_ARG(x->upstream_address), TG_STR_ARG(r->request_id));
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

/* What its limits granted; once. */
static void release_limits(struct tg_exchange *x)
{
    while (x->ngranted > 0)
        tg_limit_asks_release(&x->all->asks, x->granted[--x->ngranted]);
}

void tg_exchange_end(struct tg_exchange *x, enum tg_error error, const char *detail)
{
    enum tg_phase phase = x->phase;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(phase != TG_PHASE_END && error < TG_E_COUNT);
    tg_exchange_to(x, TG_PHASE_END);
    tg_timer_clear(&x->timer);
    tg_upstream_conn_judge(x->upstream_conn, error);
    tg_upstream_conn_end(&x->upstream_conn);
    drop_body(x);
    tg_exchange_count_body(x);
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
    if (x->conn != NULL) {
        x->after = after(x);
        tg_conn_drop_body(x->conn);
    }
    if (x->conn != NULL && error != TG_E_DONE && !x->response_started)
        tg_reply_build(x);
    log_end(x, phase);
    tg_chain_done(&x->chain);
    release_limits(x);
    x->next = NULL;
    *x->all->ending.last = x;
    x->all->ending.last = &x->next;
    {
        struct tg_audit_record record = record_of(x);

        tg_audit_outcome(x->all->audit, &record);
        tg_stats_exchange(x->all->shared->slot, x->location != NULL ? x->location->stats_route : 0,
                          &record);
        tg_teller_tell(x->all->shared->teller, &record, tg_loop_now(x->all->loop));
    }
}

void tg_exchange_complete(struct tg_exchange *x)
{
    struct tg_conn *c = x->conn;
    struct iovec iov = {(void *)(uintptr_t)x->last.p, x->last.n};
    bool sent = true;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->phase == TG_PHASE_END && x->upstream_conn == NULL && x->ngranted == 0);
    if (c != NULL) {
        x->conn = NULL;
        if (x->last.n > 0)
            sent = tg_conn_send(c, &iov, 1);
        tg_conn_finish(c, sent ? x->after : TG_AFTER_ABORT);
    }
    give_back(x);
}

void tg_exchange_on_gone(void *exchange)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    x->conn = NULL;
    if (x->phase != TG_PHASE_END)
        tg_exchange_end(x, TG_E_CLIENT_GONE, "");
}

void tg_exchange_on_stuck(void *exchange)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_END)
        tg_exchange_end(x, TG_E_CLIENT_TIMEOUT, "");
}
