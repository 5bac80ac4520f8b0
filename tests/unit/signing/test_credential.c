/* The shared map of the gateway's own keys: states, consistent copies, who may write. */
#include "signing/credential.h"

#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct tg_source_conf source = {.kind = TG_SOURCE_METADATA,
                                             .base = TG_STR("http://169.254.169.254")};
static const struct tg_source_conf other = {.kind = TG_SOURCE_METADATA,
                                            .base = TG_STR("http://127.0.0.1")};

static struct tg_credential key(char letter, int64_t expires_at)
{
    struct tg_credential k = {.expires_at = expires_at};

    memset(k.access_key, letter, TG_CREDENTIAL_KEY - 1);
    memset(k.secret, letter, TG_CREDENTIAL_SECRET - 1);
    memset(k.token, letter, TG_CREDENTIAL_TOKEN - 1);
    return k;
}

static const char *state_of(struct tg_credential_map *c, int number, int64_t now)
{
    struct tg_credential_status status;

    tg_credential_map_status(c, number, now, &status);
    return tg_credential_state_text(status.state);
}

static void names_have_numbers(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    char name[TG_CREDENTIAL_NAME + 1];

    (void)state;
    assert_non_null(c);
    memset(name, 'n', sizeof(name));
    assert_int_equal(
        tg_credential_map_number(c, (struct tg_str){name, TG_CREDENTIAL_NAME}, &source), -1);
    assert_int_equal(
        tg_credential_map_number(c, (struct tg_str){name, TG_CREDENTIAL_NAME - 1}, &source), 0);
    for (int i = 1; i < TG_CREDENTIALS; i++) {
        int n = snprintf(name, sizeof(name), "c%d", i);
        assert_int_equal(tg_credential_map_number(c, (struct tg_str){name, (size_t)n}, &source), i);
    }
    assert_int_equal(tg_credential_map_number(c, TG_STR("one more"), &source), -1);
    assert_int_equal(tg_credential_map_number(c, TG_STR("c3"), &source), 3);
    assert_int_equal(tg_credential_map_count(c), TG_CREDENTIALS);
    tg_credential_map_end(c);
}

static void states_follow_the_key(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source);
    struct tg_credential a = key('a', 1000), b = key('b', 0), got;
    struct tg_credential_status status;

    (void)state;
    assert_string_equal(state_of(c, n, 1), "none");
    assert_false(tg_credential_map_read(c, n, 1, &got));
    tg_credential_map_failed(c, n, TG_STR("connect"), true);
    assert_string_equal(state_of(c, n, 1), "none");
    tg_credential_map_publish(c, n, &a, 10);
    assert_string_equal(state_of(c, n, 999), "fresh");
    tg_credential_map_failed(c, n, TG_STR("status 503"), false);
    assert_string_equal(state_of(c, n, 999), "fresh");
    tg_credential_map_failed(c, n, TG_STR("status 503"), true);
    assert_string_equal(state_of(c, n, 999), "stale");
    assert_true(tg_credential_map_read(c, n, 999, &got));
    a.serial = 1;
    assert_memory_equal(&got, &a, sizeof(got));
    assert_string_equal(state_of(c, n, 1000), "expired");
    assert_false(tg_credential_map_read(c, n, 1000, &got));
    tg_credential_map_publish(c, n, &b, 1001);
    assert_true(tg_credential_map_read(c, n, INT64_MAX, &got));
    b.serial = 2;
    tg_credential_map_status(c, n, 1001, &status);
    assert_string_equal(status.name, "cloud");
    assert_string_equal(status.error, "");
    assert_string_equal(status.access_key, b.access_key);
    assert_int_equal(status.refreshed_at, 1001);
    assert_int_equal(status.refreshes[0], 3);
    assert_int_equal(status.refreshes[1], 2);
    tg_credential_map_end(c);
}

static void long_errors_are_cut(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source);
    struct tg_credential_status status;
    char text[TG_CREDENTIAL_ERROR];

    (void)state;
    memset(text, 'e', sizeof(text));
    for (size_t length = TG_CREDENTIAL_ERROR - 2; length <= TG_CREDENTIAL_ERROR; length++) {
        tg_credential_map_failed(c, n, (struct tg_str){text, length}, false);
        tg_credential_map_status(c, n, 1, &status);
        size_t kept = length < TG_CREDENTIAL_ERROR ? length : TG_CREDENTIAL_ERROR - 1;
        assert_int_equal(strlen(status.error), kept);
    }
    tg_credential_map_end(c);
}

/* True when one set of a key, secret and token is in the copy. */
static bool is_whole(const struct tg_credential *got)
{
    char letter = got->access_key[0];
    struct tg_credential whole = key(letter, letter);

    whole.serial = got->serial;
    return memcmp(got, &whole, sizeof(whole)) == 0;
}

static void copies_are_never_of_two_keys(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source);
    struct tg_credential a = key('a', 'a'), b = key('b', 'b'), got;
    int status;

    (void)state;
    tg_credential_map_publish(c, n, &a, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = tg_credential_map_read_only(c);
        for (int i = 0; i < 20000 && good; i++)
            good = tg_credential_map_read(c, n, 1, &got) && is_whole(&got);
        tg_credential_map_end(c);
        _exit(good ? 0 : 1);
    }
    for (int i = 0; waitpid(child, &status, WNOHANG) == 0; i++)
        tg_credential_map_publish(c, n, i % 2 ? &a : &b, 1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tg_credential_map_end(c);
}

static void old_keys_are_wiped(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source);
    struct tg_credential a = key('a', 0), b = key('b', 0), got;

    (void)state;
    tg_credential_map_publish(c, n, &a, 1);
    tg_credential_map_publish(c, n, &b, 2);
    tg_credential_map_wipe_old(c, n);
    assert_true(tg_credential_map_read(c, n, 3, &got));
    assert_int_equal(got.serial, 2);
    b.serial = 2;
    assert_memory_equal(&got, &b, sizeof(got));
    tg_credential_map_end(c);
}

/* True when the process has given writing up, and the kernel does not give it back. */
static bool stays_read_only(struct tg_credential_map *c)
{
    unsigned long from = 0, to = 0;
    bool writable = false;
    char line[512];

    if (!tg_credential_map_read_only(c) || !tg_credential_map_read_only(c))
        return false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, "trainguard-credentials") != NULL) {
            writable |= strstr(line, " rw") != NULL;
            sscanf(line, "%lx-%lx", &from, &to);
        }
    if (maps != NULL)
        fclose(maps);
    return from != 0 && !writable && mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) != 0;
}

/* A process that gave writing up does not get it back, also when it asks the kernel for it. */
static void readers_cannot_write(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source);
    struct tg_credential a = key('a', 0);
    int status;

    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = stays_read_only(c);
        tg_credential_map_end(c);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    tg_credential_map_publish(c, n, &a, 1);
    tg_credential_map_end(c);
}

/* The map of a new configuration has the keys of the old one, where name and source are the same.
 */
static void keys_outlive_their_map(void **state)
{
    struct tg_credential_map *old = tg_credential_map_new(), *new = tg_credential_map_new();
    struct tg_credential a = key('a', 'a'), b = key('b', 'b'), got;
    struct tg_credential_status status;

    (void)state;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"same", "moved", "fresh"};
        struct tg_str name = tg_str_of(names[i]);
        assert_int_equal(tg_credential_map_number(old, name, &source), i);
        assert_int_equal(tg_credential_map_number(new, name, i == 1 ? &other : &source), i);
        tg_credential_map_publish(old, i, &a, 1);
    }
    tg_credential_map_publish(new, 2, &b, 2);
    tg_credential_map_adopt(new, old);
    assert_true(tg_credential_map_read(new, 0, 3, &got) && is_whole(&got));
    assert_int_equal(got.serial, 1);
    assert_false(tg_credential_map_read(new, 1, 3, &got));
    assert_true(tg_credential_map_read(new, 2, 3, &got));
    assert_int_equal(got.access_key[0], 'b');
    assert_int_equal(got.serial, 2);
    tg_credential_map_status(new, 2, 3, &status);
    assert_int_equal(status.refreshes[1], 2);
    tg_credential_map_end(old);
    tg_credential_map_end(new);
}

/* The next program finds them behind the descriptor, and takes nothing else for them. */
static void keys_go_to_the_next_program(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();
    int n = tg_credential_map_number(c, TG_STR("cloud"), &source), ends[2];
    struct tg_credential a = key('a', 'a'), got;

    (void)state;
    tg_credential_map_publish(c, n, &a, 1);
    struct tg_credential_map *next = tg_credential_map_import(dup(tg_credential_map_export(c)));
    assert_non_null(next);
    assert_true(tg_credential_map_read(next, 0, 2, &got) && is_whole(&got));
    tg_credential_map_end(next);
    assert_int_equal(pipe(ends), 0);
    assert_null(tg_credential_map_import(ends[0]));
    assert_null(tg_credential_map_import(-1));
    close(ends[0]);
    close(ends[1]);
    tg_credential_map_end(c);
}

/* What the keeper is asked for, also by who cannot write the map. */
static void refreshes_are_asked_for(void **state)
{
    struct tg_credential_map *c = tg_credential_map_new();

    (void)state;
    assert_int_equal(tg_credential_map_number(c, TG_STR("a"), &source), 0);
    assert_int_equal(tg_credential_map_number(c, TG_STR("b"), &source), 1);
    assert_int_equal(tg_credential_map_asked(c), -1);
    assert_true(tg_credential_map_read_only(c));
    for (int i = 0; i < 100000; i++) /* nobody is stopped by a pipe that is full */
        tg_credential_map_ask(c, 1);
    assert_int_equal(tg_credential_map_asked(c), 1);
    while (tg_credential_map_asked(c) == 1)
        ;
    assert_int_equal(tg_credential_map_asked(c), -1);
    tg_credential_map_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_outlive_their_map),
        cmocka_unit_test(keys_go_to_the_next_program),
        cmocka_unit_test(refreshes_are_asked_for),
        cmocka_unit_test(names_have_numbers),
        cmocka_unit_test(states_follow_the_key),
        cmocka_unit_test(long_errors_are_cut),
        cmocka_unit_test(copies_are_never_of_two_keys),
        cmocka_unit_test(old_keys_are_wiped),
        cmocka_unit_test(readers_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
