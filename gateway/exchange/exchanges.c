/* All exchanges of a worker: the end of a turn, handles, and what the clients' connections tell. */
#include "exchange/exchange.h"

#include "base/check.h"
#include "base/crypto.h"
#include "exchange/internal.h"
#include "live/lookup.h"

#include <stdlib.h>

const struct tg_client_events tg_exchange_client_events = {
    .on_request = tg_exchange_on_request,
    .on_unreadable = tg_exchange_on_unreadable,
    .on_body = tg_exchange_on_body,
    .on_body_end = tg_exchange_on_body_end,
    .on_read_done = tg_exchange_on_read_done,
    .on_bad_body = tg_exchange_on_bad_body,
    .on_timeout = tg_exchange_on_timeout,
    .on_stuck = tg_exchange_on_stuck,
    .on_drained = tg_relay_on_drained,
    .on_gone = tg_exchange_on_gone,
};

/* --- lists --- */

static void list_init(struct tg_exchange_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

/* Takes all of a list; what is added meanwhile comes in the next round. */
static struct tg_exchange *take_all(struct tg_exchange_list *list)
{
    struct tg_exchange *first = list->first;

    list_init(list);
    return first;
}

/* --- the end of a turn --- */

/* The turn ends that `x` waited for: what it queued, intent or answer, is on disk, or could not be
 * `written`. */
static void go_on(struct tg_exchange *x, bool written)
{
    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->awaits_flush);
    x->awaits_flush = false;
    if (x->phase == TG_PHASE_END)
        return; /* the client left in the meantime */
    if (!written)
        tg_exchange_end(x, TG_E_AUDIT, "");
    else if (x->phase == TG_PHASE_DEPART)
        tg_forward_begin(x, false);
    else
        tg_relay_open(x);
}

static void go_on_all(struct tg_exchanges *all, bool written)
{
    struct tg_exchange *x = all->awaiting_flush;

    all->awaiting_flush = NULL;
    all->last_awaiting_flush = &all->awaiting_flush;
    for (struct tg_exchange *next; x != NULL; x = next) {
        next = x->next_awaiting;
        go_on(x, written);
    }
}

/* What the log's trouble refused is told so; any other answer waits for its record. */
static void complete_all(struct tg_exchanges *all, struct tg_exchange *x, bool written)
{
    for (struct tg_exchange *next; x != NULL; x = next) {
        CHECK(x->phase == TG_PHASE_END);
        next = x->next;
        if (written || x->end == TG_E_AUDIT) {
            tg_exchange_complete(x);
            continue;
        }
        x->next = NULL;
        x->awaits_audit = tg_loop_now(all->loop);
        *all->awaiting_audit.last = x;
        all->awaiting_audit.last = &x->next;
    }
}

/* The client of an answer that waits for its record too long is cut off; the record stays queued.
 */
static void cut_off_late(struct tg_exchanges *all)
{
    uint64_t now = tg_loop_now(all->loop);
    struct tg_exchange *x;
    unsigned n = 0;

    for (; (x = all->awaiting_audit.first) != NULL; n++) {
        CHECK(x->awaits_audit > 0 && now >= x->awaits_audit);
        if (now - x->awaits_audit < (uint64_t)all->audit_timeout)
            break;
        all->awaiting_audit.first = x->next;
        if (x->next == NULL)
            list_init(&all->awaiting_audit);
        x->last.n = 0;
        x->after = TG_AFTER_ABORT;
        tg_exchange_complete(x);
    }
    if (n == 0)
        return;
    tg_log(TG_LOG_WARN, "exchange",
           "audit_timeout: %u answers whose records cannot be written are "
           "given up",
           n);
    if (all->shared->slot != NULL)
        all->shared->slot->counts.audit_timeouts += n;
}

/* Sending the last bytes may start a pipelined request that ends at once, and so may going
 * upstream: those end in a round of their own, behind their audit lines. */
static void turn(struct tg_exchanges *all)
{
    if (all->ending.first == NULL && all->awaiting_flush == NULL &&
        all->awaiting_audit.first == NULL && !tg_fetches_await_release(all->fetches))
        return;
    do {
        struct tg_exchange *ending;
        bool written;

        if (!tg_audit_wants_intent(all->audit))
            go_on_all(all, true); /* no record to wait for */
        written = tg_audit_flush(all->audit) || tg_audit_ready(all->audit);
        if (written)
            tg_fetches_release(all->fetches);
        ending = take_all(&all->ending);
        go_on_all(all, written);
        if (written)
            complete_all(all, take_all(&all->awaiting_audit), true);
        complete_all(all, ending, written);
    } while (all->ending.first != NULL || all->awaiting_flush != NULL);
    cut_off_late(all);
}

void tg_exchanges_turn(struct tg_exchanges *all)
{
    turn(all);
    tg_limit_asks_flush(&all->asks);
}

/* --- what filters may ask for --- */

static struct tg_exchanges *exchanges_of(const struct tg_host *host)
{
    return (struct tg_exchanges *)((uintptr_t)host - offsetof(struct tg_exchanges, host));
}

static struct tg_request_handle handle_of(const struct tg_host *host, const struct tg_request *r)
{
    const struct tg_exchange *x =
        (const struct tg_exchange *)((uintptr_t)r - offsetof(struct tg_exchange, request));

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    return (struct tg_request_handle){host, x->slot, x->all->slots[x->slot].generation};
}

static bool resume(struct tg_request_handle handle)
{
    struct tg_exchanges *all = exchanges_of(handle.host);
    struct tg_exchange *x;

    if (handle.slot >= all->nslots || all->slots[handle.slot].generation != handle.generation)
        return false;
    x = all->slots[handle.slot].exchange;
    if (x == NULL || x->phase != TG_PHASE_FILTER || x->request.waiting == NULL)
        return false;
    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    CHECK(x->slot == handle.slot);
    x->request.waiting = NULL;
    tg_exchange_run_chain(x);
    return true;
}

/* In mode `strict` a line of it is on disk before it goes: the turn ends first. */
static struct tg_fetch_job *fetch(const struct tg_host *host, const struct tg_fetch *f)
{
    struct tg_exchanges *all = exchanges_of(host);

    if (tg_audit_wants_intent(all->audit))
        tg_audit_lookup(all->audit, f);
    return tg_fetch_start(all->fetches, f);
}

/* An own answer takes no body's place: it has room or fails. */
static bool answer_fits(void *owner, size_t more)
{
    const struct tg_exchanges *all = owner;

    return all->body_memory_most == 0 || tg_exchanges_memory(all) + more <= all->body_memory_most;
}

static void open_fetches(struct tg_exchanges *all)
{
    all->fetches->fits = answer_fits;
    all->fetches->owner = all;
    all->fetches->hold = tg_audit_wants_intent(all->audit);
    tg_fetches_open(all->fetches);
}

/* --- limits that stores decide about --- */

static bool on_limit_answer(void *owner, const struct tg_limit_asker *who,
                            const struct tg_limit_answer *answer)
{
    struct tg_exchanges *all = owner;
    struct tg_exchange *x;

    CHECK(who->slot < all->nslots);
    x = all->slots[who->slot].exchange;
    if (all->slots[who->slot].generation != who->generation || x == NULL ||
        x->phase == TG_PHASE_END || x->admission == NULL)
        return false;
    tg_exchange_limit_answered(x, who->limit, answer);
    return true;
}

void tg_exchanges_ask(struct tg_exchanges *all, int channel)
{
    all->asks.loop = all->loop;
    all->asks.shared = all->shared;
    all->asks.on_answer = on_limit_answer;
    all->asks.owner = all;
    tg_limit_asks_open(&all->asks, channel);
}

/* --- life --- */

void tg_exchanges_open(struct tg_exchanges *all)
{
    unsigned char random[8];

    CHECK(all->loop != NULL && all->audit != NULL && all->upstreams != NULL);
    CHECK(all->fetches != NULL && all->live == 0);
    list_init(&all->ending);
    list_init(&all->awaiting_audit);
    all->last_awaiting_flush = &all->awaiting_flush;
    open_fetches(all);
    all->host = (struct tg_host){.loop = all->loop->base,
                                 .handle = handle_of,
                                 .resume = resume,
                                 .fetch = fetch,
                                 .cancel = tg_fetch_cancel,
                                 .lookups = tg_lookups_new(&all->host, all->lookup_cache_size)};
    tg_random(&all->seed, sizeof(all->seed));
    tg_random(random, sizeof(random));
    tg_hex(random, sizeof(random), all->id_prefix);
}

void tg_exchanges_abort(struct tg_exchanges *all)
{
    for (uint32_t i = 0; i < all->nslots; i++) {
        struct tg_exchange *x = all->slots[i].exchange;

        if (x != NULL && x->phase != TG_PHASE_END)
            tg_exchange_end(x, TG_E_DRAINING, "");
    }
}

void tg_exchanges_end(struct tg_exchanges *all)
{
    CHECK(all->ending.first == NULL && all->awaiting_flush == NULL);
    complete_all(all, take_all(&all->awaiting_audit), true); /* their clients are gone now */
    tg_limit_asks_end(&all->asks);
    tg_lookups_end(all->host.lookups);
    all->host.lookups = NULL;
    while (all->free_list != NULL) {
        struct tg_exchange *x = all->free_list;

        all->free_list = x->next;
        tg_exchange_free(x);
    }
    free(all->slots);
    free(all->free_slots);
    tg_buf_end(&all->head);
    tg_buf_end(&all->decoded);
}
