/* What the commands of the command line have in common. */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int tg_command_misused(const char *command, const char *why)
{
    if (why != NULL)
        fprintf(stderr, "trainguard %s: %s\n", command, why);
    fprintf(stderr, "`trainguard %s --help` tells how it is used\n", command);
    return 2;
}

int tg_command_end(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "trainguard: what this prints could not be written: %s\n", strerror(errno));
    return 2;
}
