/* Remembers the names of tokens that came of late, so that their HMAC is computed once. */
#include "audit/token_cache.h"

#include "base/check.h"
#include "base/crypto.h"

#include <stdlib.h>

struct caller {
    char *token; /* owned; NULL: free */
    size_t n;
    unsigned idle; /* ticks since it came last */
    unsigned name_n;
    char name[TG_TOKEN_CACHE_NAME];
};

struct tg_token_cache {
    struct caller at[TG_TOKEN_CACHE];
};

struct tg_token_cache *tg_token_cache_new(void)
{
    struct tg_token_cache *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    return c;
}

static void forget(struct caller *e)
{
    if (e->token != NULL)
        tg_wipe(e->token, e->n);
    free(e->token);
    *e = (struct caller){.token = NULL};
}

void tg_token_cache_end(struct tg_token_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < TG_TOKEN_CACHE; i++)
        forget(&c->at[i]);
    free(c);
}

static uint64_t word_at(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* The one place a token can be in. Tokens of one issuer begin alike; what tells them apart stands
 * in the middle and, a signature, at the end. NULL for one that is not kept. */
static struct caller *place_of(struct tg_token_cache *c, struct tg_str token)
{
    uint64_t middle, last;

    if (token.n < sizeof(last) || token.n > TG_TOKEN_CACHE_TOKEN)
        return NULL;
    middle = word_at(token.p + (token.n - sizeof(last)) / 2);
    last = word_at(token.p + token.n - sizeof(last));
    return &c->at[((middle + token.n) * 0x9e3779b97f4a7c15 ^ last * 0xc2b2ae3d27d4eb4f) >> 32 &
                  (TG_TOKEN_CACHE - 1)];
}

struct tg_str tg_token_cache_find(struct tg_token_cache *c, struct tg_str token)
{
    struct caller *e = place_of(c, token);

    if (e == NULL || e->token == NULL || !tg_equal_secret((struct tg_str){e->token, e->n}, token))
        return (struct tg_str){NULL, 0};
    e->idle = 0;
    return (struct tg_str){e->name, e->name_n};
}

void tg_token_cache_keep(struct tg_token_cache *c, struct tg_str token, struct tg_str name)
{
    struct caller *e = place_of(c, token);

    CHECK(name.n > 0 && name.n <= TG_TOKEN_CACHE_NAME);
    if (e == NULL)
        return;
    forget(e);
    e->token = malloc(token.n);
    CHECK(e->token != NULL);
    memcpy(e->token, token.p, token.n);
    memcpy(e->name, name.p, name.n);
    e->n = token.n;
    e->name_n = (unsigned)name.n;
}

void tg_token_cache_tick(struct tg_token_cache *c)
{
    for (size_t i = 0; i < TG_TOKEN_CACHE; i++)
        if (c->at[i].token != NULL && ++c->at[i].idle >= TG_TOKEN_CACHE_KEEP_TICKS)
            forget(&c->at[i]);
}

unsigned tg_token_cache_count(const struct tg_token_cache *c)
{
    unsigned n = 0;

    for (size_t i = 0; i < TG_TOKEN_CACHE; i++)
        n += c->at[i].token != NULL;
    return n;
}
