/* Rings of events: one writer each, a reader that believes none of them. */
#include "shm/feed.h"

#include "base/check.h"
#include "base/crypto.h"

/* What stands before the text of an event. Events begin at multiples of ALIGN. */
struct header {
    uint64_t number;
    uint64_t length;
};

enum { ALIGN = 8, HEADER = sizeof(struct header), LEAST = HEADER + ALIGN };

_Static_assert(TG_FEED_RING % ALIGN == 0 && TG_FEED_RING >= 2 * (HEADER + TG_FEED_EVENT),
               "a ring holds the longest event, and the one before it");

void tg_feed_init(struct tg_feed *f)
{
    unsigned char random[TG_FEED_EPOCH / 2];

    tg_random(random, sizeof(random));
    tg_hex(random, sizeof(random), f->epoch);
}

static uint64_t load(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

static uint64_t whole(uint64_t length)
{
    return HEADER + (length + ALIGN - 1) / ALIGN * ALIGN;
}

/* True when two places can be the ends of what stands in a ring. */
static bool fit(uint64_t tail, uint64_t head)
{
    return head - tail <= TG_FEED_RING && head % ALIGN == 0 && tail % ALIGN == 0;
}

/* --- bytes of a ring, which may go on at its beginning --- */

static size_t until_end(uint64_t at, size_t n)
{
    size_t left = TG_FEED_RING - at % TG_FEED_RING;

    return n < left ? n : left;
}

static void copy_in(char *bytes, uint64_t at, const void *from, size_t n)
{
    size_t first = until_end(at, n);

    memcpy(bytes + at % TG_FEED_RING, from, first);
    memcpy(bytes, (const char *)from + first, n - first);
}

static void copy_out(const char *bytes, uint64_t at, void *to, size_t n)
{
    size_t first = until_end(at, n);

    memcpy(to, bytes + at % TG_FEED_RING, first);
    memcpy((char *)to + first, bytes, n - first);
}

/* --- writing --- */

void tg_feed_writer_init(struct tg_feed_writer *w, struct tg_feed *f, unsigned i)
{
    CHECK(i < TG_FEED_RINGS);
    *w = (struct tg_feed_writer){.feed = f, .ring = &f->ring[i], .bytes = f->bytes[i]};
    w->head = load(&w->ring->head);
    w->tail = load(&w->ring->tail);
    if (!fit(w->tail, w->head))
        w->head = w->tail = 0;
}

/* Gives the oldest events up until `size` more bytes have room. */
static void make_room(struct tg_feed_writer *w, uint64_t size)
{
    while (w->head + size - w->tail > TG_FEED_RING) {
        struct header h;

        copy_out(w->bytes, w->tail, &h, HEADER);
        if (h.length > TG_FEED_EVENT || whole(h.length) > w->head - w->tail)
            w->tail = w->head; /* somebody else has been here */
        else
            w->tail += whole(h.length);
    }
    store(&w->ring->tail, w->tail);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void tg_feed_put(struct tg_feed_writer *w, struct tg_str text)
{
    struct header h = {.length = text.n};

    CHECK(text.n > 0 && text.n <= TG_FEED_EVENT);
    make_room(w, whole(text.n));
    store(&w->ring->writing, load(&w->feed->numbers) + 1);
    h.number = __atomic_add_fetch(&w->feed->numbers, 1, __ATOMIC_SEQ_CST);
    copy_in(w->bytes, w->head, &h, HEADER);
    copy_in(w->bytes, w->head + HEADER, text.p, text.n);
    w->head += whole(text.n);
    CHECK(fit(w->tail, w->head));
    store(&w->ring->head, w->head);
    store(&w->ring->writing, 0);
}

void tg_feed_leave_out(struct tg_feed_writer *w)
{
    store(&w->ring->left_out, load(&w->ring->left_out) + 1);
}

void tg_feed_forget(struct tg_feed *f, unsigned i)
{
    CHECK(i < TG_FEED_RINGS);
    store(&f->ring[i].writing, 0);
}

/* --- reading --- */

void tg_feed_watch(struct tg_feed *f, uint64_t now)
{
    store(&f->watched_until, now + TG_FEED_WATCH_US);
}

uint64_t tg_feed_settled(const struct tg_feed *f)
{
    uint64_t settled = load(&f->numbers);

    for (unsigned i = 0; i < TG_FEED_RINGS; i++) {
        uint64_t writing = load(&f->ring[i].writing);

        if (writing != 0 && writing <= settled)
            settled = writing - 1;
    }
    return settled;
}

uint64_t tg_feed_left_out(const struct tg_feed *f)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < TG_FEED_RINGS; i++)
        n += load(&f->ring[i].left_out);
    return n;
}

enum found { NOTHING, NONSENSE, OVERWRITTEN, EVENT };

/* Copies the event at *at, which becomes the tail when it stands before that. */
static enum found look(const struct tg_feed *f, unsigned i, uint64_t *at, struct header *h,
                       struct tg_buf *copy)
{
    const struct tg_feed_ring *r = &f->ring[i];
    uint64_t head = load(&r->head);
    uint64_t tail = load(&r->tail);

    if (!fit(tail, head))
        return NONSENSE;
    if (*at % ALIGN != 0 || *at - tail > head - tail)
        *at = tail;
    if (*at == head)
        return NOTHING;
    if (head - *at < LEAST)
        return NONSENSE;
    copy_out(f->bytes[i], *at, h, HEADER);
    copy->n = 0;
    if (h->length > 0 && h->length <= TG_FEED_EVENT && whole(h->length) <= head - *at) {
        copy_out(f->bytes[i], *at + HEADER, tg_buf_room(copy, h->length), h->length);
        copy->n = h->length;
    } else {
        h->length = TG_FEED_EVENT + 1;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    tail = load(&r->tail);
    if (*at - tail > TG_FEED_RING)
        return OVERWRITTEN;
    return h->length <= TG_FEED_EVENT ? EVENT : NONSENSE;
}

void tg_feed_read(const struct tg_feed *f, unsigned i, uint64_t *at, struct tg_buf *copy,
                  tg_feed_taker *take, void *owner)
{
    struct header h;

    CHECK(i < TG_FEED_RINGS);
    for (unsigned looks = 0; looks < TG_FEED_RING / LEAST; looks++)
        switch (look(f, i, at, &h, copy)) {
        case EVENT:
            *at += whole(h.length);
            take(owner, h.number, tg_buf_str(copy));
            break;
        case OVERWRITTEN: /* the next look begins at the new tail */
            break;
        case NONSENSE:
            *at = load(&f->ring[i].head) / ALIGN * ALIGN;
            return;
        case NOTHING:
            return;
        }
}
