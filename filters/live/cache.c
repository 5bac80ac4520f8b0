/* Kept answers: found by hash, dropped by age of use. */
#include "live/cache.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_ADMITTED = 512 }; /* callers of one entry; the next one takes the place of the oldest */

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 29;
}

/* By words, the last of which may overlap with the one before: what is hashed comes from
 * configurations and callers' HMACs, and a bucket is compared in full. */
static uint64_t hash_text(uint64_t hash, struct tg_str s)
{
    hash = hash_word(hash, s.n);
    for (size_t i = 0; i + 8 < s.n; i += 8)
        hash = hash_word(hash, tg_str_word(s.p + i));
    return s.n > 0 ? hash_word(hash, tg_str_words(s).last) : hash;
}

static uint64_t hash_of(const void *kind, struct tg_str upstream, struct tg_str subject)
{
    return hash_text(hash_text((uint64_t)(uintptr_t)kind, upstream), subject);
}

static struct tg_cache_entry **bucket_of(struct tg_cache *c, uint64_t hash)
{
    return &c->bucket[(hash ^ hash >> 32) % TG_CACHE_BUCKETS];
}

/* --- by use --- */

static void unlink_use(struct tg_cache *c, struct tg_cache_entry *e)
{
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
}

static void link_newest(struct tg_cache *c, struct tg_cache_entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

/* --- what it takes --- */

static void count(struct tg_cache *c, struct tg_cache_entry *e)
{
    size_t bytes = sizeof(*e) + tg_arena_used(&e->arena) + tg_arena_used(&e->value_arena);

    for (unsigned i = 0; i < e->nadmitted; i++)
        bytes += sizeof(*e->admitted) + e->admitted[i].caller.n;
    CHECK(c->used >= e->bytes);
    c->used += bytes - e->bytes;
    e->bytes = bytes;
}

static void drop(struct tg_cache *c, struct tg_cache_entry *e)
{
    struct tg_cache_entry **at = bucket_of(c, e->hash);

    CHECK(e->flights == NULL);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(c, e);
    c->used -= e->bytes;
    for (unsigned i = 0; i < e->nadmitted; i++)
        free((char *)(uintptr_t)e->admitted[i].caller.p);
    free(e->admitted);
    free(e->failed_for);
    tg_arena_end(&e->value_arena);
    tg_arena_end(&e->arena);
    free(e);
}

void tg_cache_shrink(struct tg_cache *c, const struct tg_cache_entry *keep)
{
    struct tg_cache_entry *e = c->oldest;

    for (struct tg_cache_entry *newer; e != NULL && c->used > c->most; e = newer) {
        newer = e->newer;
        if (e != keep && e->flights == NULL)
            drop(c, e);
    }
}

void tg_cache_end(struct tg_cache *c)
{
    while (c->oldest != NULL)
        drop(c, c->oldest);
    CHECK(c->used == 0);
}

/* --- entries --- */

static struct tg_cache_entry *make_entry(struct tg_cache *c, const void *kind,
                                         struct tg_str upstream, struct tg_str subject,
                                         uint64_t hash)
{
    struct tg_cache_entry *e = calloc(1, sizeof(*e));
    struct tg_cache_entry **bucket = bucket_of(c, hash);

    CHECK(e != NULL);
    tg_arena_init(&e->arena);
    tg_arena_init(&e->value_arena);
    e->kind = kind;
    e->upstream = tg_arena_dup(&e->arena, upstream);
    e->subject = tg_arena_dup(&e->arena, subject);
    e->hash = hash;
    e->chain = *bucket;
    *bucket = e;
    link_newest(c, e);
    count(c, e);
    return e;
}

struct tg_cache_entry *tg_cache_get(struct tg_cache *c, const void *kind, struct tg_str upstream,
                                    struct tg_str subject, bool make)
{
    uint64_t hash = hash_of(kind, upstream, subject);
    struct tg_cache_entry *e = *bucket_of(c, hash);

    while (e != NULL && (e->hash != hash || e->kind != kind || !tg_str_eq(e->upstream, upstream) ||
                         !tg_str_eq(e->subject, subject)))
        e = e->chain;
    if (e == NULL)
        return make ? make_entry(c, kind, upstream, subject, hash) : NULL;
    if (c->newest != e) {
        unlink_use(c, e);
        link_newest(c, e);
    }
    return e;
}

void tg_cache_set(struct tg_cache *c, struct tg_cache_entry *e, void *value, struct tg_arena *arena)
{
    tg_arena_end(&e->value_arena);
    e->value_arena = *arena;
    tg_arena_init(arena);
    e->value = value;
    count(c, e);
}

/* --- failures --- */

void tg_cache_failed(struct tg_cache_entry *e, const char *why, struct tg_str caller,
                     uint64_t retry_at)
{
    snprintf(e->failure, sizeof(e->failure), "%s", why);
    free(e->failed_for);
    e->failed_for = caller.n > 0 ? strndup(caller.p, caller.n) : NULL;
    e->retry_at = retry_at;
}

bool tg_cache_has_failed(const struct tg_cache_entry *e, struct tg_str caller, uint64_t now)
{
    return now < e->retry_at &&
           (e->failed_for == NULL || tg_str_eq(tg_str_of(e->failed_for), caller));
}

/* --- who may be told --- */

static struct tg_cache_admission *find_admission(const struct tg_cache_entry *e,
                                                 struct tg_str caller)
{
    for (unsigned i = 0; i < e->nadmitted; i++)
        if (tg_str_eq(e->admitted[i].caller, caller))
            return &e->admitted[i];
    return NULL;
}

bool tg_cache_admits(const struct tg_cache_entry *e, struct tg_str caller, uint64_t now)
{
    const struct tg_cache_admission *a = find_admission(e, caller);

    return a != NULL && a->until > now;
}

/* The place of one that holds no longer, of the one that ends first when there are too many. */
static struct tg_cache_admission *place_for(struct tg_cache_entry *e, uint64_t now)
{
    struct tg_cache_admission *first = NULL;

    for (unsigned i = 0; i < e->nadmitted; i++)
        if (first == NULL || e->admitted[i].until < first->until)
            first = &e->admitted[i];
    if (first != NULL && (first->until <= now || e->nadmitted == MAX_ADMITTED)) {
        free((char *)(uintptr_t)first->caller.p);
        return first;
    }
    e->admitted = realloc(e->admitted, (e->nadmitted + 1) * sizeof(*e->admitted));
    CHECK(e->admitted != NULL);
    return &e->admitted[e->nadmitted++];
}

void tg_cache_admit(struct tg_cache *c, struct tg_cache_entry *e, struct tg_str caller,
                    uint64_t now, uint64_t until)
{
    struct tg_cache_admission *a = find_admission(e, caller);
    char *name;

    if (a == NULL) {
        name = malloc(caller.n + 1);
        CHECK(name != NULL);
        memcpy(name, caller.p, caller.n);
        a = place_for(e, now);
        a->caller = (struct tg_str){name, caller.n};
    }
    a->until = until;
    count(c, e);
}
