/*
 * The path for routing (RFC 3986 section 6.2.2): percent-encoded unreserved characters decoded,
 * escapes in upper case, dot segments removed, repeated slashes merged, so that no spelling of a
 * guarded path slips past its location. Pure.
 */
#ifndef TG_HTTP_TARGET_H
#define TG_HTTP_TARGET_H

#include "base/str.h"

/*
 * Normalises the path of an origin-form target (everything before '?') into `out` of `cap` bytes
 * (target.n is always enough, CHECKed). *query is what follows '?', a slice of `target`; its p is
 * NULL when there is no '?'. "*" (of OPTIONS) stays "*". *changed tells whether the result differs
 * from what was sent; a trailing slash (except "/") is removed and counts as change. Normalising
 * the result again changes nothing.
 *
 * Returns false with a static text in *why for what no honest client sends: a broken
 * percent-encoding or one that is not UTF-8, a path that climbs above the root, characters that
 * RFC 3986 does not allow (raw controls, blanks, bytes outside ASCII, a fragment), encoded
 * controls.
 * "%2F" and "%5C" are refused, since what follows them would be judged as one segment but may be
 * two for the upstream, and so is ";" in either spelling, since some servers route without what
 * follows it. In the query only characters are judged.
 */
bool tg_target_normalize(struct tg_str target, char *out, size_t cap, struct tg_str *path,
                         struct tg_str *query, bool *changed, const char **why);

enum { TG_TARGET_PARAMETERS = 8 }; /* {name} segments of one pattern, at most */

/* A pattern, ready to be matched; slices of its text. */
struct tg_target_pattern {
    struct tg_str literal[TG_TARGET_PARAMETERS + 1]; /* before each {name}, and behind the last */
    unsigned nparameters;
};

/* Prepares a pattern with at most TG_TARGET_PARAMETERS {name} segments (CHECKed). */
void tg_target_prepare(struct tg_str text, struct tg_target_pattern *out);

/*
 * Matches a normalised path against a pattern. Without "{name}": prefix match at segment borders
 * ("/v1" and "/v1/" match "/v1" and "/v1/x", not "/v1x"; "/" matches all). With "{name}" segments:
 * the whole path, segment by segment, each {name} one segment of [A-Za-z0-9_-]{1,64}; the segments'
 * values (slices of `path`) go to values[0..] in order, at most `max`. ASCII letters compare
 * exactly. *nvalues means nothing when the answer is false.
 */
bool tg_target_match(const struct tg_target_pattern *pattern, struct tg_str path,
                     struct tg_str *values, unsigned max, unsigned *nvalues);

/*
 * True when the path has the shape of a pattern with "{name}" segments, whatever the values and the
 * case of the letters. A path that resembles a guarded location but does not match it must not fall
 * through to a wider, unguarded one: an upstream may be more lenient about the name.
 */
bool tg_target_resembles(struct tg_str pattern, struct tg_str path);

/*
 * What a log shows of a target or path: all before its query or fragment, also when the '?' or '#'
 * before that is percent-encoded, once or more often. A slice of `target`.
 */
struct tg_str tg_target_shown(struct tg_str target);

/* True when a pattern has a {name} segment. */
bool tg_target_has_parameters(struct tg_str pattern);

#endif
