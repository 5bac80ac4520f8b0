/*
 * The field section of a message head (RFC 9112 section 5) and what requests and responses have in
 * common: the end of a head, the fields that decide framing. Pure, like request_head.h and
 * response_head.h, which stand on it.
 */
#ifndef TG_HTTP_FIELDS_H
#define TG_HTTP_FIELDS_H

#include "base/buf.h"

/* A header field (RFC 9110 section 5). Name as sent, value without OWS around it. */
struct tg_field {
    struct tg_str name;
    struct tg_str value;
};

enum { TG_FIELDS_MAX = 200 }; /* hard ceiling of a head; the configured one is lower or equal */

/*
 * Searches the empty line that ends a head. `*scanned` (an offset in `in`) says how far earlier
 * calls came and is moved on. Returns the offset behind the final CRLFCRLF, or 0 when it is not
 * there. Bytes before `start` (leading empty lines) do not count.
 */
size_t tg_fields_end(struct tg_str in, size_t start, size_t *scanned);

/*
 * For the bytes of a head that is not complete: NULL, or a static text that names the control
 * character that must not be in them. CR and LF are accepted as CRLF only; a CR as last byte may
 * still become one. `from` is where the bytes not yet judged begin.
 */
const char *tg_fields_suspect(struct tg_str in, size_t from);

enum tg_fields_result { TG_FIELDS_OK = 1, TG_FIELDS_MALFORMED, TG_FIELDS_TOO_LARGE };

/*
 * Splits a complete field section: `in` begins with the first field line and ends with the CRLF of
 * the empty line. Line length without CRLF at most `max_field`, number of lines at most
 * `max_fields` (at most TG_FIELDS_MAX). The slices in `fields` point into `in`.
 * Otherwise *why is a static text.
 */
enum tg_fields_result tg_fields_read(struct tg_str in, size_t max_field, unsigned max_fields,
                                     struct tg_field *fields, unsigned *nfields, const char **why);

/* The fields that decide framing, routing and the connection. */
enum tg_framing_field {
    TG_FIELD_HOST,
    TG_FIELD_LENGTH,
    TG_FIELD_CODING,
    TG_FIELD_CONNECTION,
    TG_FIELD_EXPECT,
    TG_FIELD_COUNT
};

struct tg_framing_fields {
    struct tg_str value[TG_FIELD_COUNT]; /* of the first field of that name */
    unsigned count[TG_FIELD_COUNT];      /* how many fields of that name */
    unsigned options;                    /* elements of all Connection fields */
    bool close;                          /* Connection: close */
    bool keep_alive;                     /* Connection: keep-alive */
    bool names_fields;                   /* it has other options, which name fields */
};

/*
 * Collects the framing fields of a head. Returns NULL, or a static text for a Connection field that
 * is not a list of tokens or names a field which is meant for the recipient of the content (RFC
 * 9110 section 7.6.1), or for more than 64 options: every field is looked up among them.
 */
const char *tg_fields_framing(const struct tg_field *fields, unsigned nfields,
                              struct tg_framing_fields *out);

/*
 * Takes the next element of a comma-separated list (RFC 9110 section 5.6.1) off `*list`, without
 * the blanks around it; empty elements are skipped. Returns false when there is none left.
 */
bool tg_fields_next(struct tg_str *list, struct tg_str *element);

/*
 * Reads a Content-Length value: digits without sign or list, at most INT64_MAX so that it fits a
 * file offset (RFC 9110 section 8.6). Leading zeros are digits: whoever forwards the field writes
 * *length anew. Returns false, and leaves *length alone, for anything else.
 */
bool tg_fields_length(struct tg_str value, uint64_t *length);

/*
 * Reads the version at the start of a status line or the end of a request line (RFC 9112 section
 * 2.3): exactly "HTTP/", a digit, a dot, a digit. Minor versions above 1 count as 1 (RFC 9110
 * section 2.5). Returns false when the form is wrong.
 */
bool tg_fields_version(struct tg_str text, unsigned *major, unsigned *minor);

/* Appends a field line. */
void tg_fields_add(struct tg_buf *out, struct tg_str name, struct tg_str value);

#endif
