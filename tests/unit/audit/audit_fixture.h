/* What the tests of the audit log share: settings from text, a folder of their own, records. */
#ifndef AUDIT_FIXTURE_H
#define AUDIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "audit/conf.h"
#include "base/check.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    struct tg_arena arena;
    struct tg_conf conf;
    struct event_base *base;
    char folder[64];
    char prefix[80]; /* the folder with a slash */
    char path[96];   /* of the log */
    struct tg_buf text;
};

/* No file may grow beyond so many bytes: a full disk. */
static inline void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static inline int fixture_begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    CHECK(f != NULL);
    limit_files(RLIM_INFINITY); /* a test that failed may have left it low */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    tg_log_level(TG_LOG_EMERG);
    tg_arena_init(&f->arena);
    f->base = event_base_new();
    CHECK(f->base != NULL);
    strcpy(f->folder, "/tmp/tg-audit-XXXXXX");
    CHECK(mkdtemp(f->folder) != NULL);
    snprintf(f->prefix, sizeof(f->prefix), "%s/", f->folder);
    snprintf(f->path, sizeof(f->path), "%s/a.jsonl", f->folder);
    tg_conf_init(&f->conf, &f->arena, f->prefix);
    *state = f;
    return 0;
}

static inline int fixture_end(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    CHECK(system(command) == 0);
    tg_buf_end(&f->text);
    tg_arena_end(&f->arena);
    event_base_free(f->base);
    free(f);
    return 0;
}

/* Settings from directives; NULL when a problem was recorded (f->conf.problems has it). */
static inline struct tg_audit_conf *fixture_conf(struct fixture *f, const char *directives)
{
    struct tg_audit_conf *a = tg_arena_zalloc(&f->arena, 1, tg_audit_conf_size());
    struct tg_conf_table table = {tg_audit_directives, a};
    const struct tg_conf_item *first = tg_conf_parse_text(&f->conf, "test", tg_str_of(directives));

    tg_conf_defaults(&f->conf, TG_IN_MAIN, &table);
    if (f->conf.errors > 0 || !tg_conf_apply(&f->conf, TG_IN_MAIN, first, &table, 1) ||
        !tg_audit_check(&f->conf, a))
        return NULL;
    return a;
}

static inline struct tg_audit *fixture_open(struct fixture *f, const struct tg_audit_conf *conf,
                                            const char *worker)
{
    const char *why = NULL;
    struct tg_audit *a = tg_audit_open(conf, tg_str_of(worker), f->base, &f->arena, &why);

    if (a == NULL)
        fail_msg("cannot open: %s", why);
    return a;
}

/* A file's text in f->text; empty when there is none. */
static inline struct tg_str fixture_read(struct fixture *f, const char *path)
{
    FILE *file = fopen(path, "r");
    size_t n = 1;

    f->text.n = 0;
    while (file != NULL && n > 0) {
        n = fread(tg_buf_room(&f->text, 65536), 1, 65536, file);
        f->text.n += n;
    }
    if (file != NULL)
        fclose(file);
    tg_buf_room(&f->text, 1)[0] = '\0';
    return tg_buf_str(&f->text);
}

/* Records a request with nothing but an id and an end. */
static inline void fixture_add(struct fixture *f, struct tg_audit *a, const char *id,
                               enum tg_error end,
                               void (*add)(struct tg_audit *, const struct tg_audit_record *))
{
    struct tg_request request;
    struct tg_audit_record record = {
        .time = 1790000000000000, .request = &request, .end = end, .status = 200};

    tg_request_init(&request, &f->arena);
    request.request_id = tg_str_of(id);
    add(a, &record);
}

/* The outcome of one that went well. */
static inline void fixture_record(struct fixture *f, struct tg_audit *a, const char *id)
{
    fixture_add(f, a, id, TG_E_DONE, tg_audit_outcome);
}

static inline bool has(struct tg_str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static inline unsigned count(struct tg_str text, const char *part)
{
    unsigned n = 0;
    const char *p = text.p;

    while (text.n > 0 && (p = memmem(p, text.n - (size_t)(p - text.p), part, strlen(part)))) {
        n++;
        p += strlen(part);
    }
    return n;
}

/* Follows the chain of a file that holds one stream; the number of lines, or -1 - the bad line. */
static inline int fixture_follow(struct tg_str text, struct tg_str key)
{
    struct tg_audit_chain chain;
    char at[TG_SHA256_HEX];
    int lines = 0;

    tg_audit_chain_init(&chain, key);
    memset(at, '0', sizeof(at));
    while (text.n > 0) {
        const char *newline = memchr(text.p, '\n', text.n);
        struct tg_str line = {text.p, newline != NULL ? (size_t)(newline - text.p) : 0};
        struct tg_str body;
        struct tg_str hex;
        char want[TG_SHA256_HEX];

        if (newline == NULL || !tg_audit_chain_split(tg_str_trim(line), &body, &hex))
            break;
        tg_audit_chain_follow(&chain, at, body, want);
        if (memcmp(want, hex.p, sizeof(want)) != 0)
            break;
        memcpy(at, want, sizeof(at));
        text = tg_str_skip(text, line.n + 1);
        lines++;
    }
    tg_audit_chain_end(&chain);
    return text.n == 0 ? lines : -1 - lines;
}

/* Flushes until the log works: each second a retry is due. */
static inline void await_ready(const struct fixture *f, struct tg_audit *a)
{
    while (!tg_audit_ready(a))
        CHECK(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

static inline int listen_on(int family, int type, struct sockaddr *address, socklen_t n)
{
    int fd = socket(family, type, 0), on = 1;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* comes back at once */
    assert_int_equal(bind(fd, address, n), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, address, &n), 0);
    return fd;
}

static inline int listen_inet(int type, unsigned *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = listen_on(AF_INET, type, (struct sockaddr *)&in, sizeof(in));

    *port = ntohs(in.sin_port);
    return fd;
}

/* The next datagram, checked against RFC 5424; its message. */
static inline struct tg_str receive(int fd, char *into, size_t cap)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;
    const char *message;

    assert_int_equal(poll(&p, 1, 2000), 1);
    n = recv(fd, into, cap, 0);
    assert_true(n > 0);
    assert_memory_equal(into, "<134>1 20", 9);
    message = memmem(into, (size_t)n, " audit - {", 10);
    assert_non_null(message);
    return (struct tg_str){message + 9, (size_t)(into + n - message) - 9};
}

#endif
