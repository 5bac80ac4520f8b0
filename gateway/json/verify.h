/*
 * JSON text to tokens: a strict verifier that proves the text is exactly RFC 8259, then jsmn, which
 * alone takes much that is not. The only file that speaks jsmn is verify.c.
 */
#ifndef TG_JSON_VERIFY_H
#define TG_JSON_VERIFY_H

#include "json/document.h"

enum { TG_JSON_SMALL = 4096 }; /* a text of fewer bytes has an outline without memory of its own */

/*
 * What the structure of a text hangs on: its brackets, and of each name, string, number and word
 * the first and the last byte as two quotes. jsmn makes as many tokens of it as of the whole, in a
 * fraction of the time; without colons and commas each is a child of the container around it.
 */
struct tg_json_outline {
    char *text;       /* brackets and quotes */
    uint32_t *offset; /* where in the text what each of them is for stands */
    uint32_t n;       /* how many */
    uint32_t tokens;  /* values and names */
    uint32_t depth;
    bool escapes;   /* some string or name has a backslash */
    uint32_t *heap; /* the memory of both when the text is not small; owned */
    char small_text[TG_JSON_SMALL];
    uint32_t small_offset[TG_JSON_SMALL];
};

/*
 * Checks that `text` is exactly one JSON value (RFC 8259): grammar, UTF-8 without BOM, escapes, no
 * lone surrogates, nothing behind the value but white space, within the limits. One pass, linear,
 * no recursion. Names may still repeat. On success fills *outline, which then stays where it is and
 * is to be ended with tg_json_outline_end(); on failure fills *fault (static texts).
 */
bool tg_json_verify(struct tg_str text, const struct tg_json_limits *limits,
                    struct tg_json_outline *outline, struct tg_json_fault *fault);

/* Frees the memory of a large text's outline; what was counted stays. */
void tg_json_outline_end(struct tg_json_outline *outline);

/*
 * The nodes of a verified text, in jsmn's order and with everything a node has. `node` has room for
 * outline->tokens.
 */
void tg_json_nodes(struct tg_str text, const struct tg_json_outline *outline, struct tg_node *node);

#endif
