/* Whole files: what is read, and which are no place for secrets. */
#include "base/file.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[32];
    char file[48];
    struct tg_arena arena;
};

static int begin(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    CHECK(f != NULL);
    strcpy(f->path, "/tmp/tg-file-XXXXXX");
    CHECK(mkdtemp(f->path) != NULL);
    snprintf(f->file, sizeof(f->file), "%s/file", f->path);
    tg_arena_init(&f->arena);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct folder *f = *state;

    (void)remove(f->file);
    rmdir(f->path);
    tg_arena_end(&f->arena);
    free(f);
    return 0;
}

/* A file of so many bytes. */
static void make(const struct folder *f, off_t size)
{
    int fd = open(f->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && ftruncate(fd, size) == 0);
    close(fd);
}

static void sizes(void **state)
{
    static const struct {
        off_t size;
        const char *why;
    } cases[] = {
        {0, NULL},
        {1, NULL},
        {TG_FILE_MAX - 1, NULL},
        {TG_FILE_MAX, NULL},
        {TG_FILE_MAX + 1, "it is larger than 4m"},
    };
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_file file;
        const char *why;

        make(f, cases[i].size);
        why = tg_file_read(&f->arena, f->file, &file);
        if (cases[i].why == NULL)
            assert_true(why == NULL && file.text.n == (size_t)cases[i].size);
        else
            assert_string_equal(why, cases[i].why);
    }
}

static void kinds(void **state)
{
    struct folder *f = *state;
    struct tg_file file;

    assert_string_equal(tg_file_read(&f->arena, f->path, &file), "it is a directory");
    assert_string_equal(tg_file_read(&f->arena, f->file, &file), "No such file or directory");
    assert_string_equal(tg_file_read(&f->arena, "/dev/null", &file), "it is not a regular file");
    assert_int_equal(mkfifo(f->file, 0600), 0);
    assert_string_equal(tg_file_read(&f->arena, f->file, &file), "it is not a regular file");
}

#define OWNER   "it belongs to another user"
#define WRITERS "others than its owner can write it"
#define READERS "everybody can read it"
#define GROUP   "a group the gateway is not in can read it"

/* Root's own group is one it is in; 4711 is none. */
static void secrets(void **state)
{
    static const struct {
        uid_t owner; /* 0: ours */
        gid_t group; /* 0: ours */
        mode_t mode;
        const char *why;
    } cases[] = {
        {0, 0, 0400, NULL},     {0, 0, 0600, NULL},        {0, 0, 0440, NULL},
        {0, 0, 0640, NULL},     {0, 4711, 0400, NULL},     {0, 4711, 0440, GROUP},
        {0, 0, 0620, WRITERS},  {0, 0, 0602, WRITERS},     {0, 0, 0404, READERS},
        {0, 0, 0644, READERS},  {0, 4711, 0444, READERS},  {4711, 0, 0400, OWNER},
        {4711, 0, 0600, OWNER}, {4711, 4711, 0444, OWNER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct tg_file file = {
            .mode = S_IFREG | cases[i].mode,
            .owner = cases[i].owner != 0 ? cases[i].owner : geteuid(),
            .group = cases[i].group != 0 ? cases[i].group : getegid(),
        };
        const char *why = tg_file_why_not_private(&file);

        if ((why == NULL) != (cases[i].why == NULL) ||
            (why != NULL && strstr(why, cases[i].why) != why))
            fail_msg("case %zu: %s", i, why != NULL ? why : "taken");
    }
}

/* A file that is read, and one that is read but is no place for a secret. */
static void read_private(void **state)
{
    struct folder *f = *state;
    struct tg_file file;

    assert_string_equal(tg_file_read_private(&f->arena, f->file, &file),
                        "No such file or directory");
    make(f, 3);
    assert_null(tg_file_read_private(&f->arena, f->file, &file));
    assert_int_equal(file.text.n, 3);
    assert_int_equal(chmod(f->file, 0604), 0);
    assert_memory_equal(tg_file_read_private(&f->arena, f->file, &file), READERS, strlen(READERS));
}

/* A group of ours may read a secret; one we are not in may not. */
static void groups(void **state)
{
    struct tg_file file = {.mode = S_IFREG | 0440, .owner = geteuid(), .group = getegid()};
    gid_t mine[64];
    int n = getgroups(64, mine);

    (void)state;
    assert_null(tg_file_why_not_private(&file));
    for (int i = 0; i < n; i++) {
        file.group = mine[i];
        assert_null(tg_file_why_not_private(&file));
    }
    file.group = 4000000000;
    assert_string_equal(tg_file_why_not_private(&file),
                        "a group the gateway is not in can read it, make it mode 0400");
}

/* A new file is ours alone; one that is there keeps its mode; what cannot be written changes
 * nothing and leaves nothing behind. */
static void replaced(void **state)
{
    struct folder *f = *state;
    char nowhere[64];
    struct tg_file file;

    assert_true(tg_file_replace(f->file, TG_STR("one")));
    assert_null(tg_file_read(&f->arena, f->file, &file));
    assert_int_equal(file.mode & 07777, 0600);
    CHECK(chmod(f->file, 0640) == 0);
    assert_true(tg_file_replace(f->file, TG_STR("")));
    assert_null(tg_file_read(&f->arena, f->file, &file));
    assert_true(file.text.n == 0 && (file.mode & 07777) == 0640);
    snprintf(nowhere, sizeof(nowhere), "%s/none/file", f->path);
    assert_false(tg_file_replace(nowhere, TG_STR("x")));
    assert_int_equal(errno, ENOENT);
    CHECK(remove(f->file) == 0 && mkdir(f->file, 0700) == 0);
    assert_false(tg_file_replace(f->file, TG_STR("x")));
    assert_int_equal(errno, EISDIR);
    CHECK(remove(f->file) == 0 && rmdir(f->path) == 0);
}

/* Reading fails behind opening: memory at 0 is nobody's. What is no regular file is not read. */
static void unreadable(void **state)
{
    static const char *const cases[][2] = {{"/proc/self/mem", "Input/output error"},
                                           {"/dev/null", "it is not a regular file"},
                                           {"/", "it is a directory"},
                                           {"/nowhere", "No such file or directory"}};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_file file = {.mode = 0};
        const char *why = tg_file_read(&f->arena, cases[i][0], &file);

        if (why != NULL)
            assert_string_equal(why, cases[i][1]);
        else
            assert_true(i == 0 && file.text.n == 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes, begin, end),
        cmocka_unit_test_setup_teardown(kinds, begin, end),
        cmocka_unit_test(secrets),
        cmocka_unit_test_setup_teardown(read_private, begin, end),
        cmocka_unit_test_setup_teardown(unreadable, begin, end),
        cmocka_unit_test(groups),
        cmocka_unit_test_setup_teardown(replaced, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
