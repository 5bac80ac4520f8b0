/*
 * The master process: reads the configuration, owns the listening sockets, starts workers, starts
 * them again when they die, and obeys the signals nginx users know: HUP reloads (all or nothing),
 * QUIT ends gracefully, TERM and INT end at once (as process 1, in a container, TERM is QUIT), USR1
 * reopens logs, WINCH ends the workers gracefully and stays, USR2 starts the program anew with the
 * sockets of this one and, once that one serves, ends gracefully.
 */
#ifndef TG_PROCESS_MASTER_H
#define TG_PROCESS_MASTER_H

#include "settings/settings.h"

/*
 * Runs until a signal ends it. Takes the settings over. `file` and `prefix` are what HUP loads
 * again, `argv` the command line USR2 repeats. Returns the exit status.
 */
int tg_master_run(struct tg_settings *settings, const char *file, const char *prefix, char **argv);

#endif
