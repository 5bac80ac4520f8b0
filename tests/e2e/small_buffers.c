/*
 * Makes the kernel hold as little as it can of what a process sends over TCP, for test_limits.py:
 * preloaded with LD_PRELOAD, it makes the send buffer small wherever TCP_NODELAY is set.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

typedef int setsockopt_function(int fd, int level, int name, const void *value, socklen_t len);

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    setsockopt_function *real = (setsockopt_function *)dlsym(RTLD_NEXT, "setsockopt");
    int size = 4096;

    if (level == IPPROTO_TCP && name == TCP_NODELAY)
        real(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return real(fd, level, name, value, len);
}
