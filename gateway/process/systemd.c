/* Speaks with systemd over NOTIFY_SOCKET (sd_notify(3)). */
#include "process/systemd.h"

#include "base/check.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_text(const struct sockaddr_un *address, socklen_t len, struct tg_str text)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    /* Nobody can be told that telling failed: the service manager notices by itself. */
    (void)!sendto(fd, text.p, text.n, MSG_NOSIGNAL, (const struct sockaddr *)address, len);
    close(fd);
}

void tg_notify(const char *format, ...)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct tg_str path = tg_str_of(getenv("NOTIFY_SOCKET"));
    char text[256];
    va_list args;
    int n;

    if (path.n < 2 || path.n >= sizeof(address.sun_path) || (path.p[0] != '/' && path.p[0] != '@'))
        return;
    memcpy(address.sun_path, path.p, path.n);
    if (path.p[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace, unix(7) */
    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(n > 0 && (size_t)n < sizeof(text));
    send_text(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n),
              (struct tg_str){text, (size_t)n});
}

int64_t tg_systemd_interval(void)
{
    struct tg_str text = tg_str_of(getenv("WATCHDOG_USEC"));
    struct tg_str who = tg_str_of(getenv("WATCHDOG_PID"));
    uint64_t us;
    uint64_t pid;

    if (!tg_str_u64(text, &us) || us < 2 || us > INT64_MAX)
        return -1;
    if (who.n > 0 && (!tg_str_u64(who, &pid) || pid != (uint64_t)getpid()))
        return -1;
    return (int64_t)(us / 2);
}
