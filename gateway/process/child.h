/*
 * What a process of the gateway is from fork() to its end: signals, processor, counters; and the
 * way into the background.
 */
#ifndef TG_PROCESS_CHILD_H
#define TG_PROCESS_CHILD_H

#include "process/supervisor.h"
#include "settings/settings.h"

#include <sys/types.h>

/*
 * The life of a worker whose sockets are in the settings, child of `parent`; returns its exit
 * status. Takes the settings over.
 */
int tg_child_worker(struct tg_settings *settings, unsigned number, pid_t parent,
                    struct tg_stats *stats, struct tg_limits *limits, const struct tg_seat *seat);

/* The same for the process of the `admin` block; `orders` is its pipe to the master. */
int tg_child_admin(struct tg_settings *settings, pid_t parent, struct tg_stats *stats,
                   const struct tg_limits *limits, int orders, const struct tg_seat *seat);

/* The same for the keeper, of settings with credentials. It forgets what is not the keeper's. */
int tg_child_keeper(struct tg_settings *settings, pid_t parent, const struct tg_seat *seat);

/* The same for the syncer, of settings with stores of limits. */
int tg_child_syncer(struct tg_settings *settings, pid_t parent, struct tg_limits *limits,
                    const struct tg_seat *seat);

/*
 * Goes into the background: the calling process stays until tg_child_daemon_ready() in its child
 * and then exits with that answer. The child leaves the terminal, all but standard error unless
 * `quiet`. Returns, in the child, what tg_child_daemon_ready() takes.
 */
int tg_child_daemon(bool quiet);

/* Lets the process that was started from a shell go, with problems to print, as tg_settings_read()
 * gives them, if it did not go well. */
void tg_child_daemon_ready(int fd, bool good, const struct tg_buf *problems);

#endif
