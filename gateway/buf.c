#include "buf.h"

#include "check.h"
#include "sixteen.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* --- JSON strings --- */

static size_t plain_bytes(struct tg_str s)
{
    size_t i = 0;

    while (i < s.n && s.p[i] >= ' ' && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
}

#ifdef __SSE2__
static __m128i load8(const char *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

static __m128i load4(const char *p)
{
    int32_t four;

    memcpy(&four, p, sizeof(four));
    return _mm_cvtsi32_si128(four);
}

/* Where the first special byte is; `mask` is of the first and the last `half` bytes of `s`, which
 * may overlap. */
static size_t plain_of_ends(struct tg_str s, unsigned half, unsigned mask)
{
    unsigned at;

    if (mask == 0)
        return s.n;
    at = (unsigned)__builtin_ctz(mask);
    return at < half ? at : s.n - 2 * half + at;
}

/* The last sixteen bytes overlap with those before: none is looked at alone. */
static size_t plain_of_long(struct tg_str s)
{
    for (size_t i = 0; s.n - i >= 16; i += 16) {
        unsigned n = tg_plain16(s.p + i);

        if (n < 16)
            return i + n;
    }
    return s.n - 16 + tg_plain16(s.p + s.n - 16);
}

size_t tg_json_plain(struct tg_str s)
{
    if (s.n >= 16)
        return plain_of_long(s);
    if (s.n >= 8)
        return plain_of_ends(
            s, 8, tg_sixteen_special(_mm_unpacklo_epi64(load8(s.p), load8(s.p + s.n - 8))));
    if (s.n >= 4)
        return plain_of_ends(
            s, 4, tg_sixteen_special(_mm_unpacklo_epi32(load4(s.p), load4(s.p + s.n - 4))) & 0xff);
    return plain_bytes(s);
}
#else
size_t tg_json_plain(struct tg_str s)
{
    return plain_bytes(s);
}
#endif

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
    if (code < 0x20 || code == '"' || code == '\\' || (code >= 0x7f && code < 0xa0) ||
        code == 0x2028 || code == 0x2029)
        add_escaped(b, code);
    else
        tg_buf_add(b, (struct tg_str){s.p, n});
    return n;
}

/* Nearly all strings have nothing to escape: one look, one copy. */
void tg_buf_json(struct tg_buf *b, struct tg_str s)
{
    size_t done = tg_json_plain(s);
    char *p = tg_buf_room(b, done + 2);

    p[0] = '"';
    if (done > 0)
        memcpy(p + 1, s.p, done);
    b->n += done + 1;
    while (done < s.n)
        done += add_some(b, tg_str_skip(s, done));
    tg_buf_putc(b, '"');
}
