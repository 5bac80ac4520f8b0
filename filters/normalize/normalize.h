/* Normalizing a config that is nobody's request. */
#ifndef TG_NORMALIZE_H
#define TG_NORMALIZE_H

#include "chain/request.h"

/*
 * Applies the normalizations that are on unless switched off (contract section 3) to the config a
 * service has stored: r->doc is its document and the config its root, an object; `r` is a request
 * made for it alone (tg_request_init()), whose report gets what cannot be repaired.
 */
void tg_normalize_stored(struct tg_request *r);

#endif
