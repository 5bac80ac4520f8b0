/* Look-ups against scripted name servers on loopback: who is asked for what, and what comes of it.
 */
#include "net/resolver.h"

#include "base/buf.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { A = 1, AAAA = 28, TTL = 300, PACKET = 512, SHORT = 600000, LONG = 20000000 };

/* --- name servers --- */

/* What a server does with a question: a letter each for A and AAAA. */
enum {
    ADDRESS = 'a',   /* 10.0.0.N and 2001:db8::N, N being the server's number */
    EMPTY = 'e',     /* the name has no such record */
    UNKNOWN = 'n',   /* there is no such name */
    FAILURE = 'f',   /* SERVFAIL */
    REFUSAL = 'r',   /* REFUSED */
    DROP = 'd',      /* no answer */
    TRUNCATED = 't', /* over UDP; the address over TCP */
    CORP = 'c',      /* the address for names below corp.test, UNKNOWN for others */
};

struct name_server {
    struct test *test;
    unsigned number;
    int udp, tcp, peer;
    struct event on_udp, on_tcp, on_peer;
    const char *script;
    unsigned asked;
};

struct test {
    struct event_base *base;
    struct tg_resolver *resolver;
    struct name_server server[2];
    char folder[64], resolv_conf[80], hosts[80];
    struct tg_buf log; /* what servers are asked and what the owner is told */
    struct tg_lookup *lookup;
    int64_t budget;
    bool cancels; /* at the first event */
    bool over;
};

static size_t name_end(const unsigned char *p, size_t n)
{
    size_t at = 12;

    while (at < n && p[at] != 0)
        at += 1U + p[at];
    assert_true(at + 5 <= n);
    return at + 1;
}

static void read_name(const unsigned char *p, char *out)
{
    size_t at = 12;

    while (p[at] != 0) {
        memcpy(out, p + at + 1, p[at]);
        out += p[at];
        at += 1U + p[at];
        if (p[at] != 0)
            *out++ = '.';
    }
    *out = '\0';
}

static bool is_below_corp(const char *name)
{
    return tg_str_ends(tg_str_of(name), TG_STR(".corp.test"));
}

/* The server's action for a question, in the log too. */
static char decide(struct name_server *s, const unsigned char *p, size_t n, const char *transport)
{
    int kind = p[name_end(p, n) + 1];
    char name[256], act = s->script[kind == AAAA];

    read_name(p, name);
    s->asked++;
    tg_buf_printf(&s->test->log, "%u%s %s %s\n", s->number, transport, name,
                  kind == AAAA ? "AAAA" : "A");
    if (act == CORP)
        return is_below_corp(name) ? ADDRESS : UNKNOWN;
    return act;
}

static size_t add_record(const struct name_server *s, unsigned char *p, size_t n, int kind)
{
    static const unsigned char v4[] = {10, 0, 0, 0}, v6[16] = {0x20, 1, 0xd, 0xb8};
    const size_t len = kind == A ? sizeof(v4) : sizeof(v6);
    const unsigned char head[] = {0xc0, 12, 0,         (unsigned char)kind, 0, 1,
                                  0,    0,  TTL / 256, TTL % 256,           0, (unsigned char)len};

    memcpy(p + n, head, sizeof(head));
    n += sizeof(head);
    memcpy(p + n, kind == A ? v4 : v6, len);
    n += len;
    p[n - 1] = (unsigned char)s->number;
    p[7] = 1;
    return n;
}

/* Makes a question its answer; 0: there is none. */
static size_t answer(const struct name_server *s, unsigned char *p, size_t n, char act)
{
    int kind;
    size_t end = name_end(p, n) + 4;

    kind = p[end - 3];
    if (act == DROP)
        return 0;
    p[2] = 0x81;
    p[3] = act == UNKNOWN ? 0x83 : act == FAILURE ? 0x82 : act == REFUSAL ? 0x85 : 0x80;
    memset(p + 6, 0, 6);
    if (act == TRUNCATED)
        p[2] |= 2;
    return act == ADDRESS ? add_record(s, p, end, kind) : end;
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    unsigned char p[PACKET];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(fd, p, sizeof(p), 0, (struct sockaddr *)&from, &len);
    size_t out;

    (void)what;
    assert_true(n > 12);
    out = answer(s, p, (size_t)n, decide(s, p, (size_t)n, ""));
    if (out > 0)
        assert_int_equal(sendto(fd, p, out, 0, (struct sockaddr *)&from, len), (ssize_t)out);
}

/* The questions of a connection, which may come in one piece. */
static void on_peer(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    unsigned char in[4 * PACKET], out[PACKET];
    ssize_t got = recv(fd, in, sizeof(in), 0);
    size_t n = got > 0 ? (size_t)got : 0;

    (void)what;
    if (n == 0) {
        event_del(&s->on_peer);
        close(s->peer);
        s->peer = -1;
    }
    for (size_t at = 0, len; at < n; at += 2 + len) {
        len = (size_t)in[at] << 8 | in[at + 1];
        assert_true(len <= n - at - 2 && len + 32 < sizeof(out));
        decide(s, in + at + 2, len, "/tcp");
        memcpy(out + 2, in + at + 2, len);
        got = (ssize_t)answer(s, out + 2, len, ADDRESS);
        out[0] = (unsigned char)(got >> 8);
        out[1] = (unsigned char)got;
        assert_int_equal(write(fd, out, (size_t)got + 2), got + 2);
    }
}

/* c-ares has one connection to a server at a time. */
static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;

    (void)what;
    if (s->peer >= 0) {
        event_del(&s->on_peer);
        close(s->peer);
    }
    s->peer = accept(fd, NULL, NULL);
    assert_true(s->peer >= 0);
    event_assign(&s->on_peer, s->test->base, s->peer, EV_READ | EV_PERSIST, on_peer, s);
    event_add(&s->on_peer, NULL);
}

static int bound(int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, type, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Both transports at one port: what TCP has may be somebody else's with UDP. */
static uint16_t server_open(struct test *t, unsigned number)
{
    struct name_server *s = &t->server[number - 1];
    uint16_t port = 0;

    s->test = t;
    s->number = number;
    s->peer = -1;
    for (s->udp = -1; s->udp < 0;) {
        port = 0;
        s->tcp = bound(SOCK_STREAM, &port);
        assert_true(s->tcp >= 0);
        s->udp = bound(SOCK_DGRAM, &port);
        if (s->udp < 0)
            close(s->tcp);
    }
    assert_int_equal(listen(s->tcp, 8), 0);
    event_assign(&s->on_udp, t->base, s->udp, EV_READ | EV_PERSIST, on_udp, s);
    event_assign(&s->on_tcp, t->base, s->tcp, EV_READ | EV_PERSIST, on_tcp, s);
    event_add(&s->on_udp, NULL);
    event_add(&s->on_tcp, NULL);
    return port;
}

static void server_close(struct name_server *s)
{
    event_del(&s->on_udp);
    event_del(&s->on_tcp);
    if (s->peer >= 0) {
        event_del(&s->on_peer);
        close(s->peer);
    }
    close(s->udp);
    close(s->tcp);
}

/* --- the fixture --- */

/* As programs that mean well do it: a new file takes the place of the old one. */
static void put_file(const char *path, const char *text)
{
    char other[96];
    FILE *f;

    snprintf(other, sizeof(other), "%s.new", path);
    f = fopen(other, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(other, path), 0);
}

/* Names the servers, in this order, e.g. "12", with further lines. */
static void put_servers(struct test *t, const char *order, const char *more)
{
    struct tg_buf text = {0};

    for (; *order != '\0'; order++) {
        struct sockaddr_in at;
        socklen_t len = sizeof(at);
        const struct name_server *s = &t->server[*order - '1'];

        assert_int_equal(getsockname(s->udp, (struct sockaddr *)&at, &len), 0);
        tg_buf_printf(&text, "nameserver 127.0.0.1:%u\n", ntohs(at.sin_port));
    }
    tg_buf_puts(&text, more);
    tg_buf_putc(&text, '\0');
    put_file(t->resolv_conf, text.p);
    tg_buf_end(&text);
}

static int test_setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    t->base = event_base_new();
    t->budget = LONG;
    snprintf(t->folder, sizeof(t->folder), "/tmp/trainguard-resolver-XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->resolv_conf, sizeof(t->resolv_conf), "%s/resolv.conf", t->folder);
    snprintf(t->hosts, sizeof(t->hosts), "%s/hosts", t->folder);
    server_open(t, 1);
    server_open(t, 2);
    t->server[0].script = t->server[1].script = "aa";
    t->resolver = tg_resolver_new(t->base, t->resolv_conf, t->hosts);
    *state = t;
    return 0;
}

static int test_teardown(void **state)
{
    struct test *t = *state;

    tg_resolver_end(t->resolver);
    server_close(&t->server[0]);
    server_close(&t->server[1]);
    unlink(t->resolv_conf);
    unlink(t->hosts);
    assert_int_equal(rmdir(t->folder), 0);
    event_base_free(t->base);
    tg_buf_end(&t->log);
    free(t);
    return 0;
}

static void on_addresses(void *owner, const struct tg_name_addresses *found, bool last)
{
    struct test *t = owner;
    char host[INET6_ADDRSTRLEN];

    tg_buf_puts(&t->log, last ? "found" : "found so far");
    for (unsigned i = 0; i < found->nv4; i++)
        tg_buf_printf(&t->log, " %s", inet_ntop(AF_INET, &found->v4[i], host, sizeof(host)));
    for (unsigned i = 0; i < found->nv6; i++)
        tg_buf_printf(&t->log, " %s", inet_ntop(AF_INET6, &found->v6[i], host, sizeof(host)));
    assert_true(found->ttl == TTL || found->ttl == UINT32_MAX);
    tg_buf_puts(&t->log, found->ttl == TTL ? "\n" : " without end\n");
    if (last)
        t->lookup = NULL;
    if (t->cancels)
        tg_lookup_cancel(t->lookup);
    t->over = last || t->cancels;
}

static void on_failed(void *owner, const char *why)
{
    struct test *t = owner;

    t->lookup = NULL;
    t->over = true;
    tg_buf_printf(&t->log, "failed: %s\n", why);
}

static const struct tg_lookup_events events = {on_addresses, on_failed};

/* Looks a name up; what happened is in the log until the next time. */
static const char *look_up(struct test *t, const char *name)
{
    t->log.n = 0;
    t->over = false;
    t->server[0].asked = t->server[1].asked = 0;
    t->lookup = tg_lookup_start(t->resolver, tg_str_of(name), t->budget, &events, t);
    while (!t->over)
        assert_int_equal(event_base_loop(t->base, EVLOOP_ONCE), 0);
    tg_buf_putc(&t->log, '\0');
    return t->log.p;
}

static void check_has(const char *log, const char *text)
{
    if (strstr(log, text) == NULL)
        fail_msg("\"%s\" is not in\n%s", text, log);
}

static void check_lacks(const char *log, const char *text)
{
    if (strstr(log, text) != NULL)
        fail_msg("\"%s\" is in\n%s", text, log);
}

/* --- answers --- */

#define BOTH                "found 10.0.0.1 2001:db8::1\n"
#define ASKED(server, name) server " " name " A\n" server " " name " AAAA\n"

static const struct {
    const char *script, *order, *more, *name, *log;
} cases[] = {
    {"aa", "1", "", "gw.test", ASKED("1", "gw.test") BOTH},
    {"ae", "1", "", "gw.test", ASKED("1", "gw.test") "found 10.0.0.1\n"},
    {"ea", "1", "", "gw.test", ASKED("1", "gw.test") "found 2001:db8::1\n"},
    {"an", "1", "", "gw.test", ASKED("1", "gw.test") "found 10.0.0.1\n"},
    {"nn", "1", "", "gw.test",
     ASKED("1", "gw.test") "failed: gw.test: no name server knows an address of this name\n"},
    {"ee", "1", "", "gw.test",
     ASKED("1", "gw.test") "failed: gw.test: no name server knows an address of this name\n"},
    /* the search list */
    {"cc", "1", "search corp.test\n", "gw", ASKED("1", "gw.corp.test") BOTH},
    {"cc", "1", "search corp.test\n", "gw.test",
     ASKED("1", "gw.test") ASKED("1", "gw.test.corp.test") BOTH},
    {"cc", "1", "search corp.test\n", "gw.test.",
     ASKED("1", "gw.test") "failed: gw.test.: no name server knows an address of this name\n"},
    {"aa", "1", "search corp.test\n", "gw.test.", ASKED("1", "gw.test") BOTH},
    {"cc", "1", "search other.test corp.test\noptions ndots:5\n", "gw.test",
     ASKED("1", "gw.test.other.test") ASKED("1", "gw.test.corp.test") BOTH},
};

static void test_answers(void **state)
{
    struct test *t = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        t->server[0].script = cases[i].script;
        put_servers(t, cases[i].order, cases[i].more);
        assert_string_equal(look_up(t, cases[i].name), cases[i].log);
    }
}

/* A name server that drops one family: the other one is told soon, and once more at the end. */
static void test_one_family_is_dropped(void **state)
{
    static const struct {
        const char *script, *first;
    } drops[] = {{"ad", "found so far 10.0.0.1\n"}, {"da", "found so far 2001:db8::1\n"}};
    struct test *t = *state;

    t->budget = SHORT;
    put_servers(t, "1", "");
    for (size_t i = 0; i < COUNT(drops); i++) {
        uint64_t began = tg_clock_mono_now();
        const char *log;

        t->server[0].script = drops[i].script;
        log = look_up(t, "gw.test");
        check_has(log, drops[i].first);
        check_has(strstr(log, drops[i].first),
                  i == 0 ? "\nfound 10.0.0.1\n" : "\nfound 2001:db8::1\n");
        assert_true(tg_clock_mono_now() - began >= SHORT);
    }
}

/* Its late answer is taken: the second server has it after the first one's share of the time, which
 * is far longer than the other family is waited for. */
static void test_the_other_family_comes_later(void **state)
{
    struct test *t = *state;
    const char *log;

    t->budget = LONG;
    put_servers(t, "12", "");
    t->server[0].script = "ad";
    log = look_up(t, "gw.test");
    check_has(log, "found so far 10.0.0.1\n2 gw.test AAAA\nfound 10.0.0.1 2001:db8::2\n");
}

static void test_truncated(void **state)
{
    struct test *t = *state;
    const char *log;

    put_servers(t, "1", "");
    t->server[0].script = "te";
    log = look_up(t, "gw.test");
    check_has(log, "1/tcp gw.test A\n");
    check_has(log, "found 10.0.0.1\n");
    t->server[0].script = "tt";
    log = look_up(t, "gw.test");
    check_has(log, "1/tcp gw.test A\n");
    check_has(log, "1/tcp gw.test AAAA\n");
    check_has(log, "found 10.0.0.1 2001:db8::1\n");
}

/* --- several servers --- */

/* A server that cannot tell: the next one is asked at once; it is no worse next time. */
static void test_a_server_cannot_tell(void **state)
{
    static const char *const scripts[] = {"ff", "rr"};
    struct test *t = *state;

    put_servers(t, "12", "");
    for (size_t i = 0; i < COUNT(scripts); i++) {
        t->server[0].script = scripts[i];
        for (unsigned again = 0; again < 2; again++) {
            const char *log = look_up(t, "gw.test");

            check_has(log, ASKED("1", "gw.test"));
            check_has(log, "found 10.0.0.2 2001:db8::2\n");
            assert_int_equal(t->server[0].asked, 2);
            assert_int_equal(t->server[1].asked, 2);
        }
    }
}

static void test_no_server_can_tell(void **state)
{
    struct test *t = *state;
    const char *log;

    put_servers(t, "12", "");
    t->server[0].script = t->server[1].script = "ff";
    log = look_up(t, "gw.test");
    check_has(log, "failed: gw.test: name server 127.0.0.1:");
    assert_int_equal(t->server[0].asked, 2);
    assert_int_equal(t->server[1].asked, 2);
    t->server[1].script = "nn"; /* the second one can: that counts */
    check_has(look_up(t, "gw.test"),
              "failed: gw.test: no name server knows an address of this name\n");
}

/* A silent server is passed by within a fraction of the time, and asked last from then on. */
static void test_a_silent_server(void **state)
{
    struct test *t = *state;
    const char *log;

    t->budget = SHORT;
    put_servers(t, "12", "");
    t->server[0].script = "dd";
    log = look_up(t, "gw.test");
    check_has(log, ASKED("1", "gw.test"));
    check_has(log, "found 10.0.0.2 2001:db8::2\n");
    put_servers(t, "12", "# other bytes: what is known of a server stays\n");
    log = look_up(t, "gw.test");
    check_lacks(log, "1 gw.test");
    check_has(log, "found 10.0.0.2 2001:db8::2\n");
    t->server[0].script = "aa"; /* it is still there, should the other one go */
    t->server[1].script = "dd";
    check_has(look_up(t, "gw.test"), "found 10.0.0.1 2001:db8::1\n");
}

/* A lost question is asked again. */
static void test_all_are_silent(void **state)
{
    struct test *t = *state;
    char expected[160];
    struct sockaddr_in at;
    socklen_t len = sizeof(at);

    t->budget = SHORT;
    put_servers(t, "1", "search corp.test\n");
    t->server[0].script = "dd";
    assert_int_equal(getsockname(t->server[0].udp, (struct sockaddr *)&at, &len), 0);
    snprintf(expected, sizeof(expected),
             "failed: gw.test: no answer in time from name server 127.0.0.1:%u\n",
             ntohs(at.sin_port));
    check_has(look_up(t, "gw.test"), expected);
    assert_true(t->server[0].asked >= 4);
}

/* Nobody listens at the port. */
static void test_a_server_is_not_there(void **state)
{
    struct test *t = *state;
    uint16_t port = 0;
    int fd = bound(SOCK_DGRAM, &port);
    char more[64];

    close(fd);
    snprintf(more, sizeof(more), "nameserver 127.0.0.1:%u\n", port);
    put_file(t->resolv_conf, more);
    check_has(look_up(t, "gw.test"), "failed: gw.test: name server 127.0.0.1:");
}

/* --- the files --- */

static void test_hosts_alone(void **state)
{
    struct test *t = *state;

    put_file(t->hosts, "10.1.1.1 gw.test\n::5 gw.test\n"); /* and no resolv.conf */
    assert_string_equal(look_up(t, "gw.test"), "found 10.1.1.1 ::5 without end\n");
    put_file(t->resolv_conf, "# no name server\n");
    assert_string_equal(look_up(t, "GW.test."), "found 10.1.1.1 ::5 without end\n");
    put_file(t->hosts, "10.1.1.2 gw.test\n");
    assert_string_equal(look_up(t, "gw.test"), "found 10.1.1.2 without end\n");
}

static void test_other_servers(void **state)
{
    struct test *t = *state;

    put_servers(t, "1", "");
    assert_string_equal(look_up(t, "gw.test"), ASKED("1", "gw.test") BOTH);
    put_servers(t, "2", "");
    assert_string_equal(look_up(t, "gw.test"),
                        ASKED("2", "gw.test") "found 10.0.0.2 2001:db8::2\n");
    put_servers(t, "2", "search corp.test\n");
    assert_string_equal(look_up(t, "gw"),
                        ASKED("2", "gw.corp.test") "found 10.0.0.2 2001:db8::2\n");
}

/* Other servers while the former ones have questions under way. */
static void test_other_servers_meanwhile(void **state)
{
    struct test *t = *state;
    struct tg_lookup *former;

    put_servers(t, "1", "");
    t->server[0].script = "dd";
    former = tg_lookup_start(t->resolver, TG_STR("old.test"), t->budget, &events, t);
    while (t->server[0].asked < 2)
        assert_int_equal(event_base_loop(t->base, EVLOOP_ONCE), 0);
    put_servers(t, "2", "");
    check_has(look_up(t, "gw.test"), "found 10.0.0.2 2001:db8::2\n");
    tg_lookup_cancel(former);
    check_lacks(look_up(t, "gw.test"), "old.test");
}

static void test_a_name_nobody_can_have(void **state)
{
    struct test *t = *state;
    char name[400];

    put_servers(t, "1", "");
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    check_has(look_up(t, name), "no name server knows an address of this name\n");
    check_has(look_up(t, "a..test"), "no name server knows an address of this name\n");
}

/* --- the end --- */

static void test_cancel(void **state)
{
    struct test *t = *state;

    put_servers(t, "1", "");
    t->server[0].script = "ad";
    tg_lookup_cancel(NULL);
    tg_lookup_cancel(tg_lookup_start(t->resolver, TG_STR("gw.test"), t->budget, &events, t));
    t->cancels = true; /* between the families */
    check_has(look_up(t, "gw.test"), "found so far 10.0.0.1\n");
    t->cancels = false;
    t->server[0].script = "aa"; /* answers to those before come to nobody */
    check_has(look_up(t, "gw.test"), BOTH);
}

/* The resolver ends with look-ups under way; the teardown looks at what is left. */
static void test_end(void **state)
{
    struct test *t = *state;

    put_servers(t, "12", "");
    t->server[0].script = "dd";
    for (unsigned i = 0; i < 3; i++)
        tg_lookup_start(t->resolver, TG_STR("gw.test"), t->budget, &events, t);
    assert_int_equal(event_base_loop(t->base, EVLOOP_ONCE), 0);
    tg_resolver_end(t->resolver);
    t->resolver = NULL;
    tg_resolver_end(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_setup, test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_one_family_is_dropped),
        TEST(test_the_other_family_comes_later),
        TEST(test_truncated),
        TEST(test_a_server_cannot_tell),
        TEST(test_no_server_can_tell),
        TEST(test_a_silent_server),
        TEST(test_all_are_silent),
        TEST(test_a_server_is_not_there),
        TEST(test_hosts_alone),
        TEST(test_other_servers),
        TEST(test_other_servers_meanwhile),
        TEST(test_a_name_nobody_can_have),
        TEST(test_cancel),
        TEST(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
