/*
 * Tells what a loss of power would leave of the audit log, for test_audit_crash.py: preloaded with
 * LD_PRELOAD, the size of the log at its newest fdatasync() stands in the file $TG_SYNCED, 8 bytes.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int note = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TG_SYNCED");

    note = path != NULL ? open(path, O_WRONLY | O_CLOEXEC) : -1;
}

int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    struct stat st;
    int result = -1;

    if (fstat(fd, &st) == 0)
        result = next(fd);
    if (result == 0 && note >= 0) {
        uint64_t size = (uint64_t)st.st_size;

        (void)!pwrite(note, &size, sizeof(size), 0);
    }
    return result;
}
