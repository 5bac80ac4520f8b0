/* Builds canonical requests. */
#include "signing/canonical.h"

#include "base/chars.h"
#include "http/authorization.h"

#include <stdlib.h>

/* One parameter of a query: offsets into the decoded text. */
struct parameter {
    struct tg_str name;
    struct tg_str value;
    unsigned at; /* its place in the query */
};

static void add_escaped(struct tg_buf *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;

    if (tg_char_is(c, TG_CHAR_UNRESERVED)) {
        tg_buf_putc(out, c);
        return;
    }
    tg_buf_putc(out, '%');
    tg_buf_putc(out, digits[byte >> 4]);
    tg_buf_putc(out, digits[byte & 15]);
}

/* Takes one byte, or one escape, off `*rest`. */
static char take_decoded(struct tg_str *rest)
{
    char c = rest->p[0];
    size_t n = 1;

    if (c == '%' && rest->n >= 3) {
        int high = tg_hex_value(rest->p[1]), low = tg_hex_value(rest->p[2]);
        if (high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            n = 3;
        }
    }
    *rest = tg_str_skip(*rest, n);
    return c;
}

/* Takes what stays as it is off the front of `*rest`. */
static bool add_plain(struct tg_buf *out, struct tg_str *rest)
{
    struct tg_str plain = {rest->p, tg_chars_span(*rest, TG_CHAR_UNRESERVED)};

    tg_buf_add(out, plain);
    *rest = tg_str_skip(*rest, plain.n);
    return rest->n > 0;
}

static void add_path(struct tg_buf *out, struct tg_str path, bool twice)
{
    while (path.n > 0 && add_plain(out, &path)) {
        if (path.p[0] == '/') {
            tg_buf_putc(out, '/');
            path = tg_str_skip(path, 1);
        } else if (twice) {
            add_escaped(out, path.p[0]);
            path = tg_str_skip(path, 1);
        } else {
            add_escaped(out, take_decoded(&path));
        }
    }
}

/* --- the query --- */

static struct tg_str decode(struct tg_str text, char *out)
{
    struct tg_str got = {out, 0};

    while (text.n > 0)
        out[got.n++] = take_decoded(&text);
    return got;
}

static int compare(struct tg_str a, struct tg_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    if (order == 0)
        order = a.n < b.n ? -1 : a.n > b.n;
    return order;
}

static int by_order(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    int order = compare(x->name, y->name);

    return order != 0 ? order : x->at < y->at ? -1 : 1;
}

static int by_value(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    int order = compare(x->name, y->name);

    return order != 0 ? order : compare(x->value, y->value);
}

/* Splits a query at "&" and the first "=" of each piece, decoding into `text`, which has room for
 * all of it. Returns how many there are, or -1: too many. */
static int split(struct tg_str query, char *text, struct parameter *out)
{
    int n = 0;

    while (query.n > 0) {
        const char *end = memchr(query.p, '&', query.n);
        struct tg_str piece = {query.p, end != NULL ? (size_t)(end - query.p) : query.n};
        query = tg_str_skip(query, end != NULL ? piece.n + 1 : piece.n);
        if (piece.n == 0)
            continue;
        if (n == TG_SIGNING_MAX_PARAMETERS)
            return -1;
        const char *equals = memchr(piece.p, '=', piece.n);
        size_t length = equals != NULL ? (size_t)(equals - piece.p) : piece.n;
        struct tg_str value = tg_str_skip(piece, equals != NULL ? length + 1 : length);
        out[n].name = decode((struct tg_str){piece.p, length}, text);
        text += out[n].name.n;
        out[n].value = decode(value, text);
        text += out[n].value.n;
        out[n].at = (unsigned)n;
        n++;
    }
    return n;
}

static void add_text(struct tg_buf *out, struct tg_str text)
{
    while (text.n > 0 && add_plain(out, &text)) {
        add_escaped(out, *text.p);
        text = tg_str_skip(text, 1);
    }
}

static bool add_query(struct tg_buf *out, struct tg_str query, bool in_order)
{
    struct parameter parameters[TG_SIGNING_MAX_PARAMETERS];
    struct tg_buf text = {0};
    int n = split(query, tg_buf_room(&text, query.n + 1), parameters);

    if (n > 1)
        qsort(parameters, (size_t)n, sizeof(*parameters), in_order ? by_order : by_value);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            tg_buf_putc(out, '&');
        add_text(out, parameters[i].name);
        tg_buf_putc(out, '=');
        add_text(out, parameters[i].value);
    }
    tg_buf_end(&text);
    return n >= 0;
}

/* Parts a target at its first question mark. */
static struct tg_str path_of(struct tg_str target, struct tg_str *query)
{
    const char *mark = memchr(target.p, '?', target.n);
    size_t n = mark != NULL ? (size_t)(mark - target.p) : target.n;

    *query = mark != NULL ? tg_str_skip(target, n + 1) : (struct tg_str){NULL, 0};
    return (struct tg_str){target.p, n};
}

bool tg_canonical_target(struct tg_str target, struct tg_buf *out)
{
    struct tg_str query, path = path_of(target, &query);

    add_path(out, path, false);
    if (query.n == 0)
        return true;
    tg_buf_putc(out, '?');
    return add_query(out, query, false);
}

/* --- fields --- */

struct tg_str tg_signing_field(const struct tg_signing_request *r, struct tg_str name)
{
    struct tg_str got = {NULL, 0};

    for (unsigned i = 0; i < r->nfields; i++) {
        if (!tg_str_ieq(r->fields[i].name, name))
            continue;
        if (got.p != NULL)
            return (struct tg_str){NULL, 0};
        got = tg_str_trim(r->fields[i].value);
        if (got.p == NULL)
            got.p = "";
    }
    return got;
}

static enum tg_canonical_result add_fields(const struct tg_signing_request *r, struct tg_str list,
                                           struct tg_buf *out, struct tg_str *bad)
{
    struct tg_str name;

    while (tg_authorization_next(&list, &name)) {
        struct tg_str value = tg_signing_field(r, name);
        if (value.p == NULL) {
            *bad = name;
            return TG_CANONICAL_FIELD;
        }
        tg_buf_add(out, name);
        tg_buf_putc(out, ':');
        tg_buf_add(out, value);
        tg_buf_putc(out, '\n');
    }
    return TG_CANONICAL_OK;
}

enum tg_canonical_result tg_canonical_request(const struct tg_signing_request *r,
                                              struct tg_str signed_fields, struct tg_str payload,
                                              unsigned form, struct tg_buf *out, struct tg_str *bad)
{
    struct tg_str query, path = path_of(r->target, &query);

    tg_buf_add(out, r->method);
    tg_buf_putc(out, '\n');
    add_path(out, path, (form & TG_FORM_DOUBLE_PATH) != 0);
    if (!tg_str_ends(path, TG_STR("/")))
        tg_buf_putc(out, '/');
    tg_buf_putc(out, '\n');
    if (!add_query(out, query, (form & TG_FORM_VALUE_ORDER) != 0))
        return TG_CANONICAL_PARAMETERS;
    tg_buf_putc(out, '\n');
    enum tg_canonical_result result = add_fields(r, signed_fields, out, bad);
    if (result != TG_CANONICAL_OK)
        return result;
    tg_buf_putc(out, '\n');
    tg_buf_add(out, signed_fields);
    tg_buf_putc(out, '\n');
    tg_buf_add(out, payload);
    return TG_CANONICAL_OK;
}
