/* What --since and --until take: a time or the beginning of one, or how long ago. */
#include "base/chars.h"
#include "cli/audit.h"

#include <stdlib.h>
#include <time.h>

/* RFC 3339; 0 is any digit. Hours, minutes, seconds and their fraction may be left out. */
static const char form[] = "0000-00-00T00:00:00.000000";

enum { YEAR = 4, MONTH = 7, DAY = 10, HOUR = 13, MINUTE = 16, SECOND = 19 }; /* ends in the form */

static bool audit_bound_fits(char c, char wanted)
{
    if (wanted == '0')
        return tg_char_is(c, TG_CHAR_DIGIT);
    return c == wanted || (wanted == 'T' && (c == 't' || c == ' '));
}

static bool in_range(const struct tg_audit_bound *b)
{
    static const struct {
        size_t end;
        const char *least;
        const char *most;
    } rows[] = {{YEAR, "1971", "9998"}, {MONTH, "01", "12"},  {DAY, "01", "31"},
                {HOUR, "00", "23"},     {MINUTE, "00", "59"}, {SECOND, "00", "60"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && rows[i].end <= b->n; i++) {
        size_t n = strlen(rows[i].least);
        const char *at = b->text + rows[i].end - n;

        if (memcmp(at, rows[i].least, n) < 0 || memcmp(at, rows[i].most, n) > 0)
            return false;
    }
    return true;
}

/* Takes what fits the form off `*s`; false when that ends within a number or is no time. */
static bool read_form(struct tg_audit_bound *b, struct tg_str *s)
{
    static const size_t ends[] = {YEAR, MONTH, DAY, HOUR, MINUTE, SECOND};
    bool whole = false;

    for (b->n = 0; b->n < s->n && form[b->n] != '\0' && audit_bound_fits(s->p[b->n], form[b->n]);
         b->n++)
        b->text[b->n] = form[b->n] == '0' ? s->p[b->n] : form[b->n];
    *s = tg_str_skip(*s, b->n);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        whole = whole || b->n == ends[i];
    return (whole || b->n > SECOND + 1) && in_range(b);
}

/* "Z", "+08:00" or nothing, in minutes east of UTC. */
static bool read_zone(struct tg_str s, int *minutes)
{
    *minutes = 0;
    if (s.n == 0 || tg_str_ieq(s, TG_STR("z")))
        return true;
    if (s.n != 6 || (*s.p != '+' && *s.p != '-') || s.p[3] != ':' ||
        !tg_char_is(s.p[1], TG_CHAR_DIGIT) || !tg_char_is(s.p[2], TG_CHAR_DIGIT) || s.p[4] < '0' ||
        s.p[4] > '5' || !tg_char_is(s.p[5], TG_CHAR_DIGIT))
        return false;
    *minutes = (atoi(s.p + 1) * 60 + atoi(s.p + 4)) * (*s.p == '-' ? -1 : 1);
    return *minutes > -24 * 60 && *minutes < 24 * 60;
}

/* Makes UTC of a time that has minutes. Its fraction of a second stays. */
static void shift(struct tg_audit_bound *b, int minutes)
{
    struct tm tm = {.tm_year = atoi(b->text) - 1900,
                    .tm_mon = atoi(b->text + YEAR + 1) - 1,
                    .tm_mday = atoi(b->text + MONTH + 1),
                    .tm_hour = atoi(b->text + DAY + 1),
                    .tm_min = atoi(b->text + HOUR + 1) - minutes};
    char text[TG_CLOCK_TEXT];

    tg_clock_text((int64_t)timegm(&tm) * 1000000, text);
    memcpy(b->text, text, MINUTE);
}

/* "90m": that long before now. */
static bool read_ago(struct tg_audit_bound *b, struct tg_str s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    int64_t now = tg_clock_wall_now();
    uint64_t number;

    if (s.n < 2 || s.n > 10 || !tg_str_u64((struct tg_str){s.p, s.n - 1}, &number))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        int64_t us = (int64_t)number * units[i].seconds * 1000000;

        if (units[i].unit != s.p[s.n - 1])
            continue;
        if (us > now)
            return false;
        tg_clock_text(now - us, b->text);
        b->n = TG_CLOCK_TEXT - 2; /* without its Z */
        return true;
    }
    return false;
}

bool tg_audit_bound(struct tg_audit_bound *b, struct tg_str s)
{
    int minutes;

    if (read_ago(b, s))
        return true;
    if (!read_form(b, &s) || !read_zone(s, &minutes) || (minutes != 0 && b->n < MINUTE))
        return false;
    if (minutes != 0)
        shift(b, minutes);
    return true;
}

int tg_audit_compare(struct tg_str time, const struct tg_audit_bound *b)
{
    size_t n = time.n < b->n ? time.n : b->n;
    int order = memcmp(time.p != NULL ? time.p : "", b->text, n);

    return order != 0 ? order : time.n < b->n ? -1 : 0;
}
