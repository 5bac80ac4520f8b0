/* The end of a process whose CHECK failed. Calls no other file: they all CHECK. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int output = STDERR_FILENO;

void tg_check_output(int fd)
{
    output = fd;
}

void tg_check_failed(const char *what, const char *file, int line, const char *function)
{
    struct timespec now = {0, 0};
    char when[sizeof("0000-00-00T00:00:00")] = "";
    struct tm t;

    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &t) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &t);
    dprintf(output, "%s.%06ldZ [emerg] %d check: %s:%d: %s: CHECK(%s) failed\n", when,
            now.tv_nsec / 1000, (int)getpid(), file, line, function, what);
    abort();
}
