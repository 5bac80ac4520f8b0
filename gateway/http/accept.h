/* What a client wants to be answered in: Accept and Accept-Language (RFC 9110 section 12.5). Pure.
 */
#ifndef TG_HTTP_ACCEPT_H
#define TG_HTTP_ACCEPT_H

#include "base/str.h"

/* One element of such a field. */
struct tg_accept {
    struct tg_str range;   /* of media types or languages, as sent */
    struct tg_str version; /* its parameter of that name; empty: none */
    unsigned weight;       /* 0 to 1000; a weight that is none (section 12.4.2) counts as 0 */
};

/* Takes the next element off *list; false when there is none left. */
bool tg_accept_next(struct tg_str *list, struct tg_accept *out);

/* The weight of the range that names a media type itself, the greatest of several, 0 when none
 * does. One whose version is not `version` is of another type; an empty `version` lets every one
 * be. */
unsigned tg_accept_weight(struct tg_str list, struct tg_str type, struct tg_str version);

#endif
