/*
 * The path for routing (RFC 3986 section 6.2.2): percent-encoded unreserved characters decoded,
 * escapes in upper case, dot segments removed, repeated slashes merged, so that no spelling of a
 * guarded path slips past its location. Pure.
 */
#ifndef TG_HTTP_TARGET_H
#define TG_HTTP_TARGET_H

#include "base/str.h"

/* A target in its normal form. */
struct tg_target {
    struct tg_str path;  /* slice of what tg_target_normalize() wrote */
    struct tg_str query; /* what follows "?", a slice of the target; p is NULL without "?" */
    bool changed;        /* `path` is not what was sent */
    const char *odd;     /* NULL, or what in the path servers read in different ways: an encoded
                            slash or backslash, ";" in either spelling, percent-encoding that is not
                            UTF-8. Static. The path then keeps it as it is. */
};

/*
 * Normalises the path of an origin-form target (everything before '?') into `out` of `cap` bytes
 * (target.n is always enough, CHECKed). "*" (of OPTIONS) stays "*". A trailing slash (except "/")
 * is removed and counts as change. Normalising the result again changes nothing.
 *
 * Returns false with a static text in *why for what no honest client sends: a broken
 * percent-encoding, a path that climbs above the root, characters that RFC 3986 does not allow (raw
 * controls, blanks, bytes outside ASCII, a fragment), encoded controls. In the query only
 * characters are judged.
 */
bool tg_target_normalize(struct tg_str target, char *out, size_t cap, struct tg_target *t,
                         const char **why);

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

/* A text with its percent-encodings decoded until there are none, "%uXXXX" included, written into
 * `out` of `cap` bytes (s.n is always enough, CHECKed). Time is linear in the text. */
struct tg_str tg_target_decode(struct tg_str s, char *out, size_t cap);

enum { TG_TARGET_SKELETON_MORE = 2 }; /* bytes a skeleton needs beside the path's */

/*
 * What the most lenient of servers may take a path (raw or normalised, without query) for, written
 * into `out` of `cap` bytes (path.n + TG_TARGET_SKELETON_MORE is always enough, CHECKed):
 * percent-encodings decoded until there are none, also "%uXXXX" and overlong UTF-8, letters without
 * case by Unicode, backslashes as slashes, dot segments removed, and off each segment blanks, what
 * cannot be seen, "-" and "_", and all from the first ";", ":" or NUL or the first "." behind its
 * first byte. A decoded "?" or "#", which may end the path, becomes "?". With `segments` a slash
 * that was encoded ends no segment: some servers take a path apart before they decode. Time is
 * linear in the path.
 */
struct tg_str tg_target_skeleton(struct tg_str path, bool segments, char *out, size_t cap);

/*
 * True when a skeleton fits the skeleton of a pattern: the whole path where that has "{name}"
 * segments, whatever their values, else a prefix. A path that resembles a guarded location but does
 * not match it must not fall through to a wider, unguarded one: an upstream may be more lenient
 * about the name.
 */
bool tg_target_resembles(struct tg_str pattern, struct tg_str skeleton);

/*
 * What a log shows of a target or path: all before its query or fragment, also when the '?' or '#'
 * before that is percent-encoded, once or more often. A slice of `target`.
 */
struct tg_str tg_target_shown(struct tg_str target);

/* True when a pattern has a {name} segment. */
bool tg_target_has_parameters(struct tg_str pattern);

#endif
