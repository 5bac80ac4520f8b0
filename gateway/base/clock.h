/* Time. Two clocks: monotonic for durations and deadlines, wall for what people read. */
#ifndef TG_BASE_CLOCK_H
#define TG_BASE_CLOCK_H

#include "base/str.h"

enum {
    TG_CLOCK_TEXT = 28, /* bytes of "2026-01-02T03:04:05.678901Z" with its NUL */
    TG_CLOCK_DATE = 30, /* bytes of "Fri, 02 Jan 2026 03:04:05 GMT" with its NUL */
};

/* Microseconds of the monotonic clock, read now. */
uint64_t tg_clock_mono_now(void);

/* Microseconds since 1970 UTC, read now, or the time tg_clock_freeze() set; never before 1970 or
 * after 9999. */
int64_t tg_clock_wall_now(void);

/* Stops the wall clock at `us` (tests, `--now` of the command line); 0 lets it run again. */
void tg_clock_freeze(int64_t us);

/* Writes RFC 3339 text in UTC with microseconds and a NUL. What is before 1970 is written as the
 * first moment of that year, what is after 9999 as the last one of that. */
void tg_clock_text(int64_t us, char out[TG_CLOCK_TEXT]);

/* Years, months (1 to 12), days, hours, minutes and seconds as a text had them. */
struct tg_clock_parts {
    int year, month, day, hour, minute, second;
};

/* They as seconds since 1970 UTC. False, and *seconds left alone, when there is no such time (a
 * 30th of February, an hour 24, a second 60). */
bool tg_clock_seconds(const struct tg_clock_parts *parts, int64_t *seconds);

/* Reads the `n` digits at `at`, which are within the text; false when they are none. */
bool tg_clock_digits(struct tg_str text, size_t at, size_t n, int *out);

/* The text of one second, made again only when another second is asked for. Zeroed to begin with.
 */
struct tg_clock_date {
    int64_t second;
    char text[TG_CLOCK_DATE];
};

/* The wall time `us` as the value of a Date field (IMF-fixdate, RFC 9110 section 5.6.7). Times
 * before 1970 or after 9999 become the nearest that can be told. Valid until the next call. */
const char *tg_clock_date(struct tg_clock_date *date, int64_t us);

/* Reads such a text as seconds since 1970 UTC; the day of the week is not looked at. False, and
 * *seconds left alone, for anything else. */
bool tg_clock_date_read(struct tg_str text, int64_t *seconds);

/* Reads a day as YYYY-MM-DD: its first second since 1970 UTC, not negative. False, and *seconds
 * left alone, for anything else. */
bool tg_clock_day(struct tg_str text, int64_t *seconds);

#endif
