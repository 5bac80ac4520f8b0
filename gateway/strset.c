#include "strset.h"

#include "check.h"
#include "digest.h"

enum { SMALL = 40 }; /* from so many strings on they are hashed */

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

void tg_strset_init(struct tg_strset *s, struct tg_arena *arena, size_t n)
{
    size_t slots = n < SMALL ? n + 1 : 64; /* a power of two for `mask` */

    while (n >= SMALL && slots < 2 * n)
        slots *= 2;
    *s = (struct tg_strset){tg_arena_zalloc(arena, slots, sizeof(*s->slot)),
                            n < SMALL ? 0 : slots - 1, n, 0};
    if (s->mask == 0)
        return;
    tg_random(&s->key, sizeof(s->key));
    s->key = s->key % (FIELD - 2) + 2;
}

bool tg_strset_add(struct tg_strset *s, struct tg_str text)
{
    size_t at = s->mask == 0 ? 0 : hash(s->key, text) & s->mask;

    CHECK(text.p != NULL);
    while (s->slot[at].p != NULL) {
        if (tg_str_eq(s->slot[at], text))
            return false;
        at = s->mask == 0 ? at + 1 : (at + 1) & s->mask;
    }
    CHECK(s->left > 0);
    s->left--;
    s->slot[at] = text;
    return true;
}
