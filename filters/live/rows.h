/*
 * What rows of the filters' directives have in common; they differ in name, default and words.
 */
#ifndef TG_LIVE_ROWS_H
#define TG_LIVE_ROWS_H

#include "live/live.h"

#define TG_LIVE_SECOND INT64_C(1000000)

/* A member of a filter's configuration. */
#define TG_LIVE_ROW(type, member)                                                                  \
    .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,                                        \
    .offset = offsetof(struct tg_##type##_conf, member)

/* How long something may take, and how long what came of it is kept. */
#define TG_LIVE_TIMEOUT(type)                                                                      \
    TG_LIVE_ROW(type, timeout), .kind = TG_CONF_TIME, .min = TG_LIVE_SECOND / 1000,                \
                                .max = 60 * TG_LIVE_SECOND
#define TG_LIVE_TTL(type)                                                                          \
    TG_LIVE_ROW(type, ttl), .kind = TG_CONF_TIME, .min = TG_LIVE_SECOND,                           \
                            .max = 86400 * TG_LIVE_SECOND, .fallback = "10m"

/* What becomes of a request when nothing can be found out. */
#define TG_LIVE_ON_ERROR(type)                                                                     \
    TG_LIVE_ROW(type, on_error), .kind = TG_CONF_ENUM, .words = tg_live_on_error_words,            \
                                 .fallback = "auto", .syntax = "allow | deny | auto"

#endif
