/* The digest of a configuration knows every file that loading it reads, and no other. */
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/trainguard-revision-XXXXXX";
static const char *const files[] = {"t.conf",     "policies/p.conf",      "policies/teams.csv",
                                    "inner.conf", "policies/p.test.conf", "policies/body.json"};

enum { FILES = sizeof(files) / sizeof(*files) };

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static void put(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    path_of(name, path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void revision(char out[TG_SHA256_HEX + 1])
{
    char path[128], prefix[128];

    path_of("t.conf", path);
    path_of("", prefix);
    tg_settings_revision(path, prefix, out);
}

static void what_policies_name_counts(void **state)
{
    static const struct {
        const char *file, *text;
        bool counts;
    } rows[] = {
        {"policies/teams.csv", "key,workers\np1,5\n", true},
        {"inner.conf", "rule r { deny; mode warn; }", true},
        {"policies/body.json", "{\"spec_id\":2}", false},
        {"policies/other.csv", "key\n", false},
    };
    char before[TG_SHA256_HEX + 1], after[TG_SHA256_HEX + 1];

    (void)state;
    put("t.conf", "server { location / { filters policy; policies policies/*.conf; } }");
    put("policies/p.conf", "table teams teams.csv; policy p { include inner.conf; }");
    put("policies/p.test.conf", "case c { body body.json; }");
    put("policies/body.json", "{}");
    put("policies/teams.csv", "key,workers\np1,4\n");
    put("inner.conf", "rule r { deny; }");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        revision(before);
        put(rows[i].file, rows[i].text);
        revision(after);
        if ((strcmp(before, after) != 0) != rows[i].counts)
            fail_msg("%s", rows[i].file);
    }
}

static int make_folder(void **state)
{
    char path[128];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    path_of("policies", path);
    return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
    char path[128];

    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        path_of(files[i], path);
        (void)unlink(path);
    }
    path_of("policies/other.csv", path);
    (void)unlink(path);
    path_of("policies", path);
    (void)rmdir(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_policies_name_counts)};

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
