/*
 * The events of all rings of the feed, brought into order: what there is to tell to who looks. What
 * comes out of a ring is believed only when it is one line of JSON.
 */
#ifndef TG_ADMIN_EVENTS_H
#define TG_ADMIN_EVENTS_H

#include "shm/feed.h"

enum {
    TG_EVENTS_KEPT = 1024,            /* events that are kept, at most, */
    TG_EVENTS_BYTES = 4 << 20,        /* and bytes of them */
    TG_EVENTS_SHOWN = 256,            /* of them for who has seen none yet */
    TG_EVENTS_ID = TG_FEED_EPOCH + 44 /* bytes of an id with its NUL */
};

struct tg_event {
    uint64_t number;
    struct tg_str text; /* owned */
};

struct tg_events {
    const struct tg_feed *feed;           /* borrowed */
    struct tg_event kept[TG_EVENTS_KEPT]; /* by number */
    unsigned n;
    size_t bytes;
    uint64_t settled;  /* every event up to it is kept, or will never be seen */
    uint64_t left_out; /* as of then */
    uint64_t at[TG_FEED_RINGS];
    struct tg_buf copy;
};

/* How far somebody has come. */
struct tg_events_place {
    uint64_t number;
    uint64_t left_out;
};

/* Knows nothing yet. Some kilobytes. End it with tg_events_end(). */
void tg_events_init(struct tg_events *e, const struct tg_feed *feed);
void tg_events_end(struct tg_events *e);

/* Reads what is new. */
void tg_events_read(struct tg_events *e);

/* The place of who has seen nothing: before the last TG_EVENTS_SHOWN. */
struct tg_events_place tg_events_first(const struct tg_events *e);

/* The place that an id names; false when it is none of this feed. */
bool tg_events_place(const struct tg_events *e, struct tg_str id, struct tg_events_place *out);

/* Appends all that came since *place, as server-sent events, and moves *place to now. `silent`
 * leaves out what was skipped. */
void tg_events_tell(const struct tg_events *e, struct tg_events_place *place, bool silent,
                    struct tg_buf *out);

#endif
