/* UTF-8: one code point decoded or encoded, and how many a text has. */
#include "base/utf8.h"

#include "base/check.h"
#include "base/utf8_folds.h"

size_t tg_utf8_decode(struct tg_str s, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead;
    size_t n;
    uint32_t value;

    if (s.n == 0)
        return 0;
    lead = (unsigned char)s.p[0];
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    n = lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (n == 0 || lead >= 0xf8 || s.n < n)
        return 0;
    value = lead & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (c & 0x3fU);
    }
    if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return n;
}

size_t tg_utf8_encode(uint32_t code, char out[4])
{
    CHECK(code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000));
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

enum { FOLDS = sizeof(tg_utf8_folds) / sizeof(*tg_utf8_folds) };

/* The last range that begins at `code` or before; the first one when none does. */
static size_t find_fold(uint32_t code)
{
    size_t low = 0, high = FOLDS;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        *(tg_utf8_folds[middle].first <= code ? &low : &high) = middle;
    }
    return low;
}

unsigned tg_utf8_fold(uint32_t code, uint32_t out[TG_UTF8_FOLDED])
{
    size_t i = code < 0x80 ? 0 : find_fold(code);
    unsigned n = 0;

    out[0] = code >= 'A' && code <= 'Z' ? code + 32 : code;
    if (code < tg_utf8_folds[i].first || code > tg_utf8_folds[i].last)
        return 1;
    for (const char *p = tg_utf8_folds[i].text; *p != '\0'; p++)
        out[n++] = (unsigned char)*p + tg_utf8_folds[i].step * (code - tg_utf8_folds[i].first);
    return n;
}

/* In ascending order. */
static const struct {
    uint32_t first, last;
} nothings[] = {
    {0, 0x20},        {0x7f, 0xa0},     {0xad, 0xad},       {0x300, 0x36f},     {0x61c, 0x61c},
    {0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x2000, 0x200f}, {0x2028, 0x202f},   {0x205f, 0x206f},   {0x20d0, 0x20ff},
    {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},   {0xfeff, 0xfeff},
    {0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

bool tg_utf8_is_nothing(uint32_t code)
{
    for (size_t i = 0; i < sizeof(nothings) / sizeof(*nothings); i++)
        if (code <= nothings[i].last)
            return code >= nothings[i].first;
    return false;
}

size_t tg_utf8_length(struct tg_str s)
{
    const uint64_t ones = 0x0101010101010101;
    size_t count = s.n, i = 0;

    /* eight bytes at a time, less those that continue a character: 10xxxxxx */
    for (; s.n - i >= 8; i += 8) {
        uint64_t word;

        memcpy(&word, s.p + i, 8);
        count -= (size_t)(((word >> 7 & ~word >> 6 & ones) * ones) >> 56);
    }
    for (; i < s.n; i++)
        count -= ((unsigned char)s.p[i] & 0xc0) == 0x80;
    return count;
}

bool tg_utf8_is_hazard(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029 ||
           code == 0x200e || code == 0x200f || code == 0x061c || code == 0xfeff;
}

void tg_utf8_flatten(char *text, size_t n)
{
    struct tg_str rest = {text, n};

    while (rest.n > 0) {
        uint32_t code = 0;
        size_t length = tg_utf8_decode(rest, &code);
        bool bad = length == 0 || tg_utf8_is_hazard(code);

        length = length == 0 ? 1 : length;
        if (bad)
            memset(text + (n - rest.n), '?', length);
        rest = tg_str_skip(rest, length);
    }
}
