/* Notices that the files of a configuration have changed. */
#include "process/changes.h"

#include "base/check.h"
#include "base/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SECOND      INT64_C(1000000)
#define LOOK_EVERY  (60 * SECOND) /* where a change makes no event: network file systems */
#define FIRST_DELAY SECOND
#define LAST_DELAY  (300 * SECOND)

void tg_changes_init(struct tg_changes *c, const char *file, const char *prefix)
{
    *c = (struct tg_changes){.file = file, .prefix = prefix, .fd = -1, .delay = FIRST_DELAY};
}

void tg_changes_end(struct tg_changes *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void complain(struct tg_changes *c)
{
    if (!c->warned)
        tg_log(TG_LOG_WARN, "watch",
               "not all files are watched, they are compared each minute: %s (see "
               "fs.inotify.max_user_watches and max_user_instances)",
               strerror(errno));
    c->warned = true;
}

static void watch_name(void *owner, const char *name)
{
    struct tg_changes *c = owner;

    if (c->fd >= 0 && !tg_folders_add(c->fd, name))
        complain(c);
}

/* Watches all folders anew before it reads: no change is lost between the two. */
static void changes_look(struct tg_changes *c, uint64_t now)
{
    struct tg_settings_state state;

    tg_changes_end(c);
    c->fd = tg_folders_new();
    if (c->fd >= 0) {
        CHECK(fcntl(c->fd, F_SETOWN, getpid()) == 0);
        CHECK(fcntl(c->fd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    } else {
        complain(c);
    }
    tg_settings_state(c->file, c->prefix, watch_name, c, &state);
    memcpy(c->seen, state.revision, sizeof(c->seen));
    c->first = c->last = 0;
    c->looked = now;
}

void tg_changes_follow(struct tg_changes *c, const struct tg_settings *s, uint64_t now)
{
    c->on = s->reload_on_change.on;
    c->quiet = s->reload_on_change.quiet;
    c->most = s->reload_on_change.most;
    CHECK(!c->on || (c->quiet >= 0 && c->most >= c->quiet));
    c->again = 0;
    c->delay = FIRST_DELAY;
    memcpy(c->tried, s->revision, sizeof(c->tried));
    if (!c->on) {
        tg_changes_end(c);
        return;
    }
    changes_look(c, now);
    if (strcmp(c->seen, c->tried) != 0) /* they changed while they were loaded */
        c->first = c->last = now;
}

void tg_changes_failed(struct tg_changes *c, uint64_t now)
{
    if (!c->on)
        return;
    memcpy(c->tried, c->seen, sizeof(c->tried));
    CHECK(c->delay >= FIRST_DELAY && c->delay <= LAST_DELAY);
    c->again = now + (uint64_t)c->delay;
    c->delay = c->delay * 2 < LAST_DELAY ? c->delay * 2 : LAST_DELAY;
}

/* When the changes so far are looked at, with the clock as told by `now`. */
static uint64_t next_look(const struct tg_changes *c)
{
    uint64_t regular = c->looked + LOOK_EVERY, calm, late;

    CHECK(c->first <= c->last);
    if (c->first == 0)
        return regular;
    calm = c->last + (uint64_t)c->quiet;
    late = c->first + (uint64_t)c->most;
    return calm < late ? calm : late;
}

int64_t tg_changes_wait(const struct tg_changes *c, uint64_t now)
{
    uint64_t at;

    if (!c->on)
        return -1;
    CHECK(c->looked > 0);
    at = next_look(c);
    if (c->again != 0 && c->again < at)
        at = c->again;
    return at > now ? (int64_t)(at - now) : 0;
}

bool tg_changes_due(struct tg_changes *c, uint64_t now)
{
    bool again = c->again != 0 && now >= c->again;

    if (!c->on)
        return false;
    if (c->fd >= 0 && tg_folders_changed(c->fd)) {
        c->first = c->first != 0 ? c->first : now;
        c->last = now;
    }
    if (!again && now < next_look(c))
        return false;
    changes_look(c, now);
    if (again)
        return true;
    if (strcmp(c->seen, c->tried) == 0)
        return false;
    c->delay = FIRST_DELAY; /* other bytes: their own delay */
    return true;
}
