/*
 * The error log: one line per event, written where the fact is known, and not again by callers.
 * Lines look like
 *     2026-01-02T03:04:05.678901Z [warn] 4711 upstream: connection refused by 10.0.0.1:443, while
 *     connecting to the upstream, request 7f3c...
 * or, after tg_log_json(true),
 *     {"time":"2026-01-02T03:04:05.678901Z","level":"warn","pid":4711,"unit":"upstream",
 *      "message":"connection refused by 10.0.0.1:443, ..."}
 * Text from outside is escaped: one event is always one line. The log is the one mutable global.
 */
#ifndef TG_BASE_LOG_H
#define TG_BASE_LOG_H

#include "base/str.h"

#include <sys/types.h>

enum tg_log_level {
    TG_LOG_EMERG = 1,
    TG_LOG_ALERT,
    TG_LOG_CRIT,
    TG_LOG_ERROR,
    TG_LOG_WARN,
    TG_LOG_NOTICE,
    TG_LOG_INFO,
    TG_LOG_DEBUG
};

/* The word for a level, as in the configuration ("emerg" ... "debug"). */
const char *tg_log_level_name(enum tg_log_level level);

/*
 * Sends lines to a file, which it appends to or makes as tg_output_append() does (NULL: standard
 * error), and closes the one it opened before. False, with *why set and nothing changed, when the
 * file cannot be opened. Before the first call: standard error, notice.
 */
bool tg_log_open(const char *path, uid_t user, const char **why);

/* Gives the file that lines go to, if it is a regular one, to a user and group. False with errno.
 */
bool tg_log_give(uid_t user, gid_t group);

/* Writes lines of `level` and more severe ones. */
void tg_log_level(enum tg_log_level level);

/* Writes lines as JSON objects, or as text as before the first call. */
void tg_log_json(bool on);

/* True when a line of that level would be written; for work only the line needs. */
bool tg_log_wants(enum tg_log_level level);

/* Writes one line. `unit` names the part that noticed ("exchange", "upstream", ...). errno
 * survives.
 */
void tg_log(enum tg_log_level level, const char *unit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes one line of level debug, whatever level is written: for what somebody asked for alone. */
void tg_log_debug(const char *unit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes one line on standard error for whoever runs a command, made safe as a line of the log is.
 */
void tg_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
