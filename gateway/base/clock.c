/* The clocks, and a time as text. */
#include "base/clock.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The first and the last moment tg_clock_text() can write: 1970 and the end of 9999. What is
 * outside becomes the nearest one: a clock that was never set, a certificate's date. */
static const int64_t first_moment = 0, last_moment = INT64_C(253402300799999999);

static int64_t frozen;

static int64_t clamp(int64_t us)
{
    return us < first_moment ? first_moment : us > last_moment ? last_moment : us;
}

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    CHECK(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t tg_clock_mono_now(void)
{
    return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

int64_t tg_clock_wall_now(void)
{
    return clamp(frozen != 0 ? frozen : read_clock(CLOCK_REALTIME));
}

void tg_clock_freeze(int64_t us)
{
    frozen = us;
}

static void digits(char *out, unsigned value, int n)
{
    while (n-- > 0) {
        out[n] = (char)('0' + value % 10);
        value /= 10;
    }
}

void tg_clock_text(int64_t us, char out[TG_CLOCK_TEXT])
{
    time_t seconds;
    struct tm t;

    us = clamp(us);
    seconds = (time_t)(us / 1000000);
    CHECK(gmtime_r(&seconds, &t) != NULL && t.tm_year < 8100);
    memcpy(out, "0000-00-00T00:00:00.000000Z", TG_CLOCK_TEXT);
    digits(out, (unsigned)t.tm_year + 1900, 4);
    digits(out + 5, (unsigned)t.tm_mon + 1, 2);
    digits(out + 8, (unsigned)t.tm_mday, 2);
    digits(out + 11, (unsigned)t.tm_hour, 2);
    digits(out + 14, (unsigned)t.tm_min, 2);
    digits(out + 17, (unsigned)t.tm_sec, 2);
    digits(out + 20, (unsigned)(us % 1000000), 6);
}

/* timegm() moves what is out of range on: then there is no such time. */
bool tg_clock_seconds(const struct tg_clock_parts *parts, int64_t *seconds)
{
    struct tm t = {.tm_year = parts->year - 1900,
                   .tm_mon = parts->month - 1,
                   .tm_mday = parts->day,
                   .tm_hour = parts->hour,
                   .tm_min = parts->minute,
                   .tm_sec = parts->second};
    struct tm moved = t;
    time_t got = timegm(&moved);

    if (moved.tm_year != t.tm_year || moved.tm_mon != t.tm_mon || moved.tm_mday != t.tm_mday ||
        moved.tm_hour != t.tm_hour || moved.tm_min != t.tm_min || moved.tm_sec != t.tm_sec)
        return false;
    *seconds = got;
    return true;
}

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* No strftime(): its names depend on the locale. */
const char *tg_clock_date(struct tg_clock_date *date, int64_t us)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    time_t second = clamp(us) / 1000000;
    struct tm t;

    if (date->text[0] != '\0' && date->second == second)
        return date->text;
    CHECK(gmtime_r(&second, &t) != NULL);
    memcpy(date->text, "Sun, 00 Jan 0000 00:00:00 GMT", TG_CLOCK_DATE);
    memcpy(date->text, days + (size_t)t.tm_wday * 3, 3);
    digits(date->text + 5, (unsigned)t.tm_mday, 2);
    memcpy(date->text + 8, months + (size_t)t.tm_mon * 3, 3);
    digits(date->text + 12, (unsigned)t.tm_year + 1900, 4);
    digits(date->text + 17, (unsigned)t.tm_hour, 2);
    digits(date->text + 20, (unsigned)t.tm_min, 2);
    digits(date->text + 23, (unsigned)t.tm_sec, 2);
    date->second = second;
    return date->text;
}

bool tg_clock_digits(struct tg_str text, size_t at, size_t n, int *out)
{
    CHECK(at + n <= text.n);
    *out = 0;
    for (size_t i = at; i < at + n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *out = *out * 10 + (text.p[i] - '0');
    }
    return true;
}

bool tg_clock_day(struct tg_str text, int64_t *seconds)
{
    struct tg_clock_parts day = {.hour = 0};
    int64_t got;

    if (text.n != 10 || text.p[4] != '-' || text.p[7] != '-' ||
        !tg_clock_digits(text, 0, 4, &day.year) || !tg_clock_digits(text, 5, 2, &day.month) ||
        !tg_clock_digits(text, 8, 2, &day.day) || !tg_clock_seconds(&day, &got) || got < 0)
        return false;
    *seconds = got;
    return true;
}

/* Jan is 1; 0: none. */
static int read_month(struct tg_str text, size_t at)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(text.p + at, months + (size_t)i * 3, 3) == 0)
            return i + 1;
    return 0;
}

bool tg_clock_date_read(struct tg_str text, int64_t *seconds)
{
    struct tg_clock_parts t = {.year = 0};

    if (text.n != TG_CLOCK_DATE - 1 || memcmp(text.p + 3, ", ", 2) != 0 || text.p[7] != ' ' ||
        text.p[11] != ' ' || text.p[16] != ' ' || text.p[19] != ':' || text.p[22] != ':' ||
        memcmp(text.p + 25, " GMT", 4) != 0)
        return false;
    t.month = read_month(text, 8);
    return t.month > 0 && tg_clock_digits(text, 5, 2, &t.day) &&
           tg_clock_digits(text, 12, 4, &t.year) && tg_clock_digits(text, 17, 2, &t.hour) &&
           tg_clock_digits(text, 20, 2, &t.minute) && tg_clock_digits(text, 23, 2, &t.second) &&
           tg_clock_seconds(&t, seconds);
}
