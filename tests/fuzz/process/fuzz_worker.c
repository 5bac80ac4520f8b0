/*
 * A whole worker in the process: a client plays the input in pieces over a socket, an upstream
 * notes what reaches it. The invariant: the upstream sees exactly the requests the client
 * unambiguously sent, in order, each with its method, target and body, however the bytes are cut;
 * and nothing stays alive when the client is gone.
 */
#include "base/check.h"
#include "chain/request.h"
#include "client/connection.h"
#include "http/target.h"
#include "process/worker.h"
#include "settings/settings.h"
#include "table.h"
#include "upstream/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { MAX_BYTES = 16384, MAX_PEERS = 64, QUIET = 3 };

/* One connection as the upstream has it. */
struct side {
    int fd; /* -1: free */
    struct tg_buf in;
};

/* The one mutable state: a worker takes too long to make for each input. */
static struct {
    struct tg_worker *worker;
    struct tg_settings *settings;
    struct sockaddr_un address;
    socklen_t address_len;
    int upstream;
    struct side sides[MAX_PEERS];
    struct tg_buf seen; /* requests that were whole: "METHOD TARGET BODY-LENGTH\nBODY\n" */
    struct tg_buf due;
} lab;

/* --- the upstream --- */

static void note(struct tg_buf *out, struct tg_str method, struct tg_str target, struct tg_str body)
{
    tg_buf_printf(out, "%.*s %.*s %zu\n", TG_STR_ARG(method), TG_STR_ARG(target), body.n);
    tg_buf_add(out, body);
    tg_buf_putc(out, '\n');
}

static struct tg_str cut(struct tg_str *rest, const char *mark)
{
    const char *at = memmem(rest->p, rest->n, mark, strlen(mark));
    struct tg_str out = {rest->p, at != NULL ? (size_t)(at - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, at != NULL ? out.n + strlen(mark) : out.n);
    return out;
}

/* The length of the body behind a head, or -1 for chunks: what the gateway writes is plain. */
static long body_length(struct tg_str head)
{
    long length = 0;

    while (head.n > 0) {
        struct tg_str line = cut(&head, "\r\n");

        CHECK(memchr(line.p, '\r', line.n) == NULL && memchr(line.p, '\n', line.n) == NULL);
        CHECK(memchr(line.p, '\0', line.n) == NULL);
        if (tg_str_eq(line, TG_STR("Transfer-Encoding: chunked")))
            length = -1;
        else if (tg_str_starts(line, TG_STR("Content-Length: ")))
            length = atol(line.p + 16);
    }
    return length;
}

/* True when the chunks are whole; only sizes without extensions, no trailers. */
static bool take_chunks(struct tg_str *rest, struct tg_buf *body)
{
    for (;;) {
        const char *end = memmem(rest->p, rest->n, "\r\n", 2);
        char *stop;
        size_t size;

        if (end == NULL)
            return false;
        size = strtoul(rest->p, &stop, 16);
        CHECK(stop == end);
        *rest = tg_str_skip(*rest, (size_t)(end - rest->p) + 2);
        if (rest->n < size + 2)
            return false;
        tg_buf_add(body, (struct tg_str){rest->p, size});
        CHECK(memcmp(rest->p + size, "\r\n", 2) == 0);
        *rest = tg_str_skip(*rest, size + 2);
        if (size == 0)
            return true;
    }
}

/* Takes one whole request and answers it; false when it is not whole. */
static bool serve(struct side *s)
{
    struct tg_str rest = tg_buf_str(&s->in), head, line, method, target;
    struct tg_buf body = {0};
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    bool whole;
    long length;

    if (rest.n == 0 || memmem(rest.p, rest.n, "\r\n\r\n", 4) == NULL)
        return false;
    head = cut(&rest, "\r\n\r\n");
    line = cut(&head, "\r\n");
    method = cut(&line, " ");
    target = cut(&line, " ");
    CHECK(tg_str_eq(line, TG_STR("HTTP/1.1")));
    length = body_length(head);
    whole = length < 0 ? take_chunks(&rest, &body) : rest.n >= (size_t)length;
    if (whole && length > 0) {
        tg_buf_add(&body, (struct tg_str){rest.p, (size_t)length});
        rest = tg_str_skip(rest, (size_t)length);
    }
    if (whole) {
        size_t n = strlen(answer) - (tg_str_eq(method, TG_STR("HEAD")) ? 2 : 0);

        note(&lab.seen, method, target, tg_buf_str(&body));
        CHECK(send(s->fd, answer, n, MSG_NOSIGNAL) == (ssize_t)n || errno == EPIPE ||
              errno == ECONNRESET);
        memmove(s->in.p, rest.p, rest.n);
        s->in.n = rest.n;
    }
    tg_buf_end(&body);
    return whole;
}

static void end_side(struct side *s)
{
    struct linger now = {1, 0};

    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(s->fd);
    s->fd = -1;
    tg_buf_end(&s->in);
}

/* Whatever there is to do at the upstream; true when there was something. */
static bool step_upstream(void)
{
    bool busy = false;
    int fd = accept4(lab.upstream, NULL, NULL, SOCK_NONBLOCK);

    for (unsigned i = 0; fd >= 0 && i < MAX_PEERS; i++)
        if (lab.sides[i].fd < 0) {
            lab.sides[i].fd = fd;
            fd = -1;
            busy = true;
        }
    CHECK(fd < 0);
    for (unsigned i = 0; i < MAX_PEERS; i++) {
        struct side *s = &lab.sides[i];
        ssize_t n;

        if (s->fd < 0)
            continue;
        n = recv(s->fd, tg_buf_room(&s->in, 65536), 65536, 0);
        if (n < 0 && errno == EAGAIN)
            continue;
        busy = true;
        if (n <= 0) {
            end_side(s);
            continue;
        }
        s->in.n += (size_t)n;
        while (serve(s))
            continue;
    }
    return busy;
}

/* --- what is due --- */

/* Reads a body as its framing says; false when it is not whole or broken. */
static bool due_body(const struct tg_request_head *h, struct tg_str *in, struct tg_buf *body)
{
    struct tg_chunked chunk;
    enum tg_parse parse = TG_PARSE_MORE;

    if (h->framing == TG_FRAMING_NONE)
        return true;
    if (h->framing == TG_FRAMING_LENGTH) {
        if (in->n < h->length)
            return false;
        tg_buf_add(body, (struct tg_str){in->p, (size_t)h->length});
        *in = tg_str_skip(*in, (size_t)h->length);
        return true;
    }
    tg_chunked_init(&chunk);
    while (in->n > 0 && parse == TG_PARSE_MORE) {
        struct tg_str data = {NULL, 0};
        const char *why;
        size_t used = 0;

        parse = tg_chunked_read(&chunk, *in, &data, &used, &why);
        if (parse == TG_PARSE_BAD)
            return false;
        tg_buf_add(body, data);
        *in = tg_str_skip(*in, used);
    }
    return parse == TG_PARSE_DONE;
}

/* False for a target that is refused; others arrive as they came. */
static bool is_taken(struct tg_str target)
{
    char out[2 * MAX_BYTES];
    struct tg_target t;
    const char *why;

    return tg_str_eq(target, TG_STR("*")) ||
           tg_target_normalize(target, out, sizeof(out), &t, &why);
}

/* False for fields that servers read in two ways, and for more than one caller: refused. */
static bool is_plain(const struct tg_request_head *h)
{
    static struct tg_field kept[MAX_BYTES];
    struct tg_request r = {.method = h->method, .target = h->target, .fields = kept};
    struct tg_buf connection = {0};
    struct tg_arena arena;
    bool plain;

    for (unsigned i = 0; i < h->nfields; i++)
        if (tg_str_ieq(h->fields[i].name, TG_STR("Connection"))) {
            tg_buf_add(&connection, h->fields[i].value);
            tg_buf_putc(&connection, ',');
        }
    for (unsigned i = 0; i < h->nfields; i++)
        if (!tg_request_head_hop_by_hop(h->fields[i].name, tg_buf_str(&connection)))
            kept[r.nfields++] = h->fields[i];
    tg_arena_init(&arena);
    r.arena = &arena;
    plain = tg_request_ambiguity(&r) == NULL && tg_request_identify(&r) == NULL;
    tg_arena_end(&arena);
    tg_buf_end(&connection);
    return plain;
}

/* False for a request that may go no further than the gateway (RFC 9110 section 7.6.2). */
static bool goes_on(const struct tg_request_head *h)
{
    uint64_t left = 1;
    unsigned n = 0;

    if (!tg_str_eq(h->method, TG_STR("OPTIONS")) && !tg_str_eq(h->method, TG_STR("TRACE")))
        return true;
    for (unsigned i = 0; i < h->nfields; i++)
        if (tg_str_ieq(h->fields[i].name, TG_STR("Max-Forwards")) &&
            (n++ > 0 || !tg_str_u64(h->fields[i].value, &left)))
            return false;
    return left > 0;
}

/* The requests of an input, read in one go. */
static void due(struct tg_str in)
{
    static struct tg_request_head h;
    const struct tg_server_conf *s = lab.settings->servers;
    struct tg_request_head_limits limits = {(size_t)s->client_header_max_size, 32768, 32768,
                                            (unsigned)s->client_max_fields};
    bool more = true;

    while (more && in.n > 0) {
        struct tg_buf body = {0};
        enum tg_error error;
        const char *why;
        size_t used = 0, scanned = 0;

        if (tg_request_head_parse(in, &limits, &scanned, &h, &used, &error, &why) != TG_PARSE_DONE)
            break;
        in = tg_str_skip(in, used);
        more = is_plain(&h) && is_taken(h.target) && due_body(&h, &in, &body);
        if (more && goes_on(&h))
            note(&lab.due, h.method, h.target, tg_buf_str(&body));
        else if (more) /* answered at once, before any body */
            more = h.framing == TG_FRAMING_NONE || (h.framing == TG_FRAMING_LENGTH && !h.length);
        more = more && h.keep_alive;
        tg_buf_end(&body);
    }
}

/* --- the client --- */

static void turn(void)
{
    tg_loop_poll(&lab.worker->loop);
    tg_exchanges_turn(&lab.worker->exchanges);
}

/* Lets everybody work until nobody has anything to do. Nothing is under way in the kernel: on one
 * machine what is sent is there. */
static void settle(int fd)
{
    char answer[65536];

    for (unsigned quiet = 0; quiet < QUIET;) {
        bool busy = fd >= 0 && recv(fd, answer, sizeof(answer), 0) > 0;

        turn();
        busy = step_upstream() || busy;
        quiet = busy ? 0 : quiet + 1;
    }
}

static void play(struct tg_str in, size_t piece)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&lab.address, lab.address_len) == 0);
    while (in.n > 0) {
        size_t n = in.n < piece ? in.n : piece;
        ssize_t sent = send(fd, in.p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            break;
        if (sent > 0)
            in = tg_str_skip(in, (size_t)sent);
        settle(fd);
    }
    settle(fd);
    close(fd);
    settle(-1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str in;

    if (size < 2 || size > MAX_BYTES)
        return 0;
    in = (struct tg_str){(const char *)data + 1, size - 1};
    lab.seen.n = 0;
    lab.due.n = 0;
    due(in);
    /* few pieces for long inputs */
    play(in, data[0] == 0 || in.n / data[0] > 200 ? in.n : data[0]);
    if (!tg_str_eq(tg_buf_str(&lab.seen), tg_buf_str(&lab.due))) {
        fprintf(stderr, "due:\n%.*s\nseen:\n%.*s\n", TG_STR_ARG(tg_buf_str(&lab.due)),
                TG_STR_ARG(tg_buf_str(&lab.seen)));
        abort();
    }
    CHECK(lab.worker->clients.live == 0 && lab.worker->exchanges.live == 0);
    return 0;
}

/* --- the beginning --- */

static int listen_tcp(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 128) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A name of the kernel's choosing, without a file. */
static int listen_unix(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    lab.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    lab.address_len = sizeof(lab.address);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&lab.address, sizeof(sa_family_t)) == 0);
    CHECK(listen(fd, 128) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&lab.address, &lab.address_len) == 0);
    return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char text[512];
    const char *why;
    struct tg_buf problems = {0};
    struct tg_conf conf;
    uint16_t port;

    (void)argc, (void)argv;
    signal(SIGPIPE, SIG_IGN);
    tg_filter_register(tg_builtin_filters);
    CHECK(tg_log_open("/dev/null", geteuid(), &why));
    tg_log_level(TG_LOG_EMERG);
    for (unsigned i = 0; i < MAX_PEERS; i++)
        lab.sides[i].fd = -1;
    lab.upstream = listen_tcp(&port);
    snprintf(text, sizeof(text),
             "audit_log off; upstream u { server 127.0.0.1:%u; tls off; }\n"
             "server { listen 127.0.0.1:1; location / { proxy_pass u; } }",
             port);
    lab.settings = tg_settings_offline("fuzz_worker", tg_str_of(text), "./", &problems);
    CHECK(lab.settings != NULL);
    tg_conf_init(&conf, &lab.settings->arena, "./");
    CHECK(tg_audit_check(&conf, lab.settings->audit_conf));
    lab.settings->servers->listens->fd = listen_unix();
    lab.worker = tg_worker_new(lab.settings, 0);
    CHECK(lab.worker != NULL);
    return 0;
}
