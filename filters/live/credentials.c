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

static bool copy_field(struct tg_request *r, const char *name, struct tg_str *out)
{
    struct tg_str value = tg_request_field(r, tg_str_of(name));

    *out = tg_arena_printf(r->arena, "%s: %.*s\r\n", name, TG_STR_ARG(value));
    return value.n > 0;
}

bool tg_live_credentials(struct tg_request *r, struct tg_lookup_ask *ask)
{
    ask->caller = r->principal;
    ask->trusted = is_of_project(r);
    if (r->principal.n == 0)
        return false;
    if (r->credentials == TG_CRED_TOKEN)
        return copy_field(r, "X-Auth-Token", &ask->fields);
    if (r->auth_verified && r->signing != NULL && r->signing->credentials != NULL) {
        ask->signing = r->signing;
        ask->project = r->project_id;
        return true;
    }
    return r->credentials == TG_CRED_BEARER && copy_field(r, "Authorization", &ask->fields);
}
