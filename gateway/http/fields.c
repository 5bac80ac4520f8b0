/* Field sections of message heads, and the fields that decide framing. */
#include "http/fields.h"

#include "base/chars.h"
#include "base/check.h"

#ifdef __SSE2__
#include <emmintrin.h>
#else
#include <endian.h>
#endif

enum { MAX_OPTIONS = 64 };

/* --- sixteen bytes at once --- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));

static bytes16 load16(const char *p)
{
    bytes16 bytes;

    memcpy(&bytes, p, sizeof(bytes));
    return bytes;
}

/* A bit for each byte that a comparison holds for. */
static unsigned mask_of(bytes16 hits)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8((__m128i)hits);
#else
    unsigned mask = 0;
    uint64_t half;

    for (unsigned i = 0; i < 2; i++) {
        memcpy(&half, (const char *)&hits + 8 * i, sizeof(half));
        half = le64toh(half) & 0x8040201008040201U; /* of each byte its own bit */
        mask |= (unsigned)(half * 0x0101010101010101U >> 56) << 8 * i;
    }
    return mask;
#endif
}

/* --- the end of a head --- */

/* A bit for each of 32 bytes that is a CR. */
static uint64_t returns32(const char *p)
{
    return mask_of((bytes16)(load16(p) == '\r')) |
           (uint64_t)mask_of((bytes16)(load16(p + 16) == '\r')) << 16;
}

/* Moves over what has no two CR at a distance of two, as the end of a head has, so that not every
 * line is looked at for itself. */
static size_t skip_lines(struct tg_str in, size_t at)
{
    while (in.n - at >= 64) {
        uint64_t mask = returns32(in.p + at) | returns32(in.p + at + 32) << 32;

        if ((mask & mask >> 2) != 0)
            break;
        at += 62;
    }
    return at;
}

size_t tg_fields_end(struct tg_str in, size_t start, size_t *scanned)
{
    size_t at = *scanned > start + 3 ? *scanned - 3 : start; /* it may have begun there */

    CHECK(at <= in.n && *scanned <= in.n);
    at = skip_lines(in, at);
    while (at < in.n) {
        const char *lf = memchr(in.p + at, '\n', in.n - at);

        if (lf == NULL)
            break;
        at = (size_t)(lf - in.p) + 1;
        if (at - start >= 4 && memcmp(lf - 3, "\r\n\r", 3) == 0) {
            *scanned = at;
            return at;
        }
    }
    *scanned = in.n;
    return 0;
}

const char *tg_fields_suspect(struct tg_str in, size_t from)
{
    CHECK(from <= in.n);
    for (size_t i = from > 0 ? from - 1 : 0; i < in.n; i++) {
        char c = in.p[i];

        if (tg_char_is(c, TG_CHAR_TEXT))
            continue;
        if (c == '\r' && (i + 1 == in.n || in.p[i + 1] == '\n'))
            continue;
        if (c == '\n' && i > 0 && in.p[i - 1] == '\r')
            continue;
        return c == '\r'   ? "bare CR in the head"
               : c == '\n' ? "bare LF in the head"
                           : "control character in the head";
    }
    return NULL;
}

/* Behind the last byte that may stand in a field value. The section ends with a CRLF, so the search
 * ends inside it. */
static const char *skip_text(const char *p, const char *end)
{
    while (end - p >= 16) {
        bytes16 bytes = load16(p);
        unsigned controls = mask_of((bytes16)(bytes < 0x20) | (bytes16)(bytes == 0x7f));

        if (controls == 0) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(controls);
        if (*p != '\t')
            return p;
        p++;
    }
    while (tg_char_is(*p, TG_CHAR_TEXT))
        p++;
    CHECK(p < end);
    return p;
}

/* The same for a field name: nearly all are letters and '-'. */
static const char *skip_name(const char *p, const char *end)
{
    unsigned others = 0;

    while (others == 0 && end - p >= 16) {
        bytes16 bytes = load16(p);

        others = mask_of((bytes16)((bytes | 0x20) - 'a' > 'z' - 'a') & (bytes16)(bytes != '-'));
        p += others != 0 ? __builtin_ctz(others) : 16;
    }
    while (tg_char_is(*p, TG_CHAR_TOKEN))
        p++;
    return p;
}

static const char *name_trouble(const char *p, const char *colon)
{
    bool blank = *colon == ' ' || *colon == '\t';

    if (p == colon && blank)
        return "folded field line or blank before the first field (RFC 9112 section 5.2)";
    if (blank)
        return "blank before the colon of a field (RFC 9112 section 5.1)";
    if (p == colon)
        return "field without a name";
    return *colon == '\r' ? "field line without a colon" : "character not allowed in a field name";
}

/* Reads the field line at `p`; returns behind its CRLF, or NULL with *why. `end` is the end of the
 * section. */
static const char *read_line(const char *p, const char *end, struct tg_field *field,
                             const char **why)
{
    const char *at = skip_name(p, end);

    if (at == p || *at != ':') {
        *why = name_trouble(p, at);
        return NULL;
    }
    field->name = (struct tg_str){p, (size_t)(at - p)};
    p = at + 1;
    at = skip_text(p, end);
    if (*at != '\r' || at[1] != '\n') {
        *why = "control character in a field value (RFC 9110 section 5.5)";
        return NULL;
    }
    field->value = tg_str_trim((struct tg_str){p, (size_t)(at - p)});
    return at + 2;
}

enum tg_fields_result tg_fields_read(struct tg_str in, size_t max_field, unsigned max_fields,
                                     struct tg_field *fields, unsigned *nfields, const char **why)
{
    const char *p = in.p;
    const char *end = in.p + in.n;
    unsigned n = 0;

    CHECK(in.n >= 2 && end[-2] == '\r' && end[-1] == '\n');
    CHECK(max_fields <= TG_FIELDS_MAX);
    while (p != end - 2) {
        const char *next;

        if (n == max_fields) {
            *why = "too many header fields";
            return TG_FIELDS_TOO_LARGE;
        }
        next = read_line(p, end, &fields[n], why);
        if (next == NULL)
            return TG_FIELDS_MALFORMED;
        if ((size_t)(next - p) - 2 > max_field) {
            *why = "header field too long";
            return TG_FIELDS_TOO_LARGE;
        }
        CHECK(next <= end - 2);
        p = next;
        n++;
    }
    *nfields = n;
    return TG_FIELDS_OK;
}

bool tg_fields_next(struct tg_str *list, struct tg_str *element)
{
    while (list->n > 0) {
        const char *comma = memchr(list->p, ',', list->n);
        size_t n = comma != NULL ? (size_t)(comma - list->p) : list->n;

        *element = tg_str_trim((struct tg_str){list->p, n});
        *list = tg_str_skip(*list, comma != NULL ? n + 1 : n);
        if (element->n > 0)
            return true;
    }
    return false;
}

/* Elements of a list, empty ones included. */
static unsigned count_elements(struct tg_str list)
{
    unsigned n = 1;

    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == ',';
    return n;
}

/* RFC 9110 section 7.6.1: close and keep-alive are ours, the rest names fields to drop. To name
 * Host or Content-Length would let a client take from the upstream what the gateway has judged. */
static const char *read_connection(struct tg_str value, struct tg_framing_fields *out)
{
    struct tg_str option;

    out->options += count_elements(value);
    if (out->options > MAX_OPTIONS)
        return "too many options in Connection";
    while (tg_fields_next(&value, &option)) {
        if (!tg_chars_are(option, TG_CHAR_TOKEN))
            return "malformed Connection field";
        if (tg_str_ieq(option, TG_STR("keep-alive"))) {
            out->keep_alive = true; /* the field of that name never goes on */
            continue;
        }
        out->names_fields = true;
        if (tg_str_ieq(option, TG_STR("close")))
            out->close = true;
        else if (tg_str_ieq(option, TG_STR("host")) || tg_str_ieq(option, TG_STR("content-length")))
            return "Connection names a field that is not the connection's";
    }
    return NULL;
}

/* As they are usually spelt, which compares fastest. */
static const struct tg_str names[TG_FIELD_COUNT] = {
    [TG_FIELD_HOST] = {"Host", 4},
    [TG_FIELD_LENGTH] = {"Content-Length", 14},
    [TG_FIELD_CODING] = {"Transfer-Encoding", 17},
    [TG_FIELD_CONNECTION] = {"Connection", 10},
    [TG_FIELD_EXPECT] = {"Expect", 6},
};

/* Which of the names has this length, plus one; most fields end their search here. */
static const uint8_t by_length[18] = {
    [4] = TG_FIELD_HOST + 1,        [6] = TG_FIELD_EXPECT + 1,  [14] = TG_FIELD_LENGTH + 1,
    [10] = TG_FIELD_CONNECTION + 1, [17] = TG_FIELD_CODING + 1,
};

const char *tg_fields_framing(const struct tg_field *fields, unsigned nfields,
                              struct tg_framing_fields *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < nfields; i++) {
        struct tg_str name = fields[i].name;
        unsigned which = name.n < sizeof(by_length) ? by_length[name.n] : 0;
        const char *why = NULL;

        if (which == 0 || !tg_str_ieq(name, names[which - 1]))
            continue;
        which--;
        if (out->count[which]++ == 0)
            out->value[which] = fields[i].value;
        if (which == TG_FIELD_CONNECTION)
            why = read_connection(fields[i].value, out);
        if (why != NULL)
            return why;
    }
    return NULL;
}

bool tg_fields_length(struct tg_str value, uint64_t *length)
{
    uint64_t n;

    while (value.n > 1 && value.p[0] == '0')
        value = tg_str_skip(value, 1);
    if (!tg_str_u64(value, &n) || n > INT64_MAX)
        return false;
    *length = n;
    return true;
}

bool tg_fields_version(struct tg_str text, unsigned *major, unsigned *minor)
{
    if (text.n != 8 || memcmp(text.p, "HTTP/", 5) != 0 || text.p[6] != '.')
        return false;
    if (text.p[5] < '0' || text.p[5] > '9' || text.p[7] < '0' || text.p[7] > '9')
        return false;
    *major = (unsigned)(text.p[5] - '0');
    *minor = text.p[7] > '1' ? 1 : (unsigned)(text.p[7] - '0');
    return true;
}

/* --- writing --- */

void tg_fields_add(struct tg_buf *out, struct tg_str name, struct tg_str value)
{
    char *p = tg_buf_room(out, name.n + value.n + 4);

    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = ':';
    *p++ = ' ';
    if (value.n > 0)
        memcpy(p, value.p, value.n);
    p += value.n;
    *p++ = '\r';
    *p = '\n';
    out->n += name.n + value.n + 4;
}
