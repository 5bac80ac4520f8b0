/*
 * Files whose replacement shall be noticed: the folders they are in are watched, since whoever
 * replaces a file, or the link that leads to it (Kubernetes swaps `..data`), changes its folder.
 */
#ifndef TG_KEEPER_WATCH_H
#define TG_KEEPER_WATCH_H

struct event_base;
struct tg_watch;

/* `on_change` is called some time after anything in a watched folder was written or moved. NULL
 * when the kernel gives no watch. End it with tg_watch_end(). */
struct tg_watch *tg_watch_new(struct event_base *base, void (*on_change)(void *owner), void *owner);

/* Watches the folders on the way to a file; what cannot be watched is not. */
void tg_watch_add(struct tg_watch *w, const char *file);

/* NULL is fine. */
void tg_watch_end(struct tg_watch *w);

#endif
