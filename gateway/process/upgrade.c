/* Starts the program anew beside the running one, and takes over from the one before. */
#include "process/upgrade.h"

#include "base/check.h"
#include "keeper/keeper.h"
#include "process/systemd.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD_MASTER_VARIABLE  "TRAINGUARD_MASTER"
#define CREDENTIALS_VARIABLE "TRAINGUARD_CREDENTIALS" /* descriptor of the old master's keys */

/* --- the old program --- */

static void set_variable(const char *name, int value)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", value);
    CHECK(setenv(name, number, 1) == 0);
}

static void execute(const struct tg_upgrade_source *from)
{
    sigset_t none;

    set_variable(OLD_MASTER_VARIABLE, (int)getppid());
    tg_listeners_export(from->listeners);
    if (tg_keeper_wanted(from->settings))
        set_variable(CREDENTIALS_VARIABLE,
                     tg_credential_map_export(from->settings->credential_map));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(from->argv[0], from->argv);
    tg_log(TG_LOG_ALERT, "master", "cannot execute %s: %s", from->argv[0], strerror(errno));
    _exit(EXIT_FAILURE);
}

pid_t tg_upgrade_start(const struct tg_upgrade_source *from)
{
    pid_t pid;

    CHECK(from->argv[0] != NULL && from->listeners != NULL);
    if (getpid() == 1) {
        tg_log(TG_LOG_ERROR, "master", "process 1 cannot be upgraded: the container would end");
        return 0;
    }
    pid = fork();
    if (pid == 0)
        execute(from);
    if (pid < 0) {
        tg_log(TG_LOG_ALERT, "master", "fork: %s", strerror(errno));
        return 0;
    }
    tg_log(TG_LOG_NOTICE, "master", "upgrade: the new program is process %d", (int)pid);
    return pid;
}

void tg_upgrade_failed(struct tg_stats *stats, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    char why[64];

    CHECK(WIFEXITED(status) || WIFSIGNALED(status));
    tg_log(TG_LOG_ERROR, "master", "upgrade failed with status %d: the old program goes on", code);
    snprintf(why, sizeof(why), "the new program ended with status %d", code);
    tg_stats_refuse(stats, TG_AUDIT_ASKED_UPGRADE, TG_STR(""), tg_str_of(why));
}

/* --- the new program --- */

pid_t tg_upgrade_old_master(void)
{
    struct tg_str text = tg_str_of(getenv(OLD_MASTER_VARIABLE));
    uint64_t pid;
    bool good = tg_str_u64(text, &pid) && (pid_t)pid == getppid();

    unsetenv(OLD_MASTER_VARIABLE);
    return good ? (pid_t)pid : 0;
}

void tg_upgrade_import_keys(struct tg_settings *fresh)
{
    struct tg_credential_map *before;
    uint64_t fd;

    if (!tg_str_u64(tg_str_of(getenv(CREDENTIALS_VARIABLE)), &fd) || fd > INT_MAX)
        return;
    unsetenv(CREDENTIALS_VARIABLE);
    before = tg_credential_map_import((int)fd);
    if (before == NULL) {
        tg_log(TG_LOG_WARN, "master", "the old program's keys cannot be taken over");
        close((int)fd);
    } else if (fresh->credential_map != NULL) {
        tg_credential_map_adopt(fresh->credential_map, before);
    }
    tg_credential_map_end(before);
}

void tg_upgrade_take_over(pid_t old_master)
{
    if (old_master == 0)
        return;
    CHECK(old_master != getpid());
    tg_notify("MAINPID=%d", (int)getpid());
    tg_log(TG_LOG_NOTICE, "master", "upgrade: process %d may end", (int)old_master);
    kill(old_master, SIGQUIT);
}
