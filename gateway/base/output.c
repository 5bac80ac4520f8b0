/* Opening files that are written, in folders that others may write, too. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* A path, taken apart. */
struct place {
    int folder;       /* open */
    const char *name; /* of the file in it */
    bool shared;      /* others than root and this process's user may write the folder */
};

static bool is_trusted(uid_t owner, uid_t user)
{
    return owner == 0 || owner == geteuid() || owner == user;
}

static int open_folder(const char *path, const char *slash)
{
    char folder[PATH_MAX] = ".";
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;

    if (n >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (slash != NULL)
        memcpy(folder, n > 0 ? path : "/", n > 0 ? n : 1);
    folder[slash != NULL && n > 0 ? n : 1] = '\0';
    return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is checked is what is used: the folder stays open. NULL, or why not. */
static const char *place_open(struct place *p, const char *path, uid_t user)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    p->name = slash != NULL ? slash + 1 : path;
    p->folder = open_folder(path, slash);
    if (p->folder < 0)
        return strerror(errno);
    if (fstat(p->folder, &st) == 0 && is_trusted(st.st_uid, user)) {
        p->shared = !is_trusted(st.st_uid, 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
        return NULL;
    }
    close(p->folder);
    return "its folder belongs to another user, let it belong to root or to the gateway's user";
}

/* A link to anywhere, by either way of making one, or a file that somebody else reads or cuts. */
static const char *file_fault(int fd, uid_t user)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!is_trusted(st.st_uid, user))
        return "it belongs to another user, in a folder that others may write";
    if (S_ISREG(st.st_mode) && st.st_nlink > 1)
        return "it has a second name (a hard link), in a folder that others may write";
    return NULL;
}

static bool is_link(const struct place *p)
{
    struct stat st;

    return fstatat(p->folder, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static int append_to(const struct place *p, int flags, uid_t user, const char **why)
{
    int nofollow = p->shared ? O_NOFOLLOW : 0;
    int fd = openat(p->folder, p->name,
                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | nofollow | flags, 0640);

    if (fd < 0) {
        *why = errno == ELOOP && p->shared && is_link(p)
                   ? "it is a symbolic link in a folder that others may write, name the file it "
                     "leads to"
                   : strerror(errno);
        return -1;
    }
    *why = p->shared ? file_fault(fd, user) : NULL;
    if (*why == NULL)
        return fd;
    close(fd);
    return -1;
}

/* The standard stream a path names: a socket cannot be opened by that name, and a file or pipe of
 * another user may not, but the descriptor can be used. */
static int standard_stream(const char *path)
{
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    return strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO : -1;
}

static int append_to_stream(const char *path, int stream, int flags, const char **why)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags);

    if (fd < 0 && (errno == ENXIO || errno == EACCES))
        fd = fcntl(stream, F_DUPFD_CLOEXEC, 3);
    *why = fd < 0 ? strerror(errno) : NULL;
    return fd;
}

int tg_output_append(const char *path, int flags, uid_t user, const char **why)
{
    int stream = standard_stream(path), fd;
    struct place p;

    if (stream >= 0)
        return append_to_stream(path, stream, flags, why);
    *why = place_open(&p, path, user);
    if (*why != NULL)
        return -1;
    fd = append_to(&p, flags, user, why);
    close(p.folder);
    return fd;
}

int tg_output_create(const char *path, mode_t mode, uid_t user, const char **why)
{
    struct place p;
    int fd = -1;

    *why = place_open(&p, path, user);
    if (*why != NULL)
        return -1;
    if (unlinkat(p.folder, p.name, 0) == 0 || errno == ENOENT)
        fd = openat(p.folder, p.name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        *why = strerror(errno);
    close(p.folder);
    return fd;
}

const char *tg_output_folder_fault(const char *path, uid_t user)
{
    struct place p;
    const char *why = place_open(&p, path, user);

    if (why == NULL)
        close(p.folder);
    return why;
}
