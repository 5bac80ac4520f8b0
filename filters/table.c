/* The filters that are built in: one line each. The order here means nothing; the order of a
 * request's filters is written in the configuration. */
#include "filter.h"

const struct tg_filter *const tg_builtin_filters[] = {
    NULL,
};
