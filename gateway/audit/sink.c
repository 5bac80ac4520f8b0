/* What all sinks share, and the look back at what was written before. */
#include "audit/sink.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_BACK = 64 << 20, LOOK_PIECE = 1 << 20 }; /* bytes */

void tg_sink_init(struct tg_sink *s, const struct tg_sink_ops *ops,
                  const struct tg_audit_conf *conf, struct event_base *base)
{
    *s = (struct tg_sink){.ops = ops, .conf = conf, .fd = -1, .mend_fd = -1};
    if (ops->init != NULL)
        ops->init(s, base);
}

void tg_sink_end(struct tg_sink *s)
{
    tg_connector_end(s->connector);
    s->connector = NULL;
    if (s->fd >= 0)
        close(s->fd);
    if (s->mend_fd >= 0)
        close(s->mend_fd);
    s->fd = s->mend_fd = -1;
}

bool tg_sink_fail_why(struct tg_sink *s, const char *what, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%.*s: %s%s%s", TG_STR_ARG(s->conf->text), what,
             why != NULL ? ": " : "", why != NULL ? why : "");
    return false;
}

bool tg_sink_fail(struct tg_sink *s, const char *what, int error)
{
    return tg_sink_fail_why(s, what, error != 0 ? strerror(error) : NULL);
}

bool tg_sink_open(struct tg_sink *s)
{
    CHECK(s->fd < 0);
    if (s->ops->open(s))
        return true;
    if (s->connector != NULL)
        tg_connector_wait(s->connector);
    return s->fd >= 0;
}

enum tg_sink_result tg_sink_write(struct tg_sink *s, struct tg_str lines, size_t *used)
{
    enum tg_sink_result result;

    CHECK(lines.n > 0);
    *used = 0;
    s->arrived = false;
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

/* What is looked for: a line of the worker's own streams, else the newest of all. */
struct look {
    struct tg_str worker;
    struct tg_arena *arena;
    struct tg_audit_line *out;
    bool some; /* *out is set */
    bool ours; /* to what was looked for */
};

static void found(struct look *l, const struct tg_audit_line *line)
{
    l->ours = tg_str_eq(tg_audit_line_worker(line->stream), l->worker);
    if (l->some && !l->ours)
        return;
    l->some = true;
    *l->out = (struct tg_audit_line){.stream = tg_arena_dup(l->arena, line->stream),
                                     .seq = line->seq,
                                     .chain = tg_arena_dup(l->arena, line->chain)};
}

/* Searches lines from the last to the first. */
static void search(struct look *l, struct tg_str text)
{
    while (text.n > 0 && !l->ours) {
        const char *end = memrchr(text.p, '\n', text.n);
        struct tg_audit_line line;
        struct tg_str last;

        last = end != NULL ? tg_str_skip(text, (size_t)(end + 1 - text.p)) : text;
        text.n = end != NULL ? (size_t)(end - text.p) : 0;
        if (tg_audit_line_read(last, &line))
            found(l, &line);
    }
}

/* Searches a file piece by piece from its end. A line that does not fit into a piece is passed
 * over. */
static void search_file(struct look *l, int fd, off_t size)
{
    char *p = tg_arena_alloc(l->arena, LOOK_PIECE);
    off_t least = size > LOOK_BACK ? size - LOOK_BACK : 0;

    while (size > least && !l->ours) {
        off_t from = size > LOOK_PIECE ? size - LOOK_PIECE : 0;
        struct tg_str text = {p, (size_t)(size - from)};
        const char *newline;

        if (pread(fd, p, text.n, from) != (ssize_t)text.n)
            return;
        size = from;
        newline = from > 0 ? memchr(p, '\n', text.n - 1) : NULL;
        if (newline != NULL) { /* what is before it comes with the next piece */
            size += newline + 1 - p;
            text = tg_str_skip(text, (size_t)(newline + 1 - p));
        }
        search(l, text);
    }
}

static void look_into(struct look *l, const char *path)
{
    int fd = l->ours ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        search_file(l, fd, st.st_size);
    close(fd);
}

bool tg_sink_previous(const struct tg_sink *s, struct tg_str worker, struct tg_arena *arena,
                      struct tg_audit_line *out)
{
    struct look l = {.worker = worker, .arena = arena, .out = out};

    if (!s->regular)
        return false;
    look_into(&l, s->conf->path.p);
    look_into(&l, tg_arena_printf(arena, "%s.1", s->conf->path.p).p);
    return l.some;
}
