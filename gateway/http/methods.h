/* The methods of HTTP there are (IANA's registry). */
#ifndef TG_HTTP_METHODS_H
#define TG_HTTP_METHODS_H

#include "base/str.h"

/* In the order of letters; ends with NULL. */
extern const char *const tg_methods[];

/* True when it is one of them. They are compared byte by byte (RFC 9110 section 9.1): "put" is
 * none.
 */
bool tg_method_is_known(struct tg_str method);

/* True for methods whose requests usually have no content (RFC 9110 section 9.3). */
bool tg_method_needs_no_body(struct tg_str method);

#endif
