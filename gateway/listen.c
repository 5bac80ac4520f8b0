#include "listen.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static bool same_address(const struct sockaddr_storage *a, socklen_t a_len,
                         const struct sockaddr_storage *b, socklen_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* A port the kernel chooses is another one each time it is asked. */
static bool any_port(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_port == 0;
    return a->ss_family == AF_INET6 && ((const struct sockaddr_in6 *)a)->sin6_port == 0;
}

static char *address_text(const struct sockaddr_storage *a)
{
    char host[INET6_ADDRSTRLEN] = "?";
    char *text = NULL;
    int n;

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        n = asprintf(&text, "%s:%u", host, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        n = asprintf(&text, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        n = asprintf(&text, "unix:%s", ((const struct sockaddr_un *)a)->sun_path);
    }
    CHECK(n > 0);
    return text;
}

/* A socket file a dead process left behind is removed; one that answers is somebody's. */
static void remove_stale(const struct sockaddr_storage *a, socklen_t len)
{
    int fd;

    if (a->ss_family != AF_UNIX)
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)a, len) != 0 && errno == ECONNREFUSED)
        unlink(((const struct sockaddr_un *)a)->sun_path);
    close(fd);
}

static int open_socket(struct tg_socket *s)
{
    const struct sockaddr *address = (const struct sockaddr *)&s->address;
    socklen_t len = sizeof(s->address);
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    }
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, address, s->address_len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    if (any_port(&s->address))
        CHECK(getsockname(fd, (struct sockaddr *)&s->address, &len) == 0);
    return fd;
}

/* All workers share one unix socket: there is no SO_REUSEPORT for them. */
static bool open_all(struct tg_socket *s, unsigned workers)
{
    remove_stale(&s->address, s->address_len);
    while (s->nfd < workers) {
        int fd = s->address.ss_family == AF_UNIX && s->nfd > 0 ? dup(s->fd[0]) : open_socket(s);

        if (fd < 0) {
            tg_log(TG_LOG_EMERG, "listen", "cannot listen on %s: %s", s->text, strerror(errno));
            return false;
        }
        s->fd[s->nfd++] = fd;
    }
    return true;
}

static void end_socket(struct tg_socket *s)
{
    for (unsigned i = 0; i < s->nfd; i++)
        close(s->fd[i]);
    free((void *)(uintptr_t)s->text);
    free(s);
}

/* The socket of a `listen`, but for those with a port the kernel chose: they are told apart by
 * their order, so what has its `listen` already is passed over. */
static struct tg_socket *find(struct tg_socket *sockets, const struct tg_listen *l, bool taking)
{
    for (struct tg_socket *s = sockets; s != NULL; s = s->next)
        if (same_address(&s->asked, s->asked_len, &l->address, l->address_len) &&
            !(any_port(&s->asked) && (taking ? s->taken : s->wished)))
            return s;
    return NULL;
}

static struct tg_socket *open_new(const struct tg_listen *l, unsigned workers)
{
    struct tg_socket *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->asked = l->address;
    s->asked_len = l->address_len;
    s->address = l->address;
    s->address_len = l->address_len;
    s->text = address_text(&l->address);
    if (!open_all(s, workers)) {
        end_socket(s);
        return NULL;
    }
    free((void *)(uintptr_t)s->text);
    s->text = address_text(&s->address);
    tg_log(TG_LOG_NOTICE, "listen", "listening on %s", s->text);
    return s;
}

bool tg_sockets_open(struct tg_socket **sockets, const struct tg_settings *settings,
                     unsigned workers)
{
    struct tg_socket **end = sockets; /* where new ones go: their order is that of the settings */
    struct tg_socket **added;

    CHECK(workers >= 1 && workers <= TG_MAX_WORKERS);
    for (; *end != NULL; end = &(*end)->next)
        (*end)->wished = false;
    added = end;
    for (struct tg_server_conf *v = settings->servers; v != NULL; v = v->next)
        for (struct tg_listen *l = v->listens; l != NULL; l = l->next) {
            struct tg_socket *s = find(*sockets, l, false);

            if (s == NULL && (s = open_new(l, workers)) != NULL) {
                *end = s;
                end = &s->next;
            } else if (s != NULL && s->nfd < workers && !open_all(s, workers)) {
                s = NULL;
            }
            if (s == NULL)
                goto failed;
            s->wished = true;
        }
    for (struct tg_socket *s = *sockets; s != NULL; s = s->next)
        s->wanted = s->wished;
    return true;

failed:
    while (*added != NULL) {
        struct tg_socket *s = *added;

        *added = s->next;
        end_socket(s);
    }
    return false;
}

void tg_sockets_close_unwanted(struct tg_socket **sockets)
{
    struct tg_socket **at = sockets;

    while (*at != NULL) {
        struct tg_socket *s = *at;

        if (s->wanted) {
            at = &s->next;
            continue;
        }
        tg_log(TG_LOG_NOTICE, "listen", "no longer listening on %s", s->text);
        *at = s->next;
        end_socket(s);
    }
}

void tg_sockets_end(struct tg_socket **sockets)
{
    while (*sockets != NULL) {
        struct tg_socket *s = *sockets;

        *sockets = s->next;
        if (s->address.ss_family == AF_UNIX)
            unlink(((struct sockaddr_un *)&s->address)->sun_path);
        end_socket(s);
    }
}

void tg_sockets_take(struct tg_socket *sockets, struct tg_settings *settings, unsigned worker)
{
    for (struct tg_server_conf *v = settings->servers; v != NULL; v = v->next)
        for (struct tg_listen *l = v->listens; l != NULL; l = l->next) {
            struct tg_socket *s = find(sockets, l, true);

            CHECK(s != NULL && worker < s->nfd);
            s->taken = true;
            l->fd = s->fd[worker];
        }
    for (struct tg_socket *s = sockets; s != NULL; s = s->next)
        for (unsigned i = 0; i < s->nfd; i++)
            if (i != worker || !s->wanted)
                close(s->fd[i]);
}
