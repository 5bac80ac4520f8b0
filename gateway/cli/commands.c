/* What the commands of the command line have in common. */
#include "cli/commands.h"

#include "base/check.h"
#include "base/log.h"
#include "config/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int tg_command_misused(const char *command, const char *why)
{
    if (why != NULL)
        tg_complain("trainguard %s: %s", command, why);
    tg_complain("`trainguard %s --help` tells how it is used", command);
    return 2;
}

enum { MOST_OPTIONS = 32 };

/* The long option that an unknown one is a slip of, or NULL. */
static const char *nearest_option(const char *word, const struct option *names)
{
    const char *known[MOST_OPTIONS + 1] = {NULL};

    for (unsigned i = 0; names[i].name != NULL; i++) {
        CHECK(i < MOST_OPTIONS);
        known[i] = names[i].name;
    }
    return strncmp(word, "--", 2) == 0 ? tg_conf_nearest(tg_str_of(word + 2), known) : NULL;
}

static void complain_option(const char *command, int c, const char *word,
                            const struct option *names)
{
    const char *nearest = nearest_option(word, names);
    const char *blank = command != NULL ? " " : "";

    command = command != NULL ? command : "";
    if (c == ':')
        tg_complain("trainguard%s%s: option \"%s\" needs a value", blank, command, word);
    else if (strncmp(word, "--", 2) == 0 && optopt != 0)
        tg_complain("trainguard%s%s: option \"%s\" takes no value", blank, command, word);
    else if (nearest != NULL)
        tg_complain("trainguard%s%s: unknown option \"%s\", did you mean \"--%s\"?", blank, command,
                    word, nearest);
    else
        tg_complain("trainguard%s%s: unknown option \"%s\"", blank, command, word);
}

int tg_command_option(const char *command, int argc, char **argv, const char *letters,
                      const struct option *names)
{
    int before = optind, c;

    opterr = 0;
    c = getopt_long(argc, argv, letters, names, NULL);
    if (c != '?' && c != ':')
        return c;
    /* within a word of several letters the index has not moved */
    complain_option(command, c, argv[optind > before ? optind - 1 : optind], names);
    return '?';
}

int tg_command_end(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    tg_complain("trainguard: what this prints could not be written: %s", strerror(errno));
    return 2;
}
