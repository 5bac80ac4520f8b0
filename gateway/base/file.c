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
    *out = (struct tg_file){{text, n}, st.st_dev, st.st_ino, st.st_mode, st.st_uid, st.st_gid};
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

static bool is_of_group(gid_t group)
{
    gid_t groups[256];
    int n = getgroups(256, groups);

    for (int i = 0; i < n; i++)
        if (groups[i] == group)
            return true;
    return getegid() == group;
}

const char *tg_file_why_not_private(const struct tg_file *file)
{
    if (file->owner != 0 && file->owner != geteuid())
        return "it belongs to another user than root and the gateway's";
    if ((file->mode & (S_IWGRP | S_IWOTH)) != 0)
        return "others than its owner can write it, make it mode 0400 or 0440";
    if ((file->mode & S_IROTH) != 0)
        return "everybody can read it, make it mode 0400 or 0440 (Kubernetes: defaultMode 0440 "
               "with an fsGroup)";
    if ((file->mode & S_IRGRP) != 0 && !is_of_group(file->group))
        return "a group the gateway is not in can read it, make it mode 0400";
    return NULL;
}
