/* What is told of: the refused and the changed always, the others to who looks, of all not more
 * than can be read. */
#include "shm/teller.h"

#include "audit/conf.h"
#include "audit/record.h"
#include "json/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BURST = 257, SECOND = 1000000 };

struct fixture {
    struct tg_stats *stats;
    struct tg_teller *teller;
    struct tg_arena arena;
    struct tg_request request;
    struct tg_audit_record record;
};

static int begin(void **state)
{
    static const struct tg_audit_conf conf = {.target = TG_AUDIT_OFF,
                                              .mode = TG_AUDIT_BLOCKING,
                                              .body = TG_AUDIT_BODY_NONE,
                                              .checked = true};
    struct fixture *f = calloc(1, sizeof(*f));

    f->stats = tg_stats_new();
    f->teller = tg_teller_new(&conf, f->stats, 5);
    tg_arena_init(&f->arena);
    tg_request_init(&f->request, &f->arena);
    f->record = (struct tg_audit_record){.time = 1, .request = &f->request, .status = 200};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    tg_teller_end(f->teller);
    tg_stats_end(f->stats);
    tg_arena_end(&f->arena);
    free(f);
    return 0;
}

/* How many of `n` are told. */
static uint64_t told(struct fixture *f, unsigned n, uint64_t now)
{
    uint64_t before = f->stats->feed.numbers, left_out = tg_feed_left_out(&f->stats->feed);

    for (unsigned i = 0; i < n; i++)
        tg_teller_tell(f->teller, &f->record, now);
    if (f->stats->feed.numbers > before) /* none is forgotten */
        assert_int_equal(
            f->stats->feed.numbers - before + (tg_feed_left_out(&f->stats->feed) - left_out), n);
    return f->stats->feed.numbers - before;
}

static void ordinary(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(told(f, 10, SECOND), 0);
    assert_int_equal(tg_feed_left_out(&f->stats->feed), 0);
    tg_feed_watch(&f->stats->feed, SECOND);
    assert_int_equal(told(f, 10, SECOND), 10);
    assert_int_equal(told(f, 10, SECOND + TG_FEED_WATCH_US), 0);
}

static void notable(void **state)
{
    struct fixture *f = *state;
    struct tg_doc doc = {.nchanges = 1};

    f->record.end = TG_E_NOT_JSON;
    assert_int_equal(told(f, 10, SECOND), 10);
    f->record.end = TG_E_UPSTREAM_TLS;
    assert_int_equal(told(f, 10, SECOND), 10);
    f->record.end = TG_E_DONE;
    f->request.report.warnings = 1;
    assert_int_equal(told(f, 10, SECOND), 10);
    f->request.report.warnings = 0;
    assert_false(tg_audit_changed(&f->record));
    f->request.doc = &doc;
    assert_true(tg_audit_changed(&f->record));
    f->record.end = TG_E_CLIENT_GONE;
    assert_false(tg_audit_changed(&f->record));
}

/* Those of one kind take none of the other's. */
static void not_more_than_can_be_read(void **state)
{
    struct fixture *f = *state;

    tg_feed_watch(&f->stats->feed, SECOND);
    assert_int_equal(told(f, 1000, SECOND), BURST);
    assert_int_equal(told(f, 1000, SECOND + SECOND / 10), 10);
    assert_int_equal(tg_feed_left_out(&f->stats->feed), 1000 - BURST + 990);
    f->record.end = TG_E_NOT_JSON;
    assert_int_equal(told(f, 1000, SECOND + SECOND / 10), BURST);
    assert_int_equal(told(f, 1000, 10 * SECOND), BURST);
}

static void nobody(void **state)
{
    struct fixture *f = *state;

    tg_teller_tell(NULL, &f->record, 1);
    tg_teller_end(NULL);
    assert_int_equal(f->stats->feed.numbers, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ordinary),
        TEST(notable),
        TEST(not_more_than_can_be_read),
        TEST(nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
