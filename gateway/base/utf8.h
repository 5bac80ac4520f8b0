/* UTF-8 exactly as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TG_BASE_UTF8_H
#define TG_BASE_UTF8_H

#include "base/str.h"

/*
 * Decodes the character at the start of `s`. Returns its length in bytes (1 to 4) and puts its code
 * point into *code; returns 0 when `s` is empty or does not begin with valid UTF-8.
 */
size_t tg_utf8_decode(struct tg_str s, uint32_t *code);

/* Encodes a code point (not a surrogate, at most U+10FFFF: CHECKed) into `out`; returns 1 to 4. */
size_t tg_utf8_encode(uint32_t code, char out[4]);

/* The number of code points in valid UTF-8 text (continuation bytes are not counted). */
size_t tg_utf8_length(struct tg_str s);

#endif
