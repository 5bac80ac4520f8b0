/* The feed: whatever stands in the map, what is told are events of one line of JSON each, with ids
 * that are taken back. */
#include "admin/events.h"
#include "base/check.h"

#include <sys/mman.h>

enum { RINGS = 3, FILLED = 4096 }; /* bytes of a ring that are the input's, again and again */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_feed *feed;

/* The next eight bytes of the input; 0 behind its end. */
static uint64_t next(const uint8_t **data, size_t *size)
{
    uint64_t value = 0;
    size_t n = *size < sizeof(value) ? *size : sizeof(value);

    memcpy(&value, *data, n);
    *data += n;
    *size -= n;
    return value;
}

static void fill(const uint8_t *data, size_t size)
{
    feed->numbers = next(&data, &size);
    for (unsigned i = 0; i < RINGS; i++) {
        struct tg_feed_ring *r = &feed->ring[i];

        r->tail = next(&data, &size);
        r->head = r->tail + next(&data, &size) % (2 * TG_FEED_RING);
        r->writing = next(&data, &size);
        r->left_out = next(&data, &size);
    }
    for (unsigned i = 0; i < RINGS; i++)
        for (size_t at = 0; size > 0 && at < FILLED; at += size)
            memcpy(feed->bytes[i] + (feed->ring[i].tail + at) % (TG_FEED_RING - FILLED), data,
                   size < FILLED - at ? size : FILLED - at);
}

/* The line that `*rest` begins with. */
static struct tg_str line(struct tg_str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    struct tg_str l;

    CHECK(end != NULL);
    l = (struct tg_str){rest->p, (size_t)(end - rest->p)};
    *rest = tg_str_skip(*rest, l.n + 1);
    return l;
}

static void check(const struct tg_events *e, struct tg_str rest)
{
    while (rest.n > 0) {
        struct tg_events_place place;
        struct tg_str id = line(&rest), second = line(&rest);

        CHECK(tg_str_starts(id, TG_STR("id: ")));
        CHECK(tg_events_place(e, tg_str_skip(id, 4), &place));
        if (tg_str_eq(second, TG_STR("event: skipped")))
            second = line(&rest);
        else
            CHECK(tg_str_starts(second, TG_STR("data: {")) && tg_str_ends(second, TG_STR("}")));
        CHECK(tg_str_starts(second, TG_STR("data: ")) && line(&rest).n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_events events;
    struct tg_events_place place = {0, 0};
    struct tg_buf out = {0};

    if (feed == NULL) {
        feed =
            mmap(NULL, sizeof(*feed), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(feed != MAP_FAILED); /* most of it is never touched */
        tg_feed_init(feed);
    }
    fill(data, size);
    tg_events_init(&events, feed);
    for (unsigned i = 0; i < 2; i++) {
        tg_events_read(&events);
        CHECK(events.n <= TG_EVENTS_KEPT && events.bytes <= TG_EVENTS_BYTES);
        out.n = 0;
        tg_events_tell(&events, &place, false, &out);
        check(&events, tg_buf_str(&out));
        feed->ring[0].writing = 0;
    }
    tg_events_end(&events);
    tg_buf_end(&out);
    return 0;
}
