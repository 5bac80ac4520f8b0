/* hiredis as a codec. */
#include "keeper/redis.h"

#include "base/check.h"

#include <hiredis.h>
#include <stdlib.h>

struct tg_redis_reader {
    redisReader *codec;
    redisReplyObjectFunctions functions; /* hiredis' own, with bounded lists */
    void *(*make_list)(const redisReadTask *task, int n);
    redisReply *reply; /* handed out last */
};

void tg_redis_command(struct tg_buf *out, const struct tg_str *words, unsigned n)
{
    const char *text[TG_REDIS_ARGS];
    size_t length[TG_REDIS_ARGS];
    char *command;
    int size;

    CHECK(n >= 1 && n <= TG_REDIS_ARGS);
    for (unsigned i = 0; i < n; i++) {
        text[i] = words[i].p;
        length[i] = words[i].n;
    }
    size = (int)redisFormatCommandArgv(&command, (int)n, text, length);
    CHECK(size > 0);
    tg_buf_add(out, (struct tg_str){command, (size_t)size});
    redisFreeCommand(command);
}

/* What a server claims a list to hold is memory before a byte of it has come. */
static void *make_list(const redisReadTask *task, int n)
{
    const struct tg_redis_reader *r = task->privdata;

    return n <= TG_REDIS_ELEMENTS ? r->make_list(task, n) : NULL;
}

struct tg_redis_reader *tg_redis_reader_new(void)
{
    struct tg_redis_reader *r = calloc(1, sizeof(*r));

    CHECK(r != NULL);
    r->codec = redisReaderCreate();
    CHECK(r->codec != NULL);
    r->functions = *r->codec->fn;
    r->make_list = r->functions.createArray;
    r->functions.createArray = make_list;
    r->codec->fn = &r->functions;
    r->codec->privdata = r;
    return r;
}

static void drop_reply(struct tg_redis_reader *r)
{
    if (r->reply != NULL)
        freeReplyObject(r->reply);
    r->reply = NULL;
}

void tg_redis_reader_end(struct tg_redis_reader *r)
{
    if (r == NULL)
        return;
    drop_reply(r);
    redisReaderFree(r->codec);
    free(r);
}

bool tg_redis_feed(struct tg_redis_reader *r, struct tg_str bytes)
{
    return r->codec->len - r->codec->pos + bytes.n <= 2 * TG_REDIS_UNREAD &&
           redisReaderFeed(r->codec, bytes.p, bytes.n) == REDIS_OK;
}

/* As one reply of hiredis is told. */
static struct tg_redis_reply reply_of(const redisReply *reply)
{
    struct tg_redis_reply out = {.kind = TG_REDIS_NOTHING, .inside = reply};

    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        out.kind = TG_REDIS_NUMBER;
        out.number = reply->integer;
        break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        out.kind = TG_REDIS_TEXT;
        out.text = (struct tg_str){reply->str, reply->len};
        break;
    case REDIS_REPLY_ERROR:
        out.kind = TG_REDIS_ERROR;
        out.text = (struct tg_str){reply->str, reply->len};
        break;
    case REDIS_REPLY_ARRAY:
        out.kind = TG_REDIS_LIST;
        out.n = (unsigned)reply->elements;
        break;
    default:
        break;
    }
    return out;
}

bool tg_redis_next(struct tg_redis_reader *r, struct tg_redis_reply *out, bool *bad)
{
    void *reply = NULL;

    drop_reply(r);
    *bad = redisReaderGetReply(r->codec, &reply) != REDIS_OK;
    if (!*bad && reply == NULL)
        *bad = r->codec->len - r->codec->pos > TG_REDIS_UNREAD;
    if (*bad || reply == NULL)
        return false;
    r->reply = reply;
    *out = reply_of(r->reply);
    return true;
}

struct tg_redis_reply tg_redis_at(const struct tg_redis_reply *list, unsigned i)
{
    const redisReply *reply = list->inside;

    if (list->kind != TG_REDIS_LIST || i >= list->n)
        return (struct tg_redis_reply){.kind = TG_REDIS_NOTHING};
    return reply_of(reply->element[i]);
}

struct tg_redis_reply tg_redis_member(const struct tg_redis_reply *list, const char *name)
{
    for (unsigned i = 0; i + 1 < list->n; i += 2)
        if (tg_str_eq(tg_redis_at(list, i).text, tg_str_of(name)))
            return tg_redis_at(list, i + 1);
    return (struct tg_redis_reply){.kind = TG_REDIS_NOTHING};
}
