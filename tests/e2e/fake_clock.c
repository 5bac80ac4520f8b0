/* A wall clock that a test sets: the seconds since 1970 that stand in the file $FAKE_CLOCK. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *seconds;

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("FAKE_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, sizeof(*seconds), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (map != MAP_FAILED)
        seconds = map;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (seconds == NULL || clock != CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, now); /* a sanitizer asks before all else */
    *now = (struct timespec){*seconds, 0};
    return 0;
}
