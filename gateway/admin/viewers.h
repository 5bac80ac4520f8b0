/*
 * Who looks at the feed: GET /events, server-sent events (HTML standard, section 9.2). An event is
 * a record's JSON; `hello` comes first and names the epoch, `skipped` tells how many there were
 * that are not told. Ids are EPOCH.NUMBER.LEFTOUT: who comes back with one (Last-Event-ID, or
 * ?after=) gets what came since, each once. Who takes nothing is dropped.
 */
#ifndef TG_ADMIN_VIEWERS_H
#define TG_ADMIN_VIEWERS_H

#include "shm/stats.h"

#include <event2/http.h>

enum { TG_VIEWERS_MOST = 20 };

struct tg_viewers;

/* For requests that are answered in the loop `base`. `stats` outlives the result. */
struct tg_viewers *tg_viewers_new(struct event_base *base, struct tg_stats *stats);

/* Begins the answer to a request whose output fields are set but for its type. There are fewer than
 * TG_VIEWERS_MOST (CHECKed). */
void tg_viewers_add(struct tg_viewers *v, struct evhttp_request *request);

/* How many there are. */
unsigned tg_viewers_count(const struct tg_viewers *v);

/* Appends what became of events, as Prometheus text. */
void tg_viewers_metrics(const struct tg_viewers *v, struct tg_buf *out);

/* Ends all answers: they ask again, and somebody else answers. */
void tg_viewers_leave(struct tg_viewers *v);

/* Frees everything; after the connections. */
void tg_viewers_end(struct tg_viewers *v);

#endif
