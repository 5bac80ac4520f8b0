/*
 * Folders that are watched for changes of files in them (inotify). Whoever replaces a file, or a
 * link that leads to it, changes a folder: Kubernetes swaps the link `..data`. So the folder of a
 * file is watched, and those of all links on the way to it, never the file itself, whose watch
 * would end with it.
 */
#ifndef TG_BASE_FOLDERS_H
#define TG_BASE_FOLDERS_H

#include "base/str.h"

/* Starts with no folder. Returns a descriptor, readable when something has changed, which does not
 * block and is closed on exec; the caller closes it. -1, with errno set, when there is none. */
int tg_folders_new(void);

/*
 * Watches the folders on the way to a file, be it there or not. `name` may be a pattern of glob(3):
 * what stands before its first wildcard counts. Folders that are not there are passed over. False,
 * with errno set, when the kernel watches no more.
 */
bool tg_folders_add(int fd, const char *name);

/*
 * Takes what has happened so far. True when a file was written, moved, made or removed in one of
 * the folders, or something was lost. Of names that begin with ".." only `..data` counts: the
 * others are folders that kubelet makes and removes around the swap.
 */
bool tg_folders_changed(int fd);

#endif
