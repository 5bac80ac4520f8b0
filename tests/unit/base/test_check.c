/* A failed CHECK says where and aborts, also inside the log that others would say it with. */
#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void own_check(void)
{
    CHECK(1 + 1 == 3);
}

static void in_the_log(void)
{
    char unit[5000];

    memset(unit, 'x', sizeof(unit) - 1);
    unit[sizeof(unit) - 1] = '\0';
    tg_log(TG_LOG_ERROR, unit, "a line");
}

static void in_a_log_file(void)
{
    char name[] = "/tmp/test_check.XXXXXX";
    int fd = mkstemp(name);
    char text[4096];
    const char *why;
    ssize_t n;
    pid_t child;

    if (fd < 0 || !tg_log_open(name, geteuid(), &why) || (child = fork()) < 0)
        _exit(1);
    if (child == 0)
        own_check();
    waitpid(child, NULL, 0);
    n = read(fd, text, sizeof(text));
    unlink(name);
    if (n <= 0 || write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(1);
    abort();
}

static const struct {
    void (*run)(void);
    const char *says;
} cases[] = {
    {own_check, "test_check.c:"},
    {own_check, ": own_check: CHECK(1 + 1 == 3) failed\n"},
    {in_the_log, ": write_text: CHECK(n > 0 "},
    {in_a_log_file, ": own_check: CHECK(1 + 1 == 3) failed\n"},
};

/* Runs a case in a child of its own; returns what it wrote to standard error. */
static void die(void (*run)(void), char *out, size_t size, int *status)
{
    const struct rlimit no_core = {0, 0};
    int ends[2];
    size_t n = 0;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        run();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], out + n, size - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, status, 0), child);
}

static void a_failed_check_says_where_and_aborts(void **state)
{
    char said[8192];
    int status;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *line_end;

        die(cases[i].run, said, sizeof(said), &status);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_non_null(strstr(said, " [emerg] "));
        assert_non_null(strstr(said, " check: "));
        assert_non_null(strstr(said, cases[i].says));
        line_end = strchr(said, '\n');
        assert_true(line_end != NULL && line_end[1] == '\0'); /* one line, once */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_check_says_where_and_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
