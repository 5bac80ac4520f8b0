/* Reading and writing whole files. */
#include "base/file.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
    *out = (struct tg_file){{text, n}, st.st_dev, st.st_ino,        st.st_mode,
                            st.st_uid, st.st_gid, st.st_mtim.tv_sec};
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

const char *tg_file_read_private(struct tg_arena *arena, const char *name, struct tg_file *out)
{
    const char *why = tg_file_read(arena, name, out);

    return why != NULL ? why : tg_file_why_not_private(out);
}

/* --- files written anew --- */

static bool write_all(int fd, struct tg_str text)
{
    CHECK(fd >= 0);
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text = tg_str_skip(text, (size_t)n);
    }
    return true;
}

/* Fills the new file and gives it the mode and owner of the old one, if there is one. An owner that
 * may not be given stays ours, and then without the rights of set-id bits. */
static bool fill(int fd, const char *old, struct tg_str text)
{
    struct stat st;
    mode_t mode;

    if (stat(old, &st) != 0)
        return errno == ENOENT && write_all(fd, text) && fsync(fd) == 0;
    mode = st.st_mode & 07777;
    if (fchown(fd, st.st_uid, st.st_gid) != 0)
        mode &= 0777;
    return write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
}

bool tg_file_replace(const char *path, struct tg_str text)
{
    char *fresh = NULL;
    bool done = false;
    int fd;

    CHECK(path[0] == '/');
    CHECK(asprintf(&fresh, "%s.XXXXXX", path) > 0);
    fd = mkostemp(fresh, O_CLOEXEC);
    if (fd >= 0) {
        int error;

        done = fill(fd, path, text);
        error = errno;
        if (close(fd) != 0 && done) {
            error = errno;
            done = false;
        }
        if (done && rename(fresh, path) != 0) {
            error = errno;
            done = false;
        }
        if (!done)
            unlink(fresh);
        errno = error;
    }
    free(fresh);
    return done;
}
