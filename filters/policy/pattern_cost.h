/*
 * What a regular expression can cost, read off its text: most patterns of policies are so plain
 * that a bound can be told before any text is matched. Pure; knows nothing of PCRE2's own data.
 */
#ifndef TG_POLICY_PATTERN_COST_H
#define TG_POLICY_PATTERN_COST_H

#include "base/str.h"

enum { TG_PATTERN_MOST = 20000 }; /* larger bounds are not told apart */

/*
 * The most steps (pattern.h) that `pattern` takes from one place of any text: every item on every
 * way through it, also those that need not be tried. At most TG_PATTERN_MOST.
 *
 * 0: no bound is known, because of something that is not in this list: ASCII letters and signs,
 * escaped signs, \d \w \s \D \W \S \n \r \t, classes of these, `.`, `^`, `$`, \b, \B, groups with
 * and without a number, alternatives, `?` behind a group or character, {N} behind a character,
 * "(?i)" at the beginning. `pattern` is one that PCRE2 compiles.
 */
unsigned tg_pattern_cost(struct tg_str pattern);

#endif
