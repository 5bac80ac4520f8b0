/* Tries in a child process what could end, or change, the one that does it. */
#include "process/trial.h"

#include "audit/audit.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/output.h"
#include "keeper/keeper.h"
#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIES = 5,
    TRIAL_MS = 60000, /* how long a child may take */
    BLOCK = 65536,
    GOOD = '+' /* the last byte of a child that found nothing amiss */
};

/* --- a child --- */

/* The child's end of a pipe in the child, where *pid is 0; the parent's end in the parent. -1, with
 * a line in `problems`, when the system has no more to give. */
static int start_child(pid_t *pid, const char *what, struct tg_buf *problems)
{
    int ends[2], error;

    *pid = -1;
    if (pipe2(ends, O_CLOEXEC) == 0) {
        *pid = fork();
        error = errno;
        if (*pid < 0) {
            close(ends[0]);
            close(ends[1]);
            errno = error;
        }
    }
    if (*pid < 0) {
        tg_buf_printf(problems, "[emerg] no process for %s: %s\n", what, strerror(errno));
        return -1;
    }
    CHECK(*pid >= 0 && *pid != getpid());
    close(ends[*pid == 0 ? 0 : 1]);
    if (*pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return ends[*pid == 0 ? 1 : 0];
}

/* The end of a child: its words, and behind them, when all is well, a byte that says so: whatever
 * else may end a process (a module's own exit(3) among it) says nothing. */
static _Noreturn void trial_answer(int fd, struct tg_buf *words, bool good)
{
    struct tg_str text;
    ssize_t n;

    if (good)
        tg_buf_putc(words, GOOD);
    text = tg_buf_str(words);
    while (text.n > 0 && (n = write(fd, text.p, text.n)) > 0)
        text = tg_str_skip(text, (size_t)n);
    _exit(EXIT_SUCCESS);
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

/* What became of a child that did not say that all is well, unless it said why. */
static void tell_end(const char *what, bool ended, int status, bool has_words,
                     struct tg_buf *problems)
{
    if (!ended)
        tg_buf_printf(problems, "[emerg] %s does not come to an end\n", what);
    else if (WIFSIGNALED(status))
        tg_buf_printf(problems, "[emerg] %s kills the process that tries it: signal %d (%s)\n",
                      what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (!has_words)
        tg_buf_printf(problems, "[emerg] %s ends the process that tries it: status %d\n", what,
                      WEXITSTATUS(status));
}

/* True when the child said that all is well; what else became of it, if it could not say so, is
 * added. Each of its lines is whole. */
static bool end_child(int fd, pid_t pid, const char *what, struct tg_buf *problems)
{
    size_t before = problems->n;
    bool ended = listen_to(fd, problems);
    bool good = ended && problems->n > before && problems->p[problems->n - 1] == GOOD;
    int status = 0;

    CHECK(problems->n >= before);
    problems->n -= good;
    close(fd);
    if (!ended)
        kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) || WIFSIGNALED(status));
    if (problems->n > before && problems->p[problems->n - 1] != '\n')
        tg_buf_putc(problems, '\n');
    if (!good)
        tell_end(what, ended, status, problems->n > before, problems);
    return good;
}

/* --- a configuration --- */

/* Appends the problems of a configuration that cannot be loaded; of one that can, none. */
static bool try_read(const char *file, const char *prefix, struct tg_buf *problems)
{
    static const char what[] = "the configuration";
    size_t before = problems->n;
    pid_t pid;
    int fd = start_child(&pid, what, problems);

    if (fd < 0)
        return false;
    if (pid == 0) {
        struct tg_buf words = {0};
        struct tg_settings *s = tg_settings_read(file, prefix, &words);
        bool good = s != NULL;

        tg_settings_end(s);
        trial_answer(fd, &words, good);
    }
    if (!end_child(fd, pid, what, problems))
        return false;
    problems->n = before; /* warnings: they are told again */
    return true;
}

static struct tg_settings_state state_of(const char *file, const char *prefix)
{
    struct tg_settings_state state;

    tg_settings_state(file, prefix, NULL, NULL, &state);
    return state;
}

static bool is_still(const struct tg_settings_state *tried, const char *file, const char *prefix)
{
    struct tg_settings_state now = state_of(file, prefix);

    return strcmp(tried->revision, now.revision) == 0 && strcmp(tried->identity, now.identity) == 0;
}

struct tg_settings *tg_trial_read(const char *file, const char *prefix, struct tg_buf *problems)
{
    size_t before = problems->n;

    for (unsigned i = 0; i < TRIES; i++) {
        struct tg_settings_state tried = state_of(file, prefix);
        bool good = try_read(file, prefix, problems);
        struct tg_settings *s;

        if (!is_still(&tried, file, prefix)) {
            problems->n = before;
            continue;
        }
        if (!good)
            return NULL;
        s = tg_settings_read(file, prefix, problems);
        if (is_still(&tried, file, prefix))
            return s;
        tg_settings_end(s);
        problems->n = before;
    }
    tg_buf_puts(problems, "[emerg] the configuration's files change while they are read\n");
    return NULL;
}

/* --- what the user that workers become can do --- */

/* In a child; false, with a line, where that is not allowed. */
static bool become_user(const struct tg_settings *s, struct tg_buf *words)
{
    if (s->user.n == 0 || geteuid() != 0 || tg_sandbox_become(s->user.p, s->uid, s->gid))
        return true;
    tg_buf_printf(words, "[emerg] cannot become \"%s\": %s\n", s->user.p, strerror(errno));
    return false;
}

static void add_problem(const struct tg_settings *s, const char *what, const char *path,
                        const char *why, struct tg_buf *words)
{
    tg_buf_puts(words, "[emerg] ");
    if (s->user.n > 0)
        tg_buf_printf(words, "\"%s\" ", s->user.p);
    tg_buf_printf(words, "cannot %s \"%s\": %s\n", what, path, why);
}

static void try_audit_log(const struct tg_settings *s, struct tg_buf *words)
{
    const char *path = tg_audit_file(s->audit_conf), *why;

    if (path != NULL && tg_output_append(path, O_NONBLOCK | O_NOCTTY, s->uid, &why) < 0)
        add_problem(s, "open the audit log", path, why, words);
}

/* A key that cannot be read again would be in force until it ends. */
static void try_keepers_files(const struct tg_settings *s, struct tg_buf *words)
{
    const char *path;

    for (unsigned i = 0; (path = tg_keeper_file(s, i)) != NULL; i++)
        if (access(path, R_OK) != 0)
            add_problem(s, "read a credential's file", path, strerror(errno), words);
}

bool tg_trial_files(const struct tg_settings *s, struct tg_buf *problems)
{
    static const char what[] = "opening files";
    pid_t pid;
    int fd;

    if (geteuid() != 0 || (tg_audit_file(s->audit_conf) == NULL && !tg_keeper_wanted(s)))
        return true;
    fd = start_child(&pid, what, problems);
    if (fd < 0)
        return false;
    if (pid == 0) {
        struct tg_buf words = {0};

        if (become_user(s, &words)) {
            try_audit_log(s, &words);
            try_keepers_files(s, &words);
        }
        trial_answer(fd, &words, words.n == 0);
    }
    return end_child(fd, pid, what, problems);
}

bool tg_trial_credentials(const struct tg_settings *s, struct tg_buf *words)
{
    static const char what[] = "asking for keys";
    pid_t pid;
    int fd;

    if (!tg_keeper_wanted(s))
        return true;
    fd = start_child(&pid, what, words);
    if (fd < 0)
        return false;
    if (pid == 0) {
        struct tg_buf said = {0};
        bool good = become_user(s, &said) && tg_keeper_try(s, &said);

        trial_answer(fd, &said, good);
    }
    return end_child(fd, pid, what, words);
}
