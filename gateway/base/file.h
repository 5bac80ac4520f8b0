/* Whole files: configuration, policies, what they include. */
#ifndef TG_BASE_FILE_H
#define TG_BASE_FILE_H

#include "base/arena.h"

#include <sys/types.h>

enum { TG_FILE_MAX = 4 << 20 }; /* bytes of a file that is read whole */

struct tg_file {
    struct tg_str text; /* in the arena */
    dev_t dev;          /* which file it is, by whatever name */
    ino_t ino;
    mode_t mode;
    uid_t owner;
    gid_t group;
    int64_t modified; /* seconds since 1970 */
};

/*
 * Reads a regular file of at most TG_FILE_MAX bytes. Returns NULL, or why not, as the second half
 * of a sentence: "it is a directory", strerror()'s text. Does not wait for the writer of a FIFO.
 */
const char *tg_file_read(struct tg_arena *arena, const char *name, struct tg_file *out);

/*
 * Writes a file anew: whoever reads it sees the old text or the new one, never half of it. It keeps
 * mode and owner; one that was not there is ours, mode 0600. `path` is absolute and no symbolic
 * link. False, with errno set, and the old file stays, when that fails.
 */
bool tg_file_replace(const char *path, struct tg_str text);

/*
 * Why a file that was read is no place for secrets, as the second half of a sentence; NULL: it is
 * one. It must belong to root or to the process's user, be writable by its owner alone and not
 * readable by others; a group may read it only if the process is of that group, as Kubernetes
 * mounts secrets with an fsGroup.
 */
const char *tg_file_why_not_private(const struct tg_file *file);

/* Reads a file as tg_file_read() does that is a place for secrets. Returns NULL, or why not, as
 * these two do. Whoever owns the arena wipes it. */
const char *tg_file_read_private(struct tg_arena *arena, const char *name, struct tg_file *out);

#endif
