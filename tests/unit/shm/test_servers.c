/* What is known of upstreams' servers: numbers, failures in windows, states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shm/servers.h"

enum { SECOND = 1000000 };

static struct tg_server_table *new_table(void)
{
    struct tg_server_table *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    return t;
}

/* One for each pair of names, the same one again, none when there is no room. */
static void numbers(void **state)
{
    struct tg_server_table *t = new_table();
    char name[16];
    char large[TG_SERVER_TEXT];

    (void)state;
    memset(large, 'x', sizeof(large));
    assert_int_equal(tg_servers_number(t, TG_STR("a"), TG_STR("x:1")), 1);
    assert_int_equal(tg_servers_number(t, TG_STR("b"), TG_STR("x:1")), 2);
    assert_int_equal(tg_servers_number(t, TG_STR("a"), TG_STR("x:1")), 1);
    assert_int_equal(tg_servers_number(t, TG_STR("a"), (struct tg_str){large, sizeof(large)}), 0);
    for (unsigned i = 3; i <= TG_SERVERS + 1; i++) {
        snprintf(name, sizeof(name), "x:%u", i);
        assert_int_equal(tg_servers_number(t, TG_STR("c"), tg_str_of(name)),
                         i <= TG_SERVERS ? i : 0);
    }
    free(t);
}

/* As many as may be within the span, then it is down until it answers. */
static void failures(void **state)
{
    struct tg_server_table *t = new_table();
    struct tg_server_health *h = &t->at[0];
    uint64_t now = 100 * SECOND;

    (void)state;
    assert_false(tg_server_failed(h, TG_E_UPSTREAM_TLS, 2, SECOND, now));
    assert_false(tg_server_failed(h, TG_E_UPSTREAM_TLS, 2, SECOND, now + SECOND + 1));
    assert_int_equal(h->failing, 0);
    assert_true(tg_server_failed(h, TG_E_READ_TIMEOUT, 2, SECOND, now + 2 * SECOND));
    assert_int_equal(h->down_until, now + 3 * SECOND);
    assert_int_equal(h->failing, 1);
    assert_int_equal(h->last, TG_E_READ_TIMEOUT);
    assert_int_equal(h->failures[tg_server_fault(TG_E_UPSTREAM_TLS)], 2);
    assert_int_equal(h->failures[tg_server_fault(TG_E_READ_TIMEOUT)], 1);
    assert_true(h->since > 0 && h->failed >= h->since - SECOND);
    tg_server_answered(h);
    assert_int_equal(h->failing, 0);
    assert_false(tg_server_failed(h, TG_E_UPSTREAM_CLOSED, 2, SECOND, now + 4 * SECOND));
    tg_server_answered(h); /* what came between counts from the start */
    assert_false(tg_server_failed(h, TG_E_UPSTREAM_CLOSED, 2, SECOND, now + 4 * SECOND));
    free(t);
}

/* max_fails=0 passes nobody over, and hides nothing. */
static void never_passed_over(void **state)
{
    struct tg_server_health h = {.text = "a\nb"};

    (void)state;
    assert_false(tg_server_failed(&h, TG_E_UPSTREAM_CONNECT, 0, SECOND, SECOND));
    assert_int_equal(h.down_until, 0);
    assert_int_equal(h.failing, 1);
}

/* What is nobody's, the client's or a proxy's fault is no server's. */
static void whose_fault(void **state)
{
    unsigned n = 0;

    (void)state;
    for (int e = 0; e < TG_E_COUNT; e++)
        n += tg_server_fault((enum tg_error)e) >= 0;
    assert_int_equal(n, TG_SERVER_FAULTS);
    assert_int_equal(tg_server_fault(TG_E_PROXY_REFUSED), -1);
    assert_int_equal(tg_server_fault(TG_E_DONE), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(failures),
        cmocka_unit_test(never_passed_over),
        cmocka_unit_test(whose_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
