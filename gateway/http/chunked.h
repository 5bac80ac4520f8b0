/* The chunked transfer coding (RFC 9112 section 7.1), strict, as a pure state machine. */
#ifndef TG_HTTP_CHUNKED_H
#define TG_HTTP_CHUNKED_H

#include "http/request_head.h"

struct tg_chunked {
    unsigned state;    /* private */
    unsigned digits;   /* of the size line, leading zeros included */
    uint64_t left;     /* bytes of the current chunk's data still to come */
    size_t line;       /* bytes of the current extension */
    size_t extensions; /* bytes of all extensions, bounded */
    size_t trailers;   /* bytes of all trailers, bounded */
};

/* Starts a body. */
void tg_chunked_init(struct tg_chunked *c);

/*
 * Reads from `in`. Returns MORE with *data set to a run of body bytes (a slice of `in`, may be
 * empty) and *used to how many bytes of `in` are done with: call again with the rest while it is
 * not empty. Returns DONE when the last chunk and its trailer section ended (trailers are checked
 * and dropped), with *used up to there. Returns BAD with a static text in *why: sizes with signs,
 * prefixes, blanks, more than 15 hex digits, 8-bit digits, bare LF or CR, missing line ends,
 * extensions longer than 256 bytes, 8 KB of them in one body, or with control characters, trailers
 * over 8 KB or malformed. After DONE or BAD it must not be called again (CHECKed).
 */
enum tg_parse tg_chunked_read(struct tg_chunked *c, struct tg_str in, struct tg_str *data,
                              size_t *used, const char **why);

#endif
