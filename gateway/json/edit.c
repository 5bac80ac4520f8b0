/*
 * Changes to a document, and the new text that comes of them. An edit only
 * marks nodes. The text is made by one walk over the nodes in the order of the client's text, so it
 * is linear however many edits there are and in whatever order they were made.
 */
#include "base/chars.h"
#include "base/check.h"
#include "json/document.h"

#include <stdlib.h>

/* --- recording --- */

static bool is_container(const struct tg_doc *d, uint32_t node)
{
    return d->node[node].type == TG_OBJECT || d->node[node].type == TG_ARRAY;
}

/* Also tells the containers around that there is an edit inside; stops where that is known. */
static void mark_edited(struct tg_doc *d, uint32_t node)
{
    d->first_edited = node < d->first_edited ? node : d->first_edited;
    d->last_edited = node > d->last_edited ? node : d->last_edited;
    for (uint32_t n = node; n != TG_NONE; n = d->node[n].parent) {
        bool container = is_container(d, n);

        CHECK(!d->node[n].removed);
        if (container && d->node[n].edited)
            return;
        if (container || n == node)
            d->node[n].edited = true;
    }
}

static struct tg_change *record(struct tg_doc *d, enum tg_change_op op, uint32_t node,
                                const char *why)
{
    struct tg_change *c = tg_arena_zalloc(d->arena, 1, sizeof(*c));

    CHECK(why != NULL && node < d->count);
    c->op = op;
    c->why = why;
    c->pointer = tg_doc_pointer(d, node);
    c->offset = d->node[node].offset;
    c->node = node;
    if (d->last_change != NULL)
        d->last_change->next = c;
    else
        d->changes = c;
    d->last_change = c;
    d->nchanges++;
    return c;
}

/* A name as JSON text. Those that edits give are mostly the contract's own: nothing to escape. */
static struct tg_str quoted(const struct tg_doc *d, struct tg_str name)
{
    struct tg_buf b = {0};
    struct tg_str s;

    if (tg_json_plain(name) == name.n)
        return tg_arena_quote(d->arena, name);
    tg_buf_json(&b, name);
    s = tg_arena_dup(d->arena, tg_buf_str(&b));
    tg_buf_end(&b);
    return s;
}

static bool has_backslash(struct tg_str text)
{
    return memchr(text.p, '\\', text.n) != NULL;
}

static void set_text(struct tg_doc *d, uint32_t node, struct tg_str text)
{
    struct tg_node *n = &d->node[node];

    CHECK(text.n > 0 && text.n <= INT32_MAX);
    n->text = text.p;
    n->len = (uint32_t)text.n;
    n->escaped = (n->type == TG_STRING || n->type == TG_NAME) && has_backslash(text);
    d->growth += text.n;
    mark_edited(d, node);
}

/* The text of a value as it is now; of a container with edits inside it has to be made. */
static struct tg_str current_text(const struct tg_doc *d, uint32_t node)
{
    struct tg_buf b = {0};
    struct tg_str s;

    if (!is_container(d, node) || !d->node[node].edited)
        return tg_doc_text(d, node);
    tg_doc_write_node(d, node, &b);
    s = tg_arena_dup(d->arena, tg_buf_str(&b));
    tg_buf_end(&b);
    return s;
}

/* --- changing --- */

void tg_doc_replace(struct tg_doc *d, uint32_t node, enum tg_node_type type, struct tg_str new_text,
                    const char *why)
{
    struct tg_change *c = record(d, TG_CHANGE_REPLACE, node, why);

    CHECK(!is_container(d, node) && d->node[node].type != TG_NAME);
    CHECK(type == TG_STRING || type == TG_NUMBER || (type >= TG_TRUE && type <= TG_NULL));
    c->old_text = tg_doc_text(d, node);
    c->new_text = tg_arena_dup(d->arena, new_text);
    d->node[node].type = (uint8_t)type;
    set_text(d, node, c->new_text);
}

/* The pointer of a name whose old one is `pointer`: most names stand for themselves in it. */
static struct tg_str renamed(const struct tg_doc *d, struct tg_str pointer, uint32_t name_node)
{
    struct tg_str name = tg_doc_string(d, name_node);
    const char *slash = memrchr(pointer.p, '/', pointer.n);
    size_t n;
    char *out;

    CHECK(slash != NULL);
    if (!tg_chars_are(name, TG_CHAR_NAME))
        return tg_doc_pointer(d, name_node);
    n = (size_t)(slash + 1 - pointer.p);
    out = tg_arena_alloc(d->arena, n + name.n + 1);
    memcpy(out, pointer.p, n);
    memcpy(out + n, name.p, name.n);
    out[n + name.n] = '\0'; /* as all copies in an arena have it */
    return (struct tg_str){out, n + name.n};
}

void tg_doc_rename(struct tg_doc *d, uint32_t name_node, struct tg_str new_name, const char *why)
{
    struct tg_change *c = record(d, TG_CHANGE_RENAME, name_node, why);

    CHECK(d->node[name_node].type == TG_NAME);
    c->old_text = current_text(d, d->node[name_node].child);
    set_text(d, name_node, quoted(d, new_name));
    c->to = renamed(d, c->pointer, name_node);
}

void tg_doc_remove(struct tg_doc *d, uint32_t name_node, const char *why)
{
    struct tg_change *c = record(d, TG_CHANGE_REMOVE, name_node, why);
    struct tg_node *n = &d->node[name_node];

    CHECK(n->type == TG_NAME && n->child != TG_NONE);
    c->old_text = current_text(d, n->child);
    mark_edited(d, name_node);
    n->removed = true;
    if (n->previous != TG_NONE)
        d->node[n->previous].next = n->next;
    else
        d->node[n->parent].child = n->next;
    if (n->next != TG_NONE)
        d->node[n->next].previous = n->previous;
}

static void free_nodes(struct tg_doc *d)
{
    if (d->cap > TG_DOC_LARGE)
        tg_arena_free_apart(d->arena, d->node);
}

static void make_room(struct tg_doc *d)
{
    uint32_t cap = d->cap * 2;
    struct tg_node *more = tg_doc_alloc_nodes(d->arena, cap);

    memcpy(more, d->node, d->count * sizeof(*more));
    free_nodes(d);
    d->node = more;
    d->cap = cap;
}

static uint32_t new_node(struct tg_doc *d, enum tg_node_type type, struct tg_str text,
                         uint32_t parent)
{
    if (d->count == d->cap)
        make_room(d);
    CHECK(text.n > 0 && text.n <= INT32_MAX && d->count < d->cap);
    d->node[d->count] = (struct tg_node){
        .text = text.p,
        .len = (uint32_t)text.n,
        .offset = TG_NONE,
        .next = TG_NONE,
        .previous = TG_NONE,
        .child = TG_NONE,
        .parent = parent,
        .type = (uint8_t)type,
        .escaped = (type == TG_STRING || type == TG_NAME) && has_backslash(text),
    };
    return d->count++;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* White space between the brace and the first member: what is added looks like what is there. */
static struct tg_str indent_of(const struct tg_doc *d, uint32_t object)
{
    const char *from = d->text.p + d->node[object].offset + 1;
    const char *p = from;

    while (is_space(*p))
        p++;
    return (struct tg_str){from, *p == '"' ? (size_t)(p - from) : 0};
}

/* What stands between the first name and its value, the colon. */
static struct tg_str colon_of(const struct tg_doc *d, uint32_t object)
{
    const struct tg_node *name = &d->node[object + 1];
    uint32_t from;

    if (object + 1 >= d->original || name->parent != object)
        return TG_STR(":");
    from = name->offset + name->span;
    return (struct tg_str){d->text.p + from, d->node[object + 2].offset - from};
}

uint32_t tg_doc_add(struct tg_doc *d, uint32_t object, struct tg_str name, enum tg_node_type type,
                    struct tg_str new_text, const char *why)
{
    struct tg_change *c;
    uint32_t member, value;
    uint32_t last = TG_NONE;

    CHECK(object < d->count && d->node[object].type == TG_OBJECT);
    CHECK(d->node[object].offset != TG_NONE);
    mark_edited(d, object);
    member = new_node(d, TG_NAME, quoted(d, name), object);
    value = new_node(d, type, tg_arena_dup(d->arena, new_text), member);
    d->node[member].child = value;
    for (uint32_t m = d->node[object].child; m != TG_NONE; m = d->node[m].next)
        last = m;
    d->node[member].previous = last;
    if (last != TG_NONE)
        d->node[last].next = member;
    else
        d->node[object].child = member;
    d->growth +=
        1 + d->node[member].len + new_text.n + indent_of(d, object).n + colon_of(d, object).n;
    c = record(d, TG_CHANGE_ADD, member, why);
    c->new_text = tg_doc_text(d, value);
    c->offset = d->node[object].offset;
    return value;
}

/* --- the new text --- */

/* A member to insert. */
struct addition {
    uint32_t at; /* offset in the client's text: behind the object's last member */
    uint32_t name;
};

struct writer {
    const struct tg_doc *d;
    char *out;
    uint32_t at; /* the client's text before it is written or left out */
    const struct addition *next;
    const struct addition *end;
};

static void put(struct writer *w, struct tg_str s)
{
    if (s.n > 0)
        memcpy(w->out, s.p, s.n);
    w->out += s.n;
}

static void copy_to(struct writer *w, uint32_t offset)
{
    CHECK(offset >= w->at);
    put(w, (struct tg_str){w->d->text.p + w->at, offset - w->at});
    w->at = offset;
}

/* True when an object has a member of the client's that is not removed and stands before `offset`.
 * Those that are left are linked in the order of the text, added ones (offset TG_NONE) last. */
static bool has_member_before(const struct tg_doc *d, uint32_t object, uint32_t offset)
{
    uint32_t first = d->node[object].child;

    return first != TG_NONE && d->node[first].offset < offset;
}

static void put_addition(struct writer *w, const struct addition *a)
{
    const struct tg_doc *d = w->d;
    uint32_t object = d->node[a->name].parent;
    struct tg_str indent = indent_of(d, object);

    copy_to(w, a->at);
    /* what stood before a first member that was removed is still there */
    if (d->node[object].child != a->name) {
        put(w, TG_STR(","));
        put(w, indent);
    }
    put(w, tg_doc_text(d, a->name));
    put(w, colon_of(d, object));
    put(w, tg_doc_text(d, d->node[a->name].child));
}

/* Everything up to an offset, with the additions that go before it. An addition inside a member
 * that was left out went with it. */
static void advance(struct writer *w, uint32_t offset)
{
    for (; w->next < w->end && w->next->at <= offset; w->next++)
        if (w->next->at >= w->at)
            put_addition(w, w->next);
    copy_to(w, offset);
}

/* Leaves a member out, with the comma before it; where no member is left before it, with the comma
 * behind it, if there is one. */
static void skip_member(struct writer *w, uint32_t name)
{
    const struct tg_doc *d = w->d;
    const struct tg_node *value = &d->node[name + 1];
    uint32_t from = d->node[name].offset;
    uint32_t to = value->offset + value->span;

    CHECK(value->parent == name);
    if (has_member_before(d, d->node[name].parent, from)) {
        do
            from--;
        while (d->text.p[from] != ',');
        while (is_space(d->text.p[from - 1]))
            from--;
    } else {
        uint32_t next = to;

        while (is_space(d->text.p[next]))
            next++;
        if (d->text.p[next] == ',') {
            do
                next++;
            while (is_space(d->text.p[next]));
            to = next;
        }
    }
    if (from > w->at)
        advance(w, from);
    w->at = to;
}

static int by_place(const void *left, const void *right)
{
    const struct addition *a = left, *b = right;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

/* The additions inside a piece of the client's text, by place; in the arena. */
static struct addition *additions(const struct tg_doc *d, uint32_t from, uint32_t to, size_t *n)
{
    struct addition *all = tg_arena_alloc(d->arena, (d->count - d->original) * sizeof(*all));

    *n = 0;
    for (uint32_t i = d->original; i < d->count; i++) {
        const struct tg_node *object;
        uint32_t at;

        if (d->node[i].type != TG_NAME || d->node[i].removed)
            continue;
        object = &d->node[d->node[i].parent];
        if (object->offset < from || object->offset >= to)
            continue;
        at = object->offset + object->span - 1;
        while (is_space(d->text.p[at - 1]))
            at--;
        all[(*n)++] = (struct addition){at, i};
    }
    if (*n > 1)
        qsort(all, *n, sizeof(*all), by_place);
    return all;
}

/* What was edited itself, not only something inside it. */
static void write_edited(struct writer *w, uint32_t node)
{
    const struct tg_node *n = &w->d->node[node];

    if (n->removed) {
        skip_member(w, node);
    } else if (!is_container(w->d, node)) {
        advance(w, n->offset);
        put(w, tg_doc_text(w->d, node));
        w->at = n->offset + n->span;
    }
}

/* Writes a node of the client's text as it will be sent; returns where it ends. */
static char *render(const struct tg_doc *d, uint32_t node, char *out)
{
    uint32_t from = d->node[node].offset;
    uint32_t to = from + d->node[node].span;
    size_t n;
    struct addition *all = additions(d, from, to, &n);
    struct writer w = {d, out, from, all, all + n};
    uint32_t first = node > d->first_edited ? node : d->first_edited;

    for (uint32_t i = first; i < d->original && i <= d->last_edited; i++) {
        const struct tg_node *e = &d->node[i];

        if (e->offset >= to)
            break;
        if (e->edited && e->offset >= w.at) /* else inside a member that was left out */
            write_edited(&w, i);
    }
    advance(&w, to);
    return w.out;
}

void tg_doc_write_node(const struct tg_doc *d, uint32_t node, struct tg_buf *out)
{
    char *p;

    CHECK(node < d->count);
    if (!is_container(d, node) || !d->node[node].edited) {
        tg_buf_add(out, tg_doc_text(d, node));
        return;
    }
    p = tg_buf_room(out, d->node[node].span + d->growth);
    out->n += (size_t)(render(d, node, p) - p);
    CHECK(out->n <= out->cap);
}

struct tg_str tg_doc_result(struct tg_doc *d)
{
    size_t most = d->text.n + d->growth;
    const struct tg_node *root;
    uint32_t behind;
    char *out, *p;

    if (d->nchanges == 0)
        return d->text;
    if (d->rendered == d->nchanges)
        return d->result;
    root = &d->node[0];
    behind = root->offset + root->span;
    /* the white space around the root is not part of any node */
    out = tg_arena_alloc(d->arena, most);
    memcpy(out, d->text.p, root->offset);
    p = render(d, 0, out + root->offset);
    memcpy(p, d->text.p + behind, d->text.n - behind);
    d->result = (struct tg_str){out, (size_t)(p - out) + d->text.n - behind};
    d->rendered = d->nchanges;
    CHECK(d->result.n <= most);
    return d->result;
}

void tg_doc_settle(struct tg_doc *d)
{
    (void)tg_doc_result(d);
    if (d->cap <= TG_DOC_LARGE)
        return;
    free_nodes(d);
    d->node = NULL;
    d->count = d->cap = 0;
    d->beside = NULL;
}
