/* Tries in a child process what could end, or change, the one that does it. */
#include "process/trial.h"

#include "audit/audit.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/output.h"
#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIES = 5,
    TRIAL_MS = 60000, /* how long a child may take */
    BLOCK = 65536
};

/* --- a digest of all that is read --- */

struct digest {
    unsigned char bytes[TG_SHA256];
};

static void add_text(struct digest *d, struct tg_str text)
{
    struct digest part;

    tg_sha256(text, part.bytes);
    tg_hash_sha256((struct tg_str[]){{(char *)d->bytes, sizeof(d->bytes)},
                                     {(char *)part.bytes, sizeof(part.bytes)}},
                   2, d->bytes);
}

/* A file that is too large to be read whole counts by what tells one version from another. */
static void add_file(struct digest *d, const char *name)
{
    struct tg_file file = {{NULL, 0}, 0, 0};
    struct tg_arena arena;
    struct stat st;

    if (stat(name, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    tg_arena_init(&arena);
    if (tg_file_read(&arena, name, &file) == NULL)
        add_text(d, file.text);
    else
        add_text(d,
                 tg_arena_printf(&arena, "%lu %lu %ld %ld.%09ld %ld.%09ld", (long)st.st_dev,
                                 (long)st.st_ino, (long)st.st_size, (long)st.st_mtim.tv_sec,
                                 st.st_mtim.tv_nsec, (long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec));
    tg_arena_end(&arena);
}

/* An argument may name files, whatever its directive takes: a word that does not costs a look. */
static void add_files(struct digest *d, struct tg_conf *c, struct tg_str argument)
{
    glob_t found;

    if (argument.n == 0 || glob(tg_conf_path(c, argument).p, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add_file(d, found.gl_pathv[i]);
    globfree(&found);
}

/* Logs are written to all the time, and read by nobody here. */
static bool names_inputs(const struct tg_conf_item *item)
{
    static const char *const outputs[] = {"audit_log", "error_log", "pid"};

    for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++)
        if (tg_str_eq(item->args[0], tg_str_of(outputs[i])))
            return false;
    return true;
}

static void add_items(struct digest *d, struct tg_conf *c, const struct tg_conf_item *item)
{
    for (; item != NULL; item = item->next) {
        for (unsigned i = 0; i < item->nargs; i++) {
            add_text(d, item->args[i]);
            if (i > 0 && names_inputs(item))
                add_files(d, c, item->args[i]);
        }
        add_text(d, item->block ? TG_STR("{") : TG_STR(";"));
        add_items(d, c, item->children);
    }
    add_text(d, TG_STR("}"));
}

/* Reads texts alone: nothing in them is run, or understood. */
static struct digest digest(const char *file, const char *prefix)
{
    struct digest d = {{0}};
    struct tg_arena arena;
    struct tg_conf c;

    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, prefix);
    add_items(&d, &c, tg_conf_parse(&c, file));
    tg_arena_end(&arena);
    return d;
}

static bool same(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* --- a child --- */

/* The child's end of a pipe in the child, where *pid is 0; the parent's end in the parent. */
static int start_child(pid_t *pid)
{
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    *pid = fork();
    CHECK(*pid >= 0);
    close(ends[*pid == 0 ? 0 : 1]);
    if (*pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return ends[*pid == 0 ? 1 : 0];
}

static void write_all(int fd, struct tg_str text)
{
    ssize_t n;

    while (text.n > 0 && (n = write(fd, text.p, text.n)) > 0)
        text = tg_str_skip(text, (size_t)n);
}

/* Appends what the child says until it ends; false when it takes too long. */
static bool listen_to(int fd, struct tg_buf *words)
{
    uint64_t deadline = tg_clock_mono_now() + TRIAL_MS * UINT64_C(1000);
    struct pollfd one = {fd, POLLIN, 0};
    uint64_t now;

    while ((now = tg_clock_mono_now()) < deadline) {
        ssize_t n = 0;

        if (poll(&one, 1, (int)((deadline - now) / 1000) + 1) > 0)
            n = read(fd, tg_buf_room(words, BLOCK), BLOCK);
        else
            continue;
        if (n <= 0)
            return true;
        words->n += (size_t)n;
    }
    return false;
}

/* True when the child exited with 0; what else became of it, if it could not say so, is added. */
static bool end_child(int fd, pid_t pid, const char *what, struct tg_buf *problems)
{
    bool ended = listen_to(fd, problems);
    int status = 0;

    close(fd);
    if (!ended)
        kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!ended)
        tg_buf_printf(problems, "[emerg] %s does not come to an end\n", what);
    else if (WIFSIGNALED(status))
        tg_buf_printf(problems, "[emerg] %s kills the process that tries it: signal %d (%s)\n",
                      what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* --- a configuration --- */

/* Appends the problems of a configuration that cannot be loaded; of one that can, none. */
static bool try_read(const char *file, const char *prefix, struct tg_buf *problems)
{
    size_t before = problems->n;
    pid_t pid;
    int fd = start_child(&pid);

    if (pid == 0) {
        struct tg_buf words = {0};
        bool good = tg_settings_read(file, prefix, &words) != NULL;

        write_all(fd, tg_buf_str(&words));
        _exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    if (!end_child(fd, pid, "the configuration", problems))
        return false;
    problems->n = before; /* warnings: they are told again */
    return true;
}

struct tg_settings *tg_trial_read(const char *file, const char *prefix, struct tg_buf *problems)
{
    size_t before = problems->n;

    for (unsigned i = 0; i < TRIES; i++) {
        struct digest tried = digest(file, prefix), now;
        struct tg_settings *s;

        if (!try_read(file, prefix, problems))
            return NULL;
        now = digest(file, prefix);
        if (!same(&tried, &now))
            continue;
        s = tg_settings_read(file, prefix, problems);
        now = digest(file, prefix);
        if (s == NULL || same(&tried, &now))
            return s;
        tg_settings_end(s);
        problems->n = before;
    }
    tg_buf_puts(problems, "[emerg] the configuration's files change while they are read\n");
    return NULL;
}

/* --- the audit log --- */

bool tg_trial_audit_log(const struct tg_settings *s, struct tg_buf *problems)
{
    const char *path = tg_audit_file(s->audit_conf);
    pid_t pid;
    int fd;

    if (s->user.n == 0 || geteuid() != 0 || path == NULL)
        return true;
    fd = start_child(&pid);
    if (pid == 0) {
        struct tg_buf words = {0};
        const char *why;

        if (!tg_sandbox_become(s->user.p, s->uid, s->gid))
            tg_buf_printf(&words, "[emerg] cannot become \"%s\": %s\n", s->user.p, strerror(errno));
        else if (tg_output_append(path, O_NONBLOCK | O_NOCTTY, s->uid, &why) < 0)
            tg_buf_printf(&words, "[emerg] \"%s\" cannot open the audit log \"%s\": %s\n",
                          s->user.p, path, why);
        write_all(fd, tg_buf_str(&words));
        _exit(words.n == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return end_child(fd, pid, "opening the audit log", problems);
}
