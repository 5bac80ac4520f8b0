/*
 * Writing JSON (RFC 8259) into a buffer, without white space. The writer sets the commas itself:
 * one goes before a value or name unless the buffer is empty or ends with an opening bracket, a
 * colon or a line's end. So it has no state but the text, and pieces that other functions wrote fit
 * in.
 */
#ifndef TG_BASE_JSON_WRITER_H
#define TG_BASE_JSON_WRITER_H

#include "base/buf.h"

/* Opens an object or an array: `bracket` is '{' or '['. */
void tg_json_begin(struct tg_buf *out, char bracket);

/* Closes the innermost one: '}' or ']'. */
void tg_json_end(struct tg_buf *out, char bracket);

/* Starts a new line in an array, for its next value or its end; the comma stays on the old one. */
void tg_json_line(struct tg_buf *out);

/* Values: a string (escaped), a number, JSON text that is one value already. */
void tg_json_string(struct tg_buf *out, struct tg_str value);
void tg_json_number(struct tg_buf *out, uint64_t value);
void tg_json_raw(struct tg_buf *out, struct tg_str json);

/* The name of a member, which any value follows. `name` is escaped as well. */
void tg_json_name(struct tg_buf *out, const char *name);

/* A member: its name, and a value or the opening bracket of one. */
void tg_json_member(struct tg_buf *out, const char *name, struct tg_str value);
void tg_json_member_number(struct tg_buf *out, const char *name, uint64_t value);
void tg_json_member_bool(struct tg_buf *out, const char *name, bool value);
/* A wall-clock time in microseconds since 1970, as tg_clock_text() writes it; null for 0. */
void tg_json_member_time(struct tg_buf *out, const char *name, int64_t us);
void tg_json_member_raw(struct tg_buf *out, const char *name, struct tg_str json);
void tg_json_member_begin(struct tg_buf *out, const char *name, char bracket);

#endif
