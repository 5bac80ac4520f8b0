/*
 * What a worker and the admin process give up before they see their first byte from outside: the
 * rights of root, the rest of the file system (Landlock), and the system calls it has no use for
 * (seccomp). A kernel that lacks one of them is said in the log, and the others stay.
 */
#ifndef TG_PROCESS_SANDBOX_H
#define TG_PROCESS_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/* No core dumps and no debugger: memory holds tokens and keys. For the master too. */
void tg_sandbox_hide(void);

/* Becomes another user, with the groups that user has. Only for root. False, with errno, when the
 * kernel refuses. */
bool tg_sandbox_become(const char *user, uid_t uid, gid_t gid);

/*
 * Ends all capabilities and the way back to any, and closes the sandbox. `audit` is the file that
 * is written, and rotated in its directory, `log` the one that is opened anew when the master has
 * made it anew; NULL: none. Everything else that is needed is open by now. Logs what holds and what
 * the kernel does not have.
 */
void tg_sandbox_enter(const char *audit, const char *log);

#endif
