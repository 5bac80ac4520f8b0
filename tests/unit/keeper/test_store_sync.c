/* The syncer of one store against a server that says what a row of a table has it say. */
#include "keeper/store_sync.h"

#include "base/check.h"
#include "base/clock.h"
#include "shm/limits.h"

#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000)

enum { RULES = 3 };

#define MASTER "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
#define SLAVE  "*2\r\n$4\r\nrole\r\n$5\r\nslave\r\n"
#define LIST   "*1\r\n"
#define SHA    "$40\r\n0123456789012345678901234567890123456789\r\n"

/* What a server answers to each kind of command; NULL: nothing; "": it closes the connection. */
struct says {
    const char *hello, *load, *beat, *charge, *again; /* `again`: a script with its text */
};

static const struct says good = {MASTER, SHA, ":3\r\n", "$6\r\n400000\r\n", NULL};

struct server {
    struct event_base *base;
    char path[64];
    int fd, peer;
    struct event *accepts, *reads;
    struct says says;
    const char *take, *hold; /* the same, where the store decides */
    char in[65536];
    size_t n;
    unsigned charges; /* asked for */
    unsigned holds;   /* stated */
    char last[512];   /* the command that came last, its words with blanks between */
};

/* --- a server of one connection --- */

static void answer(struct server *v, const char *text)
{
    if (text == NULL)
        return;
    if (text[0] == '\0')
        shutdown(v->peer, SHUT_RDWR);
    else
        assert_int_equal(write(v->peer, text, strlen(text)), strlen(text));
}

static void obey(struct server *v)
{
    const char *w = v->last;

    if (strncmp(w, "HELLO", 5) == 0) {
        answer(v, v->says.hello);
    } else if (strncmp(w, "SCRIPT LOAD", 11) == 0) {
        answer(v, v->says.load);
    } else if (strstr(w, ":gateways") != NULL) {
        answer(v, v->says.beat);
    } else if (strstr(w, ":exact:rate") != NULL) {
        answer(v, v->take);
    } else if (strstr(w, ":flight:held") != NULL) {
        v->holds++;
        answer(v, v->hold);
    } else {
        v->charges++;
        answer(v, strncmp(w, "EVAL ", 5) == 0 ? v->says.again : v->says.charge);
    }
}

/* One whole command of what was read: its end, or NULL. */
static char *take_command(struct server *v, char *p)
{
    char *end = v->in + v->n;
    long n = strtol(p + 1, &p, 10);

    v->last[0] = '\0';
    for (p += 2; n > 0; n--) {
        char *word;
        long length;

        if (p >= end || memchr(p, '\n', (size_t)(end - p)) == NULL)
            return NULL;
        length = strtol(p + 1, &word, 10);
        word += 2;
        if (word + length + 2 > end)
            return NULL;
        if (strlen(v->last) + (size_t)length + 2 < sizeof(v->last))
            snprintf(v->last + strlen(v->last), sizeof(v->last) - strlen(v->last), "%.*s ",
                     (int)length, word);
        p = word + length + 2;
    }
    return p;
}

static void on_bytes(evutil_socket_t fd, short what, void *arg)
{
    struct server *v = arg;
    ssize_t n = read(fd, v->in + v->n, sizeof(v->in) - 1 - v->n);
    char *at = v->in, *next;

    (void)what;
    if (n <= 0) {
        event_del(v->reads);
        return;
    }
    v->n += (size_t)n;
    v->in[v->n] = '\0';
    while (at < v->in + v->n && (next = take_command(v, at)) != NULL) {
        obey(v);
        at = next;
    }
    v->n -= (size_t)(at - v->in);
    memmove(v->in, at, v->n);
}

static void forget_peer(struct server *v)
{
    if (v->reads != NULL)
        event_free(v->reads);
    v->reads = NULL;
    if (v->peer >= 0)
        close(v->peer);
    v->peer = -1;
    v->n = 0;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct server *v = arg;

    (void)what;
    forget_peer(v);
    v->peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    v->reads = event_new(v->base, v->peer, EV_READ | EV_PERSIST, on_bytes, v);
    event_add(v->reads, NULL);
}

static void serve(struct server *v, struct event_base *base, const char *folder, const char *name,
                  const struct says *says)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *v = (struct server){.base = base, .peer = -1, .says = *says};
    snprintf(v->path, sizeof(v->path), "%s/%s", folder, name);
    memcpy(address.sun_path, v->path, strlen(v->path));
    v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(v->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(v->fd, 8), 0);
    v->accepts = event_new(base, v->fd, EV_READ | EV_PERSIST, on_connection, v);
    event_add(v->accepts, NULL);
}

static void close_server(struct server *v)
{
    forget_peer(v);
    event_free(v->accepts);
    close(v->fd);
    unlink(v->path);
}

/* --- a gateway --- */

struct gateway {
    struct event_base *base;
    char folder[32];
    struct server server[2];
    struct tg_limit_store_server place[2];
    struct tg_limit_store_conf conf;
    struct tg_limit_rule rule, exact, held;
    struct tg_limits *limits;
    struct tg_limit_store *store;
    struct tg_store_sync *sync;
    struct tg_limit_answer answer; /* the last one */
    unsigned answers;
};

static void on_answer(void *from, const struct tg_limit_answer *answer)
{
    struct gateway *g = from;

    g->answer = *answer;
    g->answers++;
}

static void begin(struct gateway *g, const struct says *first, const struct says *second)
{
    *g = (struct gateway){.folder = "/tmp/tg-store-XXXXXX", .base = event_base_new()};
    assert_non_null(mkdtemp(g->folder));
    serve(&g->server[0], g->base, g->folder, "0", first);
    serve(&g->server[1], g->base, g->folder, "1", second != NULL ? second : first);
    for (unsigned i = 0; i < 2; i++)
        g->place[i] = (struct tg_limit_store_server){
            .text = g->server[i].path, .path = tg_str_of(g->server[i].path), .number = i};
    if (second != NULL)
        g->place[0].next = &g->place[1];
    g->conf = (struct tg_limit_store_conf){
        .name = TG_STR("fleet"),
        .servers = g->place,
        .user = TG_STR("u"),
        .password = TG_STR("secret"),
        .sync = 10 * (int64_t)MS,
        .lease = 3000 * (int64_t)MS,
        .share = {.name = "fleet", .on_error = 1, .timeout = 10000 * (int64_t)MS},
        .fleet = "f",
        .nrules = RULES};
    g->conf.share.hash = tg_hash_new(TG_STR("a key of all gateways"));
    g->rule = (struct tg_limit_rule){.kind = TG_LIMIT_REQ,
                                     .key = TG_LIMIT_BY_PROJECT,
                                     .interval = MS,
                                     .burst = 10000,
                                     .id = 1,
                                     .name = "put",
                                     .label = "put",
                                     .share = &g->conf.share,
                                     .debt = MS};
    g->exact = g->held = g->rule;
    g->exact.exact = g->held.exact = true;
    g->exact.id = 2;
    g->exact.burst = 4;
    g->exact.name = g->exact.label = "exact";
    g->held.kind = TG_LIMIT_IN_FLIGHT;
    g->held.id = 3;
    g->held.most = 3;
    g->held.name = g->held.label = "flight";
    g->conf.rules[0] = &g->rule;
    g->conf.rules[1] = &g->exact;
    g->conf.rules[2] = &g->held;
    g->limits = tg_limits_new();
    g->store = tg_limit_store_at(g->limits, tg_limit_store_number(g->limits, "fleet"));
}

static void start(struct gateway *g)
{
    g->sync = tg_store_sync_new(g->base, &g->conf, g->limits, on_answer);
}

static void end(struct gateway *g)
{
    tg_store_sync_end(g->sync);
    for (unsigned i = 0; i < 2; i++)
        close_server(&g->server[i]);
    rmdir(g->folder);
    tg_hash_end(g->conf.share.hash);
    tg_limits_end(g->limits);
    event_base_free(g->base);
}

static bool is_up(const struct gateway *g)
{
    return tg_limit_store_up(g->store, tg_clock_mono_now());
}

static void take(struct gateway *g, struct tg_limit_grant *grant)
{
    assert_true(tg_limit_take(g->limits, 0, &g->rule, TG_STR("p"), tg_clock_mono_now(), grant));
}

static void turn(struct gateway *g)
{
    assert_true(event_base_loop(g->base, EVLOOP_ONCE) == 0);
}

/* --- what servers say --- */

/* `calls`: what must have been counted in the end. */
static const struct {
    const char *name;
    struct says says;
    bool up;
    enum tg_limit_call counted;
} rows[] = {
    {"all is well", {MASTER, SHA, ":3\r\n", "$6\r\n400000\r\n", NULL}, true, TG_LIMIT_CALL_OK},
    {"no password",
     {"-NOAUTH HELLO must be called\r\n", NULL, NULL, NULL, NULL},
     false,
     TG_LIMIT_CALL_DENIED},
    {"a wrong one",
     {"-WRONGPASS invalid\r\n", NULL, NULL, NULL, NULL},
     false,
     TG_LIMIT_CALL_DENIED},
    {"not HELLO", {"-ERR unknown command\r\n", NULL, NULL, NULL, NULL}, false, TG_LIMIT_CALL_ERROR},
    {"a replica", {SLAVE, NULL, NULL, NULL, NULL}, false, TG_LIMIT_CALL_READONLY},
    {"another protocol",
     {"HTTP/1.1 400 Bad Request\r\n\r\n", NULL, NULL, NULL, NULL},
     false,
     TG_LIMIT_CALL_ERROR},
    {"a list without end", {"*999999999\r\n", NULL, NULL, NULL, NULL}, false, TG_LIMIT_CALL_ERROR},
    {"a list in a list",
     {LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST, NULL, NULL, NULL, NULL},
     false,
     TG_LIMIT_CALL_ERROR},
    {"it closes", {"", NULL, NULL, NULL, NULL}, false, TG_LIMIT_CALL_DOWN},
    {"more than was asked", {MASTER, SHA SHA SHA, NULL, NULL, NULL}, false, TG_LIMIT_CALL_ERROR},
    {"no digest", {MASTER, "+OK\r\n", NULL, NULL, NULL}, false, TG_LIMIT_CALL_ERROR},
    {"no right to load",
     {MASTER, "-NOPERM no permissions\r\n", NULL, NULL, NULL},
     false,
     TG_LIMIT_CALL_DENIED},
    {"full", {MASTER, SHA, "-OOM command not allowed\r\n", NULL, NULL}, false, TG_LIMIT_CALL_OOM},
    {"became a replica",
     {MASTER, SHA, "-READONLY You can't\r\n", NULL, NULL},
     false,
     TG_LIMIT_CALL_READONLY},
    {"nobody lives", {MASTER, SHA, ":0\r\n", NULL, NULL}, false, TG_LIMIT_CALL_ERROR},
    {"loads its data",
     {MASTER, SHA, "-LOADING Redis is\r\n", NULL, NULL},
     false,
     TG_LIMIT_CALL_ERROR},
    {"forgot the script",
     {MASTER, SHA, ":3\r\n", "-NOSCRIPT No\r\n", "$1\r\n0\r\n"},
     true,
     TG_LIMIT_CALL_NOSCRIPT},
    {"has none at all",
     {MASTER, SHA, ":3\r\n", "-NOSCRIPT No\r\n", "-NOSCRIPT No\r\n"},
     false,
     TG_LIMIT_CALL_NOSCRIPT},
    {"a key of another use",
     {MASTER, SHA, ":3\r\n", "-WRONGTYPE Operation\r\n", NULL},
     true,
     TG_LIMIT_CALL_ERROR},
    {"full later",
     {MASTER, SHA, ":3\r\n", "-OOM command not allowed\r\n", NULL},
     false,
     TG_LIMIT_CALL_OOM},
    {"a replica later",
     {MASTER, SHA, ":3\r\n", "-READONLY You can't\r\n", NULL},
     false,
     TG_LIMIT_CALL_READONLY},
    {"no number", {MASTER, SHA, ":3\r\n", "$3\r\nabc\r\n", NULL}, false, TG_LIMIT_CALL_ERROR},
    {"too large a number",
     {MASTER, SHA, ":3\r\n", "$19\r\n9223372036854775807\r\n", NULL},
     false,
     TG_LIMIT_CALL_ERROR},
    {"closes later", {MASTER, SHA, ":3\r\n", "", NULL}, false, TG_LIMIT_CALL_DOWN},
};

static void what_servers_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct gateway g;
        struct tg_limit_grant grant;
        uint64_t counted;

        begin(&g, &rows[i].says, NULL);
        start(&g);
        do {
            take(&g, &grant);
            turn(&g);
            counted = g.store->calls[rows[i].counted];
        } while (counted == 0 || is_up(&g) != rows[i].up ||
                 (rows[i].up && g.server[0].charges == 0));
        if (rows[i].up != (g.store->why[0] == '\0'))
            fail_msg("%s: \"%s\"", rows[i].name, g.store->why);
        end(&g);
    }
}

/* Both sides of a push: what the server is told, and what holds here afterwards. */
static void a_debt_is_pushed(void **state)
{
    struct gateway g;
    struct tg_limit_grant grant;

    (void)state;
    begin(&g, &good, NULL);
    start(&g);
    while (!is_up(&g))
        turn(&g);
    take(&g, &grant);
    take(&g, &grant);
    while (g.server[0].charges == 0)
        turn(&g);
    assert_non_null(
        strstr(g.server[0].last, "EVALSHA 0123456789012345678901234567890123456789 1 tg:{"));
    assert_non_null(strstr(g.server[0].last, "}:put:rate 2000 "));
    assert_null(strstr(g.server[0].last, "{p}"));
    assert_int_equal(g.store->replicas, 3);
    do {
        turn(&g);
        take(&g, &grant);
    } while (grant.whole < 300 * MS); /* 400 of the fleet, less what has passed since */
    end(&g);
}

/* What was refused is told again once the store takes it. */
static void a_debt_stands_again(void **state)
{
    struct says full = good;
    struct gateway g;
    struct tg_limit_grant grant;

    (void)state;
    full.charge = "-OOM command not allowed\r\n";
    begin(&g, &full, NULL);
    start(&g);
    for (unsigned i = 0; i < 9000; i++)
        take(&g, &grant);
    while (g.store->calls[TG_LIMIT_CALL_OOM] == 0)
        turn(&g);
    assert_false(is_up(&g));
    g.server[0].says.charge = good.charge;
    g.server[0].charges = 0;
    while (g.server[0].charges == 0)
        turn(&g);
    assert_true(is_up(&g));
    assert_non_null(strstr(g.server[0].last, "}:put:rate "));
    end(&g);
}

static void no_answer_in_time(void **state)
{
    struct says frozen = good;
    struct gateway g;
    struct tg_limit_grant grant;

    (void)state;
    frozen.charge = NULL;
    begin(&g, &frozen, NULL);
    start(&g);
    while (!is_up(&g))
        turn(&g);
    g.conf.share.timeout = 20 * (int64_t)MS;
    take(&g, &grant);
    while (g.store->calls[TG_LIMIT_CALL_TIMEOUT] == 0)
        turn(&g);
    assert_false(is_up(&g));
    g.conf.share.timeout = 10000 * (int64_t)MS;
    while (!is_up(&g)) /* one more connection is the probe, and it is answered */
        turn(&g);
    end(&g);
}

/* The first that says it is master; when it is none any more, the next. */
static void several_servers(void **state)
{
    static const struct says replica = {SLAVE, NULL, NULL, NULL, NULL};
    struct says became_one = good;
    struct gateway g;
    struct tg_limit_grant grant;

    (void)state;
    begin(&g, &replica, &good);
    start(&g);
    while (!is_up(&g))
        turn(&g);
    assert_int_equal(g.store->calls[TG_LIMIT_CALL_READONLY], 1);
    end(&g);

    became_one.charge = "-READONLY You can't write\r\n";
    begin(&g, &became_one, &good);
    start(&g);
    while (g.server[1].charges == 0) {
        take(&g, &grant);
        turn(&g);
    }
    assert_true(is_up(&g));
    end(&g);
}

/* Nobody listens: no file, then a file that is no socket. */
static void nobody_there(void **state)
{
    struct gateway g;

    (void)state;
    begin(&g, &good, NULL);
    unlink(g.server[0].path);
    start(&g);
    while (g.store->calls[TG_LIMIT_CALL_DOWN] < 2)
        turn(&g);
    assert_true(tg_store_sync_tried(g.sync));
    assert_non_null(strstr(g.store->why, "No such file"));
    end(&g);
}

/* --- where the store decides --- */

/* Claims, and asks when that is to be. */
static enum tg_limit_result ask(struct gateway *g, const struct tg_limit_rule *rule, int *entry)
{
    struct tg_limit_grant grant;
    struct tg_limit_ask question;
    uint64_t now = tg_clock_mono_now();
    enum tg_limit_result result =
        tg_limit_claim(g->limits, 0, rule, TG_STR("p"), now, &question, &grant);

    *entry = grant.entry;
    if (result != TG_LIMIT_UNKNOWN)
        return result;
    question.id = 7;
    question.until = now + 60000000;
    tg_store_sync_ask(g->sync, &question, g);
    tg_store_sync_flush(g->sync);
    return result;
}

static void await_answers(struct gateway *g, unsigned n)
{
    while (g->answers < n)
        turn(g);
}

/* `result` and `number` are what becomes of an answer. */
static const struct {
    const char *name, *take, *hold;
    enum tg_limit_result rate, flight;
    uint64_t rate_number, flight_number;
    bool up;
} answers[] = {
    {"granted", "*2\r\n:1\r\n:1000\r\n", "*2\r\n:1\r\n:3\r\n", TG_LIMIT_GRANTED, TG_LIMIT_GRANTED,
     1000, 3, true},
    {"refused", "*2\r\n:0\r\n:9000\r\n", "*2\r\n:0\r\n:3\r\n", TG_LIMIT_REFUSED, TG_LIMIT_REFUSED,
     9000, 3, true},
    {"more than one", "*2\r\n:2\r\n:9000\r\n", "*2\r\n:2\r\n:3\r\n", TG_LIMIT_UNKNOWN,
     TG_LIMIT_UNKNOWN, 0, 0, false},
    {"a negative number", "*2\r\n:1\r\n:-1\r\n", "*2\r\n:-1\r\n:0\r\n", TG_LIMIT_UNKNOWN,
     TG_LIMIT_UNKNOWN, 0, 0, false},
    {"one number", "*1\r\n:1\r\n", ":1\r\n", TG_LIMIT_UNKNOWN, TG_LIMIT_UNKNOWN, 0, 0, false},
    {"a key of another use", "-WRONGTYPE Operation\r\n", "-WRONGTYPE Operation\r\n",
     TG_LIMIT_UNKNOWN, TG_LIMIT_UNKNOWN, 0, 0, true},
    {"full", "-OOM command not allowed\r\n", "-OOM command not allowed\r\n", TG_LIMIT_UNKNOWN,
     TG_LIMIT_UNKNOWN, 0, 0, false},
    {"a replica", "-READONLY You can't\r\n", "-READONLY You can't\r\n", TG_LIMIT_UNKNOWN,
     TG_LIMIT_UNKNOWN, 0, 0, false},
    {"closes", "", "", TG_LIMIT_UNKNOWN, TG_LIMIT_UNKNOWN, 0, 0, false},
    {"forgot the script", "-NOSCRIPT No\r\n", "-NOSCRIPT No\r\n", TG_LIMIT_UNKNOWN,
     TG_LIMIT_UNKNOWN, 0, 0, false},
};

static void one_answer(bool flight, size_t row)
{
    struct gateway g;
    int entry;

    begin(&g, &good, NULL);
    g.server[0].take = answers[row].take;
    g.server[0].hold = answers[row].hold;
    start(&g);
    while (!is_up(&g))
        turn(&g);
    assert_int_equal(ask(&g, flight ? &g.held : &g.exact, &entry), TG_LIMIT_UNKNOWN);
    await_answers(&g, 1);
    if (g.answer.id != 7 || g.answer.result != (flight ? answers[row].flight : answers[row].rate) ||
        g.answer.number != (flight ? answers[row].flight_number : answers[row].rate_number) ||
        is_up(&g) != answers[row].up)
        fail_msg("%s: result %u, number %lu, %s", answers[row].name, g.answer.result,
                 g.answer.number, g.store->why);
    end(&g);
}

static void the_store_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        one_answer(false, i);
        one_answer(true, i);
    }
}

/* What is asked while a statement has no answer goes with the next one; what was given back
 * meanwhile is not stated any more. */
static void one_statement_at_a_time(void **state)
{
    struct gateway g;
    int entry[3];

    (void)state;
    begin(&g, &good, NULL);
    start(&g);
    while (!is_up(&g))
        turn(&g);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask(&g, &g.held, &entry[i]), TG_LIMIT_UNKNOWN);
    while (g.server[0].holds == 0)
        turn(&g);
    assert_non_null(strstr(g.server[0].last, ":flight:held "));
    assert_non_null(strstr(g.server[0].last, " 0 1 3 "));
    answer(&g.server[0], "*2\r\n:1\r\n:1\r\n");
    while (g.server[0].holds == 1)
        turn(&g);
    assert_int_equal(g.answers, 1);
    assert_non_null(strstr(g.server[0].last, " 1 2 3 "));
    answer(&g.server[0], "*2\r\n:1\r\n:2\r\n");
    await_answers(&g, 3);
    assert_int_equal(g.answer.result, TG_LIMIT_REFUSED);
    tg_limit_release(g.limits, 0, entry[2]);
    tg_limit_release(g.limits, 0, entry[1]);
    {
        struct tg_limit_ask told;

        assert_true(tg_limit_released(g.limits, entry[1], &told));
        tg_store_sync_ask(g.sync, &told, &g);
        tg_store_sync_flush(g.sync);
    }
    while (g.server[0].holds == 2)
        turn(&g);
    assert_non_null(strstr(g.server[0].last, " 1 0 3 "));
    answer(&g.server[0], "*2\r\n:0\r\n:1\r\n");
    assert_int_equal(ask(&g, &g.held, &entry[1]), TG_LIMIT_UNKNOWN);
    tg_limits_forget(g.limits, 0); /* who asked has died, and who held */
    while (strstr(g.server[0].last, " 0 0 3 ") == NULL)
        turn(&g);
    assert_int_equal(g.answers, 3);
    end(&g);
}

/* Nonsense of a process that was taken over ends nothing. */
static void hostile_asks(void **state)
{
    static const struct tg_limit_ask asks[] = {
        {.rule = 9},
        {.rule = 2, .at = TG_LIMIT_ENTRIES},
        {.rule = 3, .at = UINT32_MAX},
        {.rule = 3, .slot = TG_STATS_SLOTS},
        {.rule = 2, .release = true},
        {.rule = 3, .at = TG_LIMIT_ENTRIES, .release = true},
    };
    struct gateway g;

    (void)state;
    begin(&g, &good, NULL);
    start(&g);
    while (!is_up(&g))
        turn(&g);
    for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
        tg_store_sync_ask(g.sync, &asks[i], &g);
        assert_int_equal(g.answers, i + 1);
        assert_int_equal(g.answer.result, TG_LIMIT_UNKNOWN);
    }
    tg_store_sync_ask(g.sync, &(struct tg_limit_ask){.rule = 3, .until = UINT64_MAX}, &g);
    tg_store_sync_flush(g.sync); /* of an entry that nobody has */
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_servers_say),    cmocka_unit_test(a_debt_is_pushed),
        cmocka_unit_test(a_debt_stands_again), cmocka_unit_test(no_answer_in_time),
        cmocka_unit_test(several_servers),     cmocka_unit_test(nobody_there),
        cmocka_unit_test(the_store_decides),   cmocka_unit_test(one_statement_at_a_time),
        cmocka_unit_test(hostile_asks),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
