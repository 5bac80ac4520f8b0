/* The addresses of an upstream's servers and its proxy: looked up, kept, and who waits for them. */
#include "base/check.h"
#include "base/log.h"
#include "upstream/internal.h"

static bool is_fresh(const struct tg_upstream_server_state *home, uint64_t now)
{
    return home->addresses.n > 0 &&
           (home->server->literal || (home->valid_until > now && home->ttl_until > now));
}

/* Whoever waits goes on; some may come back at once, for another server. */
static void wake_waiting(struct tg_upstream_server_state *home, const char *why)
{
    struct tg_upstream_conn *p = home->waiting.first;

    CHECK(home->addresses.n > 0 || why != NULL);
    tg_upstream_queue_init(&home->waiting);
    for (struct tg_upstream_conn *next; p != NULL; p = next) {
        next = p->sibling;
        p->sibling = NULL;
        tg_timer_clear(&p->timer);
        p->state = TG_UPSTREAM_CONN_CONNECTING; /* in no queue any more */
        home->on_looked_up(p, home->addresses.n > 0 ? NULL : why);
    }
}

/* Records hold no longer than they say, but for a second at least (RFC 1035 section 3.2.1). */
static uint64_t end_of_records(const struct tg_name_addresses *found, uint64_t now)
{
    uint64_t seconds = found->ttl > 0 ? found->ttl : 1;

    return found->ttl == UINT32_MAX ? UINT64_MAX : now + seconds * 1000000;
}

static void on_addresses(void *owner, const struct tg_name_addresses *found, bool last)
{
    struct tg_upstream_server_state *home = owner;
    const struct tg_upstream *u = home->upstream;
    uint64_t now = tg_loop_now(u->all->loop), end = end_of_records(found, now);
    bool more = home->looks_for_more;

    home->looks_for_more = !last;
    if (last)
        home->lookup = NULL;
    if (!more) /* else the time runs since the first family came */
        home->valid_until = now + (uint64_t)u->conf->resolve_valid;
    if (!more || end < home->ttl_until)
        home->ttl_until = end;
    tg_addresses_resolved(&home->addresses, found, home->server->port);
    wake_waiting(home, NULL);
}

/* A name that cannot be resolved now keeps the addresses it had. */
static void on_failed(void *owner, const char *why)
{
    struct tg_upstream_server_state *home = owner;
    const struct tg_upstream *u = home->upstream;

    home->lookup = NULL;
    if (home->addresses.n > 0) {
        home->valid_until = tg_loop_now(u->all->loop) + (uint64_t)u->conf->resolve_valid;
        home->ttl_until = UINT64_MAX;
        tg_log(TG_LOG_WARN, "upstream", "%s; the addresses of before go on", why);
    }
    wake_waiting(home, why);
}

static const struct tg_lookup_events lookup_events = {on_addresses, on_failed};

/* One look-up at a time, with most of the time a connection may take: the rest is for TCP and TLS.
 * One that has found a family, and whose addresses are old already, makes room for a new one. */
static void look_up(struct tg_upstream_server_state *home)
{
    const struct tg_upstream *u = home->upstream;

    if (home->looks_for_more) {
        tg_lookup_cancel(home->lookup);
        home->lookup = NULL;
        home->looks_for_more = false;
    }
    if (home->lookup == NULL)
        home->lookup = tg_lookup_start(u->all->resolver, home->server->host,
                                       u->conf->connect_timeout * 3 / 4, &lookup_events, home);
}

bool tg_upstream_conn_await_addresses(struct tg_upstream_conn *p,
                                      tg_upstream_looked_up *on_looked_up)
{
    struct tg_upstream_server_state *home = p->via;

    if (home->server->literal && home->addresses.n == 0)
        tg_addresses_literal(&home->addresses, home->server->host, home->server->port);
    if (is_fresh(home, tg_loop_now(p->upstream->all->loop)))
        return false;
    p->state = TG_UPSTREAM_CONN_RESOLVING;
    home->on_looked_up = on_looked_up;
    tg_upstream_queue_add(&home->waiting, p);
    look_up(home);
    return true;
}

void tg_upstream_server_end(struct tg_upstream_server_state *home)
{
    CHECK(home->waiting.first == NULL);
    tg_lookup_cancel(home->lookup);
    home->lookup = NULL;
}
