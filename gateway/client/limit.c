/* How many connections of one client count at a time: limit_conn. */
#include "client/connection.h"

bool tg_conn_acquire(struct tg_conn *c, uint64_t now, uint64_t *wait)
{
    const struct tg_limit_rule *rule = &c->server->limit_conn;
    const struct tg_shared *s = c->clients->shared;
    char text[TG_LIMIT_ADDRESS];
    struct tg_limit_grant grant;

    if (rule->most == 0 || c->limit_entry >= 0)
        return true;
    c->beyond_limit = !tg_limit_take(s->limits, tg_shared_number(s), rule,
                                     tg_limit_address(tg_str_of(c->address), text), now, &grant);
    c->limit_entry = grant.entry;
    *wait = grant.wait;
    return !c->beyond_limit;
}

void tg_conn_count(struct tg_conn *c)
{
    uint64_t wait;

    if (c->clients->shared->limits != NULL)
        (void)tg_conn_acquire(c, tg_loop_now(c->clients->loop), &wait);
    if (c->server->limit_conn.dry_run)
        c->beyond_limit = false;
}

void tg_conn_release(struct tg_conn *c)
{
    const struct tg_shared *s = c->clients->shared;

    if (c->limit_entry >= 0)
        tg_limit_release(s->limits, tg_shared_number(s), c->limit_entry);
    c->limit_entry = -1;
}
