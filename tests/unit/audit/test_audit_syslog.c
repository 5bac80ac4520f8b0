/* Syslog servers that go, move, come back, or take nothing. */
#include "audit_fixture.h"

static const struct tg_str no_key;

enum { PACKET = 8192 };

static int listen_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    return listen_on(AF_UNIX, SOCK_DGRAM, (struct sockaddr *)&un, sizeof(un));
}

/* Records something, and sees it come to a server. */
static void check_arrives(struct fixture *f, struct tg_audit *a, int server, const char *id)
{
    char packet[PACKET];

    fixture_record(f, a, id);
    if (!tg_audit_flush(a))
        await_ready(f, a);
    while (!has(receive(server, packet, sizeof(packet)), id))
        ;
}

/* The socket's file moves to another process: the next reopen finds it, or waits for it, and
 * nothing is lost meanwhile. */
static void a_unix_server_that_moves(void **state)
{
    struct fixture *f = *state;
    char path[100];
    struct tg_audit *a;
    int first, second;

    snprintf(path, sizeof(path), "%slog", f->prefix);
    first = listen_unix(path);
    a = fixture_open(f, fixture_conf(f, "audit_log syslog:unix:log;"), "0");
    check_arrives(f, a, first, "one");
    assert_int_equal(unlink(path), 0);
    check_arrives(f, a, first, "two");
    tg_audit_reopen(a);
    assert_non_null(strstr(tg_audit_trouble(a), "connect: No such file or directory"));
    fixture_record(f, a, "three");
    assert_false(tg_audit_flush(a));
    second = listen_unix(path);
    check_arrives(f, a, second, "three");
    assert_null(tg_audit_trouble(a));
    tg_audit_reopen(a);
    check_arrives(f, a, second, "four");
    close(first);
    tg_audit_close(a);
    close(second);
}

/* One that is restarted gets what was said in between. */
static void a_unix_server_that_comes_back(void **state)
{
    struct fixture *f = *state;
    char path[100];
    struct tg_audit *a;
    int server;

    snprintf(path, sizeof(path), "%slog", f->prefix);
    server = listen_unix(path);
    a = fixture_open(f, fixture_conf(f, "audit_log syslog:unix:log;"), "0");
    close(server);
    fixture_record(f, a, "between");
    assert_false(tg_audit_flush(a));
    assert_non_null(strstr(tg_audit_trouble(a), "Connection refused"));
    assert_int_equal(unlink(path), 0);
    server = listen_unix(path);
    check_arrives(f, a, server, "between");
    tg_audit_close(a);
    close(server);
}

/* A server that reads nothing for a while: nothing is lost, doubled or out of order. */
static void a_unix_server_without_room(void **state)
{
    struct fixture *f = *state;
    char path[100], packet[PACKET];
    struct tg_buf lines = {0};
    struct tg_audit *a;
    int server, n = 1;

    snprintf(path, sizeof(path), "%slog", f->prefix);
    server = listen_unix(path);
    a = fixture_open(f, fixture_conf(f, "audit_log syslog:unix:log;"), "0");
    do
        fixture_record(f, a, "more");
    while (n++ < 10000 && tg_audit_flush(a));
    assert_non_null(strstr(tg_audit_trouble(a), "Resource temporarily unavailable"));
    for (int i = 0; i < n; i++) {
        tg_buf_add(&lines, receive(server, packet, sizeof(packet)));
        tg_buf_putc(&lines, '\n');
        if (i >= n - 2)
            await_ready(f, a);
    }
    assert_int_equal(fixture_follow(tg_buf_str(&lines), no_key), n);
    tg_buf_end(&lines);
    tg_audit_close(a);
    close(server);
}

/* A name of just as many bytes as a socket's address has room for with its NUL, and of one more. */
static void a_unix_path_that_is_too_long(void **state)
{
    static const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    struct fixture *f = *state;

    for (size_t n = most - 1; n <= most + 1; n++) {
        char path[128], directives[160];
        const char *why = NULL;
        struct tg_audit_conf *conf;
        struct tg_audit *a;
        int server = -1;

        memset(path, 'x', sizeof(path));
        memcpy(path, f->prefix, strlen(f->prefix));
        path[n] = '\0';
        if (n <= most)
            server = listen_unix(path);
        snprintf(directives, sizeof(directives), "audit_log syslog:unix:%s;", path);
        conf = fixture_conf(f, directives);
        a = conf != NULL ? tg_audit_open(conf, TG_STR("0"), f->base, &f->arena, &why) : NULL;
        assert_int_equal(a != NULL, n <= most);
        tg_audit_close(a);
        if (server >= 0)
            close(server);
    }
}

/* The start does not wait for somebody who is not there, and says who. */
static void a_tcp_server_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    unsigned port;
    char directives[64], want[80];
    const char *why = NULL;

    close(listen_inet(SOCK_STREAM, &port));
    snprintf(directives, sizeof(directives), "audit_log syslog:tcp:127.0.0.1:%u;", port);
    snprintf(want, sizeof(want), "connect to 127.0.0.1:%u: Connection refused", port);
    assert_null(tg_audit_open(fixture_conf(f, directives), TG_STR("0"), f->base, &f->arena, &why));
    assert_non_null(strstr(why, want));
}

/* One that goes, and whose port is closed for a while, gets what was said in between. */
static void a_tcp_server_that_comes_back(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned port;
    int listener = listen_inet(SOCK_STREAM, &port), fd;
    char directives[64], bytes[PACKET];
    struct tg_audit *a;
    ssize_t n;

    snprintf(directives, sizeof(directives), "audit_log syslog:tcp:127.0.0.1:%u;", port);
    a = fixture_open(f, fixture_conf(f, directives), "0");
    fd = accept(listener, NULL, NULL);
    assert_true(recv(fd, bytes, sizeof(bytes), 0) > 0);
    close(fd);
    close(listener);
    fixture_record(f, a, "between");
    assert_false(tg_audit_flush(a));
    assert_false(tg_audit_ready(a));
    in.sin_port = htons((uint16_t)port);
    listener = listen_on(AF_INET, SOCK_STREAM, (struct sockaddr *)&in, sizeof(in));
    await_ready(f, a);
    fd = accept(listener, NULL, NULL);
    n = recv(fd, bytes, sizeof(bytes), 0);
    assert_true(n > 0 && has((struct tg_str){bytes, (size_t)n}, "\"request_id\":\"between\""));
    tg_audit_close(a);
    close(fd);
    close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
    const struct CMUnitTest tests[] = {
        TEST(a_unix_server_that_moves),       TEST(a_unix_server_that_comes_back),
        TEST(a_unix_server_without_room),     TEST(a_unix_path_that_is_too_long),
        TEST(a_tcp_server_that_is_not_there), TEST(a_tcp_server_that_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
