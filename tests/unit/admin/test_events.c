/* The feed in order: ids, what is taken up again, what is skipped. */
#include "admin/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct tg_feed *feed;
    struct tg_events events;
    struct tg_feed_writer writer[3];
    struct tg_buf out;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->feed = calloc(1, sizeof(*f->feed));
    memcpy(f->feed->epoch, "00112233445566ff", TG_FEED_EPOCH);
    tg_events_init(&f->events, f->feed);
    for (unsigned i = 0; i < 3; i++)
        tg_feed_writer_init(&f->writer[i], f->feed, i * 100);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    tg_events_end(&f->events);
    tg_buf_end(&f->out);
    free(f->feed);
    free(f);
    return 0;
}

static void put(struct fixture *f, unsigned writer, const char *text)
{
    tg_feed_put(&f->writer[writer], tg_str_of(text));
}

static void told(struct fixture *f, struct tg_events_place *place, bool silent, const char *wanted)
{
    f->out.n = 0;
    tg_events_read(&f->events);
    tg_events_tell(&f->events, place, silent, &f->out);
    tg_buf_putc(&f->out, '\0');
    assert_string_equal(f->out.p, wanted);
}

#define ID "id: 00112233445566ff."

static void in_order(void **state)
{
    struct fixture *f = *state;
    struct tg_events_place place = {0, 0};

    put(f, 0, "{\"a\":1}");
    put(f, 2, "{\"a\":2}");
    put(f, 1, "{\"a\":3}");
    put(f, 0, "{\"a\":4}");
    told(f, &place, false,
         ID "1.0\ndata: {\"a\":1}\n\n" ID "2.0\ndata: {\"a\":2}\n\n" ID
            "3.0\ndata: {\"a\":3}\n\n" ID "4.0\ndata: {\"a\":4}\n\n");
    told(f, &place, false, "");
}

/* Who waits for an event that is being put in gets those behind it later, too. */
static void under_way(void **state)
{
    struct fixture *f = *state;
    struct tg_events_place place = {0, 0};

    put(f, 0, "{\"a\":1}");
    put(f, 1, "{\"a\":2}");
    f->feed->ring[200].writing = 2;
    told(f, &place, false, ID "1.0\ndata: {\"a\":1}\n\n");
    f->feed->ring[200].writing = 0;
    told(f, &place, false, ID "2.0\ndata: {\"a\":2}\n\n");
}

/* One event for all that was lost, wherever. */
static void skipped(void **state)
{
    struct fixture *f = *state;
    struct tg_events_place place = {0, 0};

    put(f, 0, "{\"a\":1}");
    told(f, &place, false, ID "1.0\ndata: {\"a\":1}\n\n");
    f->feed->numbers = 4; /* of processes that died */
    tg_feed_leave_out(&f->writer[1]);
    tg_feed_leave_out(&f->writer[0]);
    put(f, 1, "{\"a\":5}");
    told(f, &place, false, ID "4.2\nevent: skipped\ndata: 5\n\n" ID "5.2\ndata: {\"a\":5}\n\n");
    tg_feed_leave_out(&f->writer[0]);
    told(f, &place, false, ID "5.3\nevent: skipped\ndata: 1\n\n");
    place = tg_events_first(&f->events);
    told(f, &place, true, ID "1.3\ndata: {\"a\":1}\n\n" ID "5.3\ndata: {\"a\":5}\n\n");
}

static void places(void **state)
{
    static const struct {
        const char *id;
        bool known;
    } rows[] = {
        {"00112233445566ff.1.0", true},
        {"00112233445566ff.0.0", true},
        {"00112233445566ff.2.0", false},
        {"00112233445566ff.1.1", false},
        {"00112233445566f0.1.0", false},
        {"00112233445566ff.1", false},
        {"00112233445566ff.1.0.0", false},
        {"00112233445566ff..0", false},
        {"00112233445566ff.-1.0", false},
        {"00112233445566ff", false},
        {"00112233445566ff.", false},
        {"", false},
        {"00112233445566ff.18446744073709551616.0", false},
    };
    struct fixture *f = *state;
    struct tg_events_place place;

    put(f, 0, "{}");
    tg_events_read(&f->events);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (tg_events_place(&f->events, tg_str_of(rows[i].id), &place) != rows[i].known)
            fail_msg("%s", rows[i].id);
    assert_false(tg_events_place(&f->events, tg_str_of(NULL), &place));
}

/* What is no line of JSON is none of ours. */
static void nonsense(void **state)
{
    static const char *const texts[] = {"x",   "{\"a\":1}\n\ndata: x", "{\"a\":1",
                                        "[1]", "{\"a\":\"\xff\"}",     "{\"a\":1}\r"};
    struct fixture *f = *state;
    struct tg_events_place place = {0, 0};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        put(f, 0, texts[i]);
    put(f, 0, "{}");
    told(f, &place, false, ID "6.0\nevent: skipped\ndata: 6\n\n" ID "7.0\ndata: {}\n\n");
}

static void bounded(void **state)
{
    struct fixture *f = *state;
    struct tg_events_place place;

    for (unsigned i = 0; i < TG_EVENTS_KEPT + 100; i++) {
        put(f, 0, "{}");
        if (i % 50 == 0)
            tg_events_read(&f->events);
    }
    tg_events_read(&f->events);
    assert_int_equal(f->events.n, TG_EVENTS_KEPT);
    place = tg_events_first(&f->events);
    assert_int_equal(place.number, TG_EVENTS_KEPT + 100 - TG_EVENTS_SHOWN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_order), TEST(under_way), TEST(skipped), TEST(places), TEST(nonsense), TEST(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
