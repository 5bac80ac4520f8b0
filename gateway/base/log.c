/* The error log: lines to a descriptor. */
#include "base/log.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/output.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int fd;
    enum tg_log_level level;
    uint64_t errors;
} sink = {STDERR_FILENO, TG_LOG_NOTICE, 0};

static const char *const names[] = {
    [TG_LOG_EMERG] = "emerg", [TG_LOG_ALERT] = "alert", [TG_LOG_CRIT] = "crit",
    [TG_LOG_ERROR] = "error", [TG_LOG_WARN] = "warn",   [TG_LOG_NOTICE] = "notice",
    [TG_LOG_INFO] = "info",   [TG_LOG_DEBUG] = "debug",
};

const char *tg_log_level_name(enum tg_log_level level)
{
    CHECK(level >= TG_LOG_EMERG && level <= TG_LOG_DEBUG);
    return names[level];
}

bool tg_log_open(const char *path, uid_t user, const char **why)
{
    int fd = path == NULL ? STDERR_FILENO : tg_output_append(path, 0, user, why);

    if (fd < 0)
        return false;
    if (sink.fd != STDERR_FILENO)
        close(sink.fd);
    sink.fd = fd;
    tg_check_output(fd);
    return true;
}

bool tg_log_give(uid_t user, gid_t group)
{
    struct stat st;

    return sink.fd == STDERR_FILENO || fstat(sink.fd, &st) != 0 || !S_ISREG(st.st_mode) ||
           fchown(sink.fd, user, group) == 0;
}

void tg_log_level(enum tg_log_level level)
{
    CHECK(level >= TG_LOG_EMERG && level <= TG_LOG_DEBUG);
    sink.level = level;
}

bool tg_log_wants(enum tg_log_level level)
{
    return level <= sink.level;
}

__attribute__((format(printf, 3, 0))) static void
write_line(enum tg_log_level level, const char *unit, const char *format, va_list args)
{
    char line[4096];
    char when[TG_CLOCK_TEXT];
    int saved = errno;
    size_t n;
    int more;

    tg_clock_text(tg_clock_wall_now(), when);
    more = snprintf(line, sizeof(line), "%s [%s] %d %s: ", when, names[level], (int)getpid(), unit);
    CHECK(more > 0 && (size_t)more < sizeof(line));
    n = (size_t)more;
    more = vsnprintf(line + n, sizeof(line) - n, format, args);
    if (more > 0)
        n = n + (size_t)more < sizeof(line) - 1 ? n + (size_t)more : sizeof(line) - 2;
    tg_utf8_flatten(line, n); /* a value from outside cannot start a line of its own */
    line[n++] = '\n';
    (void)!write(sink.fd, line, n);
    errno = saved;
}

void tg_log(enum tg_log_level level, const char *unit, const char *format, ...)
{
    va_list args;

    if (level <= TG_LOG_ERROR)
        sink.errors++;
    if (level > sink.level)
        return;
    va_start(args, format);
    write_line(level, unit, format, args);
    va_end(args);
}

void tg_log_debug(const char *unit, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(TG_LOG_DEBUG, unit, format, args);
    va_end(args);
}

void tg_complain(const char *format, ...)
{
    char *line;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&line, format, args);
    va_end(args);
    CHECK(n >= 0);
    tg_utf8_flatten(line, (size_t)n);
    fprintf(stderr, "%s\n", line);
    free(line);
}

uint64_t tg_log_errors(void)
{
    return sink.errors;
}
