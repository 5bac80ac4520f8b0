/* Keeps the small blocks that libevhtp and libevent free for their next request. */
#include "client/pool.h"

#include <malloc.h>
#include <stdlib.h>

/* A sanitizer is to see each block end. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNPOOLED
#endif
#endif

#if defined(UNPOOLED) || defined(__SANITIZE_ADDRESS__)
enum { KEEP = 0 };
#else
enum { KEEP = 256 }; /* of each size: what some dozens of requests under way have */
#endif

enum { STEP = 16, SIZES = 65 }; /* blocks of up to 1 KB, the least of an evbuffer */

struct block {
    struct block *next;
};

/* By size / STEP, rounded down: those of row i have i * STEP bytes or more. Neither library hands
 * a context to its memory functions. */
static struct {
    struct block *first;
    unsigned n;
} kept[SIZES];

void *tg_pool_take(size_t n)
{
    size_t size = n > 0 ? (n - 1) / STEP + 1 : 1;
    struct block *b;

    if (size >= SIZES)
        return malloc(n);
    b = kept[size].first;
    if (b == NULL)
        return malloc(size * STEP);
    kept[size].first = b->next;
    kept[size].n--;
    return b;
}

void tg_pool_give(void *block)
{
    size_t size = block != NULL ? malloc_usable_size(block) / STEP : 0;
    struct block *b = block;

    if (size == 0 || size >= SIZES || kept[size].n >= KEEP) {
        free(block);
        return;
    }
    b->next = kept[size].first;
    kept[size].first = b;
    kept[size].n++;
}

void tg_pool_empty(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        while (kept[i].first != NULL) {
            struct block *b = kept[i].first;

            kept[i].first = b->next;
            free(b);
        }
        kept[i].n = 0;
    }
}
