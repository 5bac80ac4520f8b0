/* Gives up rights: the user, capabilities, files (Landlock), system calls (seccomp). */
#include "process/sandbox.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sanitizer's own work at the end (it stops its threads and reads their memory) is just what a
 * sandbox forbids. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* --- user and capabilities --- */

void tg_sandbox_hide(void)
{
    struct rlimit none = {0, 0};

    if (SANITIZED)
        return;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        tg_log(TG_LOG_WARN, "sandbox", "core dumps stay on: %s", strerror(errno));
}

bool tg_sandbox_become(const char *user, uid_t uid, gid_t gid)
{
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return false;
    CHECK(getuid() == uid && geteuid() == uid && getegid() == gid);
    CHECK(uid == 0 || setuid(0) != 0); /* there is no way back */
    return true;
}

/* Root without capabilities is a user whose files happen to be root's. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0;
}

/* --- Landlock --- */

enum {
    READ = LANDLOCK_ACCESS_FS_READ_FILE,
    READ_BELOW = READ | LANDLOCK_ACCESS_FS_READ_DIR,
    WRITE = READ | LANDLOCK_ACCESS_FS_WRITE_FILE,
    ROTATE = WRITE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
             LANDLOCK_ACCESS_FS_REMOVE_FILE,
    /* every right of the first version: what is not given is denied */
    ALL = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
    FILE_RIGHTS = LANDLOCK_ACCESS_FS_EXECUTE | WRITE,
    /* what the kernel's header may not have yet */
    NET_VERSION = 4,
    NET_BIND = 1 << 0,
    NET_CONNECT = 1 << 1,
    RULE_NET_PORT = 2,
    SCOPE_VERSION = 6,
    SCOPE_ABSTRACT_UNIX = 1 << 0,
    SCOPE_SIGNAL = 1 << 1,
    SOCK_TYPE = 0xf, /* the type without SOCK_CLOEXEC and SOCK_NONBLOCK */
    MAX_LINKS = 8    /* from a name to its file */
};

/* struct landlock_ruleset_attr and landlock_net_port_attr of kernels that know the network. */
struct ruleset {
    uint64_t fs, net, scoped;
};

struct net_rule {
    uint64_t allowed, port;
};

/* What names and certificates are looked up in at any time. */
static const struct {
    const char *path;
    unsigned rights;
} readable[] = {
    {"/etc/ssl", READ_BELOW},
    {"/usr/lib/ssl", READ_BELOW},
    {"/usr/share/zoneinfo", READ_BELOW},
    {"/usr/share/ca-certificates", READ_BELOW},
    {"/usr/local/share/ca-certificates", READ_BELOW},
    {"/dev/null", WRITE},
    {"/dev/urandom", READ}, /* c-ares: identifiers of questions */
};

/* Files that somebody else replaces while we run. */
static const char *const replaced[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/localtime"};

/* True for "/", however it is spelt: a rule for it would be no sandbox at all. */
static bool is_root(const struct stat *st)
{
    struct stat root;

    return stat("/", &root) == 0 && root.st_dev == st->st_dev && root.st_ino == st->st_ino;
}

/* A path that is not there needs no rule. */
static void allow(int rules, const char *path, unsigned rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat st;

    CHECK(rules >= 0 && rights != 0);
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return;
    CHECK(fstat(rule.parent_fd, &st) == 0);
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= FILE_RIGHTS;
    if (!is_root(&st) &&
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        tg_log(TG_LOG_WARN, "sandbox", "no Landlock rule for %s: %s", path, strerror(errno));
    close(rule.parent_fd);
}

/* Cuts a path down to the folder it is in. */
static void cut_to_folder(char *path)
{
    char *slash = strrchr(path, '/');

    CHECK(path[0] != '\0');
    if (slash == NULL)
        memcpy(path, ".", 2);
    else
        slash[slash == path ? 1 : 0] = '\0';
}

/* Replaces the path of a link by the path the link leads to. False when it is no link. */
static bool follow_link(char path[PATH_MAX])
{
    char target[PATH_MAX], folder[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);

    if (n <= 0)
        return false;
    CHECK((size_t)n < sizeof(target));
    target[n] = '\0';
    memcpy(folder, path, PATH_MAX);
    cut_to_folder(folder);
    n = target[0] == '/' ? snprintf(path, PATH_MAX, "%s", target)
                         : snprintf(path, PATH_MAX, "%s/%s", folder, target);
    return n < PATH_MAX;
}

/* A folder that is not there will be made in the nearest one that is. */
static void allow_nearest(int rules, char folder[PATH_MAX], unsigned rights)
{
    while (strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0 && access(folder, F_OK) != 0)
        cut_to_folder(folder);
    allow(rules, folder, rights);
}

/*
 * A rule holds for an inode, and whoever replaces a file gives its name another one. So the rule is
 * for the folder, and where the name is a link, for the folders of all it leads to.
 */
static void allow_folders(int rules, const char *file, unsigned rights)
{
    char path[PATH_MAX], folder[PATH_MAX];
    bool more = snprintf(path, sizeof(path), "%s", file) < PATH_MAX;

    for (unsigned links = 0; more && links < MAX_LINKS; links++) {
        memcpy(folder, path, sizeof(folder));
        cut_to_folder(folder);
        allow_nearest(rules, folder, rights);
        more = follow_link(path);
    }
}

/* A log, and the folders in which it is made anew; but not all of /dev for /dev/stdout. */
static void allow_written(int rules, const char *file, unsigned rights)
{
    allow(rules, file, WRITE);
    if (strncmp(file, "/dev/", 5) != 0)
        allow_folders(rules, file, rights);
}

/* Where OpenSSL looks for authorities instead of /etc/ssl. */
static void allow_authorities(int rules)
{
    const char *folders = getenv("SSL_CERT_DIR");
    char folder[PATH_MAX];

    for (; folders != NULL; folders = strchr(folders, ':')) {
        folders += *folders == ':';
        snprintf(folder, sizeof(folder), "%.*s", (int)strcspn(folders, ":"), folders);
        allow(rules, folder, READ_BELOW);
    }
}

/* Files, and, for who serves nobody, ports and who can be reached without one. */
static int make_rules(const struct tg_sandbox *s, long version)
{
    struct ruleset attr = {.fs = ALL};
    size_t size = sizeof(attr.fs);

    if (s->keeper && version >= NET_VERSION) {
        attr.net = NET_BIND | NET_CONNECT;
        size += sizeof(attr.net);
    }
    if (s->keeper && version >= SCOPE_VERSION) {
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        size += sizeof(attr.scoped);
    }
    return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

static void allow_ports(int rules, const struct tg_sandbox *s, long version)
{
    for (unsigned i = 0; i < s->nports && version >= NET_VERSION; i++) {
        struct net_rule rule = {NET_CONNECT, s->port[i]};

        CHECK(s->keeper && s->port[i] != 0);
        if (syscall(SYS_landlock_add_rule, rules, RULE_NET_PORT, &rule, 0) != 0)
            tg_log(TG_LOG_WARN, "sandbox", "no Landlock rule for port %u: %s", s->port[i],
                   strerror(errno));
    }
}

/* The version of Landlock that holds now, or 0 with errno. */
static int enter_landlock(const struct tg_sandbox *s)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int rules;
    bool ok;

    if (version <= 0)
        return 0;
    rules = make_rules(s, version);
    if (rules < 0)
        return 0;
    allow_ports(rules, s, version);
    for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++)
        allow(rules, readable[i].path, readable[i].rights);
    for (size_t i = 0; i < sizeof(replaced) / sizeof(*replaced); i++)
        allow_folders(rules, replaced[i], READ);
    allow_authorities(rules);
    for (unsigned i = 0; i < s->nfiles; i++)
        allow_folders(rules, s->file[i], READ);
    if (s->audit != NULL)
        allow_written(rules, s->audit, ROTATE);
    if (s->log != NULL)
        allow_written(rules, s->log, WRITE);
    ok = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return ok ? (int)version : 0;
}

/* --- seccomp --- */

/* What a worker does, and what libc, libevent and OpenSSL do for it. Names a kernel or machine does
 * not have are passed over. Anything else fails with EPERM. */
static const char *const calls[] = {
    /* bytes */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvmmsg",
    /* sockets */
    "connect",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    /* waiting */
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_ctl",
    "epoll_create1",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "pipe2",
    "timerfd_create",
    "timerfd_settime",
    "nanosleep",
    "clock_nanosleep",
    "restart_syscall",
    "futex",
    /* files: Landlock says which */
    "open",
    "openat",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "lseek",
    "fstat",
    "stat",
    "lstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "fadvise64",
    "getcwd",
    "statfs",
    "fstatfs",
    /* memory; PROT_EXEC is another matter */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mlock",
    "munlock",
    /* time, identity, signals, the end */
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "getrandom",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "uname",
    "sysinfo",
    "getrlimit",
    "getrusage",
    "getcpu",
    "sched_getaffinity",
    "sched_yield",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "set_robust_list",
    "rseq",
    "membarrier",
    "exit",
    "exit_group",
};

/* What servers and writers of files do beside that. */
static const char *const server_calls[] = {
    "bind",      "accept",          "accept4",   "listen",    "sendfile", "fsync",
    "fdatasync", "sync_file_range", "ftruncate", "fallocate", "flock",    "rename",
    "renameat",  "renameat2",       "unlink",    "unlinkat",  "fchmod",
};

static int allow_calls(scmp_filter_ctx filter, const char *const *names, size_t n)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);

        if (number != __NR_SCMP_ERROR)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    return error;
}

/* One call with each of these values of its argument `arg`. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned arg, const unsigned long *values,
                        size_t n)
{
    int error = 0;

    CHECK(arg < 6 && n > 0);
    for (size_t i = 0; error == 0 && i < n; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                 SCMP_CMP(arg, SCMP_CMP_EQ, (scmp_datum_t)values[i], 0));
    return error;
}

#define ALLOW_VALUES(filter, call, arg, values)                                                    \
    allow_values(filter, SCMP_SYS(call), arg, values, sizeof(values) / sizeof(*values))

static int allow_unix(scmp_filter_ctx filter, unsigned type)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                            SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0),
                            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPE, type));
}

/* A socket of the families of the network; a unix one for datagrams alone, as syslog takes them:
 * nobody reaches the admin block's socket with it. A store of limits may be at a unix socket. */
static int allow_sockets(scmp_filter_ctx filter, const struct tg_sandbox *s)
{
    static const unsigned long families[] = {AF_INET, AF_INET6};
    int error = ALLOW_VALUES(filter, socket, 0, families);

    if (error == 0 && !s->keeper)
        error = allow_unix(filter, SOCK_DGRAM);
    if (error == 0 && s->unix_streams)
        error = allow_unix(filter, SOCK_STREAM);
    return error;
}

/* What is done with a descriptor; nothing that makes the kernel send signals on its behalf
 * (F_SETOWN, F_SETSIG, FIOSETOWN, O_ASYNC): they would reach the master. */
static int allow_descriptors(scmp_filter_ctx filter)
{
    static const unsigned long commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL};
    static const unsigned long requests[] = {FIONREAD, FIONBIO, TCGETS};
    int error = ALLOW_VALUES(filter, fcntl, 1, commands);

    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
                                 SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0),
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, 0));
    if (error == 0)
        error = ALLOW_VALUES(filter, ioctl, 1, requests);
    return error;
}

/* Calls whose arguments matter: sockets, descriptors, no memory to run code from, no signal to
 * anybody else (abort() is one to itself). */
static int allow_some(scmp_filter_ctx filter, const struct tg_sandbox *s)
{
    struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int error = allow_sockets(filter, s);

    if (error == 0)
        error = allow_descriptors(filter);
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    /* setting a limit would need a third argument; reading one is what libc does */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                 SCMP_A2(SCMP_CMP_EQ, 0, 0));
    return error;
}

/* 0, or an errno. */
static int enter_seccomp(const struct tg_sandbox *s)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error;

    if (filter == NULL)
        return ENOMEM;
    error = allow_calls(filter, calls, sizeof(calls) / sizeof(*calls));
    if (error == 0 && !s->keeper)
        error = allow_calls(filter, server_calls, sizeof(server_calls) / sizeof(*server_calls));
    if (error == 0)
        error = allow_some(filter, s);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return -error;
}

/* --- all of it --- */

void tg_sandbox_enter(const struct tg_sandbox *s)
{
    bool capabilities;
    int landlock, error;

    CHECK(s->nfiles <= TG_SANDBOX_FILES && s->nports <= TG_SANDBOX_PORTS);
    if (SANITIZED) {
        tg_log(TG_LOG_INFO, "sandbox", "none: this build has a sanitizer in it");
        return;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        tg_log(TG_LOG_WARN, "sandbox", "none, the kernel refuses: %s", strerror(errno));
        return;
    }
    capabilities = !drop_capabilities();
    if (capabilities)
        tg_log(TG_LOG_WARN, "sandbox", "capabilities stay: %s", strerror(errno));
    landlock = enter_landlock(s);
    if (landlock == 0)
        tg_log(TG_LOG_NOTICE, "sandbox", "no Landlock here: %s", strerror(errno));
    error = enter_seccomp(s);
    if (error != 0)
        tg_log(TG_LOG_NOTICE, "sandbox", "no seccomp here: %s", strerror(error));
    tg_log(TG_LOG_INFO, "sandbox", "closed: no new privileges%s%s%s",
           capabilities ? "" : ", no capabilities", landlock > 0 ? ", Landlock" : "",
           error == 0 ? ", seccomp" : "");
}
