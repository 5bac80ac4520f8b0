/* The sandbox, in a child process each: what is closed is closed, what a worker does still works.
 */
#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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
static char own_file[64]; /* the keeper's */

/* Each returns 0 when it went as a worker needs it, or an errno. */
static int opened(const char *path, int flags)
{
    int fd = open(path, flags, 0640);

    return fd < 0 ? errno : close(fd);
}

static int open_foreign(void)
{
    return opened("/bin/true", O_RDONLY);
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

/* What somebody puts in the place of a file that names are looked up in. */
static int read_other_hosts(void)
{
    return opened("/etc/passwd", O_RDONLY);
}

static int list_etc(void)
{
    return opened("/etc", O_RDONLY | O_DIRECTORY);
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

/* The far end of a pipe whose other end somebody else could have: as the pipe of orders is. */
static int other_end(void)
{
    int ends[2];

    return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
}

static int own_pipe(void)
{
    return fcntl(other_end(), F_SETOWN, getppid()) != 0 ? errno : 0;
}

static int own_pipe_extended(void)
{
    struct f_owner_ex owner = {F_OWNER_PID, getppid()};

    return fcntl(other_end(), F_SETOWN_EX, &owner) != 0 ? errno : 0;
}

static int choose_signal(void)
{
    return fcntl(other_end(), F_SETSIG, SIGTERM) != 0 ? errno : 0;
}

static int be_told(void)
{
    return fcntl(other_end(), F_SETFL, O_ASYNC | O_NONBLOCK) != 0 ? errno : 0;
}

static int be_told_by_ioctl(void)
{
    int on = 1;

    return ioctl(other_end(), FIOASYNC, &on) != 0 ? errno : 0;
}

static int own_by_ioctl(void)
{
    int pid = getppid();

    return ioctl(socket(AF_INET, SOCK_STREAM, 0), FIOSETOWN, &pid) != 0 ? errno : 0;
}

static int lease(void)
{
    return fcntl(open(written, O_RDONLY), F_SETLEASE, F_RDLCK) != 0 ? errno : 0;
}

static int type_for_others(void)
{
    char c = '\n';

    return ioctl(other_end(), TIOCSTI, &c) != 0 ? errno : 0;
}

static int unix_stream(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int unix_sequence(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET, 0) < 0 ? errno : 0;
}

static int unix_pair(void)
{
    int ends[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 ? errno : 0;
}

static int unix_datagram(void)
{
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) < 0 ? errno : 0;
}

static int use_descriptors(void)
{
    int fd = other_end(), n;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(fd, F_GETFL) < 0 ||
        fcntl(fd, F_DUPFD_CLOEXEC, 3) < 0 || ioctl(fd, FIONREAD, &n) != 0)
        return errno;
    return 0;
}

/* --- what the keeper has less of --- */

static int listen_somewhere(void)
{
    return listen(socket(AF_INET, SOCK_STREAM, 0), 1) != 0 ? errno : 0;
}

static int bind_somewhere(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};

    return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof(any)) != 0 ? errno
                                                                                            : 0;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return connect(fd, (struct sockaddr *)&there, sizeof(there)) != 0 ? errno : 0;
}

static int connect_where_it_may(void)
{
    return connect_to(1);
}

static int connect_elsewhere(void)
{
    return connect_to(2);
}

static int read_its_file(void)
{
    return opened(own_file, O_RDONLY);
}

static int write_its_file(void)
{
    return opened(own_file, O_WRONLY);
}

static int remove_its_file(void)
{
    return unlink(own_file) != 0 ? errno : 0;
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
    {"read another file of /etc", read_other_hosts, 0, 0},
    {"list /etc", list_etc, EACCES, 0},
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
    {"have the kernel signal the parent", own_pipe, 0, EPERM},
    {"have it signal the parent, in the other way", own_pipe_extended, 0, EPERM},
    {"choose the signal", choose_signal, 0, EPERM},
    {"have a pipe send signals", be_told, 0, EPERM},
    {"have a pipe send signals, by ioctl", be_told_by_ioctl, 0, EPERM},
    {"have a socket signal the parent, by ioctl", own_by_ioctl, 0, EPERM},
    {"take a lease", lease, 0, EPERM},
    {"type on the terminal", type_for_others, 0, EPERM},
    {"make a unix stream, as the admin socket takes", unix_stream, 0, EPERM},
    {"make a unix sequence of packets", unix_sequence, 0, EPERM},
    {"make a pair of unix sockets", unix_pair, 0, EPERM},
    {"make a unix socket for datagrams", unix_datagram, 0, 0},
    {"use descriptors", use_descriptors, 0, 0},
};

static const struct {
    const char *name;
    int (*run)(void);
    int due;      /* 0: it works */
    int landlock; /* the version that is needed; 0: none */
} keepers_attempts[] = {
    {"read its file", read_its_file, 0, 1},
    {"write its file", write_its_file, EACCES, 1},
    {"remove its file", remove_its_file, EPERM, 0},
    {"write the log of workers", write_log, EACCES, 1},
    {"open a file of somebody else", open_foreign, EACCES, 1},
    {"listen", listen_somewhere, EPERM, 0},
    {"bind", bind_somewhere, EPERM, 0},
    {"connect to a port of its own", connect_where_it_may, ECONNREFUSED, 0},
    {"connect elsewhere", connect_elsewhere, EACCES, 4},
    {"make a unix stream", unix_stream, EPERM, 0},
    {"make a unix socket for datagrams", unix_datagram, EPERM, 0},
    {"run a program", run_program, EPERM, 0},
    {"fork", become_two, EPERM, 0},
    {"send a signal", signal_others, EPERM, 0},
    {"take memory to run code from", code_in_memory, EPERM, 0},
};

static int in_a_child_with(int (*run)(void), const struct tg_sandbox *sandbox)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox != NULL)
            tg_sandbox_enter(sandbox);
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int in_a_child(int (*run)(void), bool closed)
{
    return in_a_child_with(run, closed ? &(struct tg_sandbox){.audit = written} : NULL);
}

static long has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

static void test_keeper(void **state)
{
    const struct tg_sandbox sandbox = {
        .keeper = true, .file = {own_file}, .nfiles = 1, .port = {1}, .nports = 1};

    (void)state;
#ifdef SANITIZED
    skip();
#endif
    assert_int_equal(opened(own_file, O_WRONLY | O_CREAT), 0);
    for (size_t i = 0; i < sizeof(keepers_attempts) / sizeof(*keepers_attempts); i++) {
        int got;

        if (keepers_attempts[i].landlock > has_landlock())
            continue;
        got = in_a_child_with(keepers_attempts[i].run, &sandbox);
        if (got != keepers_attempts[i].due)
            fail_msg("%s: %s, due: %s", keepers_attempts[i].name, strerror(got),
                     strerror(keepers_attempts[i].due));
    }
    unlink(own_file);
}

static void test_attempts(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
        int due = attempts[i].seccomp != 0 ? attempts[i].seccomp
                  : has_landlock() > 0     ? attempts[i].landlock
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
    assert_int_equal(in_a_child(own_pipe, false), 0);
    assert_int_equal(in_a_child(choose_signal, false), 0);
    assert_int_equal(in_a_child(unix_stream, false), 0);
}

static int make_files(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(written, sizeof(written), "%s/log", directory);
    snprintf(beside, sizeof(beside), "%s/log.1", directory);
    snprintf(own_file, sizeof(own_file), "%s/key", directory);
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
        cmocka_unit_test(test_keeper),
        cmocka_unit_test(test_open_before),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
