/*
 * Files the gateway writes, where others may write, too: logs, the pid file, sockets. Whoever can
 * write a folder can put a link to any file there before the gateway opens its own.
 */
#ifndef TG_BASE_OUTPUT_H
#define TG_BASE_OUTPUT_H

#include "base/str.h"

#include <sys/types.h>

/*
 * Opens a file that is appended to, made with mode 0640 when it is not there; `flags` are added to
 * open(2)'s. `user` is whom the gateway's files may belong to besides root and the process's own
 * user. Returns -1 and sets *why, the second half of a sentence, when
 * - the folder, or a folder or link on the way to it, belongs to anybody else;
 * - everybody may rename what is in a folder on the way (it has no sticky bit);
 * - others than root and the process's user may write the folder, and the file is a link, has a
 *   second name, or belongs to anybody else;
 * - open(2) fails.
 * Where /dev/stdout or /dev/stderr cannot be opened by name (a socket, a file of another user) the
 * result is a duplicate of the descriptor.
 */
int tg_output_append(const char *path, int flags, uid_t user, const char **why);

/*
 * Makes a file that was not there, for writing, with this mode; one of its name that is there loses
 * the name and is not touched. Returns -1 and sets *why as tg_output_append() does.
 */
int tg_output_create(const char *path, mode_t mode, uid_t user, const char **why);

/* Why a file in this path's folder is not to be made or used, as above; NULL: it may be. */
const char *tg_output_folder_fault(const char *path, uid_t user);

#endif
