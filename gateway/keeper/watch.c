/* Watches on folders, in a loop. */
#include "keeper/watch.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/folders.h"
#include "base/log.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUIET_US = 100000 }; /* a swap is several events */

struct tg_watch {
    int fd;
    struct event *readable;
    struct tg_timer quiet;
    void (*on_change)(void *owner);
    void *owner;
};

static void on_quiet(void *owner)
{
    struct tg_watch *w = owner;

    w->on_change(w->owner);
}

static void on_readable(evutil_socket_t fd, short what, void *owner)
{
    struct tg_watch *w = owner;

    (void)what;
    if (tg_folders_changed(fd))
        tg_timer_set(&w->quiet, tg_clock_mono_now(), QUIET_US);
}

struct tg_watch *tg_watch_new(struct event_base *base, void (*on_change)(void *owner), void *owner)
{
    int fd = tg_folders_new();
    struct tg_watch *w;

    if (fd < 0) {
        tg_log(TG_LOG_WARN, "keeper", "files are not watched, only looked at each minute: %s",
               strerror(errno));
        return NULL;
    }
    w = calloc(1, sizeof(*w));
    CHECK(w != NULL);
    w->fd = fd;
    w->on_change = on_change;
    w->owner = owner;
    tg_timer_init(&w->quiet, base, on_quiet, w);
    w->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, w);
    CHECK(w->readable != NULL && event_add(w->readable, NULL) == 0);
    return w;
}

void tg_watch_add(struct tg_watch *w, const char *file)
{
    if (!tg_folders_add(w->fd, file))
        tg_log(TG_LOG_WARN, "keeper", "%s is not watched, only looked at each minute: %s", file,
               strerror(errno));
}

void tg_watch_end(struct tg_watch *w)
{
    if (w == NULL)
        return;
    event_free(w->readable);
    tg_timer_end(&w->quiet);
    close(w->fd);
    free(w);
}
