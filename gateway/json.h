/*
 * JSON text to tokens: a strict verifier that proves the text is exactly RFC 8259, then jsmn, which
 * alone takes much that is not. The only file that speaks jsmn is json.c.
 */
#ifndef TG_JSON_H
#define TG_JSON_H

#include "document.h"

/* What the verifier counted. */
struct tg_json_shape {
    uint32_t tokens; /* values and names */
    uint32_t depth;
    bool escapes; /* some string or name has a backslash */
};

/*
 * Checks that `text` is exactly one JSON value (RFC 8259): grammar, UTF-8 without BOM, escapes, no
 * lone surrogates, nothing behind the value but white space, within the limits. One pass, linear,
 * no memory, no recursion. Names may still repeat. On failure fills *fault (static texts).
 */
bool tg_json_verify(struct tg_str text, const struct tg_json_limits *limits,
                    struct tg_json_shape *shape, struct tg_json_fault *fault);

/*
 * The nodes of a verified text, in jsmn's order: type, text, offset, parent and `escaped` are set;
 * `next` and `child` are TG_NONE. `node` has room for shape->tokens.
 */
void tg_json_tokens(struct tg_arena *arena, struct tg_str text, const struct tg_json_shape *shape,
                    struct tg_node *node);

#endif
