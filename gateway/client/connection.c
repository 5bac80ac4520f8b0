/* A client's connection: heads, what comes too early, deadlines, and how it ends. */
#include "client/connection.h"

#include "base/address.h"
#include "base/check.h"
#include "client/evhtp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define GIVEN_UP "given up for other connections"

enum {
    CONN_MAGIC = 0x636f6e6e,
    MAX_UNREAD = 65536,      /* early bytes (pipelining) kept while a request is under way */
    MAX_LINGERED = 16 << 20, /* bytes thrown away before a refused client is cut off */
    UNREAD_KEPT = 4096,      /* memory an idle connection may keep */
    MIN_WAITING_US = 100000, /* who has just connected, or had an answer, is about to send */
    IDLE_GRACE_US = 1000000, /* a client that sends within it is not idle (draining) */
};

static void process(struct tg_conn *c, struct tg_str in);

/* --- life --- */

static void write_address(struct tg_conn *c, const struct sockaddr *address)
{
    const void *bytes = tg_address_bytes(address);

    if (bytes != NULL)
        tg_address_write(address->sa_family, bytes, c->address);
    else
        strcpy(c->address, "unix:");
}

/* Behind a proxy it is the proxy's. */
static void ask_peer(struct tg_conn *c, const struct sockaddr *address)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    if (tg_address_bytes(address) != NULL || c->proxy_due ||
        getsockopt(c->socket.fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof(peer))
        return;
    c->peer = (struct tg_unix_peer){true, peer.uid, peer.gid};
}

void tg_conn_close(struct tg_conn *c)
{
    CHECK_MAGIC(c, CONN_MAGIC);
    CHECK(!c->processing); /* process() still uses it */
    if (c->exchange != NULL) {
        c->clients->events->on_gone(c->exchange);
        c->exchange = NULL;
    }
    tg_conn_release(c);
    tg_timer_end(&c->timer);
    tg_evhtp_close(c->evhtp);
    close(tg_socket_close(&c->socket));
    tg_buf_end(&c->unread);
    free(c->principal);
    free(c->tls_names);
    tg_clients_remove(c->clients, c);
    c->magic = 0;
    free(c);
}

/* Makes the last close() a reset: a client must not take a cut-off answer for a whole one. */
static void reset_conn(struct tg_conn *c)
{
    struct linger abort = {1, 0};

    setsockopt(c->socket.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    c->socket.broken = true;
    tg_conn_close(c);
}

/* --- reading --- */

/* Refuses what cannot become a request, `raw` being what there is of it. */
static void conn_refuse(struct tg_conn *c, struct tg_str raw, enum tg_error error, const char *why)
{
    CHECK(c->exchange == NULL);
    c->state = TG_CONN_WAIT;
    tg_timer_clear(&c->timer);
    c->clients->events->on_unreadable(c->clients->owner, c, raw, error, why);
}

static struct tg_request_head_limits limits(const struct tg_conn *c)
{
    return (struct tg_request_head_limits){
        .max_head = (size_t)c->server->client_header_max_size,
        .max_line = TG_MAX_TARGET,
        .max_field = TG_MAX_FIELD,
        .max_fields = (unsigned)c->server->client_max_fields,
    };
}

/* A head is complete: first libevhtp makes its request object, then who serves it begins. */
static void conn_begin(struct tg_conn *c, const struct tg_request_head *head, struct tg_str raw)
{
    tg_conn_begin_body(c, head);
    tg_evhtp_request(c->evhtp, head->method);
    c->clients->events->on_request(c->clients->owner, c, head, raw);
    CHECK(c->magic == CONN_MAGIC && c->exchange != NULL);
}

/* Each step takes what it can from the front of *in and says whether another step makes sense. */
static bool conn_read_head(struct tg_conn *c, struct tg_str *in)
{
    struct tg_request_head_limits most = limits(c);
    struct tg_request_head head;
    struct tg_str raw = *in;
    enum tg_error error = TG_E_BAD_REQUEST;
    const char *why = "";
    size_t used = 0;

    if (in->n == 0)
        return false;
    if (c->first_byte == 0) {
        c->first_byte = tg_loop_wall(c->clients->loop);
        tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->client_header_timeout);
    }
    switch (tg_request_head_parse(*in, &most, &c->scanned, &head, &used, &error, &why)) {
    case TG_PARSE_MORE:
        return false;
    case TG_PARSE_BAD:
        conn_refuse(c, *in, error, why);
        *in = (struct tg_str){NULL, 0};
        return false;
    case TG_PARSE_DONE:
        break;
    }
    CHECK(used > 0 && used <= in->n);
    raw.n = used;
    *in = tg_str_skip(*in, used);
    c->scanned = 0;
    conn_begin(c, &head, raw);
    return true;
}

static bool step(struct tg_conn *c, struct tg_str *in)
{
    switch (c->state) {
    case TG_CONN_HANDSHAKE:
        break; /* reads for itself */
    case TG_CONN_HEAD:
        return conn_read_head(c, in);
    case TG_CONN_BODY:
        return tg_conn_read_body(c, in);
    case TG_CONN_WAIT:
    case TG_CONN_DRAIN:
        return false;
    case TG_CONN_LINGER:
        c->lingered += in->n;
        *in = (struct tg_str){NULL, 0};
        return false;
    }
    TG_UNREACHABLE();
}

/* Keeps what no step took. `in` is the unread text itself, or bytes of the scratch buffer. */
static void hold(struct tg_conn *c, struct tg_str in)
{
    if (c->unread.n > 0) {
        size_t gone = c->unread.n - in.n;

        CHECK(in.n <= c->unread.n);
        if (in.n > 0 && gone > 0)
            memmove(c->unread.p, c->unread.p + gone, in.n);
        c->unread.n = in.n;
    } else {
        tg_buf_add(&c->unread, in);
    }
    if (c->unread.n == 0 && c->unread.cap > UNREAD_KEPT)
        tg_buf_end(&c->unread);
}

/* True while more bytes are wanted than lie unread. */
static bool wants_bytes(const struct tg_conn *c)
{
    if (c->state == TG_CONN_BODY && c->body_paused)
        return false;
    return c->state == TG_CONN_HEAD || c->state == TG_CONN_LINGER || c->unread.n < MAX_UNREAD;
}

static void process(struct tg_conn *c, struct tg_str in)
{
    CHECK(!c->processing);
    c->processing = true;
    while (step(c, &in))
        CHECK(c->magic == CONN_MAGIC);
    hold(c, in);
    c->processing = false;
    if (c->exchange != NULL)
        c->clients->events->on_read_done(c->exchange);
    if (c->state == TG_CONN_LINGER && c->lingered > MAX_LINGERED) {
        tg_conn_close(c);
        return;
    }
    if (wants_bytes(c))
        tg_socket_read_on(&c->socket);
    else
        tg_socket_read_off(&c->socket);
}

/* --- events --- */

/* The client closed or reset, perhaps in the middle of something. Half a close is a close, as in
 * nginx: who shuts down writing does not wait for the answer. */
static void client_gone(struct tg_conn *c)
{
    if (c->state == TG_CONN_HEAD && c->unread.n > 0 && c->exchange == NULL)
        conn_refuse(c, tg_buf_str(&c->unread), TG_E_CLIENT_GONE, "in the middle of a request head");
    tg_conn_close(c);
}

/* Before TLS has begun, only a request without it is refused. */
static enum tg_error handshake_error(const struct tg_conn *c)
{
    if (c->proxy_due)
        return TG_E_PROXY_HEADER;
    return c->socket.tls != NULL ? TG_E_CLIENT_TLS : TG_E_PLAIN_HTTP;
}

/* What has to come before the first request did not: there is a record of it, and an end. */
static void handshake_failed(struct tg_conn *c, const char *why)
{
    enum tg_error error = handshake_error(c);

    CHECK(c->state == TG_CONN_HANDSHAKE);
    if (tg_conn_has_spoken(c)) {
        c->first_byte = tg_loop_wall(c->clients->loop);
        if (error == TG_E_PLAIN_HTTP) {
            conn_refuse(c, tg_buf_str(&c->unread), error,
                        why); /* who can read an answer gets one */
            return;
        }
        conn_refuse(c, (struct tg_str){NULL, 0}, error, why);
    }
    tg_conn_close(c);
}

/* True when a request may be read: some of it may be in TLS's buffer already. False: not yet, or
 * the connection is gone. */
static bool finish_handshake(struct tg_conn *c)
{
    const char *why = "";

    switch (tg_conn_handshake(c, &why)) {
    case TG_PARSE_MORE:
        return false;
    case TG_PARSE_BAD:
        handshake_failed(c, why);
        return false;
    case TG_PARSE_DONE:
        break;
    }
    c->state = TG_CONN_HEAD;
    tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->client_header_timeout);
    return c->socket.tls == NULL || tg_tls_pending(c->socket.tls);
}

static void conn_on_readable(void *owner)
{
    struct tg_conn *c = owner;
    struct tg_str in = {c->clients->loop->scratch, 0};

    CHECK_MAGIC(c, CONN_MAGIC);
    if (c->state == TG_CONN_HANDSHAKE && !finish_handshake(c))
        return;
    switch (tg_socket_read(&c->socket, c->clients->loop->scratch, TG_SCRATCH, &in.n)) {
    case TG_IO_DONE:
        break;
    case TG_IO_WANT_READ:
    case TG_IO_WANT_WRITE:
        return;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        client_gone(c);
        return;
    }
    if (c->unread.n > 0) {
        tg_buf_add(&c->unread, in);
        in = tg_buf_str(&c->unread);
    }
    process(c, in);
}

static void finish_now(struct tg_conn *c);

static void conn_on_drained(void *owner)
{
    struct tg_conn *c = owner;

    CHECK_MAGIC(c, CONN_MAGIC);
    if (c->state == TG_CONN_DRAIN) {
        finish_now(c);
        return;
    }
    if (c->state == TG_CONN_HANDSHAKE) {
        conn_on_readable(c);
        return;
    }
    if (tg_conn_is_only_reading(c))
        tg_timer_clear(&c->timer);
    if (c->exchange != NULL)
        c->clients->events->on_drained(c->exchange);
}

/* send_timeout is the time between two writes. */
static void conn_on_progress(void *owner)
{
    struct tg_conn *c = owner;

    CHECK_MAGIC(c, CONN_MAGIC);
    if (c->state == TG_CONN_DRAIN || tg_conn_is_only_reading(c))
        tg_conn_limit_reading(c);
}

static void conn_on_broken(void *owner)
{
    client_gone(owner);
}

static const struct tg_socket_events events = {conn_on_readable, conn_on_drained, conn_on_progress,
                                               conn_on_broken};

static void on_deadline(void *owner)
{
    struct tg_conn *c = owner;

    CHECK_MAGIC(c, CONN_MAGIC);
    switch (c->state) {
    case TG_CONN_HANDSHAKE:
        handshake_failed(c, "it did not come in time");
        return;
    case TG_CONN_HEAD:
        if (c->first_byte != 0) {
            conn_refuse(c, tg_buf_str(&c->unread), TG_E_HEAD_TIMEOUT, "");
            return;
        }
        break;
    case TG_CONN_BODY:
        if (!c->body_paused) {
            if (!c->body_dropped)
                c->clients->events->on_timeout(
                    c->exchange, c->too_slow ? "slower than client_body_min_rate" : "");
            return;
        }
        /* fall through */
    case TG_CONN_WAIT:
        if (c->exchange != NULL)
            c->clients->events->on_stuck(c->exchange);
        break;
    case TG_CONN_DRAIN:
    case TG_CONN_LINGER:
        break;
    }
    tg_conn_close(c);
}

/* Connections of one moment do not all end together: up to a tenth earlier, by what the clock's
 * last digits are. */
static uint64_t keep_until(const struct tg_server_conf *server, uint64_t now)
{
    uint64_t most = (uint64_t)server->keepalive_time, part = (uint32_t)now * UINT32_C(2654435769);

    return most == 0 ? 0 : now + most - (most / 10 * (part >> 16) >> 16);
}

void tg_conn_new(struct tg_clients *all, const struct tg_server_conf *server,
                 const struct tg_listen *listen, struct evhtp_connection *evhtp, int fd,
                 const struct sockaddr *address)
{
    struct tg_conn *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    c->magic = CONN_MAGIC;
    c->clients = all;
    c->server = server;
    c->listen = listen;
    c->evhtp = evhtp;
    c->state = listen->tls || listen->proxy_protocol ? TG_CONN_HANDSHAKE : TG_CONN_HEAD;
    c->proxy_due = listen->proxy_protocol;
    write_address(c, address);
    tg_socket_open(&c->socket, all->loop->base, fd, &events, c);
    ask_peer(c, address);
    tg_timer_init(&c->timer, all->loop->base, on_deadline, c);
    tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), server->client_header_timeout);
    tg_socket_read_on(&c->socket);
    c->limit_entry = -1;
    c->keep_until = keep_until(server, tg_loop_now(all->loop));
    if (!c->proxy_due)
        tg_conn_count(c);
    tg_clients_add(all, c);
}

/* --- who serves its requests calls --- */

bool tg_conn_send(struct tg_conn *c, const struct iovec *iov, int n)
{
    CHECK_MAGIC(c, CONN_MAGIC);
    if (!tg_socket_write(&c->socket, iov, n))
        return false;
    if (tg_socket_queued(&c->socket) > 0 && tg_conn_is_only_reading(c))
        tg_conn_limit_reading(c);
    return true;
}

size_t tg_conn_unsent(const struct tg_conn *c)
{
    return tg_socket_queued(&c->socket);
}

void tg_conn_pause_body(struct tg_conn *c)
{
    if (!c->body_paused) {
        c->paused_at = tg_loop_now(c->clients->loop);
        c->body_paused = true;
        tg_conn_limit_reading(c);
    }
    if (!c->processing)
        tg_socket_read_off(&c->socket);
}

void tg_conn_resume_body(struct tg_conn *c)
{
    if (!c->body_paused)
        return;
    c->body_paused = false;
    c->body_since += tg_loop_now(c->clients->loop) - c->paused_at;
    if (c->state == TG_CONN_BODY)
        tg_conn_limit_body(c);
    if (!c->processing)
        process(c, tg_buf_str(&c->unread));
}

void tg_conn_drop_body(struct tg_conn *c)
{
    c->body_dropped = true;
}

bool tg_conn_is_reading(const struct tg_conn *c)
{
    return c->processing;
}

static void linger(struct tg_conn *c)
{
    c->state = TG_CONN_LINGER;
    tg_buf_end(&c->unread);
    tg_socket_finish(&c->socket);
    tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->lingering_timeout);
    tg_socket_read_on(&c->socket);
}

static void next_request(struct tg_conn *c)
{
    tg_evhtp_finish(c->evhtp);
    c->state = TG_CONN_HEAD;
    c->scanned = 0;
    c->first_byte = 0;
    tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->keepalive_timeout);
    if (c->unread.n > 0)
        process(c, tg_buf_str(&c->unread));
    else
        tg_socket_read_on(&c->socket);
}

static void finish_now(struct tg_conn *c)
{
    switch (c->after) {
    case TG_AFTER_KEEP:
        next_request(c);
        return;
    case TG_AFTER_LINGER:
        if (tg_clients_has_room(c->clients))
            linger(c);
        else
            tg_conn_close(c); /* others wait for its place */
        return;
    case TG_AFTER_ABORT:
        reset_conn(c);
        return;
    }
    TG_UNREACHABLE();
}

void tg_conn_finish(struct tg_conn *c, enum tg_conn_after after)
{
    CHECK_MAGIC(c, CONN_MAGIC);
    CHECK(!c->processing);
    CHECK(after != TG_AFTER_KEEP || c->state == TG_CONN_WAIT);
    c->exchange = NULL;
    c->requests++;
    c->after = after;
    if (tg_socket_queued(&c->socket) > 0 && after != TG_AFTER_ABORT) {
        c->state = TG_CONN_DRAIN;
        tg_timer_set(&c->timer, tg_loop_now(c->clients->loop), c->server->send_timeout);
        return;
    }
    finish_now(c);
}

void tg_conn_drain_idle(struct tg_conn *c, uint64_t now)
{
    if (c->state != TG_CONN_HEAD || !tg_conn_is_idle(c) ||
        tg_conn_waiting_time(c, now) < IDLE_GRACE_US)
        return;
    if (tg_conn_is_silent(c))
        linger(c);
}

/* A request under way ends: it has its record, and its connection closes with it. */
static void give_up(struct tg_conn *c)
{
    if (tg_conn_is_sending(c)) {
        c->clients->events->on_timeout(c->exchange, GIVEN_UP);
        return;
    }
    if (c->exchange != NULL)
        c->clients->events->on_stuck(c->exchange);
    tg_conn_close(c);
}

bool tg_conn_give_way(struct tg_conn *c)
{
    if (!tg_conn_is_needless(c) && !tg_conn_is_taking(c) && !tg_conn_is_silent(c))
        return false;
    if (c->state == TG_CONN_HEAD && c->unread.n > 0)
        conn_refuse(c, tg_buf_str(&c->unread), TG_E_HEAD_TIMEOUT, GIVEN_UP);
    if (tg_conn_waits_for_request(c) || c->state == TG_CONN_LINGER)
        tg_conn_close(c);
    else
        give_up(c);
    return true;
}
