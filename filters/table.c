/* The filters that are built in: one line each. The order here means nothing; the order of a
 * request's filters is written in the configuration. */
#include "table.h"

#define TG_FILTERS(X)                                                                              \
    X(json)                                                                                        \
    X(normalize)                                                                                   \
    X(validate)                                                                                    \
    X(policy)                                                                                      \
    X(catalogue)                                                                                   \
    X(current)                                                                                     \
    X(identify)                                                                                    \
    X(verify)                                                                                      \
    X(sign)

#define X(name) extern const struct tg_filter tg_filter_##name;
TG_FILTERS(X)
#undef X

const struct tg_filter *const tg_builtin_filters[] = {
#define X(name) &tg_filter_##name,
    TG_FILTERS(X)
#undef X
        NULL,
};
