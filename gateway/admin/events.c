/* Many rings, one order. */
#include "admin/events.h"

#include "base/check.h"
#include "json/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void tg_events_init(struct tg_events *e, const struct tg_feed *feed)
{
    *e = (struct tg_events){.feed = feed};
}

static void drop(struct tg_events *e, unsigned i)
{
    e->bytes -= e->kept[i].text.n;
    free((void *)(uintptr_t)e->kept[i].text.p);
    e->n--;
    memmove(&e->kept[i], &e->kept[i + 1], (e->n - i) * sizeof(*e->kept));
}

void tg_events_end(struct tg_events *e)
{
    while (e->n > 0)
        drop(e, e->n - 1);
    tg_buf_end(&e->copy);
}

/* --- what comes out of a ring --- */

/* One line: a line's end would end the event, and begin something else. */
static bool is_record(struct tg_str text)
{
    static const struct tg_json_limits limits = {.max_depth = TG_JSON_MAX_DEPTH,
                                                 .max_tokens = TG_FEED_EVENT};
    struct tg_json_outline outline;
    struct tg_json_fault fault;
    bool good;

    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ')
            return false;
    if (text.n == 0 || *text.p != '{')
        return false;
    good = tg_json_verify(text, &limits, &outline, &fault);
    if (good)
        tg_json_outline_end(&outline);
    return good;
}

/* Where an event belongs: behind all lower numbers. */
static unsigned find(const struct tg_events *e, uint64_t number)
{
    unsigned i = e->n;

    while (i > 0 && e->kept[i - 1].number >= number)
        i--;
    return i;
}

static char *copy_of(struct tg_str text)
{
    char *copy = malloc(text.n);

    CHECK(copy != NULL);
    return memcpy(copy, text.p, text.n);
}

static void on_event(void *owner, uint64_t number, struct tg_str text)
{
    struct tg_events *e = owner;
    unsigned i;

    if (number <= e->settled || number > __atomic_load_n(&e->feed->numbers, __ATOMIC_SEQ_CST) ||
        !is_record(text))
        return;
    if (e->n == TG_EVENTS_KEPT)
        drop(e, 0);
    i = find(e, number);
    if (i < e->n && e->kept[i].number == number)
        return;
    memmove(&e->kept[i + 1], &e->kept[i], (e->n - i) * sizeof(*e->kept));
    e->kept[i] = (struct tg_event){number, {copy_of(text), text.n}};
    e->n++;
    e->bytes += text.n;
}

void tg_events_read(struct tg_events *e)
{
    uint64_t settled = tg_feed_settled(e->feed);

    for (unsigned i = 0; i < TG_FEED_RINGS; i++)
        tg_feed_read(e->feed, i, &e->at[i], &e->copy, on_event, e);
    while (e->bytes > TG_EVENTS_BYTES)
        drop(e, 0);
    e->settled = settled > e->settled ? settled : e->settled;
    e->left_out = tg_feed_left_out(e->feed);
}

/* --- what is told --- */

struct tg_events_place tg_events_first(const struct tg_events *e)
{
    struct tg_events_place place = {0, e->left_out};

    if (e->n > TG_EVENTS_SHOWN)
        place.number = e->kept[e->n - TG_EVENTS_SHOWN].number - 1;
    return place;
}

static bool cut(struct tg_str *rest, char stop, uint64_t *out)
{
    const char *end = memchr(rest->p, stop, rest->n);
    struct tg_str part = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, end != NULL ? part.n + 1 : part.n);
    return tg_str_u64(part, out);
}

bool tg_events_place(const struct tg_events *e, struct tg_str id, struct tg_events_place *out)
{
    struct tg_str epoch = tg_str_of(e->feed->epoch);
    struct tg_str rest;

    if (id.n <= epoch.n + 1 || !tg_str_starts(id, epoch) || id.p[epoch.n] != '.')
        return false;
    rest = tg_str_skip(id, epoch.n + 1);
    return cut(&rest, '.', &out->number) && cut(&rest, '.', &out->left_out) && rest.n == 0 &&
           out->number <= e->settled && out->left_out <= e->left_out;
}

static void add_id(const struct tg_events *e, const struct tg_events_place *place,
                   struct tg_buf *out)
{
    tg_buf_printf(out, "id: %s.%" PRIu64 ".%" PRIu64 "\n", e->feed->epoch, place->number,
                  place->left_out);
}

/* Moves *place to `number`, all of it skipped, with what was left out beside the numbers. */
static void skip_to(const struct tg_events *e, struct tg_events_place *place, uint64_t number,
                    bool silent, struct tg_buf *out)
{
    uint64_t n = number - place->number + (e->left_out - place->left_out);

    if (number == place->number && e->left_out == place->left_out)
        return;
    *place = (struct tg_events_place){number, e->left_out};
    if (silent)
        return;
    add_id(e, place, out);
    tg_buf_printf(out, "event: skipped\ndata: %" PRIu64 "\n\n", n);
}

void tg_events_tell(const struct tg_events *e, struct tg_events_place *place, bool silent,
                    struct tg_buf *out)
{
    for (unsigned i = 0; i < e->n && e->kept[i].number <= e->settled; i++) {
        const struct tg_event *event = &e->kept[i];

        if (event->number <= place->number)
            continue;
        if (event->number > place->number + 1)
            skip_to(e, place, event->number - 1, silent, out);
        place->number = event->number;
        add_id(e, place, out);
        tg_buf_add(out, TG_STR("data: "));
        tg_buf_add(out, event->text);
        tg_buf_add(out, TG_STR("\n\n"));
    }
    skip_to(e, place, e->settled, silent, out);
}
