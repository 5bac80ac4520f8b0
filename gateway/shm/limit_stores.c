/* Debts to stores of limits: noted by workers, taken out, settled and aged by the syncer. */
#include "shm/limit_stores.h"

#include "base/check.h"
#include "shm/limit_map.h"

enum {
    NEWS_US = 60000000,  /* longer than a gateway goes by what it was told last */
    MOST_GATEWAYS = 4096 /* that a store is believed to count */
};

/* --- stores --- */

unsigned tg_limit_store_number(struct tg_limits *l, const char *name)
{
    for (unsigned i = 0; i < TG_LIMIT_STORES; i++) {
        struct tg_limit_store *s = &l->store[i];

        if (s->name[0] == '\0')
            strncpy(s->name, name, sizeof(s->name) - 1);
        if (strncmp(s->name, name, sizeof(s->name) - 1) == 0)
            return i;
    }
    return TG_LIMIT_STORES - 1;
}

struct tg_limit_store *tg_limit_store_at(struct tg_limits *l, unsigned number)
{
    CHECK(number < TG_LIMIT_STORES);
    return &l->store[number];
}

void tg_limit_store_read(const struct tg_limits *l, unsigned number, struct tg_limit_store *out)
{
    CHECK(number < TG_LIMIT_STORES);
    *out = l->store[number];
    out->name[sizeof(out->name) - 1] = '\0';
    out->why[sizeof(out->why) - 1] = '\0';
    out->server[sizeof(out->server) - 1] = '\0';
}

void tg_limit_syncer_beat(struct tg_limits *l, uint64_t now)
{
    __atomic_store_n(&l->syncer_beat, now, __ATOMIC_RELAXED);
}

uint64_t tg_limit_syncer_beaten(const struct tg_limits *l)
{
    return __atomic_load_n(&l->syncer_beat, __ATOMIC_RELAXED);
}

const char *tg_limit_replica(const struct tg_limits *l)
{
    return l->replica;
}

uint32_t tg_limit_gone(const struct tg_limits *l, unsigned slot)
{
    CHECK(slot < TG_STATS_SLOTS);
    return __atomic_load_n(&l->gone[slot], __ATOMIC_ACQUIRE);
}

struct tg_limit_rule tg_limit_part(const struct tg_limit_rule *rule, uint32_t replicas)
{
    struct tg_limit_rule part = *rule;

    part.alone = true;
    if (replicas <= 1)
        return part;
    part.interval = rule->interval * replicas;
    part.burst = (rule->burst + 1) / replicas;
    part.burst -= part.burst > 0;
    part.most = rule->most / replicas;
    part.most += part.most == 0;
    return part;
}

/* --- what workers note --- */

static void mark(uint64_t *marks, unsigned at)
{
    uint64_t bit = UINT64_C(1) << at % TG_LIMIT_BITS;

    if ((__atomic_load_n(&marks[at / TG_LIMIT_BITS], __ATOMIC_RELAXED) & bit) == 0)
        __atomic_or_fetch(&marks[at / TG_LIMIT_BITS], bit, __ATOMIC_RELEASE);
}

/* Several processes may do it at once: they write the same. */
void tg_limit_name(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t h)
{
    struct tg_limit_debt *d = &t->debt[at];
    const char *by = tg_limit_key_words[rule->key - 1];
    const struct tg_str parts[] = {{by, strlen(by) + 1}, key};
    unsigned char digest[TG_SHA256];

    if (__atomic_load_n(&d->named, __ATOMIC_ACQUIRE) == h)
        return;
    CHECK(rule->share->hash != NULL);
    tg_hash_hmac(rule->share->hash, parts, 2, digest);
    memcpy(d->digest, digest, sizeof(d->digest));
    __atomic_store_n(&d->named, h, __ATOMIC_RELEASE);
}

/* Keys that find no room have no name: what they share stays with this gateway. So does a rule that
 * found no table of its own. */
void tg_limit_note(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t h, uint64_t ahead)
{
    if (at == TG_LIMIT_OVERFLOW || t->id != rule->id)
        return;
    tg_limit_name(t, at, rule, key, h);
    if (rule->kind != TG_LIMIT_REQ)
        return; /* what is held is stated as it stands */
    CHECK(rule->debt > 0);
    __atomic_add_fetch(&t->debt[at].pending, (int64_t)rule->debt, __ATOMIC_RELAXED);
    if (ahead > rule->burst * rule->interval / 2)
        mark(t->hot, at);
    mark(t->touched, at);
}

void tg_limit_owe_less(struct tg_limits_table *t, unsigned at, const struct tg_limit_rule *rule)
{
    if (at == TG_LIMIT_OVERFLOW || t->id != rule->id)
        return;
    __atomic_sub_fetch(&t->debt[at].pending, (int64_t)rule->debt, __ATOMIC_RELAXED);
    mark(t->touched, at);
}

bool tg_limit_released(const struct tg_limits *l, int entry, struct tg_limit_ask *out)
{
    const struct tg_limits_table *t = &l->table[entry / TG_LIMIT_STRIDE];
    unsigned at = (unsigned)(entry % TG_LIMIT_STRIDE);

    if (t->store == 0 || at == TG_LIMIT_OVERFLOW)
        return false;
    *out = (struct tg_limit_ask){.store = t->store - 1, .at = at, .rule = t->id, .release = true};
    return true;
}

/* --- what the syncer does with it --- */

/* NULL: no request of it has come yet, or there was no table left. */
static struct tg_limits_table *table_of(const struct tg_limits *l, const struct tg_limit_rule *rule)
{
    for (unsigned i = 0; i < TG_LIMIT_TABLES; i++)
        if (__atomic_load_n(&l->table[i].id, __ATOMIC_ACQUIRE) == rule->id)
            return (struct tg_limits_table *)(uintptr_t)&l->table[i];
    return NULL;
}

/* A debt that came to nothing, as that of a request another rule refused, is not told. */
static bool take(struct tg_limits_table *t, unsigned at, struct tg_limit_due *out)
{
    struct tg_limit_debt *d = &t->debt[at];

    *out = (struct tg_limit_due){.at = at,
                                 .key = __atomic_load_n(&d->named, __ATOMIC_ACQUIRE),
                                 .amount = __atomic_exchange_n(&d->pending, 0, __ATOMIC_RELAXED)};
    memcpy(out->digest, d->digest, sizeof(out->digest));
    return out->amount != 0;
}

/* The marks of a word that are wanted, taken out, but those that `room` is too small for. */
static uint64_t take_marks(struct tg_limits_table *t, unsigned word, bool all, unsigned room)
{
    uint64_t bits = __atomic_load_n(&t->touched[word], __ATOMIC_ACQUIRE);

    if (!all)
        bits &= __atomic_load_n(&t->hot[word], __ATOMIC_RELAXED);
    while ((unsigned)__builtin_popcountll(bits) > room)
        bits &= bits - 1;
    if (bits == 0)
        return 0;
    __atomic_and_fetch(&t->touched[word], ~bits, __ATOMIC_ACQ_REL);
    __atomic_and_fetch(&t->hot[word], ~bits, __ATOMIC_RELAXED);
    return bits;
}

unsigned tg_limit_collect(struct tg_limits *l, const struct tg_limit_rule *rule, bool all,
                          unsigned most, struct tg_limit_due *out)
{
    struct tg_limits_table *t = table_of(l, rule);
    unsigned n = 0;

    for (unsigned word = 0; t != NULL && word < TG_LIMIT_MARKS; word++) {
        uint64_t bits = take_marks(t, word, all, most - n);

        for (; bits != 0; bits &= bits - 1)
            n += take(t, word * TG_LIMIT_BITS + (unsigned)__builtin_ctzll(bits), &out[n]);
    }
    CHECK(n <= most);
    return n;
}

/* What a key can be used up ahead: each gateway lets a whole burst pass, and as much as time gives
 * back until it is told of the others. */
static uint64_t most_ahead(const struct tg_limits *l, const struct tg_limit_rule *rule)
{
    uint64_t gateways = __atomic_load_n(&l->store[rule->share->number].replicas, __ATOMIC_RELAXED);

    gateways = gateways == 0 ? 1 : gateways > MOST_GATEWAYS ? MOST_GATEWAYS : gateways;
    return 2 * gateways * ((rule->burst + 1) * rule->interval + NEWS_US);
}

uint64_t tg_limit_settle(struct tg_limits *l, const struct tg_limit_rule *rule,
                         const struct tg_limit_due *due, uint64_t ahead, uint64_t now)
{
    struct tg_limits_table *t = table_of(l, rule);
    struct tg_limit_entry *e = &t->entry[due->at];
    uint64_t before, after, most = most_ahead(l, rule);

    CHECK(due->at < TG_LIMIT_ENTRIES);
    ahead = ahead < most ? ahead : most;
    if (__atomic_load_n(&e->key, __ATOMIC_ACQUIRE) != due->key)
        return ahead; /* its place was given to another */
    before = __atomic_load_n(&e->used_up, __ATOMIC_RELAXED);
    do {
        int64_t since = __atomic_load_n(&t->debt[due->at].pending, __ATOMIC_RELAXED);

        after = now + ahead + (since > 0 ? (uint64_t)since : 0);
    } while (!__atomic_compare_exchange_n(&e->used_up, &before, after, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return ahead;
}

void tg_limit_unsettled(struct tg_limits *l, const struct tg_limit_rule *rule,
                        const struct tg_limit_due *due)
{
    struct tg_limits_table *t = table_of(l, rule);

    CHECK(due->at < TG_LIMIT_ENTRIES);
    if (__atomic_load_n(&t->entry[due->at].key, __ATOMIC_ACQUIRE) != due->key)
        return;
    __atomic_add_fetch(&t->debt[due->at].pending, due->amount, __ATOMIC_RELAXED);
    mark(t->touched, due->at);
}

static bool age(struct tg_limits_table *t, unsigned at, uint64_t now)
{
    uint64_t used_up = __atomic_load_n(&t->entry[at].used_up, __ATOMIC_RELAXED);
    int64_t left = used_up > now ? (int64_t)(used_up - now) : 0;
    int64_t pending = __atomic_load_n(&t->debt[at].pending, __ATOMIC_RELAXED);

    /* who passes meanwhile has changed it, and is looked at again */
    if (pending > left)
        (void)__atomic_compare_exchange_n(&t->debt[at].pending, &pending, left, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return left > 0;
}

unsigned tg_limit_age(struct tg_limits *l, const struct tg_limit_rule *rule, uint64_t now)
{
    struct tg_limits_table *t = table_of(l, rule);
    unsigned n = 0;

    for (unsigned word = 0; t != NULL && word < TG_LIMIT_MARKS; word++)
        for (uint64_t bits = __atomic_load_n(&t->touched[word], __ATOMIC_ACQUIRE); bits != 0;
             bits &= bits - 1)
            n += age(t, word * TG_LIMIT_BITS + (unsigned)__builtin_ctzll(bits), now);
    return n;
}

unsigned tg_limit_indebted(const struct tg_limits *l, const struct tg_limit_rule *rule)
{
    const struct tg_limits_table *t = table_of(l, rule);
    unsigned n = 0;

    for (unsigned word = 0; t != NULL && word < TG_LIMIT_MARKS; word++)
        n += (unsigned)__builtin_popcountll(__atomic_load_n(&t->touched[word], __ATOMIC_RELAXED));
    return n;
}

bool tg_limit_holding(const struct tg_limits *l, const struct tg_limit_rule *rule, unsigned at,
                      struct tg_limit_holding *out)
{
    const struct tg_limits_table *t = table_of(l, rule);

    CHECK(at < TG_LIMIT_ENTRIES);
    if (t == NULL)
        return false;
    out->key = __atomic_load_n(&t->entry[at].key, __ATOMIC_ACQUIRE);
    if (out->key == 0 || __atomic_load_n(&t->debt[at].named, __ATOMIC_ACQUIRE) != out->key)
        return false;
    out->held = __atomic_load_n(&t->entry[at].held, __ATOMIC_ACQUIRE);
    memcpy(out->digest, t->debt[at].digest, sizeof(out->digest));
    return true;
}
