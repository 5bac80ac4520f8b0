/* Shared limits: a table per rule, its entries, and who gives way when it is full. */
#include "shm/limits.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "shm/limit_map.h"
#include "shm/limit_stores.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
    PROBES = 32, /* where a key may be: so many entries from its place on */
    SECOND_US = 1000000,
    WARN_US = 60 * SECOND_US, /* a table tells at most once in so long that it is full */
};

struct tg_limits *tg_limits_new(void)
{
    unsigned char name[TG_LIMIT_DIGEST];
    struct tg_limits *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(l != MAP_FAILED);
    tg_random(&l->seed, sizeof(l->seed));
    tg_random(name, sizeof(name));
    tg_hex(name, sizeof(name), l->replica);
    return l;
}

void tg_limits_end(struct tg_limits *l)
{
    if (l != NULL)
        munmap(l, sizeof(*l));
}

/* FNV-1a over the key, started from the seed, then mixed (the finalizer of MurmurHash3), so that
 * near keys lie far apart. Never 0. */
static uint64_t hash(const struct tg_limits *l, uint64_t rule, struct tg_str key)
{
    uint64_t h = l->seed ^ (rule * UINT64_C(0x9e3779b97f4a7c15));

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    return h != 0 ? h : 1;
}

/* The table of a rule, taken when it has none yet. Keys of rules that share the last one differ by
 * their hashes. */
static unsigned table_of(struct tg_limits *l, const struct tg_limit_rule *rule)
{
    for (unsigned i = 0; i < TG_LIMIT_TABLES; i++) {
        struct tg_limits_table *t = &l->table[i];
        uint64_t id = __atomic_load_n(&t->id, __ATOMIC_ACQUIRE);

        if (id == 0 && __atomic_compare_exchange_n(&t->id, &id, rule->id, false, __ATOMIC_ACQ_REL,
                                                   __ATOMIC_ACQUIRE)) {
            strncpy(t->name, rule->name != NULL ? rule->name : "", sizeof(t->name) - 1);
            t->kind = rule->kind;
            t->by_key = rule->key;
            t->store = rule->share != NULL ? rule->share->number + 1 : 0;
            return i;
        }
        if (id == rule->id)
            return i;
    }
    return TG_LIMIT_TABLES - 1;
}

static uint64_t used_up(const struct tg_limit_entry *e)
{
    return __atomic_load_n(&e->used_up, __ATOMIC_RELAXED);
}

static uint64_t tolerance(const struct tg_limit_rule *rule)
{
    return rule->burst * rule->interval;
}

static uint64_t whole_of(const struct tg_limit_rule *rule)
{
    return rule->kind == TG_LIMIT_REQ ? tolerance(rule) + rule->interval : rule->most;
}

/* Nobody would miss it: free, or all it knows is past and told. */
static bool is_spent(const struct tg_limits_table *t, unsigned at, uint64_t now)
{
    const struct tg_limit_entry *e = &t->entry[at];

    return __atomic_load_n(&e->held, __ATOMIC_RELAXED) == 0 && used_up(e) <= now &&
           (t->store == 0 || __atomic_load_n(&t->debt[at].pending, __ATOMIC_RELAXED) == 0);
}

/* Gives an entry to a key, unless another process has just given it away. What a rate's key owed is
 * forgotten; a process that still counts for that key there counts for the new one once: that is
 * all a race costs. */
static bool give(struct tg_limits_table *t, unsigned at, uint64_t before, uint64_t key)
{
    if (!__atomic_compare_exchange_n(&t->entry[at].key, &before, key, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&t->entry[at].used_up, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&t->entry[at].refused, 0, __ATOMIC_RELAXED);
    if (t->store != 0)
        __atomic_store_n(&t->debt[at].pending, 0, __ATOMIC_RELAXED);
    return true;
}

/* Which entry near `start` may be given away: a spent one, else, of a rate, the one whose debt ends
 * soonest, if that would not refuse now. -1: none. */
static int victim(const struct tg_limits_table *t, const struct tg_limit_rule *rule, unsigned start,
                  uint64_t now)
{
    uint64_t soonest = now + tolerance(rule);
    int found = -1;

    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = (start + i) % TG_LIMIT_ENTRIES;
        const struct tg_limit_entry *e = &t->entry[at];

        if (is_spent(t, at, now))
            return (int)at;
        if (rule->kind == TG_LIMIT_REQ && used_up(e) <= soonest) {
            soonest = used_up(e);
            found = (int)at;
        }
    }
    return found;
}

/* A key that finds no room shares one entry with all that find none. */
static unsigned share(struct tg_limits_table *t, uint64_t now)
{
    uint64_t warned = __atomic_load_n(&t->warned, __ATOMIC_RELAXED);

    __atomic_add_fetch(&t->shared, 1, __ATOMIC_RELAXED);
    if ((warned == 0 || now - warned >= WARN_US) &&
        __atomic_compare_exchange_n(&t->warned, &warned, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        tg_log(TG_LOG_WARN, "limit", "the limit in %s has too many keys: new ones share one limit",
               t->name);
    return TG_LIMIT_OVERFLOW;
}

/* For people. Whom a race mixes two keys for sees by the hash that it is neither. */
static void name_entry(struct tg_limits_table *t, unsigned at, struct tg_str text)
{
    size_t n = text.n < TG_LIMIT_KEY ? text.n : TG_LIMIT_KEY;

    CHECK(at < TG_LIMIT_ENTRIES);
    if (n > 0)
        memcpy(t->text[at], text.p, n);
    memset(t->text[at] + n, 0, TG_LIMIT_KEY - n);
}

/* The entry of a key, taken when it has none yet. */
static unsigned find(struct tg_limits_table *t, const struct tg_limit_rule *rule, uint64_t key,
                     struct tg_str text, uint64_t now)
{
    unsigned start = (unsigned)(key % TG_LIMIT_ENTRIES);

    CHECK(key != 0);
    if (__atomic_load_n(&t->whole, __ATOMIC_RELAXED) != whole_of(rule))
        __atomic_store_n(&t->whole, whole_of(rule), __ATOMIC_RELAXED);
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = (start + i) % TG_LIMIT_ENTRIES;

        if (__atomic_load_n(&t->entry[at].key, __ATOMIC_ACQUIRE) == key)
            return at;
    }
    for (unsigned tries = 0; tries < PROBES; tries++) {
        int at = victim(t, rule, start, now);
        bool spent;
        uint64_t before;

        if (at < 0)
            break;
        before = __atomic_load_n(&t->entry[at].key, __ATOMIC_ACQUIRE);
        spent = is_spent(t, (unsigned)at, now);
        if (!give(t, (unsigned)at, before, key))
            continue;
        if (!spent)
            __atomic_add_fetch(&t->given_up, 1, __ATOMIC_RELAXED);
        name_entry(t, (unsigned)at, text);
        return (unsigned)at;
    }
    return share(t, now);
}

static bool take_rate(struct tg_limit_entry *e, const struct tg_limit_rule *rule, uint64_t now,
                      struct tg_limit_grant *out)
{
    uint64_t before = __atomic_load_n(&e->used_up, __ATOMIC_RELAXED);
    uint64_t from;

    CHECK(rule->interval > 0);
    do {
        from = before > now ? before : now;
        if (from - now > tolerance(rule)) {
            out->wait = from - now - tolerance(rule);
            out->whole = from - now;
            return false;
        }
    } while (!__atomic_compare_exchange_n(&e->used_up, &before, from + rule->interval, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    out->whole = from + rule->interval - now;
    out->left = from - now + rule->interval > tolerance(rule)
                    ? 0
                    : (tolerance(rule) - (from - now)) / rule->interval;
    return true;
}

static bool take_held(struct tg_limits_table *t, unsigned slot, const struct tg_limit_rule *rule,
                      unsigned at, struct tg_limit_grant *out)
{
    struct tg_limit_entry *e = &t->entry[at];
    uint64_t held = 0;

    CHECK(rule->most > 0 && rule->most <= UINT16_MAX && at < TG_LIMIT_STRIDE);
    t->holds = true;
    if (t->by[slot][at] == UINT16_MAX ||
        (held = __atomic_add_fetch(&e->held, 1, __ATOMIC_RELAXED)) > rule->most) {
        if (t->by[slot][at] != UINT16_MAX)
            __atomic_sub_fetch(&e->held, 1, __ATOMIC_RELAXED);
        out->wait = SECOND_US;
        return false;
    }
    t->by[slot][at]++;
    out->left = rule->most - held;
    return true;
}

static void note_refusal(struct tg_limits_table *t, unsigned at)
{
    __atomic_add_fetch(&t->entry[at].refused, 1, __ATOMIC_RELAXED);
}

bool tg_limit_take(struct tg_limits *l, unsigned slot, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t now, struct tg_limit_grant *out)
{
    unsigned i = table_of(l, rule);
    struct tg_limits_table *t = &l->table[i];
    uint64_t h = hash(l, rule->id, key);
    unsigned at = find(t, rule, h, key, now);
    bool granted;

    CHECK(slot < TG_STATS_SLOTS);
    CHECK(rule->id != 0 && rule->kind < TG_LIMIT_KINDS);
    *out = (struct tg_limit_grant){.entry = -1};
    granted = rule->kind == TG_LIMIT_REQ ? take_rate(&t->entry[at], rule, now, out)
                                         : take_held(t, slot, rule, at, out);
    if (!granted) {
        note_refusal(t, at);
        return false;
    }
    out->entry = (int)(i * TG_LIMIT_STRIDE + at);
    if (rule->share != NULL)
        tg_limit_note(t, at, rule, key, h, out->whole);
    return true;
}

enum tg_limit_result tg_limit_claim(struct tg_limits *l, unsigned slot,
                                    const struct tg_limit_rule *rule, struct tg_str key,
                                    uint64_t now, struct tg_limit_ask *ask,
                                    struct tg_limit_grant *out)
{
    unsigned i = table_of(l, rule);
    struct tg_limits_table *t = &l->table[i];
    uint64_t h = hash(l, rule->id, key);
    unsigned at = find(t, rule, h, key, now);

    CHECK(slot < TG_STATS_SLOTS && rule->share != NULL && rule->exact);
    if (at == TG_LIMIT_OVERFLOW || t->id != rule->id)
        return tg_limit_take(l, slot, rule, key, now, out) ? TG_LIMIT_GRANTED : TG_LIMIT_REFUSED;
    *out = (struct tg_limit_grant){.entry = -1};
    if (rule->kind != TG_LIMIT_REQ && !take_held(t, slot, rule, at, out)) {
        note_refusal(t, at);
        return TG_LIMIT_REFUSED;
    }
    out->entry = (int)(i * TG_LIMIT_STRIDE + at);
    tg_limit_name(t, at, rule, key, h);
    *ask = (struct tg_limit_ask){.store = rule->share->number,
                                 .at = at,
                                 .rule = rule->id,
                                 .key = h,
                                 .slot = slot,
                                 .gone = tg_limit_gone(l, slot)};
    memcpy(ask->digest, t->debt[at].digest, sizeof(ask->digest));
    return TG_LIMIT_UNKNOWN;
}

void tg_limit_count(struct tg_limits *l, const struct tg_limit_rule *rule)
{
    struct tg_limits_table *t = &l->table[table_of(l, rule)];

    __atomic_add_fetch(&(rule->alone ? t->alone : t->refused)[rule->dry_run], 1, __ATOMIC_RELAXED);
}

void tg_limit_release(struct tg_limits *l, unsigned slot, int entry)
{
    struct tg_limits_table *t;
    unsigned at;

    if (entry < 0)
        return;
    CHECK(slot < TG_STATS_SLOTS && entry < TG_LIMIT_TABLES * TG_LIMIT_STRIDE);
    t = &l->table[entry / TG_LIMIT_STRIDE];
    at = (unsigned)(entry % TG_LIMIT_STRIDE);
    CHECK(t->by[slot][at] > 0);
    t->by[slot][at]--;
    __atomic_sub_fetch(&t->entry[at].held, 1, __ATOMIC_RELAXED);
}

void tg_limit_return(struct tg_limits *l, const struct tg_limit_rule *rule, int entry)
{
    struct tg_limits_table *t;
    unsigned at;
    uint64_t before;

    CHECK(rule->kind == TG_LIMIT_REQ && entry >= 0 && entry < TG_LIMIT_TABLES * TG_LIMIT_STRIDE);
    t = &l->table[entry / TG_LIMIT_STRIDE];
    at = (unsigned)(entry % TG_LIMIT_STRIDE);
    before = used_up(&t->entry[at]);
    while (before >= rule->interval &&
           !__atomic_compare_exchange_n(&t->entry[at].used_up, &before, before - rule->interval,
                                        true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (rule->share != NULL)
        tg_limit_owe_less(t, at, rule);
}

static void forget_table(struct tg_limits_table *t, unsigned slot)
{
    for (unsigned i = 0; i < TG_LIMIT_STRIDE; i++)
        if (t->by[slot][i] > 0) {
            __atomic_sub_fetch(&t->entry[i].held, t->by[slot][i], __ATOMIC_RELAXED);
            t->by[slot][i] = 0;
        }
}

void tg_limits_forget(struct tg_limits *l, unsigned slot)
{
    CHECK(slot < TG_STATS_SLOTS);
    __atomic_add_fetch(&l->gone[slot], 1, __ATOMIC_ACQ_REL); /* before anything is given back */
    for (unsigned i = 0; i < TG_LIMIT_TABLES; i++)
        if (l->table[i].holds) /* the others are not even in memory */
            forget_table(&l->table[i], slot);
}

struct tg_str tg_limit_address(struct tg_str address, char out[TG_LIMIT_ADDRESS])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char bytes[16];
    int n;

    if (address.n >= TG_LIMIT_ADDRESS)
        return address;
    memcpy(out, address.p, address.n);
    out[address.n] = '\0';
    if (inet_pton(AF_INET6, out, bytes) != 1)
        return address;
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
        n = snprintf(out, TG_LIMIT_ADDRESS, "%u.%u.%u.%u", bytes[12], bytes[13], bytes[14],
                     bytes[15]);
    else
        n = snprintf(out, TG_LIMIT_ADDRESS, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", bytes[0],
                     bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
    return (struct tg_str){out, (size_t)n};
}

bool tg_limit_table_at(const struct tg_limits *l, unsigned i, uint64_t now,
                       struct tg_limit_table *out)
{
    const struct tg_limits_table *t = &l->table[i];

    if (i >= TG_LIMIT_TABLES || __atomic_load_n(&t->id, __ATOMIC_ACQUIRE) == 0)
        return false;
    /* a process that was taken over may have written anything */
    *out = (struct tg_limit_table){
        .kind = t->kind > 0 && t->kind < TG_LIMIT_KINDS ? t->kind : TG_LIMIT_REQ,
        .key = t->by_key >= TG_LIMIT_BY_PROJECT && t->by_key <= TG_LIMIT_BY_USER
                   ? t->by_key
                   : TG_LIMIT_BY_PROJECT,
        .refused = {t->refused[0], t->refused[1]},
        .alone = {t->alone[0], t->alone[1]},
        .given_up = t->given_up,
        .shared = t->shared,
        .store = t->store <= TG_LIMIT_STORES ? t->store : 0};
    memcpy(out->name, t->name, sizeof(out->name) - 1);
    for (unsigned at = 0; at < TG_LIMIT_ENTRIES; at++)
        out->keys += !is_spent(t, at, now);
    return true;
}

/* --- who is busy --- */

/* Anything is at least one. */
static unsigned percent_of(const struct tg_limits_table *t, unsigned at, uint64_t now)
{
    uint64_t whole = __atomic_load_n(&t->whole, __ATOMIC_RELAXED);
    uint64_t ahead = used_up(&t->entry[at]) > now ? used_up(&t->entry[at]) - now : 0;
    uint64_t used =
        t->kind == TG_LIMIT_REQ ? ahead : __atomic_load_n(&t->entry[at].held, __ATOMIC_RELAXED);

    double part = whole > 0 ? (double)used * 100 / (double)whole : 0;

    if (part >= 100)
        return 100;
    return (unsigned)part + ((unsigned)part < part);
}

static bool is_busier(const struct tg_limit_use *a, const struct tg_limit_use *b)
{
    return a->percent != b->percent ? a->percent > b->percent : a->refused > b->refused;
}

/* Puts one in behind those that are busier. Returns how many there are then. */
static unsigned rank(const struct tg_limit_use *one, struct tg_limit_use *out, unsigned n)
{
    unsigned i = n;

    while (i > 0 && is_busier(one, &out[i - 1]))
        i--;
    if (i == TG_LIMIT_BUSIEST)
        return n;
    n -= n == TG_LIMIT_BUSIEST;
    memmove(&out[i + 1], &out[i], (n - i) * sizeof(*out));
    out[i] = *one;
    return n + 1;
}

unsigned tg_limit_busiest(const struct tg_limits *l, unsigned i, uint64_t now,
                          struct tg_limit_use out[TG_LIMIT_BUSIEST])
{
    const struct tg_limits_table *t = &l->table[i];
    unsigned n = 0;

    CHECK(i < TG_LIMIT_TABLES);
    for (unsigned at = 0; at < TG_LIMIT_ENTRIES; at++) {
        uint64_t key = __atomic_load_n(&t->entry[at].key, __ATOMIC_ACQUIRE);
        struct tg_limit_use one = {.percent = percent_of(t, at, now),
                                   .refused = t->entry[at].refused};

        if (key == 0 || (one.percent == 0 && one.refused == 0))
            continue;
        memcpy(one.key, t->text[at], TG_LIMIT_KEY);
        if (hash(l, t->id, tg_str_of(one.key)) != key)
            one.key[0] = '\0';
        n = rank(&one, out, n);
    }
    return n;
}
