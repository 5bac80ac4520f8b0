/* The shared map of the gateway's own keys. */
#include "signing/credential.h"

#include "base/buf.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
    char source[TG_SHA256_HEX + 1]; /* source_identity() */
    atomic_uint generation;
    struct version version[2];
};

/* What all processes see. */
struct shared {
    uint32_t magic;
    uint32_t size; /* of this struct: who has another one does not know what stands where */
    atomic_int count;
    _Atomic uint64_t beat;
    struct entry entry[TG_CREDENTIALS];
};

/* What all processes write. */
struct marks {
    atomic_bool clock_seen;
    _Atomic int64_t clock_ahead;
    struct tg_key_use use[TG_CREDENTIALS];
};

struct tg_credential_map {
    uint32_t magic;
    int fd;
    int bell[2]; /* a pipe: a byte is the number of a credential */
    struct shared *shared;
    struct marks *marks; /* NULL in the map of another program */
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

static struct tg_credential_map *handle(int fd, struct shared *shared, bool read_only)
{
    struct tg_credential_map *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    *c = (struct tg_credential_map){.magic = CREDENTIALS_MAGIC,
                                    .fd = fd,
                                    .bell = {-1, -1},
                                    .shared = shared,
                                    .read_only = read_only};
    return c;
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
    shared->magic = CREDENTIALS_MAGIC;
    shared->size = sizeof(*shared);
    struct tg_credential_map *c = handle(fd, shared, false);
    CHECK(pipe2(c->bell, O_CLOEXEC | O_NONBLOCK) == 0);
    c->marks =
        mmap(NULL, sizeof(*c->marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(c->marks != MAP_FAILED);
    return c;
}

int tg_credential_map_export(const struct tg_credential_map *c)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    CHECK(fcntl(c->fd, F_SETFD, 0) == 0);
    return c->fd;
}

struct tg_credential_map *tg_credential_map_import(int fd)
{
    struct shared *shared = NULL;
    struct stat st;

    if (fstat(fd, &st) == 0 && (size_t)st.st_size == sizeof(*shared))
        shared = map(fd, PROT_READ);
    if (shared == NULL)
        return NULL;
    if (shared->magic == CREDENTIALS_MAGIC && shared->size == sizeof(*shared))
        return handle(fd, shared, true);
    munmap(shared, sizeof(*shared));
    return NULL;
}

void tg_credential_map_end(struct tg_credential_map *c)
{
    if (c == NULL)
        return;
    CHECK(c->magic == CREDENTIALS_MAGIC);
    munmap(c->shared, sizeof(*c->shared));
    if (c->marks != NULL)
        munmap(c->marks, sizeof(*c->marks));
    close(c->fd);
    for (unsigned i = 0; i < 2; i++)
        if (c->bell[i] >= 0)
            close(c->bell[i]);
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

/* What tells one source from another: hex SHA-256 of all it is configured as. */
static void source_identity(const struct tg_source_conf *source, char out[TG_SHA256_HEX + 1])
{
    const struct tg_str parts[] = {source->path, source->section, source->base, source->idp};
    unsigned char digest[TG_SHA256];
    struct tg_buf text = {0};

    tg_buf_printf(&text, "%d", (int)source->kind);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        tg_buf_printf(&text, "\n%zu %.*s", parts[i].n, TG_STR_ARG(parts[i]));
    tg_sha256(tg_buf_str(&text), digest);
    tg_hex(digest, TG_SHA256, out);
    out[TG_SHA256_HEX] = '\0';
    tg_buf_end(&text);
}

/* The number of a name that has one, else -1. */
static int find(const struct tg_credential_map *c, struct tg_str name)
{
    int n = tg_credential_map_count(c);

    for (int i = 0; i < n; i++)
        if (tg_str_eq(tg_str_of(c->shared->entry[i].name), name))
            return i;
    return -1;
}

int tg_credential_map_number(struct tg_credential_map *c, struct tg_str name,
                             const struct tg_source_conf *source)
{
    int n = tg_credential_map_count(c);
    int known = find(c, name);

    if (known >= 0)
        return known;
    if (n == TG_CREDENTIALS || name.n >= TG_CREDENTIAL_NAME)
        return -1;
    CHECK(!c->read_only);
    memcpy(c->shared->entry[n].name, name.p, name.n);
    source_identity(source, c->shared->entry[n].source);
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

static bool same_key(const struct tg_credential *a, const struct tg_credential *b)
{
    return strcmp(a->access_key, b->access_key) == 0 && strcmp(a->secret, b->secret) == 0 &&
           strcmp(a->token, b->token) == 0;
}

void tg_credential_map_publish(struct tg_credential_map *c, int number,
                               const struct tg_credential *key, int64_t now)
{
    struct version *v = begin_change(c, number);
    uint32_t serial = v->key.serial + !same_key(&v->key, key);

    v->key = *key;
    v->key.serial = serial;
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

void tg_credential_map_turned(struct tg_credential_map *c, uint64_t now)
{
    CHECK(!c->read_only);
    atomic_store_explicit(&c->shared->beat, now, memory_order_relaxed);
}

uint64_t tg_credential_map_heartbeat(const struct tg_credential_map *c)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    return atomic_load_explicit(&c->shared->beat, memory_order_relaxed);
}

/* --- marks --- */

struct tg_key_use *tg_credential_map_use(const struct tg_credential_map *c, int number)
{
    (void)entry_of(c, number);
    return &c->marks->use[number];
}

void tg_credential_map_set_clock(const struct tg_credential_map *c, int64_t ahead)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    atomic_store_explicit(&c->marks->clock_ahead, ahead, memory_order_relaxed);
    atomic_store_explicit(&c->marks->clock_seen, true, memory_order_release);
}

bool tg_credential_map_clock(const struct tg_credential_map *c, int64_t *ahead)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    if (!atomic_load_explicit(&c->marks->clock_seen, memory_order_acquire))
        return false;
    *ahead = atomic_load_explicit(&c->marks->clock_ahead, memory_order_relaxed);
    return true;
}

/* --- the bell --- */

int tg_credential_map_bell(const struct tg_credential_map *c)
{
    CHECK(c->magic == CREDENTIALS_MAGIC);
    return c->bell[0];
}

int tg_credential_map_asked(const struct tg_credential_map *c)
{
    unsigned char number;

    while (read(c->bell[0], &number, 1) == 1)
        if (number < tg_credential_map_count(c))
            return number;
    return -1;
}

/* A pipe that is full asks for enough already. */
void tg_credential_map_ask(const struct tg_credential_map *c, int number)
{
    unsigned char byte = (unsigned char)number;

    (void)entry_of(c, number);
    (void)!write(c->bell[1], &byte, 1);
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

/* Two words of the version: no copy of the secrets is made. */
enum tg_credential_state tg_credential_map_state(const struct tg_credential_map *c, int number,
                                                 int64_t now)
{
    struct entry *e = entry_of(c, number);
    enum tg_credential_state state;
    unsigned before, after;

    do {
        before = atomic_load_explicit(&e->generation, memory_order_acquire);
        state = state_at(&e->version[before & 1], now);
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&e->generation, memory_order_relaxed);
    } while (after != before);
    return state;
}

uint32_t tg_credential_map_serial(const struct tg_credential_map *c, int number)
{
    struct entry *e = entry_of(c, number);
    unsigned before, after;
    uint32_t serial;

    do {
        before = atomic_load_explicit(&e->generation, memory_order_acquire);
        serial = e->version[before & 1].key.serial;
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&e->generation, memory_order_relaxed);
    } while (after != before);
    return serial;
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

/* --- from one map to the next --- */

static void adopt(struct tg_credential_map *c, int number, const struct version *before)
{
    struct version *v = begin_change(c, number);

    if (v->key.access_key[0] == '\0') {
        *v = *before;
    } else {
        v->key.serial = before->key.serial + !same_key(&v->key, &before->key);
        v->status.refreshes[0] += before->status.refreshes[0];
        v->status.refreshes[1] += before->status.refreshes[1];
    }
    end_change(c, number);
}

void tg_credential_map_adopt(struct tg_credential_map *c, const struct tg_credential_map *before)
{
    int n = tg_credential_map_count(c);
    struct version v;

    for (int i = 0; i < n; i++) {
        int old = find(before, tg_str_of(c->shared->entry[i].name));

        if (old < 0 || strcmp(before->shared->entry[old].source, c->shared->entry[i].source) != 0)
            continue;
        copy(before, old, &v);
        adopt(c, i, &v);
        tg_wipe(&v, sizeof(v));
        if (before->marks != NULL)
            memcpy(&c->marks->use[i], &before->marks->use[old], sizeof(c->marks->use[i]));
    }
}
