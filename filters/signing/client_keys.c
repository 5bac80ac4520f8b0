/* Loads the keys clients sign with. */
#include "signing/client_keys.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ACCESS_KEY_MOST = 128, PRINCIPAL_MOST = 128, PROJECT_MOST = 64 };

#define KEYS_MAGIC 0x6b657973U

struct use {
    _Atomic int64_t last;
    _Atomic int64_t locked_until;
    _Atomic uint64_t passed;
    _Atomic uint64_t failed;
};

struct tg_client_keys {
    uint32_t magic;
    struct tg_arena arena; /* all but the secrets */
    char *secrets;         /* locked memory, owned */
    size_t mapped;         /* bytes of it */
    size_t used;
    struct tg_client_key *key;
    struct use *use; /* of each key; shared with the processes that are made of this one */
    unsigned most;   /* keys there is room for */
    unsigned count;
    uint32_t *slot; /* of a hash table: number of a key + 1; 0: free */
    uint32_t mask;
};

/* What the directives of one key's block write into. */
struct block {
    struct tg_client_keys *keys;
    struct tg_client_key *key;
    bool proven; /* it has what it is recognized by */
};

/* --- the set --- */

/* The secrets of a file are not longer than the file. */
static struct tg_client_keys *make(size_t file_size, unsigned most)
{
    struct tg_client_keys *k = calloc(1, sizeof(*k));
    uint32_t slots = 16;

    CHECK(k != NULL);
    k->magic = KEYS_MAGIC;
    tg_arena_init(&k->arena);
    while (slots < 2 * most)
        slots *= 2;
    k->mask = slots - 1;
    k->slot = tg_arena_zalloc(&k->arena, slots, sizeof(*k->slot));
    k->key = tg_arena_zalloc(&k->arena, most, sizeof(*k->key));
    k->most = most;
    k->use = mmap(NULL, (most + 1) * sizeof(*k->use), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(k->use != MAP_FAILED);
    k->mapped = file_size + 1;
    void *p = mmap(NULL, k->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    k->secrets = p;
    (void)mlock(p, k->mapped); /* where the limit forbids it, the memory may be swapped */
    madvise(p, k->mapped, MADV_DONTDUMP);
    return k;
}

void tg_client_keys_end(struct tg_client_keys *k)
{
    if (k == NULL)
        return;
    CHECK(k->magic == KEYS_MAGIC);
    tg_wipe(k->secrets, k->mapped);
    munmap(k->secrets, k->mapped);
    munmap(k->use, (k->most + 1) * sizeof(*k->use));
    tg_arena_end(&k->arena);
    k->magic = 0;
    free(k);
}

void tg_client_keys_inherit(struct tg_client_keys *k, bool on)
{
    CHECK(k->magic == KEYS_MAGIC);
    CHECK(madvise(k->secrets, k->mapped, on ? MADV_DOFORK : MADV_DONTFORK) == 0);
}

static uint32_t *find_slot(const struct tg_client_keys *k, struct tg_str access_key)
{
    uint32_t at = tg_str_words_hash(tg_str_words(access_key), access_key.n) & k->mask;

    while (k->slot[at] != 0 && !tg_str_eq(k->key[k->slot[at] - 1].access_key, access_key))
        at = (at + 1) & k->mask;
    return &k->slot[at];
}

const struct tg_client_key *tg_client_keys_find(const struct tg_client_keys *k,
                                                struct tg_str access_key)
{
    CHECK(k->magic == KEYS_MAGIC);
    if (access_key.n == 0)
        return NULL;
    uint32_t number = *find_slot(k, access_key);
    return number != 0 ? &k->key[number - 1] : NULL;
}

unsigned tg_client_keys_count(const struct tg_client_keys *k)
{
    CHECK(k->magic == KEYS_MAGIC);
    return k->count;
}

const struct tg_client_key *tg_client_keys_at(const struct tg_client_keys *k, unsigned i)
{
    CHECK(k->magic == KEYS_MAGIC && i < k->count);
    return &k->key[i];
}

static struct use *use_of(const struct tg_client_keys *k, const struct tg_client_key *key)
{
    CHECK(k->magic == KEYS_MAGIC && key >= k->key && key < k->key + k->count);
    return &k->use[key - k->key];
}

void tg_client_key_passed(const struct tg_client_keys *k, const struct tg_client_key *key,
                          int64_t now)
{
    if (key == NULL)
        return;
    use_of(k, key)->passed++;
    use_of(k, key)->last = now;
}

void tg_client_key_failed(const struct tg_client_keys *k, const struct tg_client_key *key,
                          int64_t locked_until)
{
    if (key == NULL)
        return;
    use_of(k, key)->failed++;
    if (locked_until > 0)
        use_of(k, key)->locked_until = locked_until;
}

struct tg_client_key_use tg_client_key_use(const struct tg_client_keys *k,
                                           const struct tg_client_key *key)
{
    const struct use *use = use_of(k, key);

    return (struct tg_client_key_use){use->last, use->passed, use->failed, use->locked_until};
}

bool tg_client_key_allows(const struct tg_client_key *key, struct tg_str project_id)
{
    for (unsigned i = 0; i < key->nprojects; i++)
        if (tg_str_eq(key->projects[i], project_id))
            return true;
    return false;
}

static bool is_access_key(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!tg_char_is(s.p[i], TG_CHAR_NAME) || s.p[i] == '-' || s.p[i] == '_')
            return false;
    return s.n > 0 && s.n <= ACCESS_KEY_MOST;
}

bool tg_client_key_holds(const struct tg_client_key *key, int64_t now)
{
    return !key->disabled && (key->not_after == 0 || now < key->not_after);
}

struct tg_str tg_local_key_id(struct tg_str text)
{
    struct tg_str rest = tg_str_skip(text, sizeof(TG_LOCAL_KEY) - 1);
    const char *end;

    if (!tg_str_starts(text, TG_STR(TG_LOCAL_KEY)) || rest.n == 0)
        return TG_STR("");
    end = memchr(rest.p, '_', rest.n);
    rest.n = end != NULL ? (size_t)(end - rest.p) : 0;
    return is_access_key(rest) ? rest : TG_STR("");
}

const struct tg_client_key *tg_local_key_find(const struct tg_client_keys *k, struct tg_str text,
                                              int64_t now)
{
    static const struct tg_client_key nobody;
    const struct tg_client_key *key = tg_client_keys_find(k, tg_local_key_id(text));
    bool there = key != NULL && key->secret.n == 0 && tg_client_key_holds(key, now);
    unsigned char digest[TG_SHA256];

    tg_sha256(text, digest);
    bool equal =
        tg_equal_secret((struct tg_str){(const char *)digest, TG_SHA256},
                        (struct tg_str){(const char *)(there ? key : &nobody)->digest, TG_SHA256});
    return equal && there ? key : NULL;
}

/* --- a key's block --- */

static bool set_secret(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct block *b = target;
    struct tg_str secret = item->args[1];

    (void)d;
    if (secret.n < TG_CLIENT_SECRET_LEAST || secret.n > TG_CLIENT_SECRET_MOST) {
        tg_conf_error(c, item, "\"secret\" takes %d to %d bytes, got %zu", TG_CLIENT_SECRET_LEAST,
                      TG_CLIENT_SECRET_MOST, secret.n);
        return false;
    }
    char *at = b->keys->secrets + b->keys->used;
    CHECK(b->keys->used + secret.n <= b->keys->mapped);
    memcpy(at, secret.p, secret.n);
    b->keys->used += secret.n;
    b->key->secret = (struct tg_str){at, secret.n};
    b->proven = true;
    return true;
}

static bool set_digest(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct block *b = target;

    (void)d;
    if (item->args[1].n != TG_SHA256_HEX || !tg_unhex(item->args[1], b->key->digest)) {
        tg_conf_error(c, item, "\"sha256\" takes the %d hex digits of a digest", TG_SHA256_HEX);
        return false;
    }
    b->proven = true;
    return true;
}

/* Names go into records, answers and policies as they are. */
static bool set_principal(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    struct block *b = target;
    struct tg_str name = item->args[1];

    (void)d;
    if (name.n == 0 || name.n > PRINCIPAL_MOST || !tg_chars_are(name, TG_CHAR_ID)) {
        tg_conf_error(c, item,
                      "\"principal\" takes a name of 1 to %d letters, digits and \"-._\", got "
                      "\"%s\"",
                      PRINCIPAL_MOST, name.p);
        return false;
    }
    b->key->principal = tg_arena_dup(&b->keys->arena, name);
    return true;
}

static bool set_projects(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    struct block *b = target;
    unsigned n = item->nargs - 1;
    struct tg_str *projects = tg_arena_alloc(&b->keys->arena, n * sizeof(*projects));

    (void)d;
    for (unsigned i = 0; i < n; i++) {
        struct tg_str id = item->args[i + 1];
        if (id.n == 0 || id.n > PROJECT_MOST || !tg_chars_are(id, TG_CHAR_NAME)) {
            tg_conf_error(c, item, "\"projects\" takes ids of projects, got \"%s\"", id.p);
            return false;
        }
        projects[i] = tg_arena_dup(&b->keys->arena, id);
    }
    b->key->projects = projects;
    b->key->nprojects = n;
    return true;
}

static bool set_not_after(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    struct block *b = target;
    int64_t seconds;

    (void)d;
    if (!tg_clock_day(item->args[1], &seconds)) {
        tg_conf_error(c, item, "\"not_after\" takes a day as YYYY-MM-DD, got \"%s\"",
                      item->args[1].p);
        return false;
    }
    b->key->not_after = seconds + 86400;
    return true;
}

static bool set_disabled(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    (void)c;
    (void)item;
    (void)d;
    ((struct block *)target)->key->disabled = true;
    return true;
}

const struct tg_directive tg_key_directives[] = {
    {.name = "secret",
     .contexts = TG_IN_KEY,
     .kind = TG_CONF_CUSTOM,
     .secret = true,
     .set = set_secret,
     .syntax = "SK",
     .help = "The secret key, 16 to 128 bytes."},
    {.name = "sha256",
     .contexts = TG_IN_LOCAL_KEY,
     .kind = TG_CONF_CUSTOM,
     .set = set_digest,
     .syntax = "HEX",
     .help = "The SHA-256 of the key as it is sent, `tglk_ID_SECRET`."},
    {.name = "principal",
     .contexts = TG_IN_KEY | TG_IN_LOCAL_KEY,
     .kind = TG_CONF_CUSTOM,
     .set = set_principal,
     .syntax = "NAME",
     .help = "Whose key this is, as records and policies have it."},
    {.name = "projects",
     .contexts = TG_IN_KEY | TG_IN_LOCAL_KEY,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CLIENT_KEY_PROJECTS,
     .set = set_projects,
     .syntax = "ID...",
     .help = "The projects the key may be used for."},
    {.name = "not_after",
     .contexts = TG_IN_KEY | TG_IN_LOCAL_KEY,
     .kind = TG_CONF_CUSTOM,
     .set = set_not_after,
     .syntax = "YYYY-MM-DD",
     .help = "The last day (UTC) the key holds."},
    {.name = "disabled",
     .contexts = TG_IN_KEY | TG_IN_LOCAL_KEY,
     .kind = TG_CONF_CUSTOM,
     .max_args = TG_CONF_NO_ARGS,
     .set = set_disabled,
     .syntax = "",
     .help = "The key is refused."},
    {.name = NULL},
};

/* --- the file --- */

static bool is_local(const struct tg_conf_item *item)
{
    return tg_str_eq(item->args[0], TG_STR("local_key"));
}

static bool check_key(struct tg_conf *c, const struct tg_conf_item *item, const struct block *b)
{
    const struct tg_client_key *key = b->key;

    if (!b->proven)
        tg_conf_error(c, item, "key \"%s\" has no \"%s\"", item->args[1].p,
                      is_local(item) ? "sha256" : "secret");
    else if (key->principal.n == 0)
        tg_conf_error(c, item, "key \"%s\" has no \"principal\"", item->args[1].p);
    else if (key->nprojects == 0)
        tg_conf_error(c, item, "key \"%s\" has no \"projects\"", item->args[1].p);
    else
        return true;
    return false;
}

static bool set_key(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_client_keys *k = target;
    struct block b = {k, &k->key[k->count], false};
    unsigned context = is_local(item) ? TG_IN_LOCAL_KEY : TG_IN_KEY;
    const struct tg_conf_table table = {tg_key_directives, &b};

    (void)d;
    if (!is_access_key(item->args[1])) {
        tg_conf_error(c, item, "\"%s\" takes a name of 1 to %d letters and digits, got \"%s\"",
                      item->args[0].p, ACCESS_KEY_MOST, item->args[1].p);
        return false;
    }
    if (tg_client_keys_find(k, item->args[1]) != NULL) {
        tg_conf_error(c, item, "key \"%s\" stands twice, it is there again", item->args[1].p);
        return false;
    }
    b.key->access_key = tg_arena_dup(&k->arena, item->args[1]);
    *find_slot(k, b.key->access_key) = ++k->count;
    return tg_conf_apply(c, context, item->children, &table, 1) && check_key(c, item, &b);
}

const struct tg_directive tg_key_file_directives[] = {
    {.name = "key",
     .contexts = TG_IN_KEY_FILE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = set_key,
     .syntax = "AK { ... }",
     .help = "A key clients sign with."},
    {.name = "local_key",
     .contexts = TG_IN_KEY_FILE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = set_key,
     .syntax = "ID { ... }",
     .help = "A key clients send as it is, to this gateway alone (`callers key`)."},
    {.name = NULL},
};

static unsigned count_items(const struct tg_conf_item *first)
{
    unsigned n = 0;

    for (; first != NULL; first = first->next)
        n++;
    return n;
}

/* Copies the problems of the file's own load, whose arena goes. */
static void take_problems(struct tg_conf *c, const struct tg_conf *inner)
{
    for (const struct tg_conf_problem *p = inner->problems; p != NULL; p = p->next)
        if (p->level == TG_CONF_EMERG)
            tg_conf_error(c, NULL, "%s", p->text);
        else
            tg_conf_warn(c, NULL, "%s", p->text);
}

static struct tg_client_keys *apply(struct tg_conf *inner, const char *path, struct tg_str text)
{
    const struct tg_conf_item *first = tg_conf_parse_text(inner, path, text);
    unsigned n = count_items(first);

    if (inner->errors > 0)
        return NULL;
    if (n > TG_CLIENT_KEYS_MOST) {
        tg_conf_error(inner, first, "there are more than %d keys", TG_CLIENT_KEYS_MOST);
        return NULL;
    }
    struct tg_client_keys *k = make(text.n, n);
    const struct tg_conf_table table = {tg_key_file_directives, k};
    if (tg_conf_apply(inner, TG_IN_KEY_FILE, first, &table, 1))
        return k;
    tg_client_keys_end(k);
    return NULL;
}

struct tg_client_keys *tg_client_keys_read(struct tg_conf *c, const char *name, struct tg_str text)
{
    struct tg_client_keys *k;
    struct tg_arena arena;
    struct tg_conf inner;

    tg_arena_init(&arena);
    tg_conf_init(&inner, &arena, c->prefix);
    k = apply(&inner, name, text);
    take_problems(c, &inner);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return k;
}

struct tg_client_keys *tg_client_keys_load(struct tg_conf *c, const struct tg_conf_item *item,
                                           const char *path)
{
    struct tg_client_keys *k = NULL;
    struct tg_arena arena;
    struct tg_file file;
    const char *why;

    tg_arena_init(&arena);
    why = tg_file_read_private(&arena, path, &file);
    if (why != NULL)
        tg_conf_error(c, item, "\"%s\" %s: %s", item->args[0].p, path, why);
    else
        k = tg_client_keys_read(c, path, file.text);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return k;
}
