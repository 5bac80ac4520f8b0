/* Signed sets of policies. */
#include "policy/bundle.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"

/* --- who signed --- */

static bool lies_in(struct tg_str path, struct tg_str folder)
{
    return tg_str_starts(path, folder);
}

/* True when the key in a file has made the signature. Records what is wrong with the file. */
static bool key_holds(struct tg_conf *c, const struct tg_conf_item *signers, struct tg_str path,
                      struct tg_policy_bundle *b, struct tg_str text, struct tg_str signature)
{
    struct tg_ed25519 *key = NULL;
    struct tg_file file;
    const char *why = tg_file_read(c->arena, path.p, &file);
    bool holds;

    if (why == NULL && lies_in(path, b->folder))
        why = "it lies in the folder that it shall guard";
    if (why == NULL)
        key = tg_ed25519_public(file.text, &why);
    if (why != NULL) {
        tg_conf_error(c, signers, "\"policies_signed_by\" cannot use \"%s\": %s", path.p, why);
        return false;
    }
    holds = tg_ed25519_holds(key, text, signature);
    if (holds)
        tg_ed25519_id(key, b->signed_by);
    tg_ed25519_end(key);
    return holds;
}

/* Which of the keys made the signature; all of them are read, so that a bad one is told at once. */
static bool find_signer(struct tg_conf *c, const struct tg_conf_item *signers,
                        struct tg_policy_bundle *b, struct tg_str text, struct tg_str signature)
{
    unsigned errors = c->errors;
    bool holds = false;

    for (unsigned i = 1; i < signers->nargs; i++)
        if (tg_str_eq(signers->args[i], TG_STR(TG_BUNDLE_MAY_FALL)))
            b->may_fall = true;
        else
            holds |= key_holds(c, signers, tg_conf_path(c, signers->args[i]), b, text, signature);
    if (c->errors > errors)
        return false;
    if (!holds)
        tg_conf_error(c, b->at,
                      "\"%s.sig\" is no signature of \"%s\" by a key of "
                      "\"policies_signed_by\": nothing of its folder is loaded",
                      b->list.p, b->list.p);
    return holds;
}

/* --- the list --- */

static bool read_beside(struct tg_conf *c, const struct tg_policy_bundle *b, const char *path,
                        struct tg_file *out)
{
    const char *why;

    if (c->on_read != NULL)
        c->on_read(c->reader, path);
    why = tg_file_read(c->arena, path, out);
    if (why != NULL)
        tg_conf_error(c, b->at, "\"policies_signed_by\" needs \"%s\": %s", path, why);
    return why == NULL;
}

static void warn_of_end(struct tg_conf *c, const struct tg_policy_bundle *b)
{
    int64_t left = b->manifest.expires_at - tg_clock_wall_now() / 1000000;

    if (left <= TG_BUNDLE_SOON_S)
        tg_conf_warn(c, b->at, "the signed policies of \"%s\" %s %s", b->list.p,
                     left <= 0 ? "expired on" : "expire on", b->manifest.expires.p);
}

static bool read_list(struct tg_conf *c, const struct tg_conf_item *signers,
                      struct tg_policy_bundle *b)
{
    struct tg_file list, signature;
    unsigned char digest[TG_SHA256];
    unsigned line;
    const char *why;

    if (!read_beside(c, b, b->list.p, &list) ||
        !read_beside(c, b, tg_arena_printf(c->arena, "%s.sig", b->list.p).p, &signature) ||
        !find_signer(c, signers, b, list.text, signature.text))
        return false;
    why = tg_manifest_read(c->arena, list.text, &b->manifest, &line);
    if (why != NULL) {
        tg_conf_error(c, &(struct tg_conf_item){.file = b->list.p, .line = line}, "this line %s",
                      why);
        return false;
    }
    tg_sha256(list.text, digest);
    tg_hex(digest, sizeof(digest), b->digest);
    return true;
}

struct tg_policy_bundle *tg_policy_bundle_open(struct tg_conf *c, const struct tg_conf_item *at,
                                               const struct tg_conf_item *signers, const char *file)
{
    struct tg_policy_bundle *b = tg_arena_zalloc(c->arena, 1, sizeof(*b));
    const char *slash = strrchr(file, '/');

    b->at = at;
    b->folder = slash == NULL
                    ? TG_STR("./")
                    : tg_arena_dup(c->arena, (struct tg_str){file, (size_t)(slash - file) + 1});
    b->list = tg_arena_printf(c->arena, "%s" TG_MANIFEST, b->folder.p);
    if (!read_list(c, signers, b))
        return NULL;
    warn_of_end(c, b);
    return b;
}

/* --- its files --- */

static bool has_bytes(const struct tg_manifest_file *file, struct tg_str text)
{
    unsigned char digest[TG_SHA256];

    tg_sha256(text, digest);
    return memcmp(digest, file->digest, sizeof(digest)) == 0;
}

bool tg_policy_bundle_allows(struct tg_conf *c, const struct tg_policy_bundle *b, const char *file,
                             struct tg_str text)
{
    struct tg_str path = tg_str_of(file);
    struct tg_manifest_file *listed = NULL;

    if (tg_str_starts(path, b->folder))
        listed = tg_manifest_find(&b->manifest, tg_str_skip(path, b->folder.n));
    if (listed == NULL) {
        tg_conf_error(c, b->at, "\"%s\" is not listed in the signed \"%s\"", file, b->list.p);
        return false;
    }
    listed->seen = true;
    if (has_bytes(listed, text))
        return true;
    tg_conf_error(c, b->at, "\"%s\" is not the file that was signed: \"%s\" has another SHA-256",
                  file, b->list.p);
    return false;
}

bool tg_policy_bundle_complete(struct tg_conf *c, const struct tg_policy_bundle *b)
{
    unsigned errors = c->errors;

    for (unsigned i = 0; i < b->manifest.n; i++) {
        struct tg_file file;
        const char *path, *why;

        if (b->manifest.files[i].seen)
            continue;
        path = tg_arena_printf(c->arena, "%s%s", b->folder.p, b->manifest.files[i].name.p).p;
        why = tg_file_read(c->arena, path, &file);
        if (why != NULL)
            tg_conf_error(c, b->at, "\"%s\" lists \"%s\", which cannot be read: %s", b->list.p,
                          path, why);
        else
            (void)tg_policy_bundle_allows(c, b, path, file.text);
    }
    return c->errors == errors;
}

/* --- one after the other --- */

const char *tg_policy_bundle_refused(struct tg_arena *arena, const struct tg_policy_bundle *b,
                                     const struct tg_policy_bundle *before, int64_t now)
{
    const struct tg_manifest *m = &b->manifest;

    if (before != NULL && strcmp(b->digest, before->digest) == 0)
        return NULL;
    if (now >= m->expires_at)
        return tg_arena_printf(arena, "\"%s\" is new, revision %lu, and expired on %s", b->list.p,
                               m->revision, m->expires.p)
            .p;
    if (before != NULL && m->revision < before->manifest.revision && !b->may_fall)
        return tg_arena_printf(arena,
                               "\"%s\" has revision %lu, lower than %lu, which is in force: say "
                               "\"" TG_BUNDLE_MAY_FALL "\" where that is meant",
                               b->list.p, m->revision, before->manifest.revision)
            .p;
    return NULL;
}
