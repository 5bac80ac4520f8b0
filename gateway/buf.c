#include "buf.h"

#include "check.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void tg_buf_end(struct tg_buf *b)
{
    free(b->p);
    *b = (struct tg_buf){0};
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

void tg_buf_u64(struct tg_buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    while (value >= 100) {
        uint64_t rest = value % 100;

        value /= 100;
        digits[--at] = (char)('0' + rest % 10);
        digits[--at] = (char)('0' + rest / 10);
    }
    if (value >= 10)
        digits[--at] = (char)('0' + value % 10);
    digits[--at] = (char)('0' + (value >= 10 ? value / 10 : value));
    tg_buf_add(b, (struct tg_str){digits + at, sizeof(digits) - at});
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that does not stand for itself; signed comparison finds controls
 * and bytes above ASCII together. */
static unsigned special(__m128i c)
{
    __m128i quotes =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
    __m128i controls =
        _mm_or_si128(_mm_cmplt_epi8(c, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quotes, controls));
}
#endif

size_t tg_json_plain(struct tg_str s)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; s.n - i >= 16; i += 16) {
        unsigned mask = special(_mm_loadu_si128((const __m128i *)(const void *)(s.p + i)));

        if (mask != 0)
            return i + (size_t)__builtin_ctz(mask);
    }
    if (s.n - i >= 8) {
        unsigned mask = special(_mm_loadl_epi64((const __m128i *)(const void *)(s.p + i))) & 0xff;

        if (mask != 0)
            return i + (size_t)__builtin_ctz(mask);
        i += 8;
    }
#endif
    while (i < s.n && s.p[i] >= ' ' && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
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

void tg_buf_json(struct tg_buf *b, struct tg_str s)
{
    size_t i = 0;

    tg_buf_putc(b, '"');
    while (i < s.n) {
        size_t run = tg_json_plain(tg_str_skip(s, i));
        uint32_t code;
        size_t n;

        tg_buf_add(b, (struct tg_str){s.p + i, run});
        i += run;
        if (i == s.n)
            break;
        n = tg_utf8_decode(tg_str_skip(s, i), &code);
        if (n == 0) {
            tg_buf_puts(b, "\xef\xbf\xbd");
            i++;
            continue;
        }
        if (code < 0x20 || code == '"' || code == '\\' || (code >= 0x7f && code < 0xa0) ||
            code == 0x2028 || code == 0x2029)
            add_escaped(b, code);
        else
            tg_buf_add(b, (struct tg_str){s.p + i, n});
        i += n;
    }
    tg_buf_putc(b, '"');
}
