/* The credential of a request, as its own look-ups use it. */
#include "live/credentials.h"

#include "chain/user.h"
#include "signing/signing.h"

/* The identity service, or the list of keys, has told that the caller is of the path's project. */
static bool is_of_project(const struct tg_request *r)
{
    if (r->auth_verified)
        return true; /* `verify` has looked at the key's projects */
    return r->user != NULL && r->project_id.n > 0 && tg_str_eq(r->user->project_id, r->project_id);
}

static bool take_field(const struct tg_request *r, struct tg_str name, struct tg_field *out)
{
    *out = (struct tg_field){name, tg_request_field(r, name)};
    return out->value.n > 0;
}

bool tg_live_credentials(struct tg_request *r, struct tg_lookup_ask *ask)
{
    ask->caller = r->principal;
    ask->trusted = is_of_project(r);
    if (r->principal.n == 0)
        return false;
    if (r->credentials == TG_CRED_TOKEN)
        return take_field(r, TG_STR("X-Auth-Token"), &ask->fields[0]);
    if (r->auth_verified && r->signing != NULL && r->signing->credentials != NULL) {
        ask->signing = r->signing;
        ask->project = r->project_id;
        return true;
    }
    return r->credentials == TG_CRED_BEARER &&
           take_field(r, TG_STR("Authorization"), &ask->fields[0]);
}
