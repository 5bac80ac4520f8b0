/*
 * One line of an audit log as written by tg_audit_head_add() and tg_audit_chain_seal(), taken apart
 * without reading it as JSON. A client's text cannot look like these parts: its quotes are escaped.
 */
#ifndef TG_AUDIT_LINE_H
#define TG_AUDIT_LINE_H

#include "base/str.h"

struct tg_audit_line {
    struct tg_str time;
    struct tg_str stream;
    uint64_t seq;
    struct tg_str event; /* what kind of line: start, outcome, ... */
    struct tg_str text;  /* what the chain hashes */
    struct tg_str chain; /* 64 hex digits */
};

/* Takes a line (without its newline; blanks before it are skipped) apart. The slices point into it.
 * False when it is not a whole line of an audit log. */
bool tg_audit_line_read(struct tg_str line, struct tg_audit_line *out);

/* The worker's part of a stream's name: "0" of "0-5f3a9c2e1b7d". */
struct tg_str tg_audit_line_worker(struct tg_str stream);

#endif
