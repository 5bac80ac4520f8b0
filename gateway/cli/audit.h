/* The parts of `trainguard audit`: reading logs, and its commands. */
#ifndef TG_CLI_AUDIT_H
#define TG_CLI_AUDIT_H

#include "audit/line.h"
#include "base/clock.h"
#include "json/document.h"

/* Exit statuses. */
enum { TG_AUDIT_FINE = 0, TG_AUDIT_PROBLEM = 1, TG_AUDIT_UNREADABLE = 2 };

enum { TG_AUDIT_MAX_KEYS = 32 }; /* --key-file */

enum tg_audit_output { TG_AUDIT_TEXT = 1, TG_AUDIT_JSON, TG_AUDIT_CSV };

/* A time in UTC as records write it, without the Z, or the beginning of one. */
struct tg_audit_bound {
    char text[TG_CLOCK_TEXT];
    size_t n; /* 0: none */
};

/* Which records `show` and `summary` look at; empty fields let everything through. */
struct tg_audit_filter {
    struct tg_str decision;
    struct tg_str project;
    struct tg_str config;
    struct tg_str principal;
    struct tg_str id;
    struct tg_str path;
    struct tg_str method;
    struct tg_str status;
    struct tg_str end;
    struct tg_str client;
    struct tg_str rule;          /* a violation's, warning's or policy result's */
    struct tg_audit_bound since; /* inclusive */
    struct tg_audit_bound until; /* exclusive */
};

struct tg_audit_options {
    struct tg_audit_filter filter;
    enum tg_audit_output output;
    bool follow;
    bool colour;
    uint64_t tail; /* show: only so many of the last records, when `tails` */
    uint64_t top;  /* summary: only so many rows of a table; 0: all */
    bool tails;
    bool closed;                             /* verify: an open stream is a problem */
    bool stored;                             /* verify: lines come in no order */
    const char *heads_file;                  /* verify; NULL: none */
    const char *key_file[TG_AUDIT_MAX_KEYS]; /* verify */
    unsigned nkeys;
};

/* A line of a log with its place. */
struct tg_audit_place {
    const char *file;
    unsigned file_index;
    uint64_t number; /* of the line, from 1 */
    bool complete;   /* has its newline */
    bool rotated;    /* the file before it is an older one of the same log */
};

struct tg_audit_reading {
    /* Takes each line, without its newline; returns false to stop. */
    bool (*on_line)(void *context, struct tg_str line, const struct tg_audit_place *place);
    /* Called once when all that was there has been read and waiting begins. May be NULL. */
    void (*on_caught_up)(void *context);
    void *context;
};

/*
 * Reads files ("-" is standard input), plain or packed by gzip, line by line. Rotated files of one
 * log may be given in any order: PATH.2.gz comes before PATH.1 before PATH, PATH-20260130 before
 * PATH-20260131 before PATH. With `follow` it waits for more at the end of the last file, across
 * rotations, until the reader stops it. Returns false after it printed why a file could not be
 * read.
 */
bool tg_audit_read(char **files, int nfiles, bool follow, const struct tg_audit_reading *reading);

/* True for a line that is none of an audit log and no piece of one: it does not begin with '{'. In
 * collected output such lines stand between the records. */
bool tg_audit_is_other(struct tg_str line);

/* --- records as JSON --- */

/* Reads a line; false when it is not one JSON object. Memory comes from the arena. */
bool tg_audit_parse(struct tg_doc *doc, struct tg_arena *arena, struct tg_str line);

/* Reads a line of a log into an arena that is emptied first. False for a line of another program,
 * and, told on standard error and in *bad, for one that is no record. */
bool tg_audit_take_line(struct tg_doc *doc, struct tg_arena *arena, struct tg_str line,
                        const struct tg_audit_place *place, bool *bad);

/* The text of a member of the object `node`: a string's value, or another scalar's JSON text; empty
 * when it is not there. */
struct tg_str tg_audit_text(const struct tg_doc *doc, uint32_t node, struct tg_str name);

/* The first element of the array member of the record, or TG_NONE. */
uint32_t tg_audit_list(const struct tg_doc *doc, struct tg_str name);

/* True for the outcome of a change that the service took. */
bool tg_audit_is_change(const struct tg_doc *doc);

/* True for an element of policy.results that only a dry run kept from refusing the request. */
bool tg_audit_would_refuse(const struct tg_doc *doc, uint32_t result);

/* True when a record passes the filter. */
bool tg_audit_passes(const struct tg_audit_filter *filter, const struct tg_doc *doc);

/*
 * Reads RFC 3339 (UTC unless it has an offset) or the beginning of it from the year on, or how long
 * ago: a number with s, m, h, d or w. False when the text is neither.
 */
bool tg_audit_bound(struct tg_audit_bound *b, struct tg_str text);

/* A record's time against a bound: less than 0 when it is before; 0 when it begins with it. */
int tg_audit_compare(struct tg_str time, const struct tg_audit_bound *b);

/* --- printing --- */

/* One field of CSV (RFC 4180), safe to print as tg_excerpt_clean() has it. A spreadsheet takes a
 * cell that begins with = + - @ for a formula: such a one gets a quote before it. */
void tg_audit_add_cell(struct tg_buf *out, struct tg_str value);

/* --- commands; each takes the names of its files and returns an exit status (TG_AUDIT_...) --- */

/* Follows the chains through the files and prints what does not fit (verify). TG_AUDIT_PROBLEM when
 * something does not, or no line was there. */
int tg_audit_verify(const struct tg_audit_options *options, char **files, int nfiles);

/* Prints the records that pass the filter, one line or row each (show). */
int tg_audit_show(const struct tg_audit_options *options, char **files, int nfiles);

/* Prints counts of the records that pass the filter (summary). */
int tg_audit_summary(const struct tg_audit_options *options, char **files, int nfiles);

/* Prints what became of one config, who changed it and what it was then (history). */
int tg_audit_history(const struct tg_audit_options *options, char **files, int nfiles);

/* Prints the lines that pass the filter as tab-separated columns, the line itself last (columns).
 */
int tg_audit_columns(const struct tg_audit_options *options, char **files, int nfiles);

#endif
