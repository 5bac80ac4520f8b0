/*
 * Who may ask on an address. A browser shows pages of anyone, and any page can make it send
 * requests: what is asked under a name that is not the gateway's is refused, since that name may be
 * made to lead here (DNS rebinding). Where not only this machine can connect, a token is wanted,
 * as Bearer (RFC 6750) or as the password of Basic (RFC 7617), which browsers ask for.
 */
#ifndef TG_ADMIN_PROTECT_H
#define TG_ADMIN_PROTECT_H

#include "settings/settings.h"

/* True when a Host field, port or not, is an IP literal, localhost, or a `server_name` of the admin
 * block. */
bool tg_admin_knows_host(const struct tg_settings *s, struct tg_str host);

/* True when the value of an Authorization field has the token. Its time tells nothing of it. */
bool tg_admin_knows_token(const struct tg_settings *s, struct tg_str authorization);

#endif
