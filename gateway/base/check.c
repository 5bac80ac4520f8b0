#include "base/check.h"

#include "base/log.h"

#include <stdlib.h>

void tg_check_failed(const char *what, const char *file, int line, const char *function)
{
    tg_log(TG_LOG_EMERG, "check", "%s:%d: %s: CHECK(%s) failed", file, line, function, what);
    abort();
}
