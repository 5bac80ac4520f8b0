/* The master process: settings in force, signals, start and end. */
#include "process/master.h"

#include "admin/admin.h"
#include "base/check.h"
#include "base/clock.h"
#include "keeper/keeper.h"
#include "keeper/syncer.h"
#include "net/ticket_keys.h"
#include "process/changes.h"
#include "process/child.h"
#include "process/control.h"
#include "process/inherited.h"
#include "process/places.h"
#include "process/problems.h"
#include "process/sandbox.h"
#include "process/supervisor.h"
#include "process/systemd.h"
#include "process/trial.h"
#include "process/upgrade.h"
#include "shm/limit_stores.h"
#include "signing/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct master {
    struct tg_settings *settings;
    const char *file;
    const char *prefix;
    char **argv;
    struct tg_listener *sockets;
    struct tg_stats *stats;
    struct tg_supervisor supervisor;
    struct tg_ticket_keys tickets; /* workers get a copy with fork() */
    pid_t pid;
    pid_t new_master; /* the program USR2 started, until it takes over; 0: none */
    pid_t old_master; /* the master that started this one; 0: none */
    bool replaced;    /* the new master serves: what is shared with it stays */
    int daemon_fd;    /* tells who started it into the background; -1: nobody waits */
    int pid_fd;       /* holds the lock of the pid file; -1: there is none */
    uint64_t watched; /* when the watchdog was last told, monotonic */
    struct tg_changes changes;
    struct tg_usage_meter meter;
    int orders[2]; /* pipe from the admin process, one byte per order */
};

/* Workers open it again by its name, as the user they are. */
static void give_log(const struct tg_settings *s, const char *path)
{
    if (s->user.n > 0 && geteuid() == 0 && !tg_log_give(s->uid, s->gid))
        tg_log(TG_LOG_WARN, "master", "cannot give %s to %s: %s", path, s->user.p, strerror(errno));
}

static bool open_log(const struct tg_settings *s, struct tg_buf *problems)
{
    const char *path = tg_settings_error_log(s), *why;

    if (!tg_log_open(path, tg_settings_user(s), &why)) {
        tg_buf_printf(problems, "[emerg] cannot open %s: %s\n", path, why);
        return false;
    }
    tg_log_level((enum tg_log_level)s->error_log_level);
    tg_log_json(s->error_log_json);
    if (path != NULL)
        give_log(s, path);
    return true;
}

/* --- settings in force --- */

/* What a child has no business with: what orders the master, and what is the master's own. */
static void close_own(struct master *m, bool admin)
{
    CHECK(m->orders[0] > STDERR_FILENO && m->orders[1] > STDERR_FILENO);
    tg_source_forget_environment();
    close(m->orders[0]);
    if (!admin)
        close(m->orders[1]);
    if (m->pid_fd >= 0)
        close(m->pid_fd);
    if (m->daemon_fd >= 0)
        close(m->daemon_fd);
    tg_changes_end(&m->changes);
    tg_usage_close(&m->meter);
}

/* The keeper has no counters, no listeners and no secrets of the others. */
static int work_as_keeper(struct master *m, const struct tg_seat *seat)
{
    tg_listeners_close(m->sockets);
    tg_stats_end(m->stats);
    tg_limits_end(m->supervisor.limits);
    tg_wipe(&m->tickets, sizeof(m->tickets));
    return tg_child_keeper(m->settings, m->pid, seat);
}

/* The syncer has the map of limits and what its stores need. */
static int work_as_syncer(struct master *m, const struct tg_seat *seat)
{
    tg_listeners_close(m->sockets);
    tg_stats_end(m->stats);
    tg_wipe(&m->tickets, sizeof(m->tickets));
    return tg_child_syncer(m->settings, m->pid, m->supervisor.limits, seat);
}

static uint64_t heartbeat(const void *owner, unsigned number)
{
    const struct master *m = owner;

    if (number == TG_SUPERVISOR_SYNCER)
        return tg_limit_syncer_beaten(m->supervisor.limits);
    return tg_keeper_wanted(m->settings) ? tg_credential_map_heartbeat(m->settings->credential_map)
                                         : 0;
}

/* The life of a child: everything it needs came with fork(). */
static int work(void *owner, unsigned number, const struct tg_seat *seat)
{
    struct master *m = owner;

    CHECK(getpid() != m->pid && number < TG_SUPERVISOR_NUMBERS);
    close_own(m, number == TG_SUPERVISOR_ADMIN);
    if (number == TG_SUPERVISOR_KEEPER)
        return work_as_keeper(m, seat);
    if (number == TG_SUPERVISOR_SYNCER)
        return work_as_syncer(m, seat);
    if (number == TG_SUPERVISOR_ADMIN) {
        tg_listeners_take(m->sockets, m->settings, number, m->supervisor.workers);
        return tg_child_admin(m->settings, m->pid, m->stats, m->supervisor.limits, m->orders[1],
                              seat);
    }
    tg_ticket_keys_advance(&m->tickets, tg_clock_mono_now());
    tg_listeners_take(m->sockets, m->settings, number, m->supervisor.workers);
    return tg_child_worker(m->settings, number, m->pid, m->stats, m->supervisor.limits, seat);
}

/* Keys that were fetched go on under a new configuration, and a new program. */
static void adopt_keys(struct tg_settings *fresh, const struct tg_credential_map *before)
{
    if (fresh->credential_map != NULL && before != NULL && fresh->credential_map != before)
        tg_credential_map_adopt(fresh->credential_map, before);
}

/* Who has to live under settings. */
static void want(struct master *m, struct tg_settings *s, unsigned workers)
{
    CHECK(s != NULL && workers <= TG_MAX_WORKERS);
    m->settings = s;
    m->supervisor.workers = workers;
    m->supervisor.admin = s->admin_listens != NULL;
    m->supervisor.keeper = tg_keeper_wanted(s);
    m->supervisor.syncer = tg_syncer_wanted(s);
}

/* Puts settings in force, or, when not everything comes to serve, leaves those before. */
static bool enforce(struct master *m, struct tg_settings *fresh, struct tg_buf *problems)
{
    struct tg_settings *before = m->settings;
    unsigned workers = m->supervisor.workers;

    CHECK(fresh != NULL && before != NULL && !m->supervisor.ending);
    if (!tg_trial_files(fresh, problems) || !open_log(fresh, problems))
        return false;
    if (!tg_listeners_open(&m->sockets, fresh, tg_inherited_workers(fresh), problems)) {
        (void)open_log(before, problems);
        return false;
    }
    tg_places_give(m->stats, m->supervisor.limits, fresh);
    adopt_keys(fresh, before->credential_map);
    tg_inherited_fit(fresh, problems);
    if (!tg_limit_stores_open(fresh, tg_inherited_workers(fresh), problems))
        return false;
    fresh->tickets = &m->tickets;
    want(m, fresh, tg_inherited_workers(fresh));
    if (tg_supervisor_start(&m->supervisor))
        return true;
    tg_buf_puts(problems, "[emerg] the new workers did not come to serve, the log says why\n");
    (void)open_log(before, problems);
    want(m, before, workers);
    return false;
}

static void master_answer(struct master *m, uint64_t number, enum tg_audit_asker asker, bool well,
                          const struct tg_buf *problems)
{
    CHECK(number > 0);
    tg_stats_set_answer(m->stats, number, well, tg_buf_str(problems));
    if (asker == TG_AUDIT_ASKED_WATCH)
        tg_stats_watched(m->stats, well);
    tg_control_answer(m->settings->pid, tg_settings_user(m->settings), m->stats);
    tg_notify("READY=1\nSTATUS=%s", well ? "Serving." : "Serving; the last reload failed.");
}

/* What a failed attempt opened is closed again. */
static void restore_sockets(struct master *m)
{
    struct tg_buf ignored = {0};

    CHECK(tg_listeners_open(&m->sockets, m->settings, m->supervisor.workers, &ignored));
    tg_listeners_roll_back(&m->sockets);
    tg_buf_end(&ignored);
}

/* For the audit log. `fresh` is NULL when it could not be read. */
static void master_refuse(struct master *m, enum tg_audit_asker asker,
                          const struct tg_settings *fresh, const struct tg_buf *problems)
{
    char revision[TG_SHA256_HEX + 1];

    if (fresh == NULL)
        tg_settings_revision(m->file, m->prefix, revision);
    tg_stats_refuse(m->stats, asker, tg_str_of(fresh != NULL ? fresh->revision : revision),
                    tg_problems_first_error(tg_buf_str(problems)));
}

/* New keys for new workers; those before have their copies. */
static void set_tickets(struct master *m, const struct tg_settings *s)
{
    if (s->nticket_keys > 0)
        tg_ticket_keys_fix(&m->tickets, s->ticket_keys, s->nticket_keys);
    else
        tg_ticket_keys_renew(&m->tickets, s->tls_ticket_rotation, tg_clock_mono_now());
}

/* All or nothing: the old configuration goes on until everything of the new one serves. */
static void reload(struct master *m, enum tg_audit_asker asker)
{
    struct tg_buf problems = {0};
    struct tg_settings *stale = m->settings, *fresh;
    struct tg_ticket_keys tickets = m->tickets;
    uint64_t number = tg_stats_reload(m->stats);

    CHECK(stale != NULL && !m->supervisor.ending);
    tg_control_answer(m->settings->pid, tg_settings_user(m->settings), m->stats);
    tg_notify("RELOADING=1\nMONOTONIC_USEC=%lu\nSTATUS=Reloading.", tg_clock_mono_now());
    fresh = tg_trial_read(m->file, m->prefix, &problems);
    if (fresh != NULL && !tg_settings_may_follow(fresh, stale, &problems)) {
        tg_settings_end(fresh);
        fresh = NULL;
    }
    if (fresh != NULL) {
        fresh->asked_by = asker;
        set_tickets(m, fresh);
    }
    tg_settings_inherit_keys(stale, false); /* the new processes have their own */
    if (fresh != NULL && enforce(m, fresh, &problems)) {
        tg_problems_log(tg_buf_str(&problems)); /* warnings */
        tg_listeners_close_unwanted(&m->sockets);
        master_answer(m, number, asker, true, &problems);
        tg_log(TG_LOG_NOTICE, "master", "reloaded %s", m->file);
        tg_settings_end(stale);
        tg_changes_follow(&m->changes, fresh, tg_clock_mono_now());
    } else {
        CHECK(m->settings == stale);
        tg_settings_inherit_keys(stale, true);
        m->tickets = tickets;
        if (fresh != NULL)
            restore_sockets(m);
        tg_problems_log(tg_buf_str(&problems));
        tg_log(TG_LOG_ERROR, "master", "reload failed: the old configuration goes on");
        master_refuse(m, asker, fresh, &problems);
        master_answer(m, number, asker, false, &problems);
        tg_settings_end(fresh);
        tg_changes_failed(&m->changes, tg_clock_mono_now());
    }
    tg_wipe(&tickets, sizeof(tickets));
    tg_buf_end(&problems);
}

/* Files are left alone while nobody serves by them, or another program is about to. */
static bool watches(const struct master *m)
{
    return !m->supervisor.ending && !m->supervisor.resting && m->new_master == 0;
}

static void reload_changed(struct master *m)
{
    if (watches(m) && tg_changes_due(&m->changes, tg_clock_mono_now()))
        reload(m, TG_AUDIT_ASKED_WATCH);
}

static void upgrade(struct master *m)
{
    const struct tg_upgrade_source from = {m->argv, m->sockets, m->settings};

    if (m->new_master != 0)
        tg_log(TG_LOG_ERROR, "master", "an upgrade is under way, process %d", (int)m->new_master);
    else
        m->new_master = tg_upgrade_start(&from);
    CHECK(m->new_master >= 0 && m->new_master != m->pid);
}

static void new_master_ended(struct master *m, int status)
{
    CHECK(m->new_master != 0);
    m->new_master = 0;
    if (!m->supervisor.ending)
        tg_upgrade_failed(m->stats, status);
}

/* --- signals --- */

static void end(struct master *m, int signal_number)
{
    CHECK(signal_number == SIGQUIT || signal_number == SIGTERM);
    m->supervisor.ending = true;
    m->stats->draining = true;
    m->replaced = m->new_master != 0;
    if (!m->replaced) /* or systemd would end the new master, too */
        tg_notify("STOPPING=1\nSTATUS=%s", signal_number == SIGQUIT ? "Draining." : "Stopping.");
    tg_listeners_end(&m->sockets,
                     !m->replaced); /* who comes now is refused, and waits for nobody */
    tg_supervisor_tell(&m->supervisor, signal_number);
}

static void reap(struct master *m)
{
    int status;

    if (tg_supervisor_reap(&m->supervisor, m->new_master, &status))
        new_master_ended(m, status);
}

/* The admin process has its own user and may not send signals: it writes, the kernel signals. */
static void open_orders(struct master *m)
{
    CHECK(pipe2(m->orders, O_CLOEXEC | O_NONBLOCK) == 0);
    CHECK(fcntl(m->orders[0], F_SETOWN, getpid()) == 0);
    CHECK(fcntl(m->orders[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
}

static void obey(struct master *m, int signal_number);

static void take_orders(struct master *m)
{
    char order;

    CHECK(getpid() == m->pid);
    while (read(m->orders[0], &order, 1) == 1)
        switch (order) {
        case TG_ORDER_RELOAD:
            if (!m->supervisor.ending)
                reload(m, TG_AUDIT_ASKED_ADMIN);
            break;
        case TG_ORDER_DRAIN:
            obey(m, SIGQUIT);
            break;
        default:
            tg_log(TG_LOG_ERROR, "master", "the admin process asks for nonsense");
        }
}

static void reopen(struct master *m)
{
    struct tg_buf problems = {0};

    (void)open_log(m->settings, &problems);
    tg_problems_log(tg_buf_str(&problems));
    tg_buf_end(&problems);
    tg_supervisor_tell(&m->supervisor, SIGUSR1);
}

static void obey(struct master *m, int signal_number)
{
    bool drain = signal_number == SIGQUIT || (signal_number == SIGTERM && getpid() == 1);

    if (m->supervisor.ending &&
        (signal_number == SIGHUP || signal_number == SIGUSR2 || signal_number == SIGWINCH))
        return;
    switch (signal_number) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGHUP:
        reload(m, TG_AUDIT_ASKED_SIGNAL);
        break;
    case SIGQUIT:
    case SIGTERM:
    case SIGINT:
        tg_log(TG_LOG_NOTICE, "master", "signal %s: ending%s", sigabbrev_np(signal_number),
               drain ? " gracefully" : "");
        end(m, drain ? SIGQUIT : SIGTERM);
        break;
    case SIGUSR1:
        reopen(m);
        break;
    case SIGIO:
        take_orders(m);
        break;
    case SIGUSR2:
        upgrade(m);
        break;
    case SIGWINCH:
        tg_supervisor_rest(&m->supervisor);
        break;
    default:
        TG_UNREACHABLE();
    }
}

static sigset_t our_signals(void)
{
    static const int numbers[] = {SIGCHLD, SIGHUP,  SIGQUIT,  SIGTERM, SIGINT,
                                  SIGUSR1, SIGUSR2, SIGWINCH, SIGIO};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaddset(&set, numbers[i]);
    return set;
}

/* Tells the watchdog that all is well, when it is; returns how long until it wants to hear it
 * again, or -1. What is not ready only because the audit log fails is no reason to be restarted. */
static int64_t master_watch(struct master *m)
{
    int64_t interval = tg_systemd_interval();
    uint64_t now = tg_clock_mono_now();

    if (interval < 0)
        return -1;
    if (m->watched == 0 || now - m->watched >= (uint64_t)interval) {
        m->watched = now;
        if (tg_stats_turning(m->stats, (uint64_t)m->settings->worker_hang_timeout))
            tg_notify("WATCHDOG=1");
    }
    return interval - (int64_t)(now - m->watched);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Of all that wait the kernel hands out the lowest number first: reloads that come faster than they
 * are done would keep the end, and deaths, waiting for ever. */
static int most_urgent(int got)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGQUIT};
    const struct timespec at_once = {0};
    sigset_t set;
    int end;

    if (got != SIGHUP)
        return got;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        sigaddset(&set, ends[i]);
    end = sigtimedwait(&set, NULL, &at_once);
    return end > 0 ? end : got;
}

static void master_run(struct master *m, const sigset_t *signals)
{
    while (!m->supervisor.ending || tg_supervisor_count(&m->supervisor) > 0) {
        int64_t look = tg_supervisor_look(&m->supervisor, m->settings->worker_hang_timeout);
        int64_t due = watches(m) ? tg_changes_wait(&m->changes, tg_clock_mono_now()) : -1;
        int64_t wait = sooner(
            sooner(sooner(tg_supervisor_respawn(&m->supervisor), master_watch(m)), look), due);
        struct timespec timeout = {wait / 1000000, (wait % 1000000) * 1000};
        int got = wait < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &timeout);

        if (got > 0) {
            reap(m);
            obey(m, most_urgent(got));
        } else {
            CHECK(errno == EAGAIN || errno == EINTR);
        }
        reload_changed(m);
        tg_usage_note(m->supervisor.usage, TG_USAGE_MASTER, &m->meter);
    }
}

/* --- start and end --- */

/* Everything that can fail at a start; the first workers serve when it returns true. */
static bool master_begin(struct master *m, struct tg_settings *settings, struct tg_buf *problems)
{
    bool good;

    CHECK(m->pid == 0 && m->settings == NULL);
    m->pid = getpid();
    m->old_master = tg_upgrade_old_master();
    open_orders(m);
    m->settings = settings;
    if (m->old_master != 0)
        settings->asked_by = TG_AUDIT_ASKED_UPGRADE;
    if (!tg_listeners_import(&m->sockets))
        tg_log(TG_LOG_ERROR, "master", "%s makes no sense and is ignored", TG_LISTENERS_VARIABLE);
    tg_upgrade_import_keys(settings);
    good = enforce(m, settings, problems);
    tg_problems_log(tg_buf_str(problems)); /* of a start that goes well: warnings */
    if (good && settings->pid.n > 0) {
        m->pid_fd = tg_control_write_pid(settings->pid, tg_settings_user(settings), m->old_master,
                                         problems);
        good = m->pid_fd >= 0;
    }
    if (!good) {
        m->supervisor.ending = true;
        tg_supervisor_tell(&m->supervisor, SIGTERM);
        m->settings = settings;
        return false;
    }
    tg_listeners_close_unwanted(&m->sockets);
    m->stats->generation = 1;
    tg_changes_follow(&m->changes, settings, tg_clock_mono_now());
    tg_log(TG_LOG_NOTICE, "master", "trainguard %s, %u worker%s", TG_VERSION, m->supervisor.workers,
           m->supervisor.workers == 1 ? "" : "s");
    tg_upgrade_take_over(m->old_master);
    tg_notify("READY=1\nSTATUS=Serving.");
    return true;
}

int tg_master_run(struct tg_settings *settings, const char *file, const char *prefix, char **argv)
{
    struct master m = {
        .file = file, .prefix = prefix, .argv = argv, .stats = tg_stats_new(), .pid_fd = -1};
    bool inherits = getenv(TG_LISTENERS_VARIABLE) != NULL;
    sigset_t signals = our_signals();
    bool quiet = tg_settings_error_log(settings) != NULL;
    struct tg_buf problems = {0};
    bool good;

    m.daemon_fd = settings->daemon && !inherits ? tg_child_daemon(quiet) : -1;
    tg_inherited_limits();
    if (settings->sandbox)
        tg_sandbox_hide();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that may not grow is trouble like a full disk */
    CHECK(sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
    tg_ticket_keys_init(&m.tickets, settings->tls_ticket_rotation, tg_clock_mono_now());
    if (settings->nticket_keys > 0)
        set_tickets(&m, settings);
    m.supervisor.stats = m.stats;
    m.supervisor.limits = tg_limits_new();
    m.supervisor.usage = tg_usage_new();
    m.supervisor.work = work;
    m.supervisor.heartbeat = heartbeat;
    m.supervisor.owner = &m;
    m.meter = tg_usage_open();
    tg_changes_init(&m.changes, file, prefix);
    good = master_begin(&m, settings, &problems);
    if (good || !quiet)
        problems.n = 0; /* they were told where they were found */
    if (m.daemon_fd >= 0)
        tg_child_daemon_ready(m.daemon_fd, good, &problems);
    else
        tg_settings_print(&problems);
    m.daemon_fd = -1;
    tg_buf_end(&problems);
    tg_usage_note(m.supervisor.usage, TG_USAGE_MASTER, &m.meter);
    master_run(&m, &signals);
    CHECK(getpid() == m.pid && tg_supervisor_count(&m.supervisor) == 0);
    tg_control_remove_pid(m.settings->pid);
    if (m.pid_fd >= 0)
        close(m.pid_fd);
    tg_listeners_end(&m.sockets, false);
    tg_changes_end(&m.changes);
    tg_settings_end(m.settings);
    tg_wipe(&m.tickets, sizeof(m.tickets));
    tg_stats_end(m.stats);
    tg_limits_end(m.supervisor.limits);
    tg_usage_end(m.supervisor.usage);
    tg_usage_close(&m.meter);
    tg_log(TG_LOG_NOTICE, "master", "ended");
    return good && !m.supervisor.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
