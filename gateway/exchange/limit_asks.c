/* What a worker asks its syncer, and who waits for the answers. */
#include "exchange/limit_asks.h"

#include "base/check.h"
#include "base/crypto.h"
#include "shm/limit_stores.h"

#include <stdlib.h>

/* An ask without an answer. */
struct tg_limit_awaited {
    const struct tg_limit_rule *rule; /* NULL: the place is free */
    struct tg_limit_asker asker;
    int entry;
    uint32_t serial;
    uint64_t until;
    uint32_t next; /* that is free, plus 1 */
};

/* --- places of those --- */

static struct tg_limit_awaited *take_place(struct tg_limit_asks *a)
{
    struct tg_limit_awaited *w;

    if (a->free == 0)
        return a->used < TG_LIMIT_ASKS ? &a->awaited[a->used++] : NULL;
    w = &a->awaited[a->free - 1];
    CHECK(w->rule == NULL);
    a->free = w->next;
    return w;
}

static void free_place(struct tg_limit_asks *a, struct tg_limit_awaited *w)
{
    CHECK(w->rule != NULL);
    w->rule = NULL;
    w->next = a->free;
    a->free = (uint32_t)(w - a->awaited) + 1;
}

/* --- what comes --- */

/* What was claimed before the store was asked, and not granted. */
static void unclaim(const struct tg_limit_asks *a, const struct tg_limit_rule *rule, int entry)
{
    if (rule->kind != TG_LIMIT_REQ)
        tg_limit_release(a->shared->limits, tg_shared_number(a->shared), entry);
}

/* What the store granted to who has gone. */
static void give_back(struct tg_limit_asks *a, const struct tg_limit_rule *rule, int entry)
{
    if (rule->kind != TG_LIMIT_REQ)
        tg_limit_asks_release(a, entry);
    else
        tg_limit_return(a->shared->limits, rule, entry);
}

static void tell(struct tg_limit_asks *a, struct tg_limit_awaited *w,
                 const struct tg_limit_answer *answer)
{
    const struct tg_limit_awaited one = *w;
    bool granted = answer->result == TG_LIMIT_GRANTED;

    free_place(a, w);
    if (!granted)
        unclaim(a, one.rule, one.entry);
    if (!a->on_answer(a->owner, &one.asker, answer) && granted)
        give_back(a, one.rule, one.entry);
}

/* Answers to who had the socket before, and those that come too late, find nobody. */
static void take_answer(struct tg_limit_asks *a, const struct tg_limit_answer *answer)
{
    struct tg_limit_awaited *w = answer->id < a->used ? &a->awaited[answer->id] : NULL;

    if (w != NULL && w->rule != NULL && w->serial == answer->serial &&
        answer->result >= TG_LIMIT_GRANTED && answer->result <= TG_LIMIT_UNKNOWN)
        tell(a, w, answer);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct tg_limit_asks *a = arg;
    struct tg_limit_answer answer[TG_LIMIT_PACKET];
    bool ended;
    unsigned n;

    (void)what;
    do {
        n = tg_limit_receive(fd, answer, sizeof(*answer), &ended);
        for (unsigned i = 0; i < n; i++)
            take_answer(a, &answer[i]);
    } while (n > 0);
    if (ended) /* of a configuration of before, whose syncer has died: deadlines answer */
        event_del(a->event);
}

static void on_deadline(void *owner)
{
    struct tg_limit_asks *a = owner;
    uint64_t now = tg_loop_now(a->loop), first = 0;

    for (uint32_t i = 0; i < a->used; i++) {
        struct tg_limit_awaited *w = &a->awaited[i];

        if (w->rule != NULL && w->until <= now)
            tell(a, w, &(struct tg_limit_answer){.result = TG_LIMIT_UNKNOWN});
        if (w->rule != NULL && (first == 0 || w->until < first))
            first = w->until;
    }
    if (first != 0)
        tg_timer_set(&a->timer, now, (int64_t)(first - now));
}

/* --- what goes --- */

/* What cannot be sent has no answer, and its deadline says so. */
void tg_limit_asks_flush(struct tg_limit_asks *a)
{
    if (a->nout > 0)
        (void)tg_limit_send(a->fd, a->out, a->nout, sizeof(*a->out));
    a->nout = 0;
}

static void append(struct tg_limit_asks *a, const struct tg_limit_ask *ask)
{
    if (a->nout == TG_LIMIT_PACKET)
        tg_limit_asks_flush(a);
    a->out[a->nout++] = *ask;
}

bool tg_limit_asks_ask(struct tg_limit_asks *a, const struct tg_limit_rule *rule,
                       struct tg_limit_ask *ask, int entry, const struct tg_limit_asker *who,
                       uint64_t now)
{
    struct tg_limit_awaited *w = a->event != NULL ? take_place(a) : NULL;

    CHECK(entry >= 0 && rule->share != NULL);
    if (w == NULL) {
        unclaim(a, rule, entry);
        return false;
    }
    *w = (struct tg_limit_awaited){.rule = rule,
                                   .asker = *who,
                                   .entry = entry,
                                   .serial = a->serial++,
                                   .until = now + 2 * (uint64_t)rule->share->timeout};
    ask->id = (uint32_t)(w - a->awaited);
    ask->serial = w->serial;
    ask->until = w->until;
    append(a, ask);
    if (a->timer.deadline == 0 || a->timer.deadline > w->until)
        tg_timer_set(&a->timer, now, (int64_t)(w->until - now));
    return true;
}

void tg_limit_asks_release(struct tg_limit_asks *a, int entry)
{
    struct tg_limit_ask ask;

    tg_limit_release(a->shared->limits, tg_shared_number(a->shared), entry);
    if (a->event != NULL && tg_limit_released(a->shared->limits, entry, &ask))
        append(a, &ask);
}

/* --- life --- */

void tg_limit_asks_open(struct tg_limit_asks *a, int fd)
{
    CHECK(a->loop != NULL && a->shared != NULL && a->on_answer != NULL);
    a->fd = fd;
    if (fd < 0)
        return;
    a->awaited = calloc(TG_LIMIT_ASKS, sizeof(*a->awaited));
    a->event = event_new(a->loop->base, fd, EV_READ | EV_PERSIST, on_readable, a);
    CHECK(a->awaited != NULL && a->event != NULL && event_add(a->event, NULL) == 0);
    tg_timer_init(&a->timer, a->loop->base, on_deadline, a);
    tg_random(&a->serial, sizeof(a->serial));
}

void tg_limit_asks_end(struct tg_limit_asks *a)
{
    if (a->event == NULL)
        return;
    tg_limit_asks_flush(a);
    tg_timer_end(&a->timer);
    event_free(a->event);
    free(a->awaited);
    a->event = NULL;
    a->awaited = NULL;
    a->fd = -1;
}
