/* Response heads from an upstream, read as strictly as requests (RFC 9112 section 4, 6). Pure. */
#ifndef TG_HTTP_RESPONSE_HEAD_H
#define TG_HTTP_RESPONSE_HEAD_H

#include "http/request_head.h"

struct tg_response_head {
    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    int status;     /* 100 to 599 */
    struct tg_str reason;
    enum tg_framing framing; /* what the body's length is by RFC 9112 section 6.3 */
    uint64_t length;         /* what Content-Length says, also of an answer to HEAD; else 0 */
    bool keep_alive;         /* the connection may be used again after this answer */
    struct tg_field fields[TG_FIELDS_MAX];
    unsigned nfields;
    struct tg_str
        connection; /* value of the Connection field when it names fields; more than one is BAD */
};

/* What was asked, where it says how an answer ends. */
enum tg_answers { TG_ANSWERS_OTHER, TG_ANSWERS_HEAD, TG_ANSWERS_CONNECT };

/*
 * Looks for a complete response head in `in`, the answer to what `asked` says. Results as
 * tg_request_head_parse(), without an error row: every BAD is a 502. The head may have `max_head`
 * bytes. Interim answers (1xx) come back as DONE with framing NONE; 101 is BAD, the gateway never
 * asks for it. Of transfer codings only "chunked" is taken, since the gateway sends no TE. A 1xx or
 * 204 that announces a body is BAD: it might send one, and it would be read as the next answer.
 * What stands behind an answer to CONNECT is the tunnel's or nobody's: its Content-Length and
 * Transfer-Encoding are ignored (RFC 9110 section 9.3.6).
 */
enum tg_parse tg_response_head_parse(struct tg_str in, size_t max_head, enum tg_answers asked,
                                     size_t *scanned, struct tg_response_head *out, size_t *used,
                                     const char **why);

#endif
