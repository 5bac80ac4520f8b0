/* What processes take: measured by each, added up, and never less time than before. */
#include "shm/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DESCRIPTORS = 200 };

static void one_process(void **state)
{
    struct tg_usage_map *m = tg_usage_new();
    struct tg_usage_meter meter = tg_usage_open();
    struct tg_usage before, after;
    int more[DESCRIPTORS];

    (void)state;
    assert_int_equal(tg_usage_sum(m).pid, 0);
    tg_usage_note(m, 3, &meter);
    before = tg_usage_sum(m);
    assert_int_equal(before.pid, 1);
    assert_true(before.resident > before.shared && before.size >= before.resident);
    assert_true(before.open > 0 && before.open <= before.most);
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        assert_true((more[i] = dup(STDIN_FILENO)) >= 0);
    tg_usage_note(m, 3, &meter);
    after = tg_usage_sum(m);
    assert_int_equal(after.open, before.open + DESCRIPTORS);
    assert_true(after.cpu_us >= before.cpu_us);
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        close(more[i]);
    tg_usage_forget(m, 3);
    assert_int_equal(tg_usage_sum(m).pid, 0);
    tg_usage_close(&meter);
    tg_usage_end(m);
}

/* Where nothing is told but time and the limit. */
static void without_proc(void **state)
{
    struct tg_usage_map *m = tg_usage_new();
    struct tg_usage_meter none = {-1, -1};
    struct tg_usage sum;

    (void)state;
    tg_usage_note(m, 0, &none);
    sum = tg_usage_sum(m);
    assert_int_equal(sum.pid, 1);
    assert_int_equal(sum.resident + sum.size + sum.open, 0);
    assert_true(sum.most > 0);
    tg_usage_close(&none);
    tg_usage_end(m);
}

/* Uses a processor for 20 ms of its time, notes it at place 1, and ends. */
static void child(struct tg_usage_map *m)
{
    struct tg_usage_meter none = {-1, -1};

    do
        tg_usage_note(m, 1, &none);
    while (tg_usage_sum(m).cpu_us < 20000);
    _exit(EXIT_SUCCESS);
}

/* A process that ended is its parent's, from the next time on that looks; meanwhile no time is
 * lost. */
static void time_of_who_ended(void **state)
{
    struct tg_usage_map *m = tg_usage_new();
    struct tg_usage_meter none = {-1, -1};
    uint64_t own, both;
    int status;
    pid_t pid;

    (void)state;
    tg_usage_note(m, TG_USAGE_MASTER, &none);
    own = tg_usage_sum(m).cpu_us;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(m);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    both = tg_usage_sum(m).cpu_us;
    assert_true(both >= own && both >= 20000);
    tg_usage_forget(m, 1);
    assert_int_equal(tg_usage_sum(m).cpu_us, both);
    tg_usage_note(m, TG_USAGE_MASTER, &none);
    assert_int_equal(tg_usage_sum(m).pid, 1);
    assert_true(tg_usage_sum(m).cpu_us >= both);
    tg_usage_end(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process),
        cmocka_unit_test(without_proc),
        cmocka_unit_test(time_of_who_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
