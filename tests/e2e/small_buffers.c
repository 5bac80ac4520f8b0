/*
 * Makes the kernel hold as little as it can of what a process sends over TCP, for test_limits.py
 * and test_feed.py: preloaded with LD_PRELOAD, it makes the send buffer small wherever TCP_NODELAY
 * is set, and of every connection that is accepted.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

typedef int setsockopt_function(int fd, int level, int name, const void *value, socklen_t len);
typedef int accept4_function(int fd, struct sockaddr *address, socklen_t *len, int flags);

static const int size = 4096;

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    setsockopt_function *real = (setsockopt_function *)dlsym(RTLD_NEXT, "setsockopt");

    if (level == IPPROTO_TCP && name == TCP_NODELAY)
        real(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return real(fd, level, name, value, len);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    accept4_function *real = (accept4_function *)dlsym(RTLD_NEXT, "accept4");
    int taken = real(fd, address, len, flags);

    if (taken >= 0)
        setsockopt(taken, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return taken;
}
