/* Exact comparison of decimal texts: the sign, then the size, then digit by digit. */
#include "policy/decimal.h"

#include "base/chars.h"
#include "base/check.h"

/* Takes the digits at the start of *s. */
static struct tg_str take_digits(struct tg_str *s)
{
    struct tg_str digits = {s->p, tg_chars_span(*s, TG_CHAR_DIGIT)};

    *s = tg_str_skip(*s, digits.n);
    return digits;
}

static bool take_sign(struct tg_str *s)
{
    bool negative = s->n > 0 && *s->p == '-';

    if (s->n > 0 && (*s->p == '-' || *s->p == '+'))
        *s = tg_str_skip(*s, 1);
    return negative;
}

/* Takes an exponent, if there is one; false when it is broken or out of bounds. */
static bool take_exponent(struct tg_str *s, int64_t *out)
{
    struct tg_str digits;
    bool negative;

    *out = 0;
    if (s->n == 0 || (*s->p != 'e' && *s->p != 'E'))
        return true;
    *s = tg_str_skip(*s, 1);
    negative = take_sign(s);
    digits = take_digits(s);
    if (digits.n == 0)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        *out = *out * 10 + (digits.p[i] - '0');
        if (*out > TG_DECIMAL_MAX_EXPONENT)
            return false;
    }
    *out = negative ? -*out : *out;
    return true;
}

static struct tg_str without_leading_zeros(struct tg_str s)
{
    while (s.n > 0 && *s.p == '0')
        s = tg_str_skip(s, 1);
    return s;
}

static struct tg_str without_trailing_zeros(struct tg_str s)
{
    while (s.n > 0 && s.p[s.n - 1] == '0')
        s.n--;
    return s;
}

/* Drops the zeros that carry no value, so that equal numbers have equal digits. */
static void decimal_settle(struct tg_decimal *d, int64_t exponent)
{
    size_t zeros;

    d->whole = without_leading_zeros(d->whole);
    d->decimal = without_trailing_zeros(d->decimal);
    d->point = (int64_t)d->whole.n + exponent;
    if (d->whole.n == 0) {
        zeros = d->decimal.n;
        d->decimal = without_leading_zeros(d->decimal);
        d->point = exponent - (int64_t)(zeros - d->decimal.n);
    } else if (d->decimal.n == 0) {
        d->whole = without_trailing_zeros(d->whole);
    }
    if (d->whole.n + d->decimal.n == 0) {
        d->negative = false;
        d->point = 0;
    }
}

/* Nineteen digits fit in 64 bits. */
static bool read_small(struct tg_str s, struct tg_decimal *out)
{
    static const int64_t powers[TG_DECIMAL_SMALL + 1] = {
        1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    size_t point = s.n, decimals;
    uint64_t value = 0;

    if (s.n > 2 * TG_DECIMAL_SMALL + 1)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (tg_char_is(s.p[i], TG_CHAR_DIGIT))
            value = value * 10 + (uint64_t)(s.p[i] - '0');
        else if (s.p[i] == '.' && point == s.n)
            point = i;
        else
            return false;
    }
    decimals = point < s.n ? s.n - point - 1 : 0;
    if (point + decimals == 0 || point > TG_DECIMAL_SMALL || decimals > TG_DECIMAL_SMALL)
        return false;
    out->is_small = true;
    out->billionths = (int64_t)value * powers[decimals];
    out->text = s;
    return true;
}

static bool read_any(struct tg_str s, struct tg_decimal *out)
{
    struct tg_decimal d = {.negative = take_sign(&s)};
    int64_t exponent;

    d.whole = take_digits(&s);
    if (s.n > 0 && *s.p == '.') {
        s = tg_str_skip(s, 1);
        d.decimal = take_digits(&s);
    }
    if (d.whole.n + d.decimal.n == 0 || !take_exponent(&s, &exponent) || s.n > 0)
        return false;
    decimal_settle(&d, exponent);
    *out = d;
    return true;
}

bool tg_decimal_read(struct tg_str s, struct tg_decimal *out)
{
    return read_small(s, out) || read_any(s, out);
}

static size_t decimal_count(const struct tg_decimal *d)
{
    return d->whole.n + d->decimal.n;
}

static char digit(const struct tg_decimal *d, size_t i)
{
    return i < d->whole.n ? d->whole.p[i] : d->decimal.p[i - d->whole.n];
}

/* Compares sizes, signs aside. Zero has no digits and is less than anything else. */
static int compare_size(const struct tg_decimal *a, const struct tg_decimal *b)
{
    size_t na = decimal_count(a);
    size_t nb = decimal_count(b);

    if (na == 0 || nb == 0)
        return (na > 0) - (nb > 0);
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    for (size_t i = 0; i < na && i < nb; i++)
        if (digit(a, i) != digit(b, i))
            return digit(a, i) < digit(b, i) ? -1 : 1;
    return (na > nb) - (na < nb);
}

/* A number taken apart, whatever its size. */
static struct tg_decimal apart(const struct tg_decimal *d)
{
    struct tg_decimal out = *d;

    CHECK(!d->is_small || read_any(d->text, &out));
    CHECK(decimal_count(&out) > 0 || !out.negative);
    return out;
}

int tg_decimal_compare_any(const struct tg_decimal *a, const struct tg_decimal *b)
{
    const struct tg_decimal x = apart(a);
    const struct tg_decimal y = apart(b);

    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    return x.negative ? compare_size(&y, &x) : compare_size(&x, &y);
}
