/*
 * What the audit log calls the tokens that came of late. A client sends the same one, often some
 * kilobytes, with every request; to compare it costs a fraction of its HMAC.
 *
 * Tokens are secrets. One is found only when it is the same in every byte, and how long that takes
 * tells no more than its length. Few are kept, none for more than a minute after it came last, and
 * what is given up is wiped. What they are called holds under one key: the table ends with it.
 */
#ifndef TG_AUDIT_TOKEN_CACHE_H
#define TG_AUDIT_TOKEN_CACHE_H

#include "base/str.h"

enum {
    TG_TOKEN_CACHE = 64,           /* kept at most */
    TG_TOKEN_CACHE_TOKEN = 16384,  /* bytes of a token that is kept */
    TG_TOKEN_CACHE_NAME = 48,      /* bytes of what the log calls it */
    TG_TOKEN_CACHE_KEEP_TICKS = 60 /* since it came last */
};

struct tg_token_cache;

/* An empty table. End it with tg_token_cache_end(). */
struct tg_token_cache *tg_token_cache_new(void);

/* Wipes and frees all of it. NULL is fine. */
void tg_token_cache_end(struct tg_token_cache *c);

/* What a token is called, or a slice with p == NULL. Good until the next call on the table. */
struct tg_str tg_token_cache_find(struct tg_token_cache *c, struct tg_str token);

/* Keeps what a token is called, perhaps in the place of another one. A token that is too long is
 * not kept. */
void tg_token_cache_keep(struct tg_token_cache *c, struct tg_str token, struct tg_str name);

/* To be called once a second. Wipes what has not come for TG_TOKEN_CACHE_KEEP_TICKS of them. */
void tg_token_cache_tick(struct tg_token_cache *c);

/* How many are kept now. */
unsigned tg_token_cache_count(const struct tg_token_cache *c);

#endif
