/*
 * A growing text on the heap, reused from one use to the next: audit lines, answers, command line
 * output. Its ceiling is that of what is written into it; out of memory ends the process.
 */
#ifndef TG_BASE_BUF_H
#define TG_BASE_BUF_H

#include "base/str.h"

struct tg_buf {
    char *p; /* owned; not terminated */
    size_t n;
    size_t cap;
};

/* Frees the memory; the buffer is empty and usable again. */
void tg_buf_end(struct tg_buf *b);

/* Empties the buffer and overwrites what it held; for secrets, before tg_buf_end(). */
void tg_buf_wipe(struct tg_buf *b);

/* Makes the buffer larger, so that `n` more bytes fit; tg_buf_room() calls it. */
void tg_buf_grow(struct tg_buf *b, size_t n);

/* Makes room for `n` more bytes and returns where they go; the caller adds what it wrote to b->n.
 */
static inline char *tg_buf_room(struct tg_buf *b, size_t n)
{
    if (b->cap - b->n < n)
        tg_buf_grow(b, n);
    return b->p + b->n;
}

/* Appends bytes. */
static inline void tg_buf_add(struct tg_buf *b, struct tg_str s)
{
    if (s.n == 0)
        return;
    memcpy(tg_buf_room(b, s.n), s.p, s.n);
    b->n += s.n;
}

/* Appends a C string. */
static inline void tg_buf_puts(struct tg_buf *b, const char *text)
{
    tg_buf_add(b, (struct tg_str){text, strlen(text)});
}

/* Appends one byte. */
static inline void tg_buf_putc(struct tg_buf *b, char c)
{
    *tg_buf_room(b, 1) = c;
    b->n++;
}

/* Appends formatted text. */
void tg_buf_printf(struct tg_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a decimal number. */
void tg_buf_u64(struct tg_buf *b, uint64_t value);

/* How many bytes at the front of `s` stand for themselves in a JSON string: printable ASCII but
 * quote and backslash. */
size_t tg_json_plain(struct tg_str s);

/*
 * Appends `s` as a JSON string with its quotes (RFC 8259 section 7). The output is always valid
 * UTF-8 without control characters on one line: bytes that are not UTF-8 become U+FFFD, control
 * characters, DEL, U+2028 and U+2029 are escaped.
 */
void tg_buf_json(struct tg_buf *b, struct tg_str s);

/* The text so far; valid until the next call on the buffer. */
static inline struct tg_str tg_buf_str(const struct tg_buf *b)
{
    return (struct tg_str){b->p, b->n};
}

#endif
