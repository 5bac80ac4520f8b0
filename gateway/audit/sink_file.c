/*
 * The sink for paths. A regular file is appended to by several workers at once: one write(2) on
 * O_APPEND is one piece, so lines of workers never mix. Only a short write (disk full, file size
 * limit) or the death of the writer within it can tear a line; the torn part is then overwritten
 * with spaces, in place, which is white space before the next line: by its writer, else by whoever
 * writes behind it. Pipes and terminals have no such promise and are locked instead.
 */
#include "audit/sink.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_TRIES = 1000, /* of a pause each: 200 ms */
    LOCK_PAUSE_NS = 200000,
    ROOM_MS = 50,       /* for a reader to make room in a pipe */
    STREAM_US = 200000, /* for all waits of one write to a pipe */
    MAX_NAME = 4096
};

/* --- opening --- */

/* A file whose directory entry is not on disk is lost with the power, whatever it holds. */
static void sync_directory(const char *path)
{
    char copy[MAX_NAME];
    int fd;

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fsync(fd) != 0)
        tg_log(TG_LOG_WARN, "audit", "syncing the directory of %s failed: %m", path);
    close(fd);
}

/* The process is the user whose log it is by now. -1 with s->why set. */
static int open_path(struct tg_sink *s)
{
    const char *why;
    int fd = tg_output_append(s->conf->path.p, O_NONBLOCK, geteuid(), &why);

    if (fd < 0)
        tg_sink_fail_why(s, "open", why);
    return fd;
}

/* The same file to be read and overwritten, which an O_APPEND descriptor cannot do (pwrite(2),
 * BUGS). Where that is not allowed torn lines stay as they are. */
static int open_to_mend(const char *path, const struct stat *st)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct stat now;

    if (fd >= 0 && (fstat(fd, &now) != 0 || now.st_ino != st->st_ino || now.st_dev != st->st_dev)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Takes an open file into use instead of the one before. */
static void take(struct tg_sink *s, int fd, const struct stat *st)
{
    const char *path = s->conf->path.p;

    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->regular = S_ISREG(st->st_mode);
    s->fresh = s->regular;
    s->locked = false;
    s->torn = false;
    s->end = 0;
    if (s->mend_fd >= 0)
        close(s->mend_fd);
    s->mend_fd = s->regular ? open_to_mend(path, st) : -1;
    if (s->conf->mode == TG_AUDIT_STRICT && s->regular)
        sync_directory(path);
}

static bool open_file(struct tg_sink *s)
{
    int fd = open_path(s);
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) != 0) {
        close(fd);
        return tg_sink_fail(s, "fstat", errno);
    }
    take(s, fd, &st);
    return true;
}

static bool reopen_file(struct tg_sink *s)
{
    struct stat now;
    struct stat old;
    int fd;

    if (!s->regular)
        return true;
    fd = open_path(s);
    if (fd < 0)
        return false;
    if (fstat(fd, &now) != 0 || fstat(s->fd, &old) != 0) {
        close(fd);
        return tg_sink_fail(s, "fstat", errno);
    }
    if (now.st_ino == old.st_ino && now.st_dev == old.st_dev)
        close(fd);
    else
        take(s, fd, &now);
    return true;
}

/* --- rotation --- */

/*
 * PATH.1 becomes PATH.2 and so on; the oldest one goes first. To rename over it would do the same,
 * but ext4 then finds blocks for all of the renamed file's dirty pages at once (auto_da_alloc in
 * ext4(5)): 10 ms of standstill for 16 MB, where this takes one.
 */
static bool shift_names(struct tg_sink *s)
{
    const char *path = s->conf->path.p;
    char from[MAX_NAME];
    char to[MAX_NAME];

    if (s->conf->path.n + 16 > MAX_NAME)
        return tg_sink_fail(s, "rotate", ENAMETOOLONG);
    snprintf(to, sizeof(to), "%s.%lld", path, (long long)s->conf->keep);
    if (unlink(to) != 0 && errno != ENOENT)
        return tg_sink_fail(s, "rotate", errno);
    for (int64_t i = s->conf->keep - 1; i >= 0; i--) {
        snprintf(to, sizeof(to), "%s.%lld", path, (long long)i + 1);
        if (i > 0)
            snprintf(from, sizeof(from), "%s.%lld", path, (long long)i);
        else
            snprintf(from, sizeof(from), "%s", path);
        if (rename(from, to) != 0 && errno != ENOENT)
            return tg_sink_fail(s, "rotate", errno);
    }
    return true;
}

/* True when the path still names the file we have open, and it is no link or device. */
static bool is_ours(const struct tg_sink *s)
{
    struct stat named;
    struct stat mine;

    return lstat(s->conf->path.p, &named) == 0 && fstat(s->fd, &mine) == 0 &&
           S_ISREG(named.st_mode) && named.st_ino == mine.st_ino && named.st_dev == mine.st_dev;
}

/*
 * The worker that finds the file too large renames it; the others find it renamed when they next
 * look. The lock is on the file itself, so that only one of them does it. A file that cannot be
 * renamed keeps growing: that is no reason to refuse requests.
 */
static void rotate(struct tg_sink *s)
{
    bool ok = true;

    if (flock(s->fd, LOCK_EX) != 0)
        return;
    if (is_ours(s))
        ok = shift_names(s);
    flock(s->fd, LOCK_UN);
    if (!ok || !reopen_file(s))
        tg_log(TG_LOG_ERROR, "audit", "rotation failed: %s", s->why);
}

/* --- writing regular files --- */

static bool blank_out(const struct tg_sink *s, off_t at, size_t n)
{
    static const char spaces[256] = {[0 ... 255] = ' '};
    bool ok = s->mend_fd >= 0;

    while (n > 0 && ok) {
        size_t some = n < sizeof(spaces) ? n : sizeof(spaces);

        ok = pwrite(s->mend_fd, spaces, some, at) == (ssize_t)some;
        at += (off_t)some;
        n -= some;
    }
    return ok;
}

/*
 * Our bytes begin at `at`. What stands before them is final, since writes to one file come one
 * after the other: when it is no line's end, its writer died within the line, or is about to blank
 * it out itself. Either way the line was not written, and ours must not stand behind half of it.
 */
static void mend(const struct tg_sink *s, off_t at)
{
    off_t from = at;
    char part[512];
    bool found = false;

    while (!found && from > 0) {
        size_t n = from < (off_t)sizeof(part) ? (size_t)from : sizeof(part);
        const char *newline;

        if (pread(s->mend_fd, part, n, from - (off_t)n) != (ssize_t)n)
            return;
        newline = memrchr(part, '\n', n);
        found = newline != NULL;
        from -= found ? part + n - (newline + 1) : (off_t)n;
    }
    if (!blank_out(s, from, (size_t)(at - from)))
        tg_log(TG_LOG_ERROR, "audit", "a torn line of %.*s stays: %m", TG_STR_ARG(s->conf->path));
}

/* Looks at what stands before the `n` bytes written last, unless that was ours, too. */
static void look_before(struct tg_sink *s, size_t n)
{
    off_t end = lseek(s->fd, 0, SEEK_CUR);
    off_t at = end - (off_t)n;
    char last;

    if (at > 0 && at != s->end && s->mend_fd >= 0 && pread(s->mend_fd, &last, 1, at - 1) == 1 &&
        last != '\n')
        mend(s, at);
    s->end = end;
}

/* Keeps the whole lines of a short write of `n` bytes and removes the torn one behind them. */
static size_t tidy(struct tg_sink *s, struct tg_str lines, size_t n)
{
    const char *newline = memrchr(lines.p, '\n', n);
    size_t whole = newline != NULL ? (size_t)(newline + 1 - lines.p) : 0;
    off_t end = lseek(s->fd, 0, SEEK_CUR);

    CHECK(whole <= n);
    if (n > whole && (end < 0 || !blank_out(s, end - (off_t)(n - whole), n - whole))) {
        s->torn = s->mend_fd < 0;
        s->end = 0; /* the next write tries again */
    }
    return whole;
}

/* Writes all of `lines` or finds out why not. */
static bool append(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    while (*used < lines.n) {
        struct tg_str rest = tg_str_skip(lines, *used);
        ssize_t n = write(s->fd, rest.p, rest.n);
        size_t whole;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tg_sink_fail(s, "write", errno);
        s->torn = false; /* what was torn ended with our first byte, a newline */
        look_before(s, (size_t)n);
        whole = (size_t)n == rest.n ? rest.n : tidy(s, rest, (size_t)n);
        *used += whole;
        if (whole == 0 || s->torn)
            return tg_sink_fail(s, "write", ENOSPC);
    }
    return true;
}

/* What has to be true of a file before its lines count as written. */
static enum tg_sink_result settle(struct tg_sink *s, size_t *used)
{
    bool device = tg_str_starts(s->conf->path, TG_STR("/dev/"));
    struct stat st;

    if (s->conf->mode == TG_AUDIT_STRICT && fdatasync(s->fd) != 0) {
        tg_sink_fail(s, "fdatasync", errno);
        return TG_SINK_FAILED;
    }
    if (device || fstat(s->fd, &st) != 0)
        return TG_SINK_DONE;
    if (st.st_nlink == 0) {
        /* Removed under us: what we wrote went nowhere. */
        *used = 0;
        return reopen_file(s) ? TG_SINK_AGAIN : TG_SINK_FAILED;
    }
    s->fresh = false;
    if (s->conf->rotate > 0 && st.st_size >= s->conf->rotate)
        rotate(s);
    return TG_SINK_DONE;
}

static enum tg_sink_result write_regular(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    if (append(s, lines, used))
        return settle(s, used);
    return TG_SINK_FAILED;
}

/* --- writing pipes, terminals, devices --- */

/* Another worker holds the lock for one write, or for long when nobody reads the pipe: then we
 * could not write either. */
static bool lock_stream(struct tg_sink *s)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES && !s->locked; i++) {
        if (flock(s->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            s->locked = true;
        else
            nanosleep(&pause, NULL);
    }
    return s->locked;
}

static void unlock_stream(struct tg_sink *s)
{
    flock(s->fd, LOCK_UN);
    s->locked = false;
}

/* A pipe holds 64 KB, which many requests of one turn fill while its reader is merely not
 * scheduled: that is no failure. Waits for room; false when the time is up. */
static bool wait_for_room(const struct tg_sink *s, uint64_t until)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};

    return tg_clock_mono_now() < until && poll(&p, 1, ROOM_MS) != 0;
}

static enum tg_sink_result write_stream(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    uint64_t until = tg_clock_mono_now() + STREAM_US;
    bool within = s->locked; /* a line whose rest comes first in `lines` */

    if (!lock_stream(s)) {
        tg_sink_fail(s, "lock", EWOULDBLOCK);
        return TG_SINK_FAILED;
    }
    while (*used < lines.n) {
        ssize_t n = write(s->fd, lines.p + *used, lines.n - *used);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(s, until))))
            continue;
        if (n <= 0) {
            tg_sink_fail(s, "write", n < 0 ? errno : ENOSPC);
            if (*used > 0)
                within = lines.p[*used - 1] != '\n';
            if (!within)
                unlock_stream(s);
            return TG_SINK_FAILED;
        }
        *used += (size_t)n;
    }
    unlock_stream(s);
    return TG_SINK_DONE;
}

static enum tg_sink_result write_file(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    return s->regular ? write_regular(s, lines, used) : write_stream(s, lines, used);
}

const struct tg_sink_ops tg_sink_file = {NULL, open_file, write_file, reopen_file};
