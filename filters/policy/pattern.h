/*
 * Regular expressions (PCRE2): compiled once, matched within bounds. pattern.c is the only file
 * that speaks PCRE2. Patterns are UTF-8; \d, \w and \s mean ASCII, so that look-alikes of other
 * scripts do not pass for letters and digits.
 */
#ifndef TG_POLICY_PATTERN_H
#define TG_POLICY_PATTERN_H

#include "base/str.h"

enum tg_pattern_result {
    TG_PATTERN_NO = 1,
    TG_PATTERN_YES,
    TG_PATTERN_ERROR /* a limit was hit: the answer is not known */
};

enum tg_pattern_use {
    TG_PATTERN_MUST = 1, /* the text has to match: "$" means the very end */
    TG_PATTERN_MUST_NOT, /* the text may not match: "$" is also before a line feed at the end */
};

enum { TG_PATTERN_WHY = 160 }; /* bytes of a compiler's message with its NUL */

/* What all patterns of one request may take together, in steps. */
enum { TG_PATTERN_STEPS = 200000, TG_PATTERN_STEPS_PER_BYTE = 32 };

enum { TG_PATTERN_FEW = 64 }; /* at each place: a pattern that can take no more is not counted */

enum { TG_PATTERN_VERSION = 64 }; /* bytes of PCRE2's version with its NUL */

struct tg_pattern;

/* Writes the version of PCRE2 that runs, e.g. "10.42 2022-12-11". */
void tg_pattern_pcre2(char version[TG_PATTERN_VERSION]);

/*
 * Compiles `text`. On failure returns NULL, with PCRE2's words in `why` and the byte where it
 * stopped in *offset. End it with tg_pattern_end().
 */
struct tg_pattern *tg_pattern_new(struct tg_str text, enum tg_pattern_use use,
                                  char why[TG_PATTERN_WHY], size_t *offset);

/* The steps that the patterns of a request with so many bytes of body may take together. */
uint64_t tg_pattern_steps(size_t bytes);

/* Frees a pattern. NULL is fine. */
void tg_pattern_end(struct tg_pattern *p);

/*
 * Looks for the pattern anywhere in `subject`, which may hold any bytes; what is not UTF-8 matches
 * nothing. The steps taken (some hundred million a second) are taken off *steps; when these are
 * used up the answer is TG_PATTERN_ERROR. A step is one item of the pattern tried at one place: the
 * same text takes the same number everywhere. Memory is limited to 4 MB.
 *
 * A pattern of which tg_pattern_cost() tells that it takes at most TG_PATTERN_FEW steps from any
 * place of any text takes none of these: its time is linear in the text, whatever both are, and an
 * uncounted step takes a fraction of a counted one. It never gives TG_PATTERN_ERROR where counting
 * would not.
 *
 * Uses scratch memory of the pattern: one thread at a time.
 */
enum tg_pattern_result tg_pattern_match(const struct tg_pattern *p, struct tg_str subject,
                                        uint64_t *steps);

#endif
