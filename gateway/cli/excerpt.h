/*
 * One place of a text for people: the line it stands in, with a caret under it. Pure; widths are
 * the C library's (wcwidth), so a program that calls it sets LC_CTYPE to a UTF-8 locale; in the "C"
 * locale every character counts as one column wide.
 */
#ifndef TG_CLI_EXCERPT_H
#define TG_CLI_EXCERPT_H

#include "base/buf.h"

enum {
    TG_EXCERPT_BEFORE = 60, /* characters shown before the place, and from it on; of a longer */
    TG_EXCERPT_AFTER = 60,  /* line the rest is "..." */
    TG_EXCERPT_TAB = 4      /* columns between tab stops */
};

/* The words around a caret in colour, or empty strings. */
struct tg_excerpt_style {
    const char *gutter; /* before line number and bar */
    const char *caret;
    const char *plain; /* ends each of them */
};

/*
 * Appends two lines, each behind a gutter with the line number:
 *
 *    12 |       "value": true
 *       |                ^^^^
 *
 * `offset` is at most text.n (CHECKed). The caret covers the JSON token that begins there, as far
 * as it is shown. Tabs become spaces up to their stop; what a terminal would act on (controls,
 * bidirectional overrides) and bytes that are not UTF-8 are shown as U+FFFD. The time does not
 * depend on the length of the line.
 */
void tg_excerpt(struct tg_buf *out, struct tg_str text, uint32_t offset, unsigned line,
                const struct tg_excerpt_style *style);

/* Appends text that is safe to print on one line: as above, tabs and line ends are blanks. */
void tg_excerpt_clean(struct tg_buf *out, struct tg_str text);

/* Prints lines on standard output, each made safe so. */
void tg_excerpt_print(struct tg_str lines);

/* Appends the first character of a text that is not empty, made safe so; returns how many bytes it
 * takes. */
size_t tg_excerpt_character(struct tg_buf *out, struct tg_str text);

#endif
