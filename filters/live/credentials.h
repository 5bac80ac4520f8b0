/* With whose credential a request's own look-ups are made. */
#ifndef TG_LIVE_CREDENTIALS_H
#define TG_LIVE_CREDENTIALS_H

#include "live/lookup.h"

/*
 * Fills what a question says of its caller: caller, trusted, and the fields with the caller's own
 * credential or, where the location signs, the gateway's key. False: the request has none that can
 * be used, and nothing can be asked.
 */
bool tg_live_credentials(struct tg_request *r, struct tg_lookup_ask *ask);

#endif
