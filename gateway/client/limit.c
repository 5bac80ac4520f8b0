/* How many connections of one client count at a time: limit_conn. */
#include "client/connection.h"

bool tg_conn_acquire(struct tg_conn *c, uint64_t now, uint64_t *wait)
{
    const struct tg_limit_rule *rule = &c->server->limit_conn;
    const struct tg_shared *s = c->clients->shared;
    char text[TG_LIMIT_ADDRESS];

    if (rule->most == 0 || c->limit_entry >= 0)
        return true;
    return tg_limit_take(s->limits, tg_shared_number(s), rule,
                         tg_limit_address(tg_str_of(c->address), text), now, &c->limit_entry, wait);
}

void tg_conn_release(struct tg_conn *c)
{
    const struct tg_shared *s = c->clients->shared;

    if (c->limit_entry >= 0)
        tg_limit_release(s->limits, tg_shared_number(s), c->limit_entry);
    c->limit_entry = -1;
}
