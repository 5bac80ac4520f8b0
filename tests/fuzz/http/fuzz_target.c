/* Targets: the normal form is plain, no longer than the target, and its own normal form. */
#include "base/check.h"
#include "http/target.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains(struct tg_str s, const char *what)
{
    return s.n > 0 && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static void check_path(struct tg_str path)
{
    CHECK(path.n > 0 && (path.p[0] == '/' || tg_str_eq(path, TG_STR("*"))));
    CHECK(path.n == 1 || path.p[path.n - 1] != '/');
    CHECK(!contains(path, "//") && !contains(path, "/./") && !contains(path, "/../"));
    CHECK(!tg_str_ends(path, TG_STR("/.")) && !tg_str_ends(path, TG_STR("/..")));
    CHECK(!contains(path, "%2E") && !contains(path, "%2D") && !contains(path, "%00"));
    for (size_t i = 0; i < path.n; i++)
        CHECK(path.p[i] > ' ' && path.p[i] < 0x7f && strchr("\\?#", path.p[i]) == NULL);
}

static void check_plain(struct tg_str path)
{
    CHECK(!contains(path, "%2F") && !contains(path, "%5C") && !contains(path, "%3B"));
    CHECK(!contains(path, ";"));
}

static void check_again(struct tg_str path)
{
    char *out = malloc(path.n);
    struct tg_target again = {.changed = true};
    const char *why = NULL;

    CHECK(out != NULL);
    CHECK(tg_target_normalize(path, out, path.n, &again, &why));
    CHECK(!again.changed && tg_str_eq(path, again.path) && again.query.p == NULL);
    free(out);
}

static void check_matches(struct tg_str path)
{
    struct tg_str pattern = TG_STR("/v1/{project_id}/training-job-configs/{config_name}");
    struct tg_target_pattern prepared;
    struct tg_str values[2];
    unsigned n = 0;

    tg_target_prepare(TG_STR("/"), &prepared);
    CHECK(tg_target_match(&prepared, path, values, 2, &n) && n == 0);
    tg_target_prepare(pattern, &prepared);
    if (!tg_target_match(&prepared, path, values, 2, &n))
        return;
    CHECK(n == 2 && values[0].p == path.p + 4 && values[1].p + values[1].n == path.p + path.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str target = {(const char *)data, size};
    char *out = malloc(size + 1);
    struct tg_target t = {0};
    const char *why = NULL;

    CHECK(out != NULL);
    if (tg_target_normalize(target, out, size, &t, &why)) {
        CHECK(why == NULL && t.path.p == out && t.path.n <= size);
        CHECK(t.query.p == NULL || t.query.p + t.query.n == target.p + target.n);
        check_path(t.path);
        check_again(t.path);
        check_matches(t.path);
        if (t.odd == NULL)
            check_plain(t.path);
    } else {
        CHECK(why != NULL);
    }
    free(out);
    return 0;
}
