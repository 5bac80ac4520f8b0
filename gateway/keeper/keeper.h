/*
 * The process that fetches the gateway's own keys, beside the admin one: it alone reads the files
 * and asks the services they come from, and writes the map that workers read. It listens nowhere.
 */
#ifndef TG_KEEPER_H
#define TG_KEEPER_H

#include "settings/settings.h"

#include <event2/event.h>

struct tg_keeper;

/* True when a configuration has work for a keeper. */
static inline bool tg_keeper_wanted(const struct tg_settings *s)
{
    return s->credential_map != NULL;
}

/*
 * Makes a keeper for settings that outlive it (tg_keeper_wanted()). What needs rights that a
 * sandbox takes is done now: watches on folders, what libcurl makes for itself.
 */
struct tg_keeper *tg_keeper_new(const struct tg_settings *settings);

/* Its loop, for signals. */
struct event_base *tg_keeper_base(const struct tg_keeper *k);

/* Runs until tg_keeper_stop(). */
void tg_keeper_run(struct tg_keeper *k);
void tg_keeper_stop(struct tg_keeper *k);

/* Frees everything. NULL is fine. */
void tg_keeper_end(struct tg_keeper *k);

/*
 * Files it reads while it runs, and TCP ports it connects to: the `i`th, NULL and 0 when there are
 * no more. For its sandbox.
 */
const char *tg_keeper_file(const struct tg_settings *s, unsigned i);
uint16_t tg_keeper_port(const struct tg_settings *s, unsigned i);

/* Asks each source once, without a keeper, and appends what came of it, a line each ("[notice] ..."
 * or "[emerg] ..."). False when one has no key. */
bool tg_keeper_try(const struct tg_settings *s, struct tg_buf *words);

#endif
