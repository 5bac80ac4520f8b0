/* The files of a policy set: found by patterns, sorted, read whole. */
#include "base/check.h"
#include "base/file.h"
#include "policy/internal.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

struct names {
    const char **at;
    unsigned n;
};

static bool is_test(const char *name)
{
    return tg_str_ends(tg_str_of(name), TG_STR(".test.conf"));
}

/* Adds the files of one pattern. */
static bool expand(struct tg_conf *c, const struct tg_conf_item *at, struct tg_str pattern,
                   struct names *out)
{
    glob_t found;
    unsigned before = out->n;
    int rc = glob(tg_conf_path(c, pattern).p, GLOB_ERR | GLOB_NOSORT, NULL, &found);
    const char **more;

    CHECK(rc != GLOB_NOSPACE);
    if (rc == GLOB_ABORTED) {
        tg_conf_error(c, at, "cannot read the files of \"%s\": %s", pattern.p, strerror(errno));
        return false;
    }
    more = tg_arena_zalloc(c->arena, out->n + found.gl_pathc, sizeof(*more));
    for (unsigned i = 0; i < out->n; i++)
        more[i] = out->at[i];
    out->at = more;
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (!is_test(found.gl_pathv[i]))
            more[out->n++] = tg_arena_dup(c->arena, tg_str_of(found.gl_pathv[i])).p;
    globfree(&found);
    if (out->n == before)
        tg_conf_error(c, at, "no policy file matches \"%s\"", tg_conf_path(c, pattern).p);
    return out->n > before;
}

static int files_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(struct names *names)
{
    unsigned n = 0;

    if (names->n > 0)
        qsort(names->at, names->n, sizeof(*names->at), files_by_name);
    for (unsigned i = 0; i < names->n; i++)
        if (n == 0 || strcmp(names->at[n - 1], names->at[i]) != 0)
            names->at[n++] = names->at[i];
    names->n = n;
}

bool tg_policy_files(struct tg_conf *c, const struct tg_conf_item *at, const struct tg_str *globs,
                     unsigned nglobs, struct tg_policy_file **files, unsigned *nfiles)
{
    struct names names = {NULL, 0};
    bool ok = true;

    for (unsigned i = 0; i < nglobs; i++)
        ok = expand(c, at, globs[i], &names) && ok;
    sort(&names);
    *files = tg_arena_zalloc(c->arena, names.n, sizeof(**files));
    *nfiles = 0;
    for (unsigned i = 0; i < names.n; i++) {
        struct tg_file file;
        const char *why = tg_file_read(c->arena, names.at[i], &file);

        if (why == NULL)
            (*files)[(*nfiles)++] = (struct tg_policy_file){names.at[i], file.text};
        else
            tg_conf_error(c, at, "cannot read \"%s\": %s", names.at[i], why);
        ok = ok && why == NULL;
    }
    return ok;
}
