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

static bool has_room(const struct tg_clients *all)
{
    return all->live < all->most;
}

/* Who has just connected, or has just had an answer, is about to send something. */
enum { MIN_IDLE_US = 100000 };

static bool is_sheddable(const struct tg_conn *c, uint64_t now)
{
    return tg_conn_is_idle(c) && tg_conn_idle_time(c, now) >= MIN_IDLE_US;
}

/* True when a connection has been idle long enough to be closed for a new one. */
static bool can_shed(const struct tg_clients *all)
{
    uint64_t now = tg_clock_mono_now();

    for (const struct tg_conn *c = all->first; c != NULL; c = c->next)
        if (is_sheddable(c, now))
            return true;
    return false;
}

/* Closes a share of the idle connections, those idle longest. A sixteenth of the span between the
 * one that is idle longest and the newest goes at once, so that the walk over all connections is
 * not made for each new one. False when none is idle (enough). */
static bool shed(struct tg_clients *all)
{
    uint64_t now = tg_clock_mono_now(), most = 0;
    unsigned closed = 0;

    for (const struct tg_conn *c = all->first; c != NULL; c = c->next)
        if (is_sheddable(c, now) && tg_conn_idle_time(c, now) > most)
            most = tg_conn_idle_time(c, now);
    for (struct tg_conn *c = all->first, *next; most > 0 && c != NULL; c = next) {
        next = c->next;
        if (!is_sheddable(c, now) || tg_conn_idle_time(c, now) < most - most / 16)
            continue;
        tg_conn_close(c);
        closed++;
    }
    if (closed > 0)
        tg_log(TG_LOG_WARN, "worker", "%u idle connections closed to make room for others", closed);
    return closed > 0;
}

/* With all connections in use the next one takes the place of an idle one, or waits in the kernel's
 * queue until one ends or becomes idle. */
static void make_room(struct tg_clients *all)
{
    bool over = all->live > all->most;

    if (has_room(all) || (over ? shed(all) : can_shed(all)))
        return;
    for (struct tg_client_listener *l = all->listeners; l != NULL; l = l->next)
        tg_evhtp_pause(l->evhtp);
}

/* --- listening --- */

static void on_accept(void *owner, struct evhtp_connection *front, int fd,
                      const struct sockaddr *address)
{
    const struct tg_client_listener *l = owner;

    tg_conn_new(l->clients, l->server, l->listen, front, fd, address);
    make_room(l->clients);
}

static bool may_accept(void *owner)
{
    const struct tg_client_listener *l = owner;

    return has_room(l->clients) || can_shed(l->clients);
}

static const struct tg_evhtp_events events = {on_accept, may_accept};

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
    bool was_full = !has_room(all);

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
