/* The filters that are built in, for tg_filter_register(). */
#ifndef TG_FILTERS_TABLE_H
#define TG_FILTERS_TABLE_H

#include "chain/filter.h"

/* Ends with NULL. */
extern const struct tg_filter *const tg_builtin_filters[];

#endif
