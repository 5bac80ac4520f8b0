/* What comes from whoever started the process: the environment, quotas of processors along a
 * cgroup's path. */
#include "process/inherited.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test_inherited.XXXXXX";

static void put(const char *cgroup, const char *text)
{
    char name[128];
    FILE *file;

    snprintf(name, sizeof(name), "%s%s", root, cgroup);
    (void)mkdir(name, 0700);
    snprintf(name, sizeof(name), "%s%s/cpu.max", root, cgroup);
    (void)unlink(name);
    if (text == NULL)
        return;
    file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The files of "", "/a" and "/a/b" (NULL: none), and the quota of a process in `path`. */
static const struct {
    const char *top, *a, *b;
    const char *path;
    unsigned quota;
} quotas[] = {
    {NULL, NULL, NULL, "/", 0},
    {NULL, NULL, NULL, "/a/b", 0},
    {"100000 100000\n", NULL, NULL, "/", 1},
    {"100000 100000\n", NULL, NULL, "", 1},
    {"max 100000\n", NULL, NULL, "/", 0},
    {NULL, NULL, "200000 100000\n", "/a/b", 2},
    {NULL, "100000 100000\n", "400000 100000\n", "/a/b", 1},
    {"300000 100000\n", "max 100000\n", "400000 100000\n", "/a/b", 3},
    {NULL, "100000 100000\n", NULL, "/a/b", 1},
    {NULL, NULL, "150000 100000\n", "/a/b", 2},
    {NULL, NULL, "1000 100000\n", "/a/b", 1},
    {NULL, NULL, "50000 25000\n", "/a/b", 2},
    {NULL, NULL, "100000 100000\n", "/a", 0},
    {NULL, NULL, "100000 0\n", "/a/b", 0},
    {NULL, NULL, "0 100000\n", "/a/b", 0},
    {NULL, NULL, "nonsense\n", "/a/b", 0},
    {NULL, NULL, "100000\n", "/a/b", 0},
    {NULL, NULL, "", "/a/b", 0},
    {NULL, NULL, "18446744073709551615 1\n", "/a/b", 0},
    {NULL, NULL, "100000 100000\n", "/nowhere", 0},
};

static void quota(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(quotas) / sizeof(*quotas); i++) {
        unsigned got;

        put("", quotas[i].top);
        put("/a", quotas[i].a);
        put("/a/b", quotas[i].b);
        got = tg_inherited_quota(root, quotas[i].path);
        if (got != quotas[i].quota)
            fail_msg("case %zu: %u", i, got);
    }
}

static void affinity(void **state)
{
    cpu_set_t before, one;
    size_t cpu = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_true(tg_inherited_processors() >= 1);
    assert_true(tg_inherited_processors() <= (unsigned)CPU_COUNT(&before));
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(tg_inherited_processors(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The place that the kernel shows is empty, and the variables are there as before. */
static void environment(void **state)
{
    char *before = getenv("PATH"), path[4096];
    size_t n;

    (void)state;
    assert_non_null(before);
    n = strlen(before);
    assert_true(n < sizeof(path));
    memcpy(path, before, n + 1);
    tg_inherited_environment();
    assert_string_equal(getenv("PATH"), path);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(before[i], '\0');
    assert_int_equal(setenv("PATH", "/x", 1), 0);
    assert_string_equal(getenv("PATH"), "/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota),
        cmocka_unit_test(environment),
        cmocka_unit_test(affinity),
    };

    if (mkdtemp(root) == NULL)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
