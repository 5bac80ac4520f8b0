/*
 * Decimal numbers as text, compared exactly: no digit is lost whatever the size, nothing becomes a
 * double. Pure.
 */
#ifndef TG_POLICY_DECIMAL_H
#define TG_POLICY_DECIMAL_H

#include "base/str.h"

enum {
    TG_DECIMAL_MAX_EXPONENT = 1000000, /* either way; larger is not read as a number */
    TG_DECIMAL_SMALL = 9               /* digits before and behind the point of a small number */
};

/* A number. Slices point into the text it was read from. */
struct tg_decimal {
    bool is_small;      /* as most are: digits with at most a point in them, few on both sides */
    int64_t billionths; /* such a number, times 10^TG_DECIMAL_SMALL */
    struct tg_str text; /* as it was read */

    /* Any other number, taken apart. */
    bool negative;         /* never for zero */
    int64_t point;         /* the value is 0.DIGITS * 10^point */
    struct tg_str whole;   /* digits before the point, from the first significant one on */
    struct tg_str decimal; /* digits behind it, up to the last significant one */
};

/*
 * Reads all of `s`: an optional sign, digits with at most one point, an optional exponent. That is
 * JSON's number (RFC 8259 section 6) and the spellings beside it that programs take for one: "+5",
 * "007", ".5", "5.". Blanks are not taken. Linear in the text; returns false when it is anything
 * else or its exponent is out of bounds.
 */
bool tg_decimal_read(struct tg_str s, struct tg_decimal *out);

/* What tg_decimal_compare() does with numbers that are not both small. */
int tg_decimal_compare_any(const struct tg_decimal *a, const struct tg_decimal *b);

/* Negative, zero or positive as a < b, a == b, a > b. Linear in the digits. */
static inline int tg_decimal_compare(const struct tg_decimal *a, const struct tg_decimal *b)
{
    if (a->is_small && b->is_small)
        return (a->billionths > b->billionths) - (a->billionths < b->billionths);
    return tg_decimal_compare_any(a, b);
}

#endif
