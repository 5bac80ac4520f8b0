/*
 * An arena: many small allocations, one release. Three of them exist in the gateway, one per
 * lifetime: configuration, connection, exchange. A pointer never goes from a longer life to a
 * shorter one.
 *
 * It has no ceiling: what is put into it is bounded by the limits on the input it is made from, as
 * there are for heads, bodies, their values and files. An arena never returns NULL; out of memory
 * ends the process.
 */
#ifndef TG_BASE_ARENA_H
#define TG_BASE_ARENA_H

#include "base/check.h"
#include "base/str.h"

#include <stdalign.h>

struct tg_arena_chunk;

struct tg_arena {
    struct tg_arena_chunk *chunk; /* newest first; owned */
    char *at;                     /* next free byte of the newest chunk */
    char *end;
};

/* Makes an empty arena. Allocates nothing yet. End it with tg_arena_end(). */
void tg_arena_init(struct tg_arena *a);

/* Frees all memory. The arena is as after tg_arena_init(). */
void tg_arena_end(struct tg_arena *a);

/* Overwrites all memory of the arena, whose allocations must not be used any more; for secrets,
 * before tg_arena_end(). */
void tg_arena_wipe(struct tg_arena *a);

/* Forgets all allocations but keeps the largest chunk (up to 64 KB) for reuse. */
void tg_arena_reset(struct tg_arena *a);

/* How many bytes its allocations take, what chunks before the newest have left over included. */
size_t tg_arena_used(const struct tg_arena *a);

enum { TG_ARENA_ALIGN = alignof(max_align_t) };

/* Makes room for `n` bytes; tg_arena_alloc() calls it. */
void tg_arena_grow(struct tg_arena *a, size_t n);

/* `n` bytes, aligned for any type, not initialised. `n` may be 0. Never NULL. */
static inline void *tg_arena_alloc(struct tg_arena *a, size_t n)
{
    /* nothing takes a place too: an arena without a chunk has no pointer to give */
    size_t rounded = (n + (n == 0) + (TG_ARENA_ALIGN - 1)) & ~(size_t)(TG_ARENA_ALIGN - 1);
    void *p;

    CHECK(rounded >= n);
    if ((size_t)(a->end - a->at) < rounded)
        tg_arena_grow(a, rounded);
    p = a->at;
    a->at += rounded;
    return p;
}

/* The same as tg_arena_alloc(), but apart from all else, so that tg_arena_free_apart() can free it
 * before the arena ends: for what is large and needed for a while. */
void *tg_arena_alloc_apart(struct tg_arena *a, size_t n);

/* Frees what tg_arena_alloc_apart() of the same arena gave. */
void tg_arena_free_apart(struct tg_arena *a, void *p);

/* Room for `count` objects of `size` bytes, zeroed and aligned for any type. `count * size` that
 * overflows is a bug and CHECKed. Never NULL. */
void *tg_arena_zalloc(struct tg_arena *a, size_t count, size_t size);

/* A copy of `s`, with a NUL behind it that does not count. */
struct tg_str tg_arena_dup(struct tg_arena *a, struct tg_str s);

/* A copy of `s` between double quotes, with a NUL behind it that does not count. */
struct tg_str tg_arena_quote(struct tg_arena *a, struct tg_str s);

/* A formatted string, with a NUL behind it that does not count. */
struct tg_str tg_arena_printf(struct tg_arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
