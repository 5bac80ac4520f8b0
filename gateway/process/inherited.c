/* What a process gets from whoever started it, made the same everywhere. */
#include "process/inherited.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/str.h"
#include "process/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_PROCESSORS = 1 << 16 };

enum {
    OWN_DESCRIPTORS = 32,  /* of a process that serves nobody */
    LEAST_CONNECTIONS = 4, /* what a worker takes however low the limit is */
};

/* --- descriptors --- */

/* Writers with descriptors of their own append to a file only if each of them does. */
static void append_to(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        (void)fcntl(fd, F_SETFL, flags | O_APPEND);
}

bool tg_inherited_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    append_to(STDOUT_FILENO);
    append_to(STDERR_FILENO);
    return true;
}

/* --- the environment --- */

static size_t environment_size(void)
{
    size_t n = 0;

    for (char **e = environ; *e != NULL; e++)
        n += strlen(*e) + 1;
    return n;
}

void tg_inherited_environment(void)
{
    size_t n = environment_size(), size;
    char *to;

    if (n == 0)
        return;
    to = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(to != MAP_FAILED);
    (void)mlock(to, n); /* where the limit forbids it, the memory may be swapped */
    madvise(to, n, MADV_DONTDUMP);
    for (char **e = environ; *e != NULL; e++) {
        size = strlen(*e) + 1;
        memcpy(to, *e, size);
        tg_wipe(*e, size);
        *e = to;
        to += size;
    }
}

/* --- signals --- */

void tg_inherited_signals(void)
{
    static const struct itimerval none = {{0, 0}, {0, 0}};
    sigset_t empty;

    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL); /* refused for KILL, STOP and libc's own */
    sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    (void)setitimer(ITIMER_REAL, &none, NULL);
    (void)setitimer(ITIMER_VIRTUAL, &none, NULL);
    (void)setitimer(ITIMER_PROF, &none, NULL);
}

/* --- limits --- */

uint64_t tg_inherited_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        (void)getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur;
}

/* --- processors --- */

/* The mask's size is the kernel's, which may know more processors than cpu_set_t has bits. */
static unsigned allowed_processors(void)
{
    for (size_t bits = CPU_SETSIZE; bits <= MAX_PROCESSORS; bits *= 2) {
        cpu_set_t *set = CPU_ALLOC(bits);
        size_t size = CPU_ALLOC_SIZE(bits);
        int n = set != NULL && sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        bool larger = set != NULL && n == 0 && errno == EINVAL;

        CPU_FREE(set);
        if (n > 0)
            return (unsigned)n;
        if (!larger)
            break;
    }
    return 1;
}

/* "QUOTA PERIOD" in microseconds, or "max PERIOD", in cpu.max of one cgroup. */
static unsigned quota_of(const char *root, struct tg_str path)
{
    char name[MAX_PATH];
    unsigned long long quota = 0, period = 0;
    FILE *file;
    int n = snprintf(name, sizeof(name), "%s%.*s/cpu.max", root, TG_STR_ARG(path));

    file = n > 0 && n < (int)sizeof(name) ? fopen(name, "re") : NULL;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &quota, &period) != 2)
        quota = 0;
    fclose(file);
    if (quota == 0 || period == 0 || quota / period >= MAX_PROCESSORS)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

/* The cgroup above: "/a/b", "/a", "". */
static struct tg_str above(struct tg_str path)
{
    while (path.n > 0 && path.p[--path.n] != '/')
        ;
    return path;
}

unsigned tg_inherited_quota(const char *root, const char *path)
{
    struct tg_str at = tg_str_of(path);
    unsigned least = 0;

    for (;;) {
        unsigned one = quota_of(root, at);

        CHECK(one <= MAX_PROCESSORS);
        if (one > 0 && (least == 0 || one < least))
            least = one;
        if (at.n == 0)
            return least;
        at = above(at);
    }
}

/* The line of cgroup v2 in /proc/self/cgroup is "0::PATH". */
static unsigned own_quota(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[MAX_PATH];
    unsigned quota = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0)
            quota = tg_inherited_quota("/sys/fs/cgroup", line + 3);
    }
    fclose(file);
    return quota;
}

unsigned tg_inherited_processors(void)
{
    unsigned allowed = allowed_processors();
    unsigned quota = own_quota();

    CHECK(allowed >= 1);
    return quota > 0 && quota < allowed ? quota : allowed;
}

unsigned tg_inherited_workers(const struct tg_settings *s)
{
    unsigned n =
        s->worker_processes > 0 ? (unsigned)s->worker_processes : tg_inherited_processors();

    CHECK(n >= 1);
    return n > TG_MAX_WORKERS ? TG_MAX_WORKERS : n;
}

/* A request takes a descriptor on each side; what else a worker has open is a matter of listeners,
 * and of logs, files and the connections it keeps to upstreams. */
void tg_inherited_fit(struct tg_settings *s, struct tg_buf *problems)
{
    uint64_t limit = tg_inherited_limits(), own = OWN_DESCRIPTORS;
    uint64_t most;

    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_listen *l = v->listens; l != NULL; l = l->next)
            own += TG_MAX_WORKERS / tg_inherited_workers(s) + 1;
    most = limit > own + 2 * LEAST_CONNECTIONS ? (limit - own) / 2 : LEAST_CONNECTIONS;
    if ((uint64_t)s->worker_connections <= most)
        return;
    CHECK(most >= LEAST_CONNECTIONS && most < (uint64_t)s->worker_connections);
    tg_buf_printf(problems,
                  "[warn] \"worker_connections %ld\" needs %lu descriptors, the limit is %lu "
                  "(ulimit -n): each worker takes %lu connections\n",
                  (long)s->worker_connections, own + 2 * (uint64_t)s->worker_connections, limit,
                  most);
    s->worker_connections = (int64_t)most;
}
