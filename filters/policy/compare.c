/* What of a config has changed: values of the request's and of the old one, side by side. */
#include "base/check.h"
#include "policy/internal.h"

enum { MOST_STEPS = 1000000 }; /* names looked at in one comparison of two values */

/* --- equality: numbers by value, strings unescaped, objects in any order, null as nothing --- */

struct pair {
    const struct tg_doc *left;
    const struct tg_doc *right;
    unsigned steps; /* taken */
};

static bool same(struct pair *p, uint32_t a, uint32_t b);

static bool same_number(struct tg_str a, struct tg_str b)
{
    struct tg_decimal x, y;

    if (!tg_decimal_read(a, &x) || !tg_decimal_read(b, &y))
        return tg_str_eq(a, b);
    return tg_decimal_compare(&x, &y) == 0;
}

static bool same_array(struct pair *p, uint32_t a, uint32_t b)
{
    uint32_t x = tg_doc_first(p->left, a);
    uint32_t y = tg_doc_first(p->right, b);

    while (x != TG_NONE && y != TG_NONE && same(p, x, y)) {
        x = tg_doc_next(p->left, x);
        y = tg_doc_next(p->right, y);
    }
    return x == TG_NONE && y == TG_NONE;
}

static bool is_null(const struct tg_doc *d, uint32_t name)
{
    return tg_doc_type(d, tg_doc_value(d, name)) == TG_NULL;
}

static unsigned members(const struct tg_doc *d, uint32_t object)
{
    unsigned n = 0;

    for (uint32_t m = tg_doc_first(d, object); m != TG_NONE; m = tg_doc_next(d, m))
        n += !is_null(d, m);
    return n;
}

/* The member of `object` (right) with a name, looked for from `*from` on and round: most are in one
 * order. TG_NONE when there is none, or too much was looked at. */
static uint32_t compare_find(struct pair *p, uint32_t object, struct tg_str name, uint32_t *from)
{
    uint32_t begin = *from != TG_NONE ? *from : tg_doc_first(p->right, object);
    uint32_t m = begin;

    while (m != TG_NONE && ++p->steps < MOST_STEPS) {
        uint32_t next = tg_doc_next(p->right, m);

        *from = next;
        if (tg_doc_is(p->right, m, name))
            return m;
        m = next != TG_NONE ? next : tg_doc_first(p->right, object);
        if (m == begin)
            break;
    }
    return TG_NONE;
}

static bool same_object(struct pair *p, uint32_t a, uint32_t b)
{
    uint32_t from = TG_NONE;

    if (members(p->left, a) != members(p->right, b))
        return false;
    for (uint32_t m = tg_doc_first(p->left, a); m != TG_NONE; m = tg_doc_next(p->left, m)) {
        uint32_t twin;

        if (is_null(p->left, m))
            continue;
        twin = compare_find(p, b, tg_doc_string(p->left, m), &from);
        if (twin == TG_NONE || !same(p, tg_doc_value(p->left, m), tg_doc_value(p->right, twin)))
            return false;
    }
    return true;
}

static bool same(struct pair *p, uint32_t a, uint32_t b)
{
    enum tg_node_type type = tg_doc_type(p->left, a);

    if (type != tg_doc_type(p->right, b))
        return false;
    switch (type) {
    case TG_OBJECT:
        return same_object(p, a, b);
    case TG_ARRAY:
        return same_array(p, a, b);
    case TG_NUMBER:
        return same_number(tg_doc_text(p->left, a), tg_doc_text(p->right, b));
    case TG_STRING:
        return tg_str_eq(tg_doc_string(p->left, a), tg_doc_string(p->right, b));
    case TG_TRUE:
    case TG_FALSE:
    case TG_NULL:
        return true;
    case TG_NAME:
        break;
    }
    TG_UNREACHABLE();
}

bool tg_policy_same(const struct tg_policy_nodes *now, const struct tg_policy_nodes *old)
{
    struct pair p = {now->doc, old->doc, 0};

    if (now->n != old->n)
        return false;
    for (unsigned i = 0; i < now->n; i++)
        if (!same(&p, now->at[i], old->at[i]))
            return false;
    return true;
}

/* --- growth --- */

static bool number_at(const struct tg_policy_nodes *nodes, unsigned i, struct tg_decimal *out)
{
    enum tg_node_type type = tg_doc_type(nodes->doc, nodes->at[i]);

    if (type == TG_STRING)
        return tg_decimal_read(tg_doc_string(nodes->doc, nodes->at[i]), out);
    return type == TG_NUMBER && tg_decimal_read(tg_doc_text(nodes->doc, nodes->at[i]), out);
}

enum tg_rule_result tg_policy_increases(const struct tg_policy_nodes *now,
                                        const struct tg_policy_nodes *old)
{
    enum tg_rule_result result = TG_RULE_FAIL;

    for (unsigned i = 0; i < now->n; i++) {
        struct tg_decimal x, y;
        bool known = number_at(now, i, &x);

        if (known && i >= old->n)
            return TG_RULE_PASS;
        if (known && number_at(old, i, &y)) {
            if (tg_decimal_compare(&x, &y) > 0)
                return TG_RULE_PASS;
        } else {
            result = TG_RULE_ERROR;
        }
    }
    return result;
}
