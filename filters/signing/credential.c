/* The shared map of the gateway's own keys. */
#include "signing/credential.h"

#include "base/check.h"
#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define CREDENTIALS_MAGIC 0x63726564U

/* What is known at one time. */
struct version {
    struct tg_credential key; /* access_key "": none yet */
    struct tg_credential_status status;
    bool due; /* of the last failure */
};

/* One credential. The version in force is that of the generation's lowest bit; the other one is
 * written and then comes into force with the next generation: a writer that dies in the middle
 * leaves the old one in force. */
struct entry {
    char name[TG_CREDENTIAL_NAME];
    atomic_uint generation;
    struct version version[2];
};

/* What all processes see. */
struct shared {
    atomic_int count;
    struct entry entry[TG_CREDENTIALS];
};

struct tg_credential_map {
    uint32_t magic;
    int fd;
    struct shared *shared;
    bool read_only;
};

static const char *const state_texts[] = {
    [TG_CREDENTIAL_NONE] = "none",
    [TG_CREDENTIAL_FRESH] = "fresh",
    [TG_CREDENTIAL_STALE] = "stale",
    [TG_CREDENTIAL_EXPIRED] = "expired",
};

const char *tg_credential_state_text(enum tg_credential_state state)
{
    CHECK(state >= TG_CREDENTIAL_NONE && state <= TG_CREDENTIAL_EXPIRED);
    return state_texts[state];
}

/* --- the map --- */

static struct shared *map(int fd, int protection)
{
    void *p = mmap(NULL, sizeof(struct shared), protection, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, sizeof(struct shared), MADV_DONTDUMP);
    return p;
}

struct tg_credential_map *tg_credential_map_new(void)
{
    int fd = memfd_create("trainguard-credentials", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct shared *shared = NULL;

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)sizeof(struct shared)) == 0)
        shared = map(fd, PROT_READ | PROT_WRITE);
    /* from here on nobody maps it for writing any more; what is mapped stays */
    if (shared == NULL ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) != 0) {
        int saved = errno;
        if (shared != NULL)
            munmap(shared, sizeof(*shared));
        close(fd);
        errno = saved;
        return NULL;
    }
    struct tg_credential_map *c = calloc(1, sizeof(*c));
    CHECK(c != NULL);
    *c = (struct tg_credential_map){.magic = CREDENTIALS_MAGIC, .fd = fd, .shared = shared};
    return c;
}

void tg_credential_map_end(struct tg_credential_map *c)
{
    if (c == NULL)
        return;
    CHECK(c->magic == CREDENTIALS_MAGIC);
    munmap(c->shared, sizeof(*c->shared));
    close(c->fd);
    c->magic = 0;
    free(c);
}

bool tg_credential_map_read_only(struct tg_credential_map *c)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    if (c->read_only)
        return true;
    struct shared *shared = map(c->fd, PROT_READ);
    if (shared == NULL)
        return false;
    munmap(c->shared, sizeof(*c->shared));
    c->shared = shared;
    c->read_only = true;
    return true;
}

int tg_credential_map_count(const struct tg_credential_map *c)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    return atomic_load_explicit(&c->shared->count, memory_order_acquire);
}

static struct entry *entry_of(const struct tg_credential_map *c, int number)
{
    CHECK(c->magic == CREDENTIALS_MAGIC && number >= 0 && number < TG_CREDENTIALS);
    return &c->shared->entry[number];
}

int tg_credential_map_number(struct tg_credential_map *c, struct tg_str name)
{
    int n = tg_credential_map_count(c);

    for (int i = 0; i < n; i++)
        if (tg_str_eq(tg_str_of(c->shared->entry[i].name), name))
            return i;
    if (n == TG_CREDENTIALS || name.n >= TG_CREDENTIAL_NAME)
        return -1;
    CHECK(!c->read_only);
    memcpy(c->shared->entry[n].name, name.p, name.n);
    atomic_store_explicit(&c->shared->count, n + 1, memory_order_release);
    return n;
}

/* --- writing: one process, the keeper --- */

/* The version to come, as a copy of the one in force. */
static struct version *begin_change(struct tg_credential_map *c, int number)
{
    struct entry *e = entry_of(c, number);
    unsigned generation = atomic_load_explicit(&e->generation, memory_order_relaxed);
    struct version *next = &e->version[(generation + 1) & 1];

    CHECK(!c->read_only);
    atomic_thread_fence(memory_order_release);
    *next = e->version[generation & 1];
    return next;
}

static void end_change(struct tg_credential_map *c, int number)
{
    atomic_fetch_add_explicit(&entry_of(c, number)->generation, 1, memory_order_release);
}

void tg_credential_map_publish(struct tg_credential_map *c, int number,
                               const struct tg_credential *key, int64_t now)
{
    struct version *v = begin_change(c, number);

    v->key = *key;
    memcpy(v->status.access_key, key->access_key, sizeof(v->status.access_key));
    v->status.expires_at = key->expires_at;
    v->status.refreshed_at = now;
    v->status.refreshes[1]++;
    memset(v->status.error, 0, sizeof(v->status.error));
    v->due = false;
    end_change(c, number);
}

void tg_credential_map_failed(struct tg_credential_map *c, int number, struct tg_str error,
                              bool due)
{
    struct version *v = begin_change(c, number);
    size_t n = error.n < TG_CREDENTIAL_ERROR - 1 ? error.n : TG_CREDENTIAL_ERROR - 1;

    memset(v->status.error, 0, sizeof(v->status.error));
    memcpy(v->status.error, error.p, n);
    v->status.refreshes[0]++;
    v->due = due;
    end_change(c, number);
}

void tg_credential_map_wipe_old(struct tg_credential_map *c, int number)
{
    struct entry *e = entry_of(c, number);
    unsigned generation = atomic_load_explicit(&e->generation, memory_order_relaxed);

    CHECK(!c->read_only);
    tg_wipe(&e->version[(generation + 1) & 1], sizeof(struct version));
}

/* --- reading --- */

/* Takes one consistent copy: no other version came into force meanwhile, so nobody wrote this one.
 */
static void copy(const struct tg_credential_map *c, int number, struct version *out)
{
    struct entry *e = entry_of(c, number);
    unsigned before, after;

    do {
        before = atomic_load_explicit(&e->generation, memory_order_acquire);
        memcpy(out, &e->version[before & 1], sizeof(*out));
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&e->generation, memory_order_relaxed);
    } while (after != before);
}

static enum tg_credential_state state_at(const struct version *v, int64_t now)
{
    if (v->key.access_key[0] == '\0')
        return TG_CREDENTIAL_NONE;
    if (v->key.expires_at != 0 && now >= v->key.expires_at)
        return TG_CREDENTIAL_EXPIRED;
    return v->due ? TG_CREDENTIAL_STALE : TG_CREDENTIAL_FRESH;
}

bool tg_credential_map_read(const struct tg_credential_map *c, int number, int64_t now,
                            struct tg_credential *out)
{
    struct version v;

    copy(c, number, &v);
    enum tg_credential_state state = state_at(&v, now);
    bool good = state == TG_CREDENTIAL_FRESH || state == TG_CREDENTIAL_STALE;
    if (good)
        *out = v.key;
    tg_wipe(&v, sizeof(v));
    return good;
}

void tg_credential_map_status(const struct tg_credential_map *c, int number, int64_t now,
                              struct tg_credential_status *out)
{
    struct version v;

    copy(c, number, &v);
    *out = v.status;
    out->state = state_at(&v, now);
    memcpy(out->name, entry_of(c, number)->name, sizeof(out->name));
    tg_wipe(&v, sizeof(v));
}
