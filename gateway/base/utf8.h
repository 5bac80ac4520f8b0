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

enum { TG_UTF8_FOLDED = 4 };

/*
 * The code points that lenient readers take a code point for, one to four of them: letters without
 * case, and characters outside ASCII that some case mapping, compatibility mapping (UAX 15) or best
 * fit turns into ASCII (U+017F is "s", U+FB01 "fi", U+FF0F "/", U+2010 "-"). Others stay as they
 * are. They are never longer, in UTF-8, than the one they stand for.
 */
unsigned tg_utf8_fold(uint32_t code, uint32_t out[TG_UTF8_FOLDED]);

/* True for what lenient readers pass over: blanks, controls, marks on the character before, and
 * what is not seen at all (Unicode's Default_Ignorable_Code_Point). */
bool tg_utf8_is_nothing(uint32_t code);

/*
 * True for what a terminal acts on instead of showing it: controls move the cursor and end lines,
 * overrides show another order than the one that is there (Unicode Standard Annex 9, section 2).
 */
bool tg_utf8_is_hazard(uint32_t code);

/* Makes one line of a text that may hold bytes from outside: each byte of a hazard, and each that
 * is not UTF-8, becomes '?'. */
void tg_utf8_flatten(char *text, size_t n);

/* The number of code points in valid UTF-8 text (continuation bytes are not counted). */
size_t tg_utf8_length(struct tg_str s);

#endif
