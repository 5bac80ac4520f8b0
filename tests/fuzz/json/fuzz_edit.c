/*
 * Edits: the input is a list of two-byte commands, a zero byte, and a document. Whatever the edits
 * and their order, the new text read again is the edited view, and what was not edited stands there
 * in the client's very bytes.
 */
#include "json/document.h"

#include "base/check.h"

static const struct tg_json_limits limits = {64, 100000};

static bool is_linked(const struct tg_doc *d, uint32_t node)
{
    for (; node != TG_NONE; node = d->node[node].parent)
        if (d->node[node].removed)
            return false;
    return true;
}

static void edit(struct tg_doc *d, uint8_t command, uint8_t which, unsigned number)
{
    uint32_t node = which % d->count;
    struct tg_str name = tg_arena_printf(d->arena, "%u\x01%u", number, command);

    if (!is_linked(d, node))
        return;
    switch (tg_doc_type(d, node)) {
    case TG_NAME:
        if (command & 1)
            tg_doc_remove(d, node, "fuzz");
        else
            tg_doc_rename(d, node, name, "fuzz");
        return;
    case TG_OBJECT:
        if (d->node[node].offset != TG_NONE)
            (void)tg_doc_add(d, node, name, TG_STRING, TG_STR("\"\\n\""), "fuzz");
        return;
    case TG_ARRAY:
        return;
    default:
        tg_doc_replace(d, node, TG_NUMBER, TG_STR("1e400"), "fuzz");
    }
}

static void must_be_same(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    CHECK(tg_doc_type(a, x) == tg_doc_type(b, y));
    if (!a->node[x].edited)
        CHECK(tg_str_eq(tg_doc_text(a, x), tg_doc_text(b, y)));
    if (tg_doc_type(a, x) == TG_NAME)
        CHECK(tg_str_eq(tg_doc_string(a, x), tg_doc_string(b, y)));
    x = a->node[x].child;
    y = b->node[y].child;
    for (; x != TG_NONE && y != TG_NONE; x = a->node[x].next, y = b->node[y].next)
        must_be_same(a, x, b, y);
    CHECK(x == y);
}

static void check(struct tg_arena *arena, struct tg_str commands, struct tg_str text)
{
    struct tg_json_fault fault;
    struct tg_doc d, again;
    struct tg_buf patch = {0};

    if (!tg_doc_parse(&d, arena, text, &limits, &fault))
        return;
    for (size_t i = 0; i + 1 < commands.n; i += 2)
        edit(&d, (uint8_t)commands.p[i], (uint8_t)commands.p[i + 1], (unsigned)i);
    /* a rename may take a name that is there: then the text is refused, as it must be */
    if (!tg_doc_parse(&again, arena, tg_doc_result(&d), &limits, &fault)) {
        CHECK(fault.kind == TG_JSON_DUPLICATE);
        return;
    }
    must_be_same(&d, 0, &again, 0);
    tg_doc_patch(&d, NULL, &patch);
    CHECK(tg_doc_parse(&again, arena, tg_buf_str(&patch), &limits, &fault) ||
          fault.kind == TG_JSON_DEPTH || fault.kind == TG_JSON_TOKENS);
    tg_buf_end(&patch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
    struct tg_arena arena;
    size_t n;

    if (zero == NULL)
        return 0;
    n = (size_t)(zero - data);
    if (n > 64)
        return 0;
    tg_arena_init(&arena);
    check(&arena, (struct tg_str){(const char *)data, n},
          (struct tg_str){(const char *)zero + 1, size - n - 1});
    tg_arena_end(&arena);
    return 0;
}
