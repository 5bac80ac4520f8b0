/* UTF-8: one code point decoded or encoded, and how many a text has. */
#include "base/utf8.h"

#include "base/check.h"

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

/* Ranges of Unicode's tables of case folding and compatibility, and of vendors' best fits, as far
 * as they end in ASCII. The first of a range becomes `to`, the next ones what follows it, or `to`
 * too where `same`. */
static const struct {
    uint32_t first, last;
    char to;
    bool same;
} folds[] = {
    {0x130, 0x131, 'i', true},    {0x17f, 0x17f, 's', true},      {0x2010, 0x2015, '-', true},
    {0x2024, 0x2024, '.', true},  {0x2044, 0x2044, '/', true},    {0x212a, 0x212a, 'k', true},
    {0x2212, 0x2212, '-', true},  {0x2215, 0x2216, '/', true},    {0x24b6, 0x24cf, 'a', false},
    {0x24d0, 0x24e9, 'a', false}, {0x29f5, 0x29f5, '/', true},    {0xfe63, 0xfe63, '-', true},
    {0xfe68, 0xfe68, '/', true},  {0xff01, 0xff20, '!', false},   {0xff21, 0xff3a, 'a', false},
    {0xff3b, 0xff5e, '[', false}, {0x1d400, 0x1d419, 'a', false}, {0x1d41a, 0x1d433, 'a', false},
};

uint32_t tg_utf8_fold(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    for (size_t i = 0; i < sizeof(folds) / sizeof(*folds); i++)
        if (code >= folds[i].first && code <= folds[i].last)
            return (unsigned char)folds[i].to + (folds[i].same ? 0 : code - folds[i].first);
    return code;
}

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
        if (code >= nothings[i].first && code <= nothings[i].last)
            return true;
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
