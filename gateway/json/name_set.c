/* A set of names: compared one by one while they are few, hashed when they are many. */
#include "json/name_set.h"

#include "base/check.h"
#include "base/crypto.h"

enum {
    SMALL = 40,  /* from so many strings on they are hashed */
    APART = 4096 /* slots from which on the set's memory is freed before the arena's */
};

/*
 * A polynomial over the text's words, evaluated at a random point of the field of 2^61-1 elements:
 * two different texts of n words meet with a chance of at most n / 2^61, whoever chose them.
 */
#define FIELD (((uint64_t)1 << 61) - 1)

static uint64_t multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t sum = (uint64_t)(product & FIELD) + (uint64_t)(product >> 61);

    return sum >= FIELD ? sum - FIELD : sum;
}

/* Seven bytes a word: below the field's size. */
static uint64_t hash(uint64_t key, struct tg_str s)
{
    uint64_t value = s.n + 1;

    for (size_t i = 0; i < s.n; i += 7) {
        uint64_t word = 0;

        memcpy(&word, s.p + i, s.n - i < 7 ? s.n - i : 7);
        value = multiply(value, key) + word;
    }
    /* once more, or texts that differ in their last word alone would be neighbours */
    return multiply(value >= FIELD ? value - FIELD : value, key);
}

void tg_name_set_init(struct tg_name_set *s, struct tg_arena *arena, size_t n)
{
    size_t slots = 64; /* a power of two for `mask` */

    *s = (struct tg_name_set){.arena = arena, .most = n};
    if (n < SMALL) {
        s->slot = tg_arena_alloc(arena, n * sizeof(*s->slot));
        return;
    }
    while (slots < 2 * n)
        slots *= 2;
    s->slot = slots >= APART ? tg_arena_alloc_apart(arena, slots * sizeof(*s->slot))
                             : tg_arena_alloc(arena, slots * sizeof(*s->slot));
    memset(s->slot, 0, slots * sizeof(*s->slot));
    s->mask = slots - 1;
    tg_random(&s->key, sizeof(s->key));
    s->key = s->key % (FIELD - 2) + 2;
}

void tg_name_set_end(struct tg_name_set *s)
{
    if (s->mask + 1 >= APART)
        tg_arena_free_apart(s->arena, s->slot);
}

/* A small set is only searched for a text whose like is in it. */
static bool add_small(struct tg_name_set *s, struct tg_str text)
{
    unsigned first = text.n > 0 ? (unsigned char)text.p[0] : 0;
    uint64_t bit = (uint64_t)1 << ((first + 5 * text.n) & 63);

    if (s->key & bit)
        for (size_t i = 0; i < s->used; i++)
            if (tg_str_eq(s->slot[i], text))
                return false;
    CHECK(s->used < s->most);
    s->key |= bit;
    s->slot[s->used++] = text;
    return true;
}

bool tg_name_set_add(struct tg_name_set *s, struct tg_str text)
{
    size_t at;

    CHECK(text.p != NULL);
    if (s->mask == 0)
        return add_small(s, text);
    at = hash(s->key, text) & s->mask;
    while (s->slot[at].p != NULL) {
        if (tg_str_eq(s->slot[at], text))
            return false;
        at = (at + 1) & s->mask;
    }
    CHECK(s->used < s->most);
    s->used++;
    s->slot[at] = text;
    return true;
}
