/* Reads, writes and closes one connected socket, with or without TLS. */
#include "net/socket.h"

#include "base/check.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <sys/socket.h>

enum { SOCKET_MAGIC = 0x77697265, RECORD = 16384, MAX_IOV = 8 };

static bool flush_queue(struct tg_socket *w);

static void stop_writing(struct tg_socket *w)
{
    if (w->ev_write != NULL)
        event_free(w->ev_write);
    w->ev_write = NULL;
}

static void on_read_event(evutil_socket_t fd, short what, void *arg)
{
    struct tg_socket *w = arg;

    (void)fd, (void)what;
    CHECK_MAGIC(w, SOCKET_MAGIC);
    w->events->on_readable(w->owner);
}

static void on_write_event(evutil_socket_t fd, short what, void *arg)
{
    struct tg_socket *w = arg;
    size_t before;

    (void)fd, (void)what;
    CHECK_MAGIC(w, SOCKET_MAGIC);
    before = tg_socket_queued(w);
    if (!flush_queue(w)) {
        /* nothing of it will ever go; the owner may still read what the peer said before */
        evbuffer_drain(w->out, evbuffer_get_length(w->out));
        stop_writing(w);
        w->events->on_broken(w->owner);
        return;
    }
    if (tg_socket_queued(w) > 0) {
        if (tg_socket_queued(w) < before)
            w->events->on_progress(w->owner);
        return;
    }
    stop_writing(w);
    w->events->on_drained(w->owner);
}

void tg_socket_open(struct tg_socket *w, struct event_base *base, int fd,
                    const struct tg_socket_events *events, void *owner)
{
    *w = (struct tg_socket){.magic = SOCKET_MAGIC, .fd = fd, .events = events, .owner = owner};
    CHECK(event_assign(&w->ev_read, base, fd, EV_READ | EV_PERSIST, on_read_event, w) == 0);
}

int tg_socket_close(struct tg_socket *w)
{
    int fd = w->fd;

    CHECK_MAGIC(w, SOCKET_MAGIC);
    event_del(&w->ev_read);
    stop_writing(w);
    if (w->tls != NULL && !w->broken)
        tg_tls_shutdown(w->tls);
    tg_tls_end(w->tls);
    if (w->out != NULL)
        evbuffer_free(w->out);
    *w = (struct tg_socket){.fd = -1};
    return fd;
}

void tg_socket_read_on(struct tg_socket *w)
{
    CHECK_MAGIC(w, SOCKET_MAGIC);
    if (w->reading)
        return;
    CHECK(event_add(&w->ev_read, NULL) == 0);
    w->reading = true;
    if (w->tls != NULL && tg_tls_pending(w->tls))
        event_active(&w->ev_read, EV_READ, 1);
}

void tg_socket_read_off(struct tg_socket *w)
{
    CHECK_MAGIC(w, SOCKET_MAGIC);
    if (!w->reading)
        return;
    event_del(&w->ev_read);
    w->reading = false;
}

static enum tg_io plain_io(struct tg_socket *w, ssize_t result, enum tg_io again)
{
    if (result == 0)
        return TG_IO_CLOSED;
    if (errno == EAGAIN || errno == EINTR)
        return again;
    w->broken = true;
    return TG_IO_BROKEN;
}

void tg_socket_secure(struct tg_socket *w, struct tg_tls *tls)
{
    CHECK_MAGIC(w, SOCKET_MAGIC);
    CHECK(w->tls == NULL && tg_socket_queued(w) == 0);
    w->tls = tls;
}

void tg_socket_finish(struct tg_socket *w)
{
    CHECK_MAGIC(w, SOCKET_MAGIC);
    if (w->tls != NULL && !w->broken)
        tg_tls_shutdown(w->tls);
    shutdown(w->fd, SHUT_WR);
}

static enum tg_io receive(struct tg_socket *w, char *p, size_t cap, int flags, size_t *n)
{
    ssize_t got;

    *n = 0;
    got = recv(w->fd, p, cap, flags);
    if (got <= 0)
        return plain_io(w, got, TG_IO_WANT_READ);
    *n = (size_t)got;
    return TG_IO_DONE;
}

enum tg_io tg_socket_peek(struct tg_socket *w, char *p, size_t cap, size_t *n)
{
    CHECK_MAGIC(w, SOCKET_MAGIC);
    CHECK(w->tls == NULL);
    return receive(w, p, cap, MSG_PEEK, n);
}

enum tg_io tg_socket_read(struct tg_socket *w, char *p, size_t cap, size_t *n)
{
    enum tg_io io;

    CHECK_MAGIC(w, SOCKET_MAGIC);
    if (w->tls == NULL)
        return receive(w, p, cap, 0, n);
    io = tg_tls_read(w->tls, p, cap, n);
    if (io == TG_IO_BROKEN)
        w->broken = true;
    /* what did not fit is with TLS, where no socket event tells of it */
    if (*n == cap && w->reading && tg_tls_pending(w->tls))
        event_active(&w->ev_read, EV_READ, 1);
    return io;
}

/* One attempt. *written may be short; 0 with true means the kernel is full. */
static bool write_some(struct tg_socket *w, const struct iovec *iov, int n, size_t *written)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    ssize_t sent;

    *written = 0;
    if (w->tls != NULL) {
        enum tg_io io = tg_tls_write(w->tls, iov[0].iov_base, iov[0].iov_len, written);

        w->broken = io == TG_IO_BROKEN || io == TG_IO_CLOSED;
        return !w->broken;
    }
    sent = n == 1 ? send(w->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                  : sendmsg(w->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && plain_io(w, sent, TG_IO_WANT_WRITE) == TG_IO_BROKEN)
        return false;
    *written = sent > 0 ? (size_t)sent : 0;
    return true;
}

/* Leaves out the first `done` bytes of a list of pieces. */
static int advance(struct iovec *iov, int n, size_t done)
{
    int first = 0;

    while (first < n && done >= iov[first].iov_len)
        done -= iov[first++].iov_len;
    if (first > 0)
        memmove(iov, iov + first, (size_t)(n - first) * sizeof(*iov));
    if (n - first > 0) {
        iov[0].iov_base = (char *)iov[0].iov_base + done;
        iov[0].iov_len -= done;
    }
    return n - first;
}

/* Small pieces become one TLS record and so one write: copied behind each other into `record`. */
static int socket_gather(struct iovec *iov, int n, char *record, size_t *gathered)
{
    size_t total = 0;
    int used = 0;

    while (used < n && total + iov[used].iov_len <= RECORD) {
        memcpy(record + total, iov[used].iov_base, iov[used].iov_len);
        total += iov[used++].iov_len;
    }
    *gathered = total;
    return used;
}

static void queue(struct tg_socket *w, const struct iovec *iov, int n)
{
    if (w->out == NULL) {
        w->out = evbuffer_new();
        CHECK(w->out != NULL);
    }
    for (int i = 0; i < n; i++)
        CHECK(evbuffer_add(w->out, iov[i].iov_base, iov[i].iov_len) == 0);
    tg_socket_await_write(w);
}

bool tg_socket_write(struct tg_socket *w, const struct iovec *pieces, int n)
{
    struct iovec iov[MAX_IOV];
    char record[RECORD];

    CHECK_MAGIC(w, SOCKET_MAGIC);
    CHECK(n > 0 && n <= MAX_IOV);
    if (w->broken)
        return false;
    memcpy(iov, pieces, (size_t)n * sizeof(*iov));
    if (tg_socket_queued(w) > 0) {
        queue(w, iov, n);
        return true;
    }
    while (n > 0) {
        size_t written, gathered = 0;
        int used = w->tls != NULL && n > 1 ? socket_gather(iov, n, record, &gathered) : 0;
        struct iovec one = {record, gathered};

        if (!write_some(w, used > 1 ? &one : iov, used > 1 ? 1 : n, &written))
            return false;
        if (written == 0) {
            queue(w, iov, n);
            return true;
        }
        n = advance(iov, n, written);
    }
    return true;
}

static bool flush_queue(struct tg_socket *w)
{
    while (tg_socket_queued(w) > 0) {
        struct evbuffer_iovec vec[MAX_IOV];
        size_t written, most = evbuffer_get_length(w->out);
        int n;

        if (w->tls != NULL)
            CHECK(evbuffer_pullup(w->out, (ev_ssize_t)(most < RECORD ? most : RECORD)) != NULL);
        n = evbuffer_peek(w->out, -1, NULL, vec, MAX_IOV);
        if (!write_some(w, vec, n < MAX_IOV ? n : MAX_IOV, &written))
            return false;
        if (written == 0)
            return true;
        evbuffer_drain(w->out, written);
    }
    return true;
}

size_t tg_socket_queued(const struct tg_socket *w)
{
    return w->out != NULL ? evbuffer_get_length(w->out) : 0;
}

void tg_socket_await_write(struct tg_socket *w)
{
    if (w->ev_write != NULL)
        return;
    w->ev_write =
        event_new(event_get_base(&w->ev_read), w->fd, EV_WRITE | EV_PERSIST, on_write_event, w);
    CHECK(w->ev_write != NULL && event_add(w->ev_write, NULL) == 0);
}
