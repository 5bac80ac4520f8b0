/*
 * Plays a keeper that somebody else has taken over: preloaded with LD_PRELOAD, it does what such a
 * one would like to do, within the sandbox of the real one, from inside a call of libcurl. What
 * came of each attempt goes to standard error.
 *
 * The file $ATTACK names, once it is written: the process id of the master, that of a worker, a
 * port that is none of the keeper's, a secret file, the keeper's own file, the admin block's unix
 * socket.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    int master, worker, port;
    char secret[256], own[256], socket[256];
} target;

static int outcome(long result)
{
    return result >= 0 ? 0 : errno;
}

static void tell(const char *what, int error)
{
    dprintf(STDERR_FILENO, "attack: %s: %s\n", what, error == 0 ? "done" : strerror(error));
}

static int connect_to(const char *address, int port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, address, &there.sin_addr);
    return outcome(connect(fd, (struct sockaddr *)&there, sizeof(there)));
}

static int connect_unix(void)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(there.sun_path, target.socket, strlen(target.socket) + 1);
    return fd < 0 ? errno : outcome(connect(fd, (struct sockaddr *)&there, sizeof(there)));
}

static int listen_somewhere(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 ? outcome(listen(fd, 1)) : errno;
}

static int read_memory(int pid)
{
    char bytes[16];
    struct iovec here = {bytes, sizeof(bytes)}, there = {&target, sizeof(bytes)};

    return outcome(process_vm_readv(pid, &here, 1, &there, 1, 0));
}

static int open_memory(int pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    return outcome(open(path, O_RDWR));
}

static int run_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? errno
               : 0;
}

static int become_another(void)
{
    char *arguments[] = {(char *)"/bin/true", NULL};

    return outcome(execve("/bin/true", arguments, arguments));
}

static void attack(void)
{
    tell("read a secret file", outcome(open(target.secret, O_RDONLY)));
    tell("read the shadow file", outcome(open("/etc/shadow", O_WRONLY)));
    tell("write its own file", outcome(open(target.own, O_WRONLY)));
    tell("make a file", outcome(open("/tmp/trainguard-attack", O_WRONLY | O_CREAT, 0600)));
    tell("remove its own file", outcome(unlink(target.own)));
    tell("connect elsewhere", connect_to("127.0.0.1", target.port));
    tell("connect to the admin socket", connect_unix());
    tell("listen", listen_somewhere());
    tell("signal the master", outcome(kill(target.master, SIGTERM)));
    tell("signal a worker", outcome(kill(target.worker, SIGKILL)));
    tell("signal by descriptor", outcome(syscall(SYS_pidfd_open, target.worker, 0)));
    tell("trace the master", outcome(ptrace(PTRACE_ATTACH, target.master, NULL, NULL)));
    tell("read a worker's memory", read_memory(target.worker));
    tell("open a worker's memory", open_memory(target.worker));
    tell("run code of its own", run_code());
    tell("run a program", become_another());
    tell("fork", outcome(fork()));
}

/* --- when --- */

static int targets = -1; /* the open file; in the keeper alone */

/* Called before the sandbox closes, and by the keeper alone. */
int inotify_init1(int flags)
{
    int (*next)(int);

    *(void **)&next = dlsym(RTLD_NEXT, "inotify_init1");
    targets = open(getenv("ATTACK"), O_RDONLY | O_CLOEXEC);
    return next(flags);
}

typedef int multi_action(void *multi, int fd, int what, int *running);
multi_action curl_multi_socket_action;

int curl_multi_socket_action(void *multi, int fd, int what, int *running)
{
    multi_action *next;
    char text[1024] = "";

    *(void **)&next = dlsym(RTLD_NEXT, "curl_multi_socket_action");
    if (targets >= 0 && pread(targets, text, sizeof(text) - 1, 0) > 0 &&
        sscanf(text, "%d %d %d %255s %255s %255s", &target.master, &target.worker, &target.port,
               target.secret, target.own, target.socket) == 6) {
        close(targets);
        targets = -1;
        attack();
        dprintf(STDERR_FILENO, "attack: over\n");
    }
    return next(multi, fd, what, running);
}
