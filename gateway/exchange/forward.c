/* The request on its way to the upstream: connection, head, body, and when to try again. */
#include "base/check.h"
#include "exchange/internal.h"
#include "http/authorization.h"
#include "http/fields.h"

#include <event2/buffer.h>
#include <stdio.h>

enum { MAX_PIECES = 5 };

/* --- the head --- */

static bool is_set_by_filter(const struct tg_request *r, struct tg_str name)
{
    for (const struct tg_set_field *s = r->set_fields; s != NULL; s = s->next)
        if (tg_str_ieq(s->field.name, name))
            return true;
    return false;
}

/* True when the client's signature covers a field, or covers nobody knows what. */
static bool is_signed(const struct tg_request *r, struct tg_str name)
{
    struct tg_authorization authorization;
    struct tg_str signed_name;

    if (r->credentials != TG_CRED_SIGNED)
        return false;
    if (tg_authorization_parse(tg_request_field(r, TG_STR("Authorization")), &authorization) !=
        NULL)
        return true;
    while (tg_authorization_next(&authorization.signed_fields, &signed_name))
        if (tg_str_ieq(signed_name, name))
            return true;
    return false;
}

/* The outcome of what is judged stands in the answer's body: it has to come uncoded. */
static bool asks_for_identity(const struct tg_exchange *x)
{
    return !x->streamed && !is_signed(&x->request, TG_STR("Accept-Encoding"));
}

/* Fields the gateway writes itself, or that end here. */
static bool is_ours(const struct tg_exchange *x, struct tg_str name)
{
    switch (name.n) {
    case 4:
        return tg_str_ieq(name, TG_STR("Host"));
    case 6:
        return tg_str_ieq(name, TG_STR("Expect"));
    case 9:
        return x->location->forwarded == TG_FORWARDED_RFC7239 &&
               tg_str_ieq(name, TG_STR("Forwarded"));
    case 12:
        return tg_str_ieq(name, TG_STR("X-Request-Id"));
    case 14:
        return tg_str_ieq(name, TG_STR("Content-Length"));
    case 15:
        return (x->location->forwarded == TG_FORWARDED_XFF &&
                tg_str_ieq(name, TG_STR("X-Forwarded-For"))) ||
               (tg_str_ieq(name, TG_STR("Accept-Encoding")) && asks_for_identity(x));
    default:
        return false;
    }
}

static void add_client_fields(const struct tg_exchange *x, struct tg_buf *b)
{
    const struct tg_request *r = &x->request;

    for (unsigned i = 0; i < r->nfields; i++) {
        struct tg_str name = r->fields[i].name;

        if (is_ours(x, name) || (r->set_fields != NULL && is_set_by_filter(r, name)))
            continue;
        tg_fields_add(b, name, r->fields[i].value);
    }
    for (const struct tg_set_field *s = r->set_fields; s != NULL; s = s->next)
        if (s->field.value.n > 0)
            tg_fields_add(b, s->field.name, s->field.value);
}

/* A signature of the client's covers the Host it was made for (contract section 6); else the
 * upstream's own. Returns the value, which lies in `b`. */
static struct tg_str add_host(const struct tg_exchange *x, struct tg_buf *b)
{
    tg_buf_puts(b, "Host: ");
    size_t from = b->n;
    if (x->request.credentials == TG_CRED_SIGNED && !x->request.resigned && x->host.n > 0)
        tg_buf_add(b, x->host);
    else
        tg_upstream_conn_host(x->upstream_conn, b);
    size_t n = b->n - from;
    tg_buf_puts(b, "\r\n");
    return (struct tg_str){b->p + from, n};
}

/* The value of an earlier proxy's field, with our own to follow (RFC 7239 section 4). */
static void add_chain(const struct tg_exchange *x, struct tg_buf *b, struct tg_str name)
{
    const struct tg_request *r = &x->request;

    tg_buf_add(b, name);
    tg_buf_puts(b, ": ");
    for (unsigned i = 0; i < r->nfields; i++)
        if (tg_str_ieq(r->fields[i].name, name) && r->fields[i].value.n > 0) {
            tg_buf_add(b, r->fields[i].value);
            tg_buf_puts(b, ", ");
        }
}

/* A client at a unix socket has no address: "unknown" (RFC 7239 section 6.2). */
static void add_forwarded(const struct tg_exchange *x, struct tg_buf *b)
{
    bool is_unix = tg_str_starts(x->request.client_address, TG_STR("unix:"));
    struct tg_str address = is_unix ? TG_STR("unknown") : x->request.client_address;

    if (x->location->forwarded == TG_FORWARDED_XFF) {
        add_chain(x, b, TG_STR("X-Forwarded-For"));
        tg_buf_add(b, address);
        tg_buf_puts(b, "\r\n");
    } else if (x->location->forwarded == TG_FORWARDED_RFC7239) {
        bool v6 = memchr(address.p, ':', address.n) != NULL;

        add_chain(x, b, TG_STR("Forwarded"));
        tg_buf_puts(b, v6 ? "for=\"[" : "for=");
        tg_buf_add(b, address);
        tg_buf_puts(b, v6 ? "]\"\r\n" : "\r\n");
    }
    if (x->location->via)
        tg_buf_printf(b, "Via: 1.%u trainguard\r\n", x->minor);
}

static void add_framing(const struct tg_exchange *x, struct tg_buf *b)
{
    if (x->framing == TG_FRAMING_NONE)
        return;
    if (x->streamed && x->framing == TG_FRAMING_CHUNKED) {
        tg_buf_puts(b, "Transfer-Encoding: chunked\r\n");
        return;
    }
    tg_buf_puts(b, "Content-Length: ");
    tg_buf_u64(b, x->streamed ? x->length : x->forwarded.n);
    tg_buf_puts(b, "\r\n");
}

/* What filters append, in the buffer that grows: the value of Host is copied first. False: one of
 * them refused. */
static bool add_filters_fields(struct tg_exchange *x, struct tg_buf *b, struct tg_str host)
{
    if (!tg_chain_wants_forward(&x->chain))
        return true;
    return tg_chain_forward(&x->chain, tg_arena_dup(&x->arena, host), b);
}

static bool build_head(struct tg_exchange *x)
{
    const struct tg_request *r = &x->request;
    struct tg_buf *b = &x->all->head;

    b->n = 0;
    tg_buf_add(b, r->method);
    tg_buf_putc(b, ' ');
    tg_buf_add(b, r->target);
    tg_buf_puts(b, " HTTP/1.1\r\n");
    if (!add_filters_fields(x, b, add_host(x, b)))
        return false;
    add_client_fields(x, b);
    if (asks_for_identity(x))
        tg_buf_puts(b, "Accept-Encoding: identity\r\n");
    tg_fields_add(b, TG_STR("X-Request-Id"), r->request_id);
    add_forwarded(x, b);
    add_framing(x, b);
    tg_buf_puts(b, "\r\n");
    return true;
}

/* --- the body --- */

static bool chunked(const struct tg_exchange *x)
{
    return x->framing == TG_FRAMING_CHUNKED;
}

static struct iovec piece(const char *p, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)p, n};
}

/* What is there of a streamed body behind what `iov` holds already: one piece of it, framed as the
 * client framed it. Returns the number of entries; *taken bytes of x->body are in them. */
static int add_stream(struct tg_exchange *x, struct iovec *iov, int n, char size[24], size_t *taken)
{
    size_t there = x->body != NULL ? evbuffer_get_length(x->body) : 0;

    *taken = there < TG_HIGH_WATER ? there : TG_HIGH_WATER;
    if (*taken > 0) {
        const unsigned char *p = evbuffer_pullup(x->body, (ev_ssize_t)*taken);

        CHECK(p != NULL);
        if (chunked(x))
            iov[n++] = piece(size, (size_t)snprintf(size, 24, "%zx\r\n", *taken));
        iov[n++] = piece((const char *)p, *taken);
        if (chunked(x))
            iov[n++] = piece("\r\n", 2);
    }
    if (x->body_complete && *taken == there && chunked(x))
        iov[n++] = piece("0\r\n\r\n", 5);
    return n;
}

/* The next piece of a collected body: all of it at once would be copied where it waits. */
static int add_collected(const struct tg_exchange *x, struct iovec *iov, int n, size_t *taken)
{
    size_t left = x->forwarded.n - x->forwarded_at;

    *taken = left < TG_HIGH_WATER ? left : TG_HIGH_WATER;
    if (*taken > 0)
        iov[n++] = piece(x->forwarded.p + x->forwarded_at, *taken);
    return n;
}

/* What is left behind a write of `taken` bytes of the body. */
static void note_sent(struct tg_exchange *x, size_t taken)
{
    if (!x->streamed) {
        x->forwarded_at += taken;
        x->request_sent = x->forwarded_at == x->forwarded.n;
        return;
    }
    if (taken > 0)
        evbuffer_drain(x->body, taken);
    x->request_sent = x->body_complete && (x->body == NULL || evbuffer_get_length(x->body) == 0);
}

/* The request, or what is left of it, to the socket. Returns false when that is broken. */
static bool write_request(struct tg_exchange *x)
{
    struct iovec iov[MAX_PIECES];
    char size[24];
    size_t taken = 0;
    int n = 0;

    CHECK(!x->request_sent && (x->head_sent || x->all->head.n > 0));
    if (!x->head_sent) /* send_more() has just built it */
        iov[n++] = piece(x->all->head.p, x->all->head.n);
    x->head_sent = true;
    n = x->streamed ? add_stream(x, iov, n, size, &taken) : add_collected(x, iov, n, &taken);
    CHECK(n <= MAX_PIECES);
    if (n > 0 && !tg_socket_write(&x->upstream_conn->socket, iov, n))
        return false;
    note_sent(x, taken);
    return true;
}

/* After a write: who waits for whom now? */
static void settle(struct tg_exchange *x)
{
    const struct tg_upstream_conf *conf = x->location->upstream;
    size_t queued = tg_socket_queued(&x->upstream_conn->socket);

    tg_exchange_count_body(x);
    if (x->phase != TG_PHASE_SEND)
        return; /* the answer began early: its deadlines count */
    if (queued > TG_HIGH_WATER && !x->body_complete)
        tg_conn_pause_body(x->conn);
    if (x->request_sent && queued == 0) {
        x->sent = tg_loop_now(x->all->loop);
        tg_exchange_to(x, TG_PHASE_AWAIT);
        tg_exchange_deadline(x, conf->read_timeout);
    } else if (queued > 0) {
        tg_exchange_deadline(x, conf->send_timeout);
    } else {
        tg_timer_clear(&x->timer); /* it is the client's turn, with its own deadline */
    }
}

static void write_failed(struct tg_exchange *x);

/* Bytes of the body are there that were not handed to the socket. */
static bool has_more(const struct tg_exchange *x)
{
    if (!x->streamed)
        return x->forwarded_at < x->forwarded.n;
    return x->body != NULL && evbuffer_get_length(x->body) > 0;
}

static void send_more(struct tg_exchange *x)
{
    if (tg_conn_is_reading(x->conn))
        return; /* tg_exchange_on_read_done() comes: head and body then go in one write, and an
                 * answer that is read when it fails does not overwrite bytes that are being handed
                 * out */
    if (!x->head_sent && !build_head(x)) {
        tg_exchange_end(x, x->request.error, "");
        return;
    }
    do {
        if (!write_request(x)) {
            write_failed(x);
            return;
        }
    } while (has_more(x) && tg_socket_queued(&x->upstream_conn->socket) < TG_HIGH_WATER);
    settle(x);
}

void tg_forward_more(struct tg_exchange *x)
{
    CHECK(x->phase != TG_PHASE_END && x->conn != NULL);
    if (x->upstream_conn != NULL && x->upstream_conn->state == TG_UPSTREAM_CONN_BUSY) {
        if (!x->request_sent && tg_socket_queued(&x->upstream_conn->socket) < TG_HIGH_WATER)
            send_more(x);
        else if (!x->request_sent && !x->body_complete)
            tg_conn_pause_body(x->conn);
        return;
    }
    if (x->body != NULL && evbuffer_get_length(x->body) > TG_HIGH_WATER)
        tg_conn_pause_body(x->conn);
}

/* --- when it fails --- */

/* RFC 9110 section 9.2.2. */
static bool idempotent(struct tg_str method)
{
    static const char *const methods[] = {"PUT", "GET", "HEAD", "DELETE", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (tg_str_eq(method, tg_str_of(methods[i])))
            return true;
    return false;
}

/* Once, and only what is still there as a whole. */
static bool may_repeat(const struct tg_exchange *x)
{
    return !x->retried && idempotent(x->request.method) && !(x->streamed && x->body_bytes > 0);
}

static bool may_retry(const struct tg_exchange *x)
{
    return x->upstream_conn != NULL && x->upstream_conn->reused && !x->response_seen &&
           may_repeat(x) && tg_upstream_conn_may_retry(x->upstream_conn);
}

static void count_retries(const struct tg_exchange *x, enum tg_stats_retry reason, unsigned n)
{
    CHECK(reason < TG_STATS_RETRIES);
    if (x->all->shared->slot != NULL)
        x->all->shared->slot->counts.retries[reason] += n;
}

/* The connection failed while sending or before an answer: tries another one when that is allowed
 * (it was reused, no byte of an answer came, the request can be repeated), else ends. */
static void retry_or_end(struct tg_exchange *x, enum tg_stats_retry reason, const char *why)
{
    CHECK(x->phase == TG_PHASE_SEND || x->phase == TG_PHASE_AWAIT);
    if (!may_retry(x)) {
        tg_exchange_end(x, TG_E_UPSTREAM_CLOSED, why);
        return;
    }
    x->retried = true;
    count_retries(x, reason, 1);
    x->request_sent = false;
    tg_upstream_conn_end(&x->upstream_conn);
    tg_forward_begin(x, true);
}

static void read_answer(struct tg_exchange *x)
{
    if (!tg_relay_read(x))
        retry_or_end(x, TG_STATS_RETRY_CLOSED, "no byte of an answer came");
}

/* An upstream may answer and close before it has read the request: what it said comes first. */
static void write_failed(struct tg_exchange *x)
{
    if (x->phase == TG_PHASE_SEND)
        read_answer(x);
    if (x->phase == TG_PHASE_SEND)
        retry_or_end(x, TG_STATS_RETRY_RESET, "it reset the connection");
    else if (x->phase == TG_PHASE_RELAY && !x->body_complete)
        tg_conn_pause_body(x->conn); /* nobody takes the rest of it */
}

/* --- the upstream connection --- */

static struct tg_exchange *exchange_of(void *owner)
{
    struct tg_exchange *x = owner;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    return x;
}

/* How long it waited for a connection of the pool, and for a new one to be made. */
static void note_times(struct tg_exchange *x)
{
    const struct tg_upstream_conn *p = x->upstream_conn;
    uint64_t now = tg_loop_now(x->all->loop);

    x->pool_us = (p->reused ? now : p->begun) - x->connect_started;
    if (!p->reused)
        x->connect_us = now - p->begun;
}

static void on_ready(void *owner, struct tg_upstream_conn *p)
{
    struct tg_exchange *x = exchange_of(owner);

    CHECK(x->phase == TG_PHASE_CONNECT && p->state == TG_UPSTREAM_CONN_BUSY);
    x->upstream_conn = p;
    count_retries(x, TG_STATS_RETRY_CONNECT, tg_upstream_conn_moves(p));
    note_times(x);
    tg_exchange_note_server(x);
    x->head_sent = false;
    x->forwarded_at = 0;
    tg_exchange_to(x, TG_PHASE_SEND);
    send_more(x);
    if (x->phase == TG_PHASE_SEND)
        tg_conn_resume_body(x->conn);
}

static void on_failed(void *owner, enum tg_error error, const char *why)
{
    struct tg_exchange *x = exchange_of(owner);

    CHECK(x->phase == TG_PHASE_CONNECT);
    count_retries(x, TG_STATS_RETRY_CONNECT, tg_upstream_conn_moves(x->upstream_conn));
    tg_exchange_note_server(x);
    tg_exchange_end(x, error, tg_arena_dup(&x->arena, tg_str_of(why)).p);
}

static void on_readable(void *owner)
{
    read_answer(exchange_of(owner));
}

static void on_drained(void *owner)
{
    struct tg_exchange *x = exchange_of(owner);

    if (!x->request_sent)
        send_more(x);
    else
        settle(x);
    if (x->phase != TG_PHASE_END && x->conn != NULL && !x->body_complete)
        tg_conn_resume_body(x->conn);
}

/* send_timeout is the time between two writes. */
static void on_progress(void *owner)
{
    settle(exchange_of(owner));
}

static void on_broken(void *owner)
{
    write_failed(exchange_of(owner));
}

static const struct tg_upstream_conn_events events = {on_ready,   on_failed,   on_readable,
                                                      on_drained, on_progress, on_broken};

void tg_forward_begin(struct tg_exchange *x, bool fresh)
{
    const struct tg_upstream_conf *conf = x->location->upstream;

    CHECK(x->upstream_conn == NULL && x->conn != NULL);
    tg_exchange_to(x, TG_PHASE_CONNECT);
    tg_exchange_deadline(x, conf->connect_timeout);
    x->connect_started = tg_loop_now(x->all->loop);
    x->upstream_conn =
        tg_upstream_take(x->all->upstreams, conf, fresh ? TG_UPSTREAM_RETRY : 0, &events, x);
    if (x->upstream_conn->state == TG_UPSTREAM_CONN_BUSY)
        on_ready(x, x->upstream_conn);
}

bool tg_forward_again(struct tg_exchange *x)
{
    CHECK(x->phase == TG_PHASE_RELAY && !x->response_started);
    if (!may_repeat(x))
        return false;
    x->retried = true;
    x->request_sent = false;
    x->response_seen = false;
    x->unauthorized = false;
    x->await_record = false;
    x->upstream_status = 0;
    x->bytes_out = 0;
    x->interim = 0;
    x->scanned = 0;
    x->nresponse_fields = 0;
    x->request.error = TG_E_DONE;
    tg_buf_end(&x->response_buffer);
    tg_upstream_conn_end(&x->upstream_conn);
    tg_forward_begin(x, true);
    return true;
}
