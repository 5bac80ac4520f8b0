/* The sandbox, in a child process each: what is closed is closed, what a worker does still works.
 */
#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static char directory[] = "/tmp/test_sandbox.XXXXXX";
static char written[64];
static char beside[64];

/* Each returns 0 when it went as a worker needs it, or an errno. */
static int opened(const char *path, int flags)
{
    int fd = open(path, flags, 0640);

    return fd < 0 ? errno : close(fd);
}

static int open_foreign(void)
{
    return opened("/etc/passwd", O_RDONLY);
}

static int open_root(void)
{
    return opened("/", O_RDONLY | O_DIRECTORY);
}

static int make_elsewhere(void)
{
    return opened("/tmp/test_sandbox.made", O_WRONLY | O_CREAT);
}

static int write_log(void)
{
    return opened(written, O_WRONLY | O_APPEND | O_CREAT);
}

static int rotate_log(void)
{
    return rename(written, beside) != 0 ? errno : write_log();
}

static int read_hosts(void)
{
    return opened("/etc/hosts", O_RDONLY);
}

static int run_program(void)
{
    char *arguments[] = {NULL};

    execve("/bin/true", arguments, arguments);
    return errno;
}

static int become_two(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd < 0 ? errno : close(fd);
}

static int raw_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : munmap(p, 4096);
}

static int code_in_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : 0;
}

static int memory_to_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(p, 4096, PROT_READ | PROT_EXEC) != 0 ? errno : 0;
}

static int signal_others(void)
{
    return kill(getppid(), 0) != 0 ? errno : 0;
}

static int change_owner(void)
{
    return chown(written, 1, 1) != 0 ? errno : 0;
}

static int more_files(void)
{
    struct rlimit limit = {1 << 20, 1 << 20};

    return setrlimit(RLIMIT_NOFILE, &limit) != 0 ? errno : 0;
}

static const struct {
    const char *name;
    int (*run)(void);
    int landlock; /* what it comes to with Landlock, and with seccomp; 0: it works */
    int seccomp;
} attempts[] = {
    {"open a file of somebody else", open_foreign, EACCES, 0},
    {"list the root", open_root, EACCES, 0},
    {"make a file elsewhere", make_elsewhere, EACCES, 0},
    {"write the log", write_log, 0, 0},
    {"rotate the log", rotate_log, 0, 0},
    {"read /etc/hosts", read_hosts, 0, 0},
    {"run a program", run_program, 0, EPERM},
    {"fork", become_two, 0, EPERM},
    {"make a TCP socket", tcp_socket, 0, 0},
    {"make a raw socket", raw_socket, 0, EPERM},
    {"make a netlink socket", netlink_socket, 0, EPERM},
    {"take memory", memory, 0, 0},
    {"take memory to run code from", code_in_memory, 0, EPERM},
    {"make memory runnable", memory_to_code, 0, EPERM},
    {"send a signal", signal_others, 0, EPERM},
    {"give a file away", change_owner, 0, EPERM},
    {"raise a limit", more_files, 0, EPERM},
};

static int in_a_child(int (*run)(void), bool closed)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (closed)
            tg_sandbox_enter(written, NULL);
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void test_attempts(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
        int due = attempts[i].seccomp != 0 ? attempts[i].seccomp
                  : has_landlock()         ? attempts[i].landlock
                                           : 0;
        int got = in_a_child(attempts[i].run, true);

        if (got != due)
            fail_msg("%s: %s, due: %s", attempts[i].name, strerror(got), strerror(due));
    }
}

/* The same attempts work before: it is the sandbox that the others see. */
static void test_open_before(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(open_foreign, false), 0);
    assert_int_equal(in_a_child(become_two, false), 0);
    assert_int_equal(in_a_child(memory_to_code, false), 0);
    assert_int_equal(in_a_child(signal_others, false), 0);
}

static int make_files(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(written, sizeof(written), "%s/log", directory);
    snprintf(beside, sizeof(beside), "%s/log.1", directory);
    return write_log();
}

static int remove_files(void **state)
{
    (void)state;
    unlink(written);
    unlink(beside);
    return rmdir(directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_open_before),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
