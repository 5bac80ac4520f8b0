/*
 * What sixteen bytes begin with, in a handful of instructions where the machine has SSE2. Most runs
 * of a JSON text end within so many: its names, its short values, the white space between them.
 * Each function has a plain twin, which a test compares it with and other machines run.
 */
#ifndef TG_BASE_SIMD_H
#define TG_BASE_SIMD_H

#include <stdbool.h>
#include <stddef.h>

/* How many of the sixteen bytes from `p` on stand for themselves in a JSON string, before the first
 * that does not: see tg_json_plain(). */
static inline unsigned tg_simd_plain_twin(const char *p)
{
    unsigned i = 0;

    while (i < 16 && p[i] >= ' ' && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* How many of 16 bytes from `p` on are white space of JSON (RFC 8259 section 2) before the first
 * that is none: 0 to 16. */
static inline unsigned tg_simd_space_twin(const char *p)
{
    unsigned i = 0;

    while (i < 16 && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    return i;
}

/* True for a byte of one word: no blank, comma or quote, no control, nothing outside ASCII. */
static inline bool tg_simd_is_word(char c)
{
    return (signed char)c > ' ' && c != ',' && c != '"';
}

/* True when all of `n` bytes (64 or more) are of a kind that tokens are made of: those of one word
 * but for the signs from "!" to "(", of which base64 and JWT have none. */
static inline bool tg_simd_words_twin(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (signed char)(p[i] | 4) > ',')
        i++;
    return i == n;
}

/* How many of 16 bytes from `p` on are letters, digits, "-" or "_" before the first that is none: 0
 * to 16. */
static inline unsigned tg_simd_name_twin(const char *p)
{
    unsigned i = 0;

    while (i < 16 && ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z') ||
                      (p[i] >= 'a' && p[i] <= 'z') || p[i] == '-' || p[i] == '_'))
        i++;
    return i;
}

#ifdef __SSE2__
#include <emmintrin.h>

/* A bit for each of sixteen bytes that does not stand for itself in a JSON string. Signed
 * comparison finds controls and bytes above ASCII together, and DEL with them when all are counted
 * on. */
static inline unsigned tg_simd_special(__m128i c)
{
    __m128i quotes =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
    __m128i printable = _mm_cmpgt_epi8(_mm_add_epi8(c, _mm_set1_epi8(1)), _mm_set1_epi8(' '));

    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(quotes, printable)) ^ 0xffff;
}

/* Sixteen bytes from anywhere. */
static inline __m128i tg_simd_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* The twins' result, at once. */
static inline unsigned tg_simd_plain(const char *p)
{
    return (unsigned)__builtin_ctz(tg_simd_special(tg_simd_load(p)) | 0x10000);
}

/* The result of tg_simd_space_twin(), at once. */
static inline unsigned tg_simd_space(const char *p)
{
    __m128i c = tg_simd_load(p);
    __m128i blanks =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\t')));
    __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('\n')),
                                _mm_cmpeq_epi8(c, _mm_set1_epi8('\r')));

    return (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8(_mm_or_si128(blanks, ends)));
}

/* Each of sixteen bytes that tokens are made of as 0xff, the others as 0: one comparison, since the
 * bit that is set moves "+" and what stands before it in ASCII over ",". */
static inline __m128i tg_simd_word(const char *p)
{
    return _mm_cmpgt_epi8(_mm_or_si128(tg_simd_load(p), _mm_set1_epi8(4)), _mm_set1_epi8(','));
}

/* 0xff where all four bytes at a distance of sixteen are so. */
static inline __m128i tg_simd_words64(const char *p)
{
    return _mm_and_si128(_mm_and_si128(tg_simd_word(p), tg_simd_word(p + 16)),
                         _mm_and_si128(tg_simd_word(p + 32), tg_simd_word(p + 48)));
}

/* The result of tg_simd_words_twin(): the last 64 bytes overlap with those before. */
static inline bool tg_simd_words(const char *p, size_t n)
{
    const char *last = p + n - 64;
    __m128i all = tg_simd_words64(last);

    for (; p < last; p += 64)
        all = _mm_and_si128(all, tg_simd_words64(p));
    return _mm_movemask_epi8(all) == 0xffff;
}

/* Each of sixteen bytes from `first` on, `n` of them, as 0xff, the others as 0: in a comparison
 * with signs these are the least. */
static inline __m128i tg_simd_range(__m128i c, char first, int n)
{
    __m128i least = _mm_add_epi8(c, _mm_set1_epi8((char)(-128 - first)));

    return _mm_cmpgt_epi8(_mm_set1_epi8((char)(-128 + n)), least);
}

/* The result of tg_simd_name_twin(), at once. */
static inline unsigned tg_simd_name(const char *p)
{
    __m128i c = tg_simd_load(p);
    __m128i letters = tg_simd_range(_mm_or_si128(c, _mm_set1_epi8(0x20)), 'a', 26);
    __m128i signs =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('-')), _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
    __m128i all = _mm_or_si128(_mm_or_si128(letters, signs), tg_simd_range(c, '0', 10));

    return (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8(all));
}
#else
#define tg_simd_plain tg_simd_plain_twin
#define tg_simd_space tg_simd_space_twin
#define tg_simd_words tg_simd_words_twin
#define tg_simd_name  tg_simd_name_twin
#endif

#endif
