/*
 * What a process gets from whoever started it: descriptors, the environment, signals, processors.
 * Shells, service managers and container engines differ in all of them; the gateway makes them the
 * same.
 */
#ifndef TG_PROCESS_INHERITED_H
#define TG_PROCESS_INHERITED_H

#include "settings/settings.h"

/*
 * Opens /dev/null on those of the descriptors 0 to 2 that are closed, so that nothing opened later
 * gets their numbers, and makes writes to the other standard streams append: a file that is shared
 * ("> file 2>&1") is never overwritten. The first call of main(). False, with errno, when the
 * kernel refuses.
 */
bool tg_inherited_descriptors(void);

/*
 * Moves the environment to memory that is neither swapped nor dumped, and wipes it where it was:
 * /proc/PID/environ shows that place to others, and of keys and passwords in it as long as the
 * process lives. Programs that this one becomes or starts get it as ever. To be called once, before
 * anybody keeps what getenv(3) gave.
 */
void tg_inherited_environment(void);

/* Gives every signal its default disposition, blocks none, and ends timers that survive execve(2)
 * (setitimer(2)). */
void tg_inherited_signals(void);

/* Raises the limit on open descriptors as far as the process may (setrlimit(2)) and returns it. */
uint64_t tg_inherited_limits(void);

/*
 * How many processors the calling process may use, at least 1: those of its affinity mask, and no
 * more than the cgroup v2 quota (cpu.max) of its own cgroup and of each one above gives, rounded
 * up.
 */
unsigned tg_inherited_processors(void);

/*
 * The quota part of it: `root` is where the cgroup v2 tree is mounted, `path` the process's own
 * cgroup in it ("/a/b"), as /proc/self/cgroup has it. Returns the smallest quota on the way to the
 * root in processors, rounded up, or 0 when there is none. Files that are not there, or make no
 * sense, set no quota.
 */
unsigned tg_inherited_quota(const char *root, const char *path);

/* How many workers the settings ask for, which may be one for each processor. */
unsigned tg_inherited_workers(const struct tg_settings *s);

/* Lowers worker_connections to what the limit of open files lets a worker have; says so in
 * `problems`, as a warning. */
void tg_inherited_fit(struct tg_settings *s, struct tg_buf *problems);

#endif
