/*
 * The protocol of Redis (RESP 2) as bytes: commands out, replies in. redis.c is the only file that
 * speaks hiredis, and takes nothing of it but the codec.
 */
#ifndef TG_KEEPER_REDIS_H
#define TG_KEEPER_REDIS_H

#include "base/buf.h"

enum {
    TG_REDIS_ELEMENTS = 256, /* of one list in a reply; more is nonsense */
    TG_REDIS_UNREAD = 65536, /* bytes of a reply that is not whole yet; more is nonsense */
    TG_REDIS_ARGS = 16,      /* words of a command */
};

enum tg_redis_kind {
    TG_REDIS_NOTHING = 1, /* nil */
    TG_REDIS_NUMBER,
    TG_REDIS_TEXT, /* a bulk or a simple string */
    TG_REDIS_ERROR,
    TG_REDIS_LIST
};

/* A reply or an element of one. */
struct tg_redis_reply {
    enum tg_redis_kind kind;
    int64_t number;     /* of a number */
    struct tg_str text; /* of a text, or an error without its "-" */
    unsigned n;         /* elements of a list */
    const void *inside; /* for tg_redis_at() */
};

struct tg_redis_reader;

/* Appends a command of 1 to TG_REDIS_ARGS words. */
void tg_redis_command(struct tg_buf *out, const struct tg_str *words, unsigned n);

/* A reader of what one connection sends. End it with tg_redis_reader_end(). */
struct tg_redis_reader *tg_redis_reader_new(void);

/* NULL is fine. */
void tg_redis_reader_end(struct tg_redis_reader *r);

/* Takes bytes in. False: they are no RESP, or too much of it; the connection is of no use. */
bool tg_redis_feed(struct tg_redis_reader *r, struct tg_str bytes);

/*
 * The next whole reply, which is good until the next call. False: there is none, and *bad tells
 * whether what came is nonsense.
 */
bool tg_redis_next(struct tg_redis_reader *r, struct tg_redis_reply *out, bool *bad);

/* The element `i` of a list; nothing beyond its end. */
struct tg_redis_reply tg_redis_at(const struct tg_redis_reply *list, unsigned i);

/* The element behind the text `name` in a list of names and values; nothing without it. */
struct tg_redis_reply tg_redis_member(const struct tg_redis_reply *list, const char *name);

#endif
