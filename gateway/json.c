#include "json.h"

#include "check.h"
#include "utf8.h"

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

struct verifier {
    const unsigned char *start;
    const unsigned char *p;
    const unsigned char *end;
    struct tg_json_limits limits;
    uint32_t depth;
    enum why why;
    struct tg_json_outline *outline;
    char *kept; /* the outline's bytes, places and how many: settled at the end */
    uint32_t *place;
    uint32_t n;
    uint8_t open[TG_JSON_MAX_DEPTH]; /* '{' or '[' */
};

static bool failed(struct verifier *v, enum why why)
{
    v->why = why;
    return false;
}

/* Keeps one byte in the outline, which has room for all of the text. */
static void keep(struct verifier *v, const unsigned char *p)
{
    uint32_t n = v->n++;

    v->place[n] = (uint32_t)(p - v->start);
    v->kept[n] = (char)*p;
}

/* The first and the last byte of a string, number or word; they may be one. */
static void keep_ends(struct verifier *v, const unsigned char *first, const unsigned char *last)
{
    keep(v, first);
    if (last > first)
        keep(v, last);
}

static void skip_space(struct verifier *v)
{
    const unsigned char *p = v->p;

    while (p < v->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    v->p = p;
}

/* --- strings --- */

/* The four hexadecimal digits behind "\u"; -1 when they are not. */
static int32_t hex4(const unsigned char *p, const unsigned char *end)
{
    int32_t value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* RFC 8259 section 7; a high surrogate must be followed by a low one (section 8.2). */
static bool escape(struct verifier *v)
{
    int32_t code, low;

    v->outline->escapes = true;
    if (v->end - v->p < 2)
        return failed(v, UNTERMINATED);
    switch (v->p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        v->p += 2;
        return true;
    case 'u':
        break;
    default:
        return failed(v, ESCAPE);
    }
    code = hex4(v->p + 2, v->end);
    if (code < 0)
        return failed(v, ESCAPE);
    if (code < 0xd800 || code > 0xdfff) {
        v->p += 6;
        return true;
    }
    low = v->end - v->p >= 12 && v->p[6] == '\\' && v->p[7] == 'u' ? hex4(v->p + 8, v->end) : -1;
    if (code > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return failed(v, SURROGATE);
    v->p += 12;
    return true;
}

static bool wide(struct verifier *v)
{
    uint32_t code;
    size_t n = tg_utf8_decode((struct tg_str){(const char *)v->p, (size_t)(v->end - v->p)}, &code);

    if (n == 0)
        return failed(v, NOT_UTF8);
    v->p += n;
    return true;
}

/* How many bytes from here on stand for themselves. */
static size_t plain(const struct verifier *v)
{
    return tg_json_plain((struct tg_str){(const char *)v->p, (size_t)(v->end - v->p)});
}

/* The rest of a string from a byte on that does not stand for itself. */
static bool odd_string(struct verifier *v, const unsigned char *opening)
{
    for (;;) {
        if (v->p == v->end) {
            v->p = opening;
            return failed(v, UNTERMINATED);
        }
        if (*v->p == '"')
            break;
        if (*v->p < ' ')
            return failed(v, CONTROL);
        if (*v->p == '\\' ? !escape(v) : !wide(v))
            return false;
        v->p += plain(v);
    }
    keep_ends(v, opening, v->p++);
    return true;
}

/* v->p is at the opening quote; a failure points at the place, an unterminated string at its start.
 */
static bool string(struct verifier *v)
{
    const unsigned char *opening = v->p++;

    v->p += plain(v);
    if (v->p == v->end || *v->p != '"')
        return odd_string(v, opening);
    keep_ends(v, opening, v->p++);
    return true;
}

/* --- numbers and words --- */

static bool is_digit(const struct verifier *v)
{
    return v->p < v->end && *v->p >= '0' && *v->p <= '9';
}

static void digits(struct verifier *v)
{
    while (is_digit(v))
        v->p++;
}

/* RFC 8259 section 6. */
static bool number(struct verifier *v)
{
    const unsigned char *first = v->p;

    v->p += *v->p == '-';
    if (!is_digit(v))
        goto bad;
    if (*v->p == '0')
        v->p++;
    else
        digits(v);
    if (is_digit(v))
        goto bad; /* a leading zero */
    if (v->p < v->end && *v->p == '.') {
        v->p++;
        if (!is_digit(v))
            goto bad;
        digits(v);
    }
    if (v->p < v->end && (*v->p == 'e' || *v->p == 'E')) {
        v->p++;
        v->p += v->p < v->end && (*v->p == '+' || *v->p == '-');
        if (!is_digit(v))
            goto bad;
        digits(v);
    }
    keep_ends(v, first, v->p - 1);
    return true;

bad:
    v->p = first;
    return failed(v, NUMBER);
}

static bool word(struct verifier *v, const char *text, size_t n)
{
    if ((size_t)(v->end - v->p) < n || memcmp(v->p, text, n) != 0)
        return failed(v, LITERAL);
    keep_ends(v, v->p, v->p + n - 1);
    v->p += n;
    return true;
}

static bool scalar(struct verifier *v)
{
    switch (*v->p) {
    case '"':
        return string(v);
    case 't':
        return word(v, "true", 4);
    case 'f':
        return word(v, "false", 5);
    case 'n':
        return word(v, "null", 4);
    case '-':
    case '0' ... '9':
        return number(v);
    default:
        return failed(v, (*v->p | 0x20) >= 'a' && (*v->p | 0x20) <= 'z' ? LITERAL : VALUE);
    }
}

/* --- structure --- */

/* Takes a bracket, colon or comma. */
static void take(struct verifier *v)
{
    keep(v, v->p++);
}

static bool count(struct verifier *v)
{
    return ++v->outline->tokens <= v->limits.max_tokens || failed(v, TOO_MANY);
}

static bool name(struct verifier *v)
{
    skip_space(v);
    if (v->p == v->end || *v->p != '"')
        return failed(v, NAME);
    if (!count(v) || !string(v))
        return false;
    skip_space(v);
    if (v->p == v->end || *v->p != ':')
        return failed(v, COLON);
    take(v);
    return true;
}

/* Opens a container. *empty tells that it closed at once. */
static bool open_container(struct verifier *v, bool *empty)
{
    unsigned char kind = *v->p;

    if (v->depth == v->limits.max_depth)
        return failed(v, TOO_DEEP);
    v->open[v->depth++] = kind;
    if (v->depth > v->outline->depth)
        v->outline->depth = v->depth;
    take(v);
    skip_space(v);
    *empty = v->p < v->end && *v->p == (kind == '{' ? '}' : ']');
    if (*empty) {
        take(v);
        v->depth--;
    }
    return *empty || kind == '[' || name(v);
}

/* Behind a value: closes containers until a comma announces the next value, or the root is done. */
static bool close_containers(struct verifier *v, bool *done)
{
    for (;;) {
        unsigned char kind;

        *done = v->depth == 0;
        if (*done)
            return true;
        kind = v->open[v->depth - 1];
        skip_space(v);
        if (v->p < v->end && *v->p == ',') {
            take(v);
            return kind == '[' || name(v);
        }
        if (v->p == v->end || *v->p != (kind == '{' ? '}' : ']'))
            return failed(v, kind == '{' ? IN_OBJECT : IN_ARRAY);
        take(v);
        v->depth--;
    }
}

static bool document(struct verifier *v)
{
    bool done = false;

    while (!done) {
        bool closed = true;

        skip_space(v);
        if (v->p == v->end)
            return failed(v, v->outline->tokens == 0 ? EMPTY : VALUE);
        if (!count(v))
            return false;
        if (*v->p == '{' || *v->p == '[') {
            if (!open_container(v, &closed))
                return false;
        } else if (!scalar(v)) {
            return false;
        }
        if (closed && !close_containers(v, &done))
            return false;
    }
    skip_space(v);
    return v->p == v->end || failed(v, BEHIND);
}

static bool verify(struct verifier *v, struct tg_str text)
{
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        return failed(v, BOM);
    if (text.n >= 2 && (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0))
        return failed(v, UTF16);
    return document(v);
}

/* Room for all of a text: each of its bytes may be structure. */
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
    struct verifier v;

    CHECK(text.n <= INT32_MAX);
    CHECK(limits->max_depth >= 1 && limits->max_depth <= TG_JSON_MAX_DEPTH);
    v.start = v.p = (const unsigned char *)text.p;
    v.end = v.start + text.n;
    v.limits = *limits;
    v.depth = 0;
    v.outline = outline;
    start_outline(outline, text.n);
    v.kept = outline->text;
    v.place = outline->offset;
    v.n = 0;
    if (verify(&v, text)) {
        outline->n = v.n;
        return true;
    }
    tg_json_outline_end(outline);
    *fault = (struct tg_json_fault){.kind = texts[v.why].kind,
                                    .offset = (uint32_t)(v.p - v.start),
                                    .message = texts[v.why].en,
                                    .message_zh = texts[v.why].zh};
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

/* A node as its token tells it, without its place among others. */
static void make_node(struct tg_node *n, struct tg_str text, const struct tg_json_outline *o,
                      const jsmntok_t *t, const jsmntok_t *parent)
{
    int quote = t->type == JSMN_STRING; /* jsmn leaves quotes out */
    const uint32_t *first = &o->offset[t->start - quote];
    const uint32_t *last = &o->offset[t->end - 1 + quote];
    uint32_t len = *last + 1 - *first;
    bool is_name = parent != NULL && parent->type == JSMN_OBJECT;

    *n = (struct tg_node){
        .text = text.p + *first,
        .len = len,
        .offset = *first,
        .span = len,
        .next = TG_NONE,
        .previous = TG_NONE,
        .child = TG_NONE,
        .parent = parent != NULL ? (uint32_t)t->parent : TG_NONE,
        .type = is_name ? TG_NAME : types[(unsigned char)text.p[*first]],
        .escaped = quote && o->escapes && memchr(text.p + *first, '\\', len) != NULL,
    };
}

/* Makes a node the last child of its parent, whose token is done with: its `size` numbers the
 * children from here on, its `end` is the last one. */
static void append_child(struct tg_node *node, uint32_t i, jsmntok_t *parent)
{
    struct tg_node *n = &node[i];

    if (node[n->parent].child == TG_NONE) {
        node[n->parent].child = i;
        parent->size = -1;
    } else {
        n->previous = (uint32_t)parent->end;
        node[n->previous].next = i;
    }
    if (parent->type == JSMN_ARRAY)
        n->index = (uint32_t)++parent->size;
    parent->end = (int)i;
}

void tg_json_nodes(struct tg_str text, const struct tg_json_outline *outline, struct tg_node *node)
{
    jsmntok_t few[FEW_TOKENS];
    jsmntok_t *token = few;
    jsmn_parser parser;

    if (outline->tokens > FEW_TOKENS)
        token = malloc(outline->tokens * sizeof(*token));
    CHECK(token != NULL);
    jsmn_init(&parser);
    CHECK(jsmn_parse(&parser, outline->text, outline->n, token, outline->tokens) ==
          (int)outline->tokens);
    for (uint32_t i = 0; i < outline->tokens; i++) {
        jsmntok_t *t = &token[i];
        jsmntok_t *parent = t->parent >= 0 ? &token[t->parent] : NULL;

        CHECK(t->parent < (int)i && (parent != NULL || i == 0));
        make_node(&node[i], text, outline, t, parent);
        if (parent != NULL)
            append_child(node, i, parent);
    }
    if (token != few)
        free(token);
}
