/* `trainguard policy`: signs a folder of policies, and says whether a signature holds. */
#include "base/check.h"
#include "base/clock.h"
#include "base/ed25519.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "policy/bundle.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void policy_usage(void)
{
    fputs(
        "Usage: trainguard policy sign --key FILE --expires DAY [--revision N] FOLDER\n"
        "       trainguard policy verify --key FILE... FOLDER\n\n"
        "Signed sets of policies, see the directive policies_signed_by. `sign` writes "
        "FOLDER/" TG_MANIFEST ",\n"
        "which lists all files in FOLDER but tests (*.test.conf) and those whose name begins with\n"
        "a dot, and FOLDER/" TG_MANIFEST_SIGNATURE
        ". `verify` checks both, and that nothing else is there.\n\n"
        "  --key FILE      sign: the private key, verify: a public one; verify takes several\n"
        "  --expires DAY   the last day the set is new, YYYY-MM-DD; it goes on judging after it\n"
        "  --revision N    its number; without it one more than that of the list before\n"
        "  -h, --help      print this and exit\n\n"
        "Keys are of Ed25519, and OpenSSL's:\n"
        "  openssl genpkey -algorithm ed25519 -out policies.key\n"
        "  openssl pkey -in policies.key -pubout -out policies.pub\n"
        "What `sign` signs can be signed elsewhere, too, where the key does not leave a machine:\n"
        "  openssl pkeyutl -sign -rawin -inkey policies.key -in " TG_MANIFEST
        " -out " TG_MANIFEST_SIGNATURE "\n\n"
        "Exit status: 0 done, 1 the signature does not hold or a file could not be read or\n"
        "written, 2 wrong usage.\n",
        stdout);
}

struct policy_options {
    const char *keys[TG_BUNDLE_KEYS];
    unsigned nkeys;
    const char *expires;
    uint64_t revision; /* 0: not said */
    const char *folder;
    bool help;
};

/* --- the files of a folder --- */

static bool is_listed(struct tg_str name)
{
    return !tg_str_eq(name, TG_STR(TG_MANIFEST)) &&
           !tg_str_eq(name, TG_STR(TG_MANIFEST_SIGNATURE)) &&
           !tg_str_ends(name, TG_STR(".test.conf"));
}

static int policy_by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Adds a file to the list; false when it cannot stand there. */
static bool policy_add(struct tg_arena *arena, const char *path, struct tg_str name,
                       struct tg_manifest *out)
{
    struct tg_manifest_file *more;
    struct tg_file file;
    const char *why = tg_manifest_name(name) ? tg_file_read(arena, path, &file)
                                             : "its name cannot stand in a list";

    if (why != NULL) {
        tg_complain("trainguard policy: %s: %s", path, why);
        return false;
    }
    more = tg_arena_zalloc(arena, out->n + 1, sizeof(*more));
    if (out->n > 0)
        memcpy(more, out->files, out->n * sizeof(*more));
    out->files = more;
    more[out->n].name = tg_arena_dup(arena, name);
    tg_sha256(file.text, more[out->n++].digest);
    return true;
}

/* All files that belong on the list, also behind links, as a mounted folder has them. */
static bool policy_collect(struct tg_arena *arena, const char *folder, struct tg_manifest *out)
{
    char *roots[] = {strdup(folder), NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, policy_by_name);
    size_t skip = strlen(folder) + 1;
    bool good = walk != NULL;
    FTSENT *e;

    CHECK(roots[0] != NULL);
    while (good && (e = fts_read(walk)) != NULL) {
        if (e->fts_level > 0 && e->fts_name[0] == '.') {
            fts_set(walk, e, FTS_SKIP);
        } else if (e->fts_info == FTS_F && is_listed(tg_str_of(e->fts_path + skip))) {
            good = policy_add(arena, e->fts_path, tg_str_of(e->fts_path + skip), out);
        } else if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS ||
                   e->fts_info == FTS_SLNONE) {
            tg_complain("trainguard policy: %s: %s", e->fts_path,
                        strerror(e->fts_errno != 0 ? e->fts_errno : ENOENT));
            good = false;
        }
    }
    if (walk != NULL)
        fts_close(walk);
    free(roots[0]);
    return good;
}

/* --- sign --- */

/* The revision of the list that is there; 0 without one. False when that cannot be read. */
static bool last_revision(struct tg_arena *arena, const char *path, uint64_t *out)
{
    struct tg_manifest before;
    struct tg_file file;
    unsigned line;
    const char *why;

    *out = 0;
    if (access(path, F_OK) != 0)
        return true;
    why = tg_file_read(arena, path, &file);
    if (why == NULL && tg_manifest_read(arena, file.text, &before, &line) != NULL)
        why = "is no list of signed policies: say --revision";
    if (why == NULL)
        *out = before.revision;
    else
        tg_complain("trainguard policy: %s: %s", path, why);
    return why == NULL;
}

/* A new file is for all to read: there is no secret in it. */
static bool policy_write_file(const char *path, struct tg_str text)
{
    bool fresh = access(path, F_OK) != 0;

    if (tg_file_replace(path, text) && (!fresh || chmod(path, 0644) == 0))
        return true;
    tg_complain("trainguard policy: %s: %s", path, strerror(errno));
    return false;
}

static bool sign_list(struct tg_arena *arena, const struct policy_options *o,
                      const struct tg_manifest *m, const char *path)
{
    unsigned char signature[TG_ED25519_SIGNATURE];
    char id[TG_ED25519_ID + 1];
    struct tg_ed25519 *key = NULL;
    struct tg_buf text = {0};
    struct tg_file file;
    const char *why = tg_file_read(arena, o->keys[0], &file);
    bool done = false;

    if (why == NULL)
        key = tg_ed25519_private(file.text, &why);
    if (why != NULL) {
        tg_complain("trainguard policy: %s: %s", o->keys[0], why);
        return false;
    }
    tg_manifest_write(m, &text);
    tg_ed25519_sign(key, tg_buf_str(&text), signature);
    tg_ed25519_id(key, id);
    tg_ed25519_end(key);
    done = policy_write_file(path, tg_buf_str(&text)) &&
           policy_write_file(tg_arena_printf(arena, "%s.sig", path).p,
                             (struct tg_str){(char *)signature, sizeof(signature)});
    tg_buf_end(&text);
    if (done)
        printf("revision %lu, expires %s, %u files, signed by %s\n", m->revision, m->expires.p,
               m->n, id);
    return done;
}

static bool sign(struct tg_arena *arena, const struct policy_options *o)
{
    struct tg_manifest m = {.revision = o->revision, .expires = tg_str_of(o->expires)};
    char *folder = realpath(o->folder, NULL);
    uint64_t before = 0;
    const char *path;

    if (folder == NULL) {
        tg_complain("trainguard policy: %s: %s", o->folder, strerror(errno));
        return false;
    }
    path = tg_arena_printf(arena, "%s/" TG_MANIFEST, folder).p;
    free(folder);
    if (m.revision == 0 && !last_revision(arena, path, &before))
        return false;
    if (m.revision == 0)
        m.revision = before + 1;
    return policy_collect(arena, o->folder, &m) && sign_list(arena, o, &m, path);
}

/* --- verify --- */

static void policy_print_problems(const struct tg_conf *c)
{
    for (const struct tg_conf_problem *p = c->problems; p != NULL; p = p->next)
        tg_complain("trainguard policy: %s", p->text);
}

/* As the gateway does, and that there is no file that is not listed. */
static bool verify(struct tg_arena *arena, const struct policy_options *o)
{
    struct tg_str args[TG_BUNDLE_KEYS + 1] = {TG_STR("policies_signed_by")};
    const struct tg_conf_item signers = {
        .args = args, .nargs = o->nkeys + 1, .file = "the command line", .line = 1};
    struct tg_manifest there = {.n = 0};
    const struct tg_policy_bundle *b;
    struct tg_conf c;

    for (unsigned i = 0; i < o->nkeys; i++)
        args[i + 1] = tg_str_of(o->keys[i]);
    tg_conf_init(&c, arena, "./");
    b = tg_policy_bundle_open(&c, NULL, &signers,
                              tg_arena_printf(arena, "%s/" TG_MANIFEST, o->folder).p);
    if (b != NULL && tg_policy_bundle_complete(&c, b) && policy_collect(arena, o->folder, &there))
        for (unsigned i = 0; i < there.n; i++)
            if (tg_manifest_find(&b->manifest, there.files[i].name) == NULL)
                tg_conf_error(&c, NULL, "\"%s%s\" is not listed", b->folder.p,
                              there.files[i].name.p);
    policy_print_problems(&c);
    if (b == NULL || c.errors > 0)
        return false;
    printf("revision %lu, expires %s, %u files, signed by %s\n", b->manifest.revision,
           b->manifest.expires.p, b->manifest.n, b->signed_by);
    return true;
}

/* --- the command --- */

/* Takes an option. Returns NULL, or what the option takes where its value is something else. */
static const char *policy_take(struct policy_options *o, int option, const char *value)
{
    int64_t day;
    bool good;

    switch (option) {
    case 'K':
        if (o->nkeys == TG_BUNDLE_KEYS)
            return "--key stands too often";
        o->keys[o->nkeys++] = value;
        return NULL;
    case 'E':
        o->expires = value;
        good = tg_clock_day(tg_str_of(value), &day);
        return good ? NULL : "--expires takes a day, YYYY-MM-DD";
    case 'R':
        good = tg_str_u64(tg_str_of(value), &o->revision) && o->revision > 0;
        return good ? NULL : "--revision takes a number of at least 1";
    default:
        o->help = true;
        return NULL;
    }
}

/* A folder's name without what may stand behind it. */
static const char *without_slash(char *name)
{
    size_t n = strlen(name);

    while (n > 1 && name[n - 1] == '/')
        name[--n] = '\0';
    return name;
}

/* False when it was told what is wrong. */
static bool policy_take_options(struct policy_options *o, int argc, char **argv)
{
    static const struct option names[] = {{"key", required_argument, NULL, 'K'},
                                          {"expires", required_argument, NULL, 'E'},
                                          {"revision", required_argument, NULL, 'R'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    const char *wrong;
    int c;

    while ((c = tg_command_option("policy", argc, argv, ":h", names)) != -1) {
        if (c == '?')
            return false;
        wrong = policy_take(o, c, optarg);
        if (wrong != NULL) {
            tg_complain("trainguard policy: %s, got \"%s\"", wrong, optarg);
            return false;
        }
    }
    if (optind + 1 == argc)
        o->folder = without_slash(argv[optind]);
    return true;
}

int tg_policy_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    bool signs = strcmp(word, "sign") == 0, done;
    struct policy_options o = {.nkeys = 0};
    struct tg_arena arena;

    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        policy_usage();
        return EXIT_SUCCESS;
    }
    if (!signs && strcmp(word, "verify") != 0)
        return tg_command_misused("policy", "say sign or verify");
    if (!policy_take_options(&o, argc - 1, argv + 1))
        return tg_command_misused("policy", NULL);
    if (o.help) {
        policy_usage();
        return EXIT_SUCCESS;
    }
    if (o.nkeys == 0 || o.folder == NULL)
        return tg_command_misused("policy", "it needs --key and one FOLDER");
    if (signs && (o.nkeys > 1 || o.expires == NULL))
        return tg_command_misused("policy", "sign takes one --key, and --expires");
    if (!signs && (o.expires != NULL || o.revision != 0))
        return tg_command_misused("policy", "verify takes no --expires and no --revision");
    tg_arena_init(&arena);
    done = signs ? sign(&arena, &o) : verify(&arena, &o);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
