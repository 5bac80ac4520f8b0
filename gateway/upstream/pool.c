/* The connections of an upstream: the pool, the limits, and who waits for one. */
#include "base/check.h"
#include "upstream/internal.h"

#include <stdlib.h>

/* --- the pool --- */

static struct tg_upstream_conn *take_idle(struct tg_upstream_server_state *home)
{
    struct tg_upstream_conn *p = home->idle;

    if (p == NULL)
        return NULL;
    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    CHECK(p->state == TG_UPSTREAM_CONN_IDLE && p->home == home);
    home->idle = p->sibling;
    p->upstream->nidle--;
    p->sibling = NULL;
    p->state = TG_UPSTREAM_CONN_BUSY;
    p->reused = true;
    p->own = false;
    p->tried = 0;
    tg_timer_clear(&p->timer);
    return p;
}

/* An idle connection of any server. */
static struct tg_upstream_conn *take_any_idle(struct tg_upstream *u)
{
    for (unsigned i = 0; u->nidle > 0 && i < u->conf->nservers; i++)
        if (u->servers[i].idle != NULL)
            return take_idle(&u->servers[i]);
    return NULL;
}

static void leave_pool(struct tg_upstream_conn *p)
{
    for (struct tg_upstream_conn **at = &p->home->idle; *at != NULL; at = &(*at)->sibling)
        if (*at == p) {
            *at = p->sibling;
            p->upstream->nidle--;
            return;
        }
    TG_UNREACHABLE();
}

/* --- limits --- */

static bool is_full(const struct tg_upstream *u)
{
    return u->conf->max_connections > 0 && u->nopen >= (unsigned)u->conf->max_connections;
}

static void enqueue(struct tg_upstream *u, struct tg_upstream_conn *p)
{
    p->state = TG_UPSTREAM_CONN_PENDING;
    tg_upstream_queue_add(&u->pending, p);
    u->npending += !p->own;
}

static void leave_queue(struct tg_upstream_conn *p)
{
    CHECK(p->state == TG_UPSTREAM_CONN_PENDING && (p->own || p->upstream->npending > 0));
    tg_upstream_queue_remove(&p->upstream->pending, p);
    p->upstream->npending -= !p->own;
}

static void start(struct tg_upstream_conn *p, struct tg_upstream_server_state *home)
{
    CHECK(home != NULL && p->home == NULL);
    p->upstream->nopen++;
    p->begun = tg_loop_now(p->upstream->all->loop);
    tg_upstream_conn_settle(p, home);
    p->state =
        TG_UPSTREAM_CONN_CONNECTING; /* it is in no queue any more, even if it fails at once */
    tg_upstream_conn_begin(p);
}

/* The oldest of the queue gets an idle connection, or makes its own. */
static void serve_one(struct tg_upstream *u)
{
    struct tg_upstream_conn *p = u->pending.first;
    struct tg_upstream_conn *idle = p->retry ? NULL : take_any_idle(u);

    CHECK(p->owner != NULL);
    leave_queue(p);
    if (idle == NULL) {
        start(p, tg_upstream_pick(u, 0));
        return;
    }
    p->state = TG_UPSTREAM_CONN_CONNECTING; /* in no list any more */
    idle->events = p->events;
    idle->owner = p->owner;
    idle->own = p->own;
    tg_upstream_conn_end(&p);
    idle->events->on_ready(idle->owner, idle);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct tg_upstream *u = arg;

    (void)fd, (void)what;
    while (u->pending.first != NULL && (u->nidle > 0 || !is_full(u))) {
        if (u->pending.first->retry &&
            is_full(u)) { /* wants a connection of its own: an idle one goes */
            struct tg_upstream_conn *old = take_any_idle(u);

            tg_upstream_conn_end(&old);
        }
        serve_one(u);
    }
}

/* A connection came free. Who waits for it goes on from the loop: the caller may be deep inside
 * another request. */
static void wake(struct tg_upstream *u)
{
    if (u->pending.first != NULL)
        event_active(&u->wake, EV_TIMEOUT, 0);
}

bool tg_upstream_conn_may_retry(const struct tg_upstream_conn *p)
{
    return p->upstream->nretries < (unsigned)p->upstream->conf->max_retries;
}

/* --- take, give, end --- */

static struct tg_upstream_conn *new_conn(struct tg_upstream *u, unsigned use)
{
    struct tg_upstream_conn *p = calloc(1, sizeof(*p));
    bool retry = (use & TG_UPSTREAM_RETRY) != 0;

    CHECK(p != NULL);
    p->magic = TG_UPSTREAM_CONN_MAGIC;
    p->upstream = u;
    p->socket.fd = -1;
    p->deadline = tg_loop_now(u->all->loop) + (uint64_t)u->conf->connect_timeout;
    p->retry = retry;
    u->nretries += retry;
    tg_timer_init(&p->timer, u->all->loop->base, tg_upstream_conn_on_deadline, p);
    u->all->live++;
    return p;
}

static struct tg_upstream *find_upstream(struct tg_upstreams *all,
                                         const struct tg_upstream_conf *conf)
{
    for (struct tg_upstream *u = all->first; u != NULL; u = u->next)
        if (u->conf == conf)
            return u;
    TG_UNREACHABLE();
}

/* No connection is idle and one more is not allowed. */
static void wait_or_refuse(struct tg_upstream *u, struct tg_upstream_conn *p)
{
    if (!p->own && u->npending >= (unsigned)u->conf->max_pending) {
        tg_upstream_conn_fail(p, TG_E_OVERLOADED, "max_pending requests wait for the upstream");
        return;
    }
    enqueue(u, p);
    if (u->nidle > 0) /* a retry takes none of them, but the place of one */
        wake(u);
}

struct tg_upstream_conn *tg_upstream_take(struct tg_upstreams *all,
                                          const struct tg_upstream_conf *conf, unsigned use,
                                          const struct tg_upstream_conn_events *events, void *owner)
{
    struct tg_upstream *u = find_upstream(all, conf);
    struct tg_upstream_server_state *home = tg_upstream_pick(u, 0);
    struct tg_upstream_conn *p = NULL;
    bool retry = (use & TG_UPSTREAM_RETRY) != 0;

    CHECK(owner != NULL && home != NULL);
    if (!retry)
        p = take_idle(home);
    if (p == NULL && !retry && is_full(u))
        p = take_any_idle(u);
    if (p == NULL)
        p = new_conn(u, use);
    p->events = events;
    p->owner = owner;
    p->own = (use & TG_UPSTREAM_OWN) != 0;
    if (p->state == TG_UPSTREAM_CONN_BUSY)
        return p;
    if (is_full(u))
        wait_or_refuse(u, p);
    else
        start(p, home);
    return p;
}

static void end_retry(struct tg_upstream_conn *p)
{
    CHECK(!p->retry || p->upstream->nretries > 0);
    p->upstream->nretries -= p->retry;
    p->retry = false;
}

void tg_upstream_conn_give(struct tg_upstream_conn **conn)
{
    struct tg_upstream_conn *p = *conn;
    struct tg_upstream *u = p->upstream;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    CHECK(p->state == TG_UPSTREAM_CONN_BUSY);
    p->requests++;
    end_retry(p);
    if (u->nidle >= (unsigned)u->conf->keepalive || u->all->loop->draining ||
        tg_upstream_server_stands_by(p->home) ||
        (u->conf->keepalive_requests > 0 && p->requests >= (uint64_t)u->conf->keepalive_requests)) {
        tg_upstream_conn_end(conn);
        return;
    }
    *conn = NULL;
    p->owner = NULL;
    p->state = TG_UPSTREAM_CONN_IDLE;
    p->in.n = 0;
    tg_buf_end(&p->failed);
    p->sibling = p->home->idle;
    p->home->idle = p;
    u->nidle++;
    CHECK(u->nidle <= u->nopen);
    tg_socket_read_on(&p->socket);
    tg_timer_set(&p->timer, tg_loop_now(u->all->loop), u->conf->keepalive_timeout);
    wake(u);
}

void tg_upstream_conn_end(struct tg_upstream_conn **conn)
{
    struct tg_upstream_conn *p = *conn;
    struct tg_upstream *u;

    if (p == NULL)
        return;
    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    *conn = NULL;
    u = p->upstream;
    if (p->state == TG_UPSTREAM_CONN_IDLE)
        leave_pool(p);
    else if (p->state == TG_UPSTREAM_CONN_PENDING)
        leave_queue(p);
    else if (p->state == TG_UPSTREAM_CONN_RESOLVING)
        tg_upstream_queue_remove(&p->via->waiting, p);
    end_retry(p);
    tg_timer_end(&p->timer);
    tg_buf_end(&p->in);
    tg_buf_end(&p->failed);
    free(p->why);
    p->why = NULL;
    CHECK(u->all->live > 0 && (p->home == NULL || u->nopen > 0));
    u->all->live--;
    u->nopen -= p->home != NULL;
    p->owner = NULL;
    wake(u);
    tg_upstream_conn_disconnect(p);
    p->magic = 0;
    free(p);
}

/* --- all of them --- */

const struct tg_upstream_conf *tg_upstreams_find(const struct tg_upstreams *all, struct tg_str name)
{
    for (const struct tg_upstream *u = all->first; u != NULL; u = u->next)
        if (tg_str_eq(u->conf->name, name))
            return u->conf;
    return NULL;
}

static void open_server(struct tg_upstream *u, struct tg_upstream_server_state *state,
                        const struct tg_upstream_server *o)
{
    state->upstream = u;
    state->server = o;
    state->health = &state->own;
    tg_upstream_queue_init(&state->waiting);
}

static struct tg_upstream *open_one(struct tg_upstreams *all, const struct tg_upstream_conf *c)
{
    struct tg_upstream *u = calloc(1, sizeof(*u));
    unsigned i = 0;

    CHECK(u != NULL && c->nservers > 0 && c->nservers <= TG_MAX_UPSTREAM_SERVERS);
    u->all = all;
    u->conf = c;
    tg_upstream_queue_init(&u->pending);
    u->servers = calloc(c->nservers, sizeof(*u->servers));
    CHECK(u->servers != NULL);
    for (const struct tg_upstream_server *o = c->servers; o != NULL; o = o->next, i++)
        open_server(u, &u->servers[i], o);
    CHECK(i == c->nservers);
    if (c->proxy != NULL) {
        u->proxy = calloc(1, sizeof(*u->proxy));
        CHECK(u->proxy != NULL);
        open_server(u, u->proxy, &c->proxy->server);
    }
    CHECK(event_assign(&u->wake, u->all->loop->base, -1, 0, on_wake, u) == 0);
    return u;
}

void tg_upstreams_open(struct tg_upstreams *all, struct tg_loop *loop,
                       const struct tg_upstream_conf *conf)
{
    all->loop = loop;
    all->resolver = tg_resolver_new(loop->base, TG_RESOLV_CONF, TG_HOSTS);
    for (; conf != NULL; conf = conf->next) {
        struct tg_upstream *u = open_one(all, conf);

        u->next = all->first;
        all->first = u;
    }
}

void tg_upstreams_share(struct tg_upstreams *all, struct tg_server_table *table)
{
    for (struct tg_upstream *u = all->first; u != NULL; u = u->next)
        for (unsigned i = 0; i < u->conf->nservers; i++)
            if (u->servers[i].server->number > 0)
                u->servers[i].health = &table->at[u->servers[i].server->number - 1];
}

void tg_upstreams_close_idle(struct tg_upstreams *all)
{
    for (struct tg_upstream *u = all->first; u != NULL; u = u->next)
        for (unsigned i = 0; i < u->conf->nservers; i++)
            while (u->servers[i].idle != NULL) {
                struct tg_upstream_conn *p = u->servers[i].idle;

                tg_upstream_conn_end(&p);
            }
}

static struct tg_upstream *with_most_idle(const struct tg_upstreams *all)
{
    struct tg_upstream *most = all->first;

    for (struct tg_upstream *u = all->first; u != NULL; u = u->next)
        if (u->nidle > most->nidle)
            most = u;
    return most;
}

bool tg_upstreams_shed(struct tg_upstreams *all)
{
    struct tg_upstream *u = with_most_idle(all);
    struct tg_upstream_conn *p = NULL;

    for (unsigned i = 0; u != NULL && p == NULL && i < u->conf->nservers; i++)
        p = u->servers[i].idle;
    if (p == NULL)
        return false;
    while (p->sibling != NULL)
        p = p->sibling;
    tg_upstream_conn_end(&p);
    return true;
}

void tg_upstreams_end(struct tg_upstreams *all)
{
    tg_upstreams_close_idle(all);
    while (all->first != NULL) {
        struct tg_upstream *u = all->first;

        CHECK(u->pending.first == NULL);
        all->first = u->next;
        event_del(&u->wake);
        for (unsigned i = 0; i < u->conf->nservers; i++)
            tg_upstream_server_end(&u->servers[i]);
        if (u->proxy != NULL)
            tg_upstream_server_end(u->proxy);
        free(u->proxy);
        free(u->servers);
        free(u);
    }
    tg_resolver_end(all->resolver);
    all->resolver = NULL;
}
