/*
 * The syslog sinks: each line is the message of one RFC 5424 entry, facility local0, severity
 * informational. UNIX and UDP sockets carry one entry per datagram (RFC 5426); TCP counts octets
 * (RFC 6587 section 3.4.1). A server that takes nothing is waited for a moment, then it is a
 * failure like a full disk. What a server lost after its kernel took it, nobody here can know.
 */
#include "audit/sink.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PRIORITY = 16 * 8 + 6, /* local0.info */
    WAIT_MS = 50,          /* for room in the socket */
    CONNECT_MS = 500,
};

/* --- connecting --- */

/* Waits until the socket can be written to; what poll() says about errors shows in the next call.
 */
static bool wait_writable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, ms) == 1;
}

static int connect_to(const struct sockaddr *address, socklen_t n, int type)
{
    int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t size = sizeof(error);

    if (fd < 0)
        return -1;
    if (connect(fd, address, n) == 0)
        return fd;
    if (errno == EINPROGRESS) {
        if (!wait_writable(fd, CONNECT_MS))
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
        if (error == 0)
            return fd;
        errno = error;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool open_unix(struct tg_sink *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (s->conf->path.n >= sizeof(address.sun_path))
        return tg_sink_fail(s, "connect", ENAMETOOLONG);
    memcpy(address.sun_path, s->conf->path.p, s->conf->path.n);
    s->fd = connect_to((const struct sockaddr *)&address, sizeof(address), SOCK_DGRAM);
    return s->fd >= 0 || tg_sink_fail(s, "connect", errno);
}

static bool open_inet(struct tg_sink *s, int type)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = type};
    struct addrinfo *list;
    int error = getaddrinfo(s->conf->host.p, s->conf->port.p, &hints, &list);

    if (error != 0)
        return tg_sink_fail(s, gai_strerror(error), 0);
    for (struct addrinfo *a = list; a != NULL && s->fd < 0; a = a->ai_next)
        s->fd = connect_to(a->ai_addr, a->ai_addrlen, type);
    freeaddrinfo(list);
    return s->fd >= 0 || tg_sink_fail(s, "connect", errno);
}

static bool open_datagram(struct tg_sink *s)
{
    return s->conf->target == TG_AUDIT_SYSLOG_UNIX ? open_unix(s) : open_inet(s, SOCK_DGRAM);
}

static bool open_tcp(struct tg_sink *s)
{
    return open_inet(s, SOCK_STREAM);
}

static void drop_connection(struct tg_sink *s)
{
    close(s->fd);
    s->fd = -1;
}

/* A name may have moved to another address, a socket file to another process. */
static bool reconnect(struct tg_sink *s)
{
    drop_connection(s);
    return s->ops->open(s);
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

/* Sends one datagram. 0, or an errno. */
static int send_one(int fd, struct tg_str entry)
{
    if (send(fd, entry.p, entry.n, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN && wait_writable(fd, WAIT_MS) &&
        send(fd, entry.p, entry.n, MSG_NOSIGNAL) >= 0)
        return 0;
    return errno;
}

static enum tg_sink_result write_datagrams(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    struct tg_buf entry = {0};
    size_t header;
    int error = 0;

    add_header(&entry);
    header = entry.n;
    while (*used < lines.n && error == 0) {
        struct tg_str line = first_line(tg_str_skip(lines, *used));

        entry.n = header;
        tg_buf_add(&entry, line);
        error = send_one(s->fd, tg_buf_str(&entry));
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
static int send_all(int fd, struct tg_str entry)
{
    while (entry.n > 0) {
        ssize_t n = send(fd, entry.p, entry.n, MSG_NOSIGNAL);

        if (n < 0 && (errno != EAGAIN || !wait_writable(fd, WAIT_MS)))
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
        error = send_all(s->fd, tg_buf_str(&entry));
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

const struct tg_sink_ops tg_sink_datagram = {open_datagram, write_datagrams, reconnect};
const struct tg_sink_ops tg_sink_tcp = {open_tcp, write_tcp, reconnect};
