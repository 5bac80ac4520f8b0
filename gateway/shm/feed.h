/*
 * Events for who looks at the gateway: what became of single requests. Each process puts its own
 * into a ring of its own, in the map all share, so nobody waits for anybody; who reads brings them
 * into order by their numbers, which are given across all rings. A ring outlives its process: the
 * next one in its slot goes on in it.
 *
 * A reader trusts nothing in the map: a process that was taken over can write anything there.
 */
#ifndef TG_SHM_FEED_H
#define TG_SHM_FEED_H

#include "base/buf.h"

enum {
    TG_FEED_RINGS = 257,       /* processes that can live at once */
    TG_FEED_RING = 256 << 10,  /* bytes of one ring */
    TG_FEED_EVENT = 16 << 10,  /* bytes of an event's text */
    TG_FEED_EPOCH = 16,        /* hex digits */
    TG_FEED_WATCH_US = 5000000 /* how long tg_feed_watch() holds */
};

/* One ring. Places in it count the bytes that were ever written; its memory is used over and over.
 */
struct tg_feed_ring {
    uint64_t writing;  /* not 0: an event is put in whose number is this or a greater one */
    uint64_t head;     /* behind the newest event */
    uint64_t tail;     /* the oldest event that stands */
    uint64_t left_out; /* events that were told here and not put in */
} __attribute__((aligned(64)));

/* The map, zeroed but for what tg_feed_init() sets. */
struct tg_feed {
    char epoch[TG_FEED_EPOCH + 1]; /* tells the numbers of one map from those of another */
    uint64_t numbers;              /* given so far; the first is 1 */
    uint64_t watched_until;        /* monotonic microseconds */
    struct tg_feed_ring ring[TG_FEED_RINGS];
    char bytes[TG_FEED_RINGS][TG_FEED_RING];
};

/* Gives the map its epoch. */
void tg_feed_init(struct tg_feed *f);

/* --- writing --- */

/* Who writes into one ring. What it has to rely on it keeps to itself. */
struct tg_feed_writer {
    struct tg_feed *feed; /* borrowed */
    struct tg_feed_ring *ring;
    char *bytes;
    uint64_t head;
    uint64_t tail;
};

/* Goes on in ring `i`, which no other process writes into. */
void tg_feed_writer_init(struct tg_feed_writer *w, struct tg_feed *f, unsigned i);

/* Puts an event in: 1 to TG_FEED_EVENT bytes of JSON on one line. The oldest give way. */
void tg_feed_put(struct tg_feed_writer *w, struct tg_str text);

/* Counts an event that is not put in. */
void tg_feed_leave_out(struct tg_feed_writer *w);

/* True while somebody looks. `now` is monotonic. */
static inline bool tg_feed_watched(const struct tg_feed *f, uint64_t now)
{
    return __atomic_load_n(&f->watched_until, __ATOMIC_RELAXED) > now;
}

/* The process of ring `i` has ended, perhaps in the middle of an event. The master only. */
void tg_feed_forget(struct tg_feed *f, unsigned i);

/* --- reading --- */

/* Says that somebody looks, for TG_FEED_WATCH_US from now on. */
void tg_feed_watch(struct tg_feed *f, uint64_t now);

/* Events with numbers up to this one are in their rings, or will never be seen: to be asked before
 * the rings are read. */
uint64_t tg_feed_settled(const struct tg_feed *f);

/* How many were left out, in all rings. */
uint64_t tg_feed_left_out(const struct tg_feed *f);

/* Gets each event; `text` is the reader's copy, of at most TG_FEED_EVENT bytes, any bytes. */
typedef void tg_feed_taker(void *owner, uint64_t number, struct tg_str text);

/*
 * Hands over the events of ring `i` from the place *at on (0: all that stand), and moves *at behind
 * them. What has been overwritten is passed over; so is what makes no sense. `copy` is memory for
 * one event. Ends after as many bytes as a ring has.
 */
void tg_feed_read(const struct tg_feed *f, unsigned i, uint64_t *at, struct tg_buf *copy,
                  tg_feed_taker *take, void *owner);

#endif
