/*
 * The connection to a store of limits: found, secured, greeted, and given up when it fails. Several
 * servers are asked in turn for the first that says it is master (HELLO, Redis 6). Calls are
 * answered in their order; the first that is not answered in time ends the connection, since what
 * stands behind it is late too, and the next one is the probe.
 */
#ifndef TG_KEEPER_STORE_LINK_H
#define TG_KEEPER_STORE_LINK_H

#include "keeper/redis.h"
#include "settings/settings.h"
#include "shm/limit_stores.h"

#include <event2/event.h>

enum { TG_STORE_CALLS = 4096 /* without an answer; more are not taken */ };

struct tg_store_link;

/* What a link tells its owner. */
struct tg_store_link_events {
    /* A master is there and takes calls. */
    void (*on_greeted)(void *owner);
    /* The answer to the oldest call without one, given with tg_store_link_call(), after `us`
     * microseconds. The owner may drop the link. */
    void (*on_reply)(void *owner, void *call, const struct tg_redis_reply *reply, uint64_t us);
    /* There will be no answer; whether the call was done is not known. */
    void (*on_lost)(void *owner, void *call);
    /* The connection, or the attempt at one, has failed, and every call is lost; `why` is a
     * sentence without its full stop. The next attempt follows by itself. */
    void (*on_down)(void *owner, enum tg_limit_call what, const char *why);
};

/* Prepares a link; `conf` and what it holds outlive it. End it with tg_store_link_end(). */
struct tg_store_link *tg_store_link_new(struct event_base *base,
                                        const struct tg_limit_store_conf *conf,
                                        const struct tg_store_link_events *events, void *owner);

/* Begins the first attempt. */
void tg_store_link_start(struct tg_store_link *l);

/* How many calls it takes now; 0 unless it was greeted. */
unsigned tg_store_link_room(const struct tg_store_link *l);

/* How many calls are without an answer. */
unsigned tg_store_link_pending(const struct tg_store_link *l);

/* Appends a call; there is room. `call` is handed back with its answer. */
void tg_store_link_call(struct tg_store_link *l, const struct tg_str *words, unsigned n,
                        void *call);

/* Sends what was appended, in one write. */
void tg_store_link_flush(struct tg_store_link *l);

/* Gives the connection up for what an answer said, as on_down tells it. */
void tg_store_link_drop(struct tg_store_link *l, enum tg_limit_call what, const char *why);

/* The store has shown that it counts: the next failure is a first one. */
void tg_store_link_proved(struct tg_store_link *l);

/* The server it speaks with, or tries: "HOST:PORT", or "unix:PATH". */
const char *tg_store_link_server(const struct tg_store_link *l);

/* What an error of the server is. */
enum tg_limit_call tg_store_link_judge(struct tg_str error);

/* Frees it; the owner is told nothing any more. NULL is fine. */
void tg_store_link_end(struct tg_store_link *l);

#endif
