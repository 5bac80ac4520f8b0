#include "upstream.h"

#include "check.h"
#include "clock.h"
#include "exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEER_MAGIC = 0x70656572 };

/* What one worker knows of one origin: its addresses, for resolve_valid. */
struct origin_state {
    const struct tg_origin *origin;
    struct tg_addresses addresses;
    uint64_t valid_until; /* monotonic; 0: never resolved */
};

struct tg_upstream {
    struct tg_worker *worker;
    const struct tg_upstream_conf *conf;
    struct origin_state *origins;
    unsigned turn;        /* round robin over origins */
    struct tg_peer *idle; /* newest first: the others may time out */
    unsigned nidle;
    struct tg_upstream *next;
};

static void next_address(struct tg_peer *p);

/* --- addresses --- */

static bool add_address(struct tg_addresses *a, const struct sockaddr *address, socklen_t len)
{
    if (a->n == TG_MAX_ADDRESSES || len > sizeof(a->address[0]))
        return false;
    memcpy(&a->address[a->n], address, len);
    a->len[a->n++] = len;
    return true;
}

static void add_literal(struct tg_addresses *a, const struct tg_origin *o)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};

    if (inet_pton(AF_INET, o->host.p, &v4.sin_addr) == 1)
        CHECK(add_address(a, (struct sockaddr *)&v4, sizeof(v4)));
    else if (inet_pton(AF_INET6, o->host.p, &v6.sin6_addr) == 1)
        CHECK(add_address(a, (struct sockaddr *)&v6, sizeof(v6)));
}

static struct origin_state *state_of(struct tg_upstream *u, const struct tg_origin *o)
{
    for (unsigned i = 0; i < u->conf->norigins; i++)
        if (u->origins[i].origin == o)
            return &u->origins[i];
    TG_UNREACHABLE();
}

/* The peer's exchange hears of a failure; the exchange then ends the peer. */
static void fail(struct tg_peer *p, enum tg_error error, const char *why)
{
    CHECK(p->exchange != NULL);
    tg_exchange_peer_failed(p->exchange, error, why);
}

static void on_resolved(int result, struct evutil_addrinfo *list, void *arg)
{
    struct tg_peer *p = arg;
    struct tg_upstream *u;
    struct origin_state *state;
    char why[160];

    CHECK_MAGIC(p, PEER_MAGIC);
    p->query = NULL;
    if (result == EVUTIL_EAI_CANCEL) { /* tg_peer_end() left the peer to us */
        p->magic = 0;
        free(p);
        return;
    }
    u = p->upstream;
    state = state_of(u, p->origin);
    if (result != 0) {
        snprintf(why, sizeof(why), "%.*s: %s", TG_STR_ARG(p->origin->host),
                 evutil_gai_strerror(result));
        fail(p, TG_E_UPSTREAM_RESOLVE, why);
        return;
    }
    state->addresses.n = 0;
    for (struct evutil_addrinfo *a = list; a != NULL; a = a->ai_next)
        (void)add_address(&state->addresses, a->ai_addr, (socklen_t)a->ai_addrlen);
    evutil_freeaddrinfo(list);
    state->valid_until = tg_clock_mono_now() + (uint64_t)u->conf->resolve_valid;
    p->addresses = state->addresses;
    next_address(p);
}

static void query(struct tg_peer *p)
{
    struct tg_worker *w = p->upstream->worker;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    struct evdns_getaddrinfo_request *pending;
    char port[8];

    if (w->dns == NULL)
        w->dns = evdns_base_new(w->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                             EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (w->dns == NULL) {
        fail(p, TG_E_UPSTREAM_RESOLVE, "/etc/resolv.conf names no usable server");
        return;
    }
    p->state = TG_PEER_RESOLVING;
    snprintf(port, sizeof(port), "%u", p->origin->port);
    /* May call back before it returns, and the peer may be gone then: it returns NULL. */
    pending = evdns_getaddrinfo(w->dns, p->origin->host.p, port, &hints, on_resolved, p);
    if (pending != NULL)
        p->query = pending;
}

static void resolve(struct tg_peer *p)
{
    struct origin_state *state = state_of(p->upstream, p->origin);

    if (p->origin->literal && state->addresses.n == 0)
        add_literal(&state->addresses, p->origin);
    if (p->origin->literal ||
        (state->addresses.n > 0 && state->valid_until > tg_clock_mono_now())) {
        p->addresses = state->addresses;
        next_address(p);
        return;
    }
    query(p);
}

/* --- TCP and TLS --- */

static void write_address(struct tg_peer *p, const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof(host));
        snprintf(p->address, sizeof(p->address), "%s:%u", host, p->origin->port);
    } else {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, host, sizeof(host));
        snprintf(p->address, sizeof(p->address), "[%s]:%u", host, p->origin->port);
    }
}

static void close_socket(struct tg_peer *p)
{
    if (p->wire.fd >= 0)
        close(tg_wire_close(&p->wire));
}

/* An address failed: the next one, or the end of it. */
static void address_failed(struct tg_peer *p, enum tg_error error, const char *why)
{
    char text[1200];

    snprintf(text, sizeof(text), "%s: %s", p->address, why);
    tg_log(TG_LOG_WARN, "upstream", "%s", text);
    close_socket(p);
    if (p->next < p->addresses.n)
        next_address(p);
    else
        fail(p, error, text);
}

static void ready(struct tg_peer *p)
{
    p->state = TG_PEER_BUSY;
    tg_exchange_peer_ready(p->exchange);
}

static void handshake(struct tg_peer *p)
{
    const char *why = "";

    switch (tg_tls_handshake(p->wire.tls, &why)) {
    case TG_IO_DONE:
        ready(p);
        return;
    case TG_IO_WANT_READ:
        return; /* the read event is armed */
    case TG_IO_WANT_WRITE:
        tg_wire_await_write(&p->wire);
        return;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        p->wire.broken = true;
        address_failed(p, TG_E_UPSTREAM_TLS, why);
        return;
    }
    TG_UNREACHABLE();
}

static void connected(struct tg_peer *p)
{
    const struct tg_upstream_conf *conf = p->upstream->conf;
    int error = 0;
    socklen_t len = sizeof(error);

    CHECK(getsockopt(p->wire.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    if (error != 0) {
        address_failed(p, TG_E_UPSTREAM_CONNECT, strerror(error));
        return;
    }
    tg_wire_read_on(&p->wire);
    if (!conf->tls) {
        ready(p);
        return;
    }
    p->state = TG_PEER_HANDSHAKE;
    p->wire.tls = tg_tls_connect(conf->tls_context, p->wire.fd,
                                 conf->tls_name.n > 0 ? conf->tls_name : p->origin->host,
                                 conf->tls_name.n == 0 && p->origin->literal);
    handshake(p);
}

/* A pooled connection is readable: the upstream closed it, or speaks out of turn. */
static void idle_readable(struct tg_peer *p)
{
    size_t n = 0;
    enum tg_io io = tg_wire_read(&p->wire, p->upstream->worker->scratch, TG_SCRATCH, &n);

    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return; /* TLS spoke for itself, e.g. a session ticket */
    if (io == TG_IO_DONE)
        tg_log(TG_LOG_WARN, "upstream", "%s sent %zu bytes nobody asked for: connection closed",
               p->address, n);
    tg_peer_end(&p);
}

static void on_readable(void *owner)
{
    struct tg_peer *p = owner;

    CHECK_MAGIC(p, PEER_MAGIC);
    switch (p->state) {
    case TG_PEER_HANDSHAKE:
        handshake(p);
        return;
    case TG_PEER_BUSY:
        tg_exchange_peer_readable(p->exchange);
        return;
    case TG_PEER_IDLE:
        idle_readable(p);
        return;
    case TG_PEER_RESOLVING:
    case TG_PEER_CONNECTING:
        break;
    }
    TG_UNREACHABLE(); /* reading is off */
}

static void on_drained(void *owner)
{
    struct tg_peer *p = owner;

    CHECK_MAGIC(p, PEER_MAGIC);
    switch (p->state) {
    case TG_PEER_CONNECTING:
        connected(p);
        return;
    case TG_PEER_HANDSHAKE:
        handshake(p);
        return;
    case TG_PEER_BUSY:
        tg_exchange_peer_drained(p->exchange);
        return;
    case TG_PEER_RESOLVING:
    case TG_PEER_IDLE:
        break;
    }
    TG_UNREACHABLE(); /* nothing was queued */
}

static void on_broken(void *owner)
{
    struct tg_peer *p = owner;

    CHECK_MAGIC(p, PEER_MAGIC);
    CHECK(p->state == TG_PEER_BUSY);
    tg_exchange_peer_broken(p->exchange);
}

static const struct tg_wire_events events = {on_readable, on_drained, on_broken};

static void next_address(struct tg_peer *p)
{
    const struct sockaddr *address = (const struct sockaddr *)&p->addresses.address[p->next];
    socklen_t len = p->addresses.len[p->next];
    int on = 1;
    int fd;

    if (p->next >= p->addresses.n) {
        fail(p, TG_E_UPSTREAM_RESOLVE, "the name has no address");
        return;
    }
    p->next++;
    p->state = TG_PEER_CONNECTING;
    write_address(p, address);
    fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        address_failed(p, TG_E_UPSTREAM_CONNECT, strerror(errno));
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    tg_wire_open(&p->wire, p->upstream->worker->base, fd, &events, p);
    if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
        address_failed(p, TG_E_UPSTREAM_CONNECT, strerror(errno));
        return;
    }
    tg_wire_await_write(&p->wire);
}

/* --- the pool --- */

static void on_idle_timeout(void *owner)
{
    struct tg_peer *p = owner;

    CHECK_MAGIC(p, PEER_MAGIC);
    if (p->state == TG_PEER_IDLE)
        tg_peer_end(&p);
}

static struct tg_peer *new_peer(struct tg_upstream *u, struct tg_exchange *x)
{
    struct tg_peer *p = calloc(1, sizeof(*p));

    CHECK(p != NULL);
    p->magic = PEER_MAGIC;
    p->upstream = u;
    p->origin = u->origins[u->turn++ % u->conf->norigins].origin;
    p->wire.fd = -1;
    p->exchange = x;
    snprintf(p->address, sizeof(p->address), "%s", p->origin->text);
    tg_timer_init(&p->idle, u->worker->base, on_idle_timeout, p);
    u->worker->live.peers++;
    return p;
}

static struct tg_peer *take_idle(struct tg_upstream *u, struct tg_exchange *x)
{
    struct tg_peer *p = u->idle;

    if (p == NULL)
        return NULL;
    CHECK_MAGIC(p, PEER_MAGIC);
    u->idle = p->sibling;
    u->nidle--;
    p->sibling = NULL;
    p->state = TG_PEER_BUSY;
    p->reused = true;
    p->exchange = x;
    tg_timer_clear(&p->idle);
    return p;
}

static struct tg_upstream *find(struct tg_worker *w, const struct tg_upstream_conf *conf)
{
    for (struct tg_upstream *u = w->upstreams; u != NULL; u = u->next)
        if (u->conf == conf)
            return u;
    TG_UNREACHABLE();
}

void tg_upstream_take(struct tg_worker *w, const struct tg_upstream_conf *conf,
                      struct tg_exchange *x, bool fresh)
{
    struct tg_upstream *u = find(w, conf);

    CHECK(x->peer == NULL);
    x->peer = fresh ? NULL : take_idle(u, x);
    if (x->peer != NULL) {
        tg_exchange_peer_ready(x);
        return;
    }
    x->peer = new_peer(u, x);
    resolve(x->peer);
}

void tg_peer_give(struct tg_peer **peer)
{
    struct tg_peer *p = *peer;
    struct tg_upstream *u = p->upstream;

    CHECK_MAGIC(p, PEER_MAGIC);
    CHECK(p->state == TG_PEER_BUSY);
    p->requests++;
    if (u->nidle >= (unsigned)u->conf->keepalive || u->worker->draining ||
        (u->conf->keepalive_requests > 0 && p->requests >= (uint64_t)u->conf->keepalive_requests)) {
        tg_peer_end(peer);
        return;
    }
    *peer = NULL;
    p->exchange = NULL;
    p->state = TG_PEER_IDLE;
    p->in.n = 0;
    p->sibling = u->idle;
    u->idle = p;
    u->nidle++;
    tg_wire_read_on(&p->wire);
    tg_timer_set(&p->idle, tg_clock_mono_now(), u->conf->keepalive_timeout);
}

static void leave_pool(struct tg_peer *p)
{
    struct tg_upstream *u = p->upstream;

    for (struct tg_peer **at = &u->idle; *at != NULL; at = &(*at)->sibling)
        if (*at == p) {
            *at = p->sibling;
            u->nidle--;
            return;
        }
    TG_UNREACHABLE();
}

void tg_peer_end(struct tg_peer **peer)
{
    struct tg_peer *p = *peer;
    struct evdns_getaddrinfo_request *pending;

    if (p == NULL)
        return;
    CHECK_MAGIC(p, PEER_MAGIC);
    *peer = NULL;
    if (p->state == TG_PEER_IDLE)
        leave_pool(p);
    close_socket(p);
    tg_timer_end(&p->idle);
    tg_buf_end(&p->in);
    CHECK(p->upstream->worker->live.peers > 0);
    p->upstream->worker->live.peers--;
    p->exchange = NULL;
    pending = p->query;
    if (pending != NULL) {
        evdns_getaddrinfo_cancel(pending); /* calls on_resolved(), which frees the peer */
        return;
    }
    p->magic = 0;
    free(p);
}

void tg_upstreams_open(struct tg_worker *w)
{
    for (struct tg_upstream_conf *c = w->settings->upstreams; c != NULL; c = c->next) {
        struct tg_upstream *u = calloc(1, sizeof(*u));
        unsigned i = 0;

        CHECK(u != NULL && c->norigins > 0);
        u->worker = w;
        u->conf = c;
        u->origins = calloc(c->norigins, sizeof(*u->origins));
        CHECK(u->origins != NULL);
        for (const struct tg_origin *o = c->origins; o != NULL; o = o->next)
            u->origins[i++].origin = o;
        CHECK(i == c->norigins);
        u->next = w->upstreams;
        w->upstreams = u;
    }
}

void tg_upstreams_close_idle(struct tg_worker *w)
{
    for (struct tg_upstream *u = w->upstreams; u != NULL; u = u->next)
        while (u->idle != NULL) {
            struct tg_peer *p = u->idle;

            tg_peer_end(&p);
        }
}

void tg_upstreams_end(struct tg_worker *w)
{
    tg_upstreams_close_idle(w);
    while (w->upstreams != NULL) {
        struct tg_upstream *u = w->upstreams;

        w->upstreams = u->next;
        free(u->origins);
        free(u);
    }
}
