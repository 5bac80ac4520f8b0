/* One connection to an upstream: its name, TCP, tunnel, TLS, and what happens on it while it is
 * idle. */
#include "base/check.h"
#include "base/clock.h"
#include "upstream/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TRAIL = 2048 }; /* bytes of what was tried in vain */

static void next_address(struct tg_upstream_conn *p);
static void server_failed(struct tg_upstream_conn *p, enum tg_error error, const char *why);

/* --- whose turn and whose fault it is --- */

/* True when a connection through a proxy has not come to its server yet. */
static bool is_before_tunnel(const struct tg_upstream_conn *p)
{
    return tg_upstream_conn_is_tunnelled(p) && p->state != TG_UPSTREAM_CONN_HANDSHAKE;
}

/* True when nobody has been asked for the server yet: a proxy that cannot be reached cannot be
 * reached for the next server either. */
static bool is_before_proxy(const struct tg_upstream_conn *p)
{
    return is_before_tunnel(p) && p->state != TG_UPSTREAM_CONN_TUNNEL;
}

/* What an error is before a tunnel stands: the proxy's. */
static enum tg_error fault_of(const struct tg_upstream_conn *p, enum tg_error error)
{
    if (!is_before_tunnel(p) || error == TG_E_OVERLOADED)
        return error;
    return error == TG_E_CONNECT_TIMEOUT ? TG_E_PROXY_TIMEOUT : TG_E_PROXY_CONNECT;
}

/* Whom a connection is on its way to. */
static void write_place(const struct tg_upstream_conn *p, char out[TG_UPSTREAM_WORDS])
{
    if (p->proxy[0] == '\0')
        snprintf(out, TG_UPSTREAM_WORDS, "%s", p->address);
    else if (is_before_tunnel(p))
        snprintf(out, TG_UPSTREAM_WORDS, "proxy %s", p->proxy);
    else
        snprintf(out, TG_UPSTREAM_WORDS, "%s through proxy %s", p->address, p->proxy);
}

/* --- addresses --- */

static void forget_addresses(struct tg_upstream_conn *p)
{
    free(p->addresses);
    p->addresses = NULL;
}

/* Tries the addresses of the connection's server, or its proxy. Takes a copy: others may be found
 * meanwhile. */
static void try_addresses(struct tg_upstream_conn *p)
{
    forget_addresses(p);
    p->addresses = malloc(sizeof(*p->addresses));
    CHECK(p->addresses != NULL);
    *p->addresses = p->via->addresses;
    p->next = 0;
    next_address(p);
}

/* While there are others to try, one attempt (a look-up, an
 * address) gets its share of the time that is left; the last one
 * has the owner's own deadline. A proxy has less, so that it is
 * told apart from its server. */
static void limit_attempt(struct tg_upstream_conn *p, unsigned addresses)
{
    unsigned others = addresses + (is_before_proxy(p) ? 0 : tg_upstream_conn_untried(p));
    uint64_t now = tg_loop_now(p->upstream->all->loop);
    uint64_t left = p->deadline > now ? p->deadline - now : 0;

    tg_timer_clear(&p->timer);
    if (is_before_tunnel(p))
        left -= left / 4;
    else if (others == 0)
        return;
    if (left > 0)
        tg_timer_set(&p->timer, now, (int64_t)(left / (others + 1)));
}

static void on_looked_up(struct tg_upstream_conn *p, const char *why)
{
    if (why == NULL)
        try_addresses(p);
    else
        server_failed(p, fault_of(p, TG_E_UPSTREAM_RESOLVE), why);
}

void tg_upstream_conn_begin(struct tg_upstream_conn *p)
{
    CHECK(p->home != NULL && p->owner != NULL);
    snprintf(p->address, sizeof(p->address), "%.*s", (int)sizeof(p->address) - 1, p->server->text);
    if (tg_upstream_conn_is_tunnelled(p))
        snprintf(p->proxy, sizeof(p->proxy), "%.*s", (int)sizeof(p->proxy) - 1,
                 p->via->server->text);
    if (tg_upstream_conn_await_addresses(p, on_looked_up))
        limit_attempt(p, 0);
    else
        try_addresses(p);
}

void tg_upstream_conn_host(const struct tg_upstream_conn *p, struct tg_buf *out)
{
    const struct tg_upstream_conf *conf = p->upstream->conf;
    const struct tg_upstream_server *server = p->server;

    if (conf->host.n > 0) {
        tg_buf_add(out, conf->host);
        return;
    }
    tg_address_add_host(out, server->host);
    if (server->port != (conf->tls ? 443 : 80)) {
        tg_buf_putc(out, ':');
        tg_buf_u64(out, server->port);
    }
}

/* --- TCP and TLS --- */

static void close_socket(struct tg_upstream_conn *p)
{
    if (p->socket.fd >= 0)
        close(tg_socket_close(&p->socket));
}

/* Through the loop, because the owner may just be asking for the connection. */
void tg_upstream_conn_fail(struct tg_upstream_conn *p, enum tg_error error, const char *why)
{
    CHECK(p->owner != NULL && p->why == NULL);
    p->state = TG_UPSTREAM_CONN_FAILED;
    p->error = error;
    p->why = strdup(why);
    CHECK(p->why != NULL);
    tg_timer_set(&p->timer, tg_loop_now(p->upstream->all->loop), 0);
}

/* Keeps for the record what was tried. */
static void note_failure(struct tg_upstream_conn *p, const char *why)
{
    if (p->failed.n + strlen(why) >= TRAIL)
        return;
    tg_buf_puts(&p->failed, why);
    tg_buf_putc(&p->failed, '\n');
}

/* A server failed: the next one, or the end of it. */
static void server_failed(struct tg_upstream_conn *p, enum tg_error error, const char *why)
{
    bool last = is_before_proxy(p) || error == TG_E_PROXY_AUTH;

    note_failure(p, why);
    tg_upstream_conn_judge(p, error);
    if (!last && tg_upstream_conn_move(p))
        tg_upstream_conn_begin(p);
    else
        tg_upstream_conn_fail(p, error, why);
}

/* An address failed: the next one, or the end of its server. Another address of a proxy that
 * answered would answer the same. */
static void address_failed(struct tg_upstream_conn *p, enum tg_error error, const char *why)
{
    char place[TG_UPSTREAM_WORDS], text[1200];

    write_place(p, place);
    snprintf(text, sizeof(text), "%s: %s", place, why);
    tg_log(TG_LOG_WARN, "upstream", "%s", text);
    close_socket(p);
    tg_timer_clear(&p->timer);
    if (p->next < p->addresses->n && (is_before_proxy(p) || !tg_upstream_conn_is_tunnelled(p))) {
        note_failure(p, text);
        next_address(p);
    } else {
        server_failed(p, error, text);
    }
}

static void ready(struct tg_upstream_conn *p)
{
    CHECK(p->owner != NULL && p->socket.fd >= 0);
    p->state = TG_UPSTREAM_CONN_BUSY;
    forget_addresses(p);
    tg_timer_clear(&p->timer);
    p->events->on_ready(p->owner, p);
}

static void ask_for_tunnel(struct tg_upstream_conn *p)
{
    p->state = TG_UPSTREAM_CONN_TUNNEL;
    limit_attempt(p, 0);
    if (!tg_upstream_tunnel_ask(p))
        address_failed(p, TG_E_PROXY_FAILED, "it closed the connection");
}

/* Who ended a tunnel that just closes nobody can tell; a server that cannot prove who it is can be
 * told. */
static enum tg_error handshake_fault(const struct tg_upstream_conn *p, enum tg_io io)
{
    if (io == TG_IO_CLOSED && tg_upstream_conn_is_tunnelled(p) && !is_before_tunnel(p))
        return TG_E_PROXY_FAILED;
    return fault_of(p, TG_E_UPSTREAM_TLS);
}

static void handshake(struct tg_upstream_conn *p)
{
    const char *why = "";
    enum tg_io io = tg_tls_handshake(p->socket.tls, &why);

    switch (io) {
    case TG_IO_DONE:
        if (p->state == TG_UPSTREAM_CONN_OUTER)
            ask_for_tunnel(p);
        else
            ready(p);
        return;
    case TG_IO_WANT_READ:
        return; /* the read event is armed */
    case TG_IO_WANT_WRITE:
        tg_socket_await_write(&p->socket);
        return;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        p->socket.broken = true;
        address_failed(p, handshake_fault(p, io), why);
        return;
    }
    TG_UNREACHABLE();
}

/* There is a way to the server. */
static void reach_server(struct tg_upstream_conn *p)
{
    const struct tg_upstream_conf *conf = p->upstream->conf;
    struct tg_tls *outer = p->socket.tls;
    struct tg_str name = conf->tls_conf.name.n > 0 ? conf->tls_conf.name : p->server->host;

    if (!conf->tls) {
        ready(p);
        return;
    }
    p->state = TG_UPSTREAM_CONN_HANDSHAKE;
    p->socket.tls = outer != NULL ? tg_tls_connect_inside(conf->tls_context, outer, name)
                                  : tg_tls_connect(conf->tls_context, p->socket.fd, name);
    tg_tls_spare_buffers(p->socket.tls, p->upstream->nopen);
    handshake(p);
}

static void secure_proxy(struct tg_upstream_conn *p, const struct tg_proxy_conf *proxy)
{
    p->state = TG_UPSTREAM_CONN_OUTER;
    p->socket.tls = tg_tls_connect(proxy->tls_context, p->socket.fd, proxy->server.host);
    handshake(p);
}

static void tunnel_readable(struct tg_upstream_conn *p)
{
    struct tg_tunnel_answer answer;

    if (!tg_upstream_tunnel_answered(p, &answer))
        return;
    if (answer.error != TG_E_DONE) {
        address_failed(p, answer.error, answer.why);
        return;
    }
    p->state = TG_UPSTREAM_CONN_HANDSHAKE;
    limit_attempt(p, 0);
    reach_server(p);
}

static void connected(struct tg_upstream_conn *p)
{
    const struct tg_proxy_conf *proxy = p->upstream->conf->proxy;
    int error = 0;
    socklen_t len = sizeof(error);

    CHECK(p->state == TG_UPSTREAM_CONN_CONNECTING);
    CHECK(getsockopt(p->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    if (error != 0) {
        address_failed(p, fault_of(p, TG_E_UPSTREAM_CONNECT), strerror(error));
        return;
    }
    tg_socket_read_on(&p->socket);
    if (proxy == NULL)
        reach_server(p);
    else if (proxy->tls)
        secure_proxy(p, proxy);
    else
        ask_for_tunnel(p);
}

/* A pooled connection is readable: the upstream closed it, or speaks out of turn. */
static void idle_readable(struct tg_upstream_conn *p)
{
    size_t n = 0;
    enum tg_io io = tg_socket_read(&p->socket, p->upstream->all->loop->scratch, TG_SCRATCH, &n);

    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return; /* TLS spoke for itself, e.g. a session ticket */
    if (io == TG_IO_DONE)
        tg_log(TG_LOG_WARN, "upstream", "%s sent %zu bytes nobody asked for: connection closed",
               p->address, n);
    tg_upstream_conn_end(&p);
}

static void on_readable(void *owner)
{
    struct tg_upstream_conn *p = owner;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    switch (p->state) {
    case TG_UPSTREAM_CONN_OUTER:
    case TG_UPSTREAM_CONN_HANDSHAKE:
        handshake(p);
        return;
    case TG_UPSTREAM_CONN_TUNNEL:
        tunnel_readable(p);
        return;
    case TG_UPSTREAM_CONN_BUSY:
        p->events->on_readable(p->owner);
        return;
    case TG_UPSTREAM_CONN_IDLE:
        idle_readable(p);
        return;
    case TG_UPSTREAM_CONN_PENDING:
    case TG_UPSTREAM_CONN_RESOLVING:
    case TG_UPSTREAM_CONN_CONNECTING:
    case TG_UPSTREAM_CONN_FAILED:
        break;
    }
    TG_UNREACHABLE(); /* reading is off */
}

static void on_drained(void *owner)
{
    struct tg_upstream_conn *p = owner;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    switch (p->state) {
    case TG_UPSTREAM_CONN_CONNECTING:
        connected(p);
        return;
    case TG_UPSTREAM_CONN_OUTER:
    case TG_UPSTREAM_CONN_HANDSHAKE:
        handshake(p);
        return;
    case TG_UPSTREAM_CONN_TUNNEL:
        return; /* all of the question is with the kernel */
    case TG_UPSTREAM_CONN_BUSY:
        p->events->on_drained(p->owner);
        return;
    case TG_UPSTREAM_CONN_PENDING:
    case TG_UPSTREAM_CONN_RESOLVING:
    case TG_UPSTREAM_CONN_FAILED:
    case TG_UPSTREAM_CONN_IDLE:
        break;
    }
    TG_UNREACHABLE(); /* nothing was queued */
}

static void on_progress(void *owner)
{
    struct tg_upstream_conn *p = owner;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    if (p->state == TG_UPSTREAM_CONN_TUNNEL)
        return;
    CHECK(p->state == TG_UPSTREAM_CONN_BUSY); /* nothing else is queued before */
    p->events->on_progress(p->owner);
}

static void on_broken(void *owner)
{
    struct tg_upstream_conn *p = owner;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    if (p->state == TG_UPSTREAM_CONN_TUNNEL) {
        address_failed(p, TG_E_PROXY_FAILED, "it closed the connection");
        return;
    }
    CHECK(p->state == TG_UPSTREAM_CONN_BUSY);
    p->events->on_broken(p->owner);
}

static const struct tg_socket_events socket_events = {on_readable, on_drained, on_progress,
                                                      on_broken};

/* A socket, in the place of something idle when no descriptor is left. */
static int make_socket(const struct tg_upstream_conn *p, int family)
{
    int fd;

    do
        fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    while (fd < 0 && tg_loop_made_room(p->upstream->all->loop, errno));
    return fd;
}

/* What the worker lacks is not the server's fault. */
static void no_socket(struct tg_upstream_conn *p, int error)
{
    if (error == EMFILE || error == ENFILE)
        tg_upstream_conn_fail(p, TG_E_OVERLOADED, strerror(error));
    else
        address_failed(p, fault_of(p, TG_E_UPSTREAM_CONNECT), strerror(error));
}

static void next_address(struct tg_upstream_conn *p)
{
    const struct sockaddr_storage *address = &p->addresses->address[p->next];
    socklen_t len = p->addresses->len[p->next];
    int on = 1;
    int fd;

    CHECK(p->next < p->addresses->n);
    p->next++;
    p->state = TG_UPSTREAM_CONN_CONNECTING;
    tg_address_text(address, tg_upstream_conn_is_tunnelled(p) ? p->proxy : p->address);
    fd = make_socket(p, address->ss_family);
    if (fd < 0) {
        no_socket(p, errno);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    tg_socket_open(&p->socket, p->upstream->all->loop->base, fd, &socket_events, p);
    if (connect(fd, (const struct sockaddr *)address, len) != 0 && errno != EINPROGRESS) {
        address_failed(p, fault_of(p, TG_E_UPSTREAM_CONNECT), strerror(errno));
        return;
    }
    limit_attempt(p, p->addresses->n - p->next);
    tg_socket_await_write(&p->socket);
}

/* --- the end, and deadlines --- */

void tg_upstream_conn_disconnect(struct tg_upstream_conn *p)
{
    close_socket(p);
    forget_addresses(p);
}

/* What an attempt was waiting for. */
static const char *awaited(const struct tg_upstream_conn *p)
{
    switch (p->state) {
    case TG_UPSTREAM_CONN_RESOLVING:
        return "name not resolved in time";
    case TG_UPSTREAM_CONN_CONNECTING:
        return "TCP not connected in time";
    case TG_UPSTREAM_CONN_OUTER:
        return tg_tls_has_read(p->socket.tls)
                   ? "TCP connected, TLS handshake not ended in time"
                   : "TCP connected, TLS handshake not answered: is \"http://\" meant?";
    case TG_UPSTREAM_CONN_TUNNEL:
        return "CONNECT not answered in time";
    case TG_UPSTREAM_CONN_HANDSHAKE:
        return tg_tls_has_read(p->socket.tls)
                   ? "TCP connected, TLS handshake not ended in time"
                   : "TCP connected, TLS handshake not answered: is \"tls off\" meant?";
    case TG_UPSTREAM_CONN_PENDING:
    case TG_UPSTREAM_CONN_FAILED:
    case TG_UPSTREAM_CONN_BUSY:
    case TG_UPSTREAM_CONN_IDLE:
        break;
    }
    return "no connection in time";
}

enum tg_error tg_upstream_conn_awaited(const struct tg_upstream_conn *p,
                                       char out[TG_UPSTREAM_WORDS])
{
    char place[TG_UPSTREAM_WORDS];

    if (p->state == TG_UPSTREAM_CONN_FAILED) { /* its owner is about to be told */
        snprintf(out, TG_UPSTREAM_WORDS, "%s", p->why);
        return p->error;
    }
    write_place(p, place);
    snprintf(out, TG_UPSTREAM_WORDS, "%.*s%s%s", (int)(TG_UPSTREAM_WORDS / 2), place,
             place[0] != '\0' ? ": " : "", awaited(p));
    return fault_of(p, TG_E_CONNECT_TIMEOUT);
}

/* The look-up goes on for others. */
static void not_resolved(struct tg_upstream_conn *p)
{
    char why[TG_UPSTREAM_WORDS];

    CHECK(p->owner != NULL && p->socket.fd < 0);
    (void)tg_upstream_conn_awaited(p, why);
    tg_upstream_queue_remove(&p->via->waiting, p);
    p->state = TG_UPSTREAM_CONN_CONNECTING; /* in no queue any more */
    server_failed(p, fault_of(p, TG_E_UPSTREAM_RESOLVE), why);
}

void tg_upstream_conn_on_deadline(void *owner)
{
    struct tg_upstream_conn *p = owner;

    CHECK_MAGIC(p, TG_UPSTREAM_CONN_MAGIC);
    if (p->state == TG_UPSTREAM_CONN_IDLE)
        tg_upstream_conn_end(&p);
    else if (p->state == TG_UPSTREAM_CONN_FAILED)
        p->events->on_failed(p->owner, p->error, p->why);
    else if (p->state == TG_UPSTREAM_CONN_RESOLVING)
        not_resolved(p);
    else if (p->state != TG_UPSTREAM_CONN_PENDING && p->state != TG_UPSTREAM_CONN_BUSY)
        address_failed(p, fault_of(p, TG_E_CONNECT_TIMEOUT), awaited(p));
}
