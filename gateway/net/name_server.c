/* One name server, by way of c-ares. */
#include "net/name_server.h"

#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"

#include <ares.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLASS_IN = 1, /* RFC 1035 section 3.2 */
    TYPE_A = 1,
    TYPE_AAAA = 28,   /* RFC 3596 section 2.1 */
    ANSWER_MS = 5000, /* an answer that comes later is not taken any more */
    TICK_US = 1000000
};

/* A socket of c-ares. */
struct tg_name_socket {
    struct event event;
    int fd;
    struct tg_name_server *server;
    struct tg_name_socket *next;
};

struct question {
    struct tg_name_server *server;
    int family;
    void (*on_answer)(void *owner, const struct tg_name_answer *answer);
    void *owner;
};

const char *tg_name_server_library(void)
{
    return ares_version(NULL);
}

/* --- sockets --- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct tg_name_socket *s = arg; /* may be gone once c-ares has looked */

    ares_process_fd(s->server->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct tg_name_socket **find_socket(struct tg_name_server *server, int fd)
{
    struct tg_name_socket **at = &server->sockets;

    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

static struct tg_name_socket *new_socket(struct tg_name_server *server, int fd)
{
    struct tg_name_socket *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->fd = fd;
    s->server = server;
    return s;
}

/* c-ares tells what it waits for on a socket; nothing at all: the socket is about to be closed. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct tg_name_server *server = data;
    struct tg_name_socket **at = find_socket(server, fd), *s = *at;
    short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    if (s != NULL)
        event_del(&s->event);
    if (!readable && !writable) {
        if (s != NULL)
            *at = s->next;
        free(s);
        return;
    }
    if (s == NULL)
        s = *at = new_socket(server, fd);
    CHECK(event_assign(&s->event, server->base, fd, what, on_socket, s) == 0);
    CHECK(event_add(&s->event, NULL) == 0);
}

/* --- servers --- */

static void set_address(struct tg_name_server *s)
{
    struct ares_addr_port_node node = {.family = s->address.ss_family,
                                       .udp_port = tg_address_port(&s->address),
                                       .tcp_port = tg_address_port(&s->address)};

    memcpy(&node.addr, tg_address_bytes((struct sockaddr *)&s->address),
           node.family == AF_INET ? sizeof(node.addr.addr4) : sizeof(node.addr.addr6));
    CHECK(ares_set_servers_ports(s->channel, &node) == ARES_SUCCESS);
}

/* c-ares reads no file, has no search list, asks each question once, and hands on what servers say
 * who cannot tell. */
static void open_channel(struct tg_name_server *s)
{
    static char lookups[] = "b", no_file[] = "/dev/null";
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
        .timeout = ANSWER_MS,
        .tries = 1,
        .ndots = 1,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = s,
        .resolvconf_path = no_file,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;

    CHECK(ares_init_options(&s->channel, &options, mask) == ARES_SUCCESS);
    set_address(s);
}

/* Questions end that were never answered. */
static void on_tick(void *owner)
{
    struct tg_name_server *s = owner;

    ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (s->nqueries > 0)
        tg_timer_set(&s->tick, tg_clock_mono_now(), TICK_US);
}

struct tg_name_server *tg_name_server_new(struct event_base *base,
                                          const struct sockaddr_storage *address)
{
    struct tg_name_server *s = calloc(1, sizeof(*s));

    CHECK(s != NULL && (address->ss_family == AF_INET || address->ss_family == AF_INET6));
    s->base = base;
    s->address = *address;
    tg_address_text(&s->address, s->text);
    open_channel(s);
    tg_timer_init(&s->tick, base, on_tick, s);
    return s;
}

void tg_name_server_end(struct tg_name_server *s)
{
    ares_destroy(s->channel); /* its questions end, and its sockets */
    CHECK(s->nqueries == 0 && s->sockets == NULL);
    tg_timer_end(&s->tick);
    free(s);
}

/* --- answers --- */

static void shorten_ttl(struct tg_name_addresses *found, int ttl)
{
    uint32_t seconds = ttl > 0 ? (uint32_t)ttl : 0;

    if (seconds < found->ttl)
        found->ttl = seconds;
}

static int read_v4(struct tg_name_addresses *found, const unsigned char *bytes, int len)
{
    struct ares_addrttl records[TG_NAME_ADDRESSES];
    int n = TG_NAME_ADDRESSES, status = ares_parse_a_reply(bytes, len, NULL, records, &n);

    for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
        found->v4[found->nv4++] = records[i].ipaddr;
        shorten_ttl(found, records[i].ttl);
    }
    return status;
}

static int read_v6(struct tg_name_addresses *found, const unsigned char *bytes, int len)
{
    struct ares_addr6ttl records[TG_NAME_ADDRESSES];
    int n = TG_NAME_ADDRESSES, status = ares_parse_aaaa_reply(bytes, len, NULL, records, &n);

    for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
        memcpy(&found->v6[found->nv6++], &records[i].ip6addr, sizeof(found->v6[0]));
        shorten_ttl(found, records[i].ttl);
    }
    return status;
}

static enum tg_name_result result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return TG_NAME_FOUND;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: /* nobody can have it */
        return TG_NAME_NONE;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_EDESTRUCTION:
        return TG_NAME_SILENT;
    default:
        return TG_NAME_UNABLE;
    }
}

static void name_server_on_answer(void *arg, int status, int timeouts, unsigned char *bytes,
                                  int len)
{
    struct question *q = arg;
    struct tg_name_addresses found = {.ttl = UINT32_MAX};
    struct tg_name_answer answer = {.found = &found};

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = q->family == AF_INET ? read_v4(&found, bytes, len) : read_v6(&found, bytes, len);
    answer.result = result_of(status);
    answer.why = ares_strerror(status);
    CHECK(q->server->nqueries > 0);
    q->server->nqueries--;
    if (answer.result != TG_NAME_SILENT)
        q->server->answered = tg_clock_mono_now();
    q->on_answer(q->owner, &answer);
    free(q);
}

/* --- questions --- */

void tg_name_server_ask(struct tg_name_server *s, const char *name, int family,
                        void (*callback)(void *owner, const struct tg_name_answer *answer),
                        void *owner)
{
    struct question *q = calloc(1, sizeof(*q));

    CHECK(q != NULL && (family == AF_INET || family == AF_INET6));
    *q = (struct question){s, family, callback, owner};
    if (s->nqueries++ == 0)
        tg_timer_set(&s->tick, tg_clock_mono_now(), TICK_US);
    ares_query(s->channel, name, CLASS_IN, family == AF_INET ? TYPE_A : TYPE_AAAA,
               name_server_on_answer, q);
}
