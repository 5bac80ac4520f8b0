/* Configurations that are tried by a child: what becomes of the child, and when there can be none.
 */
#include "process/trial.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD                                                                                       \
    "upstream a { server 127.0.0.1:1; tls off; }\n"                                                \
    "server { listen 127.0.0.1:0; location / { proxy_pass a; } }\n"

/* What happens at the next fork(2), or pipe2(2). */
static enum fate { LIVES, KILLED, ENDS, NO_PROCESS, NO_PIPE } next;

/* Instead of the one of libc. */
pid_t fork(void)
{
    pid_t pid = next == NO_PROCESS ? -1 : _Fork();

    if (pid == 0 && next == KILLED)
        raise(SIGKILL);
    if (pid == 0 && next == ENDS)
        _exit(EXIT_SUCCESS);
    if (pid < 0)
        errno = EAGAIN;
    return pid;
}

/* Instead of the one of libc. */
int pipe2(int ends[2], int flags)
{
    errno = EMFILE;
    return next == NO_PIPE ? -1 : (int)syscall(SYS_pipe2, ends, flags);
}

struct test {
    char file[40];
    char prefix[8];
    struct tg_buf problems;
};

static int begin(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    int fd;

    assert_non_null(t);
    snprintf(t->file, sizeof(t->file), "/tmp/trial.XXXXXX");
    snprintf(t->prefix, sizeof(t->prefix), "/tmp/");
    fd = mkstemp(t->file);
    assert_true(fd >= 0);
    close(fd);
    *state = t;
    return 0;
}

static int end(void **state)
{
    struct test *t = *state;

    unlink(t->file);
    tg_buf_end(&t->problems);
    free(t);
    return 0;
}

/* Tries a configuration, and says what there is to complain about; "" when it was taken. */
static const char *try(struct test *t, const char *text)
{
    FILE *file = fopen(t->file, "w");
    struct tg_settings *s;

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    t->problems.n = 0;
    s = tg_trial_read(t->file, t->prefix, &t->problems);
    tg_buf_putc(&t->problems, '\0');
    assert_int_equal(s != NULL, t->problems.n == 1);
    tg_settings_end(s);
    return t->problems.p;
}

static void what_became_of_the_child(void **state)
{
    static const struct {
        enum fate next;
        const char *told;
    } cases[] = {
        {LIVES, ""},
        {KILLED, "[emerg] the configuration kills the process that tries it: signal 9 (Killed)\n"},
        {ENDS, "[emerg] the configuration ends the process that tries it: status 0\n"},
        {NO_PROCESS,
         "[emerg] no process for the configuration: Resource temporarily unavailable\n"},
        {NO_PIPE, "[emerg] no process for the configuration: Too many open files\n"},
        {LIVES, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        next = cases[i].next;
        assert_string_equal(try(*state, GOOD), cases[i].told);
    }
}

static void what_is_wrong_is_told_once(void **state)
{
    struct test *t = *state;
    char want[120];

    next = LIVES;
    snprintf(want, sizeof(want), "[emerg] unknown directive \"nonsense\" in %s:1\n", t->file);
    assert_string_equal(try(t, "nonsense;"), want);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_became_of_the_child),
        TEST(what_is_wrong_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
