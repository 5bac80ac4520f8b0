/*
 * The path for routing (RFC 3986 section 6.2.2): percent-encoded unreserved characters decoded,
 * dot segments removed, repeated slashes merged, so that no spelling of a guarded path slips past
 * its location. Pure.
 */
#ifndef TG_TARGET_H
#define TG_TARGET_H

#include "str.h"

/*
 * Normalises the path of an origin-form target (everything before '?') into `out` of `cap` bytes
 * (target.n is always enough). Returns false with a static text in *why for what no honest client
 * sends: a broken percent-encoding, an encoded NUL, slash, backslash, control character or dot
 * segment that climbs above the root, a fragment, bytes outside ASCII or raw control characters.
 * "%2F" and "%5C" are refused, since what follows them would be judged as one segment but may be
 * two for the upstream. *changed tells whether the result differs from what was sent; a trailing
 * slash (except "/") is removed from the result and counts as change.
 */
bool tg_target_normalize(struct tg_str target, char *out, size_t cap, struct tg_str *path,
                         struct tg_str *query, bool *changed, const char **why);

/*
 * Matches a normalised path against a pattern. Without "{name}": prefix match at segment borders
 * ("/v1" matches "/v1" and "/v1/x", not "/v1x"; "/" matches all). With "{name}" segments: the whole
 * path, segment by segment, each {name} one non-empty segment of [A-Za-z0-9_-]{1,64}; the segments'
 * values go to values[0..] in order, at most `max`. ASCII letters compare exactly.
 */
bool tg_target_match(struct tg_str pattern, struct tg_str path, struct tg_str *values, unsigned max,
                     unsigned *nvalues);

/* True when a pattern has a {name} segment. */
bool tg_target_has_parameters(struct tg_str pattern);

#endif
