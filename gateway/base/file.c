/* Reading whole files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *read_all(struct tg_arena *arena, int fd, struct tg_file *out)
{
    struct stat st;
    char *text;
    size_t n = 0;

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? "it is a directory" : "it is not a regular file";
    if (st.st_size > TG_FILE_MAX)
        return "it is larger than 4m";
    text = tg_arena_alloc(arena, (size_t)st.st_size);
    while (n < (size_t)st.st_size) {
        ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return strerror(errno);
        if (got == 0)
            break; /* it became shorter */
        n += (size_t)got;
    }
    *out = (struct tg_file){{text, n}, st.st_dev, st.st_ino};
    return NULL;
}

const char *tg_file_read(struct tg_arena *arena, const char *name, struct tg_file *out)
{
    /* O_NONBLOCK: opening a FIFO would wait for its writer. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *why;

    if (fd < 0)
        return strerror(errno);
    why = read_all(arena, fd, out);
    close(fd);
    return why;
}
