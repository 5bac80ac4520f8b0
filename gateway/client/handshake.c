/* What a connection has before its first request: a PROXY header, then a TLS handshake. */
#include "base/check.h"
#include "client/connection.h"
#include "http/proxy_protocol.h"

enum { PLAIN = 4096 }; /* bytes that are read of a request without TLS */

/* Takes exactly `n` bytes that were peeked at. */
static void consume(struct tg_conn *c, size_t n)
{
    char *p = tg_buf_room(&c->unread, n);
    size_t got = 0;

    CHECK(tg_socket_read(&c->socket, p, n, &got) == TG_IO_DONE && got == n);
    c->unread.n += n;
}

static void take_address(struct tg_conn *c, const struct tg_proxy *proxy)
{
    CHECK(sizeof(c->address) > sizeof(proxy->address));
    if (proxy->present)
        memcpy(c->address, proxy->address, sizeof(proxy->address));
    c->proxy_due = false;
    tg_buf_end(&c->unread);
    tg_conn_count(c);
}

/* The header is read without a byte of what follows: that may be TLS's. */
static enum tg_parse read_proxy(struct tg_conn *c, const char **why)
{
    struct tg_proxy proxy;
    size_t n = 0, before = c->unread.n, used = 0;
    char *p = tg_buf_room(&c->unread, TG_PROXY_V2_MAX);
    enum tg_io io = tg_socket_peek(&c->socket, p, TG_PROXY_V2_MAX, &n);
    enum tg_parse parse;

    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return TG_PARSE_MORE;
    if (io != TG_IO_DONE) {
        *why = "closed before its PROXY header";
        return TG_PARSE_BAD;
    }
    parse = tg_proxy_read((struct tg_str){c->unread.p, before + n}, &proxy, &used, why);
    if (parse != TG_PARSE_DONE) {
        consume(c, n);
        return parse;
    }
    CHECK(used > before && used <= before + n);
    consume(c, used - before);
    take_address(c, &proxy);
    return TG_PARSE_DONE;
}

/* TLS begins with a record of type 22 (RFC 8446 section 5.1), a method of HTTP with a letter. What
 * is there of the request is taken, so that the refusal is not lost in a reset. */
static enum tg_parse read_plain(struct tg_conn *c, const char **why)
{
    size_t n = 0;
    char first;
    enum tg_io io = tg_socket_peek(&c->socket, &first, 1, &n);

    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return TG_PARSE_MORE;
    if (io != TG_IO_DONE || first < 'A' || first > 'Z')
        return TG_PARSE_DONE; /* TLS says what is wrong */
    if (tg_socket_read(&c->socket, tg_buf_room(&c->unread, PLAIN), PLAIN, &n) == TG_IO_DONE)
        c->unread.n += n;
    *why = "";
    return TG_PARSE_BAD;
}

static enum tg_parse shake_hands(struct tg_conn *c, const char **why)
{
    if (c->socket.tls == NULL) {
        enum tg_parse plain = read_plain(c, why);

        if (plain != TG_PARSE_DONE)
            return plain;
        tg_socket_secure(&c->socket, tg_tls_accept(c->server->tls_server, c->socket.fd));
        tg_tls_spare_buffers(c->socket.tls, c->clients->live);
    }
    switch (tg_tls_handshake(c->socket.tls, why)) {
    case TG_IO_DONE:
        c->principal = tg_tls_principal(c->socket.tls);
        c->tls_names = tg_tls_names(c->socket.tls);
        return TG_PARSE_DONE;
    case TG_IO_WANT_READ:
        return TG_PARSE_MORE;
    case TG_IO_WANT_WRITE:
        tg_socket_await_write(&c->socket);
        return TG_PARSE_MORE;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        c->socket.broken = true;
        return TG_PARSE_BAD;
    }
    TG_UNREACHABLE();
}

enum tg_parse tg_conn_handshake(struct tg_conn *c, const char **why)
{
    enum tg_parse proxy = TG_PARSE_DONE;

    CHECK(c->state == TG_CONN_HANDSHAKE && c->exchange == NULL);
    if (c->proxy_due)
        proxy = read_proxy(c, why);
    return proxy == TG_PARSE_DONE && c->listen->tls ? shake_hands(c, why) : proxy;
}
