/* Key files as text: what a person wrote into them stays. */
#include "cli/key.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_RANDOM = 16, SECRET_RANDOM = 40 };

/* --- drawing --- */

/* Each character is as likely as any other: bytes beyond the last whole round are drawn again. */
static void draw(char *out, size_t n, struct tg_str from)
{
    unsigned char byte;

    while (n > 0) {
        tg_random(&byte, 1);
        if (byte < 256 - 256 % from.n) {
            *out++ = from.p[byte % from.n];
            n--;
        }
    }
    *out = '\0';
}

void tg_key_draw(struct tg_new_key *key)
{
    const struct tg_str capitals = TG_STR("ABCDEFGHJKLMNPQRSTUVWXYZ23456789");
    const struct tg_str letters =
        TG_STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    size_t n = 4;

    memcpy(key->name, "TGLK", n);
    draw(key->name + n, NAME_RANDOM, capitals);
    n = 0;
    if (key->local)
        n = (size_t)snprintf(key->secret, sizeof(key->secret), TG_LOCAL_KEY "%s_", key->name);
    CHECK(n + SECRET_RANDOM < sizeof(key->secret));
    draw(key->secret + n, SECRET_RANDOM, letters);
}

/* --- loading --- */

static void key_file_print_problems(const struct tg_conf *c)
{
    for (const struct tg_conf_problem *p = c->problems; p != NULL; p = p->next)
        tg_complain("trainguard key: %s", p->text);
}

struct tg_client_keys *tg_key_file_load(const char *path)
{
    const struct tg_str name = TG_STR("key");
    const struct tg_conf_item item = {.args = &name, .nargs = 1, .file = path};
    struct tg_client_keys *keys;
    struct tg_arena arena;
    struct tg_conf c;

    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "./");
    keys = tg_client_keys_load(&c, &item, path);
    key_file_print_problems(&c);
    tg_arena_end(&arena);
    return keys;
}

/* --- changing --- */

/* A file that is being changed. */
struct change {
    const char *name;
    char *path; /* without links, owned */
    int fd;     /* of the file as it was, locked */
    struct tg_arena arena;
    struct tg_str old;
    struct tg_buf text;
};

static bool key_file_failed(const char *name, const char *why)
{
    tg_complain("trainguard key: %s: %s", name, why);
    return false;
}

/* The file may have been replaced while this one waited for its lock. */
static bool lock(struct change *c, int flags)
{
    struct stat locked, now;

    for (;;) {
        c->fd = open(c->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0600);
        if (c->fd < 0 || flock(c->fd, LOCK_EX) != 0 || fstat(c->fd, &locked) != 0)
            return false;
        if (stat(c->name, &now) == 0 && now.st_ino == locked.st_ino && now.st_dev == locked.st_dev)
            return true;
        close(c->fd);
    }
}

static bool key_file_begin(struct change *c, int flags)
{
    struct tg_file file;
    const char *why;

    if (!lock(c, flags))
        return key_file_failed(c->name, strerror(errno));
    c->path = realpath(c->name, NULL);
    if (c->path == NULL)
        return key_file_failed(c->name, strerror(errno));
    why = tg_file_read_private(&c->arena, c->path, &file);
    c->old = file.text;
    return why == NULL || key_file_failed(c->name, why);
}

/* The new text must load; `name` is in it. */
static bool key_file_finish(struct change *c, const char *name)
{
    const struct tg_client_key *key = NULL;
    struct tg_client_keys *keys;
    struct tg_conf conf;
    bool good;

    tg_conf_init(&conf, &c->arena, "./");
    keys = tg_client_keys_read(&conf, c->name, tg_buf_str(&c->text));
    key_file_print_problems(&conf);
    if (keys != NULL)
        key = tg_client_keys_find(keys, tg_str_of(name));
    good = key != NULL;
    tg_client_keys_end(keys);
    if (good && !tg_file_replace(c->path, tg_buf_str(&c->text)))
        return key_file_failed(c->name, strerror(errno));
    return good || key_file_failed(c->name, "it stays as it was");
}

static void key_file_end(struct change *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->path);
    tg_buf_wipe(&c->text);
    tg_buf_end(&c->text);
    tg_arena_wipe(&c->arena);
    tg_arena_end(&c->arena);
}

static void add_block(struct tg_buf *out, const struct tg_new_key *key)
{
    char hex[TG_SHA256_HEX];
    unsigned char digest[TG_SHA256];

    tg_buf_printf(out, "%s %s {\n", key->local ? "local_key" : "key", key->name);
    tg_sha256(tg_str_of(key->secret), digest);
    tg_hex(digest, TG_SHA256, hex);
    if (key->local)
        tg_buf_printf(out, "    sha256    %.*s;\n", TG_SHA256_HEX, hex);
    else
        tg_buf_printf(out, "    secret    %s;\n", key->secret);
    tg_buf_printf(out, "    principal %s;\n    projects ", key->principal);
    for (unsigned i = 0; i < key->nprojects; i++)
        tg_buf_printf(out, " %s", key->projects[i]);
    tg_buf_puts(out, ";\n");
    if (key->not_after != NULL)
        tg_buf_printf(out, "    not_after %s;\n", key->not_after);
    tg_buf_puts(out, "}\n");
}

bool tg_key_file_add(const char *path, const struct tg_new_key *key)
{
    struct change c = {.name = path, .fd = -1};
    bool done;

    tg_arena_init(&c.arena);
    done = key_file_begin(&c, O_CREAT);
    if (done) {
        tg_buf_add(&c.text, c.old);
        if (c.old.n > 0 && c.old.p[c.old.n - 1] != '\n')
            tg_buf_putc(&c.text, '\n');
        add_block(&c.text, key);
        done = key_file_finish(&c, key->name);
    }
    key_file_end(&c);
    return done;
}

/* The block of a key, or NULL. */
static const struct tg_conf_item *key_file_find(struct change *c, const char *name)
{
    const struct tg_conf_item *item;
    struct tg_conf conf;

    tg_conf_init(&conf, &c->arena, "./");
    item = tg_conf_parse_text(&conf, c->name, c->old);
    key_file_print_problems(&conf);
    while (item != NULL && (item->nargs != 2 || strcmp(item->args[1].p, name) != 0))
        item = item->next;
    return item;
}

static bool is_disabled(const struct tg_conf_item *block)
{
    for (const struct tg_conf_item *i = block->children; i != NULL; i = i->next)
        if (tg_str_eq(i->args[0], TG_STR("disabled")))
            return true;
    return false;
}

/* Where the text of a block begins: behind the brace that follows its name; 0: not found. */
static size_t inside(const struct change *c, const struct tg_conf_item *item, const char *name)
{
    const char *at = c->old.p;

    for (unsigned line = 1; line < item->line; line++)
        at = (const char *)memchr(at, '\n', (size_t)(c->old.p + c->old.n - at)) + 1;
    at = memmem(at, (size_t)(c->old.p + c->old.n - at), name, strlen(name));
    at = at != NULL ? memchr(at, '{', (size_t)(c->old.p + c->old.n - at)) : NULL;
    return at != NULL ? (size_t)(at + 1 - c->old.p) : 0;
}

static bool disable(struct change *c, const char *name)
{
    const struct tg_conf_item *block = key_file_find(c, name);
    size_t at;

    if (block == NULL)
        return key_file_failed(c->name, "there is no such key");
    if (is_disabled(block))
        return true;
    at = inside(c, block, name);
    if (at == 0)
        return key_file_failed(c->name, "its text is too odd to be changed by a program");
    tg_buf_add(&c->text, (struct tg_str){c->old.p, at});
    tg_buf_puts(&c->text, "\n    disabled;");
    tg_buf_add(&c->text, tg_str_skip(c->old, at));
    return key_file_finish(c, name);
}

bool tg_key_file_disable(const char *path, const char *name)
{
    struct change c = {.name = path, .fd = -1};
    bool done;

    tg_arena_init(&c.arena);
    done = key_file_begin(&c, 0) && disable(&c, name);
    key_file_end(&c);
    return done;
}
