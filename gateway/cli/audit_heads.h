/*
 * Where streams stood at some time, kept apart from the log: what GET /audit/heads answers, one
 * JSON object a line. By them a cut at the end of a stream is seen, which its chain cannot show.
 */
#ifndef TG_CLI_AUDIT_HEADS_H
#define TG_CLI_AUDIT_HEADS_H

#include "cli/audit.h"

struct tg_audit_head {
    struct tg_str stream;
    uint64_t seq;        /* of its last line then */
    struct tg_str chain; /* of that line, 64 hex digits */
    struct tg_str time;  /* may be empty */
    struct tg_audit_place place;
};

struct tg_audit_heads {
    struct tg_arena arena;
    struct tg_audit_head *at; /* by stream, then by number */
    size_t n;
    size_t cap;
};

/* Reads a file ("-" is standard input); NULL: there are no heads. False after it printed why it
 * cannot be read, or which line is no head. End it in either case. */
bool tg_audit_heads_read(struct tg_audit_heads *heads, const char *file);

/* Frees them. */
void tg_audit_heads_end(struct tg_audit_heads *heads);

/* The first head of a stream (the others stand behind it), or NULL. */
const struct tg_audit_head *tg_audit_heads_of(const struct tg_audit_heads *heads,
                                              struct tg_str stream);

/* The head behind this one when it is of the same stream, else NULL. */
const struct tg_audit_head *tg_audit_heads_next(const struct tg_audit_heads *heads,
                                                const struct tg_audit_head *head);

#endif
