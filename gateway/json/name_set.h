/*
 * A set of strings, to find what stands twice. A few are simply compared; many are hashed with a
 * key that is drawn per set: whoever chooses the strings cannot make them collide, so adding stays
 * constant in time.
 */
#ifndef TG_JSON_NAME_SET_H
#define TG_JSON_NAME_SET_H

#include "base/arena.h"

struct tg_name_set {
    struct tg_arena *arena; /* borrowed */
    struct tg_str *slot;    /* p == NULL: free; a small set fills them from the start */
    size_t mask;            /* slots - 1; 0: a small set */
    size_t used;
    size_t most;  /* strings that may be added */
    uint64_t key; /* of the hash; a small set: a bit for each first byte and length it has */
};

/* Makes a set for at most `n` strings. Its memory is the arena's, apart where they are many: end it
 * with tg_name_set_end(). */
void tg_name_set_init(struct tg_name_set *s, struct tg_arena *arena, size_t n);

/* Frees what a large set takes. */
void tg_name_set_end(struct tg_name_set *s);

/* Adds a string, which must live as long as the set and have p != NULL (CHECKed). Returns false
 * when an equal one is in the set already. */
bool tg_name_set_add(struct tg_name_set *s, struct tg_str text);

#endif
