/* Response heads from an upstream, read as strictly as requests (RFC 9112 section 4, 6). Pure. */
#ifndef TG_RESPONSE_H
#define TG_RESPONSE_H

#include "guard.h"

struct tg_response {
    unsigned minor;
    int status; /* 100 to 599 */
    struct tg_str reason;
    enum tg_framing framing; /* what the body's length is by RFC 9112 section 6.3 */
    uint64_t length;
    bool keep_alive; /* the connection may be used again after this answer */
    struct tg_field fields[TG_GUARD_MAX_FIELDS];
    unsigned nfields;
    struct tg_str
        connection; /* value of the Connection field (several joined are BAD beyond one) */
};

/*
 * Looks for a complete response head in `in`; `head_request` when the request was HEAD. Results as
 * tg_guard_head(), without an error row: every BAD is a 502. Interim answers (1xx) come back as
 * DONE with framing NONE; 101 is BAD, the gateway never asks for it.
 */
enum tg_parse tg_response_head(struct tg_str in, size_t max_head, bool head_request,
                               size_t *scanned, struct tg_response *out, size_t *used,
                               const char **why);

#endif
