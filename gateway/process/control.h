/*
 * How a running master is found and spoken to from outside: its pid file, and beside it
 * ("<pid file>.reload") what came of the last reload. `trainguard -s` is made of this.
 */
#ifndef TG_PROCESS_CONTROL_H
#define TG_PROCESS_CONTROL_H

#include "base/buf.h"

/* Writes the caller's process id to the file at `path` (none when empty). False after an error,
 * which is logged. */
bool tg_control_write_pid(struct tg_str path);

/* Removes the pid file and what stands beside it, if it still names the caller. */
void tg_control_remove_pid(struct tg_str path);

/*
 * Writes what came of reload number `number` beside the pid file: the file appears whole or not at
 * all. What cannot be written is logged: who waits for it gives up by itself.
 */
void tg_control_answer(struct tg_str path, uint64_t number, bool well, struct tg_str problems);

/*
 * `trainguard -s WORD` (stop, quit, reload, reopen): sends the signal to the master of the
 * configuration file. For reload it waits for what the master says and prints that. Returns the
 * exit status: 0 done, 1 not done (no master, reload failed), 2 unknown word.
 */
int tg_control_send(const char *file, const char *prefix, const char *word);

#endif
