/* What the commands of the command line have in common. */
#include "cli/commands.h"

#include <stdio.h>

int tg_command_misused(const char *command, const char *why)
{
    if (why != NULL)
        fprintf(stderr, "trainguard %s: %s\n", command, why);
    fprintf(stderr, "`trainguard %s --help` tells how it is used\n", command);
    return 2;
}
