/* Starts, watches, ends and replaces the processes of the master. */
#include "process/supervisor.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "exchange/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHORT_LIFE_US = 2000000, /* who dies sooner is started again with a delay */
    FIRST_DELAY_US = 100000,
    MAX_DELAY_US = 10000000, /* at most this long */
    READY_US = 10000000,     /* how long a start may take */
    RETIRE_US = 1000000,     /* how long an old worker may go on taking connections */
    CUT_US = 2000000,        /* how long one that is cut off may take to write its records */
    STILL = 2,               /* looks that find one heartbeat before its worker is ended */
};

static bool is_worker(unsigned number)
{
    return number < TG_MAX_WORKERS;
}

/* It works for the workers of its generation. */
static bool is_keeper(unsigned number)
{
    return number == TG_SUPERVISOR_KEEPER || number == TG_SUPERVISOR_SYNCER;
}

static const char *role(unsigned number)
{
    CHECK(number < TG_SUPERVISOR_NUMBERS);
    if (is_worker(number))
        return "worker";
    return number == TG_SUPERVISOR_ADMIN    ? "admin"
           : number == TG_SUPERVISOR_KEEPER ? "keeper"
                                            : "syncer";
}

/* The counters of a member, NULL for all but workers. */
static struct tg_stats_slot *supervisor_slot_of(struct tg_supervisor *c, const struct tg_process *p)
{
    CHECK(p >= c->process && p < c->process + TG_SUPERVISOR_SIZE);
    return is_worker(p->number) ? &c->stats->slot[p - c->process] : NULL;
}

/* Whether a generation that is started has a member of that number. */
static bool is_wanted(const struct tg_supervisor *c, unsigned number)
{
    if (is_worker(number))
        return number < c->workers;
    return number == TG_SUPERVISOR_ADMIN    ? c->admin
           : number == TG_SUPERVISOR_KEEPER ? c->keeper
                                            : c->syncer;
}

/* --- starting --- */

static void postpone(struct tg_supervisor *c, unsigned number, int64_t delay)
{
    CHECK(number < TG_SUPERVISOR_NUMBERS);
    CHECK(delay >= 0 && delay <= MAX_DELAY_US);
    c->respawn[number] = (struct tg_respawn){
        .due = true, .at = tg_clock_mono_now() + (uint64_t)delay, .delay = delay};
}

static struct tg_process *free_entry(struct tg_supervisor *c)
{
    struct tg_process *p = c->process;

    while (p < c->process + TG_SUPERVISOR_SIZE && p->pid != 0)
        p++;
    if (p < c->process + TG_SUPERVISOR_SIZE)
        return p;
    tg_log(TG_LOG_ALERT, "master", "too many workers are still draining");
    return NULL;
}

/* `ready` is a pipe: the child keeps its writing end. False: no room, or no process to be had. */
static bool supervisor_start(struct tg_supervisor *c, unsigned number, unsigned generation,
                             const int ready[2])
{
    struct tg_process *p = free_entry(c);
    struct tg_seat seat = {.usage = c->usage, .ready = ready[1]};
    pid_t pid;

    CHECK(is_wanted(c, number) && !c->ending);
    CHECK(generation == c->generation || generation == c->generations);
    if (p == NULL)
        return false;
    seat.place = (unsigned)(p - c->process);
    if (is_worker(number))
        seat.slot = tg_stats_take(c->stats, seat.place, number);
    pid = fork();
    if (pid == 0) {
        if (ready[0] >= 0)
            close(ready[0]);
        exit(c->work(c->owner, number, &seat));
    }
    if (seat.slot != NULL)
        seat.slot->pid = pid > 0 ? pid : 0;
    if (pid < 0) {
        tg_log(TG_LOG_ALERT, "master", "fork: %s", strerror(errno));
        return false;
    }
    CHECK(pid != getpid() && p->pid == 0);
    *p = (struct tg_process){
        .pid = pid, .number = number, .generation = generation, .started = tg_clock_mono_now()};
    tg_log(TG_LOG_INFO, "master", "%s %u is process %d", role(number), number, (int)pid);
    return true;
}

/* Reads one byte of each; the pipe ends when all have reported or died. */
static bool await_ready(int fd, unsigned wanted)
{
    uint64_t deadline = tg_clock_mono_now() + READY_US;
    struct pollfd one = {fd, POLLIN, 0};
    char bytes[TG_SUPERVISOR_NUMBERS];

    CHECK(wanted >= 1 && wanted <= sizeof(bytes));
    while (wanted > 0) {
        uint64_t now = tg_clock_mono_now();
        ssize_t n;

        if (now >= deadline || poll(&one, 1, (int)((deadline - now) / 1000) + 1) <= 0)
            return false;
        n = read(fd, bytes, sizeof(bytes));
        if (n <= 0)
            return false;
        CHECK((size_t)n <= wanted);
        wanted -= (unsigned)n;
    }
    return true;
}

/* Sends a signal to the members of one generation, or to those of all others. */
static void tell_some(struct tg_supervisor *c, unsigned generation, bool others, int signal_number)
{
    for (struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && (p->generation == generation) != others)
            kill(p->pid, signal_number);
}

/* Readers of the counters tell who serves from who drains. */
static void mark_old(struct tg_supervisor *c)
{
    for (struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && supervisor_slot_of(c, p) != NULL)
            supervisor_slot_of(c, p)->old = p->generation != c->generation || c->resting;
}

/* A worker that was killed cannot say that it has stopped listening. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

/* An old worker that may still take a connection, or NULL. */
static const struct tg_process *unretired(struct tg_supervisor *c)
{
    for (struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && p->generation != c->generation && supervisor_slot_of(c, p) != NULL &&
            __atomic_load_n(&supervisor_slot_of(c, p)->ready, __ATOMIC_ACQUIRE) &&
            !has_ended(p->pid))
            return p;
    return NULL;
}

static void await_retired(struct tg_supervisor *c)
{
    uint64_t deadline = tg_clock_mono_now() + RETIRE_US;
    const struct tg_process *p;

    while ((p = unretired(c)) != NULL && tg_clock_mono_now() < deadline)
        poll(NULL, 0, 1);
    if (p != NULL)
        tg_log(TG_LOG_WARN, "master", "worker %u (process %d) may still take connections",
               p->number, (int)p->pid);
}

static void reap_child(struct tg_supervisor *c, struct tg_process *p, int status);

/* The oldest generation that drains, 0: there is none. */
static unsigned oldest(const struct tg_supervisor *c)
{
    unsigned least = 0;

    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && p->generation != c->generation && (least == 0 || p->generation < least))
            least = p->generation;
    return least;
}

/* Waits for a member that was told to end, and ends it when it does not. */
static void await_end(struct tg_supervisor *c, struct tg_process *p, uint64_t deadline)
{
    pid_t ended;
    int status;

    CHECK(p->pid > 0 && p->generation != c->generation);
    while ((ended = waitpid(p->pid, &status, WNOHANG)) == 0 && tg_clock_mono_now() < deadline)
        poll(NULL, 0, 1);
    if (ended == 0) {
        kill(p->pid, SIGKILL);
        ended = waitpid(p->pid, &status, 0);
    }
    reap_child(c, p, ended > 0 ? status : 0);
}

/* Makes room for `wanted` more by ending the oldest generation as if its shutdown_timeout had
 * passed, then the next: slow answers must not make reloads impossible. */
static void supervisor_make_room(struct tg_supervisor *c, unsigned wanted)
{
    while (TG_SUPERVISOR_SIZE - tg_supervisor_count(c) < wanted && oldest(c) != 0) {
        unsigned generation = oldest(c);
        uint64_t deadline = tg_clock_mono_now() + CUT_US;

        CHECK(generation != c->generation);
        tg_log(TG_LOG_WARN, "master",
               "too many workers are still draining: the oldest ones are cut off");
        tell_some(c, generation, false, SIGTERM);
        for (struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
            if (p->pid != 0 && p->generation == generation)
                await_end(c, p, deadline);
    }
}

bool tg_supervisor_start(struct tg_supervisor *c)
{
    unsigned generation = ++c->generations;
    unsigned members = c->workers + c->admin + c->keeper + c->syncer;
    int ends[2];
    bool good = true;

    CHECK(c->workers >= 1 && c->workers <= TG_MAX_WORKERS);
    CHECK(generation > c->generation);
    supervisor_make_room(c, members);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        tg_log(TG_LOG_ALERT, "master", "pipe: %s", strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < TG_SUPERVISOR_NUMBERS && good; i++)
        if (is_wanted(c, i))
            good = supervisor_start(c, i, generation, ends);
    close(ends[1]);
    good = good && await_ready(ends[0], members);
    close(ends[0]);
    if (!good) {
        tell_some(c, generation, false, SIGTERM);
        return false;
    }
    CHECK(generation == c->generations && tg_supervisor_count(c) >= members);
    memset(c->respawn, 0, sizeof(c->respawn));
    c->generation = generation;
    c->resting = false;
    mark_old(c);
    tell_some(c, generation, true, SIGQUIT);
    await_retired(c);
    return true;
}

void tg_supervisor_rest(struct tg_supervisor *c)
{
    CHECK(!c->ending && c->generation > 0);
    c->resting = true;
    mark_old(c);
    tg_supervisor_tell(c, SIGQUIT);
}

void tg_supervisor_tell(const struct tg_supervisor *c, int signal_number)
{
    CHECK(signal_number > 0 && signal_number < NSIG);
    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0)
            kill(p->pid, signal_number);
}

/* --- deaths --- */

static void describe_death(const struct tg_process *p, int status)
{
    if (WIFSIGNALED(status))
        tg_log(TG_LOG_ALERT, "master", "%s %u (process %d) was killed by signal %d%s",
               role(p->number), p->number, (int)p->pid, WTERMSIG(status),
               WCOREDUMP(status) ? ", core dumped" : "");
    else
        tg_log(TG_LOG_ALERT, "master", "%s %u (process %d) exited with status %d", role(p->number),
               p->number, (int)p->pid, WEXITSTATUS(status));
}

/* Who lived a while is replaced at once; who dies at its start less and less often. */
static void respawn_later(struct tg_supervisor *c, const struct tg_process *p)
{
    int64_t delay = c->respawn[p->number].delay;

    CHECK(!c->respawn[p->number].due && delay <= MAX_DELAY_US);
    if (tg_clock_mono_now() - p->started >= SHORT_LIFE_US)
        delay = 0;
    else
        delay = delay == 0 ? FIRST_DELAY_US : delay * 2;
    postpone(c, p->number, delay < MAX_DELAY_US ? delay : MAX_DELAY_US);
    c->stats->restarts++;
}

static void reap_child(struct tg_supervisor *c, struct tg_process *p, int status)
{
    bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    CHECK(p->pid > 0 && p->generation <= c->generations);
    if (!in_order)
        describe_death(p, status);
    if (!in_order && c->ending)
        c->failed = true;
    if (!c->ending && !c->resting && p->generation == c->generation)
        respawn_later(c, p);
    if (supervisor_slot_of(c, p) != NULL) {
        tg_stats_fold(c->stats, (unsigned)(p - c->process));
        tg_limits_forget(c->limits, (unsigned)(p - c->process));
    }
    tg_usage_forget(c->usage, (unsigned)(p - c->process));
    p->pid = 0;
}

bool tg_supervisor_reap(struct tg_supervisor *c, pid_t watched, int *status)
{
    bool found = false;
    int one;
    pid_t pid;

    while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
        struct tg_process *p = c->process;

        while (p < c->process + TG_SUPERVISOR_SIZE && p->pid != pid)
            p++;
        if (p < c->process + TG_SUPERVISOR_SIZE)
            reap_child(c, p, one);
        if (pid == watched) {
            *status = one;
            found = true;
        }
    }
    return found;
}

static bool has_workers(const struct tg_supervisor *c, unsigned generation)
{
    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && is_worker(p->number) && p->generation == generation)
            return true;
    return false;
}

/* Keeper and syncer go on while workers of their generation drain: they may need another key, and
 * are charged. */
static void end_keepers(const struct tg_supervisor *c)
{
    bool serving = !c->ending && !c->resting;

    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        if (p->pid != 0 && is_keeper(p->number) && !(serving && p->generation == c->generation) &&
            !has_workers(c, p->generation))
            kill(p->pid, SIGTERM);
}

int64_t tg_supervisor_respawn(struct tg_supervisor *c)
{
    static const int nobody_waits[2] = {-1, -1};
    uint64_t now = tg_clock_mono_now();
    int64_t wait = -1;

    end_keepers(c);
    for (unsigned i = 0; i < TG_SUPERVISOR_NUMBERS && !c->ending && !c->resting; i++) {
        struct tg_respawn *r = &c->respawn[i];

        if (!r->due)
            continue;
        CHECK(c->generation > 0);
        if (r->at <= now) {
            r->due = false;
            if (!supervisor_start(c, i, c->generation, nobody_waits))
                postpone(c, i, MAX_DELAY_US);
        }
        if (r->due && (wait < 0 || (int64_t)(r->at - now) < wait))
            wait = (int64_t)(r->at - now);
    }
    return wait;
}

/* --- loops that stand still --- */

/* When a member last turned its loop; 0: it has not begun to, so it cannot have stopped, or it is
 * none that is watched. */
static uint64_t heartbeat_of(struct tg_supervisor *c, const struct tg_process *p)
{
    const struct tg_stats_slot *slot = supervisor_slot_of(c, p);

    if (slot != NULL)
        return slot->ready || slot->old ? slot->heartbeat : 0;
    if (!is_keeper(p->number) || p->generation != c->generation)
        return 0;
    return c->heartbeat(c->owner, p->number);
}

/* The filter a worker runs, as the worker tells it: it may tell anything. */
static const char *filter_of(const struct tg_stats_slot *slot)
{
    uint32_t number = slot != NULL ? slot->filter : 0;

    return number > 0 && number <= tg_filter_count() ? tg_filter_at(number - 1)->name : NULL;
}

static void supervisor_look_at(struct tg_supervisor *c, struct tg_process *p, int64_t timeout)
{
    const struct tg_stats_slot *slot = supervisor_slot_of(c, p);
    uint64_t heartbeat = heartbeat_of(c, p);
    const char *filter;

    if (heartbeat != p->heartbeat || heartbeat == 0) {
        p->heartbeat = heartbeat;
        p->still = 0;
        return;
    }
    if (++p->still < STILL)
        return;
    CHECK(p->pid > 0 && p->still >= STILL);
    filter = filter_of(slot);
    tg_log(TG_LOG_ALERT, "master",
           "%s %u (process %d) has not turned its event loop for %ld ms%s%s%s%s: it is ended",
           role(p->number), p->number, (int)p->pid, (long)(timeout / 1000),
           slot != NULL ? ", while " : "", slot != NULL ? tg_phase_text(slot->phase) : "",
           filter != NULL ? ", in the filter " : "", filter != NULL ? filter : "");
    kill(p->pid, SIGKILL);
}

int64_t tg_supervisor_look(struct tg_supervisor *c, int64_t timeout)
{
    uint64_t now = tg_clock_mono_now();
    uint64_t interval = (uint64_t)timeout / STILL;

    CHECK(timeout >= 0 && c->looked <= now);
    if (timeout == 0)
        return -1;
    if (now - c->looked >= interval) {
        c->looked = now;
        for (struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
            if (p->pid != 0)
                supervisor_look_at(c, p, timeout);
    }
    return (int64_t)(interval - (now - c->looked));
}

unsigned tg_supervisor_count(const struct tg_supervisor *c)
{
    unsigned n = 0;

    for (const struct tg_process *p = c->process; p < c->process + TG_SUPERVISOR_SIZE; p++)
        n += p->pid != 0;
    return n;
}
