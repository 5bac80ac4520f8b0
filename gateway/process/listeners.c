/* Opens, shares, hands on and closes listening sockets. */
#include "process/listeners.h"

#include "base/address.h"
#include "base/chars.h"
#include "base/check.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, ADMIN_MODE = 0660 };

static bool same_address(const struct sockaddr_storage *a, socklen_t a_len,
                         const struct sockaddr_storage *b, socklen_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* A port the kernel chooses is another one each time it is asked. */
static bool any_port(const struct sockaddr_storage *a)
{
    return tg_address_port(a) == 0;
}

static char *address_text(const struct sockaddr_storage *a)
{
    char inet[TG_ADDRESS_TEXT];
    char *text = NULL;
    int n;

    if (a->ss_family == AF_UNIX) {
        n = asprintf(&text, "unix:%s", ((const struct sockaddr_un *)a)->sun_path);
    } else {
        tg_address_text(a, inet);
        n = asprintf(&text, "%s", inet);
    }
    CHECK(n > 0);
    return text;
}

/* True when a file stands at the path of a unix socket that is none: it belongs to somebody. */
static bool in_the_way(const struct sockaddr_storage *a)
{
    struct stat st;

    return a->ss_family == AF_UNIX && lstat(((const struct sockaddr_un *)a)->sun_path, &st) == 0 &&
           !S_ISSOCK(st.st_mode);
}

/* A socket file a dead process left behind is removed; one that answers is somebody's. A file that
 * is no socket refuses connections, too, and stays. */
static void remove_stale(const struct sockaddr_storage *a, socklen_t len)
{
    int fd;

    if (a->ss_family != AF_UNIX || in_the_way(a))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)a, len) != 0 && errno == ECONNREFUSED)
        unlink(((const struct sockaddr_un *)a)->sun_path);
    close(fd);
}

/* The file of a unix socket never has another mode than the one that is wanted: bind(2) makes it
 * with that of the descriptor. */
static int bind_socket(int fd, const struct tg_listener *s)
{
    mode_t mask = s->mode != 0 ? umask(0) : 0;
    int result = s->mode != 0 ? fchmod(fd, s->mode) : 0;

    if (result == 0)
        result = bind(fd, (const struct sockaddr *)&s->address, s->address_len);
    if (s->mode != 0)
        umask(mask);
    return result;
}

static int open_socket(struct tg_listener *s)
{
    const struct sockaddr *address = (const struct sockaddr *)&s->address;
    socklen_t len = sizeof(s->address);
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    }
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind_socket(fd, s) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    if (any_port(&s->address))
        CHECK(getsockname(fd, (struct sockaddr *)&s->address, &len) == 0);
    return fd;
}

/* `errno` says why. */
static void complain(const char *address, struct tg_buf *problems)
{
    tg_buf_printf(problems, "[emerg] cannot listen on %s: %s\n", address, strerror(errno));
}

/* All workers share one unix socket: there is no SO_REUSEPORT for them. */
static bool open_all(struct tg_listener *s, unsigned workers, struct tg_buf *problems)
{
    CHECK(workers >= 1 && workers <= TG_MAX_WORKERS && s->nfd <= TG_MAX_WORKERS);
    if (s->nfd == 0)
        remove_stale(&s->address, s->address_len);
    while (s->nfd < workers) {
        int fd = s->address.ss_family == AF_UNIX && s->nfd > 0 ? fcntl(s->fd[0], F_DUPFD_CLOEXEC, 0)
                                                               : open_socket(s);

        if (fd < 0) {
            const char *why = strerror(errno);

            if (in_the_way(&s->address))
                why = "it is there and is no socket";
            tg_buf_printf(problems, "[emerg] cannot listen on %s: %s\n", s->text, why);
            return false;
        }
        s->fd[s->nfd++] = fd;
    }
    CHECK(s->nfd >= workers && s->nfd <= TG_MAX_WORKERS);
    return true;
}

static void unlink_path(const struct tg_listener *s)
{
    if (s->address.ss_family == AF_UNIX)
        unlink(((const struct sockaddr_un *)&s->address)->sun_path);
}

static void end_socket(struct tg_listener *s)
{
    CHECK(s->nfd <= TG_MAX_WORKERS);
    for (unsigned i = 0; i < s->nfd; i++)
        close(s->fd[i]);
    free((void *)(uintptr_t)s->text);
    free(s);
}

/* One that has no `listen` yet: addresses differ but for ports the kernel chooses, and these are
 * told apart by their order. */
static struct tg_listener *listeners_find(struct tg_listener *sockets, const struct tg_listen *l,
                                          bool admin)
{
    for (struct tg_listener *s = sockets; s != NULL; s = s->next)
        if (!s->wished && s->admin == admin &&
            same_address(&s->asked, s->asked_len, &l->address, l->address_len))
            return s;
    return NULL;
}

static struct tg_listener *open_new(const struct tg_listen *l, unsigned mode, unsigned workers,
                                    struct tg_buf *problems)
{
    struct tg_listener *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->asked = l->address;
    s->asked_len = l->address_len;
    s->address = l->address;
    s->address_len = l->address_len;
    s->mode = mode;
    s->text = address_text(&l->address);
    if (!open_all(s, workers, problems)) {
        end_socket(s);
        return NULL;
    }
    free((void *)(uintptr_t)s->text);
    s->text = address_text(&s->address);
    tg_log(TG_LOG_NOTICE, "listen", "listening on %s", s->text);
    return s;
}

/* SO_REUSEPORT lets a second gateway of the same user share a port of the first unnoticed: before
 * the first socket is opened, all ports must be free without it. */
static bool check_free(const struct tg_listen *l, struct tg_buf *problems)
{
    bool good = true;

    for (; l != NULL && good; l = l->next) {
        char *text = address_text(&l->address);
        int on = 1, fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0)
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (fd >= 0 && l->address.ss_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        good = fd >= 0 && (l->address.ss_family == AF_UNIX ||
                           bind(fd, (const struct sockaddr *)&l->address, l->address_len) == 0);
        if (!good)
            complain(text, problems);
        if (fd >= 0)
            close(fd);
        free(text);
    }
    return good;
}

/* Whoever may write a unix socket's folder may put another socket there. */
static bool check_folders(const struct tg_listen *l, uid_t user, struct tg_buf *problems)
{
    for (; l != NULL; l = l->next) {
        const char *path = ((const struct sockaddr_un *)&l->address)->sun_path, *why;

        if (l->address.ss_family != AF_UNIX)
            continue;
        why = tg_output_folder_fault(path, user);
        if (why != NULL) {
            tg_buf_printf(problems, "[emerg] cannot listen on unix:%s: %s\n", path, why);
            return false;
        }
    }
    return true;
}

/* Changes the mode of a socket, and of nothing else that may stand there by now. */
static bool set_mode(const char *path, mode_t mode)
{
    char self[32];
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &st) == 0;
    int error;

    errno = good && !S_ISSOCK(st.st_mode) ? ENOTSOCK : errno;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    good = good && S_ISSOCK(st.st_mode) && chmod(self, mode) == 0;
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

/* A socket that stays gets the mode the new configuration wants. */
static void change_mode(struct tg_listener *s, unsigned mode)
{
    if (s->address.ss_family == AF_UNIX && mode != 0 && mode != s->mode &&
        !set_mode(((const struct sockaddr_un *)&s->address)->sun_path, mode))
        tg_log(TG_LOG_WARN, "listen", "cannot change the mode of %s: %s", s->text, strerror(errno));
    s->mode = mode;
}

/* New ones go to the end: the order is that of the settings. */
static bool open_list(struct tg_listener **sockets, const struct tg_listen *l, bool admin,
                      unsigned workers, struct tg_buf *problems)
{
    for (; l != NULL; l = l->next) {
        struct tg_listener *s = listeners_find(*sockets, l, admin);
        bool closed = admin && l->mode == 0 && l->address.ss_family == AF_UNIX;
        unsigned mode = closed ? ADMIN_MODE : l->mode;

        if (s != NULL)
            change_mode(s, mode);
        if (s != NULL && !open_all(s, workers, problems))
            return false;
        if (s == NULL) {
            struct tg_listener **end = sockets;

            s = open_new(l, mode, workers, problems);
            if (s == NULL)
                return false;
            while (*end != NULL)
                end = &(*end)->next;
            *end = s;
        }
        s->admin = admin;
        s->wished = true;
    }
    return true;
}

static void end_list(struct tg_listener **at)
{
    while (*at != NULL) {
        struct tg_listener *s = *at;

        *at = s->next;
        end_socket(s);
    }
}

bool tg_listeners_open(struct tg_listener **sockets, const struct tg_settings *settings,
                       unsigned workers, struct tg_buf *problems)
{
    uid_t user = tg_settings_user(settings);
    bool first = *sockets == NULL, good = check_folders(settings->admin_listens, user, problems);

    CHECK(workers >= 1 && workers <= TG_MAX_WORKERS);
    for (struct tg_server_conf *v = settings->servers; v != NULL && good; v = v->next)
        good = check_folders(v->listens, user, problems);
    if (first && good)
        good = check_free(settings->admin_listens, problems);
    for (struct tg_server_conf *v = settings->servers; v != NULL && first && good; v = v->next)
        good = check_free(v->listens, problems);
    for (struct tg_listener *s = *sockets; s != NULL; s = s->next)
        s->wished = false;
    good = good && open_list(sockets, settings->admin_listens, true, 1, problems);
    for (struct tg_server_conf *v = settings->servers; v != NULL && good; v = v->next)
        good = open_list(sockets, v->listens, false, workers, problems);
    if (!good) {
        tg_listeners_roll_back(sockets);
        return false;
    }
    for (struct tg_listener *s = *sockets; s != NULL; s = s->next) {
        CHECK(!s->wished || s->nfd >= (s->admin ? 1 : workers));
        s->wanted = s->wished;
    }
    return true;
}

void tg_listeners_close_unwanted(struct tg_listener **sockets)
{
    struct tg_listener **at = sockets;

    while (*at != NULL) {
        struct tg_listener *s = *at;

        CHECK(s->nfd >= 1);
        if (s->wanted) {
            s->serving = s->nfd;
            at = &s->next;
            continue;
        }
        tg_log(TG_LOG_NOTICE, "listen", "no longer listening on %s", s->text);
        *at = s->next;
        unlink_path(s);
        end_socket(s);
    }
}

void tg_listeners_roll_back(struct tg_listener **sockets)
{
    struct tg_listener **at = sockets;

    while (*at != NULL) {
        struct tg_listener *s = *at;

        CHECK(s->serving <= s->nfd);
        while (s->nfd > s->serving)
            close(s->fd[--s->nfd]);
        if (s->nfd > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        unlink_path(s);
        end_socket(s);
    }
}

void tg_listeners_end(struct tg_listener **sockets, bool unlink_paths)
{
    for (struct tg_listener *s = *sockets; s != NULL && unlink_paths; s = s->next)
        unlink_path(s);
    end_list(sockets);
}

/* --- in a new process --- */

static struct tg_listener *claim(struct tg_listener *sockets, const struct tg_listen *l, bool admin)
{
    for (struct tg_listener *s = sockets; s != NULL; s = s->next)
        if (s->wanted && !s->taken && s->admin == admin &&
            same_address(&s->asked, s->asked_len, &l->address, l->address_len)) {
            s->taken = true;
            return s;
        }
    TG_UNREACHABLE(); /* tg_listeners_open() has opened it */
}

/* A listen may come to several sockets: those behind the first get entries of their own. */
static void take_one(struct tg_listener *s, struct tg_settings *settings, struct tg_listen *l,
                     unsigned first, unsigned step)
{
    CHECK(first < s->nfd && step >= 1);
    for (unsigned i = first; i < s->nfd; i += step) {
        if (i != first) {
            struct tg_listen *more = tg_arena_alloc(&settings->arena, sizeof(*more));

            *more = *l;
            l->next = more;
            l = more;
        }
        CHECK(s->fd[i] >= 0);
        l->fd = s->fd[i];
        s->fd[i] = -1;
    }
}

static void take_list(struct tg_listener *sockets, struct tg_settings *settings,
                      struct tg_listen *l, bool admin, unsigned first, unsigned step)
{
    for (struct tg_listen *next; l != NULL; l = next) {
        next = l->next;
        take_one(claim(sockets, l, admin), settings, l, first, step);
    }
}

void tg_listeners_take(struct tg_listener *sockets, struct tg_settings *settings, unsigned worker,
                       unsigned workers)
{
    CHECK(workers >= 1);
    if (worker >= workers)
        take_list(sockets, settings, settings->admin_listens, true, 0, TG_MAX_WORKERS);
    for (struct tg_server_conf *v = settings->servers; v != NULL && worker < workers; v = v->next)
        take_list(sockets, settings, v->listens, false, worker, workers);
    tg_listeners_close(sockets);
}

void tg_listeners_close(const struct tg_listener *sockets)
{
    for (const struct tg_listener *s = sockets; s != NULL; s = s->next)
        for (unsigned i = 0; i < s->nfd; i++)
            if (s->fd[i] >= 0)
                close(s->fd[i]);
}

/* --- from one program to the next --- */

void tg_listeners_export(const struct tg_listener *sockets)
{
    struct tg_buf text = {0};

    for (const struct tg_listener *s = sockets; s != NULL; s = s->next) {
        CHECK(s->nfd >= 1 && s->nfd <= TG_MAX_WORKERS);
        tg_buf_puts(&text, s->admin ? "a" : "");
        tg_buf_putc(&text, any_port(&s->asked) ? '*' : '=');
        for (unsigned i = 0; i < s->nfd; i++) {
            CHECK(fcntl(s->fd[i], F_SETFD, 0) == 0);
            tg_buf_printf(&text, "%d,", s->fd[i]);
        }
    }
    tg_buf_putc(&text, '\0');
    CHECK(setenv(TG_LISTENERS_VARIABLE, text.p, 1) == 0);
    tg_buf_end(&text);
}

/* One descriptor of "3,4,5,": a listening socket, or -1. */
static int inherited_fd(struct tg_str *text)
{
    const char *end = memchr(text->p, ',', text->n);
    struct tg_str word = {text->p, end != NULL ? (size_t)(end - text->p) : 0};
    socklen_t len = sizeof(int);
    int listening = 0;
    uint64_t fd;

    if (!tg_str_u64(word, &fd) || fd > INT_MAX ||
        getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return -1;
    *text = tg_str_skip(*text, word.n + 1);
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

static bool digit_next(struct tg_str text)
{
    return text.n > 0 && tg_char_is(text.p[0], TG_CHAR_DIGIT);
}

/* One address: "a" if it is of the admin block, "=" or "*" (its port was the kernel's choice), then
 * its descriptors. */
static bool inherit_one(struct tg_listener *s, struct tg_str *text)
{
    bool any;

    s->admin = text->p[0] == 'a';
    *text = tg_str_skip(*text, s->admin);
    any = text->n > 0 && text->p[0] == '*';
    if (!any && !tg_str_starts(*text, TG_STR("=")))
        return false;
    *text = tg_str_skip(*text, 1);
    while (digit_next(*text)) {
        int fd = s->nfd < TG_MAX_WORKERS ? inherited_fd(text) : -1;

        if (fd < 0)
            return false;
        s->fd[s->nfd++] = fd;
    }
    s->address_len = sizeof(s->address);
    if (s->nfd == 0 || getsockname(s->fd[0], (struct sockaddr *)&s->address, &s->address_len) != 0)
        return false;
    if (s->address.ss_family == AF_UNIX)
        s->address_len = sizeof(struct sockaddr_un); /* as the configuration has it */
    CHECK(s->nfd <= TG_MAX_WORKERS && s->address_len <= sizeof(s->address));
    s->serving = s->nfd;
    s->asked = s->address;
    s->asked_len = s->address_len;
    if (any)
        tg_address_set_port(&s->asked, 0);
    s->text = address_text(&s->address);
    return true;
}

bool tg_listeners_import(struct tg_listener **sockets)
{
    char *copy =
        getenv(TG_LISTENERS_VARIABLE) != NULL ? strdup(getenv(TG_LISTENERS_VARIABLE)) : NULL;
    struct tg_str text = tg_str_of(copy);
    struct tg_listener **last = sockets;
    bool good = true;

    CHECK(*sockets == NULL);
    unsetenv(TG_LISTENERS_VARIABLE);
    while (text.n > 0 && good) {
        struct tg_listener *s = calloc(1, sizeof(*s));

        CHECK(s != NULL);
        good = inherit_one(s, &text);
        *last = s;
        last = &s->next;
    }
    free(copy);
    if (good)
        return true;
    tg_listeners_end(sockets, false);
    return false;
}
