/* Policy files that are wrong, or odd: each tells in its "# expect:" lines what is to be said. */
#include "policy/internal.h"
#include "policy_fixture.h"

#include <dirent.h>

static void enter(const char *directory)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/../conf/%s", TG_TEST_DATA, directory);
    assert_int_equal(chdir(path), 0);
}

static void collect(const char *file, const char *level, struct tg_buf *out)
{
    static const char mark[] = "# expect: ";
    FILE *f = fopen(file, "r");
    char line[2048];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, mark, sizeof(mark) - 1) == 0)
            tg_buf_printf(out, "[%s] %s", level, line + sizeof(mark) - 1);
    fclose(f);
}

static void load_expecting(const char *file, bool good)
{
    struct tg_buf expected = {0};
    struct tg_buf got = {0};
    const struct tg_str glob = tg_str_of(file);
    struct tg_arena arena;
    struct tg_policy_set *set;
    struct tg_conf c;

    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "./");
    set = tg_policy_load(&c, NULL, &glob, 1);
    write_problems(&c, &got);
    collect(file, good ? "warn" : "emerg", &expected);
    /* Names are told with the prefix; the files leave it out. */
    for (char *at; got.n > 0 && (at = memmem(got.p, got.n, " ./", 3)) != NULL;) {
        memmove(at + 1, at + 3, got.n - (size_t)(at + 3 - got.p));
        got.n -= 2;
    }
    if (!tg_str_eq(tg_buf_str(&got), tg_buf_str(&expected)) || (set != NULL) != good)
        fail_msg("%s\nexpected:\n%.*s\ngot:\n%.*s", file, TG_STR_ARG(tg_buf_str(&expected)),
                 TG_STR_ARG(tg_buf_str(&got)));
    tg_policy_end(set);
    tg_arena_end(&arena);
    tg_buf_end(&expected);
    tg_buf_end(&got);
}

static unsigned walk(const char *directory, bool good)
{
    unsigned n = 0;
    DIR *dir;

    enter(directory);
    dir = opendir(".");
    assert_non_null(dir);
    tg_clock_freeze(TODAY);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!tg_str_ends(tg_str_of(e->d_name), TG_STR(".conf")))
            continue;
        load_expecting(e->d_name, good);
        n++;
    }
    tg_clock_freeze(0);
    closedir(dir);
    return n;
}

static void wrong_files_say_what_is_wrong(void **state)
{
    (void)state;
    assert_true(walk("policy_bad", false) >= 48);
}

static void odd_files_load_with_a_warning(void **state)
{
    (void)state;
    assert_true(walk("policy_warn", true) >= 10);
}

/* The shipped policies load without a word. */
static void shipped_policies_load(void **state)
{
    const struct tg_str glob = TG_STR("*.conf");
    struct tg_arena arena;
    struct tg_policy_set *set;
    struct tg_conf c;

    (void)state;
    enter("../../conf/policies");
    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "./");
    set = tg_policy_load(&c, NULL, &glob, 1);
    assert_non_null(set);
    assert_null(c.problems);
    assert_true(set->nrules >= 15);
    assert_int_equal(set->revision.n, 64);
    tg_policy_end(set);
    tg_arena_end(&arena);
}

static void globs_that_match_nothing(void **state)
{
    static const struct tg_str globs[] = {{"no-such-*.conf", 14}, {"no-such.conf", 12}};
    struct tg_buf got = {0};
    struct tg_arena arena;
    struct tg_conf c;

    (void)state;
    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "./");
    assert_null(tg_policy_load(&c, NULL, globs, 2));
    write_problems(&c, &got);
    assert_true(
        tg_str_eq(tg_buf_str(&got), TG_STR("[emerg] no policy file matches \"./no-such-*.conf\"\n"
                                           "[emerg] no policy file matches \"./no-such.conf\"\n")));
    tg_buf_end(&got);
    tg_arena_end(&arena);
}

/* The revision is the SHA-256 of the text: `cat FILES | sha256sum`. */
static void revision_is_of_the_text(void **state)
{
    struct bench b;

    (void)state;
    bench_good(&b, "policy p { rule r { at log_url; required; } }\n");
    assert_true(
        tg_str_eq(b.set->revision,
                  TG_STR("27a58ee9f0537b2c6676d9031053545ef5560281b0a5a8d5315584c3a2fcab97")));
    bench_end(&b);
}

extern const struct tg_filter tg_filter_policy;

/* The filter's configuration of one location with a `policies` line for one file. */
struct location {
    struct tg_policy_conf conf;
    struct tg_conf_item item;
    struct tg_str args[2];
};

static bool load_location(struct tg_conf *c, struct location *l, const char *glob)
{
    *l = (struct location){.args = {TG_STR("policies"), tg_str_of(glob)}};
    l->item = (struct tg_conf_item){.file = "x.conf", .line = 1, .args = l->args, .nargs = 2};
    l->conf.item = &l->item;
    return tg_filter_policy.on_load(c, &l->item, &l->conf);
}

static void unload_location(struct location *l)
{
    tg_filter_policy.on_unload(&l->conf);
}

/* Locations that name the same files have one set, and one complaint about it. */
static void locations_share_their_policies(void **state)
{
    struct location one, twin, other, lost, lost_too;
    struct tg_arena arena;
    struct tg_conf c;

    (void)state;
    enter("../../conf/policies");
    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "./");
    assert_true(load_location(&c, &one, "naming.conf"));
    assert_true(load_location(&c, &twin, "naming.conf"));
    assert_true(load_location(&c, &other, "images.conf"));
    assert_ptr_equal(tg_policy_set_of(&one.conf), tg_policy_set_of(&twin.conf));
    assert_ptr_not_equal(tg_policy_set_of(&one.conf), tg_policy_set_of(&other.conf));
    unload_location(&one);
    unload_location(&other);
    assert_null(tg_policy_set_of(&one.conf));
    assert_int_equal(tg_policy_set_of(&twin.conf)->revision.n, 64);
    unload_location(&twin);
    assert_false(load_location(&c, &lost, "no-such.conf"));
    assert_false(load_location(&c, &lost_too, "no-such.conf"));
    assert_int_equal(c.errors, 1);
    unload_location(&lost);
    unload_location(&lost_too);
    tg_arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_files_say_what_is_wrong),
        cmocka_unit_test(odd_files_load_with_a_warning),
        cmocka_unit_test(shipped_policies_load),
        cmocka_unit_test(globs_that_match_nothing),
        cmocka_unit_test(revision_is_of_the_text),
        cmocka_unit_test(locations_share_their_policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
