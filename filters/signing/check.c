/* What both ways to know a caller share: refusals, failures and their locks. */
#include "signing/check.h"

#include "base/clock.h"

enum tg_verdict tg_check_refuse(const struct tg_check *c, enum tg_error error, const char *detail)
{
    return tg_reply(c->r, error, detail, detail);
}

/* The address failures are counted for: the client's, of a unix socket the user at its other end.
 */
static struct tg_str check_address(const struct tg_check *c)
{
    if (!c->r->peer.known)
        return c->r->client_address;
    return tg_arena_printf(c->r->arena, "uid:%u", c->r->peer.uid);
}

enum tg_verdict tg_check_lock(const struct tg_check *c, struct tg_str name, const char *detail)
{
    unsigned locked = tg_signing_locked(c->locks, name, check_address(c), tg_clock_mono_now());

    if (locked == 0)
        return TG_NEXT;
    c->r->retry_after = locked;
    return tg_check_refuse(c, TG_E_AUTH_LOCKED, detail);
}

enum tg_verdict tg_check_fail(const struct tg_check *c, struct tg_str name, enum tg_error error,
                              const char *detail)
{
    unsigned locked = tg_signing_failed(c->locks, name, check_address(c), tg_clock_mono_now());

    tg_client_key_failed(c->keys, tg_client_keys_find(c->keys, name),
                         locked > 0 ? tg_clock_wall_now() / 1000000 + locked : 0);
    return tg_check_refuse(c, error, detail);
}

void tg_check_pass(const struct tg_check *c)
{
    tg_signing_passed(c->locks, c->key->access_key, check_address(c));
    c->r->principal = c->key->principal;
}
