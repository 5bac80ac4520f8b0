/*
 * The upgrade of the program while it serves, both halves: the old master starts the new program
 * with its sockets and keys (USR2), and the new master, once it serves, lets the old one end.
 */
#ifndef TG_PROCESS_UPGRADE_H
#define TG_PROCESS_UPGRADE_H

#include "process/listeners.h"
#include "settings/settings.h"

#include <sys/types.h>

/* What a master starts and hands over. */
struct tg_upgrade_source {
    char **argv;                         /* the command line, as main() got it */
    const struct tg_listener *listeners; /* all of them */
    const struct tg_settings *settings;  /* in force */
};

/*
 * Starts the program of `argv` anew, with the listening sockets, and the fetched keys when the
 * settings have a keeper, in its environment. Returns the process; 0, with a line in the log, when
 * there can be none: the caller is process 1 of a container, or fork(2) fails.
 */
pid_t tg_upgrade_start(const struct tg_upgrade_source *from);

/* What became of a process of tg_upgrade_start() that ended too early, by its status of waitpid(2):
 * writes a line to the log, and for the audit log to `stats`. */
void tg_upgrade_failed(struct tg_stats *stats, int status);

/* In the new program: the master that started it, or 0. Cleans the environment. */
pid_t tg_upgrade_old_master(void);

/* In the new program: takes over keys the old master has fetched. Cleans the environment. */
void tg_upgrade_import_keys(struct tg_settings *fresh);

/* In the new program, once it serves: tells systemd who is the service, and `old_master` (0: there
 * is none) to end gracefully. */
void tg_upgrade_take_over(pid_t old_master);

#endif
