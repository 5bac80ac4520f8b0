/*
 * The strict verifier against a second checker that was written from RFC 8259 alone: recursive,
 * byte by byte, without tables. Both must take the same texts. What is taken must become a document
 * whose nodes make sense.
 */
#include "json/document.h"
#include "json/verify.h"

#include "base/check.h"

enum { MAX_DEPTH = 32 };

struct reader {
    const unsigned char *p;
    const unsigned char *end;
};

static int peek(const struct reader *r)
{
    return r->p < r->end ? *r->p : -1;
}

static void blanks(struct reader *r)
{
    while (peek(r) == 0x20 || peek(r) == 0x09 || peek(r) == 0x0a || peek(r) == 0x0d)
        r->p++;
}

static bool take(struct reader *r, int c)
{
    if (peek(r) != c)
        return false;
    r->p++;
    return true;
}

static bool between(struct reader *r, int from, int to)
{
    if (peek(r) < from || peek(r) > to)
        return false;
    r->p++;
    return true;
}

static bool literal(struct reader *r, const char *text)
{
    for (; *text != '\0'; text++)
        if (!take(r, *text))
            return false;
    return true;
}

static bool digits(struct reader *r)
{
    if (!between(r, '0', '9'))
        return false;
    while (between(r, '0', '9'))
        ;
    return true;
}

static bool number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !(between(r, '1', '9') && (r->p--, digits(r))))
        return false;
    if (take(r, '.') && !digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        return digits(r);
    }
    return true;
}

/* The table of RFC 3629 section 4. */
static bool character(struct reader *r)
{
    if (between(r, 0x20, 0x7f))
        return true;
    if (between(r, 0xc2, 0xdf))
        return between(r, 0x80, 0xbf);
    if (take(r, 0xe0))
        return between(r, 0xa0, 0xbf) && between(r, 0x80, 0xbf);
    if (take(r, 0xed))
        return between(r, 0x80, 0x9f) && between(r, 0x80, 0xbf);
    if (between(r, 0xe1, 0xef))
        return between(r, 0x80, 0xbf) && between(r, 0x80, 0xbf);
    if (take(r, 0xf0))
        return between(r, 0x90, 0xbf) && between(r, 0x80, 0xbf) && between(r, 0x80, 0xbf);
    if (between(r, 0xf1, 0xf3))
        return between(r, 0x80, 0xbf) && between(r, 0x80, 0xbf) && between(r, 0x80, 0xbf);
    return take(r, 0xf4) && between(r, 0x80, 0x8f) && between(r, 0x80, 0xbf) &&
           between(r, 0x80, 0xbf);
}

static bool hex(struct reader *r, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(r);

        if (!between(r, '0', '9') && !between(r, 'a', 'f') && !between(r, 'A', 'F'))
            return false;
        *value = *value * 16 + (unsigned)(c <= '9' ? c - '0' : (c & 0xdf) - 'A' + 10);
    }
    return true;
}

static bool escape(struct reader *r)
{
    unsigned high, low;

    for (const char *c = "\"\\/bfnrt"; *c != '\0'; c++)
        if (take(r, *c))
            return true;
    if (!take(r, 'u') || !hex(r, &high) || (high >= 0xdc00 && high < 0xe000))
        return false;
    if (high < 0xd800 || high >= 0xe000)
        return true;
    return literal(r, "\\u") && hex(r, &low) && low >= 0xdc00 && low < 0xe000;
}

static bool string(struct reader *r)
{
    if (!take(r, '"'))
        return false;
    while (!take(r, '"'))
        if (!(take(r, '\\') ? escape(r) : character(r)))
            return false;
    return true;
}

static bool value(struct reader *r, int depth);

static bool items(struct reader *r, int depth, bool object, char close)
{
    if (depth == 0)
        return false;
    blanks(r);
    if (take(r, close))
        return true;
    do {
        blanks(r);
        if (object && !string(r))
            return false;
        blanks(r);
        if (object && !take(r, ':'))
            return false;
        if (!value(r, depth - 1))
            return false;
        blanks(r);
    } while (take(r, ','));
    return take(r, close);
}

static bool value(struct reader *r, int depth)
{
    blanks(r);
    switch (peek(r)) {
    case '{':
        r->p++;
        return items(r, depth, true, '}');
    case '[':
        r->p++;
        return items(r, depth, false, ']');
    case '"':
        return string(r);
    case 't':
        return literal(r, "true");
    case 'f':
        return literal(r, "false");
    case 'n':
        return literal(r, "null");
    default:
        return number(r);
    }
}

static bool is_json(const uint8_t *data, size_t size)
{
    struct reader r = {data, data + size};

    if (!value(&r, MAX_DEPTH))
        return false;
    blanks(&r);
    return r.p == r.end;
}

static void check_nodes(const struct tg_doc *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const struct tg_node *n = &d->node[i];

        CHECK(n->text == d->text.p + n->offset && n->offset + n->span <= d->text.n);
        CHECK((n->parent == TG_NONE) == (i == 0));
        CHECK(n->type != TG_NAME || d->node[n->child].parent == i);
        CHECK(n->next == TG_NONE || d->node[n->next].offset >= n->offset + n->span);
        CHECK(n->next == TG_NONE || d->node[n->next].previous == i);
        CHECK(i == 0 || n->previous != TG_NONE || d->node[n->parent].child == i);
        if (i > 0 && d->node[n->parent].type == TG_ARRAY)
            CHECK(n->index == (n->previous == TG_NONE ? 0 : d->node[n->previous].index + 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tg_json_limits limits = {MAX_DEPTH, UINT32_MAX};
    struct tg_str text = {(const char *)data, size};
    struct tg_json_fault fault;
    struct tg_arena arena;
    struct tg_doc d;

    tg_arena_init(&arena);
    if (tg_doc_parse(&d, &arena, text, &limits, &fault)) {
        CHECK(is_json(data, size));
        check_nodes(&d);
    } else {
        CHECK(is_json(data, size) == (fault.kind == TG_JSON_DUPLICATE));
        CHECK(fault.offset <= size && fault.message != NULL);
    }
    tg_arena_end(&arena);
    return 0;
}
