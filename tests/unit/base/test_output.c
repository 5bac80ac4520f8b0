/* Files that are written, in folders that others may write, too: what is there before them. */
#include "base/output.h"

#include "base/check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Owners: this process, which is root in full runs; the gateway's user; anybody. */
enum { US, USER = 1000, OTHER = 2000 };

enum there { NOTHING, OUR_FILE, FILE_OF_USER, FILE_OF_OTHER, LINK, DANGLING, SECOND_NAME, FOLDER };

#define A_LINK   "it is a symbolic link in a folder that others may write"
#define A_SECOND "it has a second name"
#define A_FOLDER "its folder belongs to another user"
#define A_FILE   "it belongs to another user"

static const struct {
    uid_t owner; /* of the folder */
    mode_t mode;
    enum there there;
    const char *append; /* why it is not opened to append; NULL: it is */
    const char *create; /* the same for a new file */
} variants[] = {
    {US, 0755, NOTHING, NULL, NULL},
    {US, 0755, OUR_FILE, NULL, NULL},
    {US, 0755, LINK, NULL, NULL},
    {US, 0755, SECOND_NAME, NULL, NULL},
    {US, 0755, FOLDER, "Is a directory", "Is a directory"},
    {US, 0755, FILE_OF_OTHER, NULL, NULL},
    {US, 01777, NOTHING, NULL, NULL},
    {US, 01777, OUR_FILE, NULL, NULL},
    {US, 01777, FILE_OF_USER, NULL, NULL},
    {US, 01777, FILE_OF_OTHER, A_FILE, NULL},
    {US, 01777, LINK, A_LINK, NULL},
    {US, 01777, DANGLING, A_LINK, NULL},
    {US, 01777, SECOND_NAME, A_SECOND, NULL},
    {US, 0775, LINK, A_LINK, NULL},
    {USER, 0755, NOTHING, NULL, NULL},
    {USER, 0755, FILE_OF_USER, NULL, NULL},
    {USER, 0755, FILE_OF_OTHER, A_FILE, NULL},
    {USER, 0755, LINK, A_LINK, NULL},
    {USER, 0755, DANGLING, A_LINK, NULL},
    {USER, 0755, SECOND_NAME, A_SECOND, NULL},
    {OTHER, 0755, NOTHING, A_FOLDER, A_FOLDER},
    {OTHER, 0777, OUR_FILE, A_FOLDER, A_FOLDER},
    {OTHER, 0755, LINK, A_FOLDER, A_FOLDER},
};

struct scene {
    char root[64];
    char folder[80];
    char path[96];   /* in it */
    char target[96]; /* a file that is nobody's business, beside it */
};

static void put(const char *path, uid_t owner)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    CHECK(fd >= 0 && write(fd, "precious", 8) == 8);
    CHECK(owner == US || fchown(fd, owner, (gid_t)-1) == 0);
    close(fd);
}

static void set_scene(struct scene *s, size_t i)
{
    strcpy(s->root, "/tmp/tg-output-XXXXXX");
    CHECK(mkdtemp(s->root) != NULL);
    snprintf(s->folder, sizeof(s->folder), "%s/folder", s->root);
    snprintf(s->path, sizeof(s->path), "%s/log", s->folder);
    snprintf(s->target, sizeof(s->target), "%s/target", s->root);
    CHECK(mkdir(s->folder, 0700) == 0);
    if (variants[i].there != DANGLING)
        put(s->target, US);
    if (variants[i].there == LINK || variants[i].there == DANGLING)
        CHECK(symlink(s->target, s->path) == 0);
    else if (variants[i].there == SECOND_NAME)
        CHECK(link(s->target, s->path) == 0);
    else if (variants[i].there == FOLDER)
        CHECK(mkdir(s->path, 0700) == 0);
    else if (variants[i].there != NOTHING)
        put(s->path, variants[i].there == OUR_FILE       ? US
                     : variants[i].there == FILE_OF_USER ? USER
                                                         : OTHER);
    CHECK(chmod(s->folder, variants[i].mode) == 0);
    CHECK(variants[i].owner == US || chown(s->folder, variants[i].owner, (gid_t)-1) == 0);
}

static void end_scene(const struct scene *s)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", s->root);
    CHECK(system(command) == 0);
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

static bool needs_root(size_t i)
{
    return variants[i].owner != US || variants[i].there == FILE_OF_USER ||
           variants[i].there == FILE_OF_OTHER;
}

static void check_result(size_t i, int fd, const char *why, const char *wanted)
{
    if (wanted == NULL && fd < 0)
        fail_msg("variant %zu: %s", i, why);
    if (wanted != NULL && (fd >= 0 || strstr(why, wanted) != why))
        fail_msg("variant %zu: %s instead of %s", i, fd >= 0 ? "opened" : why, wanted);
}

static void try_append(size_t i)
{
    bool through = variants[i].there == LINK || variants[i].there == SECOND_NAME;
    struct scene s;
    const char *why;
    int fd;

    set_scene(&s, i);
    fd = tg_output_append(s.path, 0, USER, &why);
    check_result(i, fd, why, variants[i].append);
    if (fd >= 0) {
        assert_int_equal(write(fd, "line\n", 5), 5);
        close(fd);
    }
    assert_int_equal(size_of(s.target), variants[i].there == DANGLING ? -1
                                        : fd >= 0 && through          ? 13
                                                                      : 8);
    end_scene(&s);
}

/* What stood there is never written, however it was reached. */
static void try_create(size_t i)
{
    struct scene s;
    struct stat st;
    const char *why;
    int fd;

    set_scene(&s, i);
    fd = tg_output_create(s.path, 0644, USER, &why);
    check_result(i, fd, why, variants[i].create);
    if (fd >= 0) {
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(S_ISREG(st.st_mode) && st.st_size == 0 && st.st_nlink == 1);
        close(fd);
    }
    assert_int_equal(size_of(s.target), variants[i].there == DANGLING ? -1 : 8);
    end_scene(&s);
}

static void each_variant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
        if (needs_root(i) && geteuid() != 0)
            continue;
        try_append(i);
        try_create(i);
    }
}

#define ON_THE_WAY "a folder or link on the way to it belongs to another user"
#define RENAMED    "everybody can rename what is in a folder on the way to it"

/* root/upper/folder/log, or root/upper/link/log where `link` leads to a folder. */
static const struct {
    uid_t owner; /* of upper */
    mode_t mode;
    const char *link; /* where it leads, from upper or absolute; NULL: there is none */
    uid_t link_owner;
    const char *why;
} ways[] = {
    {US, 0755, NULL, US, NULL},
    {US, 01777, NULL, US, NULL},
    {US, 0775, NULL, US, NULL},
    {USER, 0755, NULL, US, NULL},
    {OTHER, 0755, NULL, US, ON_THE_WAY},
    {OTHER, 01777, NULL, US, ON_THE_WAY},
    {US, 0777, NULL, US, RENAMED},
    {US, 0757, NULL, US, RENAMED},
    {US, 0755, "folder", US, NULL},
    {US, 0755, "./../upper//folder/", US, NULL},
    {US, 0755, "/tmp", US, NULL},
    {US, 01777, "folder", OTHER, ON_THE_WAY},
    {US, 01777, "/tmp", OTHER, ON_THE_WAY},
    {US, 0777, "folder", US, RENAMED},
    {US, 0755, "link", US, "Too many levels of symbolic links"},
    {US, 0755, "nowhere", US, "No such file or directory"},
    {US, 0755, "folder/log", US, "Not a directory"},
};

static void try_way(size_t i)
{
    char root[] = "/tmp/tg-output-XXXXXX", upper[64], folder[80], link[96], path[112];
    struct scene s;
    const char *why;

    CHECK(mkdtemp(root) != NULL);
    snprintf(s.root, sizeof(s.root), "%s", root);
    snprintf(upper, sizeof(upper), "%s/upper", root);
    snprintf(folder, sizeof(folder), "%s/folder", upper);
    snprintf(link, sizeof(link), "%s/link", upper);
    snprintf(path, sizeof(path), "%s/log", ways[i].link != NULL ? link : folder);
    CHECK(mkdir(upper, 0700) == 0 && mkdir(folder, 0700) == 0);
    snprintf(link, sizeof(link), "%s/log", folder);
    put(link, US);
    snprintf(link, sizeof(link), "%s/link", upper);
    CHECK(ways[i].link == NULL || symlink(ways[i].link, link) == 0);
    CHECK(ways[i].link_owner == US || lchown(link, ways[i].link_owner, (gid_t)-1) == 0);
    CHECK(ways[i].owner == US || chown(upper, ways[i].owner, (gid_t)-1) == 0);
    CHECK(chmod(upper, ways[i].mode) == 0);
    why = tg_output_folder_fault(path, USER);
    if ((why == NULL) != (ways[i].why == NULL) || (why != NULL && strstr(why, ways[i].why) != why))
        fail_msg("way %zu: %s", i, why != NULL ? why : "taken");
    end_scene(&s);
}

/* The class of CVE-2016-1247: whoever owns a folder above puts another one in the place of what is
 * below. */
static void the_way_to_a_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (geteuid() == 0 || (ways[i].owner == US && ways[i].link_owner == US))
            try_way(i);
}

/* A path of just as many bytes as there is room for (PATH_MAX with its NUL), and of one more. */
static void a_path_that_is_too_long(void **state)
{
    char path[4200];
    const char *why;

    (void)state;
    for (size_t n = 4094; n <= 4098; n++) {
        memset(path, '/', n);
        memcpy(path + n, "log", 4);
        why = tg_output_folder_fault(path, US);
        if (n - 1 < 4096)
            assert_null(why);
        else
            assert_string_equal(why, "File name too long");
    }
    memset(path, 'x', 300);
    memcpy(path + 300, "/log", 5);
    path[0] = '/';
    assert_string_equal(tg_output_folder_fault(path, US), "File name too long");
}

/* The same where the working directory comes before it. */
static void a_relative_path_that_is_too_long(void **state)
{
    char path[4200], here[4096];

    (void)state;
    CHECK(getcwd(here, sizeof(here)) != NULL && chdir("/") == 0);
    for (size_t n = 4092; n <= 4095; n++) {
        const char *why;

        memset(path, '/', n);
        path[0] = '.';
        memcpy(path + n, "/log", 5);
        why = tg_output_folder_fault(path, US);
        if (n + 3 <= 4096)
            assert_null(why);
        else
            assert_string_equal(why, "File name too long");
    }
    CHECK(chdir(here) == 0);
}

/* A process that is not root trusts its own folders and root's. */
static void who_is_not_root(void **state)
{
    char folder[] = "/tmp/tg-output-XXXXXX", path[64];

    (void)state;
    if (geteuid() != 0)
        return;
    CHECK(mkdtemp(folder) != NULL && chown(folder, OTHER, (gid_t)-1) == 0);
    snprintf(path, sizeof(path), "%s/log", folder);
    assert_string_equal(tg_output_folder_fault(path, USER),
                        "its folder belongs to another user, let it belong to root or to the "
                        "gateway's user");
    CHECK(seteuid(OTHER) == 0);
    assert_null(tg_output_folder_fault(path, USER));
    assert_null(tg_output_folder_fault("/log", USER));
    CHECK(seteuid(0) == 0 && rmdir(folder) == 0);
}

/* What was opened on the way is closed, also where the first descriptor is free. */
static void descriptors_are_closed(void **state)
{
    int input = dup(STDIN_FILENO), next, now;
    const char *why;

    (void)state;
    CHECK(input >= 0 && close(STDIN_FILENO) == 0);
    assert_null(tg_output_folder_fault("/tmp/log", US));
    assert_non_null(tg_output_folder_fault("/tmp/none/log", US));
    assert_int_equal(tg_output_append("/tmp/none/log", 0, US, &why), -1);
    assert_int_equal(tg_output_append("/tmp", 0, US, &why), -1);
    now = dup(input);
    assert_int_equal(now, STDIN_FILENO);
    next = dup(input);
    assert_int_equal(next, input + 1);
    close(next);
    close(input);
}

static void a_folder_that_is_not_there(void **state)
{
    static const char *const paths[] = {"/tmp/tg-no-such-folder/log", "no-such-folder/log"};
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        assert_int_equal(tg_output_append(paths[i], 0, US, &why), -1);
        assert_string_equal(why, "No such file or directory");
        assert_string_equal(tg_output_folder_fault(paths[i], US), "No such file or directory");
    }
    assert_null(tg_output_folder_fault("log", geteuid()));
    assert_null(tg_output_folder_fault("/log", US));
}

static void standard_streams(void **state)
{
    static const char *const paths[] = {"/dev/stdout", "/dev/stderr"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *why;
        int fd = tg_output_append(paths[i], 0, US, &why);

        assert_true(fd > STDERR_FILENO);
        close(fd);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_variant),        cmocka_unit_test(a_folder_that_is_not_there),
        cmocka_unit_test(the_way_to_a_folder), cmocka_unit_test(a_path_that_is_too_long),
        cmocka_unit_test(standard_streams),    cmocka_unit_test(a_relative_path_that_is_too_long),
        cmocka_unit_test(who_is_not_root),     cmocka_unit_test(descriptors_are_closed),
    };

    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
