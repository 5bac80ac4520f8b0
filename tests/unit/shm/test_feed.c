/* Rings of events: what was put in comes out, once and in order, whatever stands in the map. */
#include "shm/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 1 << 14 };

struct fixture {
    struct tg_feed *feed;
    struct tg_buf copy;
    uint64_t at;
    unsigned n;
    uint64_t numbers[MOST];
    size_t lengths[MOST];
    char last[TG_FEED_EVENT];
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->feed = calloc(1, sizeof(*f->feed));
    tg_feed_init(f->feed);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    tg_buf_end(&f->copy);
    free(f->feed);
    free(f);
    return 0;
}

static void on_event(void *owner, uint64_t number, struct tg_str text)
{
    struct fixture *f = owner;

    assert_true(text.n <= TG_FEED_EVENT && f->n < MOST);
    memcpy(f->last, text.p, text.n);
    f->lengths[f->n] = text.n;
    f->numbers[f->n++] = number;
}

static unsigned read_ring(struct fixture *f, unsigned i)
{
    f->n = 0;
    tg_feed_read(f->feed, i, &f->at, &f->copy, on_event, f);
    return f->n;
}

static void put(struct tg_feed_writer *w, size_t n, char c)
{
    char text[TG_FEED_EVENT];

    memset(text, c, n);
    tg_feed_put(w, (struct tg_str){text, n});
}

static void in_and_out(void **state)
{
    struct fixture *f = *state;
    struct tg_feed_writer w;

    tg_feed_writer_init(&w, f->feed, 3);
    assert_int_equal(read_ring(f, 3), 0);
    put(&w, 1, 'a');
    put(&w, TG_FEED_EVENT, 'b');
    assert_int_equal(read_ring(f, 3), 2);
    assert_int_equal(f->numbers[0], 1);
    assert_int_equal(f->lengths[0], 1);
    assert_int_equal(f->numbers[1], 2);
    assert_int_equal(f->lengths[1], TG_FEED_EVENT);
    assert_true(f->last[0] == 'b' && f->last[TG_FEED_EVENT - 1] == 'b');
    assert_int_equal(read_ring(f, 3), 0);
    assert_int_equal(tg_feed_settled(f->feed), 2);
}

/* Each length comes to stand across the end of the ring at some time. */
static void the_oldest_give_way(void **state)
{
    struct fixture *f = *state;
    struct tg_feed_writer w;
    uint64_t number = 0;

    tg_feed_writer_init(&w, f->feed, 0);
    for (unsigned i = 0; i < 2000; i++, number++)
        put(&w, 1 + i * 7 % 5000, (char)('a' + i % 26));
    assert_true(read_ring(f, 0) > 50);
    for (unsigned i = 0; i < f->n; i++) {
        assert_int_equal(f->numbers[i], number - f->n + i + 1);
        assert_int_equal(f->lengths[i], 1 + (f->numbers[i] - 1) * 7 % 5000);
    }
    assert_int_equal(f->last[0], 'a' + (int)((number - 1) % 26));
}

static void the_next_process_goes_on(void **state)
{
    struct fixture *f = *state;
    struct tg_feed_writer first, second;

    tg_feed_writer_init(&first, f->feed, 1);
    put(&first, 10, 'a');
    tg_feed_leave_out(&first);
    tg_feed_writer_init(&second, f->feed, 1);
    put(&second, 10, 'b');
    tg_feed_leave_out(&second);
    assert_int_equal(read_ring(f, 1), 2);
    assert_int_equal(tg_feed_left_out(f->feed), 2);
}

/* An event that is being put in may have any number from the one named on. */
static void settled(void **state)
{
    struct fixture *f = *state;
    struct tg_feed_writer w;

    tg_feed_writer_init(&w, f->feed, 1);
    put(&w, 8, 'a');
    put(&w, 8, 'b');
    f->feed->ring[7].writing = 2;
    assert_int_equal(tg_feed_settled(f->feed), 1);
    f->feed->ring[7].writing = 3;
    assert_int_equal(tg_feed_settled(f->feed), 2);
    f->feed->ring[7].writing = 1;
    assert_int_equal(tg_feed_settled(f->feed), 0);
    tg_feed_forget(f->feed, 7);
    assert_int_equal(tg_feed_settled(f->feed), 2);
}

static void watched(void **state)
{
    struct fixture *f = *state;

    assert_false(tg_feed_watched(f->feed, 0));
    tg_feed_watch(f->feed, 1000);
    assert_true(tg_feed_watched(f->feed, 1000 + TG_FEED_WATCH_US - 1));
    assert_false(tg_feed_watched(f->feed, 1000 + TG_FEED_WATCH_US));
}

/* What a process that was taken over may write: the reader ends, within its own memory, and the
 * writer goes on. */
static void nonsense(void **state)
{
    static const struct {
        uint64_t head, tail, length;
    } rows[] = {
        {UINT64_MAX, 0, 8},
        {UINT64_MAX - 7, UINT64_MAX - 7 - TG_FEED_RING, 8},
        {0, 8, 8},
        {8, 0, 8},
        {16, 0, 8},
        {TG_FEED_RING, 0, 0},
        {TG_FEED_RING, 0, TG_FEED_EVENT + 1},
        {TG_FEED_RING, 0, UINT64_MAX},
        {TG_FEED_RING, 0, UINT64_MAX - 20},
        {64, 0, 64},
        {7, 0, 8},
        {64, 1, 8},
        {TG_FEED_RING + 8, 0, 8},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_feed_writer w;

        for (size_t k = 0; k + 16 <= TG_FEED_RING; k += 8)
            memcpy(f->feed->bytes[0] + k, &rows[i].length, 8);
        f->feed->ring[0].head = rows[i].head;
        f->feed->ring[0].tail = rows[i].tail;
        for (f->at = 0; f->at < 64; f->at += 3) {
            uint64_t at = f->at;

            (void)read_ring(f, 0);
            f->at = at;
        }
        tg_feed_writer_init(&w, f->feed, 0);
        for (unsigned k = 0; k < 40; k++)
            put(&w, TG_FEED_EVENT, 'x');
        f->at = 0;
        assert_true(read_ring(f, 0) > 0);
        assert_int_equal(f->last[0], 'x');
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_and_out),
        TEST(the_oldest_give_way),
        TEST(the_next_process_goes_on),
        TEST(settled),
        TEST(watched),
        TEST(nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
