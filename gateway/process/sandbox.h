/*
 * What a worker and the admin process give up before they see their first byte from outside: the
 * rights of root, the rest of the file system (Landlock), and the system calls it has no use for
 * (seccomp). A kernel that lacks one of them is said in the log, and the others stay.
 */
#ifndef TG_PROCESS_SANDBOX_H
#define TG_PROCESS_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No core dumps and no debugger: memory holds tokens and keys. For the master too. */
void tg_sandbox_hide(void);

/* Becomes another user, with the groups that user has. Only for root. False, with errno, when the
 * kernel refuses. */
bool tg_sandbox_become(const char *user, uid_t uid, gid_t gid);

enum { TG_SANDBOX_FILES = 48, TG_SANDBOX_PORTS = 65 };

/* What is left to a process. Everything else that it needs is open by the time it enters. */
struct tg_sandbox {
    const char *audit; /* file that is written, and rotated in its directory; NULL: none */
    const char *log;   /* file that is opened anew when the master has made it anew; NULL: none */
    bool keeper;       /* no server and no writer of files: it reads and asks, no more than this: */
    const char *file[TG_SANDBOX_FILES]; /* files that are read by their names */
    unsigned nfiles;
    uint16_t port[TG_SANDBOX_PORTS]; /* TCP ports that are connected to */
    unsigned nports;
    bool unix_streams; /* it connects to unix sockets, too */
};

/* Ends all capabilities and the way back to any, and closes the sandbox. Logs what holds and what
 * the kernel does not have. */
void tg_sandbox_enter(const struct tg_sandbox *s);

#endif
