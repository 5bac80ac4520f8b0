/*
 * How a running master is found and spoken to from outside: its pid file, and beside it
 * ("<pid file>.reload") what came of the last reload. `trainguard -s` is made of this.
 */
#ifndef TG_PROCESS_CONTROL_H
#define TG_PROCESS_CONTROL_H

#include "shm/stats.h"

#include <sys/types.h>

/*
 * Writes the caller's process id to the file at `path`, and locks it (fcntl(2)) as long as the
 * returned descriptor is open and the caller lives: a file that is not locked is left over, and its
 * number another program's. -1, with a line in `problems`, when it cannot be written or is locked
 * by another process than `old_master` (0: none). `user` is tg_output_append()'s.
 */
int tg_control_write_pid(struct tg_str path, uid_t user, pid_t old_master, struct tg_buf *problems);

/* Removes the pid file and what stands beside it, if it still names the caller. */
void tg_control_remove_pid(struct tg_str path);

/*
 * Writes beside the pid file which reload began last and the answers that stand. Who sends HUP
 * takes the answer of a reload that began afterwards: one whose number is greater than the last
 * that had begun before. The file appears whole or not at all. What cannot be written is logged:
 * who waits for it gives up by itself.
 */
void tg_control_answer(struct tg_str path, uid_t user, const struct tg_stats *stats);

/*
 * `trainguard -s WORD` (stop, quit, reload, reopen): sends the signal to the master of the
 * configuration file. For reload it waits for what the master says and prints that. Returns the
 * exit status: 0 done, 1 not done (no master, reload failed), 2 unknown word.
 */
int tg_control_send(const char *file, const char *prefix, const char *word);

#endif
