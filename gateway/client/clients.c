/* The connections of a worker as a whole: listening, room for more, shedding, and their end. */
#include "client/clients.h"

#include "base/check.h"
#include "client/connection.h"
#include "client/evhtp.h"
#include "client/pool.h"

#include <stdlib.h>

/* One address of one server. */
struct tg_client_listener {
    struct tg_clients *clients;
    const struct tg_server_conf *server;
    const struct tg_listen *listen;
    struct tg_evhtp *evhtp; /* owned */
    struct tg_client_listener *next;
};

/* --- room for one more --- */

bool tg_clients_has_room(const struct tg_clients *all)
{
    return all->live < all->most;
}

/* The first rank that gives way and how long one of it has waited at most; TG_RANK_NEVER: none. */
static enum tg_conn_rank first_rank(const struct tg_clients *all, uint64_t now, uint64_t *most)
{
    enum tg_conn_rank first = TG_RANK_NEVER;

    *most = 0;
    for (const struct tg_conn *c = all->first; c != NULL; c = c->next) {
        enum tg_conn_rank rank = tg_conn_rank(c, now);
        uint64_t waiting = tg_conn_waiting_time(c, now);

        if (rank < first) {
            first = rank;
            *most = 0;
        }
        if (rank == first && waiting > *most)
            *most = waiting;
    }
    return first;
}

/* True when a connection may be closed for a new one. */
static bool can_shed(const struct tg_clients *all)
{
    uint64_t most;

    return first_rank(all, tg_loop_now(all->loop), &most) < TG_RANK_NEVER;
}

/* Closes some of the first rank, unless that is beyond `last`. */
static bool shed(struct tg_clients *all, enum tg_conn_rank last)
{
    static const char *const words[] = {[TG_RANK_NEEDLESS] = "needless",
                                        [TG_RANK_PARTIAL] = "slow",
                                        [TG_RANK_IDLE] = "idle",
                                        [TG_RANK_WITHHELD] = "withholding"};
    uint64_t now = tg_loop_now(all->loop), most;
    enum tg_conn_rank rank = first_rank(all, now, &most);
    unsigned closed = 0;

    if (rank > last)
        return false;
    for (struct tg_conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        if (tg_conn_rank(c, now) != rank || tg_conn_waiting_time(c, now) < most - most / 16)
            continue;
        closed += tg_conn_give_way(c);
    }
    if (closed > 0)
        tg_log(TG_LOG_WARN, "worker", "%u %s connections closed to make room for others", closed,
               words[rank]);
    return closed > 0;
}

bool tg_clients_shed(struct tg_clients *all)
{
    return shed(all, TG_RANK_IDLE);
}

/* With all connections in use the next one takes the place of one that waits for its
 * client, or waits in the kernel's
 * queue until one ends or becomes idle. */
static void clients_make_room(struct tg_clients *all)
{
    bool over = all->live > all->most;

    if (tg_clients_has_room(all) || (over ? shed(all, TG_RANK_WITHHELD) : can_shed(all)))
        return;
    for (struct tg_client_listener *l = all->listeners; l != NULL; l = l->next)
        tg_evhtp_pause(l->evhtp);
}

/* --- listening --- */

static void clients_on_accept(void *owner, struct evhtp_connection *evhtp, int fd,
                              const struct sockaddr *address)
{
    const struct tg_client_listener *l = owner;

    tg_conn_new(l->clients, l->server, l->listen, evhtp, fd, address);
    clients_make_room(l->clients);
}

static bool may_accept(void *owner)
{
    const struct tg_client_listener *l = owner;

    return tg_clients_has_room(l->clients) || can_shed(l->clients);
}

static bool made_room(void *owner, int error)
{
    const struct tg_client_listener *l = owner;

    return tg_loop_made_room(l->clients->loop, error);
}

static const struct tg_evhtp_events events = {clients_on_accept, may_accept, made_room};

static void open_listener(struct tg_clients *all, const struct tg_server_conf *server,
                          const struct tg_listen *listen)
{
    struct tg_client_listener *l = calloc(1, sizeof(*l));

    CHECK(l != NULL);
    l->clients = all;
    l->server = server;
    l->listen = listen;
    l->evhtp = tg_evhtp_open(all->loop->base, listen->fd, listen->text, &events, l);
    l->next = all->listeners;
    all->listeners = l;
}

void tg_clients_open(struct tg_clients *all, const struct tg_settings *settings)
{
    CHECK(all->loop != NULL && all->shared != NULL && all->events != NULL);
    all->most = (unsigned)settings->worker_connections;
    for (struct tg_server_conf *s = settings->servers; s != NULL; s = s->next) {
        if (s->tls_server != NULL && settings->tickets != NULL)
            tg_tls_server_tickets(s->tls_server, settings->tickets);
        for (const struct tg_listen *l = s->listens; l != NULL; l = l->next)
            open_listener(all, s, l);
    }
}

void tg_clients_stop(struct tg_clients *all)
{
    for (struct tg_client_listener *l = all->listeners; l != NULL; l = l->next)
        tg_evhtp_stop(l->evhtp);
}

void tg_clients_end(struct tg_clients *all)
{
    CHECK(all->first == NULL && all->live == 0);
    while (all->listeners != NULL) {
        struct tg_client_listener *l = all->listeners;

        all->listeners = l->next;
        tg_evhtp_end(l->evhtp);
        free(l);
    }
}

/* --- connections --- */

void tg_clients_add(struct tg_clients *all, struct tg_conn *c)
{
    c->next = all->first;
    if (c->next != NULL)
        c->next->previous = c;
    all->first = c;
    all->live++;
    if (all->shared->slot != NULL)
        all->shared->slot->counts.accepted++;
}

void tg_clients_remove(struct tg_clients *all, struct tg_conn *c)
{
    bool was_full = !tg_clients_has_room(all);

    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        all->first = c->next;
    CHECK(all->live > 0);
    all->live--;
    if (was_full && !all->loop->draining)
        for (struct tg_client_listener *l = all->listeners; l != NULL; l = l->next)
            tg_evhtp_accept(l->evhtp, true);
}

void tg_clients_drain_idle(struct tg_clients *all)
{
    uint64_t now = tg_clock_mono_now();

    for (struct tg_conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        tg_conn_drain_idle(c, now);
    }
}

void tg_clients_close(struct tg_clients *all)
{
    while (all->first != NULL)
        tg_conn_close(all->first);
}

void tg_clients_trim(void)
{
    tg_pool_empty();
}
