/* Where a configuration counts in the maps that all processes share. */
#ifndef TG_PROCESS_PLACES_H
#define TG_PROCESS_PLACES_H

#include "settings/settings.h"
#include "shm/stats.h"

/* Gives routes and servers their numbers in the counters, and stores of limits theirs in the map of
 * limits; what was there under an earlier configuration keeps its own. */
void tg_places_give(struct tg_stats *stats, struct tg_limits *limits, struct tg_settings *s);

#endif
