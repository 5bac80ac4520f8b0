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

/* --- the way to a folder --- */

enum { MOST_LINKS = 40 }; /* as the kernel's own limit (path_resolution(7)) */

/* A folder that was opened, and what of the path is still to go. */
struct way {
    int folder;
    unsigned links; /* that were followed */
    char rest[PATH_MAX];
};

/* A folder through which files are reached: whoever owns it, or can rename what is in it, decides
 * where the rest of the path leads. */
static const char *way_fault(const struct stat *st, uid_t user)
{
    struct stat root;

    /* where root has no number of its own (user_namespaces(7)) its folders belong to whom "/" does
     */
    if (!is_trusted(st->st_uid, user) && (stat("/", &root) != 0 || root.st_uid != st->st_uid))
        return "a folder or link on the way to it belongs to another user (`namei -l` shows it), "
               "let "
               "it belong to root or to the gateway's user";
    if (S_ISDIR(st->st_mode) && (st->st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
        return "everybody can rename what is in a folder on the way to it (`namei -l` shows it), "
               "make that one `chmod +t` or `o-w`";
    return NULL;
}

static void way_move(struct way *w, int folder)
{
    if (w->folder >= 0)
        close(w->folder);
    w->folder = folder;
}

/* Puts a text before the rest of the path; from the root if it begins there. */
static const char *way_prepend(struct way *w, const char *text)
{
    size_t n = strlen(text), more = strlen(w->rest);

    if (n + more + 2 > sizeof(w->rest))
        return strerror(ENAMETOOLONG);
    memmove(w->rest + n + 1, w->rest, more + 1);
    memcpy(w->rest, text, n);
    w->rest[n] = '/';
    if (text[0] == '/')
        way_move(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return NULL;
}

static const char *way_follow(struct way *w, int link)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

    if (n < 0 || ++w->links > MOST_LINKS)
        return strerror(n < 0 ? errno : ELOOP);
    target[n] = '\0';
    return way_prepend(w, target);
}

/* Takes the first name off the rest of the path; NULL: there is none. */
static char *way_name(struct way *w, char name[PATH_MAX])
{
    const char *at = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(at, "/");

    if (n == 0)
        return NULL;
    memcpy(name, at, n);
    name[n] = '\0';
    /* byte by byte: valgrind takes the checked memmove for memcpy, which must not overlap */
    for (size_t i = 0; (w->rest[i] = at[n + i]) != '\0'; i++)
        continue;
    return name;
}

/* One name further. The folder that is left must be one to go through. */
static const char *way_step(struct way *w, const char *name, uid_t user)
{
    struct stat st;
    const char *why;
    int next;

    why = fstat(w->folder, &st) == 0 ? way_fault(&st, user) : strerror(errno);
    if (why != NULL)
        return why;
    next = openat(w->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0 || fstat(next, &st) != 0)
        return strerror(errno);
    if (!S_ISLNK(st.st_mode)) {
        way_move(w, next);
        return S_ISDIR(st.st_mode) ? NULL : strerror(ENOTDIR);
    }
    why = way_fault(&st, user);
    why = why == NULL ? way_follow(w, next) : why;
    close(next);
    return why;
}

/* Opens the folder of a path, name by name. NULL, or why not. */
static const char *open_folder(const char *path, const char *slash, uid_t user, int *folder)
{
    struct way w = {.folder = -1};
    char name[PATH_MAX], here[PATH_MAX];
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;
    const char *why = NULL;

    if (n >= sizeof(w.rest))
        return strerror(ENAMETOOLONG);
    memcpy(w.rest, path, n);
    if (path[0] == '/')
        way_move(&w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    else
        why = getcwd(here, sizeof(here)) != NULL ? way_prepend(&w, here) : strerror(errno);
    while (why == NULL && way_name(&w, name) != NULL)
        why = way_step(&w, name, user);
    *folder = w.folder;
    if (why != NULL)
        way_move(&w, -1);
    return why;
}

/* What is checked is what is used: the folder stays open. NULL, or why not. */
static const char *place_open(struct place *p, const char *path, uid_t user)
{
    const char *slash = strrchr(path, '/'), *why;
    struct stat st;

    p->name = slash != NULL ? slash + 1 : path;
    why = open_folder(path, slash, user, &p->folder);
    if (why != NULL)
        return why;
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
