/* Listening sockets across configurations, workers and programs, also where the kernel refuses. */
#include "process/listeners.h"

#include "base/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { MOST = 4, PATH = 100 };

/* Which call for a listening socket fails, 0: none; and with what. */
static unsigned refuse_at;
static int refuse_with;

/* Instead of the one of libc. */
int listen(int fd, int backlog)
{
    if (refuse_at > 0 && --refuse_at == 0) {
        errno = refuse_with;
        return -1;
    }
    return (int)syscall(SYS_listen, fd, backlog);
}

/* A configuration with listens of its one server, and of the admin block. */
struct test {
    struct tg_settings settings;
    struct tg_server_conf server;
    struct tg_listen listen[MOST];
    struct tg_listener *sockets;
    struct tg_buf problems;
    char folder[PATH / 2];
    char path[PATH];
};

static int begin(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    tg_arena_init(&t->settings.arena);
    t->settings.servers = &t->server;
    snprintf(t->folder, sizeof(t->folder), "/tmp/listeners.XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->path, sizeof(t->path), "%s/socket", t->folder);
    refuse_at = 0;
    *state = t;
    return 0;
}

static int end(void **state)
{
    struct test *t = *state;

    tg_listeners_end(&t->sockets, true);
    unlink(t->path);
    rmdir(t->folder);
    tg_buf_end(&t->problems);
    tg_arena_end(&t->settings.arena);
    free(t);
    return 0;
}

static void set_address(struct test *t, struct tg_listen *l, const char *text)
{
    struct sockaddr_un *a = (struct sockaddr_un *)&l->address;

    *l = (struct tg_listen){.text = text, .fd = -1};
    if (strcmp(text, "unix") == 0) {
        a->sun_family = AF_UNIX;
        memcpy(a->sun_path, t->path, strlen(t->path));
        l->address_len = sizeof(*a);
    } else {
        l->address_len = tg_address_make(tg_str_of(text), 0, &l->address);
    }
}

/* Each address is "unix" or a host, on whose port the kernel decides; `admin` may be NULL. */
static void configure(struct test *t, const char *const *addresses, const char *admin)
{
    struct tg_listen *l = t->listen, **last = &t->server.listens;

    t->server.listens = t->settings.admin_listens = NULL;
    for (; *addresses != NULL; addresses++, l++) {
        set_address(t, l, *addresses);
        *last = l;
        last = &l->next;
    }
    if (admin != NULL) {
        set_address(t, l, admin);
        t->settings.admin_listens = l;
    }
}

static bool open_them(struct test *t, unsigned workers)
{
    t->problems.n = 0;
    return tg_listeners_open(&t->sockets, &t->settings, workers, &t->problems);
}

static unsigned count(const struct test *t)
{
    unsigned n = 0;

    for (const struct tg_listener *s = t->sockets; s != NULL; s = s->next)
        n++;
    return n;
}

/* Whether `text` is all that was complained about but for the place. */
static void complained(const struct test *t, const char *text)
{
    struct tg_str all = tg_buf_str(&t->problems);

    if (all.n == 0 || memmem(all.p, all.n, text, strlen(text)) == NULL)
        fail_msg("no \"%s\" in \"%.*s\"", text, TG_STR_ARG(all));
}

static void one_socket_for_each_worker(void **state)
{
    struct test *t = *state;
    int fd;

    configure(t, (const char *[]){"127.0.0.1", "::1", NULL}, "127.0.0.1");
    assert_true(open_them(t, 2));
    assert_int_equal(count(t), 3);
    assert_true(t->sockets->admin && t->sockets->nfd == 1);
    assert_int_equal(t->sockets->next->nfd, 2);
    assert_int_not_equal(tg_address_port(&t->sockets->next->address), 0);
    fd = t->sockets->next->fd[1];
    assert_true(open_them(t, 3)); /* what is open stays open */
    assert_int_equal(t->sockets->next->nfd, 3);
    assert_int_equal(t->sockets->next->fd[1], fd);
    tg_listeners_close_unwanted(&t->sockets);
    assert_int_equal(count(t), 3);
}

static void what_no_worker_serves_is_shared(void **state)
{
    struct test *t = *state;

    configure(t, (const char *[]){"127.0.0.1", NULL}, NULL);
    assert_true(open_them(t, 5));
    tg_listeners_take(t->sockets, &t->settings, 1, 2); /* the second of two gets 1 and 3 */
    assert_true(t->listen[0].fd >= 0);
    assert_true(t->listen[0].next->fd >= 0 && t->listen[0].next != t->listen);
    assert_null(t->listen[0].next->next);
    close(t->listen[0].fd);
    close(t->listen[0].next->fd);
    t->sockets->nfd = 0; /* all closed by now */
}

static void admin_takes_its_own(void **state)
{
    struct test *t = *state;

    configure(t, (const char *[]){"127.0.0.1", NULL}, "unix");
    assert_true(open_them(t, 1));
    assert_int_equal(t->sockets->mode, 0660);
    tg_listeners_take(t->sockets, &t->settings, TG_MAX_WORKERS, 1);
    assert_true(t->settings.admin_listens->fd >= 0);
    assert_int_equal(t->server.listens->fd, -1);
    close(t->settings.admin_listens->fd);
    t->sockets->nfd = t->sockets->next->nfd = 0;
}

static void all_or_nothing(void **state)
{
    struct test *t = *state;

    configure(t, (const char *[]){"127.0.0.1", NULL}, NULL);
    assert_true(open_them(t, 1));
    tg_listeners_close_unwanted(&t->sockets);
    configure(t, (const char *[]){"127.0.0.1", "::1", "127.0.0.2", NULL}, NULL);
    for (unsigned at = 1; at <= 5; at++) { /* one more of the first, two of each other one */
        refuse_at = at;
        refuse_with = EADDRINUSE;
        assert_false(open_them(t, 2));
        complained(t, "[emerg] cannot listen on ");
        complained(t, "Address already in use\n");
        assert_int_equal(count(t), 1);
        assert_true(t->sockets->wanted && t->sockets->nfd == 1);
    }
    refuse_at = 0;
    assert_true(open_them(t, 2));
    assert_int_equal(count(t), 3);
    tg_listeners_roll_back(&t->sockets); /* nobody came to serve them */
    assert_int_equal(count(t), 1);
    assert_int_equal(t->sockets->nfd, 1);
}

static void unwanted_ones_go(void **state)
{
    struct test *t = *state;
    struct stat st;

    configure(t, (const char *[]){"127.0.0.1", "unix", NULL}, NULL);
    assert_true(open_them(t, 1));
    assert_int_equal(stat(t->path, &st), 0);
    configure(t, (const char *[]){"127.0.0.1", NULL}, NULL);
    assert_true(open_them(t, 1));
    assert_int_equal(count(t), 2);
    tg_listeners_close_unwanted(&t->sockets);
    assert_int_equal(count(t), 1);
    assert_int_equal(stat(t->path, &st), -1);
}

static void sockets_with_files(void **state)
{
    struct test *t = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, other = socket(AF_UNIX, SOCK_STREAM, 0);

    configure(t, (const char *[]){"unix", NULL}, NULL);
    memcpy(address.sun_path, t->path, strlen(t->path));
    assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(syscall(SYS_listen, other, 1), 0);
    assert_false(open_them(t, 1)); /* somebody's */
    complained(t, "Address already in use\n");
    close(other);
    assert_true(open_them(t, 2)); /* nobody's any more */
    assert_int_equal(t->sockets->nfd, 2);
    tg_listeners_end(&t->sockets, true);
    fd = open(t->path, O_CREAT | O_WRONLY, 0600);
    assert_false(open_them(t, 1));
    complained(t, "it is there and is no socket\n");
    assert_int_equal(access(t->path, F_OK), 0);
    close(fd);
}

/* Only the socket itself gets another mode, not what took its place. */
static void modes_of_files(void **state)
{
    struct test *t = *state;
    struct stat st;
    int fd;

    configure(t, (const char *[]){"unix", NULL}, NULL);
    t->listen[0].mode = 0600;
    assert_true(open_them(t, 1));
    assert_int_equal(stat(t->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    t->listen[0].mode = 0666;
    assert_true(open_them(t, 1));
    assert_int_equal(stat(t->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(unlink(t->path), 0);
    t->listen[0].mode = 0640;
    assert_true(open_them(t, 1)); /* told in the log: it is not there */
    fd = open(t->path, O_CREAT | O_WRONLY, 0600);
    t->listen[0].mode = 0660;
    assert_true(open_them(t, 1)); /* nor is it a socket */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close(fd);
}

/* --- from one program to the next --- */

static void a_new_program_has_them_all(void **state)
{
    struct test *t = *state;
    struct tg_listener *before, *got = NULL;

    configure(t, (const char *[]){"127.0.0.1", "unix", NULL}, "::1");
    assert_true(open_them(t, 2));
    tg_listeners_export(t->sockets);
    assert_true(tg_listeners_import(&got));
    assert_null(getenv(TG_LISTENERS_VARIABLE));
    before = t->sockets;
    for (struct tg_listener *s = got; s != NULL; s = s->next, before = before->next) {
        assert_string_equal(s->text, before->text);
        assert_int_equal(s->admin, before->admin);
        assert_int_equal(s->nfd, before->nfd);
        assert_memory_equal(s->fd, before->fd, s->nfd * sizeof(*s->fd));
        assert_memory_equal(&s->asked, &before->asked, s->asked_len);
        assert_true(fcntl(s->fd[0], F_GETFD) & FD_CLOEXEC);
        before->nfd = 0; /* they are the new one's */
    }
    assert_null(before);
    tg_listeners_end(&t->sockets, false);
    t->sockets = got;
    assert_true(open_them(t, 2)); /* nothing is opened anew */
    assert_int_equal(count(t), 3);
}

static void import_nonsense(const char *text)
{
    struct tg_listener *got = NULL;

    assert_int_equal(setenv(TG_LISTENERS_VARIABLE, text, 1), 0);
    if (tg_listeners_import(&got) || got != NULL)
        fail_msg("\"%s\" was taken", text);
    assert_null(getenv(TG_LISTENERS_VARIABLE));
}

static void nonsense_is_not_taken(void **state)
{
    static const char *const texts[] = {
        "x",
        "a",
        "=",
        "*",
        "a=",
        "=,",
        "=x,",
        "=1",
        "=-1,",
        "a*,",
        "=0,x=",
        "=0,",
        "=4096,",
        "+0",
        "=0;",
        "=99999999999999999999,",
        "=4294967296,",
    };
    char many[512] = "=";
    int plain = socket(AF_INET, SOCK_STREAM, 0);
    char text[16];

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        import_nonsense(texts[i]);
    snprintf(text, sizeof(text), "=%d,", plain); /* a socket that does not listen */
    import_nonsense(text);
    assert_int_equal(syscall(SYS_listen, plain, 1), 0);
    for (unsigned i = 0; i <= TG_MAX_WORKERS; i++)
        strcat(many, text + 1);
    import_nonsense(many); /* one more than there can be */
}

static void nothing_is_handed_over(void **state)
{
    struct tg_listener *got = NULL;

    (void)state;
    unsetenv(TG_LISTENERS_VARIABLE);
    assert_true(tg_listeners_import(&got));
    assert_null(got);
    assert_int_equal(setenv(TG_LISTENERS_VARIABLE, "", 1), 0);
    assert_true(tg_listeners_import(&got));
    assert_null(got);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_socket_for_each_worker),
        TEST(what_no_worker_serves_is_shared),
        TEST(admin_takes_its_own),
        TEST(all_or_nothing),
        TEST(unwanted_ones_go),
        TEST(sockets_with_files),
        TEST(modes_of_files),
        TEST(a_new_program_has_them_all),
        TEST(nonsense_is_not_taken),
        TEST(nothing_is_handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
