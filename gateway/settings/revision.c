/* The revision of a configuration: a digest of its files and of all files it and its policies name.
 */
#include "settings/settings.h"

#include "audit/conf.h"
#include "base/file.h"
#include "policy/manifest.h"

#include <glob.h>
#include <sys/stat.h>

struct digest {
    unsigned char bytes[TG_SHA256];    /* of words and files */
    unsigned char identity[TG_SHA256]; /* of which files they are */
    void (*on_name)(void *owner, const char *name);
    void *owner;
};

static void revision_add(unsigned char digest[TG_SHA256], struct tg_str text)
{
    unsigned char part[TG_SHA256];

    tg_sha256(text, part);
    tg_hash_sha256((struct tg_str[]){{(char *)digest, TG_SHA256}, {(char *)part, sizeof(part)}}, 2,
                   digest);
}

static void revision_add_text(struct digest *d, struct tg_str text)
{
    revision_add(d->bytes, text);
}

/* What tells one version of a file from another without its bytes. */
static struct tg_str identity_of(struct tg_arena *arena, const struct stat *st)
{
    return tg_arena_printf(arena, "%lu %lu %ld %ld.%09ld %ld.%09ld", (long)st->st_dev,
                           (long)st->st_ino, (long)st->st_size, (long)st->st_mtim.tv_sec,
                           st->st_mtim.tv_nsec, (long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* A name that is about to be read, or to be looked for. */
static void revision_note(void *reader, const char *name)
{
    struct digest *d = reader;
    struct tg_arena arena;
    struct stat st;

    if (d->on_name != NULL)
        d->on_name(d->owner, name);
    if (stat(name, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    tg_arena_init(&arena);
    revision_add(d->identity, identity_of(&arena, &st));
    tg_arena_end(&arena);
}

/* A file that is too large to be read whole counts by what tells one version from another. */
static void add_file(struct digest *d, const char *name)
{
    struct tg_file file = {.text = {NULL, 0}};
    struct tg_arena arena;
    struct stat st;

    revision_note(d, name);
    if (stat(name, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    tg_arena_init(&arena);
    if (tg_file_read(&arena, name, &file) == NULL)
        revision_add_text(d, file.text);
    else
        revision_add_text(d, identity_of(&arena, &st));
    tg_arena_wipe(&arena); /* it may have been a key's */
    tg_arena_end(&arena);
}

/* An argument may name files, whatever its directive takes: a word that does not costs a look. */
static void add_files(struct digest *d, struct tg_conf *c, struct tg_str argument)
{
    glob_t found;

    if (argument.n == 0)
        return;
    revision_note(d, tg_conf_path(c, argument).p);
    if (glob(tg_conf_path(c, argument).p, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add_file(d, found.gl_pathv[i]);
    globfree(&found);
}

/* Logs are written to all the time, and read by nobody here; the keeper reads the source of a
 * credential whenever that changes; the pattern of a location is a path of HTTP. */
static bool names_inputs(const struct tg_conf_item *item)
{
    static const char *const others[] = {"audit_log", "error_log", "pid", "source", "location"};

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (tg_str_eq(item->args[0], tg_str_of(others[i])))
            return false;
    return true;
}

/* The folder of a file with its "/"; names inside a policy file start there. */
static const char *folder_of(struct tg_arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t n = slash != NULL ? (size_t)(slash - file) + 1 : 0;

    return n == 0 ? "./" : tg_arena_dup(arena, (struct tg_str){file, n}).p;
}

/* What a file of policies names and includes: tables. */
static void add_inner(struct digest *d, struct tg_conf *c, const struct tg_conf_item *item)
{
    for (; item != NULL; item = item->next) {
        struct tg_conf beside = *c;

        beside.prefix = folder_of(c->arena, item->file);
        for (unsigned i = 0; i < item->nargs; i++) {
            revision_add_text(d, item->args[i]);
            if (i > 0)
                add_files(d, &beside, item->args[i]);
        }
        add_inner(d, c, item->children);
    }
}

/* What says that policies are signed. */
static void revision_add_list(struct digest *d, struct tg_arena *arena, const char *pattern)
{
    const char *folder = folder_of(arena, pattern);

    add_file(d, tg_arena_printf(arena, "%s" TG_MANIFEST, folder).p);
    add_file(d, tg_arena_printf(arena, "%s" TG_MANIFEST_SIGNATURE, folder).p);
}

/* Policies are files of the same grammar, whose texts count as any file's does; their tests are not
 * loaded. */
static void add_policies(struct digest *d, struct tg_conf *c, struct tg_str pattern)
{
    glob_t found;

    revision_add_list(d, c->arena, tg_conf_path(c, pattern).p);
    if (glob(tg_conf_path(c, pattern).p, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct tg_str file = tg_arena_dup(c->arena, tg_str_of(found.gl_pathv[i]));

        if (!tg_str_ends(file, TG_STR(".test.conf")))
            add_inner(d, c, tg_conf_parse(c, file.p));
    }
    globfree(&found);
}

static void add_items(struct digest *d, struct tg_conf *c, const struct tg_conf_item *item)
{
    for (; item != NULL; item = item->next) {
        for (unsigned i = 0; i < item->nargs; i++) {
            revision_add_text(d, item->args[i]);
            if (i > 0 && names_inputs(item))
                add_files(d, c, item->args[i]);
            if (i > 0 && tg_str_eq(item->args[0], TG_STR("policies")))
                add_policies(d, c, item->args[i]);
        }
        revision_add_text(d, item->block ? TG_STR("{") : TG_STR(";"));
        add_items(d, c, item->children);
    }
    revision_add_text(d, TG_STR("}"));
}

/* Reads texts alone: nothing in them is run, or understood. */
void tg_settings_state(const char *file, const char *prefix,
                       void (*on_name)(void *owner, const char *name), void *owner,
                       struct tg_settings_state *out)
{
    const struct tg_conf_item *item;
    struct digest d = {.on_name = on_name, .owner = owner};
    struct tg_arena arena;
    struct tg_conf c;

    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, prefix);
    c.environment = true;
    c.on_read = revision_note;
    c.reader = &d;
    item = tg_conf_parse(&c, file);
    c.environment = false; /* policies are read after it */
    add_items(&d, &c, item);
    if (c.errors > 0) /* there are words that nobody could tell */
        revision_add_text(&d, (struct tg_str){(char *)d.identity, sizeof(d.identity)});
    tg_arena_wipe(&arena); /* the environment may have held secrets */
    tg_arena_end(&arena);
    *out = (struct tg_settings_state){.revision = ""};
    tg_hex(d.bytes, sizeof(d.bytes), out->revision);
    tg_hex(d.identity, sizeof(d.identity), out->identity);
}

void tg_settings_revision(const char *file, const char *prefix, char out[TG_SHA256_HEX + 1])
{
    struct tg_settings_state state;

    tg_settings_state(file, prefix, NULL, NULL, &state);
    memcpy(out, state.revision, sizeof(state.revision));
}

/* --- what was loaded beside it --- */

static bool is_among(struct tg_str text, const struct tg_str *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (tg_str_eq(list[i], text))
            return true;
    return false;
}

static unsigned count_filters(const struct tg_settings *s)
{
    unsigned n = 0;

    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            n += l->filters.n;
    return n;
}

/* Adds those of a location that are not there yet; returns how many there are now. */
static unsigned add_location(const struct tg_location *l, struct tg_str *list, unsigned n)
{
    for (unsigned i = 0; i < l->filters.n; i++) {
        struct tg_str revision = {NULL, 0};

        if (l->filters.at[i]->on_revision != NULL)
            revision = l->filters.at[i]->on_revision(l->filters.conf[i]);
        if (revision.n > 0 && !is_among(revision, list, n))
            list[n++] = revision;
    }
    return n;
}

struct tg_str *tg_settings_loaded(const struct tg_settings *s, struct tg_arena *arena, unsigned *n)
{
    struct tg_str *list = tg_arena_zalloc(arena, count_filters(s) + 1, sizeof(*list));

    *n = 0;
    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next)
            *n = add_location(l, list, *n);
    return list;
}

static void shorten(struct tg_str revision, char out[TG_SHORT_REVISION + 1])
{
    size_t n = revision.n < TG_SHORT_REVISION ? revision.n : TG_SHORT_REVISION;

    if (n > 0)
        memcpy(out, revision.p, n);
    out[n] = '\0';
}

void tg_settings_short_revisions(const struct tg_settings *s, char config[TG_SHORT_REVISION + 1],
                                 char policies[TG_SHORT_REVISION + 1])
{
    const struct tg_audit_conf *a = s->audit_conf;
    unsigned char digest[TG_SHA256];
    char hex[TG_SHA256_HEX + 1];
    struct tg_buf all = {0};

    shorten(a->revision, config);
    for (unsigned i = 0; i < a->nloaded; i++)
        tg_buf_add(&all, a->loaded[i]);
    tg_sha256(tg_buf_str(&all), digest);
    tg_hex(digest, sizeof(digest), hex);
    shorten(a->nloaded > 1 ? tg_str_of(hex) : tg_buf_str(&all), policies);
    tg_buf_end(&all);
}
