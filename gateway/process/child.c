/* Runs a worker, the admin process, the keeper and the syncer from fork() to their end. */
#include "process/child.h"

#include "admin/admin.h"
#include "base/check.h"
#include "base/output.h"
#include "keeper/keeper.h"
#include "keeper/syncer.h"
#include "process/sandbox.h"
#include "process/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* --- a worker --- */

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

/* The master has made the error log anew by now. */
static void reopen_log(const struct tg_settings *s)
{
    const char *path = tg_settings_error_log(s);
    const char *why;

    if (path != NULL && !tg_log_open(path, tg_settings_user(s), &why))
        tg_log(TG_LOG_ERROR, "worker", "cannot reopen %s: %s", path, why);
}

static void on_reopen(evutil_socket_t signal_number, short what, void *arg)
{
    struct tg_worker *w = arg;

    (void)signal_number, (void)what;
    reopen_log(w->settings);
    tg_audit_reopen(w->audit);
}

static struct event *child_watch(struct event_base *base, int signal_number,
                                 event_callback_fn callback, void *arg)
{
    struct event *event = evsignal_new(base, signal_number, callback, arg);

    CHECK(event != NULL && event_add(event, NULL) == 0);
    return event;
}

static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
}

static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group; the master says what to do */
    signal(SIGWINCH, SIG_IGN);
    CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

/* Binds the process to one of the processors it may use. Where that is not allowed it runs as it
 * is: a matter of speed alone. */
static void bind_processor(unsigned number)
{
    cpu_set_t allowed;
    cpu_set_t one;
    unsigned left;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) == 0)
        return;
    left = number % (unsigned)CPU_COUNT(&allowed);
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            CPU_SET(cpu, &one);
            break;
        }
    CHECK(CPU_COUNT(&one) == 1);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        tg_log(TG_LOG_WARN, "worker", "cannot bind worker %u to a processor: %s", number,
               strerror(errno));
}

static bool become(const struct tg_settings *s)
{
    if (s->user.n > 0 && geteuid() == 0 && !tg_sandbox_become(s->user.p, s->uid, s->gid)) {
        tg_log(TG_LOG_EMERG, "worker", "cannot become \"%s\": %s", s->user.p, strerror(errno));
        return false;
    }
    if (s->sandbox)
        tg_sandbox_hide(); /* again: becoming somebody else makes a process visible */
    return true;
}

/* Whoever signs, or tells of keys, cannot change them. */
static bool give_up_keys(const struct tg_settings *s)
{
    if (s->credential_map == NULL || tg_credential_map_read_only(s->credential_map))
        return true;
    tg_log(TG_LOG_EMERG, "worker", "cannot give up writing keys: %s", strerror(errno));
    return false;
}

/* --- what it takes --- */

struct noting {
    struct tg_usage_map *map;
    unsigned place;
    struct tg_usage_meter meter;
    struct event *event;
};

static void on_note(evutil_socket_t fd, short what, void *arg)
{
    const struct noting *n = arg;

    (void)fd, (void)what;
    tg_usage_note(n->map, n->place, &n->meter);
}

/* Before the sandbox: behind it nothing of this could be opened. */
static void begin_noting(struct noting *n, struct event_base *base, const struct tg_seat *seat)
{
    struct timeval each = {TG_USAGE_EACH_US / 1000000, 0};

    *n = (struct noting){seat->usage, seat->place, tg_usage_open(),
                         event_new(base, -1, EV_PERSIST, on_note, n)};
    CHECK(n->event != NULL && event_add(n->event, &each) == 0);
    on_note(-1, 0, n);
}

static void end_noting(struct noting *n)
{
    event_free(n->event);
    tg_usage_close(&n->meter);
}

/* --- a worker's life --- */

/* Tells who waits for it that this process serves. */
static void child_report(int ready)
{
    if (ready < 0)
        return;
    (void)!write(ready, "", 1);
    close(ready);
}

static void serve(struct tg_worker *w, const struct tg_seat *seat)
{
    CHECK(!seat->slot->ready && (seat->slot->pid == -1 || seat->slot->pid == getpid()));
    seat->slot->ready = true;
    child_report(seat->ready);
    tg_worker_run(w);
}

int tg_child_worker(struct tg_settings *settings, unsigned number, pid_t parent,
                    struct tg_stats *stats, struct tg_limits *limits, const struct tg_seat *seat)
{
    struct event *events[3];
    struct noting noting;
    struct tg_worker *w;

    CHECK(seat->slot != NULL && parent > 0);
    if (settings->worker_cpu_affinity == TG_AFFINITY_AUTO)
        bind_processor(number);
    tg_limit_stores_forget(settings);
    if (!become(settings) || !give_up_keys(settings))
        return EXIT_FAILURE;
    w = tg_worker_new(settings, number);
    if (w == NULL)
        return EXIT_FAILURE;
    tg_worker_count(w, &(struct tg_shared){.stats = stats, .slot = seat->slot, .limits = limits},
                    tg_limit_channels_of_worker(&settings->limit_channels, number));
    begin_noting(&noting, w->loop.base, seat);
    events[0] = child_watch(w->loop.base, SIGTERM, on_term, w);
    events[1] = child_watch(w->loop.base, SIGQUIT, on_quit, w);
    events[2] = child_watch(w->loop.base, SIGUSR1, on_reopen, w);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    unblock_signals();
    if (settings->sandbox)
        tg_sandbox_enter(&(struct tg_sandbox){.audit = tg_audit_file(settings->audit_conf),
                                              .log = tg_settings_error_log(settings)});
    if (getppid() == parent)
        serve(w, seat);
    block_signals(); /* a second one must not end what ends in order */
    for (unsigned i = 0; i < 3; i++)
        event_free(events[i]);
    end_noting(&noting);
    tg_worker_end(w);
    tg_settings_end(settings);
    return EXIT_SUCCESS;
}

/* --- the admin process --- */

static void on_admin_term(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_admin_stop(arg);
}

static void on_admin_quit(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_admin_drain(arg);
}

static void on_admin_reopen(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    reopen_log(arg);
}

int tg_child_admin(struct tg_settings *settings, pid_t parent, struct tg_stats *stats,
                   const struct tg_limits *limits, int orders, const struct tg_seat *seat)
{
    struct tg_admin *a = tg_admin_new(settings, stats, limits, seat->usage, orders);
    struct event *events[] = {child_watch(tg_admin_base(a), SIGTERM, on_admin_term, a),
                              child_watch(tg_admin_base(a), SIGQUIT, on_admin_quit, a),
                              child_watch(tg_admin_base(a), SIGUSR1, on_admin_reopen, settings)};
    struct noting noting;

    if (!become(settings) || !give_up_keys(settings))
        return EXIT_FAILURE;
    CHECK(orders >= 0 && parent > 0);
    tg_limit_channels_end(&settings->limit_channels);
    begin_noting(&noting, tg_admin_base(a), seat);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    unblock_signals();
    if (settings->sandbox)
        tg_sandbox_enter(&(struct tg_sandbox){.log = tg_settings_error_log(settings)});
    if (getppid() == parent) {
        child_report(seat->ready);
        tg_admin_run(a);
    }
    block_signals();
    for (unsigned i = 0; i < 3; i++)
        event_free(events[i]);
    end_noting(&noting);
    tg_admin_end(a);
    tg_settings_end(settings);
    return EXIT_SUCCESS;
}

/* --- the keeper --- */

static void on_keeper_term(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_keeper_stop(arg);
}

static void on_keeper_reopen(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    reopen_log(arg);
}

static void enter_keepers_sandbox(const struct tg_settings *s)
{
    struct tg_sandbox sandbox = {.log = tg_settings_error_log(s), .keeper = true};
    const char *file;
    uint16_t port;

    while ((file = tg_keeper_file(s, sandbox.nfiles)) != NULL) {
        CHECK(sandbox.nfiles < TG_SANDBOX_FILES);
        sandbox.file[sandbox.nfiles++] = file;
    }
    while ((port = tg_keeper_port(s, sandbox.nports)) != 0) {
        CHECK(sandbox.nports < TG_SANDBOX_PORTS);
        sandbox.port[sandbox.nports++] = port;
    }
    tg_sandbox_enter(&sandbox);
}

/* QUIT leaves it at work: its workers drain, and the master ends it behind the last of them. */
int tg_child_keeper(struct tg_settings *settings, pid_t parent, const struct tg_seat *seat)
{
    struct event *events[2];
    struct noting noting;
    struct tg_keeper *k;

    CHECK(parent > 0 && tg_keeper_wanted(settings));
    tg_settings_keep_credentials(settings);
    tg_limit_stores_end(settings);
    if (!become(settings))
        return EXIT_FAILURE;
    k = tg_keeper_new(settings);
    events[0] = child_watch(tg_keeper_base(k), SIGTERM, on_keeper_term, k);
    events[1] = child_watch(tg_keeper_base(k), SIGUSR1, on_keeper_reopen, settings);
    begin_noting(&noting, tg_keeper_base(k), seat);
    signal(SIGQUIT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    unblock_signals();
    if (settings->sandbox)
        enter_keepers_sandbox(settings);
    if (getppid() == parent) {
        child_report(seat->ready);
        tg_keeper_run(k);
    }
    block_signals();
    for (unsigned i = 0; i < 2; i++)
        event_free(events[i]);
    end_noting(&noting);
    tg_keeper_end(k);
    tg_settings_end(settings);
    return EXIT_SUCCESS;
}

/* --- the syncer --- */

static void on_syncer_term(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_syncer_stop(arg);
}

static void on_syncer_quit(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number, (void)what;
    tg_syncer_drain(arg);
}

static void enter_syncers_sandbox(const struct tg_settings *s)
{
    struct tg_sandbox sandbox = {
        .log = tg_settings_error_log(s), .keeper = true, .unix_streams = tg_syncer_needs_unix(s)};
    uint16_t port;

    while ((port = tg_syncer_port(s, sandbox.nports)) != 0) {
        CHECK(sandbox.nports < TG_SANDBOX_PORTS);
        sandbox.port[sandbox.nports++] = port;
    }
    tg_sandbox_enter(&sandbox);
}

/* As the keeper it is ended behind the last of its workers. */
int tg_child_syncer(struct tg_settings *settings, pid_t parent, struct tg_limits *limits,
                    const struct tg_seat *seat)
{
    struct event *events[3];
    struct noting noting;
    struct tg_syncer *s;

    CHECK(parent > 0 && limits != NULL && tg_syncer_wanted(settings));
    tg_settings_keep_credentials(settings);
    if (settings->credential_map != NULL)
        tg_credential_map_end(settings->credential_map);
    settings->credential_map = NULL;
    tg_limit_channels_of_syncer(&settings->limit_channels);
    if (!become(settings))
        return EXIT_FAILURE;
    s = tg_syncer_new(settings, limits);
    events[0] = child_watch(tg_syncer_base(s), SIGTERM, on_syncer_term, s);
    events[1] = child_watch(tg_syncer_base(s), SIGQUIT, on_syncer_quit, s);
    events[2] = child_watch(tg_syncer_base(s), SIGUSR1, on_keeper_reopen, settings);
    begin_noting(&noting, tg_syncer_base(s), seat);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    unblock_signals();
    if (settings->sandbox)
        enter_syncers_sandbox(settings);
    if (getppid() == parent) {
        tg_syncer_first(s);
        child_report(seat->ready);
        tg_syncer_run(s);
    }
    block_signals();
    for (unsigned i = 0; i < 3; i++)
        event_free(events[i]);
    end_noting(&noting);
    tg_syncer_end(s);
    tg_settings_end(settings);
    return EXIT_SUCCESS;
}

/* --- the background --- */

static void leave_terminal(bool quiet)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    for (int i = STDIN_FILENO; null >= 0 && i <= (quiet ? STDERR_FILENO : STDOUT_FILENO); i++)
        dup2(null, i);
    if (null > STDERR_FILENO)
        close(null);
}

int tg_child_daemon(bool quiet)
{
    struct tg_buf words = {0};
    int ends[2];
    ssize_t n;
    pid_t pid;

    pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid < 0) {
        tg_complain("trainguard: cannot go into the background: %s", strerror(errno));
        exit(EXIT_FAILURE);
    }
    if (pid == 0) {
        close(ends[0]);
        leave_terminal(quiet);
        return ends[1];
    }
    close(ends[1]);
    n = read(ends[0], tg_buf_room(&words, PIPE_BUF), PIPE_BUF);
    words.n = n > 0 ? (size_t)n - 1 : 0;
    tg_settings_print(&words);
    exit(n > 0 && words.p[words.n] == '+' ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* One write of at most PIPE_BUF bytes is read as one: the problems, then how it went. */
void tg_child_daemon_ready(int fd, bool good, const struct tg_buf *problems)
{
    struct tg_buf words = {0};
    size_t n = problems->n < PIPE_BUF ? problems->n : 0;

    CHECK(fd >= 0);
    tg_buf_add(&words, (struct tg_str){problems->p, n});
    tg_buf_putc(&words, good ? '+' : '-');
    (void)!write(fd, words.p, words.n);
    close(fd);
    tg_buf_end(&words);
}
