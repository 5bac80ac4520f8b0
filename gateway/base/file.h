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
};

/*
 * Reads a regular file of at most TG_FILE_MAX bytes. Returns NULL, or why not, as the second half
 * of a sentence: "it is a directory", strerror()'s text. Does not wait for the writer of a FIFO.
 */
const char *tg_file_read(struct tg_arena *arena, const char *name, struct tg_file *out);

#endif
