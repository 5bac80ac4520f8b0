/*
 * Sends one request over and over at a fixed rate, whatever the answers do, and tells how long each
 * took from the moment it was due: an answer that is late makes the requests behind it late too,
 * as it is with people and jobs that do not wait for one another.
 *
 *     openloop PORT RATE SECONDS CONNECTIONS FILE
 *
 * FILE holds the request, head and body. Prints one line of JSON. Answers need a Content-Length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, ANSWER_MAX = 65536, SECOND = 1000000000 };

struct connection {
    int fd;
    size_t got;
    uint64_t due; /* when the request on its way should have been sent; nanoseconds */
    char answer[ANSWER_MAX];
};

struct run {
    char *request;
    size_t request_len;
    struct connection *idle[MAX_CONNECTIONS];
    unsigned idle_count;
    uint64_t *took; /* nanoseconds, one per answer */
    size_t answered;
    size_t refused; /* answers other than 200 */
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "openloop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void read_request(struct run *r, const char *name)
{
    FILE *f = fopen(name, "rb");

    r->request = malloc(ANSWER_MAX);
    if (f == NULL || r->request == NULL)
        die(name);
    r->request_len = fread(r->request, 1, ANSWER_MAX, f);
    fclose(f);
}

static void open_connection(struct run *r, int epoll, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct connection *c = calloc(1, sizeof(*c));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (c == NULL || (c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
    r->idle[r->idle_count++] = c;
}

static void send_request(struct run *r, uint64_t due)
{
    struct connection *c = r->idle[--r->idle_count];

    c->got = 0;
    c->due = due;
    if (write(c->fd, r->request, r->request_len) != (ssize_t)r->request_len)
        die("write");
}

/* True when the whole answer is there. */
static bool complete(struct connection *c)
{
    char *end, *length;

    c->answer[c->got] = '\0';
    end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return false;
    length = strcasestr(c->answer, "\r\ncontent-length:");
    if (length == NULL || length > end) {
        errno = EPROTO;
        die("an answer without Content-Length");
    }
    return c->got >= (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void on_readable(struct run *r, struct connection *c)
{
    ssize_t n = read(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got);

    if (n <= 0)
        die("the connection was closed");
    c->got += (size_t)n;
    if (!complete(c))
        return;
    r->took[r->answered++] = now() - c->due;
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0)
        r->refused++;
    r->idle[r->idle_count++] = c;
}

static void wait_for(struct run *r, int epoll, uint64_t until)
{
    struct epoll_event events[64];
    uint64_t t = now();
    uint64_t left = until > t ? until - t : 0;
    struct timespec timeout = {(time_t)(left / SECOND), (long)(left % SECOND)};
    int n = epoll_pwait2(epoll, events, 64, &timeout, NULL);

    for (int i = 0; i < n; i++)
        on_readable(r, events[i].data.ptr);
}

static void drive(struct run *r, int epoll, size_t total, uint64_t interval)
{
    uint64_t next = now() + interval;
    uint64_t last = next + total * interval + 10ULL * SECOND;
    size_t sent = 0;

    while (r->answered < total) {
        uint64_t t = now();

        if (t > last) {
            errno = ETIMEDOUT;
            die("the server does not keep up");
        }
        for (; sent < total && next <= t && r->idle_count > 0; sent++, next += interval)
            send_request(r, next);
        wait_for(r, epoll, sent < total && r->idle_count > 0 ? next : last);
    }
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double microseconds_at(const struct run *r, double share)
{
    return (double)r->took[(size_t)(share * (double)(r->answered - 1))] / 1000.0;
}

int main(int argc, char **argv)
{
    struct run r = {0};
    int epoll = epoll_create1(0);
    unsigned long rate, connections;
    size_t total;

    if (argc != 6) {
        fputs("usage: openloop PORT RATE SECONDS CONNECTIONS FILE\n", stderr);
        return 2;
    }
    rate = strtoul(argv[2], NULL, 10);
    connections = strtoul(argv[4], NULL, 10);
    total = rate * strtoul(argv[3], NULL, 10);
    if (rate == 0 || total == 0 || connections == 0 || connections > MAX_CONNECTIONS)
        return 2;
    prctl(PR_SET_TIMERSLACK, 1); /* else the kernel wakes us up to 50 µs late */
    read_request(&r, argv[5]);
    r.took = calloc(total, sizeof(*r.took));
    if (r.took == NULL)
        die("memory");
    for (unsigned long i = 0; i < connections; i++)
        open_connection(&r, epoll, (uint16_t)strtoul(argv[1], NULL, 10));
    drive(&r, epoll, total, SECOND / rate);
    qsort(r.took, r.answered, sizeof(*r.took), ascending);
    printf("{\"answered\": %zu, \"refused\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f}\n",
           r.answered, r.refused, microseconds_at(&r, 0.5), microseconds_at(&r, 0.99),
           microseconds_at(&r, 0.999));
    return 0;
}
