/* How a master is found and spoken to: its pid file, locked, and what came of the last reload. */
#include "process/control.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/output.h"
#include "config/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
    ANSWER_US = 60000000, /* how long a reload may take before -s gives up */
    MAX_ANSWER = 65536,
    EXIT_USAGE = 2,
};

/* --- the master's side --- */

static char *beside(struct tg_str path, const char *suffix)
{
    char *name = NULL;

    CHECK(asprintf(&name, "%.*s%s", TG_STR_ARG(path), suffix) > 0);
    return name;
}

/* Writes a file whole, under another name first so that nobody reads half of it, and, when `lock`
 * is asked for, locks it before it gets its name. Returns the descriptor, or -1 and sets *why. */
static int control_write_file(const char *name, struct tg_str text, uid_t user, bool lock,
                              const char **why)
{
    static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *fresh = beside(tg_str_of(name), ".new");
    int fd = tg_output_create(fresh, 0644, user, why);

    if (fd >= 0 && (write(fd, text.p, text.n) != (ssize_t)text.n ||
                    (lock && fcntl(fd, F_SETLK, &whole) != 0) || rename(fresh, name) != 0)) {
        *why = strerror(errno);
        close(fd);
        unlink(fresh);
        fd = -1;
    }
    if (fd < 0)
        tg_log(TG_LOG_ERROR, "master", "cannot write %s: %s", name, *why);
    free(fresh);
    return fd;
}

/* The process that has locked a pid file; 0: nobody, or it is not there. */
static pid_t owner_of(const char *path)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        lock.l_pid = 0;
    if (fd >= 0)
        close(fd);
    return lock.l_pid;
}

int tg_control_write_pid(struct tg_str path, uid_t user, pid_t old_master, struct tg_buf *problems)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    pid_t owner = owner_of(path.p);
    const char *why;
    int fd;

    CHECK(path.n > 0 && path.p[path.n] == '\0');
    if (owner != 0 && owner != old_master) {
        tg_log(TG_LOG_EMERG, "master", "%s belongs to process %d", path.p, (int)owner);
        tg_buf_printf(problems, "[emerg] %s belongs to process %d, which runs\n", path.p,
                      (int)owner);
        return -1;
    }
    fd = control_write_file(path.p, (struct tg_str){text, (size_t)n}, user, true, &why);
    if (fd < 0)
        tg_buf_printf(problems, "[emerg] cannot write %s: %s\n", path.p, why);
    return fd;
}

/* The number in a pid file, or -1 with errno. */
static pid_t read_pid(const char *path)
{
    char text[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    uint64_t pid;

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return -1;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    errno = EINVAL;
    if (!tg_str_u64((struct tg_str){text, (size_t)n}, &pid) || pid < 1 || pid > INT32_MAX)
        return -1;
    return (pid_t)pid;
}

void tg_control_remove_pid(struct tg_str path)
{
    char *answer;

    if (path.n == 0 || read_pid(path.p) != getpid())
        return;
    answer = beside(path, ".reload");
    unlink(answer);
    unlink(path.p);
    free(answer);
}

void tg_control_answer(struct tg_str path, uid_t user, const struct tg_stats *stats)
{
    const char *why;
    struct tg_stats_answer *a = malloc(sizeof(*a));
    struct tg_buf text = {0};
    char *name;
    int fd;

    CHECK(a != NULL);
    if (path.n == 0) {
        free(a);
        return;
    }
    name = beside(path, ".reload");
    tg_buf_printf(&text, "%d %lu begun\n", (int)getpid(), stats->reload);
    CHECK(stats->reload > 0);
    for (uint64_t n = 0; n < stats->reload && tg_stats_answered(stats, n, a); n = a->number)
        tg_buf_printf(&text, "%d %lu %s\n%s", (int)getpid(), a->number, a->well ? "done" : "failed",
                      a->text);
    fd = control_write_file(name, tg_buf_str(&text), user, false, &why);
    if (fd >= 0)
        close(fd);
    tg_buf_end(&text);
    free(name);
    free(a);
}

/* --- the other side --- */

/* A failure that has been told. */
#define COMPLAIN(...) (tg_complain("trainguard: " __VA_ARGS__), EXIT_FAILURE)

/* Where the pid file is. Only the text is read: a master can be stopped whose configuration has a
 * mistake by now. */
static char *pid_path(const char *file, const char *prefix)
{
    struct tg_arena arena;
    struct tg_conf c;
    const struct tg_conf_item *item;
    char *path = NULL;

    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, prefix);
    c.environment = true;
    item = tg_conf_parse(&c, file);
    for (const struct tg_conf_problem *p = c.problems; p != NULL; p = p->next)
        tg_complain("trainguard: [%s] %s", p->level == TG_CONF_WARN ? "warn" : "emerg", p->text);
    while (item != NULL && !tg_str_eq(item->args[0], TG_STR("pid")))
        item = item->next;
    if (c.errors == 0 && item != NULL && item->nargs == 2)
        path = strdup(tg_conf_path(&c, item->args[1]).p);
    else if (c.errors == 0)
        tg_complain("trainguard: "
                    "%s has no \"pid\" directive: the master cannot be found",
                    file);
    tg_arena_end(&arena);
    return path;
}

static struct tg_str read_answers(const char *name, char *text, size_t cap)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, cap) : 0;

    if (fd >= 0)
        close(fd);
    return (struct tg_str){text, n > 0 ? (size_t)n : 0};
}

/* Watches the folder of the pid file: the answer is renamed into it. */
static int watch_folder(const char *path)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char *folder = strdup(path);
    char *slash;

    CHECK(folder != NULL);
    slash = strrchr(folder, '/');
    CHECK(slash != NULL); /* tg_conf_path() puts the prefix in front */
    slash[slash == folder] = '\0';
    if (fd >= 0 && inotify_add_watch(fd, folder, IN_MOVED_TO) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        fd = -1;
    }
    free(folder);
    return fd;
}

static struct tg_str control_next_word(struct tg_str *line, char end)
{
    const char *at = memchr(line->p, end, line->n);
    struct tg_str word = {line->p, at != NULL ? (size_t)(at - line->p) : line->n};

    *line = tg_str_skip(*line, word.n + (at != NULL));
    return word;
}

/* A part of what stands beside the pid file: "PID NUMBER STATE", then problems, one a line. */
struct reload_answer {
    uint64_t pid;
    uint64_t number; /* of the reload, counted by that master */
    struct tg_str state;
    struct tg_str problems;
};

static bool next_answer(struct tg_str *text, struct reload_answer *a)
{
    struct tg_str line = control_next_word(text, '\n');

    if (!tg_str_u64(control_next_word(&line, ' '), &a->pid) ||
        !tg_str_u64(control_next_word(&line, ' '), &a->number))
        return false;
    a->state = line;
    a->problems = (struct tg_str){text->p, 0};
    while (text->n > 0 && (text->p[0] < '0' || text->p[0] > '9'))
        (void)control_next_word(text, '\n');
    a->problems.n = (size_t)(text->p - a->problems.p);
    return true;
}

/* The last reload of that master that began. */
static uint64_t last_begun(struct tg_str text, pid_t pid)
{
    struct reload_answer a;

    return next_answer(&text, &a) && a.pid == (uint64_t)pid ? a.number : 0;
}

/* The first answer of that master to a reload behind number `before`. */
static bool find_answer(struct tg_str text, pid_t pid, uint64_t before, struct reload_answer *a)
{
    while (next_answer(&text, a))
        if (a->pid == (uint64_t)pid && a->number > before && !tg_str_eq(a->state, TG_STR("begun")))
            return true;
    return false;
}

static int print_answer(const struct reload_answer *a)
{
    struct tg_str rest = a->problems;

    while (rest.n > 0) {
        struct tg_str line = control_next_word(&rest, '\n');

        tg_complain("trainguard: %.*s", TG_STR_ARG(line));
    }
    if (tg_str_eq(a->state, TG_STR("done")))
        return EXIT_SUCCESS;
    return COMPLAIN("the reload failed, the old configuration goes on");
}

/* A running master. The descriptor stays that process's, whoever gets its number afterwards. */
struct found {
    pid_t pid;
    int fd; /* pidfd_open(2) */
};

/* Waits for the answer of a reload that began behind number `before`. */
static int await_answer(int watch, const char *name, const struct found *master, uint64_t before)
{
    uint64_t deadline = tg_clock_mono_now() + ANSWER_US;
    struct pollfd both[] = {{watch, POLLIN, 0}, {master->fd, POLLIN, 0}};
    char *text = malloc(MAX_ANSWER);
    char events[4096];
    int status = -1;

    CHECK(text != NULL && watch >= 0 && master->fd >= 0);
    while (status < 0) {
        struct tg_str all = read_answers(name, text, MAX_ANSWER);
        uint64_t now = tg_clock_mono_now();
        struct reload_answer a;

        if (find_answer(all, master->pid, before, &a))
            status = print_answer(&a);
        else if (both[1].revents != 0)
            status = COMPLAIN("the master ended before it answered");
        else if (now > deadline)
            status = COMPLAIN("the master did not answer in time");
        else if (poll(both, 2, (int)((deadline - now) / 1000) + 1) > 0)
            while (read(watch, events, sizeof(events)) > 0)
                ;
    }
    CHECK(status == EXIT_SUCCESS || status == EXIT_FAILURE);
    free(text);
    return status;
}

static int reload(const char *path, const struct found *master)
{
    char *name = beside(tg_str_of(path), ".reload");
    char *text = malloc(MAX_ANSWER);
    int watch = watch_folder(path), error = errno;
    uint64_t before;
    int status;

    CHECK(text != NULL);
    before = last_begun(read_answers(name, text, MAX_ANSWER), master->pid);
    if (watch < 0)
        status = COMPLAIN("cannot watch the folder of %s: %s", path, strerror(error));
    else if (pidfd_send_signal(master->fd, SIGHUP, NULL, 0) != 0)
        status = COMPLAIN("cannot signal the master of %s: %s", path, strerror(errno));
    else
        status = await_answer(watch, name, master, before);
    if (watch >= 0)
        close(watch);
    free(text);
    free(name);
    return status;
}

static int send_signal(const char *path, const struct found *master, int signal_number)
{
    CHECK(master->pid > 0 && signal_number > 0);
    if (owner_of(path) != master->pid)
        return COMPLAIN("no master: %s is not locked by process %d, which is another program's",
                        path, (int)master->pid);
    if (signal_number == SIGHUP)
        return reload(path, master);
    if (pidfd_send_signal(master->fd, signal_number, NULL, 0) != 0)
        return COMPLAIN("cannot signal the master of %s: %s", path, strerror(errno));
    return EXIT_SUCCESS;
}

/* The lock is looked at when the process is held: its number cannot become another one's between.
 */
static int send_to(const char *path, int signal_number)
{
    struct found master = {.pid = read_pid(path)};
    int status;

    if (master.pid < 0)
        return COMPLAIN("no master: cannot read %s: %s", path,
                        errno == EINVAL ? "it holds no process id" : strerror(errno));
    master.fd = pidfd_open(master.pid, 0);
    if (master.fd < 0)
        return COMPLAIN("no master: process %d of %s: %s", (int)master.pid, path, strerror(errno));
    status = send_signal(path, &master, signal_number);
    close(master.fd);
    return status;
}

int tg_control_send(const char *file, const char *prefix, const char *word)
{
    static const struct {
        const char *word;
        int signal_number;
    } words[] = {{"stop", SIGTERM}, {"quit", SIGQUIT}, {"reload", SIGHUP}, {"reopen", SIGUSR1}};
    size_t i = 0;
    char *path;
    int status;

    while (i < sizeof(words) / sizeof(*words) && strcmp(words[i].word, word) != 0)
        i++;
    if (i == sizeof(words) / sizeof(*words)) {
        tg_complain("trainguard: "
                    "-s takes stop, quit, reload or reopen, got \"%s\"",
                    word);
        return EXIT_USAGE;
    }
    path = pid_path(file, prefix);
    if (path == NULL)
        return EXIT_FAILURE;
    status = send_to(path, words[i].signal_number);
    free(path);
    return status;
}
