/* What a connection has before its first request: a PROXY header, then a TLS handshake. */
#include "base/check.h"
#include "client/connection.h"
#include "http/proxy_protocol.h"

/* Who only knocks, as port scanners and health checks do, fills no log. */
static bool has_spoken(const struct tg_conn *c)
{
    return c->held.n > 0 || (c->wire.tls != NULL && tg_tls_has_read(c->wire.tls));
}

void tg_conn_handshake_failed(struct tg_conn *c, const char *why)
{
    CHECK(c->state == TG_CONN_HANDSHAKE);
    if (has_spoken(c)) {
        c->first_byte = tg_worker_wall(c->worker);
        tg_conn_refuse(c, (struct tg_str){NULL, 0},
                       c->proxy_due ? TG_E_PROXY_HEADER : TG_E_CLIENT_TLS, why);
    }
    tg_conn_close(c);
}

/* The one way out of a greeting that failed. */
static bool give_up(struct tg_conn *c, const char *why)
{
    tg_conn_handshake_failed(c, why);
    return false;
}

/* Takes exactly `n` bytes that were peeked at. */
static void consume(struct tg_conn *c, size_t n)
{
    char *p = tg_buf_room(&c->held, n);
    size_t got = 0;

    CHECK(tg_socket_read(&c->wire, p, n, &got) == TG_IO_DONE && got == n);
    c->held.n += n;
}

static void take_address(struct tg_conn *c, const struct tg_proxy *proxy)
{
    CHECK(sizeof(c->address) > sizeof(proxy->address));
    if (proxy->told)
        memcpy(c->address, proxy->address, sizeof(proxy->address));
    c->proxy_due = false;
    tg_buf_end(&c->held);
}

/* The header is read without a byte of what follows: that may be TLS's. */
static bool read_proxy(struct tg_conn *c)
{
    struct tg_proxy proxy;
    const char *why = "";
    size_t n = 0, before = c->held.n, used = 0;
    char *p = tg_buf_room(&c->held, TG_PROXY_V2_MAX);
    enum tg_io io = tg_socket_peek(&c->wire, p, TG_PROXY_V2_MAX, &n);

    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return false;
    if (io != TG_IO_DONE)
        return give_up(c, "closed before its PROXY header");
    switch (tg_proxy_read((struct tg_str){c->held.p, before + n}, &proxy, &used, &why)) {
    case TG_PARSE_MORE:
        consume(c, n);
        return false;
    case TG_PARSE_BAD:
        consume(c, n);
        return give_up(c, why);
    case TG_PARSE_DONE:
        break;
    }
    CHECK(used > before && used <= before + n);
    consume(c, used - before);
    take_address(c, &proxy);
    return true;
}

static bool shake_hands(struct tg_conn *c)
{
    const char *why = "";

    if (c->wire.tls == NULL) {
        tg_socket_secure(&c->wire, tg_tls_accept(c->server->tls_server, c->wire.fd));
        tg_tls_spare_buffers(c->wire.tls, c->worker->live.connections);
    }
    switch (tg_tls_handshake(c->wire.tls, &why)) {
    case TG_IO_DONE:
        c->principal = tg_tls_principal(c->wire.tls);
        return true;
    case TG_IO_WANT_READ:
        return false;
    case TG_IO_WANT_WRITE:
        tg_socket_await_write(&c->wire);
        return false;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        c->wire.broken = true;
        return give_up(c, why);
    }
    TG_UNREACHABLE();
}

bool tg_conn_handshake(struct tg_conn *c)
{
    CHECK(c->state == TG_CONN_HANDSHAKE && c->exchange == NULL);
    if (c->proxy_due && !read_proxy(c))
        return false;
    return !c->listen->tls || shake_hands(c);
}
