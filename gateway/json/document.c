/* Reading a document, and looking around in it. */
#include "json/document.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/utf8.h"
#include "json/name_set.h"
#include "json/verify.h"

#include <stdlib.h>

enum {
    ROOM_FOR_ADDED = 16,
    FEW_MEMBERS = 32, /* of an object whose names are compared with each other */
    SHORT_NAME = 32   /* bytes: shorter ones are copied one by one */
};

/* --- reading --- */

/* What one walk over the document finds: duplicates, in the order of the text. */
struct repeated {
    struct tg_json_fault *first;
    struct tg_json_fault *last;
    unsigned n;
    size_t pointers; /* bytes of theirs */
};

static void note(const struct tg_doc *d, struct repeated *all, uint32_t name)
{
    struct tg_json_fault *f;

    /* a long name of an outer object would be copied once for each of them */
    if (all->n++ >= TG_JSON_MAX_REPEATED || all->pointers > d->text.n)
        return;
    f = tg_arena_alloc(d->arena, sizeof(*f));
    *f = (struct tg_json_fault){
        .kind = TG_JSON_DUPLICATE,
        .offset = d->node[name].offset,
        .message = "this name stands in the object before",
        .message_zh = "成员名在对象中重复",
        .pointer = tg_doc_pointer(d, name),
    };
    all->pointers += f->pointer.n;
    if (all->last != NULL)
        all->last->next = f;
    else
        all->first = f;
    all->last = f;
}

static void find_repeated(const struct tg_doc *d, const struct tg_node *object,
                          struct repeated *all)
{
    struct tg_name_set set;
    size_t members = 0;

    for (uint32_t m = object->child; m != TG_NONE; m = d->node[m].next)
        members++;
    tg_name_set_init(&set, d->arena, members);
    for (uint32_t m = object->child; m != TG_NONE; m = d->node[m].next)
        if (!tg_name_set_add(&set, tg_doc_string(d, m)))
            note(d, all, m);
    tg_name_set_end(&set);
}

/* True when one of the siblings before has the same text. */
static bool stands_before(const struct tg_doc *d, uint32_t name)
{
    for (uint32_t m = d->node[name].previous; m != TG_NONE; m = d->node[m].previous)
        if (tg_str_eq(tg_doc_text(d, m), tg_doc_text(d, name)))
            return true;
    return false;
}

/* True when no name of an object stands twice, as far as that is seen without a set: the names are
 * few and have no escapes. Only those are compared whose length and first byte have been seen. */
static bool all_differ(const struct tg_doc *d, const struct tg_node *object)
{
    uint64_t seen = 0;
    unsigned members = 0;

    for (uint32_t m = object->child; m != TG_NONE; m = d->node[m].next) {
        const struct tg_node *n = &d->node[m];
        uint64_t bit = (uint64_t)1 << (((unsigned char)n->text[1] + 5 * n->len) & 63);

        if (n->escaped || ++members > FEW_MEMBERS || ((seen & bit) && stands_before(d, m)))
            return false;
        seen |= bit;
    }
    return true;
}

static int by_offset(const void *left, const void *right)
{
    const struct tg_json_fault *a = *(struct tg_json_fault *const *)left;
    const struct tg_json_fault *b = *(struct tg_json_fault *const *)right;

    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Objects are looked at from the outside in, the reader wants the order of the text. */
static void sort_repeated(struct repeated *all)
{
    struct tg_json_fault *order[TG_JSON_MAX_REPEATED];
    unsigned n = 0;

    for (struct tg_json_fault *f = all->first; f != NULL; f = f->next)
        order[n++] = f;
    qsort(order, n, sizeof(struct tg_json_fault *), by_offset);
    for (unsigned i = 0; i < n; i++)
        order[i]->next = i + 1 < n ? order[i + 1] : NULL;
    all->first = n > 0 ? order[0] : NULL;
}

struct tg_node *tg_doc_alloc_nodes(struct tg_arena *arena, uint32_t n)
{
    size_t size = n * sizeof(struct tg_node);

    return n > TG_DOC_LARGE ? tg_arena_alloc_apart(arena, size) : tg_arena_alloc(arena, size);
}

bool tg_doc_parse(struct tg_doc *d, struct tg_arena *arena, struct tg_str text,
                  const struct tg_json_limits *limits, struct tg_json_fault *fault)
{
    struct tg_json_outline outline;
    struct repeated all = {0};

    *d = (struct tg_doc){.arena = arena, .text = text, .first_edited = TG_NONE};
    if (!tg_json_verify(text, limits, &outline, fault))
        return false;
    d->count = d->original = outline.tokens;
    d->cap = d->count + ROOM_FOR_ADDED;
    d->node = tg_doc_alloc_nodes(arena, d->cap);
    tg_json_nodes(text, &outline, d->node);
    tg_json_outline_end(&outline);
    for (const struct tg_node *n = d->node, *end = n + d->count; n < end; n++)
        if (n->type == TG_OBJECT && !all_differ(d, n))
            find_repeated(d, n, &all);
    if (all.n == 0)
        return true;
    sort_repeated(&all);
    *fault = *all.first;
    return false;
}

/* --- strings --- */

static uint32_t hex4(const char *p)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value = value * 16 + (uint32_t)tg_hex_value(p[i]);
    return value;
}

/* Decodes the escape at `p` (verified); returns how long it is and appends to *out. */
static size_t unescape_one(const char *p, char **out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    uint32_t code;

    if (p[1] != 'u') {
        const char *at = strchr(from, p[1]);

        CHECK(at != NULL);
        *(*out)++ = to[at - from];
        return 2;
    }
    code = hex4(p + 2);
    if (code < 0xd800 || code > 0xdbff) {
        *out += tg_utf8_encode(code, *out);
        return 6;
    }
    code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 8) - 0xdc00);
    *out += tg_utf8_encode(code, *out);
    return 12;
}

struct tg_str tg_doc_unescape(const struct tg_doc *d, uint32_t node)
{
    const struct tg_node *n = &d->node[node];
    char *out, *at;

    CHECK(node < d->count && n->len >= 2);
    out = at = tg_arena_alloc(d->arena, n->len);
    for (const char *p = n->text + 1; p < n->text + n->len - 1;) {
        if (*p == '\\')
            p += unescape_one(p, &at);
        else
            *at++ = *p++;
    }
    return (struct tg_str){out, (size_t)(at - out)};
}

/* Without memory: lookups ask this of every name on their way. */
bool tg_doc_is_escaped(const struct tg_doc *d, uint32_t node, struct tg_str value)
{
    const struct tg_node *n = &d->node[node];
    const char *p = n->text + 1;
    const char *end = n->text + n->len - 1;

    CHECK(node < d->count && n->escaped);
    while (p < end) {
        char c[4];
        char *to = c;
        size_t length;

        if (*p == '\\')
            p += unescape_one(p, &to);
        else
            *to++ = *p++;
        length = (size_t)(to - c);
        if (value.n < length || memcmp(c, value.p, length) != 0)
            return false;
        value = tg_str_skip(value, length);
    }
    return value.n == 0;
}

/* --- looking around --- */

uint32_t tg_doc_member(const struct tg_doc *d, uint32_t object, struct tg_str name)
{
    CHECK(object < d->count && d->node[object].type == TG_OBJECT);
    for (uint32_t m = d->node[object].child; m != TG_NONE; m = d->node[m].next)
        if (tg_doc_is(d, m, name))
            return d->node[m].child;
    return TG_NONE;
}

bool tg_doc_integer(const struct tg_doc *d, uint32_t node, int64_t *out)
{
    struct tg_str s = tg_doc_text(d, node);
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t value;

    if (!tg_str_u64(negative ? tg_str_skip(s, 1) : s, &value))
        return false;
    if (negative && (value == 0 || value > (uint64_t)INT64_MAX + 1))
        return false;
    if (!negative && value > INT64_MAX)
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* A pointer is written from its end, which is found on the way up. */
struct pointer {
    char *at;    /* the next byte goes before it */
    char *start; /* of the room */
    size_t over; /* bytes that found no room */
};

static void put_byte(struct pointer *p, char c)
{
    if (p->at > p->start)
        *--p->at = c;
    else
        p->over++;
}

static void put(struct pointer *p, struct tg_str s)
{
    if ((size_t)(p->at - p->start) < s.n) {
        p->over += s.n;
        return;
    }
    p->at -= s.n;
    memcpy(p->at, s.p, s.n);
}

/* Short names take no call. */
static void put_name(struct pointer *p, struct tg_str name)
{
    if (name.n > SHORT_NAME && memchr(name.p, '~', name.n) == NULL &&
        memchr(name.p, '/', name.n) == NULL) {
        put(p, name);
        return;
    }
    for (size_t i = name.n; i-- > 0;) {
        char c = name.p[i];

        if (c == '~' || c == '/') {
            put_byte(p, c == '~' ? '0' : '1');
            c = '~';
        }
        put_byte(p, c);
    }
}

static void put_index(struct pointer *p, uint32_t index)
{
    do {
        put_byte(p, (char)('0' + index % 10));
        index /= 10;
    } while (index != 0);
}

/* Returns the length of the pointer, which may be more than there is room for. */
static size_t put_pointer(const struct tg_doc *d, uint32_t node, char *end, size_t room)
{
    struct pointer p = {end, end - room, 0};

    for (uint32_t parent; (parent = d->node[node].parent) != TG_NONE; node = parent) {
        /* a member's value adds nothing to its name */
        if (d->node[parent].type == TG_NAME)
            continue;
        if (d->node[node].type == TG_NAME)
            put_name(&p, tg_doc_string(d, node));
        else
            put_index(&p, d->node[node].index);
        put_byte(&p, '/');
    }
    return (size_t)(end - p.at) + p.over;
}

struct tg_str tg_doc_pointer(const struct tg_doc *d, uint32_t node)
{
    char most[256]; /* pointers are no longer */
    char *out;
    size_t n;

    CHECK(node < d->count);
    n = put_pointer(d, node, most + sizeof(most), sizeof(most));
    if (n <= sizeof(most))
        return tg_arena_dup(d->arena, (struct tg_str){most + sizeof(most) - n, n});
    out = tg_arena_alloc(d->arena, n + 1);
    out[n] = '\0'; /* as all copies in an arena have it */
    CHECK(put_pointer(d, node, out + n, n) == n);
    return (struct tg_str){out, n};
}

/* --- places --- */

/* Walks a text from the last place asked for to the next one. */
struct walk {
    struct tg_str text;
    size_t at;
    struct tg_place place; /* of `at` */
};

static struct tg_place walk_to(struct walk *w, size_t offset)
{
    CHECK(offset <= w->text.n && offset >= w->at);
    for (; w->at < offset; w->at++) {
        unsigned char c = (unsigned char)w->text.p[w->at];
        bool crlf = c == '\r' && w->at + 1 < w->text.n && w->text.p[w->at + 1] == '\n';

        if (c == '\n' || (c == '\r' && !crlf))
            w->place = (struct tg_place){w->place.line + 1, 1};
        else
            w->place.column += (c & 0xc0) != 0x80;
    }
    return w->place;
}

struct wanted {
    uint32_t offset;
    unsigned index;
};

static int by_place(const void *left, const void *right)
{
    const struct wanted *a = left, *b = right;

    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

void tg_doc_places(struct tg_str text, const uint32_t *offsets, unsigned n, struct tg_place *out)
{
    struct walk w = {text, 0, {1, 1}};
    struct wanted *wanted = malloc((n + 1) * sizeof(*wanted));

    CHECK(wanted != NULL);
    for (unsigned i = 0; i < n; i++)
        wanted[i] = (struct wanted){offsets[i], i};
    qsort(wanted, n, sizeof(*wanted), by_place);
    for (unsigned i = 0; i < n; i++) {
        bool none = wanted[i].offset == TG_NONE;

        out[wanted[i].index] = none ? (struct tg_place){0, 0} : walk_to(&w, wanted[i].offset);
    }
    free(wanted);
}

/* --- pointers (RFC 6901) --- */

/* Takes one reference token off the pointer, "~1" and "~0" decoded into `out`. */
static struct tg_str next_token(struct tg_str *pointer, char *out)
{
    size_t n = 0;

    *pointer = tg_str_skip(*pointer, 1);
    while (pointer->n > 0 && pointer->p[0] != '/') {
        char c = pointer->p[0];

        if (c == '~' && pointer->n > 1 && (pointer->p[1] == '0' || pointer->p[1] == '1')) {
            c = pointer->p[1] == '0' ? '~' : '/';
            *pointer = tg_str_skip(*pointer, 1);
        }
        out[n++] = c;
        *pointer = tg_str_skip(*pointer, 1);
    }
    return (struct tg_str){out, n};
}

static uint32_t element(const struct tg_doc *d, uint32_t array, struct tg_str token)
{
    uint32_t node = d->node[array].child;
    uint64_t index;

    if (!tg_str_u64(token, &index))
        return TG_NONE;
    while (index-- > 0 && node != TG_NONE)
        node = d->node[node].next;
    return node;
}

uint32_t tg_doc_find(const struct tg_doc *d, struct tg_str pointer)
{
    char *token = tg_arena_alloc(d->arena, pointer.n);
    uint32_t node = 0;

    while (node != TG_NONE && pointer.n > 0) {
        struct tg_str name;

        if (pointer.p[0] != '/')
            return TG_NONE;
        name = next_token(&pointer, token);
        if (d->node[node].type == TG_OBJECT)
            node = tg_doc_member(d, node, name);
        else if (d->node[node].type == TG_ARRAY)
            node = element(d, node, name);
        else
            return TG_NONE;
    }
    return node;
}
