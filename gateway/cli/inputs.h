/* The bodies a command line names: files, folders, standard input. */
#ifndef TG_CLI_INPUTS_H
#define TG_CLI_INPUTS_H

#include "base/str.h"

#include <sys/types.h>

struct tg_input {
    const char *file;   /* "-" for standard input */
    const char *error;  /* why there is no body; NULL when it was read */
    struct tg_str body; /* at most TG_EVAL_MAX_BODY bytes */
};

/* Takes one input; it lives until the hook returns. */
typedef void tg_input_hook(void *context, const struct tg_input *input);

/*
 * Calls the hook for each of `n` arguments: a file, "-" for standard input, or a folder, which
 * stands for the files named *.json in and below it, sorted by name (symbolic links are followed).
 * What cannot be read, is too large, or is a folder without any such file comes with an error; the
 * rest goes on.
 */
void tg_inputs_each(char *const *args, int n, tg_input_hook *hook, void *context);

#endif
