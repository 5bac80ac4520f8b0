/* Members of what a service answered. */
#include "live/json_page.h"

enum { MAX_DEPTH = 32, MAX_TOKENS = 200000 };

bool tg_json_page(struct tg_doc *d, struct tg_arena *arena, struct tg_str text)
{
    static const struct tg_json_limits limits = {MAX_DEPTH, MAX_TOKENS};
    struct tg_json_fault fault;

    return tg_doc_parse(d, arena, tg_arena_dup(arena, text), &limits, &fault) &&
           tg_doc_type(d, 0) == TG_OBJECT;
}

static uint32_t member(const struct tg_doc *d, uint32_t object, const char *name)
{
    if (object == TG_NONE || tg_doc_type(d, object) != TG_OBJECT)
        return TG_NONE;
    return tg_doc_member(d, object, tg_str_of(name));
}

uint32_t tg_json_page_object(const struct tg_doc *d, uint32_t object, const char *name)
{
    uint32_t node = member(d, object, name);

    return node != TG_NONE && tg_doc_type(d, node) == TG_OBJECT ? node : TG_NONE;
}

uint32_t tg_json_page_list(const struct tg_doc *d, uint32_t object, const char *name)
{
    uint32_t node = member(d, object, name);

    return node != TG_NONE && tg_doc_type(d, node) == TG_ARRAY ? tg_doc_first(d, node) : TG_NONE;
}

struct tg_str tg_json_page_text(const struct tg_doc *d, uint32_t object, const char *name)
{
    uint32_t node = member(d, object, name);

    if (node != TG_NONE && tg_doc_type(d, node) == TG_STRING)
        return tg_doc_string(d, node);
    return node != TG_NONE && tg_doc_type(d, node) == TG_NUMBER ? tg_doc_text(d, node)
                                                                : (struct tg_str){"", 0};
}

bool tg_json_page_integer(const struct tg_doc *d, uint32_t object, const char *name, int64_t *out)
{
    uint32_t node = member(d, object, name);
    uint64_t number;

    if (node != TG_NONE && tg_doc_type(d, node) == TG_NUMBER)
        return tg_doc_integer(d, node, out);
    if (node == TG_NONE || tg_doc_type(d, node) != TG_STRING ||
        !tg_str_u64(tg_doc_string(d, node), &number) || number > INT64_MAX)
        return false;
    *out = (int64_t)number;
    return true;
}
