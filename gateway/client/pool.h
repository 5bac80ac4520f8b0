/*
 * The memory of libevhtp and libevent, which make and free the same few small objects for each
 * request: what they give back is kept for the next one. Every block is one of malloc(), so it does
 * not matter who frees it. One for the process, which has one thread.
 */
#ifndef TG_CLIENT_POOL_H
#define TG_CLIENT_POOL_H

#include <stddef.h>

/* At least `n` bytes, or NULL without memory. */
void *tg_pool_take(size_t n);

/* Gives a block of malloc() back, or keeps it. NULL is fine. */
void tg_pool_give(void *block);

/* Gives all that is kept back to malloc(). */
void tg_pool_empty(void);

#endif
