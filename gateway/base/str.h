/*
 * A string slice: pointer and length, no terminator, never owned. Whoever stores one says in a
 * comment whose memory it points into.
 */
#ifndef TG_BASE_STR_H
#define TG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct tg_str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;      /* bytes */
};

/* A slice of a string literal. */
#define TG_STR(literal) ((struct tg_str){(literal), sizeof(literal) - 1})

/* For printf's "%.*s". */
#define TG_STR_ARG(s) (int)(s).n, (s).p != NULL ? (s).p : ""

/* The slice of a C string; NULL gives an empty slice. */
static inline struct tg_str tg_str_of(const char *text)
{
    return (struct tg_str){text, text != NULL ? strlen(text) : 0};
}

/* Eight bytes as a number, to compare them at once. */
static inline uint64_t tg_str_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* Four bytes as a number. */
static inline uint32_t tg_str_half(const char *p)
{
    uint32_t half;

    memcpy(&half, p, sizeof(half));
    return half;
}

/* True when `n` bytes are the same in two places: without a call, so for short texts. */
static inline bool tg_str_same(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    if (n < 4) {
        while (i < n && a[i] == b[i])
            i++;
        return i == n;
    }
    if (n < 8)
        return tg_str_half(a) == tg_str_half(b) && tg_str_half(a + n - 4) == tg_str_half(b + n - 4);
    for (; i < n - 8; i += 8)
        if (tg_str_word(a + i) != tg_str_word(b + i))
            return false;
    return tg_str_word(a + n - 8) == tg_str_word(b + n - 8);
}

/* True when both have the same bytes. */
static inline bool tg_str_eq(struct tg_str a, struct tg_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* True when `n` bytes (at least one) are the same without regard to ASCII case; tg_str_ieq() calls
 * it. */
bool tg_str_alike(const char *a, const char *b, size_t n);

/* True when both have the same bytes without regard to ASCII case. */
static inline bool tg_str_ieq(struct tg_str a, struct tg_str b)
{
    if (a.n != b.n || a.n == 0)
        return a.n == b.n;
    /* most differ in their first letter: no call for them */
    return ((a.p[0] ^ b.p[0]) & ~0x20) == 0 && tg_str_alike(a.p, b.p, a.n);
}

/* True when `s` begins with `prefix`. */
static inline bool tg_str_starts(struct tg_str s, struct tg_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* True when `s` ends with `suffix`. */
static inline bool tg_str_ends(struct tg_str s, struct tg_str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

/* `s` without its first `n` bytes; `n` must not be larger than the slice. */
static inline struct tg_str tg_str_skip(struct tg_str s, size_t n)
{
    return (struct tg_str){n > 0 ? s.p + n : s.p, s.n - n}; /* s.p may be NULL */
}

/* The text of a file without the line ends (CR, LF) that editors leave behind it. */
static inline struct tg_str tg_str_without_line_ends(struct tg_str s)
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* `s` without spaces and tabs (OWS of RFC 9110 section 5.6.3) at both ends. */
static inline struct tg_str tg_str_trim(struct tg_str s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
        s = tg_str_skip(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* The first and the last eight bytes of a slice, which may overlap; fewer of a shorter one. With
 * the length they tell all slices of up to sixteen bytes apart. */
struct tg_str_words {
    uint64_t first;
    uint64_t last;
};

/* The slice must not be empty. */
static inline struct tg_str_words tg_str_words(struct tg_str s)
{
    struct tg_str_words w = {(unsigned char)s.p[0], (unsigned char)s.p[s.n - 1]};

    if (s.n >= 8) {
        memcpy(&w.first, s.p, 8);
        memcpy(&w.last, s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        memcpy(&w.first, s.p, 4);
        memcpy(&w.last, s.p + s.n - 4, 4);
    } else {
        w.first |= (uint64_t)(unsigned char)s.p[s.n / 2] << 8;
    }
    return w;
}

/* A hash of them: their bytes tell most names apart. */
static inline uint32_t tg_str_words_hash(struct tg_str_words w, size_t n)
{
    /* the upper bits of a product depend on all bits of its factors */
    return (uint32_t)(((w.first + n) * 0x9e3779b97f4a7c15 ^ w.last * 0xc2b2ae3d27d4eb4f) >> 32);
}

/*
 * Reads `s` as an unsigned decimal number without sign, blanks or leading zeros (except "0").
 * Returns false, and leaves *out alone, when it is anything else or does not fit in 64 bits.
 */
bool tg_str_u64(struct tg_str s, uint64_t *out);

/*
 * The edit distance (insertions, deletions, substitutions, neighbours swapped) between two slices
 * of up to 64 bytes, for "did you mean" hints. Longer slices count as infinitely far apart
 * (SIZE_MAX).
 */
size_t tg_str_distance(struct tg_str a, struct tg_str b);

#endif
