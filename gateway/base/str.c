/* String slices: comparing, numbers, and how near two words are. */
#include "base/str.h"

/* --- without regard to case --- */

/* Eight bytes at once, in any byte order: they may differ in the bit of the case alone, and only
 * where they are letters. Rare, and kept out of its caller's loop: names are spelt as usual. */
__attribute__((noinline)) static bool equal_ignoring_case(uint64_t a, uint64_t b)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t differ = a ^ b;
    uint64_t low = (a | ones * 0x20) & ones * 0x7f; /* lower case, without the upper half */
    uint64_t letters =                              /* the upper bit of a byte: it is one */
        (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z')) & ~a;

    return (differ & ~(ones * 0x20)) == 0 && (differ << 2 & ~letters) == 0;
}

/* Fewer than eight bytes in one word. */
static uint64_t word_of(const char *p, size_t n)
{
    struct tg_str_words w = tg_str_words((struct tg_str){p, n});

    return w.last << 32 | w.first;
}

bool tg_str_alike(const char *a, const char *b, size_t n)
{
    uint64_t x, y;

    if (n < sizeof(x)) {
        x = word_of(a, n);
        y = word_of(b, n);
        return x == y || equal_ignoring_case(x, y);
    }
    for (size_t left = n; left > 0; left -= sizeof(x)) {
        if (left < sizeof(x))
            left = sizeof(x); /* the first ones once more, instead of fewer */
        memcpy(&x, a + left - sizeof(x), sizeof(x));
        memcpy(&y, b + left - sizeof(y), sizeof(y));
        if (x != y && !equal_ignoring_case(x, y))
            return false;
    }
    return true;
}

/* --- numbers and distances --- */

bool tg_str_u64(struct tg_str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0 || s.n > 20 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

size_t tg_str_distance(struct tg_str a, struct tg_str b)
{
    size_t row[65];
    size_t above[65] = {0}; /* the row before the last one */

    if (a.n > 64 || b.n > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        size_t corner = 0; /* two above, two to the left */

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                corner + 1 < best)
                best = corner + 1;
            corner = above[j - 1];
            above[j - 1] = diagonal;
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}
