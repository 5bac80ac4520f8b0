/*
 * The syslog sinks: each line is the message of one RFC 5424 entry, facility local0, severity
 * informational. UNIX and UDP sockets carry one entry per datagram (RFC 5426); TCP counts octets
 * (RFC 6587 section 3.4.1). A server that takes nothing is waited for a moment, then it is a
 * failure like a full disk; so is a connection that is still in the making. What a server lost
 * after its kernel took it, nobody here can know.
 */
#include "audit/sink.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PRIORITY = 16 * 8 + 6, /* local0.info */
    ROOM_US = 50000,       /* for room in the socket */
    WRITE_US = 200000,     /* for all waits of one write */
};

/* --- connecting --- */

static bool open_unix(struct tg_sink *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, error;

    if (s->conf->path.n >= sizeof(address.sun_path))
        return tg_sink_fail(s, "connect", ENAMETOOLONG);
    memcpy(address.sun_path, s->conf->path.p, s->conf->path.n);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        s->fd = fd;
        return true;
    }
    error = errno;
    if (fd >= 0)
        close(fd);
    return tg_sink_fail(s, "connect", error);
}

static void on_connected(void *owner, int fd)
{
    struct tg_sink *s = owner;

    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->arrived = true;
}

static void on_failed(void *owner, const char *why)
{
    struct tg_sink *s = owner;

    tg_sink_fail(s, why, 0);
    if (s->fd >= 0)
        tg_log(TG_LOG_WARN, "audit", "%s; the connection of before goes on", s->why);
}

static const struct tg_connector_events connector_events = {on_connected, on_failed};

static void init_udp(struct tg_sink *s, struct event_base *base)
{
    s->connector =
        tg_connector_new(base, SOCK_DGRAM, s->conf->host, s->conf->port, &connector_events, s);
}

static void init_tcp(struct tg_sink *s, struct event_base *base)
{
    s->connector =
        tg_connector_new(base, SOCK_STREAM, s->conf->host, s->conf->port, &connector_events, s);
}

/* What came of it shows later. */
static bool open_inet(struct tg_sink *s)
{
    tg_connector_start(s->connector);
    return false;
}

/* A socket file may have moved to another process. */
static bool reopen_unix(struct tg_sink *s)
{
    int before = s->fd;

    if (!open_unix(s))
        return false;
    close(before);
    return true;
}

/* The next connection is begun at once. */
static void drop_connection(struct tg_sink *s)
{
    close(s->fd);
    s->fd = -1;
    if (s->connector != NULL)
        tg_connector_start(s->connector);
}

/* A name may have moved to another address. */
static bool reopen_inet(struct tg_sink *s)
{
    if (!s->arrived)
        tg_connector_start(s->connector);
    return true;
}

/* --- entries --- */

/* The header of RFC 5424 section 6 with its blank; no structured data. */
static void add_header(struct tg_buf *out)
{
    char host[256];
    char when[TG_CLOCK_TEXT];

    if (gethostname(host, sizeof(host)) != 0 || host[0] == '\0')
        memcpy(host, "-", 2);
    host[sizeof(host) - 1] = '\0';
    tg_clock_text(tg_clock_wall_now(), when);
    tg_buf_printf(out, "<%d>1 %s %s trainguard %d audit - ", PRIORITY, when, host, (int)getpid());
}

/* The first line of `lines` without its newline. */
static struct tg_str first_line(struct tg_str lines)
{
    const char *newline = memchr(lines.p, '\n', lines.n);

    CHECK(newline != NULL);
    return (struct tg_str){lines.p, (size_t)(newline - lines.p)};
}

/* Waits for room in the socket, but not when the time of the whole write is up. What poll() says
 * about errors shows in the next call. */
static bool wait_writable(int fd, uint64_t until)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return tg_clock_mono_now() < until && poll(&p, 1, ROOM_US / 1000) == 1;
}

/* Sends one datagram. 0, or an errno. */
static int send_one(int fd, struct tg_str entry, uint64_t until)
{
    if (send(fd, entry.p, entry.n, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN && wait_writable(fd, until) &&
        send(fd, entry.p, entry.n, MSG_NOSIGNAL) >= 0)
        return 0;
    return errno;
}

static enum tg_sink_result write_datagrams(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    uint64_t until = tg_clock_mono_now() + WRITE_US;
    struct tg_buf entry = {0};
    size_t header;
    int error = 0;

    add_header(&entry);
    header = entry.n;
    while (*used < lines.n && error == 0) {
        struct tg_str line = first_line(tg_str_skip(lines, *used));

        entry.n = header;
        tg_buf_add(&entry, line);
        error = send_one(s->fd, tg_buf_str(&entry), until);
        if (error == EMSGSIZE) {
            s->too_long++;
            error = 0;
        }
        if (error == 0)
            *used += line.n + 1;
    }
    tg_buf_end(&entry);
    if (error == 0)
        return TG_SINK_DONE;
    tg_sink_fail(s, "send", error);
    if (error != EAGAIN)
        drop_connection(s);
    return TG_SINK_FAILED;
}

/* Sends all of `entry`. 0, or an errno. */
static int send_all(int fd, struct tg_str entry, uint64_t until)
{
    while (entry.n > 0) {
        ssize_t n = send(fd, entry.p, entry.n, MSG_NOSIGNAL);

        if (n < 0 && (errno != EAGAIN || !wait_writable(fd, until)))
            return errno;
        if (n > 0)
            entry = tg_str_skip(entry, (size_t)n);
    }
    return 0;
}

/* A server that closed says so by an empty read; writing to it would still succeed once. */
static bool peer_gone(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* A connection that fails within an entry is given up: the server drops the piece, and the whole
 * entry goes out on the next connection. */
static enum tg_sink_result write_tcp(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    uint64_t until = tg_clock_mono_now() + WRITE_US;
    struct tg_buf header = {0};
    struct tg_buf entry = {0};
    int error = peer_gone(s->fd) ? EPIPE : 0;

    add_header(&header);
    while (*used < lines.n && error == 0) {
        struct tg_str line = first_line(tg_str_skip(lines, *used));

        entry.n = 0;
        tg_buf_u64(&entry, header.n + line.n);
        tg_buf_putc(&entry, ' ');
        tg_buf_add(&entry, tg_buf_str(&header));
        tg_buf_add(&entry, line);
        error = send_all(s->fd, tg_buf_str(&entry), until);
        if (error == 0)
            *used += line.n + 1;
    }
    tg_buf_end(&header);
    tg_buf_end(&entry);
    if (error == 0)
        return TG_SINK_DONE;
    tg_sink_fail(s, "send", error);
    drop_connection(s);
    return TG_SINK_FAILED;
}

const struct tg_sink_ops tg_sink_unix = {NULL, open_unix, write_datagrams, reopen_unix};
const struct tg_sink_ops tg_sink_udp = {init_udp, open_inet, write_datagrams, reopen_inet};
const struct tg_sink_ops tg_sink_tcp = {init_tcp, open_inet, write_tcp, reopen_inet};
