/*
 * A JSON document as filters see it: the tokens of the client's own bytes, with edits on top.
 *
 * Nothing is decoded and printed again. Nodes point into the client's text; an edit gives one node
 * another text, takes a member off the list of its siblings or appends one. What goes upstream is
 * the client's bytes with these edits spliced in at the places the nodes remember, so spelling,
 * order and spacing survive, and what the rules see through these functions is exactly what is
 * sent.
 *
 * jsmn numbers the nodes: node 0 is the whole value, children follow their parent. An object's
 * children are its names (TG_NAME), each with its value as only child.
 */
#ifndef TG_JSON_DOCUMENT_H
#define TG_JSON_DOCUMENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"

enum { TG_NONE = UINT32_MAX }; /* no node, no offset */

enum tg_node_type {
    TG_OBJECT = 1,
    TG_ARRAY,
    TG_STRING,
    TG_NUMBER,
    TG_TRUE,
    TG_FALSE,
    TG_NULL,
    TG_NAME
};

struct tg_node {
    const char *text; /* JSON text: strings and names with their quotes; edited text if edited */
    uint32_t len;
    uint32_t offset; /* in the client's text, also for edited nodes; TG_NONE for added ones */
    uint32_t span;   /* length in the client's text, also for edited nodes; 0 for added ones */
    uint32_t next;   /* sibling, or TG_NONE; removed members are no longer linked */
    uint32_t previous;
    uint32_t child;  /* first child, or TG_NONE */
    uint32_t parent; /* TG_NONE for the root */
    uint32_t index;  /* of an array's element, from 0; else 0 */
    uint8_t type;    /* enum tg_node_type */
    bool escaped;    /* a string or name with a backslash in its text */
    bool edited;     /* has another text than the client wrote; a container: has an edit inside */
    bool removed;    /* a name that is no longer linked */
};

/* One applied change, as RFC 6902 will tell it. */
enum tg_change_op { TG_CHANGE_REPLACE = 1, TG_CHANGE_RENAME, TG_CHANGE_REMOVE, TG_CHANGE_ADD };

struct tg_change {
    enum tg_change_op op;
    const char *why;        /* the switch's name, e.g. "key_to_label"; static or configuration */
    struct tg_str pointer;  /* RFC 6901, of the place before the change */
    struct tg_str to;       /* RENAME: pointer after it */
    struct tg_str old_text; /* JSON text before (all but ADD) */
    struct tg_str new_text; /* JSON text after (REPLACE, ADD) */
    uint32_t offset;        /* of the changed place in the client's text */
    uint32_t node;          /* what was changed: a name (RENAME, REMOVE, ADD) or a value */
    struct tg_change *next;
};

/* Documents of more nodes have them apart, where tg_doc_settle() can free them. */
enum { TG_DOC_LARGE = 4096 };

struct tg_doc {
    struct tg_arena *arena; /* borrowed */
    struct tg_str text;     /* the client's bytes; borrowed */
    struct tg_node *node;   /* those of the text in its order, then added ones */
    uint32_t count;
    uint32_t cap;
    uint32_t original;         /* how many nodes the text has */
    uint32_t first_edited;     /* no node before it was edited itself, */
    uint32_t last_edited;      /* nor one behind it */
    size_t growth;             /* bytes the edits can add, at most */
    struct tg_change *changes; /* in the order they were made */
    struct tg_change *last_change;
    unsigned nchanges;
    struct tg_str result; /* of tg_doc_result() after `rendered` changes */
    unsigned rendered;
    void *beside; /* what its reader keeps of the nodes, such as look-ups; NULL at first. In the
                     arena. The changes tell the reader what no longer holds. */
};

enum {
    TG_JSON_MAX_DEPTH = 256,   /* largest max_depth: closing a bracket costs up to the depth */
    TG_JSON_MAX_REPEATED = 200 /* duplicates reported */
};

/* What a document may cost. */
struct tg_json_limits {
    uint32_t max_depth;  /* of nesting, 1 for a flat object; at most TG_JSON_MAX_DEPTH */
    uint32_t max_tokens; /* values and names together */
};

enum tg_json_fault_kind {
    TG_JSON_SYNTAX = 1, /* not RFC 8259 */
    TG_JSON_UTF8,       /* not UTF-8, BOM, lone surrogate */
    TG_JSON_DUPLICATE,  /* a name twice in one object, compared after unescaping */
    TG_JSON_DEPTH,
    TG_JSON_TOKENS,
};

/* Why a text was not taken. */
struct tg_json_fault {
    enum tg_json_fault_kind kind;
    uint32_t offset;            /* where in the text */
    const char *message;        /* English, without a place; static */
    const char *message_zh;     /* Chinese */
    struct tg_str pointer;      /* of the member (DUPLICATE), else empty; in the arena */
    struct tg_json_fault *next; /* the next duplicate in the text; in the arena */
};

/*
 * Reads `text` (at most 2 GB) strictly as RFC 8259: UTF-8 without BOM, no duplicate names, no lone
 * surrogates, nothing behind the value, within the limits. Time is linear in the text, whatever
 * its shape. On success fills *d; node memory comes from the arena, `text` must outlive *d.
 * Otherwise returns false and fills *fault: the first one, or all duplicates (at most
 * TG_JSON_MAX_REPEATED, fewer when their pointers are together longer than the text).
 */
bool tg_doc_parse(struct tg_doc *d, struct tg_arena *arena, struct tg_str text,
                  const struct tg_json_limits *limits, struct tg_json_fault *fault);

/* --- looking; `node` is a number below d->count (CHECKed) --- */

/* What a node is. Constant time, like all that look at one node. */
static inline enum tg_node_type tg_doc_type(const struct tg_doc *d, uint32_t node)
{
    return (enum tg_node_type)d->node[node].type;
}

/* The first element of an array, or the name of the first member of an object; TG_NONE: there is
 * none. */
static inline uint32_t tg_doc_first(const struct tg_doc *d, uint32_t node)
{
    return d->node[node].child;
}

/* The element or name behind an element or name; TG_NONE: it is the last. */
static inline uint32_t tg_doc_next(const struct tg_doc *d, uint32_t node)
{
    return d->node[node].next;
}

/* The value that belongs to a name. */
static inline uint32_t tg_doc_value(const struct tg_doc *d, uint32_t name)
{
    return d->node[name].child;
}

/* The name of a member's value, the array of an element, the object of a name; TG_NONE: the node is
 * the root. */
static inline uint32_t tg_doc_parent(const struct tg_doc *d, uint32_t node)
{
    return d->node[node].parent;
}

/* Where a node begins in the client's text, in bytes; TG_NONE: an edit added the node. */
static inline uint32_t tg_doc_offset(const struct tg_doc *d, uint32_t node)
{
    return d->node[node].offset;
}

/* The JSON text of a value or name as it will be sent. For containers with edits inside it is the
 * client's text: use tg_doc_write_node(). */
static inline struct tg_str tg_doc_text(const struct tg_doc *d, uint32_t node)
{
    return (struct tg_str){d->node[node].text, d->node[node].len};
}

/* The value of a string or name that has escapes, in the arena; tg_doc_string() calls it. */
struct tg_str tg_doc_unescape(const struct tg_doc *d, uint32_t node);

/* The value of a string or name, unescaped (in the arena when it had escapes, else the text). */
static inline struct tg_str tg_doc_string(const struct tg_doc *d, uint32_t node)
{
    const struct tg_node *n = &d->node[node];

    CHECK(node < d->count && (n->type == TG_STRING || n->type == TG_NAME));
    return n->escaped ? tg_doc_unescape(d, node) : (struct tg_str){n->text + 1, n->len - 2};
}

/* The value of a member of an object: a value node, or TG_NONE. Linear in the object's members. */
uint32_t tg_doc_member(const struct tg_doc *d, uint32_t object, struct tg_str name);

/* tg_doc_is() for a string or name that has escapes; tg_doc_is() calls it. */
bool tg_doc_is_escaped(const struct tg_doc *d, uint32_t node, struct tg_str value);

/* True when a string or name node has exactly this value. */
static inline bool tg_doc_is(const struct tg_doc *d, uint32_t node, struct tg_str value)
{
    const struct tg_node *n = &d->node[node];

    CHECK(node < d->count && (n->type == TG_STRING || n->type == TG_NAME));
    if (n->escaped)
        return tg_doc_is_escaped(d, node, value);
    return n->len == value.n + 2 && tg_str_same(n->text + 1, value.p, value.n);
}

/* True when a number is a canonical integer in the range of int64_t: -?(0|[1-9][0-9]*), not "-0".
 */
bool tg_doc_integer(const struct tg_doc *d, uint32_t node, int64_t *out);

/* The RFC 6901 pointer of a value node (of its value for a TG_NAME), in the arena. */
struct tg_str tg_doc_pointer(const struct tg_doc *d, uint32_t node);

/* The node an RFC 6901 pointer leads to, or TG_NONE. */
uint32_t tg_doc_find(const struct tg_doc *d, struct tg_str pointer);

/* A place in a text, both from 1; columns count code points. Lines end with LF, CRLF or CR. */
struct tg_place {
    unsigned line;
    unsigned column;
};

/* The places of offsets in a text (at most its length; CHECKed), in the time it takes to read the
 * text once. An offset of TG_NONE gives {0, 0}. */
void tg_doc_places(struct tg_str text, const uint32_t *offsets, unsigned n, struct tg_place *out);

/* --- changing; `why` names the normalization, `new_text` is JSON text and is copied. What was
 * removed, or stands inside something removed, is not changed any more (CHECKed). --- */

/* Replaces a value that is not a container by another one of `type`. */
void tg_doc_replace(struct tg_doc *d, uint32_t node, enum tg_node_type type, struct tg_str new_text,
                    const char *why);

/* Gives a member another name (plain text, not JSON). */
void tg_doc_rename(struct tg_doc *d, uint32_t name_node, struct tg_str new_name, const char *why);

/* Removes a member with its value and one comma. The node stays readable but is not linked. */
void tg_doc_remove(struct tg_doc *d, uint32_t name_node, const char *why);

/* Adds a member at the end of an object of the client's text (CHECKed), spaced as that object's
 * first member is; returns its value node. The object has no member of that name yet. `new_text`
 * must be a string, number, literal or empty container. */
uint32_t tg_doc_add(struct tg_doc *d, uint32_t object, struct tg_str name, enum tg_node_type type,
                    struct tg_str new_text, const char *why);

/* --- results --- */

/* The document as it will be sent: the client's own bytes when nothing was changed, else a new text
 * in the arena. */
struct tg_str tg_doc_result(struct tg_doc *d);

/*
 * Ends the looking at a document: makes the result and, where there are more than TG_DOC_LARGE
 * nodes, frees them, many times what a text of short values takes. Such a document has no nodes
 * (`count` is 0) from then on: its result and its changes are all that may be asked for.
 */
void tg_doc_settle(struct tg_doc *d);

/* The memory of that many nodes; tg_doc_parse() and tg_doc_add() ask for it. */
struct tg_node *tg_doc_alloc_nodes(struct tg_arena *arena, uint32_t n);

/* Appends one node as it will be sent. */
void tg_doc_write_node(const struct tg_doc *d, uint32_t node, struct tg_buf *out);

/* A patch that is kept. It says why, and in place of tests what was replaced or removed, as members
 * more, which RFC 6902 allows (section 4); it does not tell all values. */
struct tg_patch_record {
    /* False: the change has no `was`, and "(hidden)" as its new value. Not asked of a rename. */
    bool (*tells)(void *owner, const struct tg_change *c);
    void *owner;
};

/* Appends the changes as an RFC 6902 patch (a JSON array on one line). Applying it to the client's
 * document gives the result, unless `record` (NULL: none) hides some of it. Without one there is a
 * `test` before each change (but an addition: the RFC cannot test that something is absent). "[]"
 * when nothing was changed. */
void tg_doc_patch(const struct tg_doc *d, const struct tg_patch_record *record, struct tg_buf *out);

#endif
