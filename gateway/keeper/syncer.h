/*
 * The process that speaks with the stores of limits, beside the keeper: one for all workers of a
 * gateway, so that a store has one connection of each gateway, and no request waits for it.
 */
#ifndef TG_KEEPER_SYNCER_H
#define TG_KEEPER_SYNCER_H

#include "settings/settings.h"

#include <event2/event.h>

struct tg_syncer;

/* True when a configuration has work for a syncer. */
bool tg_syncer_wanted(const struct tg_settings *s);

/* Makes a syncer for settings and a map that outlive it (tg_syncer_wanted()), and begins. */
struct tg_syncer *tg_syncer_new(const struct tg_settings *settings, struct tg_limits *limits);

/* Its loop, for signals. */
struct event_base *tg_syncer_base(const struct tg_syncer *s);

/* Runs until each store has answered or failed, at most a second, so that who serves afterwards
 * knows. */
void tg_syncer_first(struct tg_syncer *s);

/* Runs until tg_syncer_stop(). */
void tg_syncer_run(struct tg_syncer *s);
void tg_syncer_stop(struct tg_syncer *s);

/* Another one is in force: its heartbeat is the one that counts. */
void tg_syncer_drain(struct tg_syncer *s);

/* Pushes what there is and frees everything. NULL is fine. */
void tg_syncer_end(struct tg_syncer *s);

/* What its sandbox leaves it: TCP ports it connects to, the `i`th, 0 when there are no more;
 * whether it connects to unix sockets. */
uint16_t tg_syncer_port(const struct tg_settings *s, unsigned i);
bool tg_syncer_needs_unix(const struct tg_settings *s);

#endif
