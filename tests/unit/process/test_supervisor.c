/* The supervisor with workers that only pretend: loops that stand still, generations too many. */
#include "process/supervisor.h"

#include "base/clock.h"
#include "shm/limits.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* How many processes the system still has to give. */
static int forks = INT_MAX;

/* Instead of the one of libc. */
pid_t fork(void)
{
    if (forks-- > 0)
        return _Fork();
    errno = EAGAIN;
    return -1;
}

/* What it says when a pipe is asked for; 0: there is one. */
static int no_pipe;

/* Instead of the one of libc. */
int pipe2(int ends[2], int flags)
{
    errno = no_pipe;
    return no_pipe != 0 ? -1 : (int)syscall(SYS_pipe2, ends, flags);
}

/* A worker that serves, never drains, and ends when it is told to. */
static int pretend(void *owner, unsigned number, const struct tg_seat *seat)
{
    struct tg_stats_slot *slot = seat->slot;

    (void)owner, (void)number;
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    if (slot != NULL)
        slot->ready = true;
    if (seat->ready >= 0)
        (void)!write(seat->ready, "", 1);
    close(seat->ready);
    if (slot != NULL)
        slot->ready = false;
    while (pause() < 0)
        ;
    return EXIT_FAILURE;
}

static struct tg_supervisor *begin(unsigned workers)
{
    struct tg_supervisor *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->stats = tg_stats_new();
    c->limits = tg_limits_new();
    c->usage = tg_usage_new();
    c->workers = workers;
    c->work = pretend;
    return c;
}

static void end(struct tg_supervisor *c)
{
    int status;

    c->ending = true;
    tg_supervisor_tell(c, SIGKILL);
    while (tg_supervisor_count(c) > 0) {
        (void)tg_supervisor_reap(c, 0, &status);
        poll(NULL, 0, 1);
    }
    tg_stats_end(c->stats);
    tg_limits_end(c->limits);
    tg_usage_end(c->usage);
    free(c);
}

static unsigned members(const struct tg_supervisor *c, unsigned generation)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TG_SUPERVISOR_SIZE; i++)
        n += c->process[i].pid != 0 && c->process[i].generation == generation;
    return n;
}

/* Nobody of an old generation ever finishes, and every start succeeds: the oldest ones go. */
static void too_many_generations(void **state)
{
    enum { WORKERS = 60, FIT = TG_SUPERVISOR_SIZE / WORKERS };
    struct tg_supervisor *c = begin(WORKERS);

    (void)state;
    for (unsigned i = 1; i <= FIT + 2; i++) {
        assert_true(tg_supervisor_start(c));
        assert_int_equal(c->generation, i);
        for (unsigned g = 1; g <= i; g++)
            assert_int_equal(members(c, g), i - g < FIT ? WORKERS : 0);
    }
    end(c);
}

/* What the only worker's heartbeat does between looks, and after which of them it is killed. */
static const struct {
    const char *beats; /* 't' it turns, 's' it stands still */
    int killed;        /* by which look, from 1; 0: by none */
} loops[] = {
    {"tttttttt", 0}, {"sss", 3},    {"tss", 3},  {"tstststs", 0},
    {"ststs", 0},    {"tsttss", 6}, {"ttss", 4},
};

static bool is_dead(struct tg_supervisor *c)
{
    int status;

    for (int i = 0; i < 2000 && tg_supervisor_count(c) > 0; i++) {
        (void)tg_supervisor_reap(c, 0, &status);
        poll(NULL, 0, 1);
    }
    return tg_supervisor_count(c) == 0;
}

static void loop_stands_still(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
        struct tg_supervisor *c = begin(1);
        int look = 0;

        assert_true(tg_supervisor_start(c));
        c->stats->slot[0].ready = true;
        for (const char *b = loops[i].beats; *b != '\0'; b++) {
            c->stats->slot[0].heartbeat += *b == 't';
            c->looked = 0;
            assert_true(tg_supervisor_look(c, 60000000) > 29000000);
            look++;
            if (look == loops[i].killed) {
                assert_true(is_dead(c));
                /* now, or where the machine stood still meanwhile, it has been started again */
                assert_true(tg_supervisor_respawn(c) >= 0 || tg_supervisor_count(c) == 1);
            } else {
                assert_int_equal(kill(c->process[0].pid, 0), 0);
                assert_true(c->process[0].still < 2);
            }
        }
        end(c);
    }
}

/* --- the keeper --- */

static uint64_t keepers_beat;

static uint64_t beat_of_keeper(const void *owner, unsigned number)
{
    (void)owner, (void)number;
    return keepers_beat;
}

static const struct tg_process *find(const struct tg_supervisor *c, unsigned number,
                                     unsigned generation)
{
    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && p->number == number && p->generation == generation)
            return p;
    return NULL;
}

static void reap_until_gone(struct tg_supervisor *c, unsigned number, unsigned generation)
{
    int status;

    for (int i = 0; i < 2000 && find(c, number, generation) != NULL; i++) {
        (void)tg_supervisor_reap(c, 0, &status);
        (void)tg_supervisor_respawn(c);
        poll(NULL, 0, 1);
    }
    assert_null(find(c, number, generation));
}

/* It stays while workers of its generation drain, and ends behind the last of them. */
static void keeper_ends_with_its_workers(void **state)
{
    struct tg_supervisor *c = begin(2);
    int status;

    (void)state;
    c->keeper = true;
    assert_true(tg_supervisor_start(c));
    assert_true(tg_supervisor_start(c));
    assert_int_equal(members(c, 1), 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(find(c, TG_SUPERVISOR_KEEPER, 1));
        kill(find(c, i, 1)->pid, SIGTERM);
        while (find(c, i, 1) != NULL) {
            (void)tg_supervisor_reap(c, 0, &status);
            poll(NULL, 0, 1);
        }
        (void)tg_supervisor_respawn(c);
    }
    reap_until_gone(c, TG_SUPERVISOR_KEEPER, 1);
    assert_int_equal(members(c, 2), 3);

    kill(find(c, TG_SUPERVISOR_KEEPER, 2)->pid, SIGKILL); /* one in force is replaced */
    pid_t before = find(c, TG_SUPERVISOR_KEEPER, 2)->pid;
    for (int i = 0; i < 5000; i++) {
        const struct tg_process *p = find(c, TG_SUPERVISOR_KEEPER, 2);
        if (p != NULL && p->pid != before)
            break;
        (void)tg_supervisor_reap(c, 0, &status);
        (void)tg_supervisor_respawn(c);
        poll(NULL, 0, 1);
    }
    assert_non_null(find(c, TG_SUPERVISOR_KEEPER, 2));
    end(c);
}

/* A keeper whose loop stands still is ended like a worker; one that has not begun to turn is not.
 */
static void keeper_stands_still(void **state)
{
    struct tg_supervisor *c = begin(1);

    (void)state;
    c->keeper = true;
    c->heartbeat = beat_of_keeper;
    keepers_beat = 0;
    assert_true(tg_supervisor_start(c));
    for (int i = 0; i < 8; i++) {
        keepers_beat += i == 5;
        c->looked = 0;
        (void)tg_supervisor_look(c, 60000000);
        assert_int_equal(find(c, TG_SUPERVISOR_KEEPER, 1)->still, i < 6 ? 0 : i - 5);
    }
    reap_until_gone(c, TG_SUPERVISOR_KEEPER, 1);
    end(c);
}

/* Between two looks nothing is looked at, however often the master wakes up. */
static void looks_have_their_time(void **state)
{
    struct tg_supervisor *c = begin(1);

    (void)state;
    assert_int_equal(tg_supervisor_look(c, 0), -1);
    assert_true(tg_supervisor_start(c));
    c->stats->slot[0].ready = true;
    for (int i = 0; i < 100; i++)
        assert_true(tg_supervisor_look(c, INT64_C(3600000000)) > 0);
    assert_int_equal(c->process[0].still, 0);
    assert_int_equal(kill(c->process[0].pid, 0), 0);
    end(c);
}

/* A start without processes fails at once and leaves nobody to be started; one member that cannot
 * be replaced is tried again. */
static void the_system_has_no_process(void **state)
{
    struct tg_supervisor *c = begin(2);

    (void)state;
    assert_true(tg_supervisor_start(c));
    no_pipe = EMFILE;
    assert_false(tg_supervisor_start(c));
    no_pipe = 0;
    forks = 1;
    c->workers = 4;
    assert_false(tg_supervisor_start(c));
    c->workers = 2;
    forks = INT_MAX;
    reap_until_gone(c, 0, 3);
    assert_int_equal(tg_supervisor_respawn(c), -1);
    assert_int_equal(tg_supervisor_count(c), 2);

    kill(find(c, 1, 1)->pid, SIGKILL);
    forks = 0;
    reap_until_gone(c, 1, 1);
    c->respawn[1].at = 0;
    assert_true(tg_supervisor_respawn(c) > 5000000);
    forks = INT_MAX;
    c->respawn[1].at = 0;
    assert_int_equal(tg_supervisor_respawn(c), -1);
    assert_int_equal(members(c, 1), 2);
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_generations),  cmocka_unit_test(loop_stands_still),
        cmocka_unit_test(looks_have_their_time), cmocka_unit_test(keeper_ends_with_its_workers),
        cmocka_unit_test(keeper_stands_still),   cmocka_unit_test(the_system_has_no_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
