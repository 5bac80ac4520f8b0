/* A strict reader of RFC 8259, and the nodes that jsmn makes of what it kept. */
#include "json/verify.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/simd.h"
#include "base/utf8.h"

#include <stdlib.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS /* without them jsmn is quadratic in the number of siblings */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <jsmn.h>
#pragma GCC diagnostic pop

/* Every way a text can fail, in words. */
enum why {
    EMPTY,
    BOM,
    UTF16,
    VALUE,
    NAME,
    COLON,
    IN_OBJECT,
    IN_ARRAY,
    BEHIND,
    NUMBER,
    LITERAL,
    UNTERMINATED,
    CONTROL,
    ESCAPE,
    SURROGATE,
    NOT_UTF8,
    TOO_DEEP,
    TOO_MANY
};

static const struct {
    enum tg_json_fault_kind kind;
    const char *en;
    const char *zh;
} texts[] = {
    [EMPTY] = {TG_JSON_SYNTAX, "there is no JSON value", "没有 JSON 值"},
    [BOM] = {TG_JSON_UTF8, "must not begin with a byte order mark", "不能以 BOM 开头"},
    [UTF16] = {TG_JSON_UTF8, "this is UTF-16, write it as UTF-8", "这是 UTF-16, 请改用 UTF-8"},
    [VALUE] = {TG_JSON_SYNTAX, "a value must stand here", "此处应为值"},
    [NAME] = {TG_JSON_SYNTAX, "a member name in double quotes must stand here",
              "此处应为双引号括起的成员名"},
    [COLON] = {TG_JSON_SYNTAX, "a colon must stand here", "此处应为冒号"},
    [IN_OBJECT] = {TG_JSON_SYNTAX, "a comma or the closing brace of the object must stand here",
                   "此处应为逗号或右花括号"},
    [IN_ARRAY] = {TG_JSON_SYNTAX, "a comma or the closing bracket of the array must stand here",
                  "此处应为逗号或右方括号"},
    [BEHIND] = {TG_JSON_SYNTAX, "nothing may stand behind the value", "值之后不能有其他内容"},
    [NUMBER] = {TG_JSON_SYNTAX, "this is not a JSON number", "不是合法的 JSON 数字"},
    [LITERAL] = {TG_JSON_SYNTAX, "only true, false and null are words in JSON",
                 "JSON 中只允许 true, false, null"},
    [UNTERMINATED] = {TG_JSON_SYNTAX, "this string has no end", "字符串没有结束"},
    [CONTROL] = {TG_JSON_SYNTAX, "a control character in a string must be escaped",
                 "字符串中的控制字符必须转义"},
    [ESCAPE] = {TG_JSON_SYNTAX, "this is not an escape of JSON", "不是合法的转义序列"},
    [SURROGATE] = {TG_JSON_UTF8, "this surrogate has no partner", "存在孤立的代理项"},
    [NOT_UTF8] = {TG_JSON_UTF8, "this is not UTF-8", "不是合法的 UTF-8"},
    [TOO_DEEP] = {TG_JSON_DEPTH, "the nesting is deeper than allowed", "嵌套层数超过限制"},
    [TOO_MANY] = {TG_JSON_TOKENS, "there are more values than allowed", "值的数量超过限制"},
};

/*
 * What is rare has a state of its own. No function that is called for it sees the verifier, whose
 * members therefore live in registers.
 */
struct trouble {
    const unsigned char *end; /* of the text */
    const unsigned char *at;  /* where the fault is */
    enum why why;
    bool escapes; /* some string or name has a backslash */
};

struct verifier {
    const unsigned char *start;
    const unsigned char *end;
    struct tg_json_limits limits;
    uint32_t depth;
    uint32_t deepest;
    uint32_t tokens;
    char *kept; /* the outline's bytes, places and how many */
    uint32_t *place;
    uint32_t n;
    struct trouble *trouble;
    uint8_t open[1 + TG_JSON_MAX_DEPTH]; /* '{' or '[' at each depth; 0 around the root */
};

/*
 * What reads a part of the text takes where it begins and returns where it ends; NULL after a call
 * of failed().
 */
static const unsigned char *failed(struct trouble *t, const unsigned char *at, enum why why)
{
    t->at = at;
    t->why = why;
    return NULL;
}

/* Keeps a bracket in the outline, which has room for all of the text. */
static void keep(struct verifier *v, const unsigned char *p)
{
    uint32_t n = v->n++;

    v->place[n] = (uint32_t)(p - v->start);
    v->kept[n] = (char)*p;
}

/* The first and the last byte of a name or value, which may be one: two quotes in the outline. */
static inline void keep_ends(struct verifier *v, const unsigned char *first,
                             const unsigned char *last)
{
    uint32_t n = v->n;

    v->place[n] = (uint32_t)(first - v->start);
    v->place[n + 1] = (uint32_t)(last - v->start);
    memcpy(v->kept + n, "\"\"", 2);
    v->n = n + 2;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* One blank, and the white space of an indented line, have a way of their own each. */
static const unsigned char *skip_blank(const unsigned char *p, const unsigned char *end)
{
    if (end - p >= 16) {
        if (p[1] > ' ')
            return p + is_space(*p);
        p += tg_simd_space((const char *)p);
    }
    while (p < end && is_space(*p))
        p++;
    return p;
}

static inline const unsigned char *skip_space(const unsigned char *p, const unsigned char *end)
{
    return p < end && p[0] > ' ' ? p : skip_blank(p, end);
}

/* --- strings --- */

/* The four hexadecimal digits behind "\u"; -1 when they are not. */
static int32_t hex4(const unsigned char *p, const unsigned char *end)
{
    int32_t value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = tg_hex_value((char)p[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* RFC 8259 section 7; a high surrogate must be followed by a low one (section 8.2). */
static const unsigned char *escape(struct trouble *t, const unsigned char *p)
{
    int32_t code, low;

    t->escapes = true;
    if (t->end - p < 2)
        return failed(t, p, UNTERMINATED);
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        break;
    default:
        return failed(t, p, ESCAPE);
    }
    code = hex4(p + 2, t->end);
    if (code < 0)
        return failed(t, p, ESCAPE);
    if (code < 0xd800 || code > 0xdfff)
        return p + 6;
    low = t->end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, t->end) : -1;
    if (code > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return failed(t, p, SURROGATE);
    return p + 12;
}

static struct tg_str rest(const unsigned char *p, const unsigned char *end)
{
    return (struct tg_str){(const char *)p, (size_t)(end - p)};
}

static const unsigned char *wide(struct trouble *t, const unsigned char *p)
{
    uint32_t code;
    size_t n = tg_utf8_decode(rest(p, t->end), &code);

    return n > 0 ? p + n : failed(t, p, NOT_UTF8);
}

/* Behind the bytes that stand for themselves. */
static inline const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
    while (end - p >= 16) {
        unsigned n = tg_simd_plain((const char *)p);

        p += n;
        if (n < 16)
            return p;
    }
    return p + tg_json_plain(rest(p, end));
}

/* The closing quote of a string, from a byte on that does not stand for itself. */
static const unsigned char *odd_string(struct trouble *t, const unsigned char *opening,
                                       const unsigned char *p)
{
    for (;;) {
        if (p == t->end)
            return failed(t, opening, UNTERMINATED);
        if (*p == '"')
            return p;
        if (*p < ' ')
            return failed(t, p, CONTROL);
        p = *p == '\\' ? escape(t, p) : wide(t, p);
        if (p == NULL)
            return NULL;
        p = skip_plain(p, t->end);
    }
}

/* From the opening quote to the closing one. A failure points at the place, an unterminated string
 * at its start. */
static inline const unsigned char *string(struct verifier *v, const unsigned char *opening)
{
    const unsigned char *p = skip_plain(opening + 1, v->end);

    return p < v->end && *p == '"' ? p : odd_string(v->trouble, opening, p);
}

/* --- numbers and words --- */

static bool is_digit(const struct trouble *t, const unsigned char *p)
{
    return p < t->end && *p >= '0' && *p <= '9';
}

static const unsigned char *digits(const struct trouble *t, const unsigned char *p)
{
    while (is_digit(t, p))
        p++;
    return p;
}

/* RFC 8259 section 6. */
static const unsigned char *number(struct trouble *t, const unsigned char *first)
{
    const unsigned char *p = first + (*first == '-');

    if (!is_digit(t, p))
        return failed(t, first, NUMBER);
    p = *p == '0' ? p + 1 : digits(t, p);
    if (is_digit(t, p))
        return failed(t, first, NUMBER); /* a leading zero */
    if (p < t->end && *p == '.') {
        if (!is_digit(t, ++p))
            return failed(t, first, NUMBER);
        p = digits(t, p);
    }
    if (p < t->end && (*p | 0x20) == 'e') {
        p++;
        p += p < t->end && (*p == '+' || *p == '-');
        if (!is_digit(t, p))
            return failed(t, first, NUMBER);
        p = digits(t, p);
    }
    return p;
}

static const unsigned char *word(struct trouble *t, const unsigned char *p, struct tg_str text)
{
    if (!tg_str_starts(rest(p, t->end), text))
        return failed(t, p, LITERAL);
    return p + text.n;
}

static const unsigned char *number_or_word(struct trouble *t, const unsigned char *p)
{
    switch (*p) {
    case 't':
        return word(t, p, TG_STR("true"));
    case 'f':
        return word(t, p, TG_STR("false"));
    case 'n':
        return word(t, p, TG_STR("null"));
    case '-':
    case '0' ... '9':
        return number(t, p);
    default:
        return failed(t, p, (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z' ? LITERAL : VALUE);
    }
}

static const unsigned char *scalar(struct verifier *v, const unsigned char *first)
{
    bool quoted = *first == '"';
    const unsigned char *p = quoted ? string(v, first) : number_or_word(v->trouble, first);

    if (p != NULL)
        keep_ends(v, first, (p += quoted) - 1);
    return p;
}

/* --- structure --- */

/* Takes a bracket. */
static const unsigned char *take(struct verifier *v, const unsigned char *p)
{
    keep(v, p);
    return p + 1;
}

static bool is_at(const struct verifier *v, const unsigned char *p, unsigned char c)
{
    return p < v->end && *p == c;
}

/* A member's name with its colon. */
static const unsigned char *name(struct verifier *v, const unsigned char *p)
{
    const unsigned char *closing;

    p = skip_space(p, v->end);
    if (!is_at(v, p, '"'))
        return failed(v->trouble, p, NAME);
    if (++v->tokens > v->limits.max_tokens)
        return failed(v->trouble, p, TOO_MANY);
    closing = string(v, p);
    if (closing == NULL)
        return NULL;
    keep_ends(v, p, closing);
    p = skip_space(closing + 1, v->end);
    return is_at(v, p, ':') ? p + 1 : failed(v->trouble, p, COLON);
}

static unsigned char closing_of(unsigned char kind)
{
    return kind == '{' ? '}' : ']';
}

/* Opens a container. *empty tells that it closed at once. */
static const unsigned char *open_container(struct verifier *v, const unsigned char *p, bool *empty)
{
    unsigned char kind = *p;

    if (v->depth == v->limits.max_depth)
        return failed(v->trouble, p, TOO_DEEP);
    v->open[++v->depth] = kind;
    if (v->depth > v->deepest)
        v->deepest = v->depth;
    p = skip_space(take(v, p), v->end);
    *empty = is_at(v, p, closing_of(kind));
    if (!*empty)
        return p;
    v->depth--;
    return take(v, p);
}

/* Behind a value: closes containers until a comma announces the next value, or the root is done. */
static const unsigned char *close_containers(struct verifier *v, const unsigned char *p)
{
    for (; v->depth > 0; v->depth--) {
        unsigned char kind = v->open[v->depth];

        p = skip_space(p, v->end);
        if (is_at(v, p, ','))
            return p + 1;
        if (!is_at(v, p, closing_of(kind)))
            return failed(v->trouble, p, kind == '{' ? IN_OBJECT : IN_ARRAY);
        p = take(v, p);
    }
    return p;
}

/* A value and what closes behind it; of a container only its beginning. */
static const unsigned char *value(struct verifier *v, const unsigned char *p)
{
    bool closed = true;

    p = skip_space(p, v->end);
    if (p == v->end)
        return failed(v->trouble, p, v->tokens == 0 ? EMPTY : VALUE);
    if (++v->tokens > v->limits.max_tokens)
        return failed(v->trouble, p, TOO_MANY);
    p = *p == '{' || *p == '[' ? open_container(v, p, &closed) : scalar(v, p);
    return p != NULL && closed ? close_containers(v, p) : p;
}

static bool document(struct verifier *v)
{
    const unsigned char *p = v->start;

    do {
        if (v->open[v->depth] == '{' && (p = name(v, p)) == NULL)
            return false;
        p = value(v, p);
        if (p == NULL)
            return false;
    } while (v->depth > 0);
    p = skip_space(p, v->end);
    return p == v->end || failed(v->trouble, p, BEHIND);
}

static bool verify(struct verifier *v, struct tg_str text)
{
    if (tg_str_starts(text, TG_STR("\xef\xbb\xbf")))
        return failed(v->trouble, v->start, BOM);
    if (tg_str_starts(text, TG_STR("\xff\xfe")) || tg_str_starts(text, TG_STR("\xfe\xff")))
        return failed(v->trouble, v->start, UTF16);
    return document(v);
}

/* Room for all of a text: each of its bytes may be a bracket, or with the comma behind it the two
 * ends of a number; there is one comma less than values. */
static void start_outline(struct tg_json_outline *o, size_t room)
{
    o->text = o->small_text;
    o->offset = o->small_offset;
    o->n = o->tokens = o->depth = 0;
    o->escapes = false;
    o->heap = NULL;
    if (room <= TG_JSON_SMALL)
        return;
    o->heap = malloc(room * (sizeof(*o->offset) + sizeof(*o->text)));
    CHECK(o->heap != NULL);
    o->offset = o->heap;
    o->text = (char *)(o->heap + room);
}

bool tg_json_verify(struct tg_str text, const struct tg_json_limits *limits,
                    struct tg_json_outline *outline, struct tg_json_fault *fault)
{
    struct trouble t = {.end = (const unsigned char *)text.p + text.n};
    struct verifier v;

    CHECK(text.n <= INT32_MAX);
    CHECK(limits->max_depth >= 1 && limits->max_depth <= TG_JSON_MAX_DEPTH);
    start_outline(outline, text.n + 1);
    v.start = (const unsigned char *)text.p;
    v.end = t.end;
    v.limits = *limits;
    v.depth = v.deepest = v.tokens = v.n = 0;
    v.kept = outline->text;
    v.place = outline->offset;
    v.trouble = &t;
    v.open[0] = 0;
    if (verify(&v, text)) {
        outline->n = v.n;
        outline->tokens = v.tokens;
        outline->depth = v.deepest;
        outline->escapes = t.escapes;
        return true;
    }
    tg_json_outline_end(outline);
    *fault = (struct tg_json_fault){.kind = texts[t.why].kind,
                                    .offset = (uint32_t)(t.at - v.start),
                                    .message = texts[t.why].en,
                                    .message_zh = texts[t.why].zh};
    return false;
}

void tg_json_outline_end(struct tg_json_outline *outline)
{
    free(outline->heap);
    outline->heap = NULL;
    outline->text = NULL;
    outline->offset = NULL;
    outline->n = 0;
}

/* --- jsmn --- */

enum { FEW_TOKENS = 512 }; /* that take no memory of their own */

/* What a value is, by its first byte. */
static const uint8_t types[256] = {
    ['{'] = TG_OBJECT, ['['] = TG_ARRAY, ['"'] = TG_STRING, ['-'] = TG_NUMBER,
    ['t'] = TG_TRUE,   ['f'] = TG_FALSE, ['n'] = TG_NULL,   ['0' ... '9'] = TG_NUMBER,
};

/* Makes a node the last one in its container. A token whose node is made is done with: its `end` is
 * the last child from here on. */
static inline void append_child(struct tg_node *node, uint32_t i, jsmntok_t *container)
{
    struct tg_node *n = &node[i];
    struct tg_node *in = &node[n->parent];
    uint32_t previous = (uint32_t)container->end;

    container->end = (int)i;
    if (in->child == TG_NONE) {
        in->child = i;
        return;
    }
    n->previous = previous;
    node[previous].next = i;
    if (container->type == JSMN_ARRAY)
        n->index = node[previous].index + 1;
}

/* A node as its token tells it, without its place among others. `offset` is the outline's. */
static inline void make_node(struct tg_node *n, struct tg_str text, const uint32_t *offset,
                             const jsmntok_t *t, uint32_t parent)
{
    int quote = t->type == JSMN_STRING; /* jsmn leaves quotes out */
    uint32_t first = offset[t->start - quote];
    uint32_t len = offset[t->end - 1 + quote] + 1 - first;
    const char *p = text.p + first;

    *n = (struct tg_node){
        .text = p,
        .len = len,
        .offset = first,
        .span = len,
        .next = TG_NONE,
        .previous = TG_NONE,
        .child = TG_NONE,
        .parent = parent,
        .type = types[(unsigned char)*p],
    };
}

/* All nodes behind the root. In an object names and values take turns, and a value follows its name
 * at once: jsmn, which has not seen the colon, gives both the object as parent. */
static void make_nodes(struct tg_node *node, struct tg_str text, const uint32_t *offset,
                       jsmntok_t *token, uint32_t n)
{
    bool behind_name = false;

    for (uint32_t i = 1; i < n; i++) {
        uint32_t parent = (uint32_t)token[i].parent;

        CHECK(parent < i);
        make_node(&node[i], text, offset, &token[i], behind_name ? i - 1 : parent);
        if (behind_name) {
            node[i - 1].child = i;
            behind_name = false;
            continue;
        }
        append_child(node, i, &token[parent]);
        behind_name = token[parent].type == JSMN_OBJECT;
        if (behind_name)
            node[i].type = TG_NAME;
    }
}

static void find_escapes(struct tg_node *node, uint32_t n)
{
    for (; n > 0; n--, node++)
        node->escaped = (node->type == TG_STRING || node->type == TG_NAME) &&
                        memchr(node->text, '\\', node->len) != NULL;
}

void tg_json_nodes(struct tg_str text, const struct tg_json_outline *outline, struct tg_node *node)
{
    jsmntok_t few[FEW_TOKENS];
    jsmntok_t *token = few;
    jsmn_parser parser;
    const uint32_t n = outline->tokens;

    if (n > FEW_TOKENS)
        token = malloc(n * sizeof(*token));
    CHECK(token != NULL);
    jsmn_init(&parser);
    CHECK(jsmn_parse(&parser, outline->text, outline->n, token, n) == (int)n);
    CHECK(token[0].parent == -1); /* TG_NONE */
    make_node(node, text, outline->offset, token, TG_NONE);
    make_nodes(node, text, outline->offset, token, n);
    if (outline->escapes)
        find_escapes(node, n);
    if (token != few)
        free(token);
}
