/*
 * Where audit lines go: a file that other workers append to as well, a pipe or terminal, or a
 * syslog server. A sink gets whole lines and never leaves a torn or interleaved one behind.
 */
#ifndef TG_AUDIT_SINK_H
#define TG_AUDIT_SINK_H

#include "audit/conf.h"
#include "audit/line.h"
#include "net/connector.h"

#include <sys/types.h>

enum tg_sink_result {
    TG_SINK_DONE = 1, /* all lines are with the kernel (and on disk in strict) */
    TG_SINK_AGAIN,    /* nothing was lost, but the file is another one now: write again */
    TG_SINK_FAILED    /* `why` tells; *used tells what went out before */
};

struct tg_sink;

/* One kind of sink: what tg_sink_open() and its kin do for it. */
struct tg_sink_ops {
    void (*init)(struct tg_sink *s, struct event_base *base); /* NULL: nothing to prepare */
    bool (*open)(struct tg_sink *s);
    enum tg_sink_result (*write)(struct tg_sink *s, struct tg_str lines, size_t *used);
    bool (*reopen)(struct tg_sink *s);
};

struct tg_sink {
    const struct tg_sink_ops *ops;
    const struct tg_audit_conf *conf; /* borrowed */
    int fd;                           /* -1 when it is not open */
    bool regular;                     /* a regular file: appended to, rotated, synced */
    bool fresh;                       /* the file has no line of ours yet */
    bool torn;                      /* the file ends within a line that could not be blanked out */
    int mend_fd;                    /* a regular file again, to blank torn lines out; -1: none */
    off_t end;                      /* where our newest bytes end in it; 0: nowhere yet */
    bool locked;                    /* a pipe we are in the middle of a line of */
    struct tg_connector *connector; /* to a syslog server over UDP and TCP; NULL: no such sink */
    bool arrived;                   /* it has brought a new connection that nobody has used yet */
    uint64_t too_long;              /* lines left out because the sink takes none that long */
    char why[256];                  /* of the newest failure */
};

/* Prepares a sink of the kind `ops`, which is to be that of `conf` (not TG_AUDIT_OFF). Servers are
 * looked up and connected to in the event loop. End it with tg_sink_end(). */
void tg_sink_init(struct tg_sink *s, const struct tg_sink_ops *ops,
                  const struct tg_audit_conf *conf, struct event_base *base);

/* Closes what the sink has open; *s may be prepared again. */
void tg_sink_end(struct tg_sink *s);

/* Opens it, and waits for a connection to the server; false with s->why set. For when nobody is
 * served. */
bool tg_sink_open(struct tg_sink *s);

/*
 * Writes whole lines. *used is how many bytes of them need not be written again: all with DONE,
 * none with AGAIN, anything up to a line's end with FAILED (in a pipe also within a line: then the
 * rest comes first next time).
 */
enum tg_sink_result tg_sink_write(struct tg_sink *s, struct tg_str lines, size_t *used);

/*
 * Opens the file again under its name. False with s->why set; the old one stays in use then. A
 * server is connected to again without waiting: until that has come about the old connection stays
 * in use; false when there is none.
 */
bool tg_sink_reopen(struct tg_sink *s);

/*
 * Looks in the last 64 MB of the file (and of its newest rotated one) for the newest line of a
 * stream that begins with `worker` and '-', else for the newest line at all. Only its stream, seq
 * and chain are told; they live in the arena. False when there is none.
 */
bool tg_sink_previous(const struct tg_sink *s, struct tg_str worker, struct tg_arena *arena,
                      struct tg_audit_line *out);

/* For the implementations: s->why becomes "NAME: what: errno's text"; returns false. */
bool tg_sink_fail(struct tg_sink *s, const char *what, int error);

/* The same for a reason in words, which may be NULL. */
bool tg_sink_fail_why(struct tg_sink *s, const char *what, const char *why);

/* The implementations: sink_file.c, sink_syslog.c. */
extern const struct tg_sink_ops tg_sink_file;
extern const struct tg_sink_ops tg_sink_unix;
extern const struct tg_sink_ops tg_sink_udp;
extern const struct tg_sink_ops tg_sink_tcp;

#endif
