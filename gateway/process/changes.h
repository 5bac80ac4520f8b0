/*
 * When the files of a configuration are loaded again by themselves (`reload_on_change`). Folders
 * are watched; what counts are the bytes in the files: the same bytes are never loaded twice.
 * Several events, which one swap of `..data` is, make one reload. A configuration that failed is
 * tried again with growing delays, and at the next change at once.
 */
#ifndef TG_PROCESS_CHANGES_H
#define TG_PROCESS_CHANGES_H

#include "settings/settings.h"

struct tg_changes {
    const char *file; /* borrowed, like the prefix */
    const char *prefix;
    bool on;
    int64_t quiet;  /* microseconds: how long nothing may have happened, */
    int64_t most;   /* and the most to wait for that */
    int fd;         /* of the watch; -1: none */
    bool warned;    /* that the kernel watches no more */
    uint64_t first; /* of the changes nobody has looked at yet, monotonic; 0: there are none */
    uint64_t last;
    uint64_t looked;               /* when the bytes were last compared */
    uint64_t again;                /* when what failed is tried again; 0: nothing failed */
    int64_t delay;                 /* from one try to the next */
    char seen[TG_SHA256_HEX + 1];  /* the revision of the files by the last look */
    char tried[TG_SHA256_HEX + 1]; /* and of what was last loaded, or could not be */
};

/* Begins without a watch. End it with tg_changes_end(). */
void tg_changes_init(struct tg_changes *c, const char *file, const char *prefix);

/* Settings have come into force: begins to watch, goes on, or ends it. Signals SIGIO to the caller
 * when there may be something to look at. `now` is monotonic. */
void tg_changes_follow(struct tg_changes *c, const struct tg_settings *s, uint64_t now);

/* What the files hold by now could not be loaded, whoever wanted it. */
void tg_changes_failed(struct tg_changes *c, uint64_t now);

/* How long until tg_changes_due() wants to be asked, in microseconds; -1: not before a signal. */
int64_t tg_changes_wait(const struct tg_changes *c, uint64_t now);

/* True when the files shall be loaded now. The caller says what came of it. */
bool tg_changes_due(struct tg_changes *c, uint64_t now);

/* Closes the watch, also a copy that came with fork(). */
void tg_changes_end(struct tg_changes *c);

#endif
