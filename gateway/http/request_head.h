/*
 * Request heads: the only code that reads them from the network. Pure: bytes in, verdict out;
 * no allocation, no logging, no socket. It accepts what RFC 9112 calls valid and refuses whatever
 * the RFC leaves in doubt; each rule has its section beside it. Every framing decision is made
 * here.
 */
#ifndef TG_HTTP_REQUEST_HEAD_H
#define TG_HTTP_REQUEST_HEAD_H

#include "http/errors.h"
#include "http/fields.h"

enum tg_parse { TG_PARSE_DONE = 1, TG_PARSE_MORE, TG_PARSE_BAD };

struct tg_request_head_limits {
    size_t max_head;     /* bytes of the whole head, request line included */
    size_t max_line;     /* bytes of the request target */
    size_t max_field;    /* bytes of one field line */
    unsigned max_fields; /* at most TG_FIELDS_MAX */
};

enum tg_framing {
    TG_FRAMING_NONE = 1, /* no body */
    TG_FRAMING_LENGTH,
    TG_FRAMING_CHUNKED,
    TG_FRAMING_CLOSE /* responses only: until the connection ends */
};

/* A request head. All slices point into the bytes given to tg_request_head_parse(), except a target
 * that absolute-form left empty: it is a static "/" or "*" (RFC 9112 section 3.2.4). */
struct tg_request_head {
    struct tg_str method; /* a registered one, as sent: methods are case-sensitive */
    struct tg_str target; /* origin-form path and query, always with a leading "/", or "*" */
    /* From an absolute-form target, which wins over Host (RFC 9112 section 3.2.2), else the Host
     * field: host[:port], checked, as sent. May be empty in HTTP/1.0. */
    struct tg_str authority;
    unsigned minor; /* HTTP/1.minor: 0 or 1; higher ones count as 1 */
    enum tg_framing framing;
    uint64_t length;      /* with TG_FRAMING_LENGTH, at most INT64_MAX; else 0 */
    bool keep_alive;      /* what the client wants, RFC 9112 section 9.3 */
    bool expect_continue; /* the client waits for 100 before it sends the body */
    bool is_head;         /* method HEAD */
    bool names_fields;    /* Connection names fields that end here, beside Keep-Alive */
    struct tg_field fields[TG_FIELDS_MAX];
    unsigned nfields;
};

/*
 * Looks for a complete head in `in`. Leading empty lines (at most 4 CRLF, RFC 9112 section 2.2) are
 * skipped and counted. `*scanned` remembers between calls how far the end was searched; it starts
 * at 0.
 * DONE: *head is filled, *used is the head's length in bytes, leading CRLFs and final CRLFCRLF
 * included. MORE: not complete yet, and within the limits so far. BAD: *error says what to answer
 * (a 4xx/5xx row) and *why a static English text for the log; the connection must be closed.
 */
enum tg_parse tg_request_head_parse(struct tg_str in, const struct tg_request_head_limits *limits,
                                    size_t *scanned, struct tg_request_head *head, size_t *used,
                                    enum tg_error *error, const char **why);

/* True for a field that must not be forwarded: RFC 9110 section 7.6.1 (Connection and what it
 * names, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade) and Proxy-*
 * credentials. `connection` is the list of Connection values joined by commas, or empty:
 * "keep-alive" alone may be left out. */
bool tg_request_head_hop_by_hop(struct tg_str name, struct tg_str connection);

#endif
