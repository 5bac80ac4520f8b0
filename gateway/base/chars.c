/* The table of the classes of bytes. */
#include "base/chars.h"

#define TOKEN TG_CHAR_TOKEN
#define TEXT  TG_CHAR_TEXT
#define URI   TG_CHAR_TARGET
#define HOST  TG_CHAR_HOST
#define PLAIN (TOKEN | TEXT | URI | HOST | TG_CHAR_UNRESERVED)
#define NAME  (PLAIN | TG_CHAR_NAME | TG_CHAR_ID)
#define HEX   (NAME | TG_CHAR_HEX)

/* What is not named here (controls, DEL) belongs nowhere. */
const uint16_t tg_chars[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['!'] = TOKEN | TEXT | URI | HOST,
    ['"'] = TEXT,
    ['#'] = TOKEN | TEXT,
    ['$'] = TOKEN | TEXT | URI | HOST,
    ['%'] = TOKEN | TEXT | URI,
    ['&' ... '\''] = TOKEN | TEXT | URI | HOST,
    ['(' ... ')'] = TEXT | URI | HOST,
    ['*' ... '+'] = TOKEN | TEXT | URI | HOST,
    [','] = TEXT | URI | HOST,
    ['-'] = NAME,
    ['.'] = PLAIN | TG_CHAR_ID,
    ['/'] = TEXT | URI,
    ['0' ... '9'] = HEX | TG_CHAR_LOWER_HEX | TG_CHAR_DIGIT,
    [':'] = TEXT | URI,
    [';'] = TEXT | URI | HOST,
    ['<'] = TEXT,
    ['='] = TEXT | URI | HOST,
    ['>'] = TEXT,
    ['?' ... '@'] = TEXT | URI,
    ['A' ... 'F'] = HEX | TG_CHAR_UPPER,
    ['G' ... 'Z'] = NAME | TG_CHAR_UPPER,
    ['[' ... ']'] = TEXT, /* [ \ ] */
    ['^'] = TOKEN | TEXT,
    ['_'] = NAME,
    ['`'] = TOKEN | TEXT,
    ['a' ... 'f'] = HEX | TG_CHAR_LOWER_HEX | TG_CHAR_LOWER,
    ['g' ... 'z'] = NAME | TG_CHAR_LOWER,
    ['{'] = TEXT,
    ['|'] = TOKEN | TEXT,
    ['}'] = TEXT,
    ['~'] = PLAIN,
    [0x80 ... 0xff] = TEXT,
};

int tg_hex_value(char c)
{
    if (!tg_char_is(c, TG_CHAR_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

size_t tg_chars_span(struct tg_str s, unsigned class)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n = 0;

    while (s.n - n >= 4 && (tg_chars[p[n]] & tg_chars[p[n + 1]] & tg_chars[p[n + 2]] &
                            tg_chars[p[n + 3]] & class) != 0)
        n += 4;
    while (n < s.n && (tg_chars[p[n]] & class) != 0)
        n++;
    return n;
}

bool tg_chars_are(struct tg_str s, unsigned class)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned common = class;
    size_t i = 0;

    /* No early exit: what is read here is nearly always good, and short. */
    for (; s.n - i >= 4; i += 4)
        common &= tg_chars[p[i]] & tg_chars[p[i + 1]] & tg_chars[p[i + 2]] & tg_chars[p[i + 3]];
    for (; i < s.n; i++)
        common &= tg_chars[p[i]];
    return common == class;
}
