/* Packets between workers and the syncer: who has which end, what is whole, what is full, what
 * ends. */
#include "shm/limit_asks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

static unsigned receive(int fd, struct tg_limit_ask *out, bool expect_end)
{
    bool ended;
    unsigned n = tg_limit_receive(fd, out, sizeof(*out), &ended);

    assert_int_equal(ended, expect_end);
    return n;
}

static void each_has_its_own(void **state)
{
    const struct tg_limit_ask sent[] = {{.id = 1}, {.id = 2}, {.id = 3}};
    struct tg_limit_ask got[TG_LIMIT_PACKET];
    struct tg_limit_channels c = {.n = 0};

    (void)state;
    assert_true(tg_limit_channels_open(&c, 2));
    assert_int_equal(receive(c.syncer[1], got, false), 0);
    assert_true(tg_limit_send(c.worker[1], sent, 3, sizeof(*sent)));
    assert_true(tg_limit_send(c.worker[1], sent, 1, sizeof(*sent)));
    assert_int_equal(receive(c.syncer[0], got, false), 0);
    assert_int_equal(receive(c.syncer[1], got, false), 3);
    assert_int_equal(got[2].id, 3);
    assert_int_equal(receive(c.syncer[1], got, false), 1);
    assert_int_equal(send(c.worker[1], sent, sizeof(*sent) - 1, 0), sizeof(*sent) - 1);
    assert_int_equal(receive(c.syncer[1], got, false), 0); /* no whole one */
    tg_limit_channels_end(&c);
    assert_int_equal(c.n, 0);
    tg_limit_channels_end(&c);
}

static void nobody_reads(void **state)
{
    struct tg_limit_ask asks[TG_LIMIT_PACKET] = {{.id = 0}};
    struct tg_limit_channels c = {.n = 0};
    unsigned sent = 0, got = 0, n;

    (void)state;
    assert_true(tg_limit_channels_open(&c, 1));
    while (tg_limit_send(c.worker[0], asks, TG_LIMIT_PACKET, sizeof(*asks)))
        sent += TG_LIMIT_PACKET;
    while ((n = receive(c.syncer[0], asks, false)) > 0)
        got += n;
    assert_int_equal(got, sent);
    assert_true(tg_limit_send(c.worker[0], asks, 1, sizeof(*asks)));
    tg_limit_channels_end(&c);
}

/* As long as the master has both ends nothing ends; of a configuration that is gone, both sides see
 * the other end. */
static void who_keeps_what(void **state)
{
    struct tg_limit_ask ask = {.id = 1};
    struct tg_limit_channels c = {.n = 0};
    int mine;

    (void)state;
    assert_true(tg_limit_channels_open(&c, 3));
    mine = tg_limit_channels_of_worker(&c, 1);
    assert_true(mine >= 0 && c.worker[0] < 0 && c.worker[2] < 0 && c.syncer[1] < 0);
    assert_int_equal(receive(mine, &ask, true), 0);
    assert_false(tg_limit_send(mine, &ask, 1, sizeof(ask)));
    assert_int_equal(tg_limit_channels_of_worker(&c, 3), -1);
    tg_limit_channels_end(&c);
    assert_int_equal(tg_limit_channels_of_worker(&c, 0), -1);

    assert_true(tg_limit_channels_open(&c, 1));
    tg_limit_channels_of_syncer(&c);
    assert_int_equal(receive(c.syncer[0], &ask, true), 0);
    tg_limit_channels_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_own),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(who_keeps_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
