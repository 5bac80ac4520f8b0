/* Answers that do not end: the feed for browsers. */
#include "admin/viewers.h"

#include "admin/events.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/prometheus.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    MAGIC = 0x56494557,
    LOOK_US = 200000,
    QUIET_LOOKS = 5, /* after so many without an event a comment is sent: who has gone shows */
    MAX_QUEUED = 512 << 10, /* bytes that wait for somebody who is told no more */
    STUCK_LOOKS = 15,       /* after so many without a byte of them taken he is dropped */
};

struct viewer {
    struct tg_viewers *all;
    struct evhttp_request *request;
    struct tg_events_place place;
    unsigned quiet;
    unsigned stuck;
    size_t waited; /* bytes, at the last look */
    struct viewer *next;
};

struct tg_viewers {
    uint32_t magic;
    struct tg_stats *stats;
    struct event *look;
    struct tg_events events;
    struct tg_buf text;
    struct viewer *first;
    unsigned n;
};

static void on_look(evutil_socket_t fd, short what, void *arg);

struct tg_viewers *tg_viewers_new(struct event_base *base, struct tg_stats *stats)
{
    struct tg_viewers *v = calloc(1, sizeof(*v));

    CHECK(v != NULL);
    v->magic = MAGIC;
    v->stats = stats;
    v->look = event_new(base, -1, EV_PERSIST, on_look, v);
    CHECK(v->look != NULL);
    tg_events_init(&v->events, &stats->feed);
    return v;
}

unsigned tg_viewers_count(const struct tg_viewers *v)
{
    return v->n;
}

void tg_viewers_metrics(const struct tg_viewers *v, struct tg_buf *out)
{
    const struct tg_feed *feed = &v->stats->feed;

    tg_prometheus_family(out, "feed_viewers", "gauge", "Answers to /events under way.");
    tg_buf_printf(out, "trainguard_feed_viewers %u\n", v->n);
    tg_prometheus_family(out, "feed_events_total", "counter",
                         "Records told in the feed, and those there were too many of.");
    tg_buf_printf(out, "trainguard_feed_events_total{result=\"told\"} %lu\n",
                  __atomic_load_n(&feed->numbers, __ATOMIC_RELAXED));
    tg_buf_printf(out, "trainguard_feed_events_total{result=\"left_out\"} %lu\n",
                  tg_feed_left_out(feed));
}

static void forget(struct viewer *viewer)
{
    struct tg_viewers *v = viewer->all;
    struct viewer **at = &v->first;

    while (*at != viewer)
        at = &(*at)->next;
    *at = viewer->next;
    v->n--;
    if (v->n == 0)
        event_del(v->look);
    free(viewer);
}

/* A request that has lost its connection is ours to end: that frees it. */
static void on_gone(struct evhttp_connection *connection, void *arg)
{
    struct viewer *viewer = arg;
    struct evhttp_request *request = viewer->request;

    (void)connection;
    CHECK_MAGIC(viewer->all, MAGIC);
    forget(viewer);
    if (evhttp_request_get_connection(request) == NULL)
        evhttp_send_reply_end(request);
}

static size_t queued(const struct viewer *viewer)
{
    struct evhttp_connection *c = evhttp_request_get_connection(viewer->request);

    return evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(c)));
}

/* --- telling --- */

static void send_text(const struct viewer *viewer, struct tg_str text)
{
    struct evbuffer *chunk = evbuffer_new();

    CHECK(chunk != NULL && evbuffer_add(chunk, text.p, text.n) == 0);
    evhttp_send_reply_chunk(viewer->request, chunk);
    evbuffer_free(chunk);
}

static void tell(struct tg_viewers *v, struct viewer *viewer, bool silent)
{
    v->text.n = 0;
    tg_events_tell(&v->events, &viewer->place, silent, &v->text);
    if (v->text.n == 0 && ++viewer->quiet < QUIET_LOOKS)
        return;
    if (v->text.n == 0)
        tg_buf_add(&v->text, TG_STR(":\n\n"));
    viewer->quiet = 0;
    send_text(viewer, tg_buf_str(&v->text));
}

/* Who comes back to a large backlog takes it at his own speed: only who takes nothing is stuck. */
static bool is_stuck(struct viewer *viewer, size_t waits)
{
    viewer->stuck = waits < viewer->waited ? 0 : viewer->stuck + 1;
    viewer->waited = waits;
    return viewer->stuck > STUCK_LOOKS;
}

static void look_at(struct tg_viewers *v, struct viewer *viewer)
{
    size_t waits = queued(viewer);

    if (waits <= MAX_QUEUED) {
        viewer->stuck = 0;
        viewer->waited = waits;
        tell(v, viewer, false);
    } else if (is_stuck(viewer, waits)) {
        tg_log(TG_LOG_INFO, "admin", "a viewer takes nothing of the feed, and is dropped");
        evhttp_connection_free(evhttp_request_get_connection(viewer->request));
    }
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct tg_viewers *v = arg;
    struct viewer *next;

    (void)fd, (void)what;
    CHECK_MAGIC(v, MAGIC);
    tg_feed_watch(&v->stats->feed, tg_clock_mono_now());
    tg_events_read(&v->events);
    for (struct viewer *viewer = v->first; viewer != NULL; viewer = next) {
        next = viewer->next;
        look_at(v, viewer);
    }
}

/* --- coming and going --- */

/* The id that somebody comes back with, in `query` or in a field. */
static struct tg_str last_id(struct evhttp_request *request, struct evkeyvalq *query)
{
    const char *id = evhttp_find_header(evhttp_request_get_input_headers(request), "Last-Event-ID");
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));

    if (id == NULL && text != NULL && evhttp_parse_query_str(text, query) == 0)
        id = evhttp_find_header(query, "after");
    return tg_str_of(id);
}

static bool find_place(struct tg_viewers *v, struct viewer *viewer)
{
    struct evkeyvalq query = {NULL, NULL};
    bool known;

    TAILQ_INIT(&query);
    known = tg_events_place(&v->events, last_id(viewer->request, &query), &viewer->place);
    evhttp_clear_headers(&query);
    if (!known)
        viewer->place = tg_events_first(&v->events);
    return known;
}

static void begin(struct tg_viewers *v, struct viewer *viewer)
{
    struct evkeyvalq *head = evhttp_request_get_output_headers(viewer->request);
    bool known = find_place(v, viewer);

    evhttp_add_header(head, "Content-Type", "text/event-stream; charset=utf-8");
    evhttp_add_header(head, "Connection", "close");
    evhttp_send_reply_start(viewer->request, 200, NULL);
    v->text.n = 0;
    tg_buf_printf(&v->text, "retry: 1000\nevent: hello\ndata: {\"epoch\":\"%s\"}\n\n",
                  v->stats->feed.epoch);
    send_text(viewer, tg_buf_str(&v->text));
    tell(v, viewer, !known);
}

void tg_viewers_add(struct tg_viewers *v, struct evhttp_request *request)
{
    struct timeval interval = {0, LOOK_US};
    struct viewer *viewer;

    CHECK_MAGIC(v, MAGIC);
    CHECK(v->n < TG_VIEWERS_MOST);
    viewer = calloc(1, sizeof(*viewer));
    CHECK(viewer != NULL);
    *viewer = (struct viewer){.all = v, .request = request, .next = v->first};
    v->first = viewer;
    if (v->n++ == 0)
        CHECK(event_add(v->look, &interval) == 0);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_gone, viewer);
    tg_feed_watch(&v->stats->feed, tg_clock_mono_now());
    tg_events_read(&v->events);
    begin(v, viewer);
}

void tg_viewers_leave(struct tg_viewers *v)
{
    struct viewer *next;

    CHECK_MAGIC(v, MAGIC);
    event_del(v->look);
    /* where nothing waits to be written, the end of the answer is the end of the viewer */
    for (struct viewer *viewer = v->first; viewer != NULL; viewer = next) {
        next = viewer->next;
        evhttp_send_reply_end(viewer->request);
    }
}

void tg_viewers_end(struct tg_viewers *v)
{
    CHECK_MAGIC(v, MAGIC);
    CHECK(v->first == NULL);
    event_free(v->look);
    tg_events_end(&v->events);
    tg_buf_end(&v->text);
    v->magic = 0;
    free(v);
}
