/* The log on a bad day: full disks, files and folders that go, slow pipes, syslog servers. */
#include "audit_fixture.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static const struct tg_str no_key;

/* The disk fills up within a line: the torn part goes, the lines wait and arrive. */
static void a_full_disk_refuses_and_recovers(void **state)
{
    static const char *const modes[] = {"blocking", "strict"};
    struct fixture *f = *state;

    for (size_t m = 0; m < 2; m++) {
        char directives[64];
        struct tg_audit *a;
        struct tg_audit_counts counts;

        snprintf(directives, sizeof(directives), "audit_log a.jsonl mode=%s;", modes[m]);
        unlink(f->path);
        a = fixture_open(f, fixture_conf(f, directives), "0");
        limit_files(1500);
        for (int i = 0; i < 10; i++)
            fixture_record(f, a, "id");
        assert_false(tg_audit_flush(a));
        assert_false(tg_audit_ready(a));
        assert_non_null(strstr(tg_audit_trouble(a), "File too large"));
        fixture_record(f, a, "late");
        assert_false(tg_audit_flush(a)); /* not before the second is over, and without a call */
        tg_audit_count(a, &counts);
        assert_int_equal(counts.write_errors, 1);
        limit_files(RLIM_INFINITY);
        await_ready(f, a);
        assert_null(tg_audit_trouble(a));
        tg_audit_close(a);
        assert_int_equal(fixture_follow(fixture_read(f, f->path), no_key), 13);
        assert_int_equal(count(tg_buf_str(&f->text), "\n"), 13);
        assert_true(has(tg_buf_str(&f->text), "  {\"time\"")); /* where the torn line was */
    }
}

/* So many records of a megabyte each. */
static void record_large(struct fixture *f, struct tg_audit *a, int n,
                         void (*add)(struct tg_audit *, const struct tg_audit_record *),
                         enum tg_error end)
{
    char *large = malloc(1 << 20);

    assert_non_null(large);
    memset(large, 'x', (1 << 20) - 1);
    large[(1 << 20) - 1] = '\0';
    for (int i = 0; i < n; i++)
        fixture_add(f, a, large, end, add);
    free(large);
}

static void batch_serves_on_and_counts(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl mode=batch;"), "0");
    struct tg_audit_counts counts;

    limit_files(1000);
    record_large(f, a, 20, tg_audit_outcome, TG_E_DONE);
    assert_true(tg_audit_ready(a));
    tg_audit_count(a, &counts);
    assert_int_equal(counts.events, 20);
    assert_in_range(counts.dropped_queue, 3, 5);
    assert_in_range(counts.queued, 16 << 20, 18 << 20);
    limit_files(RLIM_INFINITY);
    while (!tg_audit_flush(a))
        ;
    tg_audit_close(a);
    assert_int_equal(fixture_follow(fixture_read(f, f->path), no_key),
                     (int)(23 - counts.dropped_queue));
    assert_true(has(tg_buf_str(&f->text), "\"event\":\"dropped\",\"count\":"));
}

/* More intents in one turn than the queue holds: they go to the disk before its end. */
static void a_full_queue_is_written_within_the_turn(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl mode=strict;"), "0");
    struct tg_audit_counts counts;

    record_large(f, a, 21, tg_audit_intent, TG_E_DONE);
    tg_audit_count(a, &counts);
    assert_int_equal(counts.dropped_queue, 0);
    assert_true(counts.queued <= 4 << 20);
    tg_audit_close(a);
    assert_int_equal(count(fixture_read(f, f->path), "\"event\":\"intent\""), 21);
}

/* While nothing can be written, only refusals are dropped: what went upstream stays. */
static void blocking_and_strict_drop_refusals_only(void **state)
{
    static const char *const modes[] = {"blocking", "strict"};
    struct fixture *f = *state;

    for (size_t m = 0; m < 2; m++) {
        char directives[64];
        struct tg_audit *a;
        struct tg_audit_counts counts;

        snprintf(directives, sizeof(directives), "audit_log a.jsonl mode=%s;", modes[m]);
        unlink(f->path);
        a = fixture_open(f, fixture_conf(f, directives), "0");
        limit_files(1000);
        record_large(f, a, 12, tg_audit_outcome, TG_E_AUDIT);
        record_large(f, a, 20, tg_audit_outcome, TG_E_DONE);
        record_large(f, a, 2, tg_audit_outcome, TG_E_AUDIT);
        tg_audit_count(a, &counts);
        assert_in_range(counts.dropped_queue, 5, 7);
        limit_files(RLIM_INFINITY);
        while (!tg_audit_flush(a))
            ;
        tg_audit_close(a);
        assert_int_equal(fixture_follow(fixture_read(f, f->path), no_key),
                         (int)(37 - counts.dropped_queue));
        assert_int_equal(count(tg_buf_str(&f->text), "\"end\":\"done\""), 20);
        assert_true(has(tg_buf_str(&f->text), "\"event\":\"dropped\",\"count\":"));
    }
}

static void dev_full_does_not_start(void **state)
{
    struct fixture *f = *state;
    const char *why = NULL;

    assert_null(tg_audit_open(fixture_conf(f, "audit_log /dev/full;"), TG_STR("0"), f->base,
                              &f->arena, &why));
    assert_string_equal(why, "/dev/full: write: No space left on device");
}

/* Lines written to a removed file would be gone: they are written again to a new one. */
static void a_removed_file_comes_back(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl;"), "0");

    assert_int_equal(unlink(f->path), 0);
    fixture_record(f, a, "one");
    assert_true(tg_audit_flush(a));
    fixture_read(f, f->path);
    assert_int_equal(count(tg_buf_str(&f->text), "\n"), 2);
    assert_true(has(tg_buf_str(&f->text), "\"event\":\"continue\""));
    assert_true(has(tg_buf_str(&f->text), "\"seq\":2,\"event\":\"outcome\""));
    tg_audit_close(a);
}

static void a_removed_folder_refuses_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    char folder[100];
    char path[120];
    struct tg_audit *a;

    snprintf(folder, sizeof(folder), "%slogs", f->prefix);
    snprintf(path, sizeof(path), "%s/a", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    a = fixture_open(f, fixture_conf(f, "audit_log logs/a;"), "0");
    assert_int_equal(unlink(path) + rmdir(folder), 0);
    fixture_record(f, a, "one");
    assert_false(tg_audit_flush(a));
    assert_false(tg_audit_ready(a));
    assert_int_equal(mkdir(folder, 0700), 0);
    await_ready(f, a);
    fixture_read(f, path);
    assert_true(has(tg_buf_str(&f->text), "\"request_id\":\"one\""));
    tg_audit_close(a);
}

static void append_to(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A writer that was killed within a line: the next line of anybody takes its place. */
static void a_torn_line_is_blanked_out(void **state)
{
    struct fixture *f = *state;
    char large[3000];
    struct tg_audit *a;

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    append_to(f->path, "{\"time\":\"2026-");
    a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl;"), "0");
    append_to(f->path, large);
    fixture_record(f, a, "one");
    assert_true(tg_audit_flush(a));
    fixture_record(f, a, "two");
    tg_audit_close(a);
    assert_int_equal(fixture_follow(fixture_read(f, f->path), no_key), 4);
    assert_int_equal(count(tg_buf_str(&f->text), "xx"), 0);
    assert_memory_equal(f->text.p, "              {\"time\"", 21);
}

/* A pipe whose reader sleeps: no line is cut, the rest follows when there is room. */
static void a_full_pipe_keeps_lines_whole(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a;
    struct tg_buf got = {0};
    char large[3000];
    int fd;
    ssize_t n;

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(mkfifo(f->path, 0600), 0);
    fd = open(f->path, O_RDONLY | O_NONBLOCK);
    a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl;"), "0");
    for (int i = 0; i < 40; i++)
        fixture_record(f, a, large);
    assert_false(tg_audit_flush(a));
    do {
        n = read(fd, tg_buf_room(&got, 65536), 65536);
        got.n += n > 0 ? (size_t)n : 0;
        tg_audit_ready(a);
    } while (count(tg_buf_str(&got), "\n") < 41);
    tg_audit_close(a);
    n = read(fd, tg_buf_room(&got, 65536), 65536);
    assert_true(n > 0);
    got.n += (size_t)n;
    assert_int_equal(fixture_follow(tg_buf_str(&got), no_key), 42);
    tg_buf_end(&got);
    close(fd);
}

/* Counts lines until the writers are gone. */
static void read_all(int fd, int done)
{
    static char bytes[65536];
    unsigned lines = 0;
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        lines += count((struct tg_str){bytes, (size_t)n}, "\n");
    (void)!write(done, &lines, sizeof(lines));
}

/* Writes lines that are each longer than what a pipe holds. A machine that stands still for longer
 * than a write waits is no fault of it: what does not wait at all fails with every one of them. */
static void write_long_lines(struct fixture *f, struct tg_audit *a)
{
    struct tg_audit_counts before, counts;
    unsigned good = 0;

    for (int i = 0; i < 10; i++) {
        tg_audit_count(a, &before);
        record_large(f, a, 1, tg_audit_outcome, TG_E_DONE);
        (void)tg_audit_flush(a);
        await_ready(f, a);
        tg_audit_count(a, &counts);
        good += counts.write_errors == before.write_errors;
    }
    CHECK(good > 0);
}

/* More than a pipe holds is no failure while its reader reads, for none of its writers. */
static void a_pipe_waits_for_its_reader(void **state)
{
    struct fixture *f = *state;
    struct tg_audit_conf *conf = fixture_conf(f, "audit_log a.jsonl;");
    unsigned lines = 0;
    int done[2], out, in;

    assert_int_equal(pipe(done), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    out = open(f->path, O_RDWR); /* holds the pipe until writers are there */
    in = open(f->path, O_RDONLY);
    assert_true(out >= 0 && in >= 0);
    if (fork() == 0) {
        close(out);
        read_all(in, done[1]);
        _exit(0);
    }
    close(in);
    for (int w = 0; w < 2; w++)
        if (fork() == 0) {
            struct tg_audit *a = fixture_open(f, conf, w == 0 ? "0" : "1");

            write_long_lines(f, a);
            tg_audit_close(a);
            _exit(0);
        }
    for (int i = 0; i < 3; i++) {
        int status;

        assert_true(wait(&status) > 0 && status == 0);
        if (i == 1) /* both writers: the reader ends now */
            close(out);
    }
    assert_int_equal(read(done[0], &lines, sizeof(lines)), sizeof(lines));
    assert_int_equal(lines, 24);
    close(done[0]);
    close(done[1]);
}

/* One that is killed loses nothing that was flushed. */
static void a_killed_worker_leaves_whole_lines(void **state)
{
    struct fixture *f = *state;
    struct tg_audit_conf *conf = fixture_conf(f, "audit_log a.jsonl;");
    int pipe_fds[2];
    char byte;
    int status;
    pid_t pid;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0) {
        struct tg_audit *a = fixture_open(f, conf, "0");

        for (int i = 0;; i++) {
            fixture_record(f, a, "id");
            if (tg_audit_flush(a) && i == 50)
                (void)!write(pipe_fds[1], "x", 1);
        }
    }
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(fixture_follow(fixture_read(f, f->path), no_key) >= 52);
    assert_false(has(tg_buf_str(&f->text), "\"event\":\"stop\""));
    tg_audit_close(fixture_open(f, conf, "0"));
    assert_true(has(fixture_read(f, f->path), "\"previous.stream\":\"0-"));
}

enum {
    LIVING_RECORDS = 3000,
    SOME_LINES = 30000, /* bytes */
};

/* Writes large lines until it is killed. */
static void write_for_ever(struct fixture *f, const struct tg_audit_conf *conf)
{
    struct tg_audit *a = fixture_open(f, conf, "1");
    char large[9000];

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (;;) {
        fixture_record(f, a, large);
        tg_audit_flush(a);
    }
}

static void write_some(struct fixture *f, const struct tg_audit_conf *conf, int done)
{
    struct tg_audit *a = fixture_open(f, conf, "0");
    bool ok = true;

    for (int i = 0; i < LIVING_RECORDS; i++) {
        fixture_record(f, a, "living");
        ok = tg_audit_flush(a) && ok;
    }
    tg_audit_close(a);
    (void)!write(done, ok ? "y" : "n", 1);
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* The lines of a worker do not suffer from another one's death within a line. */
static void a_death_spoils_nobody_elses_line(void **state)
{
    struct fixture *f = *state;
    struct tg_audit_conf *conf = fixture_conf(f, "audit_log a.jsonl;");
    int done[2];
    char byte = '?';

    assert_int_equal(pipe2(done, O_NONBLOCK), 0);
    if (fork() == 0) {
        write_some(f, conf, done[1]);
        _exit(0);
    }
    for (bool over = false; !over;) {
        off_t enough = size_of(f->path) + SOME_LINES;
        pid_t pid = fork();

        if (pid == 0)
            write_for_ever(f, conf);
        do
            over = read(done[0], &byte, 1) == 1;
        while (!over && size_of(f->path) < enough);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    wait(NULL);
    assert_int_equal(byte, 'y');
    tg_audit_close(fixture_open(f, conf, "2")); /* behind the last dead one */
    fixture_read(f, f->path);
    assert_int_equal(count(tg_buf_str(&f->text), "\"request_id\":\"living\""), LIVING_RECORDS);
    assert_int_equal(count(tg_buf_str(&f->text), "\n"),
                     count(tg_buf_str(&f->text), "{\"time\":\""));
    assert_int_equal(count(tg_buf_str(&f->text), "\n"), count(tg_buf_str(&f->text), "\"}\n"));
    close(done[0]);
    close(done[1]);
}

/* --- syslog --- */

static void check_datagrams(struct fixture *f, const char *directives, int fd)
{
    struct tg_audit *a = fixture_open(f, fixture_conf(f, directives), "0");
    char packet[8192];
    struct tg_buf lines = {0};

    fixture_record(f, a, "one");
    assert_true(tg_audit_flush(a));
    tg_audit_close(a);
    for (int i = 0; i < 3; i++) {
        tg_buf_add(&lines, receive(fd, packet, sizeof(packet)));
        tg_buf_putc(&lines, '\n');
    }
    assert_int_equal(fixture_follow(tg_buf_str(&lines), no_key), 3);
    tg_buf_end(&lines);
    close(fd);
}

static void syslog_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof(un.sun_path), "%slog", f->prefix);
    check_datagrams(f, "audit_log syslog:unix:log;",
                    listen_on(AF_UNIX, SOCK_DGRAM, (struct sockaddr *)&un, sizeof(un)));
}

static void syslog_over_udp(void **state)
{
    struct fixture *f = *state;
    unsigned port;
    int fd = listen_inet(SOCK_DGRAM, &port);
    char directives[64];

    snprintf(directives, sizeof(directives), "audit_log syslog:udp:127.0.0.1:%u;", port);
    check_datagrams(f, directives, fd);
}

/* Takes one octet-counted entry (RFC 6587) off a stream. */
static struct tg_str next_entry(struct tg_str *stream)
{
    uint64_t n = 0;
    const char *blank = memchr(stream->p, ' ', stream->n);
    struct tg_str entry;

    assert_non_null(blank);
    assert_true(tg_str_u64((struct tg_str){stream->p, (size_t)(blank - stream->p)}, &n) &&
                n <= stream->n);
    entry = (struct tg_str){blank + 1, (size_t)n};
    *stream = tg_str_skip(*stream, (size_t)(blank + 1 - stream->p) + n);
    return entry;
}

/* The server closes after the first entry; the next ones arrive on a new connection. */
static void syslog_over_tcp(void **state)
{
    struct fixture *f = *state;
    unsigned port;
    int listener = listen_inet(SOCK_STREAM, &port);
    char directives[64];
    char bytes[8192];
    struct tg_audit *a;
    struct tg_str stream;
    int fd;

    snprintf(directives, sizeof(directives), "audit_log syslog:tcp:127.0.0.1:%u;", port);
    a = fixture_open(f, fixture_conf(f, directives), "0");
    fd = accept(listener, NULL, NULL);
    stream = (struct tg_str){bytes, (size_t)recv(fd, bytes, sizeof(bytes), 0)};
    assert_true(has(next_entry(&stream), "\"event\":\"start\""));
    close(fd);
    fixture_record(f, a, "one");
    if (!tg_audit_flush(a))
        await_ready(f, a);
    tg_audit_close(a);
    fd = accept(listener, NULL, NULL);
    stream = (struct tg_str){bytes, (size_t)recv(fd, bytes, sizeof(bytes), MSG_WAITALL)};
    assert_true(has(next_entry(&stream), "\"request_id\":\"one\""));
    assert_true(has(next_entry(&stream), "\"event\":\"stop\""));
    assert_int_equal(stream.n, 0);
    close(fd);
    close(listener);
}

/* A request with so many findings, changes and bytes of body that its record is far too long. */
static void fill_request(struct fixture *f, struct tg_request *r, struct tg_doc *doc)
{
    static const struct tg_json_limits limits = {64, 1000000};
    struct tg_buf text = {0};
    struct tg_json_fault fault;

    tg_buf_puts(&text, "{\"worker_server_num\":\"1\"");
    for (unsigned i = 0; i < 5000; i++)
        tg_buf_printf(&text, ",\"member_with_a_long_name_%u\":%u", i, i);
    tg_buf_putc(&text, '}');
    tg_request_init(r, &f->arena);
    r->request_id = TG_STR("large");
    r->body = tg_arena_dup(&f->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    assert_true(tg_doc_parse(doc, &f->arena, r->body, &limits, &fault));
    r->doc = doc;
    for (uint32_t m = tg_doc_first(doc, 0); m != TG_NONE; m = tg_doc_next(doc, m))
        if (tg_doc_type(doc, tg_doc_value(doc, m)) == TG_NUMBER)
            tg_doc_replace(doc, tg_doc_value(doc, m), TG_STRING, TG_STR("\"x\""), "why");
    for (unsigned i = 0; i < 300; i++)
        tg_report_add(&r->report, &(struct tg_finding){
                                      .severity = i % 2 == 0 ? TG_VIOLATION : TG_WARNING,
                                      .rule = "rule",
                                      .error = TG_E_INVALID,
                                      .pointer = tg_arena_printf(&f->arena, "/%0700u", i),
                                      .message.before = tg_arena_printf(&f->arena, "%01500u", i)});
}

/* Where a datagram would not take the record, a short one that says so goes out, and nothing is
 * lost. */
static void a_record_too_long_is_cut(void **state)
{
    struct fixture *f = *state;
    unsigned port;
    int fd = listen_inet(SOCK_DGRAM, &port);
    char directives[64];
    char *bytes = malloc(100000);
    struct tg_doc doc;
    struct tg_request request;
    struct tg_audit_record record = {
        .time = 1790000000000000, .request = &request, .status = 400, .end = TG_E_DONE};
    struct tg_audit_counts counts;
    struct tg_audit *a;
    struct tg_str entry;

    assert_non_null(bytes);
    fill_request(f, &request, &doc);
    snprintf(directives, sizeof(directives), "audit_log syslog:udp:127.0.0.1:%u;", port);
    a = fixture_open(f, fixture_conf(f, directives), "0");
    tg_audit_outcome(a, &record);
    assert_true(tg_audit_flush(a));
    tg_audit_count(a, &counts);
    assert_int_equal(counts.dropped_size, 0);
    tg_audit_close(a);
    assert_true(has(receive(fd, bytes, 100000), "\"event\":\"start\""));
    entry = receive(fd, bytes, 100000);
    assert_true(has(entry, "\"truncated\":[\"request.body\",\"patch\",\"message\"]"));
    assert_true(has(entry, "\"request_id\":\"large\"") && has(entry, "\"request.sha256\":\""));
    assert_int_equal(count(entry, "\"rule\":\"rule\""), 80);
    assert_false(has(entry, "\"patch\":[") || has(entry, "\"message\":\""));
    assert_true(entry.n < 60400);
    assert_true(has(receive(fd, bytes, 100000), "\"event\":\"stop\""));
    free(bytes);
    close(fd);
}

/* The patch stays where the record fits without its body. */
static void a_long_record_of_a_file_is_cut(void **state)
{
    struct fixture *f = *state;
    struct tg_doc doc;
    struct tg_request request;
    struct tg_audit_record record = {
        .time = 1790000000000000, .request = &request, .status = 200, .end = TG_E_DONE};
    struct tg_audit *a;
    struct tg_str text;

    fill_request(f, &request, &doc);
    request.report = (struct tg_report){.arena = &f->arena};
    a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl; audit_body full;"), "0");
    tg_audit_outcome(a, &record);
    tg_audit_close(a);
    text = fixture_read(f, f->path);
    assert_int_equal(fixture_follow(text, TG_STR("")), 3);
    assert_true(text.n < (256 << 10) + 2000);
    assert_true(has(text, "\"truncated\":[\"request.body\""));
    assert_true(has(text, "\"forwarded.sha256\":\""));
}

static void a_datagram_too_long_is_counted(void **state)
{
    struct fixture *f = *state;
    unsigned port;
    int fd = listen_inet(SOCK_DGRAM, &port);
    char directives[64];
    char *large = malloc(100000);
    struct tg_audit *a;
    struct tg_audit_counts counts;

    assert_non_null(large);
    memset(large, 'x', 99999);
    large[99999] = '\0';
    snprintf(directives, sizeof(directives), "audit_log syslog:udp:127.0.0.1:%u;", port);
    a = fixture_open(f, fixture_conf(f, directives), "0");
    fixture_record(f, a, large);
    assert_true(tg_audit_flush(a));
    tg_audit_count(a, &counts);
    assert_int_equal(counts.dropped_size, 1);
    tg_audit_close(a);
    assert_true(has(receive(fd, large, 100000), "\"seq\":1,\"event\":\"start\""));
    assert_true(has(receive(fd, large, 100000), "\"seq\":3,\"event\":\"dropped\",\"count\":1,"));
    assert_true(has(receive(fd, large, 100000), "\"seq\":4,\"event\":\"stop\""));
    free(large);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_refuses_and_recovers),
        TEST(batch_serves_on_and_counts),
        TEST(a_full_queue_is_written_within_the_turn),
        TEST(blocking_and_strict_drop_refusals_only),
        TEST(dev_full_does_not_start),
        TEST(a_removed_file_comes_back),
        TEST(a_removed_folder_refuses_until_it_is_back),
        TEST(a_torn_line_is_blanked_out),
        TEST(a_full_pipe_keeps_lines_whole),
        TEST(a_pipe_waits_for_its_reader),
        TEST(a_killed_worker_leaves_whole_lines),
        TEST(a_death_spoils_nobody_elses_line),
        TEST(syslog_over_a_unix_socket),
        TEST(syslog_over_udp),
        TEST(syslog_over_tcp),
        TEST(a_record_too_long_is_cut),
        TEST(a_long_record_of_a_file_is_cut),
        TEST(a_datagram_too_long_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
