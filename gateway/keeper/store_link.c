/* The connection to a store of limits. */
#include "keeper/store_link.h"

#include "base/check.h"
#include "base/clock.h"
#include "net/connector.h"
#include "net/socket.h"
#include "net/timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LINK_MAGIC = 0x6c696e6b,
    GREET_US = 3000000, /* TLS and the greeting together */
    FIRST_DELAY_US = 50000,
    MOST_DELAY_US = 2000000,
    READ = 16384
};

enum link_state { IDLE = 1, CONNECTING, SECURING, GREETING, UP };

struct call {
    void *call;
    uint64_t sent; /* monotonic; 0: not yet */
};

struct tg_store_link {
    uint32_t magic;
    enum link_state state;
    struct event_base *base;
    const struct tg_limit_store_conf *conf;
    const struct tg_store_link_events *events;
    void *owner;
    const struct tg_limit_store_server *server;             /* that is tried, or spoken with */
    struct tg_connector *connector[TG_LIMIT_STORE_SERVERS]; /* by number; NULL: a unix socket */
    struct tg_socket socket;
    struct tg_redis_reader *reader;
    struct tg_buf out;
    struct tg_timer timer; /* the next attempt, or the end of the wait for an answer */
    int64_t delay;         /* before the attempt after the next failure; 0: none has failed */
    struct call call[TG_STORE_CALLS]; /* a ring */
    unsigned first, ncalls;
};

/* --- the end of a connection --- */

static void close_socket(struct tg_store_link *l)
{
    if (l->socket.fd >= 0)
        close(tg_socket_close(&l->socket));
    tg_redis_reader_end(l->reader);
    l->reader = NULL;
    l->out.n = 0;
}

/* All servers in turn without delay, then again after one that grows; replicas whose store went
 * away do not come back at the same time. */
static void plan(struct tg_store_link *l)
{
    uint32_t random;
    int64_t delay = 0;

    l->server = l->server->next;
    if (l->server == NULL) {
        l->server = l->conf->servers;
        l->delay = l->delay == 0 ? FIRST_DELAY_US : l->delay * 2;
        if (l->delay > MOST_DELAY_US)
            l->delay = MOST_DELAY_US;
        tg_random(&random, sizeof(random));
        delay = l->delay * 3 / 4 + (int64_t)random % (l->delay / 2);
    }
    tg_timer_set(&l->timer, tg_clock_mono_now(), delay);
}

static void *take_call(struct tg_store_link *l)
{
    void *call = l->call[l->first].call;

    CHECK(l->ncalls > 0);
    l->first = (l->first + 1) % TG_STORE_CALLS;
    l->ncalls--;
    return call;
}

static void fail(struct tg_store_link *l, enum tg_limit_call what, const char *why)
{
    char words[TG_LIMIT_WHY];

    CHECK_MAGIC(l, LINK_MAGIC);
    CHECK(l->state != IDLE);
    snprintf(words, sizeof(words), "%s: %s", l->server->text, why);
    close_socket(l);
    l->state = IDLE;
    while (l->ncalls > 0)
        l->events->on_lost(l->owner, take_call(l));
    plan(l);
    l->events->on_down(l->owner, what, words);
}

void tg_store_link_drop(struct tg_store_link *l, enum tg_limit_call what, const char *why)
{
    fail(l, what, why);
}

/* --- what is said --- */

static bool starts(struct tg_str error, const char *word)
{
    return tg_str_starts(error, tg_str_of(word));
}

enum tg_limit_call tg_store_link_judge(struct tg_str error)
{
    if (starts(error, "NOSCRIPT"))
        return TG_LIMIT_CALL_NOSCRIPT;
    if (starts(error, "OOM"))
        return TG_LIMIT_CALL_OOM;
    if (starts(error, "READONLY"))
        return TG_LIMIT_CALL_READONLY;
    if (starts(error, "NOAUTH") || starts(error, "WRONGPASS") || starts(error, "NOPERM"))
        return TG_LIMIT_CALL_DENIED;
    return TG_LIMIT_CALL_ERROR;
}

static void send_out(struct tg_store_link *l)
{
    struct iovec iov = {l->out.p, l->out.n};

    if (l->out.n > 0 && !tg_socket_write(&l->socket, &iov, 1)) {
        fail(l, TG_LIMIT_CALL_DOWN, "the connection broke");
        return;
    }
    tg_buf_wipe(&l->out);
}

static void greet(struct tg_store_link *l)
{
    const struct tg_str words[] = {TG_STR("HELLO"), TG_STR("2"), TG_STR("AUTH"), l->conf->user,
                                   l->conf->password};

    l->state = GREETING;
    l->reader = tg_redis_reader_new();
    tg_redis_command(&l->out, words, l->conf->password.n > 0 ? 5 : 2);
    send_out(l);
}

static void greeted(struct tg_store_link *l, const struct tg_redis_reply *reply)
{
    char why[TG_LIMIT_WHY];
    struct tg_redis_reply role = tg_redis_member(reply, "role");

    if (reply->kind == TG_REDIS_ERROR) {
        snprintf(why, sizeof(why), "%.*s", TG_STR_ARG(reply->text));
        fail(l, tg_store_link_judge(reply->text), why);
        return;
    }
    if (role.kind != TG_REDIS_TEXT) {
        fail(l, TG_LIMIT_CALL_ERROR, "its answer to HELLO is not that of Redis");
        return;
    }
    if (!tg_str_eq(role.text, TG_STR("master"))) {
        fail(l, TG_LIMIT_CALL_READONLY, "it says that it is no master");
        return;
    }
    l->state = UP;
    tg_timer_clear(&l->timer);
    l->events->on_greeted(l->owner);
}

static void await_oldest(struct tg_store_link *l)
{
    const struct call *oldest = &l->call[l->first];

    if (l->ncalls == 0 || oldest->sent == 0)
        tg_timer_clear(&l->timer);
    else
        tg_timer_set(&l->timer, oldest->sent, l->conf->share.timeout);
}

static void answered(struct tg_store_link *l, const struct tg_redis_reply *reply)
{
    uint64_t sent = l->call[l->first].sent;

    if (l->ncalls == 0 || sent == 0) {
        fail(l, TG_LIMIT_CALL_ERROR, "it answers what nobody asked");
        return;
    }
    l->events->on_reply(l->owner, take_call(l), reply, tg_clock_mono_now() - sent);
    if (l->state == UP)
        await_oldest(l);
}

/* Any answer may end the connection. */
static void take_replies(struct tg_store_link *l)
{
    struct tg_redis_reply reply;
    bool bad = false;

    while (l->reader != NULL && tg_redis_next(l->reader, &reply, &bad)) {
        if (l->state == GREETING)
            greeted(l, &reply);
        else
            answered(l, &reply);
    }
    if (l->reader != NULL && bad)
        fail(l, TG_LIMIT_CALL_ERROR, "what it sends is not Redis' protocol");
}

static void read_some(struct tg_store_link *l)
{
    char bytes[READ];
    size_t n;

    switch (tg_socket_read(&l->socket, bytes, sizeof(bytes), &n)) {
    case TG_IO_DONE:
        if (!tg_redis_feed(l->reader, (struct tg_str){bytes, n}))
            fail(l, TG_LIMIT_CALL_ERROR, "what it sends is not Redis' protocol");
        else
            take_replies(l);
        return;
    case TG_IO_WANT_READ:
    case TG_IO_WANT_WRITE:
        return;
    case TG_IO_CLOSED:
        fail(l, TG_LIMIT_CALL_DOWN, "it closed the connection");
        return;
    case TG_IO_BROKEN:
        fail(l, TG_LIMIT_CALL_DOWN, "the connection broke");
        return;
    }
    TG_UNREACHABLE();
}

/* --- the way there --- */

static void secure(struct tg_store_link *l)
{
    const char *why = "";

    switch (tg_tls_handshake(l->socket.tls, &why)) {
    case TG_IO_DONE:
        greet(l);
        return;
    case TG_IO_WANT_READ:
        return; /* the read event is armed */
    case TG_IO_WANT_WRITE:
        tg_socket_await_write(&l->socket);
        return;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN: {
        char words[TG_LIMIT_WHY];

        l->socket.broken = true;
        snprintf(words, sizeof(words), "no TLS: %s", why); /* `why` goes with the connection */
        fail(l, TG_LIMIT_CALL_DOWN, words);
        return;
    }
    }
    TG_UNREACHABLE();
}

static void on_readable(void *owner)
{
    struct tg_store_link *l = owner;

    CHECK_MAGIC(l, LINK_MAGIC);
    if (l->state == SECURING)
        secure(l);
    else
        read_some(l);
}

static void on_drained(void *owner)
{
    struct tg_store_link *l = owner;

    CHECK_MAGIC(l, LINK_MAGIC);
    if (l->state == SECURING)
        secure(l);
}

static void on_progress(void *owner)
{
    (void)owner;
}

static void on_broken(void *owner)
{
    fail(owner, TG_LIMIT_CALL_DOWN, "the connection broke");
}

static const struct tg_socket_events socket_events = {on_readable, on_drained, on_progress,
                                                      on_broken};

static void on_connected(void *owner, int fd)
{
    struct tg_store_link *l = owner;
    struct tg_str name = l->conf->tls_conf.name;

    CHECK_MAGIC(l, LINK_MAGIC);
    CHECK(l->state == CONNECTING);
    tg_socket_open(&l->socket, l->base, fd, &socket_events, l);
    tg_socket_read_on(&l->socket);
    tg_timer_set(&l->timer, tg_clock_mono_now(), GREET_US);
    if (l->conf->tls_context == NULL) {
        greet(l);
        return;
    }
    l->state = SECURING;
    tg_socket_secure(&l->socket,
                     tg_tls_connect(l->conf->tls_context, fd, name.n > 0 ? name : l->server->host));
    secure(l);
}

static void on_not_connected(void *owner, const char *why)
{
    fail(owner, TG_LIMIT_CALL_DOWN, why);
}

static const struct tg_connector_events connector_events = {on_connected, on_not_connected};

static void connect_unix(struct tg_store_link *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(l->server->path.n < sizeof(address.sun_path));
    memcpy(address.sun_path, l->server->path.p, l->server->path.n);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        on_connected(l, fd);
        return;
    }
    fail(l, TG_LIMIT_CALL_DOWN, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void attempt(struct tg_store_link *l)
{
    CHECK(l->state == IDLE && l->ncalls == 0);
    l->state = CONNECTING;
    if (l->server->path.n > 0)
        connect_unix(l);
    else
        tg_connector_start(l->connector[l->server->number]);
}

/* It connected, but said nothing in time; or it was asked and said nothing. */
static void on_timer(void *owner)
{
    struct tg_store_link *l = owner;

    CHECK_MAGIC(l, LINK_MAGIC);
    if (l->state == IDLE)
        attempt(l);
    else if (l->state == UP)
        fail(l, TG_LIMIT_CALL_TIMEOUT, "it did not answer in time");
    else if (l->state != CONNECTING) /* which has its own deadlines */
        fail(l, TG_LIMIT_CALL_TIMEOUT,
             l->state == SECURING ? "TLS handshake not ended in time"
                                  : "HELLO not answered in time");
}

/* --- its owner's side --- */

struct tg_store_link *tg_store_link_new(struct event_base *base,
                                        const struct tg_limit_store_conf *conf,
                                        const struct tg_store_link_events *events, void *owner)
{
    struct tg_store_link *l = calloc(1, sizeof(*l));

    CHECK(l != NULL && conf->servers != NULL);
    l->magic = LINK_MAGIC;
    l->state = IDLE;
    l->base = base;
    l->conf = conf;
    l->events = events;
    l->owner = owner;
    l->server = conf->servers;
    l->socket.fd = -1;
    tg_timer_init(&l->timer, base, on_timer, l);
    for (const struct tg_limit_store_server *s = conf->servers; s != NULL; s = s->next)
        if (s->path.n == 0)
            l->connector[s->number] =
                tg_connector_new(base, SOCK_STREAM, s->host, s->port, &connector_events, l);
    return l;
}

void tg_store_link_start(struct tg_store_link *l)
{
    tg_timer_set(&l->timer, tg_clock_mono_now(), 0);
}

unsigned tg_store_link_room(const struct tg_store_link *l)
{
    return l->state == UP ? TG_STORE_CALLS - l->ncalls : 0;
}

unsigned tg_store_link_pending(const struct tg_store_link *l)
{
    return l->ncalls;
}

void tg_store_link_call(struct tg_store_link *l, const struct tg_str *words, unsigned n, void *call)
{
    CHECK_MAGIC(l, LINK_MAGIC);
    CHECK(l->state == UP && l->ncalls < TG_STORE_CALLS);
    tg_redis_command(&l->out, words, n);
    l->call[(l->first + l->ncalls++) % TG_STORE_CALLS] = (struct call){.call = call};
}

void tg_store_link_flush(struct tg_store_link *l)
{
    uint64_t now = tg_clock_mono_now();

    CHECK_MAGIC(l, LINK_MAGIC);
    if (l->out.n == 0)
        return;
    for (unsigned i = l->ncalls; i > 0; i--) {
        struct call *c = &l->call[(l->first + i - 1) % TG_STORE_CALLS];

        if (c->sent != 0)
            break;
        c->sent = now;
    }
    await_oldest(l);
    send_out(l);
}

void tg_store_link_proved(struct tg_store_link *l)
{
    l->delay = 0;
}

const char *tg_store_link_server(const struct tg_store_link *l)
{
    return l->server->text;
}

void tg_store_link_end(struct tg_store_link *l)
{
    if (l == NULL)
        return;
    close_socket(l);
    for (unsigned i = 0; i < TG_LIMIT_STORE_SERVERS; i++)
        tg_connector_end(l->connector[i]);
    tg_timer_end(&l->timer);
    tg_buf_end(&l->out);
    l->magic = 0;
    free(l);
}
