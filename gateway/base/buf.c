/* Growing texts: numbers and JSON strings are appended without a detour. */
#include "base/buf.h"

#include "base/check.h"
#include "base/simd.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void tg_buf_end(struct tg_buf *b)
{
    free(b->p);
    *b = (struct tg_buf){0};
}

void tg_buf_wipe(struct tg_buf *b)
{
    if (b->p != NULL)
        explicit_bzero(b->p, b->cap);
    b->n = 0;
}

void tg_buf_grow(struct tg_buf *b, size_t n)
{
    size_t cap = b->cap < 256 ? 256 : b->cap * 2;

    if (cap < b->n + n)
        cap = b->n + n;
    b->p = realloc(b->p, cap);
    CHECK(b->p != NULL);
    b->cap = cap;
}

void tg_buf_printf(struct tg_buf *b, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(tg_buf_room(b, 64), 64, format, args);
    va_end(args);
    CHECK(n >= 0);
    if (n >= 64) {
        va_start(args, format);
        vsnprintf(tg_buf_room(b, (size_t)n + 1), (size_t)n + 1, format, args);
        va_end(args);
    }
    b->n += (size_t)n;
}

/* --- numbers --- */

/* How many decimal digits a number has. */
static inline unsigned digits_of(uint64_t value)
{
    /* those of ten, but for the first one: 0 has a digit, too */
    static const uint64_t powers[20] = {0,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                        1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned n = bits * 1233 >> 12; /* times log10(2): right, or one too few */

    return n + (value >= powers[n]);
}

static void write_digits(char *end, uint64_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";

    for (; value >= 100; value /= 100)
        memcpy(end -= 2, pairs + 2 * (value % 100), 2);
    if (value >= 10)
        memcpy(end - 2, pairs + 2 * value, 2);
    else
        end[-1] = (char)('0' + value);
}

/* The rare case is a call of its own, so that the usual one has no registers to save. */
__attribute__((noinline)) static void u64_grown(struct tg_buf *b, uint64_t value)
{
    tg_buf_grow(b, 20);
    tg_buf_u64(b, value);
}

void tg_buf_u64(struct tg_buf *b, uint64_t value)
{
    if (b->cap - b->n < 20) {
        u64_grown(b, value);
        return;
    }
    b->n += digits_of(value);
    write_digits(b->p + b->n, value);
}

/* --- JSON strings --- */

static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* Copies one byte after another, to the first that does not stand for itself; `to` may be NULL. */
static size_t plain_bytes(struct tg_str s, char *to)
{
    size_t i = 0;

    for (; i < s.n && is_plain(s.p[i]); i++)
        if (to != NULL)
            to[i] = s.p[i];
    return i;
}

#ifdef __SSE2__
/* Copy the 16, 8 or 4 bytes at `at`, if there is a place to copy to, and have them. */
static inline __m128i copy16(const char *p, char *to, size_t at)
{
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(p + at));

    if (to != NULL)
        _mm_storeu_si128((__m128i *)(void *)(to + at), c);
    return c;
}

static inline __m128i copy8(const char *p, char *to, size_t at)
{
    __m128i c = _mm_loadl_epi64((const __m128i *)(const void *)(p + at));

    if (to != NULL)
        _mm_storel_epi64((__m128i *)(void *)(to + at), c);
    return c;
}

static inline __m128i copy4(const char *p, char *to, size_t at)
{
    int32_t four;

    memcpy(&four, p + at, sizeof(four));
    if (to != NULL)
        memcpy(to + at, &four, sizeof(four));
    return _mm_cvtsi32_si128(four);
}

/* Where the first special byte is; `mask` is of the first and the last `half` bytes of `s`, which
 * may overlap. */
static inline size_t plain_of_ends(struct tg_str s, unsigned half, unsigned mask)
{
    unsigned at;

    if (mask == 0)
        return s.n;
    at = (unsigned)__builtin_ctz(mask);
    return at < half ? at : s.n - 2 * half + at;
}

/* The last sixteen bytes overlap with those before: none is looked at alone. */
static inline size_t plain_of_long(struct tg_str s, char *to)
{
    unsigned mask = tg_simd_special(copy16(s.p, to, 0));
    size_t i = 16;

    for (; mask == 0 && s.n - i >= 16; i += 16)
        mask = tg_simd_special(copy16(s.p, to, i));
    if (mask == 0 && i < s.n) {
        i = s.n;
        mask = tg_simd_special(copy16(s.p, to, i - 16));
    }
    return mask == 0 ? s.n : i - 16 + (size_t)__builtin_ctz(mask);
}

/* How many bytes at the front of `s` stand for themselves. They are copied to `to`, with others
 * behind them perhaps; NULL: they are only counted. Inlined into both its users. */
static inline __attribute__((always_inline)) size_t plain_front(struct tg_str s, char *to)
{
    if (s.n >= 16)
        return plain_of_long(s, to);
    if (s.n >= 8) {
        __m128i first = copy8(s.p, to, 0);
        __m128i last = copy8(s.p, to, s.n - 8);

        return plain_of_ends(s, 8, tg_simd_special(_mm_unpacklo_epi64(first, last)));
    }
    if (s.n >= 4) {
        __m128i first = copy4(s.p, to, 0);
        __m128i last = copy4(s.p, to, s.n - 4);

        return plain_of_ends(s, 4, tg_simd_special(_mm_unpacklo_epi32(first, last)) & 0xff);
    }
    return plain_bytes(s, to);
}
#else
static size_t plain_front(struct tg_str s, char *to)
{
    return plain_bytes(s, to);
}
#endif

size_t tg_json_plain(struct tg_str s)
{
    return plain_front(s, NULL);
}

static void add_escaped(struct tg_buf *b, uint32_t code)
{
    switch (code) {
    case '"':
        tg_buf_puts(b, "\\\"");
        break;
    case '\\':
        tg_buf_puts(b, "\\\\");
        break;
    case '\n':
        tg_buf_puts(b, "\\n");
        break;
    case '\r':
        tg_buf_puts(b, "\\r");
        break;
    case '\t':
        tg_buf_puts(b, "\\t");
        break;
    default:
        tg_buf_printf(b, "\\u%04x", (unsigned)code);
    }
}

/* What stands at the front of `s` as it is, or as the escape of one character; returns its length.
 */
static size_t add_some(struct tg_buf *b, struct tg_str s)
{
    size_t run = tg_json_plain(s);
    uint32_t code;
    size_t n;

    if (run > 0) {
        tg_buf_add(b, (struct tg_str){s.p, run});
        return run;
    }
    n = tg_utf8_decode(s, &code);
    if (n == 0) {
        tg_buf_puts(b, "\xef\xbf\xbd");
        return 1;
    }
    if (tg_utf8_is_hazard(code) || code == '"' || code == '\\')
        add_escaped(b, code);
    else
        tg_buf_add(b, (struct tg_str){s.p, n});
    return n;
}

/* The rest of a string from the first byte on that does not stand for itself. Kept out of its
 * caller, as nearly all strings have nothing to escape. */
__attribute__((noinline)) static void add_rest(struct tg_buf *b, struct tg_str s)
{
    while (s.n > 0)
        s = tg_str_skip(s, add_some(b, s));
    tg_buf_putc(b, '"');
}

void tg_buf_json(struct tg_buf *b, struct tg_str s)
{
    char *p = tg_buf_room(b, s.n + 2);
    size_t done = plain_front(s, p + 1);

    p[0] = '"';
    if (done < s.n) {
        b->n += done + 1;
        add_rest(b, tg_str_skip(s, done));
        return;
    }
    p[s.n + 1] = '"';
    b->n += s.n + 2;
}
