/* The log of one worker on a good day: lines, chain, streams, rotation, several workers. */
#include "audit_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

static void lines_are_chained(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl;"), "0");
    struct tg_str text;

    fixture_record(f, a, "one");
    fixture_record(f, a, "two");
    text = fixture_read(f, f->path);
    assert_int_equal(count(text, "\n"), 1); /* the start record; the others wait for the flush */
    assert_true(tg_audit_flush(a));
    tg_audit_close(a);
    text = fixture_read(f, f->path);
    assert_int_equal(fixture_follow(text, (struct tg_str){NULL, 0}), 4);
    assert_true(has(text, "\"seq\":2,\"event\":\"outcome\",\"request_id\":\"one\""));
    assert_true(has(text, "\"event\":\"stop\",\"records\":2"));
    f->text.p[200] ^= 1;
    assert_int_equal(fixture_follow(tg_buf_str(&f->text), (struct tg_str){NULL, 0}), -1);
}

static void a_key_changes_the_chain(void **state)
{
    struct fixture *f = *state;
    struct tg_str key = TG_STR("0123456789abcdef0123");
    char name[100];
    FILE *file;

    snprintf(name, sizeof(name), "%skey", f->prefix);
    file = fopen(name, "w");
    assert_non_null(file);
    fputs("0123456789abcdef0123\n", file);
    fclose(file);
    chmod(name, 0600);
    tg_audit_close(fixture_open(f, fixture_conf(f, "audit_log a.jsonl; audit_key_file key;"), "0"));
    assert_int_equal(fixture_follow(fixture_read(f, f->path), key), 2);
    assert_int_equal(fixture_follow(tg_buf_str(&f->text), (struct tg_str){NULL, 0}), -1);
    assert_true(has(tg_buf_str(&f->text), "\"chain_algorithm\":\"hmac-sha256\""));
    assert_false(has(tg_buf_str(&f->text), "0123456789abcdef0123"));
    assert_int_equal(f->conf.warnings, 0);
}

static void a_stream_names_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct tg_audit_conf *conf = fixture_conf(f, "audit_log a.jsonl;");
    char stream[16] = "";
    char want[64];
    struct tg_str text;

    tg_audit_close(fixture_open(f, conf, "0"));
    text = fixture_read(f, f->path);
    memcpy(stream, strstr(text.p, "\"stream\":\"") + 10, 14);
    tg_audit_close(fixture_open(f, conf, "1"));
    tg_audit_close(fixture_open(f, conf, "0"));
    text = fixture_read(f, f->path);
    snprintf(want, sizeof(want), "\"previous.stream\":\"%s\",\"previous.seq\":2", stream);
    assert_int_equal(count(text, want), 2); /* by worker 1 for want of its own, and by worker 0 */
}

/* A stream that another worker has written much behind. */
static void a_stream_is_found_far_back(void **state)
{
    struct fixture *f = *state;
    struct tg_audit_conf *conf = fixture_conf(f, "audit_log a.jsonl;");
    struct tg_audit *a;
    char *large = malloc(700 << 10);

    assert_non_null(large);
    memset(large, 'x', (700 << 10) - 1);
    large[(700 << 10) - 1] = '\0';
    tg_audit_close(fixture_open(f, conf, "0"));
    a = fixture_open(f, conf, "1");
    for (int i = 0; i < 4; i++)
        fixture_record(f, a, large);
    tg_audit_close(a);
    tg_audit_close(fixture_open(f, conf, "0"));
    fixture_read(f, f->path);
    assert_int_equal(count(tg_buf_str(&f->text), "\"previous.stream\":\"0-"), 2);
    free(large);
}

static void off_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log off;"), "0");

    fixture_record(f, a, "one");
    assert_true(tg_audit_flush(a) && tg_audit_ready(a) && !tg_audit_wants_intent(a));
    tg_audit_close(a);
    tg_audit_close(NULL);
}

static void strict_wants_intents(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl mode=strict;"), "0");
    struct tg_request request;
    struct tg_audit_record record = {.time = 1, .request = &request};

    tg_request_init(&request, &f->arena);
    assert_true(tg_audit_wants_intent(a));
    tg_audit_intent(a, &record);
    record.status = 200;
    tg_audit_outcome(a, &record);
    tg_audit_close(a);
    fixture_read(f, f->path);
    assert_int_equal(count(tg_buf_str(&f->text), "\"event\":\"intent\""), 1);
    assert_int_equal(count(tg_buf_str(&f->text), "\"end\":\"done\""), 1);
}

static void rotation_loses_no_line(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a =
        fixture_open(f, fixture_conf(f, "audit_log a.jsonl rotate=4k keep=3;"), "0");
    unsigned lines = 0;
    char name[120];

    for (int i = 0; i < 50; i++) {
        fixture_record(f, a, "id");
        assert_true(tg_audit_flush(a));
    }
    tg_audit_close(a);
    for (int i = 0; i < 4; i++) {
        struct stat st;

        snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", f->path, i);
        assert_int_equal(stat(name, &st), 0);
        assert_true(i == 0 || (st.st_size >= 4096 && st.st_size < 5000));
        fixture_read(f, name);
        lines += count(tg_buf_str(&f->text), "\"event\":\"outcome\"");
        if (i < 3)
            assert_true(has(tg_buf_str(&f->text), "\"event\":\"continue\""));
    }
    snprintf(name, sizeof(name), "%s.4", f->path);
    assert_int_equal(access(name, F_OK), -1);
    assert_true(lines > 30);
}

static void reopen_continues(void **state)
{
    struct fixture *f = *state;
    struct tg_audit *a = fixture_open(f, fixture_conf(f, "audit_log a.jsonl;"), "0");
    char moved[120];

    fixture_record(f, a, "one");
    snprintf(moved, sizeof(moved), "%s.moved", f->path);
    assert_int_equal(rename(f->path, moved), 0);
    tg_audit_reopen(a);
    fixture_record(f, a, "two");
    tg_audit_close(a);
    fixture_read(f, moved);
    assert_true(has(tg_buf_str(&f->text), "\"request_id\":\"one\""));
    fixture_read(f, f->path);
    assert_int_equal(count(tg_buf_str(&f->text), "\n"), 3);
    assert_true(has(tg_buf_str(&f->text), "\"seq\":2,\"event\":\"continue\""));
}

enum { WORKERS = 4, RECORDS = 500 };

static void write_many(struct fixture *f, const struct tg_audit_conf *conf, int worker)
{
    char name[8];
    struct tg_audit *a;

    snprintf(name, sizeof(name), "%d", worker);
    a = fixture_open(f, conf, name);
    for (int i = 0; i < RECORDS; i++) {
        fixture_record(f, a, "id");
        if (i % 3 == 0)
            tg_audit_flush(a);
    }
    tg_audit_close(a);
}

static unsigned count_all(struct fixture *f, int files, const char *part)
{
    unsigned n = 0;
    char name[120];

    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", f->path, i);
        n += count(fixture_read(f, name), part);
    }
    return n;
}

/* Every line of every file begins and ends as lines do. */
static void check_lines(struct fixture *f, int files)
{
    assert_int_equal(count_all(f, files, "\n"), count_all(f, files, "\"}\n"));
    assert_int_equal(count_all(f, files, "\n"), count_all(f, files, "{\"time\":\""));
    assert_int_equal(count_all(f, files, "\n"), count_all(f, files, "\"chain\":\""));
}

static void workers_share_a_file(void **state)
{
    static const char *const settings[] = {"audit_log a.jsonl;",
                                           "audit_log a.jsonl rotate=64k keep=99;"};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct tg_audit_conf *conf = fixture_conf(f, settings[i]);

        unlink(f->path);
        for (int w = 0; w < WORKERS; w++)
            if (fork() == 0) {
                write_many(f, conf, w);
                _exit(0);
            }
        for (int w = 0; w < WORKERS; w++) {
            int status;

            assert_true(wait(&status) > 0 && status == 0);
        }
        assert_int_equal(count_all(f, 99, "\"event\":\"outcome\""), WORKERS * RECORDS);
        check_lines(f, 99);
    }
}

static void directives_are_checked(void **state)
{
    static const char *const bad[][2] = {
        {"audit_log;", "audit_log"},
        {"audit_log a mode=fast;", "fast"},
        {"audit_log a rotate=1;", "4k"},
        {"audit_log a keep=0;", "between 1 and 9999"},
        {"audit_log a speed=9;", "speed=9"},
        {"audit_log syslog:udp:localhost;", "HOST:PORT"},
        {"audit_log syslog:udp:localhost:99999;", "65535"},
        {"audit_log syslog:carrier-pigeon;", "syslog:unix:PATH"},
        {"audit_log a; audit_body some;", "metadata"},
        {"audit_log missing/a;", "No such file"},
        {"audit_log /dev/null mode=strict;", "mode=strict takes a regular file"},
        {"audit_log syslog:udp:localhost:514 mode=strict;", "mode=strict takes a regular file"},
        {"audit_log syslog:unix:log mode=strict;", "mode=strict takes a regular file"},
        {"audit_log a; audit_key_file missing;", "No such file"},
        {"audit_log a; audit_redact \"\";", "empty"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        bool told = false;

        tg_conf_init(&f->conf, &f->arena, f->prefix);
        if (fixture_conf(f, bad[i][0]) != NULL)
            fail_msg("taken: %s", bad[i][0]);
        for (const struct tg_conf_problem *p = f->conf.problems; p != NULL; p = p->next)
            told = told || strstr(p->text, bad[i][1]) != NULL;
        if (!told)
            fail_msg("%s: %s", bad[i][0], f->conf.problems->text);
    }
}

/* A key of so many bytes, and whom its file lets read it. */
static const struct {
    size_t n;
    mode_t mode;
    const char *fault, *warning;
} keys[] = {
    {0, 0600, "a key has 16 to 4096 bytes", NULL},
    {15, 0600, "a key has 16 to 4096 bytes", NULL},
    {16, 0600, NULL, NULL},
    {17, 0400, NULL, NULL},
    {4095, 0600, NULL, NULL},
    {4096, 0600, NULL, NULL},
    {4097, 0600, "a key has 16 to 4096 bytes", NULL},
    {32, 0440, NULL, NULL},
    {32, 0444, NULL, "everybody can read it"},
    {32, 0604, NULL, "everybody can read it"},
    {32, 0620, NULL, "others than its owner can write it"},
    {32, 0602, NULL, "others than its owner can write it"},
};

static void key_files(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], bytes[4097];

    memset(bytes, 'k', sizeof(bytes));
    snprintf(path, sizeof(path), "%skey", f->prefix);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        FILE *file = fopen(path, "w");
        const char *said;

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, keys[i].n, file), keys[i].n);
        fputs("\r\n", file);
        fclose(file);
        assert_int_equal(chmod(path, keys[i].mode), 0);
        tg_conf_init(&f->conf, &f->arena, f->prefix);
        if ((fixture_conf(f, "audit_log a; audit_key_file key;") != NULL) !=
            (keys[i].fault == NULL))
            fail_msg("a key of %zu bytes", keys[i].n);
        said = f->conf.problems != NULL ? f->conf.problems->text : "nothing";
        if (keys[i].fault != NULL || keys[i].warning != NULL)
            assert_non_null(strstr(said, keys[i].fault ? keys[i].fault : keys[i].warning));
        else
            assert_string_equal(said, "nothing");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
    const struct CMUnitTest tests[] = {
        TEST(lines_are_chained),
        TEST(a_key_changes_the_chain),
        TEST(a_stream_is_found_far_back),
        TEST(off_writes_nothing),
        TEST(a_stream_names_the_one_before),
        TEST(reopen_continues),
        TEST(rotation_loses_no_line),
        TEST(strict_wants_intents),
        TEST(workers_share_a_file),
        TEST(directives_are_checked),
        TEST(key_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
