/* A connection's request body: its framing, and the deadlines of a client that sends one. */
#include "base/check.h"
#include "client/connection.h"

#define SECOND_US UINT64_C(1000000)

/* --- deadlines --- */

/* Whole seconds first: the product of all bytes and a second has more than 64 bits at 18 TB. */
uint64_t tg_conn_time_of(uint64_t bytes, uint64_t rate)
{
    CHECK(rate > 0 && rate <= UINT64_C(1) << 40);
    if (bytes / rate >= INT64_MAX / SECOND_US)
        return INT64_MAX;
    return bytes / rate * SECOND_US + bytes % rate * SECOND_US / rate;
}

void tg_conn_limit_body(struct tg_conn *c)
{
    const struct tg_server_conf *s = c->server;
    uint64_t now = tg_loop_now(c->clients->loop);
    uint64_t spent = now - c->body_since;
    uint64_t earned = (uint64_t)s->client_body_timeout;
    int64_t left = s->client_body_timeout;

    if (s->client_body_min_rate > 0)
        earned += tg_conn_time_of(c->body_bytes, (uint64_t)s->client_body_min_rate);
    c->too_slow = s->client_body_min_rate > 0 && earned < spent + (uint64_t)left;
    if (c->too_slow)
        left = earned > spent ? (int64_t)(earned - spent) : 1;
    tg_timer_set(&c->timer, now, left);
}

void tg_conn_limit_reading(struct tg_conn *c)
{
    if (tg_socket_queued(&c->socket) > 0)
        tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->send_timeout);
    else
        tg_timer_clear(&c->timer);
}

/* --- reading --- */

void tg_conn_begin_body(struct tg_conn *c, const struct tg_request_head *head)
{
    CHECK(c->exchange == NULL && c->state == TG_CONN_HEAD);
    c->framing = head->framing;
    c->body_left = head->framing == TG_FRAMING_LENGTH ? head->length : 0;
    if (head->framing == TG_FRAMING_CHUNKED)
        tg_chunked_init(&c->chunk);
    c->body_bytes = 0;
    c->body_paused = false;
    c->body_dropped = false;
    if (head->framing == TG_FRAMING_NONE || (head->framing == TG_FRAMING_LENGTH && !head->length))
        c->state = TG_CONN_WAIT;
    else
        c->state = TG_CONN_BODY;
    c->body_since = tg_loop_now(c->clients->loop);
    if (c->state == TG_CONN_BODY)
        tg_conn_limit_body(c);
    else
        tg_timer_clear(&c->timer);
}

static void hand_on(struct tg_conn *c, struct tg_str data)
{
    c->body_bytes += data.n;
    c->clients->events->on_body(c->exchange, data);
}

static void body_complete(struct tg_conn *c)
{
    c->state = TG_CONN_WAIT;
    tg_conn_limit_reading(c);
    c->clients->events->on_body_end(c->exchange);
}

static bool read_sized(struct tg_conn *c, struct tg_str *in)
{
    size_t n = in->n < c->body_left ? in->n : (size_t)c->body_left;
    struct tg_str data = {in->p, n};

    *in = tg_str_skip(*in, n);
    c->body_left -= n;
    hand_on(c, data);
    if (c->body_left == 0)
        body_complete(c);
    return true;
}

static bool read_chunked(struct tg_conn *c, struct tg_str *in)
{
    struct tg_str data = {NULL, 0};
    const char *why = "";
    size_t used = 0;
    enum tg_parse parse = tg_chunked_read(&c->chunk, *in, &data, &used, &why);

    if (parse == TG_PARSE_BAD) {
        c->clients->events->on_bad_body(c->exchange, why);
        return false;
    }
    CHECK(used <= in->n && (used > 0 || in->n == 0));
    *in = tg_str_skip(*in, used);
    if (data.n > 0)
        hand_on(c, data);
    if (parse == TG_PARSE_DONE)
        body_complete(c);
    return true;
}

bool tg_conn_read_body(struct tg_conn *c, struct tg_str *in)
{
    if (c->body_dropped) {
        *in = (struct tg_str){NULL, 0}; /* answered early: the rest is not wanted */
        return false;
    }
    if (in->n == 0 || c->body_paused)
        return false;
    tg_conn_limit_body(c);
    return c->framing == TG_FRAMING_CHUNKED ? read_chunked(c, in) : read_sized(c, in);
}
