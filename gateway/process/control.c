#include "process/control.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    ANSWER_US = 60000000, /* how long a reload may take before -s gives up */
    LOOK_MS = 200,        /* how often it looks whether the master is still there */
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

/* Under another name first, so that nobody reads half of it. */
static bool write_file(const char *name, struct tg_str text)
{
    char *fresh = beside(tg_str_of(name), ".new");
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool good = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;

    if (fd >= 0)
        close(fd);
    good = good && rename(fresh, name) == 0;
    if (!good)
        tg_log(TG_LOG_ERROR, "master", "cannot write %s: %s", name, strerror(errno));
    free(fresh);
    return good;
}

bool tg_control_write_pid(struct tg_str path)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    return path.n == 0 || write_file(path.p, (struct tg_str){text, (size_t)n});
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

void tg_control_answer(struct tg_str path, uint64_t number, bool well, struct tg_str problems)
{
    struct tg_buf text = {0};
    char *name;

    if (path.n == 0)
        return;
    name = beside(path, ".reload");
    tg_buf_printf(&text, "%d %lu %s\n", (int)getpid(), number, well ? "done" : "failed");
    tg_buf_add(&text, problems);
    (void)write_file(name, tg_buf_str(&text));
    tg_buf_end(&text);
    free(name);
}

/* --- the other side --- */

static int __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
    va_list args;

    fputs("trainguard: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILURE;
}

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
    item = tg_conf_parse(&c, file);
    for (const struct tg_conf_problem *p = c.problems; p != NULL; p = p->next)
        fprintf(stderr, "trainguard: [%s] %s\n", p->level == TG_CONF_WARN ? "warn" : "emerg",
                p->text);
    while (item != NULL && !tg_str_eq(item->args[0], TG_STR("pid")))
        item = item->next;
    if (c.errors == 0 && item != NULL && item->nargs == 2)
        path = strdup(tg_conf_path(&c, item->args[1]).p);
    else if (c.errors == 0)
        complain("%s has no \"pid\" directive: the master cannot be found", file);
    tg_arena_end(&arena);
    return path;
}

static struct tg_str read_answer(const char *name, char *text, size_t cap)
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

    CHECK(fd >= 0 && folder != NULL);
    slash = strrchr(folder, '/');
    CHECK(slash != NULL); /* tg_conf_path() puts the prefix in front */
    slash[slash == folder] = '\0';
    if (inotify_add_watch(fd, folder, IN_MOVED_TO) < 0) {
        close(fd);
        fd = -1;
    }
    free(folder);
    return fd;
}

static int print_answer(struct tg_str answer)
{
    const char *end = memchr(answer.p, '\n', answer.n);
    struct tg_str head = {answer.p, end != NULL ? (size_t)(end - answer.p) : answer.n};
    struct tg_str rest = tg_str_skip(answer, end != NULL ? head.n + 1 : head.n);

    while (rest.n > 0) {
        size_t n;

        end = memchr(rest.p, '\n', rest.n);
        n = end != NULL ? (size_t)(end - rest.p) + 1 : rest.n;
        fprintf(stderr, "trainguard: %.*s", (int)n, rest.p);
        rest = tg_str_skip(rest, n);
    }
    if (tg_str_ends(head, TG_STR(" done")))
        return EXIT_SUCCESS;
    return complain("the reload failed, the old configuration goes on");
}

/* Waits until the answer differs from the one before. */
static int await_answer(int watch, const char *name, pid_t pid, struct tg_str before)
{
    uint64_t deadline = tg_clock_mono_now() + ANSWER_US;
    struct pollfd one = {watch, POLLIN, 0};
    char *text = malloc(MAX_ANSWER);
    char events[4096];
    int status = -1;

    CHECK(text != NULL);
    while (status < 0) {
        struct tg_str now = read_answer(name, text, MAX_ANSWER);

        if (now.n > 0 && !tg_str_eq(now, before))
            status = print_answer(now);
        else if (kill(pid, 0) != 0 && errno == ESRCH)
            status = complain("the master ended before it answered");
        else if (tg_clock_mono_now() > deadline)
            status = complain("the master did not answer in time");
        else if (poll(&one, 1, LOOK_MS) > 0)
            while (read(watch, events, sizeof(events)) > 0)
                ;
    }
    free(text);
    return status;
}

static int reload(const char *path, pid_t pid)
{
    char *name = beside(tg_str_of(path), ".reload");
    char *text = malloc(MAX_ANSWER);
    int watch = watch_folder(path);
    struct tg_str before;
    int status;

    CHECK(text != NULL);
    before = read_answer(name, text, MAX_ANSWER);
    if (watch < 0)
        status = complain("cannot watch the folder of %s: %s", path, strerror(errno));
    else if (kill(pid, SIGHUP) != 0)
        status = complain("cannot signal the master of %s: %s", path, strerror(errno));
    else
        status = await_answer(watch, name, pid, before);
    if (watch >= 0)
        close(watch);
    free(text);
    free(name);
    return status;
}

static int send_to(const char *path, int signal_number)
{
    pid_t pid = read_pid(path);

    if (pid < 0)
        return complain("no master: cannot read %s: %s", path,
                        errno == EINVAL ? "it holds no process id" : strerror(errno));
    if (signal_number == SIGHUP)
        return reload(path, pid);
    if (kill(pid, signal_number) != 0)
        return complain("cannot signal the master of %s: %s", path, strerror(errno));
    return EXIT_SUCCESS;
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
        complain("-s takes stop, quit, reload or reopen, got \"%s\"", word);
        return EXIT_USAGE;
    }
    path = pid_path(file, prefix);
    if (path == NULL)
        return EXIT_FAILURE;
    status = send_to(path, words[i].signal_number);
    free(path);
    return status;
}
