/*
 * What own requests found out, kept for a while: one entry for each kind, upstream and subject,
 * within a number of bytes. Per worker; the clock is monotonic, in microseconds.
 */
#ifndef TG_LIVE_CACHE_H
#define TG_LIVE_CACHE_H

#include "base/arena.h"

struct tg_lookup_flight;

/* A caller who has fetched the answer with a credential of its own. */
struct tg_cache_admission {
    struct tg_str caller; /* owned */
    uint64_t until;
};

/* One kept answer, or the place for one. */
struct tg_cache_entry {
    const void *kind;
    struct tg_str upstream; /* in `arena`, as the next */
    struct tg_str subject;
    uint64_t hash; /* of the three */
    struct tg_arena arena;
    void *value;                 /* NULL: none yet */
    struct tg_arena value_arena; /* it lives in */
    uint64_t fresh_until;
    uint64_t served_until; /* stale, while it is asked for again */
    uint64_t retry_at;     /* after a failure: not asked again before */
    char failure[160];     /* what it was */
    char *failed_for;      /* owned: the caller it concerns; NULL: all */
    struct tg_cache_admission *admitted;
    unsigned nadmitted;
    size_t bytes;                     /* as counted */
    struct tg_lookup_flight *flights; /* questions on their way: it stays */
    struct tg_cache_entry *chain;     /* in its bucket */
    struct tg_cache_entry *older, *newer;
};

enum { TG_CACHE_BUCKETS = 1024 };

struct tg_cache {
    size_t most; /* bytes */
    size_t used;
    struct tg_cache_entry *bucket[TG_CACHE_BUCKETS];
    struct tg_cache_entry *oldest, *newest; /* by use */
};

/* The entry, which is then the newest; made when it is not there and `make`, else NULL. */
struct tg_cache_entry *tg_cache_get(struct tg_cache *c, const void *kind, struct tg_str upstream,
                                    struct tg_str subject, bool make);

/* Gives an entry another value; takes its arena over (which is empty then). */
void tg_cache_set(struct tg_cache *c, struct tg_cache_entry *e, void *value,
                  struct tg_arena *arena);

/* The service failed, for `caller` or (empty) for everybody: asked again from `retry_at` on; and
 * whether that concerns a caller now. */
void tg_cache_failed(struct tg_cache_entry *e, const char *why, struct tg_str caller,
                     uint64_t retry_at);
bool tg_cache_has_failed(const struct tg_cache_entry *e, struct tg_str caller, uint64_t now);

/* Whether a caller may be told the value; admits one until then. */
bool tg_cache_admits(const struct tg_cache_entry *e, struct tg_str caller, uint64_t now);
void tg_cache_admit(struct tg_cache *c, struct tg_cache_entry *e, struct tg_str caller,
                    uint64_t now, uint64_t until);

/* Drops what was not used for longest until all fits; never `keep`, nor what is asked for. */
void tg_cache_shrink(struct tg_cache *c, const struct tg_cache_entry *keep);

/* Frees all entries; nothing is on its way. */
void tg_cache_end(struct tg_cache *c);

#endif
