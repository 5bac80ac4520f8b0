/* What a connection waits for, and which ones give way when there is no room for more. */
#include "base/check.h"
#include "client/connection.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    MIN_WAITING_US = 100000,  /* who has just connected, or had an answer, is about to send */
    MIN_WITHHELD_US = 500000, /* a body's next bytes may be on their way for so long, */
    MIN_RATE = 4096, /* and it keeps its place when it comes as fast, in bytes per second */
};

/* How long the client may take for what it is waited for. */
static int64_t time_allowed(const struct tg_conn *c)
{
    if (c->state == TG_CONN_LINGER)
        return c->server->lingering_timeout;
    if (c->requests > 0 && c->first_byte == 0)
        return c->server->keepalive_timeout;
    return c->server->client_header_timeout;
}

bool tg_conn_is_only_reading(const struct tg_conn *c)
{
    return c->state == TG_CONN_WAIT || (c->state == TG_CONN_BODY && c->body_paused);
}

bool tg_conn_has_spoken(const struct tg_conn *c)
{
    return c->unread.n > 0 || (c->socket.tls != NULL && tg_tls_has_read(c->socket.tls));
}

bool tg_conn_is_idle(const struct tg_conn *c)
{
    return (c->state == TG_CONN_HEAD || c->state == TG_CONN_HANDSHAKE) && c->unread.n == 0 &&
           !c->processing;
}

/* Time since the deadline was set. */
static uint64_t since(const struct tg_conn *c, uint64_t now, int64_t allowed)
{
    uint64_t end = now + (uint64_t)allowed;

    return c->timer.deadline != 0 && end > c->timer.deadline ? end - c->timer.deadline : 0;
}

bool tg_conn_is_taking(const struct tg_conn *c)
{
    return tg_socket_queued(&c->socket) > 0 &&
           (c->state == TG_CONN_DRAIN || tg_conn_is_only_reading(c));
}

bool tg_conn_is_sending(const struct tg_conn *c)
{
    return c->state == TG_CONN_BODY && !c->body_paused && !c->body_dropped;
}

bool tg_conn_waits_for_request(const struct tg_conn *c)
{
    return c->state == TG_CONN_HEAD || c->state == TG_CONN_HANDSHAKE;
}

bool tg_conn_is_needless(const struct tg_conn *c)
{
    return c->state == TG_CONN_LINGER || (c->beyond_limit && tg_conn_waits_for_request(c));
}

uint64_t tg_conn_waiting_time(const struct tg_conn *c, uint64_t now)
{
    uint64_t earned = c->body_bytes * 1000000 / MIN_RATE;

    if (tg_conn_waits_for_request(c) || c->state == TG_CONN_LINGER)
        return since(c, now, time_allowed(c));
    if (tg_conn_is_taking(c))
        return since(c, now, c->server->send_timeout);
    if (tg_conn_is_sending(c) && now > c->body_since + earned)
        return now - c->body_since - earned;
    return 0;
}

enum tg_conn_rank tg_conn_rank(const struct tg_conn *c, uint64_t now)
{
    uint64_t waiting = tg_conn_waiting_time(c, now);

    if (c->processing)
        return TG_RANK_NEVER;
    if (tg_conn_is_needless(c))
        return TG_RANK_NEEDLESS;
    if (!tg_conn_waits_for_request(c))
        return waiting < MIN_WITHHELD_US ? TG_RANK_NEVER : TG_RANK_WITHHELD;
    if (waiting < MIN_WAITING_US)
        return TG_RANK_NEVER;
    return tg_conn_has_spoken(c) && !tg_conn_is_idle(c) ? TG_RANK_PARTIAL : TG_RANK_IDLE;
}

bool tg_conn_is_silent(const struct tg_conn *c)
{
    char byte;

    return recv(c->socket.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}
