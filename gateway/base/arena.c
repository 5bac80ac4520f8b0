/* Arenas: chunks of memory that are released together. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FIRST_CHUNK = 8192 - 64, /* bytes of data: what a PUT of the example with its rules needs */
    KEPT = 65536             /* largest chunk that outlives a reset */
};

struct tg_arena_chunk {
    struct tg_arena_chunk *older;
    size_t size;  /* of data */
    size_t below; /* that of all older ones */
    alignas(max_align_t) char data[];
};

void tg_arena_init(struct tg_arena *a)
{
    *a = (struct tg_arena){0};
}

static void free_chunks(struct tg_arena_chunk *c)
{
    while (c != NULL) {
        struct tg_arena_chunk *older = c->older;

        free(c);
        c = older;
    }
}

void tg_arena_end(struct tg_arena *a)
{
    free_chunks(a->chunk);
    tg_arena_init(a);
}

void tg_arena_wipe(struct tg_arena *a)
{
    for (struct tg_arena_chunk *c = a->chunk; c != NULL; c = c->older)
        explicit_bzero(c->data, c->size);
}

static void use_chunk(struct tg_arena *a, struct tg_arena_chunk *c)
{
    a->chunk = c;
    a->at = c->data;
    a->end = c->data + c->size;
}

/* Chunks double, so the newest is the largest: kept, it soon holds all that a use needs. */
void tg_arena_reset(struct tg_arena *a)
{
    struct tg_arena_chunk *c = a->chunk;

    if (c != NULL && c->size > KEPT) {
        free_chunks(c);
        c = NULL;
    } else if (c != NULL) {
        free_chunks(c->older);
        c->older = NULL;
        c->below = 0;
    }
    tg_arena_init(a);
    if (c != NULL)
        use_chunk(a, c);
}

size_t tg_arena_used(const struct tg_arena *a)
{
    return a->chunk == NULL ? 0 : a->chunk->below + (size_t)(a->at - a->chunk->data);
}

/* Chunks double, so that a large document costs few of them. */
void tg_arena_grow(struct tg_arena *a, size_t n)
{
    size_t size = a->chunk == NULL ? FIRST_CHUNK : a->chunk->size * 2;
    struct tg_arena_chunk *c;

    if (size > (size_t)4 << 20)
        size = (size_t)4 << 20;
    if (size < n)
        size = n;
    c = malloc(sizeof(*c) + size);
    CHECK(c != NULL);
    c->older = a->chunk;
    c->size = size;
    c->below = c->older != NULL ? c->older->below + c->older->size : 0;
    use_chunk(a, c);
}

/* A chunk of its own, below the newest. */
void *tg_arena_alloc_apart(struct tg_arena *a, size_t n)
{
    struct tg_arena_chunk *c = malloc(sizeof(*c) + n);

    CHECK(c != NULL);
    if (a->chunk == NULL)
        tg_arena_grow(a, TG_ARENA_ALIGN);
    c->size = n;
    c->older = a->chunk->older;
    c->below = c->older != NULL ? c->older->below + c->older->size : 0;
    a->chunk->older = c;
    a->chunk->below += n;
    return c->data;
}

void tg_arena_free_apart(struct tg_arena *a, void *p)
{
    struct tg_arena_chunk *newer = a->chunk;
    struct tg_arena_chunk *c =
        (struct tg_arena_chunk *)((uintptr_t)p - offsetof(struct tg_arena_chunk, data));

    newer->below -= c->size;
    for (; newer->older != c; newer = newer->older) {
        CHECK(newer->older != NULL);
        newer->older->below -= c->size;
    }
    newer->older = c->older;
    free(c);
}

void *tg_arena_zalloc(struct tg_arena *a, size_t count, size_t size)
{
    size_t n;
    void *p;

    CHECK(!__builtin_mul_overflow(count, size, &n));
    p = tg_arena_alloc(a, n);
    return memset(p, 0, n);
}

struct tg_str tg_arena_dup(struct tg_arena *a, struct tg_str s)
{
    char *p = tg_arena_alloc(a, s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct tg_str){p, s.n};
}

struct tg_str tg_arena_quote(struct tg_arena *a, struct tg_str s)
{
    char *p = tg_arena_alloc(a, s.n + 3);

    p[0] = '"';
    if (s.n > 0)
        memcpy(p + 1, s.p, s.n);
    p[s.n + 1] = '"';
    p[s.n + 2] = '\0';
    return (struct tg_str){p, s.n + 2};
}

struct tg_str tg_arena_printf(struct tg_arena *a, const char *format, ...)
{
    va_list args;
    int n;
    char *p;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    p = tg_arena_alloc(a, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return (struct tg_str){p, (size_t)n};
}
