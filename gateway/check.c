#include "check.h"

#include <stdio.h>
#include <stdlib.h>

void tg_check_failed(const char *what, const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: %s: CHECK(%s) failed\n", file, line, function, what);
    abort();
}
