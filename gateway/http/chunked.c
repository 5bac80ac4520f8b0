/* The chunked transfer coding (RFC 9112 section 7.1), read as it comes. */
#include "http/chunked.h"

#include "base/chars.h"
#include "base/check.h"
#include "http/fields.h"

enum {
    MAX_SIZE_BITS = 60, /* of a chunk's size */
    MAX_DIGITS = 64,    /* leading zeros included */
    MAX_EXTENSION = 256,
    MAX_EXTENSIONS = 8192, /* of one body: no megabytes of them around one-byte chunks */
    MAX_TRAILERS = 8192,
};

enum {
    SIZE = 1,
    SIZE_BLANK, /* between the size and its first extension */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE, /* the start of a trailer line, or of the final empty line */
    NAME,
    VALUE,
    LINE_LF,
    LAST_LF,
    DONE,
    BROKEN
};

void tg_chunked_init(struct tg_chunked *c)
{
    *c = (struct tg_chunked){.state = SIZE};
}

static bool chunked_is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* chunk-size, RFC 9112 section 7.1: digits only; the blanks some servers pad with are taken where
 * an extension follows (BWS, section 7.1.1). */
static const char *step_size(struct tg_chunked *c, char ch)
{
    int digit = tg_hex_value(ch);

    if (digit >= 0) {
        if (++c->digits > MAX_DIGITS || c->left >> (MAX_SIZE_BITS - 4) != 0)
            return "chunk size too long";
        c->left = c->left * 16 + (unsigned)digit;
        return NULL;
    }
    if (c->digits == 0 || (ch != ';' && ch != '\r' && !chunked_is_blank(ch)))
        return "malformed chunk size";
    c->line = 0;
    c->state = ch == '\r' ? SIZE_LF : ch == ';' ? EXTENSION : SIZE_BLANK;
    return NULL;
}

static const char *count_extension(struct tg_chunked *c)
{
    return ++c->line > MAX_EXTENSION || ++c->extensions > MAX_EXTENSIONS
               ? "chunk extensions too long"
               : NULL;
}

static const char *step_size_blank(struct tg_chunked *c, char ch)
{
    if (ch == ';')
        c->state = EXTENSION;
    else if (!chunked_is_blank(ch))
        return "malformed chunk size";
    return count_extension(c);
}

/* chunk-ext, section 7.1.1: read over, but bounded. */
static const char *step_extension(struct tg_chunked *c, char ch)
{
    if (ch == '\r') {
        c->state = SIZE_LF;
        return NULL;
    }
    if (!tg_char_is(ch, TG_CHAR_TEXT))
        return "control character in a chunk extension";
    return count_extension(c);
}

static const char *step_size_lf(struct tg_chunked *c, char ch)
{
    if (ch != '\n')
        return "bare CR in a chunk size line";
    c->state = c->left > 0 ? DATA : LINE;
    c->digits = 0;
    return NULL;
}

static const char *step_data_cr(struct tg_chunked *c, char ch)
{
    c->state = DATA_LF;
    return ch == '\r' ? NULL : "chunk data longer than its size";
}

static const char *step_data_lf(struct tg_chunked *c, char ch)
{
    c->state = SIZE;
    return ch == '\n' ? NULL : "bare CR behind chunk data";
}

static const char *count_trailer(struct tg_chunked *c)
{
    return ++c->trailers > MAX_TRAILERS ? "trailer section too large" : NULL;
}

/* trailer-section, section 7.1.2: field lines, counted here and forgotten. */
static const char *step_line(struct tg_chunked *c, char ch)
{
    if (ch == '\r') {
        c->state = LAST_LF;
        return NULL;
    }
    c->state = NAME;
    return tg_char_is(ch, TG_CHAR_TOKEN) ? count_trailer(c) : "malformed trailer field";
}

static const char *step_name(struct tg_chunked *c, char ch)
{
    if (ch == ':')
        c->state = VALUE;
    else if (!tg_char_is(ch, TG_CHAR_TOKEN))
        return "malformed trailer field";
    return count_trailer(c);
}

static const char *step_value(struct tg_chunked *c, char ch)
{
    if (ch == '\r')
        c->state = LINE_LF;
    else if (!tg_char_is(ch, TG_CHAR_TEXT))
        return "control character in a trailer field";
    return count_trailer(c);
}

static const char *step_line_lf(struct tg_chunked *c, char ch)
{
    c->state = LINE;
    return ch == '\n' ? count_trailer(c) : "bare CR in a trailer field";
}

static const char *step_last_lf(struct tg_chunked *c, char ch)
{
    c->state = DONE;
    return ch == '\n' ? NULL : "bare CR behind the trailer section";
}

/* One byte each; NULL or what is wrong with it. DATA is not read by bytes. */
static const char *(*const steps[DONE])(struct tg_chunked *c, char ch) = {
    [SIZE] = step_size,           [SIZE_BLANK] = step_size_blank,
    [EXTENSION] = step_extension, [SIZE_LF] = step_size_lf,
    [DATA_CR] = step_data_cr,     [DATA_LF] = step_data_lf,
    [LINE] = step_line,           [NAME] = step_name,
    [VALUE] = step_value,         [LINE_LF] = step_line_lf,
    [LAST_LF] = step_last_lf,
};

/* The run of data at the start of `in`. */
static struct tg_str take_data(struct tg_chunked *c, struct tg_str in)
{
    CHECK(c->left > 0);
    if (in.n > c->left)
        in.n = (size_t)c->left;
    c->left -= in.n;
    if (c->left == 0)
        c->state = DATA_CR;
    return in;
}

enum tg_parse tg_chunked_read(struct tg_chunked *c, struct tg_str in, struct tg_str *data,
                              size_t *used, const char **why)
{
    size_t n = 0;

    CHECK(c->state >= SIZE && c->state < DONE);
    *data = (struct tg_str){NULL, 0};
    while (n < in.n && c->state != DATA && c->state != DONE) {
        const char *trouble = steps[c->state](c, in.p[n++]);

        if (trouble != NULL) {
            c->state = BROKEN;
            *why = trouble;
            return TG_PARSE_BAD;
        }
    }
    if (c->state == DATA && n < in.n) {
        *data = take_data(c, tg_str_skip(in, n));
        n += data->n;
    }
    CHECK(n <= in.n);
    *used = n;
    return c->state == DONE ? TG_PARSE_DONE : TG_PARSE_MORE;
}
