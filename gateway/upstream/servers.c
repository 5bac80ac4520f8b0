/* Which server of an upstream: whose turn it is, and passive health. */
#include "base/check.h"
#include "upstream/internal.h"

static unsigned number_of(const struct tg_upstream *u, const struct tg_upstream_server_state *home)
{
    CHECK(home >= u->servers && home < u->servers + u->conf->nservers);
    return (unsigned)(home - u->servers);
}

static bool is_down(const struct tg_upstream_server_state *o, uint64_t now)
{
    return o->server->max_fails > 0 &&
           __atomic_load_n(&o->health->down_until, __ATOMIC_RELAXED) > now;
}

static void count_failure(struct tg_upstream *u, struct tg_upstream_server_state *home,
                          enum tg_error error)
{
    const struct tg_upstream_server *o = home->server;

    if (tg_server_failed(home->health, error, o->max_fails, o->fail_timeout,
                         tg_loop_now(u->all->loop)) &&
        u->conf->nservers > 1)
        tg_log(TG_LOG_WARN, "upstream", "server %s of \"%s\" is passed over for %lld ms", o->text,
               u->conf->name.p, (long long)(o->fail_timeout / 1000));
}

void tg_upstream_conn_judge(struct tg_upstream_conn *p, enum tg_error error)
{
    uint64_t bit;

    if (p == NULL || p->home == NULL || tg_server_fault(error) < 0 ||
        (error == TG_E_UPSTREAM_CLOSED && tg_upstream_conn_is_tunnelled(p)))
        return;
    bit = UINT64_C(1) << number_of(p->upstream, p->home);
    if ((p->tried & bit) == 0 && !p->own) /* else it was counted when the connection failed */
        count_failure(p->upstream, p->home, error);
    p->tried |= bit;
}

void tg_upstream_conn_answered(struct tg_upstream_conn *p)
{
    tg_server_answered(p->home->health);
}

/* The next one in turn that is up, among the backups or the others; NULL: none of them is. */
static struct tg_upstream_server_state *pick_up(struct tg_upstream *u, uint64_t tried, bool backup)
{
    uint64_t now = tg_loop_now(u->all->loop);
    unsigned n = u->conf->nservers;

    for (unsigned i = 0; i < n; i++) {
        unsigned at = (u->turn + i) % n;
        struct tg_upstream_server_state *o = &u->servers[at];

        if ((tried & UINT64_C(1) << at) != 0 || o->server->backup != backup || is_down(o, now))
            continue;
        if (tried == 0) /* a second choice takes nobody's turn */
            u->turn = at + 1;
        return o;
    }
    return NULL;
}

/* The one that is up again first. */
static struct tg_upstream_server_state *pick_down(struct tg_upstream *u, uint64_t tried)
{
    struct tg_upstream_server_state *best = NULL;

    for (unsigned i = 0; i < u->conf->nservers; i++) {
        struct tg_upstream_server_state *o = &u->servers[i];

        if ((tried & UINT64_C(1) << i) == 0 &&
            (best == NULL || o->health->down_until < best->health->down_until))
            best = o;
    }
    return best;
}

struct tg_upstream_server_state *tg_upstream_pick(struct tg_upstream *u, uint64_t tried)
{
    struct tg_upstream_server_state *home;

    if (u->conf->nservers == 1)
        return tried == 0 ? &u->servers[0] : NULL;
    home = pick_up(u, tried, false);
    if (home == NULL)
        home = pick_up(u, tried, true);
    return home != NULL ? home : pick_down(u, tried);
}

bool tg_upstream_server_stands_by(const struct tg_upstream_server_state *home)
{
    const struct tg_upstream *u = home->upstream;
    uint64_t now = tg_loop_now(u->all->loop);

    for (unsigned i = 0; home->server->backup && i < u->conf->nservers; i++)
        if (!u->servers[i].server->backup && !is_down(&u->servers[i], now))
            return true;
    return false;
}

void tg_upstream_conn_settle(struct tg_upstream_conn *p, struct tg_upstream_server_state *home)
{
    p->home = home;
    p->server = home->server;
    p->via = home->upstream->proxy != NULL ? home->upstream->proxy : home;
}

bool tg_upstream_conn_move(struct tg_upstream_conn *p)
{
    struct tg_upstream_server_state *home;

    p->tried |= UINT64_C(1) << number_of(p->upstream, p->home);
    home = tg_upstream_pick(p->upstream, p->tried);
    if (home == NULL)
        return false;
    tg_upstream_conn_settle(p, home);
    return true;
}

unsigned tg_upstream_conn_moves(const struct tg_upstream_conn *p)
{
    unsigned failed = (unsigned)__builtin_popcountll(p->tried);

    return p->state == TG_UPSTREAM_CONN_FAILED && failed > 0 ? failed - 1 : failed;
}

unsigned tg_upstream_conn_untried(const struct tg_upstream_conn *p)
{
    uint64_t tried = p->tried | UINT64_C(1) << number_of(p->upstream, p->home);

    return p->upstream->conf->nservers - (unsigned)__builtin_popcountll(tried);
}
