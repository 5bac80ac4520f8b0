/* When a configuration is loaded by itself: after changes, quiet, delays; never twice the same. */
#include "process/changes.h"

#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

struct place {
    char path[64], file[80], prefix[80];
    struct tg_settings settings;
    struct tg_changes changes;
    uint64_t now;
};

static void act(const struct place *p, const char *line)
{
    char command[512];

    snprintf(command, sizeof(command), "cd %s && %s", p->path, line);
    CHECK(system(command) == 0);
}

static bool due_after(struct place *p, uint64_t us)
{
    p->now += us;
    return tg_changes_due(&p->changes, p->now);
}

/* What the master does when a reload went well. */
static void loaded(struct place *p)
{
    tg_settings_revision(p->file, p->prefix, p->settings.revision);
    tg_changes_follow(&p->changes, &p->settings, p->now);
}

static int begin(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    CHECK(p != NULL);
    strcpy(p->path, "/tmp/tg-changes-XXXXXX");
    CHECK(mkdtemp(p->path) != NULL);
    snprintf(p->file, sizeof(p->file), "%s/t.conf", p->path);
    snprintf(p->prefix, sizeof(p->prefix), "%s/", p->path);
    signal(SIGIO, SIG_IGN);
    act(p, "mkdir p c.d && echo 'policy a { }' > p/a.conf && echo 'include c.d/*.conf; policies "
           "p/*.conf; tls_certificate cert.pem;' > t.conf");
    p->settings.reload_on_change = (struct tg_reload_on_change){true, SECOND, 10 * SECOND};
    p->now = 1000 * SECOND;
    tg_changes_init(&p->changes, p->file, p->prefix);
    loaded(p);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct place *p = *state;

    tg_changes_end(&p->changes);
    act(p, "rm -rf \"$PWD\"");
    free(p);
    return 0;
}

static void what_is_loaded(void **state)
{
    static const struct {
        const char *line;
        bool due;
    } cases[] = {
        {"echo 'policy b { }' > p/a.conf", true},
        {"echo 'policy b { }' > p/a.conf", false}, /* the same bytes */
        {"echo 'policy c { }' > p/c.conf", true},
        {"rm p/c.conf", true},
        {"echo x > unrelated", false},
        {"echo pem > cert.pem", true},
        {"echo 'user nobody;' > c.d/x.conf", true},
        {"rm -r c.d", true},          /* an error */
        {"echo '#' >> t.conf", true}, /* another one */
        {"mkdir c.d", true},
        {"mkdir ..1 && cp p/a.conf ..1/z.conf && echo '#' >> ..1/z.conf && ln -s ..1 ..data && "
         "ln -s ../..data/z.conf p/z.conf",
         true},
        {"mkdir ..2 && echo 'policy z { }' > ..2/z.conf && ln -s ..2 ..t && mv -T ..t ..data && "
         "rm -r ..1",
         true},
        {"mkdir ..3 && echo 'policy y { }' > ..3/z.conf && ln -s ..3 ..t && mv -T ..t ..data && "
         "rm -r ..2",
         true},
    };
    struct place *p = *state;

    assert_false(due_after(p, 0));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        act(p, cases[i].line);
        assert_false(due_after(p, 0)); /* not before it is quiet */
        if (due_after(p, SECOND) != cases[i].due)
            fail_msg("%s", cases[i].line);
        if (cases[i].due)
            loaded(p);
    }
}

static void quiet_and_most(void **state)
{
    struct place *p = *state;
    unsigned rounds = 0;
    bool due = false;

    for (; !due && rounds < 50; rounds++) {
        char line[64];

        snprintf(line, sizeof(line), "echo 'policy n%u { }' > p/a.conf", rounds);
        act(p, line);
        due = due_after(p, SECOND / 2);
    }
    assert_true(due);
    assert_int_equal(rounds, 21); /* the first change was seen after half a second */
    loaded(p);
    assert_int_equal(tg_changes_wait(&p->changes, p->now), 60 * SECOND);
}

static void failures(void **state)
{
    struct place *p = *state;

    act(p, "echo 'nonsense' > p/a.conf");
    assert_false(due_after(p, 0));
    assert_true(due_after(p, SECOND));
    for (uint64_t delay = 1; delay < 256; delay *= 2) { /* tried again, ever later */
        tg_changes_failed(&p->changes, p->now);
        assert_false(due_after(p, delay * SECOND - 1));
        assert_true(due_after(p, 1));
    }
    tg_changes_failed(&p->changes, p->now);
    act(p, "echo 'other nonsense' > p/a.conf"); /* at the next change, as soon as at first */
    assert_false(due_after(p, 0));
    assert_int_equal(tg_changes_wait(&p->changes, p->now), SECOND);
    assert_true(due_after(p, SECOND));
    tg_changes_failed(&p->changes, p->now);
    assert_int_equal(tg_changes_wait(&p->changes, p->now), SECOND);
    act(p, "echo 'policy good { }' > p/a.conf");
    assert_true(due_after(p, SECOND));
    loaded(p);
    assert_int_equal(tg_changes_wait(&p->changes, p->now), 60 * SECOND);
}

/* Where no event comes, the bytes are compared each minute. */
static void without_events(void **state)
{
    struct place *p = *state;

    tg_changes_end(&p->changes);
    act(p, "echo 'policy b { }' > p/a.conf");
    assert_false(due_after(p, 59 * SECOND));
    assert_true(due_after(p, SECOND));
}

/* What changed between the load and the watch is not lost, and off is off. */
static void edges(void **state)
{
    struct place *p = *state;

    tg_settings_revision(p->file, p->prefix, p->settings.revision);
    act(p, "echo 'policy b { }' > p/a.conf");
    tg_changes_follow(&p->changes, &p->settings, p->now);
    assert_true(due_after(p, SECOND));
    loaded(p);
    p->settings.reload_on_change.on = false;
    loaded(p);
    act(p, "echo 'policy c { }' > p/a.conf");
    assert_int_equal(tg_changes_wait(&p->changes, p->now), -1);
    tg_changes_failed(&p->changes, p->now);
    assert_false(due_after(p, 1000 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_loaded, begin, end),
        cmocka_unit_test_setup_teardown(quiet_and_most, begin, end),
        cmocka_unit_test_setup_teardown(failures, begin, end),
        cmocka_unit_test_setup_teardown(without_events, begin, end),
        cmocka_unit_test_setup_teardown(edges, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
