/* Connections to servers by name: the look-up, then address by address. */
#include "net/connector.h"

#include "base/check.h"
#include "base/clock.h"
#include "net/addresses.h"
#include "net/resolver.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOOKUP_US = 3000000,
    ADDRESS_US = 500000, /* for each address */
    MAX_WORDS = 512
};

enum connector_state { IDLE = 1, RESOLVING, CONNECTING };

struct tg_connector {
    struct event_base *base;
    int type;
    struct tg_str host;
    uint16_t port;
    const struct tg_connector_events *events;
    void *owner;
    enum connector_state state;
    struct tg_resolver *resolver;
    struct tg_lookup *lookup; /* when resolving */
    struct tg_addresses addresses;
    unsigned next;        /* address to try */
    int fd;               /* of the address that is tried; -1: none */
    struct event ready;   /* the socket can be written to: connected, or it failed */
    struct tg_timer late; /* the address's time is up; or, at once, the next one's turn */
    char why[MAX_WORDS];  /* of the newest failure */
};

static void connector_fail(struct tg_connector *c)
{
    c->state = IDLE;
    c->events->on_failed(c->owner, c->why);
}

/* The address that was tried last leads nowhere. */
static void address_failed(struct tg_connector *c, const char *why)
{
    char address[TG_ADDRESS_TEXT];

    CHECK(c->next > 0);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    tg_address_text(&c->addresses.address[c->next - 1], address);
    snprintf(c->why, sizeof(c->why), "connect to %s: %s", address, why);
}

/* Begins a connection to the next address; false when that has failed already. */
static bool try_address(struct tg_connector *c)
{
    unsigned i = c->next++;
    const struct sockaddr_storage *address = &c->addresses.address[i];

    c->fd = socket(address->ss_family, c->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || (connect(c->fd, (const struct sockaddr *)address, c->addresses.len[i]) != 0 &&
                      errno != EINPROGRESS)) {
        address_failed(c, strerror(errno));
        return false;
    }
    return true;
}

static void connector_on_ready(evutil_socket_t fd, short what, void *arg);

static void try_addresses(struct tg_connector *c)
{
    c->state = CONNECTING;
    while (c->next < c->addresses.n) {
        if (!try_address(c))
            continue;
        CHECK(event_assign(&c->ready, c->base, c->fd, EV_WRITE, connector_on_ready, c) == 0);
        CHECK(event_add(&c->ready, NULL) == 0);
        tg_timer_set(&c->late, tg_clock_mono_now(), ADDRESS_US);
        return;
    }
    connector_fail(c);
}

static void connector_on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct tg_connector *c = arg;
    socklen_t size = sizeof(int);
    int error = 0;

    (void)what;
    CHECK(c->state == CONNECTING && c->fd == fd);
    tg_timer_clear(&c->late);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0) {
        address_failed(c, strerror(error));
        try_addresses(c);
        return;
    }
    c->fd = -1;
    c->state = IDLE;
    c->events->on_connected(c->owner, fd);
}

/* Either the address has not answered, or this is the first one's turn. */
static void on_late(void *owner)
{
    struct tg_connector *c = owner;

    CHECK(c->state == CONNECTING);
    if (c->fd >= 0) {
        event_del(&c->ready);
        address_failed(c, strerror(ETIMEDOUT));
    }
    try_addresses(c);
}

/* One family is enough: who has to try again looks the name up again. */
static void connector_on_addresses(void *owner, const struct tg_name_addresses *found, bool last)
{
    struct tg_connector *c = owner;

    if (!last)
        tg_lookup_cancel(c->lookup);
    c->lookup = NULL;
    tg_addresses_resolved(&c->addresses, found, c->port);
    try_addresses(c);
}

static void on_lookup_failed(void *owner, const char *why)
{
    struct tg_connector *c = owner;

    c->lookup = NULL;
    snprintf(c->why, sizeof(c->why), "%s", why);
    connector_fail(c);
}

static const struct tg_lookup_events lookup_events = {connector_on_addresses, on_lookup_failed};

struct tg_connector *tg_connector_new(struct event_base *base, int type, struct tg_str host,
                                      uint16_t port, const struct tg_connector_events *events,
                                      void *owner)
{
    struct tg_connector *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    *c = (struct tg_connector){.base = base,
                               .type = type,
                               .host = host,
                               .port = port,
                               .events = events,
                               .owner = owner,
                               .state = IDLE,
                               .fd = -1};
    tg_timer_init(&c->late, base, on_late, c);
    return c;
}

void tg_connector_start(struct tg_connector *c)
{
    if (c->state != IDLE)
        return;
    c->next = c->addresses.n = 0;
    tg_addresses_literal(&c->addresses, c->host, c->port);
    if (c->addresses.n > 0) {
        c->state = CONNECTING;
        tg_timer_set(&c->late, tg_clock_mono_now(), 0);
        return;
    }
    if (c->resolver == NULL)
        c->resolver = tg_resolver_new(c->base, TG_RESOLV_CONF, TG_HOSTS);
    c->state = RESOLVING;
    c->lookup = tg_lookup_start(c->resolver, c->host, LOOKUP_US, &lookup_events, c);
}

void tg_connector_wait(struct tg_connector *c)
{
    while (c->state != IDLE)
        CHECK(event_base_loop(c->base, EVLOOP_ONCE) >= 0);
}

void tg_connector_end(struct tg_connector *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0) {
        event_del(&c->ready);
        close(c->fd);
    }
    tg_timer_end(&c->late);
    tg_lookup_cancel(c->lookup);
    tg_resolver_end(c->resolver);
    free(c);
}
