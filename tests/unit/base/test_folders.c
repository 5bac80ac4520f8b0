/* Watched folders: what counts as a change of a file, and which ways are watched. */
#include "base/folders.h"

#include "base/check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char path[64];
    int fd;
};

/* Runs a line of the shell in the folder of the test. */
static void act(const struct place *p, const char *line)
{
    char command[512];

    snprintf(command, sizeof(command), "cd %s && %s", p->path, line);
    CHECK(system(command) == 0);
}

static int begin(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    CHECK(p != NULL);
    strcpy(p->path, "/tmp/tg-folders-XXXXXX");
    CHECK(mkdtemp(p->path) != NULL);
    p->fd = tg_folders_new();
    assert_true(p->fd >= 0);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct place *p = *state;

    act(p, "rm -rf \"$PWD\"");
    close(p->fd);
    free(p);
    return 0;
}

static void add(const struct place *p, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", p->path, name);
    assert_true(tg_folders_add(p->fd, path));
}

static void changes(void **state)
{
    static const struct {
        const char *line;
        bool changed;
    } cases[] = {
        {"echo a > file", true},
        {"echo b > new && mv new file", true},
        {"cat file", false},
        {"chmod 600 file", true},
        {"rm file", true},
        {"ln -s elsewhere link", true},
        {"mkdir ..2026_11", false},
        {"echo x > ..2026_11/file", false},
        {"ln -s ..2026_11 ..data_tmp", false},
        {"mv -T ..data_tmp ..data", true},
        {"rm -r ..2026_11", false},
    };
    struct place *p = *state;

    add(p, "file");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        act(p, cases[i].line);
        if (tg_folders_changed(p->fd) != cases[i].changed)
            fail_msg("%s", cases[i].line);
        assert_false(tg_folders_changed(p->fd));
    }
}

/* A folder swapped as kubelet does, again and again, and links anywhere on the way. */
static void ways(void **state)
{
    static const struct {
        const char *before, *file, *line;
        bool changed;
    } cases[] = {
        {"mkdir ..1 && echo a > ..1/f && ln -s ..1 ..data && ln -s ..data/f f", "f",
         "mkdir ..2 && echo b > ..2/f && ln -s ..2 ..t && mv -T ..t ..data && rm -r ..1", true},
        {"mkdir -p live archive && echo a > archive/1 && ln -s ../archive/1 live/cert", "live/cert",
         "echo b > archive/1", true},
        {"mkdir -p v1 && echo a > v1/f && ln -s v1 current", "current/f",
         "mkdir v2 && ln -s v2 next && mv -T next current", true},
        {"mkdir conf.d", "conf.d/*.conf", "echo a > conf.d/x.conf", true},
        {"mkdir other", "gone/file", "echo a > other/file", false},
        {"ln -s loop loop", "loop/file", "true", false},
        {"ln -s $PWD/there over", "over", "mkdir -p x", true},
    };
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct place inner = {.fd = tg_folders_new()};

        snprintf(inner.path, sizeof(inner.path), "%.32s/%zu", p->path, i);
        CHECK(mkdir(inner.path, 0700) == 0);
        act(&inner, cases[i].before);
        add(&inner, cases[i].file);
        assert_false(tg_folders_changed(inner.fd));
        act(&inner, cases[i].line);
        if (tg_folders_changed(inner.fd) != cases[i].changed)
            fail_msg("%s", cases[i].line);
        close(inner.fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes, begin, end),
        cmocka_unit_test_setup_teardown(ways, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
