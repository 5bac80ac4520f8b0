/* The error log: lines to a descriptor. */
#include "base/log.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
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
    bool json;
} sink = {STDERR_FILENO, TG_LOG_NOTICE, false};

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

void tg_log_json(bool on)
{
    sink.json = on;
}

static void write_text(enum tg_log_level level, const char *when, const char *unit,
                       struct tg_str message)
{
    char line[5000];
    int n = snprintf(line, sizeof(line), "%s [%s] %d %s: %.*s\n", when, names[level], (int)getpid(),
                     unit, TG_STR_ARG(message));

    CHECK(n > 0 && (size_t)n < sizeof(line));
    (void)!write(sink.fd, line, (size_t)n);
}

static void write_json(enum tg_log_level level, const char *when, const char *unit,
                       struct tg_str message)
{
    struct tg_buf line = {0};

    tg_json_begin(&line, '{');
    tg_json_member(&line, "time", tg_str_of(when));
    tg_json_member(&line, "level", tg_str_of(names[level]));
    tg_json_member_number(&line, "pid", (uint64_t)getpid());
    tg_json_member(&line, "unit", tg_str_of(unit));
    tg_json_member(&line, "message", message);
    tg_json_end(&line, '}');
    tg_buf_putc(&line, '\n');
    (void)!write(sink.fd, line.p, line.n);
    tg_buf_end(&line);
}

__attribute__((format(printf, 3, 0))) static void
write_line(enum tg_log_level level, const char *unit, const char *format, va_list args)
{
    char message[4096];
    char when[TG_CLOCK_TEXT];
    int saved = errno;
    int more = vsnprintf(message, sizeof(message), format, args);
    size_t n = more > 0 ? (size_t)more : 0;

    n = n < sizeof(message) ? n : sizeof(message) - 1;
    tg_utf8_flatten(message, n); /* a value from outside cannot start a line of its own */
    tg_clock_text(tg_clock_wall_now(), when);
    (sink.json ? write_json : write_text)(level, when, unit, (struct tg_str){message, n});
    errno = saved;
}

void tg_log(enum tg_log_level level, const char *unit, const char *format, ...)
{
    va_list args;

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
