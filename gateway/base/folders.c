/* Watches on folders (inotify). */
#include "base/folders.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    CHANGES = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB |
              IN_DELETE_SELF | IN_MOVE_SELF,
    MAX_LINKS = 40, /* on one way, as the kernel has it */
    MAX_TARGET = 4096,
    BATCH = 16384
};

int tg_folders_new(void)
{
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

/* The folder of a name, without what stands behind its last '/'. */
static char *folder_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == name ? strdup("/")
                                   : strndup(name, (size_t)(slash - name));

    CHECK(folder != NULL);
    return folder;
}

static bool watch(int fd, const char *folder)
{
    return inotify_add_watch(fd, folder, CHANGES | IN_ONLYDIR) >= 0 || errno != ENOSPC;
}

/* What a name leads to when its first `n` bytes are a link; NULL when they are none. */
static char *follow(const char *name, size_t n)
{
    char *link = strndup(name, n), target[MAX_TARGET], *way = NULL;
    ssize_t got;

    CHECK(link != NULL);
    got = readlink(link, target, sizeof(target));
    if (got > 0 && got < (ssize_t)sizeof(target)) {
        char *folder = folder_of(link);

        CHECK(asprintf(&way, "%s%s%.*s%s", target[0] == '/' ? "" : folder,
                       target[0] == '/' ? "" : "/", (int)got, target, name + n) > 0);
        free(folder);
    }
    free(link);
    return way;
}

/* The way to a name with its first link replaced by what it leads to, and the length of that link's
 * name; NULL when there is no link on it. */
static char *first_link(const char *name, size_t *n)
{
    for (size_t i = 1; name[0] != '\0'; i++)
        if (name[i] == '/' || name[i] == '\0') {
            char *way = follow(name, i);

            *n = i;
            if (way != NULL || name[i] == '\0')
                return way;
        }
    return NULL;
}

static bool watch_way(int fd, char *name)
{
    bool done = true;

    for (unsigned links = 0; name != NULL; links++) {
        size_t n = 0;
        char *way = links < MAX_LINKS ? first_link(name, &n) : NULL;
        char *folder;

        if (way != NULL)
            name[n] = '\0';
        folder = folder_of(name);
        done = watch(fd, folder) && done;
        free(folder);
        free(name);
        name = way;
    }
    return done;
}

bool tg_folders_add(int fd, const char *name)
{
    char *plain = strndup(name, strcspn(name, "*?["));

    CHECK(plain != NULL);
    return watch_way(fd, plain);
}

static bool counts(const struct inotify_event *event)
{
    if ((event->mask & IN_IGNORED) != 0)
        return false;
    return event->len == 0 || strncmp(event->name, "..", 2) != 0 ||
           strcmp(event->name, "..data") == 0;
}

bool tg_folders_changed(int fd)
{
    char batch[BATCH] __attribute__((aligned(8)));
    bool changed = false;
    ssize_t n;

    while ((n = read(fd, batch, sizeof(batch))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(batch + at);

            CHECK(n - at >= (ssize_t)sizeof(*event));
            changed = counts(event) || changed;
            at += (ssize_t)sizeof(*event) + (ssize_t)event->len;
        }
    return changed;
}
