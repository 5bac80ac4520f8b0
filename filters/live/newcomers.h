/* How many callers that nobody knows yet one address may bring in a minute. Per worker. */
#ifndef TG_LIVE_NEWCOMERS_H
#define TG_LIVE_NEWCOMERS_H

#include "base/str.h"

struct tg_newcomers;

/* An empty table. End it with free(). */
struct tg_newcomers *tg_newcomers_new(void);

/* Counts one in, `now` being monotonic microseconds. False: there were `most` in this minute; an
 * IPv6 address stands for its /64. */
bool tg_newcomers_admit(struct tg_newcomers *n, struct tg_str address, uint64_t now, uint64_t most);

#endif
