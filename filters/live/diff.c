/* Comparing two configs, member by member. */
#include "live/diff.h"

#include "base/check.h"
#include "contract/contract.h"
#include "policy/decimal.h"

enum {
    MAX_DEPTH = 64,      /* of objects within objects that are compared; deeper ones as a whole */
    MAX_LOOKS = 1 << 16, /* members of one object times those of the other, likewise */
};

/* --- values --- */

static bool equal(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y);

/* Nothing is said by null, "", [] and {}. */
static bool is_empty(const struct tg_doc *d, uint32_t node)
{
    switch (tg_doc_type(d, node)) {
    case TG_NULL:
        return true;
    case TG_STRING:
        return tg_doc_text(d, node).n == strlen("\"\"");
    case TG_ARRAY:
    case TG_OBJECT:
        return tg_doc_first(d, node) == TG_NONE;
    default:
        return false;
    }
}

static bool same_number(struct tg_str a, struct tg_str b)
{
    struct tg_decimal x, y;

    if (tg_str_eq(a, b))
        return true;
    return tg_decimal_read(a, &x) && tg_decimal_read(b, &y) && tg_decimal_compare(&x, &y) == 0;
}

static bool same_string(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    return tg_str_eq(tg_doc_string(a, x), tg_doc_string(b, y));
}

static bool same_list(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    uint32_t e = tg_doc_first(a, x), f = tg_doc_first(b, y);

    while (e != TG_NONE && f != TG_NONE && equal(a, e, b, f)) {
        e = tg_doc_next(a, e);
        f = tg_doc_next(b, f);
    }
    return e == TG_NONE && f == TG_NONE;
}

/* The value of the member of that name, TG_NONE when it says nothing. */
static uint32_t member_like(const struct tg_doc *d, uint32_t object, struct tg_str name)
{
    uint32_t node = tg_doc_member(d, object, name);

    return node != TG_NONE && !is_empty(d, node) ? node : TG_NONE;
}

static size_t count_members(const struct tg_doc *d, uint32_t object)
{
    size_t n = 0;

    for (uint32_t m = tg_doc_first(d, object); m != TG_NONE; m = tg_doc_next(d, m))
        n++;
    return n;
}

/* Each member is looked for among the other's: objects beyond this are told as a whole. */
static bool is_too_much(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    return count_members(a, x) * count_members(b, y) > MAX_LOOKS;
}

/* Every member of x that says something is the same in y. */
static bool is_part(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    for (uint32_t m = tg_doc_first(a, x); m != TG_NONE; m = tg_doc_next(a, m)) {
        uint32_t value = tg_doc_value(a, m), other;

        if (is_empty(a, value))
            continue;
        other = member_like(b, y, tg_doc_string(a, m));
        if (other == TG_NONE || !equal(a, value, b, other))
            return false;
    }
    return true;
}

static bool equal(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    enum tg_node_type type = tg_doc_type(a, x);

    if (type != tg_doc_type(b, y))
        return false;
    switch (type) {
    case TG_NUMBER:
        return same_number(tg_doc_text(a, x), tg_doc_text(b, y));
    case TG_STRING:
        return same_string(a, x, b, y);
    case TG_ARRAY:
        return same_list(a, x, b, y);
    case TG_OBJECT:
        return !is_too_much(a, x, b, y) && is_part(a, x, b, y) && is_part(b, y, a, x);
    default:
        return true; /* true, false, null */
    }
}

/* --- members --- */

struct comparing {
    struct tg_request *r;
    const struct tg_doc *old;
    struct tg_before *before;
    struct tg_diff **last;
    unsigned depth;
};

static void add(struct comparing *c, enum tg_diff_op op, struct tg_str pointer, uint32_t node)
{
    struct tg_diff *d = tg_arena_zalloc(c->r->arena, 1, sizeof(*d));

    *d = (struct tg_diff){.op = op, .pointer = pointer, .node = node};
    *c->last = d;
    c->last = &d->next;
    c->before->nchanges++;
}

/* One of two objects that are compared, with what the contract knows of it; `view` is NULL for an
 * object inside a config. */
struct side {
    const struct tg_doc *doc;
    uint32_t object;
    const struct tg_contract_view *view;
};

static const struct tg_contract_member *row_of(const struct side *s, uint32_t name)
{
    return s->view != NULL ? tg_contract_row(s->doc, tg_contract_config, name) : NULL;
}

/* The service's own member, or one that says nothing. */
static bool is_passed_over(const struct side *s, const struct tg_contract_member *row,
                           uint32_t name)
{
    return (row != NULL && (row->flags & TG_CONTRACT_RESPONSE) != 0) ||
           is_empty(s->doc, tg_doc_value(s->doc, name));
}

/* What the other side has under the name of a member; TG_NONE: nothing. */
static uint32_t counterpart(const struct side *s, const struct tg_contract_member *row,
                            uint32_t name, const struct side *other)
{
    uint32_t node;

    if (row == NULL || other->view == NULL)
        return member_like(other->doc, other->object, tg_doc_string(s->doc, name));
    node = other->view->value[row - tg_contract_config];
    return node != TG_NONE && !is_empty(other->doc, node) ? node : TG_NONE;
}

static void compare(struct comparing *c, const struct side *new, const struct side *old);

static void compare_member(struct comparing *c, uint32_t value, uint32_t other)
{
    const struct tg_doc *d = c->r->doc;

    if (other == TG_NONE)
        add(c, TG_DIFF_ADD, tg_doc_pointer(d, value), value);
    else if (tg_doc_type(d, value) == TG_OBJECT && tg_doc_type(c->old, other) == TG_OBJECT &&
             c->depth < MAX_DEPTH)
        compare(c, &(struct side){d, value, NULL}, &(struct side){c->old, other, NULL});
    else if (!equal(d, value, c->old, other))
        add(c, TG_DIFF_REPLACE, tg_doc_pointer(d, value), value);
}

/* A member of the old config that the request lacks: where it stood in the request's own text. */
static void compare_gone(struct comparing *c, uint32_t config, uint32_t name)
{
    struct tg_str old = tg_doc_pointer(c->old, name);
    struct tg_str base = tg_doc_pointer(c->r->doc, config);
    size_t last = old.n;

    while (last > 0 && old.p[last - 1] != '/')
        last--;
    CHECK(last > 0);
    add(c, TG_DIFF_REMOVE,
        tg_arena_printf(c->r->arena, "%.*s%.*s", TG_STR_ARG(base), (int)(old.n - last + 1),
                        old.p + last - 1),
        TG_NONE);
}

static void compare(struct comparing *c, const struct side *new, const struct side *old)
{
    if (is_too_much(new->doc, new->object, old->doc, old->object)) {
        add(c, TG_DIFF_REPLACE, tg_doc_pointer(new->doc, new->object), new->object);
        return;
    }
    c->depth++;
    for (uint32_t m = tg_doc_first(new->doc, new->object); m != TG_NONE;
         m = tg_doc_next(new->doc, m)) {
        const struct tg_contract_member *row = row_of(new, m);

        if (!is_passed_over(new, row, m))
            compare_member(c, tg_doc_value(new->doc, m), counterpart(new, row, m, old));
    }
    for (uint32_t m = tg_doc_first(old->doc, old->object); m != TG_NONE && !c->before->partial;
         m = tg_doc_next(old->doc, m)) {
        const struct tg_contract_member *row = row_of(old, m);

        if (!is_passed_over(old, row, m) && counterpart(old, row, m, new) == TG_NONE)
            compare_gone(c, new->object, m);
    }
    c->depth--;
}

/* What the API requires of a whole config (contract section 4). */
static bool is_partial(const struct tg_request *r)
{
    const uint32_t *member = tg_contract_members(r->doc, r->config)->value;

    return tg_contract_is_absent(r->doc, member[TG_WORKER_SERVER_NUM], false) ||
           (tg_contract_is_absent(r->doc, member[TG_SPEC_ID], false) &&
            tg_contract_is_absent(r->doc, member[TG_FLAVOR], false));
}

void tg_diff(struct tg_request *r, struct tg_doc *old, uint32_t old_config,
             struct tg_before *before)
{
    struct comparing c = {.r = r, .old = old, .before = before, .last = &before->changes};

    CHECK(tg_doc_type(r->doc, r->config) == TG_OBJECT && tg_doc_type(old, old_config) == TG_OBJECT);
    before->compared = true;
    before->partial = is_partial(r);
    compare(&c, &(struct side){r->doc, r->config, tg_contract_members(r->doc, r->config)},
            &(struct side){old, old_config, tg_contract_members(old, old_config)});
}
