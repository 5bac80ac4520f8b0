/* Packets between workers and the syncer. */
#include "shm/limit_asks.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool tg_limit_channels_open(struct tg_limit_channels *c, unsigned n)
{
    CHECK(c->n == 0 && n > 0);
    c->worker = calloc(n, sizeof(*c->worker));
    c->syncer = calloc(n, sizeof(*c->syncer));
    CHECK(c->worker != NULL && c->syncer != NULL);
    for (; c->n < n; c->n++) {
        int ends[2], error;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
            error = errno;
            tg_limit_channels_end(c);
            errno = error;
            return false;
        }
        c->worker[c->n] = ends[0];
        c->syncer[c->n] = ends[1];
    }
    return true;
}

int tg_limit_channels_of_worker(struct tg_limit_channels *c, unsigned number)
{
    for (unsigned i = 0; i < c->n; i++) {
        close_end(&c->syncer[i]);
        if (i != number)
            close_end(&c->worker[i]);
    }
    return number < c->n ? c->worker[number] : -1;
}

void tg_limit_channels_of_syncer(struct tg_limit_channels *c)
{
    for (unsigned i = 0; i < c->n; i++)
        close_end(&c->worker[i]);
}

void tg_limit_channels_end(struct tg_limit_channels *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        close_end(&c->worker[i]);
        close_end(&c->syncer[i]);
    }
    free(c->worker);
    free(c->syncer);
    *c = (struct tg_limit_channels){NULL, NULL, 0};
}

bool tg_limit_send(int fd, const void *items, unsigned n, size_t size)
{
    CHECK(fd >= 0 && n > 0 && n <= TG_LIMIT_PACKET);
    return send(fd, items, n * size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(n * size);
}

unsigned tg_limit_receive(int fd, void *items, size_t size, bool *ended)
{
    ssize_t n = recv(fd, items, TG_LIMIT_PACKET * size, MSG_DONTWAIT);

    *ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    return n > 0 && (size_t)n % size == 0 ? (unsigned)((size_t)n / size) : 0;
}
