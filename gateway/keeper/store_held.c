/* What is held of limits in flight, and who waits for more. */
#include "keeper/store_held.h"

#include "base/check.h"
#include "base/clock.h"
#include "shm/limit_stores.h"

#include <stdlib.h>

enum { MOST_WAITING = 4096 /* for one key; who comes then is not answered for it */ };

/* Who asked. */
struct waiting {
    struct tg_limit_ask ask;
    void *from;
    struct waiting *next;
};

struct list {
    struct waiting *first, **last;
    unsigned n;
};

/* A key that somebody asks for or holds, by its entry in the map. */
struct tg_store_key {
    unsigned rule, at;
    bool calling;                          /* a statement has no answer yet */
    bool due;                              /* the next one is to be made */
    bool queued;                           /* in the list of those */
    struct list asked;                     /* with the statement that is under way */
    struct list waiting;                   /* for the next one */
    uint32_t have;                         /* of the statement that is under way */
    uint32_t stated;                       /* what the store thinks that this gateway holds */
    unsigned char digest[TG_LIMIT_DIGEST]; /* of what was stated */
    struct tg_store_key *next;             /* in the list */
};

struct tg_store_held {
    const struct tg_limit_store_conf *conf;
    const struct tg_limits *limits;
    tg_store_answer *answer;
    struct tg_store_key *keys[TG_LIMIT_STORE_RULES]; /* by entry; NULL: a rate's */
    struct tg_store_key *first, **last;              /* whose statements are due */
};

/* --- lists --- */

static void list_add(struct list *l, struct waiting *w)
{
    if (l->n == 0)
        l->last = &l->first;
    w->next = NULL;
    *l->last = w;
    l->last = &w->next;
    l->n++;
}

static struct waiting *list_take(struct list *l)
{
    struct waiting *w = l->first;

    CHECK(l->n > 0);
    l->first = w->next;
    l->n--;
    return w;
}

static void queue(struct tg_store_held *h, struct tg_store_key *k)
{
    k->due = true;
    if (k->calling || k->queued)
        return;
    k->queued = true;
    k->next = NULL;
    *h->last = k;
    h->last = &k->next;
}

static struct tg_store_key *dequeue(struct tg_store_held *h)
{
    struct tg_store_key *k = h->first;

    if (k == NULL)
        return NULL;
    h->first = k->next;
    if (h->first == NULL)
        h->last = &h->first;
    k->queued = k->due = false;
    return k;
}

/* --- life --- */

struct tg_store_held *tg_store_held_new(const struct tg_limit_store_conf *conf,
                                        const struct tg_limits *limits, tg_store_answer *answer)
{
    struct tg_store_held *h = calloc(1, sizeof(*h));

    CHECK(h != NULL);
    *h = (struct tg_store_held){.conf = conf, .limits = limits, .answer = answer};
    h->last = &h->first;
    for (unsigned i = 0; i < conf->nrules; i++) {
        if (conf->rules[i]->kind != TG_LIMIT_IN_FLIGHT)
            continue;
        h->keys[i] = calloc(TG_LIMIT_ENTRIES, sizeof(**h->keys));
        CHECK(h->keys[i] != NULL);
    }
    return h;
}

static struct tg_store_key *key_at(struct tg_store_held *h, unsigned rule, unsigned at)
{
    struct tg_store_key *k;

    CHECK(rule < h->conf->nrules && at < TG_LIMIT_ENTRIES && h->keys[rule] != NULL);
    k = &h->keys[rule][at];
    k->rule = rule;
    k->at = at;
    return k;
}

static void drop(struct list *l)
{
    while (l->n > 0)
        free(list_take(l));
}

void tg_store_held_end(struct tg_store_held *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < h->conf->nrules; i++) {
        for (unsigned at = 0; h->keys[i] != NULL && at < TG_LIMIT_ENTRIES; at++) {
            drop(&h->keys[i][at].asked);
            drop(&h->keys[i][at].waiting);
        }
        free(h->keys[i]);
    }
    free(h);
}

/* --- what is asked --- */

static void tell(struct tg_store_held *h, const struct tg_limit_ask *ask, void *from,
                 enum tg_limit_result result, uint64_t number)
{
    h->answer(from, &(struct tg_limit_answer){
                        .id = ask->id, .serial = ask->serial, .result = result, .number = number});
}

void tg_store_held_ask(struct tg_store_held *h, unsigned rule, const struct tg_limit_ask *ask,
                       void *from)
{
    struct tg_store_key *k = key_at(h, rule, ask->at);
    struct waiting *w;

    if (k->waiting.n == MOST_WAITING) {
        tell(h, ask, from, TG_LIMIT_UNKNOWN, 0);
        return;
    }
    w = malloc(sizeof(*w));
    CHECK(w != NULL);
    *w = (struct waiting){.ask = *ask, .from = from};
    list_add(&k->waiting, w);
    queue(h, k);
}

void tg_store_held_touch(struct tg_store_held *h, unsigned rule, unsigned at)
{
    queue(h, key_at(h, rule, at));
}

void tg_store_held_renew(struct tg_store_held *h)
{
    for (unsigned i = 0; i < h->conf->nrules; i++)
        for (unsigned at = 0; h->keys[i] != NULL && at < TG_LIMIT_ENTRIES; at++) {
            struct tg_limit_holding held;

            if (h->keys[i][at].stated > 0 ||
                (tg_limit_holding(h->limits, h->conf->rules[i], at, &held) && held.held > 0))
                queue(h, key_at(h, i, at));
        }
}

/* --- what is stated --- */

/* What was asked by workers that have died since, or wait no longer, is nobody's. */
static bool is_asked(const struct tg_store_held *h, const struct tg_limit_ask *ask, uint64_t key,
                     uint64_t now)
{
    return ask->key == key && ask->until > now && ask->gone == tg_limit_gone(h->limits, ask->slot);
}

static void take_waiting(struct tg_store_held *h, struct tg_store_key *k, uint64_t key)
{
    struct list all = k->waiting;
    uint64_t now = tg_clock_mono_now();

    CHECK(k->asked.n == 0);
    k->waiting = (struct list){.n = 0};
    while (all.n > 0) {
        struct waiting *w = list_take(&all);

        if (is_asked(h, &w->ask, key, now))
            list_add(&k->asked, w);
        else
            free(w);
    }
}

/* The count in the map has who asks in it, and is read before who has died: what dies in between
 * is counted rather once too often. */
static void state(struct tg_store_held *h, struct tg_store_key *k,
                  const struct tg_limit_holding *held, struct tg_store_statement *out)
{
    take_waiting(h, k, held->key);
    out->want = k->asked.n;
    k->have = held->held > out->want ? held->held - out->want : 0;
    memcpy(k->digest, held->digest, sizeof(k->digest));
}

bool tg_store_held_next(struct tg_store_held *h, struct tg_store_statement *out)
{
    struct tg_store_key *k = dequeue(h);
    struct tg_limit_holding held;

    if (k == NULL)
        return false;
    CHECK(!k->calling);
    k->calling = true;
    k->have = 0;
    *out = (struct tg_store_statement){.of = k, .rule = h->conf->rules[k->rule]};
    if (!tg_limit_holding(h->limits, out->rule, k->at, &held))
        drop(&k->waiting);
    else if (k->stated == 0 || memcmp(k->digest, held.digest, sizeof(k->digest)) == 0)
        state(h, k, &held, out);
    else
        k->due = true; /* the entry was given to another key: nothing is held of this one */
    out->have = k->have;
    memcpy(out->digest, k->digest, sizeof(out->digest));
    return true;
}

static void answer_one(struct tg_store_held *h, struct list *from, enum tg_limit_result result,
                       uint64_t number)
{
    struct waiting *w = list_take(from);

    tell(h, &w->ask, w->from, result, number);
    free(w);
}

static void settle(struct tg_store_held *h, struct tg_store_key *k)
{
    CHECK(k->calling && k->asked.n == 0);
    k->calling = false;
    if (k->due)
        queue(h, k);
}

void tg_store_held_done(struct tg_store_held *h, struct tg_store_key *of, uint64_t granted,
                        uint64_t all)
{
    CHECK(granted <= of->asked.n);
    of->stated = of->have + (uint32_t)granted;
    for (; granted > 0; granted--)
        answer_one(h, &of->asked, TG_LIMIT_GRANTED, all);
    while (of->asked.n > 0)
        answer_one(h, &of->asked, TG_LIMIT_REFUSED, all);
    settle(h, of);
}

void tg_store_held_lost(struct tg_store_held *h, struct tg_store_key *of)
{
    of->stated = of->have + of->asked.n;
    while (of->asked.n > 0)
        answer_one(h, &of->asked, TG_LIMIT_UNKNOWN, 0);
    settle(h, of);
}

void tg_store_held_down(struct tg_store_held *h)
{
    struct tg_store_key *k;

    while ((k = dequeue(h)) != NULL)
        while (k->waiting.n > 0)
            answer_one(h, &k->waiting, TG_LIMIT_UNKNOWN, 0);
}
