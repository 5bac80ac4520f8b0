/*
 * What a request would change of the config that stands there: operations of RFC 6902 that make the
 * stored config the request's own. Members that are null, empty or the service's own count as not
 * there; numbers are compared by value, lists as a whole.
 */
#ifndef TG_LIVE_DIFF_H
#define TG_LIVE_DIFF_H

#include "chain/before.h"
#include "chain/request.h"

/*
 * Compares the config `old_config` in `old` with the request's own; both are objects. The result is
 * in the request's arena, in the order of the request's members, then of those that are gone.
 * Without a member that the API requires the request is partial: then nothing is gone.
 */
void tg_diff(struct tg_request *r, struct tg_doc *old, uint32_t old_config,
             struct tg_before *before);

#endif
