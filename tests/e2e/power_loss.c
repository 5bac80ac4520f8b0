/*
 * Tells what a loss of power would leave of the audit log, for test_audit_crash.py: preloaded with
 * LD_PRELOAD, the size of the log at its newest fdatasync() stands in the file $TG_SYNCED, 8 bytes.
 * The byte behind that is what is to happen: '1' kills behind the next fdatasync(), '2' behind the
 * one after it, and the size stays what it is then; 'e' makes all of them fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int note = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TG_SYNCED");

    note = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
}

int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    struct stat st;
    int result = -1;
    char plan = '0';

    (void)!pread(note, &plan, 1, sizeof(uint64_t));
    if (plan == 'e')
        errno = EIO;
    else if (fstat(fd, &st) == 0)
        result = next(fd);
    if (result == 0 && plan != 'x') {
        uint64_t size = (uint64_t)st.st_size;

        (void)!pwrite(note, &size, sizeof(size), 0);
    }
    if (result == 0 && (plan == '1' || plan == '2')) {
        char then = plan == '1' ? 'x' : '1';

        (void)!pwrite(note, &then, 1, sizeof(uint64_t));
        if (then == 'x')
            raise(SIGKILL);
    }
    return result;
}
