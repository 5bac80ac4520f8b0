#include "master.h"

#include "check.h"
#include "clock.h"
#include "listen.h"
#include "tickets.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHORT_LIFE_US = 2000000,           /* a worker that dies sooner is started again with a delay */
    MAX_DELAY_US = 10000000,           /* at most this long */
    MAX_PROCESSES = 4 * TG_MAX_WORKERS /* workers of several configurations while they drain */
};

struct process {
    pid_t pid;       /* 0: the entry is free */
    unsigned number; /* which socket of each address is its */
    bool old;        /* of an earlier configuration: drains, is not replaced */
    uint64_t started;
};

/* A worker to be started again, not before `at`. */
struct revival {
    bool due;
    uint64_t at;
    int64_t delay;
};

struct master {
    struct tg_settings *settings;
    const char *file;
    const char *prefix;
    struct tg_socket *sockets;
    struct process processes[MAX_PROCESSES];
    struct revival revivals[TG_MAX_WORKERS];
    unsigned workers; /* wanted */
    bool ending;      /* no worker is started any more; the master ends with the last one */
    bool resting;     /* WINCH: no workers, but the master stays */
    struct tg_tickets tickets; /* workers get a copy with fork() */
    int log_fd;
    int status;
};

/* --- logs and the pid file --- */

static bool open_log(struct master *m)
{
    const struct tg_settings *s = m->settings;
    int fd = STDERR_FILENO;

    if (s->error_log.n > 0 && !tg_str_eq(s->error_log, TG_STR("stderr")))
        fd = open(s->error_log.p, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        tg_log(TG_LOG_EMERG, "master", "cannot open %s: %s", s->error_log.p, strerror(errno));
        return false;
    }
    tg_log_to(fd, (enum tg_log_level)s->error_log_level);
    if (m->log_fd > STDERR_FILENO)
        close(m->log_fd);
    m->log_fd = fd;
    return true;
}

static bool write_pid(const struct tg_settings *s)
{
    FILE *f;

    if (s->pid.n == 0)
        return true;
    f = fopen(s->pid.p, "we");
    if (f == NULL || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f) != 0) {
        tg_log(TG_LOG_EMERG, "master", "cannot write %s: %s", s->pid.p, strerror(errno));
        return false;
    }
    return true;
}

/* --- a worker process --- */

static void on_term(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_worker_stop(arg);
}

static void on_quit(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_worker_drain(arg);
}

static void on_reopen(evutil_socket_t signal_number, short what, void *arg)
{
    struct tg_worker *w = arg;

    (void)signal_number, (void)what;
    tg_audit_reopen(w->audit);
}

static struct event *watch(struct tg_worker *w, int signal_number, event_callback_fn callback)
{
    struct event *event = evsignal_new(w->base, signal_number, callback, w);

    CHECK(event != NULL && event_add(event, NULL) == 0);
    return event;
}

static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group; the master says what to do */
    signal(SIGWINCH, SIG_IGN);
    CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

/* What a worker does between fork() and _exit(). */
static int work(struct master *m, unsigned number, pid_t parent)
{
    struct event *events[3];
    struct tg_worker *w;

    tg_sockets_take(m->sockets, m->settings, number);
    w = tg_worker_new(m->settings, number);
    if (w == NULL)
        return 1;
    events[0] = watch(w, SIGTERM, on_term);
    events[1] = watch(w, SIGQUIT, on_quit);
    events[2] = watch(w, SIGUSR1, on_reopen);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    unblock_signals();
    if (getppid() == parent)
        tg_worker_run(w);
    for (unsigned i = 0; i < 3; i++)
        event_free(events[i]);
    tg_worker_end(w);
    tg_settings_end(m->settings);
    return 0;
}

static void start(struct master *m, unsigned number)
{
    struct process *p = m->processes;
    pid_t parent = getpid();
    pid_t pid;

    while (p < m->processes + MAX_PROCESSES && p->pid != 0)
        p++;
    if (p == m->processes + MAX_PROCESSES) {
        tg_log(TG_LOG_ALERT, "master", "too many workers are still draining");
        return;
    }
    tg_tickets_advance(&m->tickets, tg_clock_mono_now());
    m->settings->tickets = &m->tickets;
    pid = fork();
    if (pid == 0)
        exit(work(m, number, parent));
    if (pid < 0) {
        tg_log(TG_LOG_ALERT, "master", "fork: %s", strerror(errno));
        m->revivals[number] = (struct revival){true, tg_clock_mono_now() + MAX_DELAY_US, 0};
        return;
    }
    *p = (struct process){.pid = pid, .number = number, .started = tg_clock_mono_now()};
    tg_log(TG_LOG_INFO, "master", "worker %u is process %d", number, (int)pid);
}

/* --- the master's work --- */

static unsigned count(const struct master *m)
{
    unsigned n = 0;

    for (const struct process *p = m->processes; p < m->processes + MAX_PROCESSES; p++)
        n += p->pid != 0;
    return n;
}

static void tell(const struct master *m, int signal_number)
{
    for (const struct process *p = m->processes; p < m->processes + MAX_PROCESSES; p++)
        if (p->pid != 0)
            kill(p->pid, signal_number);
}

static void describe_death(const struct process *p, int status)
{
    if (WIFSIGNALED(status))
        tg_log(TG_LOG_ALERT, "master", "worker %u (process %d) was killed by signal %d%s",
               p->number, (int)p->pid, WTERMSIG(status), WCOREDUMP(status) ? ", core dumped" : "");
    else
        tg_log(TG_LOG_ALERT, "master", "worker %u (process %d) exited with status %d", p->number,
               (int)p->pid, WEXITSTATUS(status));
}

/* A worker that lived a while is replaced at once; one that dies at its start less and less often.
 */
static void revive_later(struct master *m, const struct process *p)
{
    struct revival *r = &m->revivals[p->number];
    uint64_t now = tg_clock_mono_now();
    bool short_life = now - p->started < SHORT_LIFE_US;

    r->delay = !short_life ? 0 : r->delay == 0 ? 100000 : r->delay * 2;
    if (r->delay > MAX_DELAY_US)
        r->delay = MAX_DELAY_US;
    r->due = true;
    r->at = now + (uint64_t)r->delay;
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (struct process *p = m->processes; p < m->processes + MAX_PROCESSES; p++) {
            bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;

            if (p->pid != pid)
                continue;
            if (!in_order)
                describe_death(p, status);
            if (!in_order && m->ending)
                m->status = 1;
            if (!m->ending && !m->resting && !p->old)
                revive_later(m, p);
            p->pid = 0;
        }
}

/* Starts who is due; returns how long until the next one is, in microseconds, or -1. */
static int64_t revive(struct master *m)
{
    uint64_t now = tg_clock_mono_now();
    int64_t wait = -1;

    for (unsigned i = 0; i < m->workers && !m->ending && !m->resting; i++) {
        struct revival *r = &m->revivals[i];

        if (!r->due)
            continue;
        if (r->at <= now) {
            r->due = false;
            start(m, i);
        } else if (wait < 0 || (int64_t)(r->at - now) < wait) {
            wait = (int64_t)(r->at - now);
        }
    }
    return wait;
}

static unsigned wanted_workers(const struct tg_settings *s)
{
    long n = s->worker_processes > 0 ? (long)s->worker_processes : sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > TG_MAX_WORKERS ? TG_MAX_WORKERS : (unsigned)n;
}

static void start_all(struct master *m)
{
    m->resting = false;
    for (unsigned i = 0; i < m->workers; i++) {
        m->revivals[i] = (struct revival){0};
        start(m, i);
    }
}

static void retire_all(struct master *m)
{
    for (struct process *p = m->processes; p < m->processes + MAX_PROCESSES; p++)
        p->old = true;
    tell(m, SIGQUIT);
}

/* All or nothing: the old configuration goes on until everything of the new one is in place. */
static void reload(struct master *m)
{
    struct tg_settings *fresh = tg_settings_load(m->file, m->prefix);
    struct tg_settings *stale = m->settings;
    unsigned workers;

    if (fresh == NULL) {
        tg_log(TG_LOG_ERROR, "master", "reload failed: the old configuration goes on");
        return;
    }
    workers = wanted_workers(fresh);
    if (!tg_sockets_open(&m->sockets, fresh, workers)) {
        tg_log(TG_LOG_ERROR, "master", "reload failed: the old configuration goes on");
        tg_settings_end(fresh);
        return;
    }
    m->settings = fresh;
    m->workers = workers;
    tg_tickets_renew(&m->tickets, fresh->tls_ticket_rotation, tg_clock_mono_now());
    if (!open_log(m))
        tg_log(TG_LOG_ERROR, "master", "the old error log goes on");
    tg_sockets_close_unwanted(&m->sockets);
    retire_all(m);
    start_all(m);
    tg_settings_end(stale);
    tg_log(TG_LOG_NOTICE, "master", "reloaded %s", m->file);
}

static void end(struct master *m, int signal_number)
{
    m->ending = true;
    tell(m, signal_number);
}

static void obey(struct master *m, int signal_number)
{
    switch (signal_number) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGHUP:
        reload(m);
        break;
    case SIGQUIT:
        tg_log(TG_LOG_NOTICE, "master", "signal QUIT: ending gracefully");
        end(m, SIGQUIT);
        break;
    case SIGTERM:
    case SIGINT:
        tg_log(TG_LOG_NOTICE, "master", "signal %s: ending",
               signal_number == SIGTERM ? "TERM" : "INT");
        end(m, SIGTERM);
        break;
    case SIGUSR1:
        (void)open_log(m);
        tell(m, SIGUSR1);
        break;
    case SIGWINCH:
        m->resting = true;
        retire_all(m);
        break;
    default:
        TG_UNREACHABLE();
    }
}

static sigset_t our_signals(void)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGQUIT, SIGTERM, SIGINT, SIGUSR1, SIGWINCH};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaddset(&set, numbers[i]);
    return set;
}

static void run(struct master *m, const sigset_t *signals)
{
    while (!m->ending || count(m) > 0) {
        int64_t wait = revive(m);
        struct timespec timeout = {wait / 1000000, (wait % 1000000) * 1000};
        int got = wait < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &timeout);

        if (got > 0)
            obey(m, got);
        else
            CHECK(errno == EAGAIN || errno == EINTR);
    }
}

int tg_master_run(struct tg_settings *settings, const char *file, const char *prefix)
{
    struct master m = {.settings = settings, .file = file, .prefix = prefix};
    sigset_t signals = our_signals();

    signal(SIGPIPE, SIG_IGN);
    CHECK(sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
    m.workers = wanted_workers(settings);
    tg_tickets_init(&m.tickets, settings->tls_ticket_rotation, tg_clock_mono_now());
    if (!open_log(&m) || !tg_sockets_open(&m.sockets, settings, m.workers) ||
        !write_pid(settings)) {
        m.status = 1;
    } else {
        tg_log(TG_LOG_NOTICE, "master", "trainguard %s, %u worker%s", TG_VERSION, m.workers,
               m.workers == 1 ? "" : "s");
        start_all(&m);
        run(&m, &signals);
        if (m.settings->pid.n > 0)
            unlink(m.settings->pid.p);
    }
    tg_sockets_end(&m.sockets);
    tg_settings_end(m.settings);
    tg_log(TG_LOG_NOTICE, "master", "ended");
    return m.status;
}
