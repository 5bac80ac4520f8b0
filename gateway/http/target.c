/* Request targets: the normalised path, and patterns that paths match. */
#include "http/target.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/simd.h"
#include "base/utf8.h"
#include "http/fields.h"

enum { MAX_VALUE = 64 }; /* bytes of a {name}'s value */

/* A path in the making: `out` holds `n` bytes, empty or "/" and segments without a closing "/". */
struct path {
    char *out;
    size_t n;
    size_t segment;  /* where the last "/" is */
    const char *odd; /* as in struct tg_target */
};

/* The byte a percent-encoding stands for, or -1 when `s` does not begin with one. */
static int encoded_byte(struct tg_str s)
{
    int high;
    int low;

    if (s.n < 3 || s.p[0] != '%')
        return -1;
    high = tg_hex_value(s.p[1]);
    low = tg_hex_value(s.p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void append_encoded(struct path *path, int byte)
{
    static const char digits[] = "0123456789ABCDEF";

    path->out[path->n++] = '%';
    path->out[path->n++] = digits[byte >> 4];
    path->out[path->n++] = digits[byte & 15];
}

/* One character outside ASCII, as percent-encoded UTF-8: overlong forms of "/" and "." are what
 * makes invalid ones dangerous. Returns the bytes read. */
static size_t append_utf8(struct path *path, struct tg_str s)
{
    char bytes[4];
    size_t n = 0;
    uint32_t code;
    size_t length;

    while (n < sizeof(bytes)) {
        int byte = encoded_byte(tg_str_skip(s, 3 * n));

        if (byte < 0x80)
            break;
        bytes[n++] = (char)byte;
    }
    length = tg_utf8_decode((struct tg_str){bytes, n}, &code);
    if (length == 0) {
        path->odd = "percent-encoding in the path is not UTF-8";
        length = 1;
    }
    for (size_t i = 0; i < length; i++)
        append_encoded(path, (unsigned char)bytes[i]);
    return 3 * length;
}

/* What servers read in different ways in a segment, decoded or not. ";" begins parameters that some
 * take off a segment before they route (RFC 3986 section 3.3). */
static const char *oddity(int byte)
{
    if (byte == '/' || byte == '\\')
        return "encoded slash or backslash in the path";
    return byte == ';' ? "parameters in a path segment" : NULL;
}

/* Copies the percent-encoding at the start of `s` in its normal form (RFC 3986 section 6.2.2.1 and
 * 6.2.2.2); *used gets the bytes read. */
static const char *append_percent(struct path *path, struct tg_str s, size_t *used)
{
    int byte = encoded_byte(s);

    if (byte < 0)
        return "broken percent-encoding in the path";
    if (byte >= 0x80) {
        *used = append_utf8(path, s);
        return NULL;
    }
    if (byte < 0x20 || byte == 0x7f)
        return "control character in the path";
    *used = 3;
    if (oddity(byte) != NULL)
        path->odd = oddity(byte);
    if (tg_char_is((char)byte, TG_CHAR_UNRESERVED))
        path->out[path->n++] = (char)byte;
    else
        append_encoded(path, byte);
    return NULL;
}

/* Looks at the segment just completed: empty ones and "." vanish, ".." takes one more along
 * (RFC 3986 section 5.2.4), but never above the root. */
static const char *finish_segment(struct path *path)
{
    struct tg_str name = {path->out + path->segment + 1, path->n - path->segment - 1};

    CHECK(path->n > path->segment && path->out[path->segment] == '/');
    if (tg_str_eq(name, TG_STR(".."))) {
        const char *slash = memrchr(path->out, '/', path->segment);

        if (slash == NULL)
            return "path climbs above the root";
        path->n = (size_t)(slash - path->out);
    } else if (name.n == 0 || tg_str_eq(name, TG_STR("."))) {
        path->n = path->segment;
    }
    return NULL;
}

/* Normalises one segment; `s` begins with its "/". *used gets the bytes read. */
static const char *append_segment(struct path *path, struct tg_str s, size_t *used)
{
    size_t i;

    CHECK(s.n > 0 && s.p[0] == '/');
    i = 1 + tg_chars_span(tg_str_skip(s, 1), TG_CHAR_UNRESERVED); /* most end there */
    memcpy(path->out + path->n, s.p, i);
    path->segment = path->n;
    path->n += i;
    while (i < s.n && s.p[i] != '/') {
        const char *why = NULL;
        size_t n = 1;

        if (!tg_char_is(s.p[i], TG_CHAR_TARGET))
            return "character not allowed in the path";
        if (s.p[i] == '%')
            why = append_percent(path, tg_str_skip(s, i), &n);
        else
            path->out[path->n++] = s.p[i];
        if (why != NULL)
            return why;
        if (s.p[i] == ';')
            path->odd = oddity(';');
        i += n;
    }
    *used = i;
    return finish_segment(path);
}

/* Cuts the target at the first "?". */
static struct tg_str split_query(struct tg_str target, struct tg_str *query)
{
    const char *mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;

    *query = (struct tg_str){NULL, 0};
    if (mark == NULL)
        return target;
    *query = (struct tg_str){mark + 1, (size_t)(target.p + target.n - mark) - 1};
    return (struct tg_str){target.p, (size_t)(mark - target.p)};
}

bool tg_target_normalize(struct tg_str target, char *out, size_t cap, struct tg_target *t,
                         const char **why)
{
    struct path made = {out, 0, 0, NULL};
    struct tg_str raw = split_query(target, &t->query);
    struct tg_str rest = raw;

    CHECK(cap >= target.n);
    *why = NULL;
    if (tg_str_eq(target, TG_STR("*"))) {
        out[made.n++] = '*';
        rest.n = 0;
    } else if (raw.n == 0 || raw.p[0] != '/') {
        *why = "target without a path";
    } else if (!tg_chars_are(t->query, TG_CHAR_TARGET)) {
        *why = "character not allowed in the query";
    }
    while (*why == NULL && rest.n > 0) {
        size_t used = 0;

        *why = append_segment(&made, rest, &used);
        rest = tg_str_skip(rest, used);
    }
    if (*why != NULL)
        return false;
    if (made.n == 0)
        out[made.n++] = '/';
    CHECK(made.n <= cap);
    t->path = (struct tg_str){out, made.n};
    t->changed = !tg_str_eq(t->path, raw);
    t->odd = made.odd;
    return true;
}

/* Takes the first segment, without its "/", off a path that begins with "/". */
static bool next_segment(struct tg_str *path, struct tg_str *segment)
{
    const char *slash;

    if (path->n < 2 || path->p[0] != '/')
        return false;
    *path = tg_str_skip(*path, 1);
    slash = memchr(path->p, '/', path->n);
    *segment = (struct tg_str){path->p, slash != NULL ? (size_t)(slash - path->p) : path->n};
    *path = tg_str_skip(*path, segment->n);
    return true;
}

static bool is_parameter(struct tg_str segment)
{
    return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

bool tg_target_has_parameters(struct tg_str pattern)
{
    struct tg_str segment;

    while (next_segment(&pattern, &segment))
        if (is_parameter(segment))
            return true;
    return false;
}

void tg_target_prepare(struct tg_str text, struct tg_target_pattern *out)
{
    struct tg_str rest = text;
    const char *literal = text.p;
    struct tg_str segment;

    out->nparameters = 0;
    while (next_segment(&rest, &segment)) {
        if (!is_parameter(segment))
            continue;
        CHECK(out->nparameters < TG_TARGET_PARAMETERS);
        out->literal[out->nparameters++] = (struct tg_str){literal, (size_t)(segment.p - literal)};
        literal = rest.p;
    }
    if (tg_str_ends(text, TG_STR("/")))
        text.n--; /* "/" and "/v1/": the border is the next test's */
    out->literal[out->nparameters] = (struct tg_str){literal, (size_t)(text.p + text.n - literal)};
}

/* How many bytes at the front of a path may stand in a {name}. */
static size_t name_span(struct tg_str path)
{
    size_t n = 0;

    while (path.n - n >= 16) {
        unsigned some = tg_simd_name(path.p + n);

        n += some;
        if (some < 16)
            return n;
    }
    while (n < path.n && tg_char_is(path.p[n], TG_CHAR_NAME))
        n++;
    return n;
}

/* True when a path begins with a piece of a pattern: short, so compared without a call. */
static bool begins_with(struct tg_str path, struct tg_str literal)
{
    return path.n >= literal.n && tg_str_same(path.p, literal.p, literal.n);
}

/* Takes the value of a {name} off the path, and what must stand behind it. */
static bool target_take_value(struct tg_str *path, struct tg_str behind, struct tg_str *value)
{
    size_t n = name_span(*path);

    *value = (struct tg_str){path->p, n};
    *path = tg_str_skip(*path, n);
    if (n == 0 || n > MAX_VALUE || !begins_with(*path, behind))
        return false;
    *path = tg_str_skip(*path, behind.n);
    return true;
}

bool tg_target_match(const struct tg_target_pattern *pattern, struct tg_str path,
                     struct tg_str *values, unsigned max, unsigned *nvalues)
{
    struct tg_str value;

    *nvalues = 0;
    if (!begins_with(path, pattern->literal[0]))
        return false;
    path = tg_str_skip(path, pattern->literal[0].n);
    if (pattern->nparameters == 0)
        return path.n == 0 || pattern->literal[0].n == 0 || path.p[0] == '/';
    for (unsigned i = 1; i <= pattern->nparameters; i++) {
        if (!target_take_value(&path, pattern->literal[i], &value))
            return false;
        if (*nvalues < max)
            values[(*nvalues)++] = value;
    }
    return path.n == 0;
}

/* --- resemblance --- */

/* What stands before the first such character, or all. */
static struct tg_str before(struct tg_str s, char c)
{
    const char *end = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return (struct tg_str){s.p, end != NULL ? (size_t)(end - s.p) : s.n};
}

/* Appends a byte and decodes what it completes, again and again, so that "%25252F" is "/" in one
 * pass: what a byte completes is always the end of what was written. */
static size_t push_decoded(char *out, size_t n, char byte)
{
    out[n++] = byte;
    for (;;) {
        int code = n >= 3 ? encoded_byte((struct tg_str){out + n - 3, 3}) : -1;
        size_t wide = n >= 6 ? n - 6 : 0;

        if (code < 0 && n >= 6 && out[wide] == '%' && (out[wide + 1] | 0x20) == 'u' &&
            tg_hex_value(out[wide + 2]) == 0 && tg_hex_value(out[wide + 3]) == 0) {
            char low[3] = {'%', out[wide + 4], out[wide + 5]}; /* "%u002f" of old servers */

            code = encoded_byte((struct tg_str){low, 3});
            n -= code >= 0 ? 3 : 0;
        }
        if (code < 0)
            return n;
        n -= 3;
        out[n++] = (char)code;
    }
}

struct tg_str tg_target_decode(struct tg_str s, char *out, size_t cap)
{
    size_t plain = before(s, '%').n; /* no escape begins before the first "%" */
    size_t n = plain;

    CHECK(cap >= s.n);
    if (plain > 0)
        memmove(out, s.p, plain);
    for (size_t i = plain; i < s.n; i++)
        n = push_decoded(out, n, s.p[i]);
    return (struct tg_str){out, n};
}

/* The same as a server sees it that takes a path apart before it decodes: a slash that was encoded
 * is a character like others. */
static struct tg_str decode_segments(struct tg_str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n = push_decoded(out, n, s.p[i]);
        if (s.p[i] != '/' && s.p[i] != '\\' && (out[n - 1] == '/' || out[n - 1] == '\\'))
            out[n - 1] = '=';
    }
    return (struct tg_str){out, n};
}

enum { NO_CODE = 0x110000 }; /* bytes that are no character */

/* The code point at the start of `s`, overlong forms included; *n gets its bytes. */
static uint32_t decode_leniently(struct tg_str s, size_t *n)
{
    unsigned char lead = (unsigned char)s.p[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t code = lead & (length == 1 ? 0x7fU : 0x7fU >> length);

    *n = 1;
    if (length == 0 || length > s.n)
        return NO_CODE;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return NO_CODE;
        code = code << 6 | ((unsigned char)s.p[i] & 0x3fU);
    }
    *n = length;
    return code;
}

/* "-" and "_" stand for each other, and best fits make a hyphen of what others do not see; "+" is a
 * blank where paths are read as forms are; what is no character some do not look at. */
static bool is_passed_over(uint32_t code)
{
    return code == '-' || code == '_' || code == '+' || (code >= 0xd800 && code < 0xe000) ||
           code >= NO_CODE || tg_utf8_is_nothing(code);
}

/* Ends the segment that begins behind the "/" at path->segment: "." and ".." as everywhere, an
 * extension is cut. `ended`: the path may end here. */
static void finish_folded(struct path *path, bool ended)
{
    struct tg_str name = {path->out + path->segment + 1, path->n - path->segment - 1};
    const char *at = name.n > 1 ? memchr(name.p + 1, '.', name.n - 1) : NULL;

    if (tg_str_eq(name, TG_STR(".."))) {
        at = memrchr(path->out, '/', path->segment);
        path->n = at != NULL ? (size_t)(at - path->out) : 0;
    } else if (name.n == 0 || tg_str_eq(name, TG_STR("."))) {
        path->n = path->segment;
    } else if (at != NULL) {
        path->n = (size_t)(at - path->out);
    }
    if (ended && path->n > 0)
        path->out[path->n++] = '?';
    path->segment = path->n;
    path->out[path->n++] = '/';
}

/* True where a server may see the end of a segment's name. */
static bool ends_name(const struct path *path, uint32_t code)
{
    return code == 0 || code == ';' || (code == ':' && path->n > path->segment + 1);
}

static void append_code(struct path *path, uint32_t code)
{
    if (!is_passed_over(code))
        path->n += tg_utf8_encode(code, path->out + path->n);
}

/* What is known of the segment that is folded. */
struct folding {
    bool cut;   /* its name is over */
    bool ended; /* so may be the path */
};

static void fold_code(struct path *path, struct folding *f, uint32_t code)
{
    if (code == '/' || code == '\\') {
        finish_folded(path, f->ended);
        *f = (struct folding){false, false};
    } else if (code == '?' || code == '#') {
        f->cut = f->ended = true;
    } else if (ends_name(path, code)) {
        f->cut = true;
    } else if (!f->cut) {
        append_code(path, code);
    }
}

/* The letters and digits at the start of `rest`, of which most of a path is made: as fold_code()
 * has each of them. Returns their number. */
static size_t fold_word(struct path *path, const struct folding *f, struct tg_str rest)
{
    size_t n = 0;

    for (; n < rest.n && tg_char_is(rest.p[n], TG_CHAR_ALPHANUMERIC); n++)
        if (!f->cut)
            path->out[path->n++] = tg_char_lower(rest.p[n]);
    return n;
}

/* What push_decoded() left, segment by segment. */
static void fold(struct path *path, struct tg_str rest)
{
    struct folding f = {false, false};
    uint32_t codes[TG_UTF8_FOLDED];

    while (rest.n > 0) {
        size_t used = fold_word(path, &f, rest);
        unsigned n = 0;

        if (used == 0)
            n = tg_utf8_fold(decode_leniently(rest, &used), codes);
        rest = tg_str_skip(rest, used);
        for (unsigned i = 0; i < n; i++)
            fold_code(path, &f, codes[i]);
    }
    finish_folded(path, f.ended);
}

struct tg_str tg_target_skeleton(struct tg_str path, bool segments, char *out, size_t cap)
{
    struct path made = {out, 1, 0, NULL};
    struct tg_str decoded; /* read behind the place that is written to */

    CHECK(cap >= path.n + TG_TARGET_SKELETON_MORE);
    decoded = segments ? decode_segments(path, out + TG_TARGET_SKELETON_MORE)
                       : tg_target_decode(path, out + TG_TARGET_SKELETON_MORE, path.n);
    out[0] = '/';
    fold(&made, decoded);
    CHECK(made.n <= cap);
    return (struct tg_str){out, made.n - 1};
}

bool tg_target_resembles(struct tg_str pattern, struct tg_str skeleton)
{
    bool whole = tg_target_has_parameters(pattern);
    struct tg_str want;
    struct tg_str have;

    while (next_segment(&pattern, &want)) {
        const char *mark;

        if (!next_segment(&skeleton, &have))
            return false;
        mark = memchr(have.p, '?', have.n);
        have.n = mark != NULL ? (size_t)(mark - have.p) : have.n;
        if (!is_parameter(want) && !tg_str_eq(want, have))
            return false;
        if (mark != NULL && pattern.n < 2)
            return true; /* what follows may be a query */
    }
    return skeleton.n == 0 || !whole;
}

/* True when `s` begins with an escape that gives '?' or '#' however often it is decoded. */
static bool hides_query(struct tg_str s)
{
    s = tg_str_skip(s, 1);
    while (tg_str_starts(s, TG_STR("25")))
        s = tg_str_skip(s, 2);
    return s.n >= 2 &&
           ((s.p[0] == '3' && (s.p[1] | 0x20) == 'f') || (s.p[0] == '2' && s.p[1] == '3'));
}

struct tg_str tg_target_shown(struct tg_str target)
{
    struct tg_str shown = before(before(target, '?'), '#');
    size_t n = before(shown, '%').n;

    while (n < shown.n && !hides_query(tg_str_skip(shown, n)))
        n += 1 + before(tg_str_skip(shown, n + 1), '%').n;
    return (struct tg_str){shown.p, n};
}
