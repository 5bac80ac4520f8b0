/* What all sinks share, and the look back at what was written before. */
#include "audit_sink.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_BACK = 1 << 20 }; /* bytes */

void tg_sink_init(struct tg_sink *s, const struct tg_audit_conf *conf)
{
    *s = (struct tg_sink){.conf = conf, .fd = -1, .mend_fd = -1};
    switch (conf->target) {
    case TG_AUDIT_FILE:
        s->ops = &tg_sink_file;
        break;
    case TG_AUDIT_SYSLOG_UNIX:
    case TG_AUDIT_SYSLOG_UDP:
        s->ops = &tg_sink_datagram;
        break;
    case TG_AUDIT_SYSLOG_TCP:
        s->ops = &tg_sink_tcp;
        break;
    default:
        TG_UNREACHABLE();
    }
}

void tg_sink_end(struct tg_sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->mend_fd >= 0)
        close(s->mend_fd);
    s->fd = s->mend_fd = -1;
}

bool tg_sink_fail(struct tg_sink *s, const char *what, int error)
{
    snprintf(s->why, sizeof(s->why), "%.*s: %s%s%s", TG_STR_ARG(s->conf->text), what,
             error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
    return false;
}

bool tg_sink_open(struct tg_sink *s)
{
    CHECK(s->fd < 0);
    return s->ops->open(s);
}

enum tg_sink_result tg_sink_write(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    enum tg_sink_result result;

    CHECK(lines.n > 0);
    *used = 0;
    if (s->fd < 0 && !s->ops->open(s))
        return TG_SINK_FAILED;
    result = s->ops->write(s, lines, used);
    CHECK(*used <= lines.n && (result != TG_SINK_DONE || *used == lines.n));
    CHECK(result != TG_SINK_AGAIN || *used == 0);
    return result;
}

bool tg_sink_reopen(struct tg_sink *s)
{
    return s->fd < 0 ? s->ops->open(s) : s->ops->reopen(s);
}

/* --- the look back --- */

/* Reads up to LOOK_BACK bytes from the end of a file into the arena. */
static struct tg_str read_tail(struct tg_arena *arena, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *p;
    ssize_t n = 0;
    off_t from;

    if (fd < 0)
        return (struct tg_str){NULL, 0};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return (struct tg_str){NULL, 0};
    }
    from = st.st_size > LOOK_BACK ? st.st_size - LOOK_BACK : 0;
    p = tg_arena_alloc(arena, LOOK_BACK);
    n = pread(fd, p, LOOK_BACK, from);
    close(fd);
    return (struct tg_str){p, n > 0 ? (size_t)n : 0};
}

/* Searches lines from the last to the first. */
static bool search(struct tg_str text, struct tg_str worker, struct tg_audit_line *out)
{
    bool some = false;

    while (text.n > 0) {
        const char *end = memrchr(text.p, '\n', text.n);
        struct tg_audit_line line;
        struct tg_str last;
        bool ours;

        last = end != NULL ? tg_str_skip(text, (size_t)(end + 1 - text.p)) : text;
        text.n = end != NULL ? (size_t)(end - text.p) : 0;
        if (!tg_audit_line_read(last, &line))
            continue;
        ours = tg_str_eq(tg_audit_line_worker(line.stream), worker);
        if (!some || ours)
            *out = line;
        if (ours)
            return true;
        some = true;
    }
    return some;
}

bool tg_sink_previous(const struct tg_sink *s, struct tg_str worker, struct tg_arena *arena,
                      struct tg_audit_line *out)
{
    if (!s->regular)
        return false;
    return search(read_tail(arena, s->conf->path.p), worker, out) ||
           search(read_tail(arena, tg_arena_printf(arena, "%s.1", s->conf->path.p).p), worker, out);
}
