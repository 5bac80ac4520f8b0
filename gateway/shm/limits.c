#include "shm/limits.h"

#include "base/check.h"
#include "base/crypto.h"

#include <sys/mman.h>

enum { PROBES = 16, SECOND_US = 1000000 };

struct entry {
    uint64_t key;     /* hash of rule and key; 0: free */
    uint64_t used_up; /* when a rate's key has used up what it may; monotonic microseconds */
    uint32_t held;    /* in flight, or connections */
    uint32_t unused;
};

struct tg_limits {
    uint64_t seed; /* who does not know it cannot aim at an entry */
    struct entry entry[TG_LIMIT_ENTRIES];
    uint16_t by[TG_STATS_SLOTS][TG_LIMIT_ENTRIES]; /* what of `held` is whose */
};

struct tg_limits *tg_limits_new(void)
{
    struct tg_limits *l =
        mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(l != MAP_FAILED);
    tg_random(&l->seed, sizeof(l->seed));
    return l;
}

void tg_limits_end(struct tg_limits *l)
{
    if (l != NULL)
        munmap(l, sizeof(*l));
}

/* FNV-1a over the key, started from seed and rule, then mixed (the finalizer of MurmurHash3), so
 * that near keys lie far apart. Never 0. */
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

/* Nobody would miss it: free, or all it knows is past. */
static bool is_spent(const struct entry *e, uint64_t now)
{
    return __atomic_load_n(&e->held, __ATOMIC_RELAXED) == 0 &&
           __atomic_load_n(&e->used_up, __ATOMIC_RELAXED) <= now;
}

/* The entry of a key, taken when there is none yet; -1 when there is no room. A process that finds
 * its entry taken in this moment by another key counts there once: that is all a race costs. */
static int find(struct tg_limits *l, uint64_t key, uint64_t now)
{
    unsigned start = (unsigned)(key % TG_LIMIT_ENTRIES);

    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = (start + i) % TG_LIMIT_ENTRIES;

        if (__atomic_load_n(&l->entry[at].key, __ATOMIC_ACQUIRE) == key)
            return (int)at;
    }
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = (start + i) % TG_LIMIT_ENTRIES;
        uint64_t before = __atomic_load_n(&l->entry[at].key, __ATOMIC_ACQUIRE);

        if (is_spent(&l->entry[at], now) &&
            __atomic_compare_exchange_n(&l->entry[at].key, &before, key, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return (int)at;
    }
    return -1;
}

static bool take_rate(struct entry *e, const struct tg_limit_rule *rule, uint64_t now,
                      uint64_t *wait)
{
    uint64_t tolerance = rule->burst * rule->interval;
    uint64_t before = __atomic_load_n(&e->used_up, __ATOMIC_RELAXED);
    uint64_t from;

    do {
        from = before > now ? before : now;
        if (from - now > tolerance) {
            *wait = from - now - tolerance;
            return false;
        }
    } while (!__atomic_compare_exchange_n(&e->used_up, &before, from + rule->interval, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static bool take_held(struct tg_limits *l, unsigned slot, const struct tg_limit_rule *rule, int at,
                      uint64_t *wait)
{
    struct entry *e = &l->entry[at];

    if (l->by[slot][at] == UINT16_MAX ||
        __atomic_add_fetch(&e->held, 1, __ATOMIC_RELAXED) > rule->most) {
        if (l->by[slot][at] != UINT16_MAX)
            __atomic_sub_fetch(&e->held, 1, __ATOMIC_RELAXED);
        *wait = SECOND_US;
        return false;
    }
    l->by[slot][at]++;
    return true;
}

bool tg_limit_take(struct tg_limits *l, unsigned slot, const struct tg_limit_rule *rule,
                   struct tg_str key, uint64_t now, int *entry, uint64_t *wait)
{
    int at = find(l, hash(l, rule->id, key), now);

    CHECK(slot < TG_STATS_SLOTS);
    *entry = -1;
    if (at < 0)
        return true;
    if (rule->kind == TG_LIMIT_REQ)
        return take_rate(&l->entry[at], rule, now, wait);
    if (!take_held(l, slot, rule, at, wait))
        return false;
    *entry = at;
    return true;
}

void tg_limit_release(struct tg_limits *l, unsigned slot, int entry)
{
    if (entry < 0)
        return;
    CHECK(slot < TG_STATS_SLOTS && entry < TG_LIMIT_ENTRIES && l->by[slot][entry] > 0);
    l->by[slot][entry]--;
    __atomic_sub_fetch(&l->entry[entry].held, 1, __ATOMIC_RELAXED);
}

void tg_limits_forget(struct tg_limits *l, unsigned slot)
{
    CHECK(slot < TG_STATS_SLOTS);
    for (unsigned i = 0; i < TG_LIMIT_ENTRIES; i++)
        if (l->by[slot][i] > 0) {
            __atomic_sub_fetch(&l->entry[i].held, l->by[slot][i], __ATOMIC_RELAXED);
            l->by[slot][i] = 0;
        }
}
