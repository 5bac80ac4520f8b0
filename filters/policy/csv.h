/*
 * Comma-separated values (RFC 4180): UTF-8, lines that end with LF or CRLF, fields in quotes where
 * they need them. Pure.
 */
#ifndef TG_POLICY_CSV_H
#define TG_POLICY_CSV_H

#include "base/arena.h"

enum { TG_CSV_MAX_CELLS = 64 }; /* in one row */

/* A text that is read row by row. Begin with the text (without its byte order mark, which may be
 * there) and line 1. */
struct tg_csv {
    struct tg_str rest;
    unsigned line;     /* of the next row, from 1 */
    const char *wrong; /* after a row that could not be read: why not; static */
};

struct tg_csv_row {
    struct tg_str cells[TG_CSV_MAX_CELLS]; /* with a NUL behind each, in the arena */
    unsigned n;                            /* at least 1 */
    unsigned line;
};

/* Starts to read a text, which is borrowed. */
struct tg_csv tg_csv_begin(struct tg_str text);

/* Reads the next row; empty lines are passed over. False at the end, or when csv->wrong says why
 * the row at csv->line cannot be read: a quote that is not closed or stands in the middle of a
 * field, a control character, bytes that are not UTF-8, more cells than TG_CSV_MAX_CELLS. */
bool tg_csv_next(struct tg_csv *csv, struct tg_arena *arena, struct tg_csv_row *row);

#endif
