/*
 * What a location says about look-ups, as the configuration comes to it. The settings know all
 * upstreams and what the location's policies read, and complete it.
 */
#ifndef TG_LIVE_H
#define TG_LIVE_H

#include "chain/filter.h"

/* The filters. */
extern const struct tg_filter tg_filter_identify;
extern const struct tg_filter tg_filter_catalogue;
extern const struct tg_filter tg_filter_current;

/* What becomes of a request when a look-up fails. */
enum tg_live_on_error { TG_LIVE_ALLOW = 1, TG_LIVE_DENY, TG_LIVE_AUTO };

struct tg_identify_conf {
    const struct tg_conf_item *item; /* where the upstream is named; NULL: nowhere */
    struct tg_str upstream;          /* its name */
    int64_t ttl;                     /* microseconds, as the timeout */
    int64_t timeout;
    int64_t rate; /* new tokens of one address in a minute; 0: any */
    int on_error; /* enum tg_live_on_error; AUTO until the settings have completed it */
};

struct tg_catalogue;

struct tg_catalogue_conf {
    const struct tg_conf_item *item;  /* where the file is named */
    struct tg_str file;               /* empty: the service is asked */
    const struct tg_catalogue *known; /* what stands in it */
    int64_t ttl;                      /* microseconds, as the next two */
    int64_t stale;
    int64_t timeout;
    int on_error; /* enum tg_live_on_error, never AUTO */
};

struct tg_current_conf {
    int64_t timeout; /* microseconds */
    int on_error;    /* as identify's */
};

/* The words of enum tg_live_on_error for directives, and those without AUTO; they end with NULL. */
extern const char *const tg_live_on_error_words[];
extern const char *const tg_live_allow_deny[];

/* `return tg_live_failed(r, on_error, why, why_zh)`: answers 503 under DENY, else goes on. */
enum tg_verdict tg_live_failed(struct tg_request *r, int on_error, const char *why,
                               const char *why_zh);

#endif
