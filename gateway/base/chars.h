/* Classes of bytes, one table for all who judge characters: fields, targets, names, numbers. */
#ifndef TG_BASE_CHARS_H
#define TG_BASE_CHARS_H

#include "base/str.h"

/* The classes: bits of tg_chars[]. */
enum {
    TG_CHAR_TOKEN = 1 << 0,      /* tchar, RFC 9110 section 5.6.2 */
    TG_CHAR_TEXT = 1 << 1,       /* field values and reason phrases: VCHAR, obs-text, SP, HTAB */
    TG_CHAR_TARGET = 1 << 2,     /* pchar, "/" and "?" of RFC 3986 section 3.3, "%" included */
    TG_CHAR_UNRESERVED = 1 << 3, /* RFC 3986 section 2.3: letters, digits, "-", ".", "_", "~" */
    TG_CHAR_HEX = 1 << 4,        /* HEXDIG of RFC 5234, in either case */
    TG_CHAR_LOWER_HEX = 1 << 5,  /* digits and "a" to "f", as digests are written here */
    TG_CHAR_NAME = 1 << 6,       /* of a project, config or rule: letters, digits, "-", "_" */
    TG_CHAR_ID = 1 << 7,         /* request ids, error codes: letters, digits, "-", ".", "_" */
    TG_CHAR_DIGIT = 1 << 8,
    TG_CHAR_UPPER = 1 << 9,
    TG_CHAR_LOWER = 1 << 10,
    TG_CHAR_HOST = 1 << 11, /* reg-name, RFC 3986 section 3.2.2: unreserved and sub-delims */
    TG_CHAR_LETTER = TG_CHAR_UPPER | TG_CHAR_LOWER,
    TG_CHAR_ALPHANUMERIC = TG_CHAR_LETTER | TG_CHAR_DIGIT
};

extern const uint16_t tg_chars[256];

/* True when the byte belongs to one of the classes in `mask`. */
static inline bool tg_char_is(char c, unsigned mask)
{
    return (tg_chars[(unsigned char)c] & mask) != 0;
}

/* A letter of ASCII in lower case; any other byte as it is. */
static inline char tg_char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The value of a hexadecimal digit, 0 to 15, or -1 for any other byte. */
int tg_hex_value(char c);

/* True when every byte belongs to the class (one bit); so for an empty slice. */
bool tg_chars_are(struct tg_str s, unsigned class);

/* How many bytes at the front of `s` belong to the class (one bit). */
size_t tg_chars_span(struct tg_str s, unsigned class);

#endif
