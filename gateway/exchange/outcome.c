/* Looks for `is_success` and the error code in an answer's body as it streams by. */
#include "exchange/outcome.h"

#include "base/chars.h"
#include "base/check.h"

enum state { START, BETWEEN, STRING, ESCAPE, UNICODE, AFTER_STRING, VALUE, LITERAL, NOT_JSON };

void tg_outcome_init(struct tg_outcome *o)
{
    *o = (struct tg_outcome){.state = START};
}

static bool is(const char *text, unsigned n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* A top-level value that is a string or a literal is complete. */
static void take_value(struct tg_outcome *o, bool string)
{
    if (!string && is(o->name, (unsigned)strlen(o->name), "is_success") &&
        is(o->text, o->n, "false"))
        o->failed = true;
    if (string && is(o->name, (unsigned)strlen(o->name), "error_code") && o->n < TG_OUTCOME_TEXT) {
        memcpy(o->error_code, o->text, o->n);
        o->error_code[o->n] = '\0';
    }
    o->name[0] = '\0';
}

/* Longer text than fits is none of what is looked for: n stays at the full size. */
static void collect(struct tg_outcome *o, char c)
{
    if (o->n < TG_OUTCOME_TEXT)
        o->text[o->n++] = c;
}

static void end_string(struct tg_outcome *o)
{
    if (o->depth == 1 && o->name[0] != '\0')
        take_value(o, true);
    o->state = AFTER_STRING;
}

/* Nothing that is looked for has a NUL or a character outside ASCII: those are one byte here. */
static void collect_unicode(struct tg_outcome *o, char c)
{
    int digit = tg_hex_value(c);

    CHECK(o->digits > 0 && o->digits <= 4);
    o->unicode = digit >= 0 ? o->unicode << 4 | (unsigned)digit : ~0U;
    if (--o->digits > 0)
        return;
    o->state = STRING;
    collect(o, o->unicode > 0 && o->unicode < 0x80 ? (char)o->unicode : '\x80');
}

/* The character that stands behind a backslash (RFC 8259 section 7). */
static void unescape(struct tg_outcome *o, char c)
{
    static const char letters[] = "bfnrt";
    static const char controls[] = "\b\f\n\r\t";
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;

    o->state = STRING;
    if (c == 'u') {
        o->state = UNICODE;
        o->digits = 4;
        o->unicode = 0;
    } else {
        collect(o, letter != NULL ? controls[letter - letters] : c);
    }
}

/* What ends a string, or the run of its bytes that stand for themselves. */
static void leave_string(struct tg_outcome *o, char c)
{
    CHECK(c == '"' || c == '\\');
    if (c == '\\')
        o->state = ESCAPE;
    else
        end_string(o);
}

/* The string before a ':' at the top level is a name. */
static void name_ended(struct tg_outcome *o)
{
    if (o->depth != 1)
        return;
    if (o->n >= TG_OUTCOME_TEXT)
        o->n = 0;
    memcpy(o->name, o->text, o->n);
    o->name[o->n] = '\0';
}

static void between(struct tg_outcome *o, char c)
{
    switch (c) {
    case '{':
    case '[':
        o->depth++;
        o->state = BETWEEN;
        break;
    case '}':
    case ']':
        o->depth -= o->depth > 0;
        o->state = BETWEEN;
        break;
    case '"':
        o->state = STRING;
        o->n = 0;
        break;
    case ':':
        name_ended(o);
        o->state = VALUE;
        break;
    case ',':
        o->name[0] = o->depth == 1 ? '\0' : o->name[0];
        o->state = BETWEEN;
        break;
    default:
        if (o->state != VALUE || (c != 'f' && c != 't' && c != 'n'))
            break;
        o->state = LITERAL;
        o->n = 0;
        collect(o, c);
    }
}

/* What belongs to no string. */
static void outside(struct tg_outcome *o, char c)
{
    if (o->state == LITERAL && tg_char_is(c, TG_CHAR_LOWER)) {
        collect(o, c);
        return;
    }
    if (o->state == LITERAL) {
        if (o->depth == 1)
            take_value(o, false);
        o->state = BETWEEN;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return;
    if (o->state == START && c != '{') {
        o->state = NOT_JSON;
        return;
    }
    between(o, c);
}

static void next(struct tg_outcome *o, char c)
{
    if (o->state == STRING)
        leave_string(o, c);
    else if (o->state == ESCAPE)
        unescape(o, c);
    else if (o->state == UNICODE)
        collect_unicode(o, c);
    else
        outside(o, c);
}

/* Reads a string up to its end or an escape, which are left. Returns the bytes read. */
static size_t read_string(struct tg_outcome *o, struct tg_str data)
{
    size_t room = TG_OUTCOME_TEXT - o->n;
    size_t n = 0;

    CHECK(o->n <= TG_OUTCOME_TEXT);
    while (n < data.n && data.p[n] != '"' && data.p[n] != '\\')
        n++;
    memcpy(o->text + o->n, data.p, n < room ? n : room);
    o->n += (unsigned)(n < room ? n : room);
    return n;
}

void tg_outcome_read(struct tg_outcome *o, struct tg_str data)
{
    for (size_t i = 0; i < data.n && o->state != NOT_JSON; i++) {
        if (o->state == STRING)
            i += read_string(o, tg_str_skip(data, i));
        if (i < data.n)
            next(o, data.p[i]);
    }
}
