/* Locks of access keys after failures. */
#include "signing/lock.h"

#include "base/check.h"
#include "base/crypto.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { WAYS = 8 }; /* entries that one pair may stand in */

#define SECOND UINT64_C(1000000)

/* A pair of key and address. Two workers that write at once lose a failure at most. */
struct entry {
    _Atomic uint64_t name; /* of the pair, never 0; 0: free */
    _Atomic uint64_t last; /* when it failed last */
    _Atomic uint32_t failures;
};

struct tg_signing_locks {
    struct tg_hash *hash; /* its key is drawn per map: nobody can make pairs collide */
    struct entry *entry;
};

struct tg_signing_locks *tg_signing_locks_new(void)
{
    struct tg_signing_locks *l = calloc(1, sizeof(*l));
    char key[32];

    CHECK(l != NULL);
    tg_random(key, sizeof(key));
    l->hash = tg_hash_new((struct tg_str){key, sizeof(key)});
    l->entry = mmap(NULL, TG_SIGNING_LOCKS * sizeof(*l->entry), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(l->entry != MAP_FAILED);
    return l;
}

void tg_signing_locks_end(struct tg_signing_locks *l)
{
    if (l == NULL)
        return;
    munmap(l->entry, TG_SIGNING_LOCKS * sizeof(*l->entry));
    tg_hash_end(l->hash);
    free(l);
}

static uint64_t name_of(const struct tg_signing_locks *l, struct tg_str access_key,
                        struct tg_str address)
{
    struct tg_str parts[] = {access_key, TG_STR("\n"), address};
    unsigned char code[TG_SHA256];
    uint64_t name;

    tg_hash_hmac(l->hash, parts, 3, code);
    memcpy(&name, code, sizeof(name));
    return name | 1;
}

static struct entry *way(const struct tg_signing_locks *l, uint64_t name, unsigned i)
{
    return &l->entry[((name >> 8) + i) % TG_SIGNING_LOCKS];
}

static struct entry *find(const struct tg_signing_locks *l, uint64_t name)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (way(l, name, i)->name == name)
            return way(l, name, i);
    return NULL;
}

/* A free entry, else the one that failed least recently. */
static struct entry *give(const struct tg_signing_locks *l, uint64_t name)
{
    struct entry *oldest = way(l, name, 0);

    for (unsigned i = 1; i < WAYS; i++)
        if (way(l, name, i)->last < oldest->last)
            oldest = way(l, name, i);
    oldest->failures = 0;
    oldest->name = name;
    return oldest;
}

unsigned tg_signing_locked(const struct tg_signing_locks *l, struct tg_str access_key,
                           struct tg_str address, uint64_t now)
{
    const struct entry *e = find(l, name_of(l, access_key, address));
    uint64_t until = e != NULL ? e->last + TG_SIGNING_LOCK_SECONDS * SECOND : 0;

    if (e == NULL || e->failures <= TG_SIGNING_TRIES || now >= until)
        return 0;
    return (unsigned)((until - now + SECOND - 1) / SECOND);
}

unsigned tg_signing_failed(struct tg_signing_locks *l, struct tg_str access_key,
                           struct tg_str address, uint64_t now)
{
    uint64_t name = name_of(l, access_key, address);
    struct entry *e = find(l, name);

    if (e == NULL)
        e = give(l, name);
    else if (e->failures > TG_SIGNING_TRIES) /* a lock has ended: all tries are there again */
        e->failures = 0;
    e->last = now;
    return ++e->failures > TG_SIGNING_TRIES ? TG_SIGNING_LOCK_SECONDS : 0;
}

void tg_signing_passed(struct tg_signing_locks *l, struct tg_str access_key, struct tg_str address)
{
    struct entry *e = find(l, name_of(l, access_key, address));

    if (e == NULL)
        return;
    e->failures = 0;
    e->last = 0;
    e->name = 0;
}
