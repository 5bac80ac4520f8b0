/* The words of limits. */
#include "shm/limit_types.h"

#include <stddef.h>

const char *const tg_limit_key_words[] = {
    [TG_LIMIT_BY_PROJECT - 1] = "project",
    [TG_LIMIT_BY_PRINCIPAL - 1] = "principal",
    [TG_LIMIT_BY_ADDRESS - 1] = "address",
    [TG_LIMIT_BY_USER - 1] = "user",
    NULL,
};

const char *const tg_limit_kind_words[TG_LIMIT_KINDS] = {[TG_LIMIT_REQ] = "limit_req",
                                                         [TG_LIMIT_CONN] = "limit_conn",
                                                         [TG_LIMIT_IN_FLIGHT] = "limit_in_flight"};

const char *const tg_limit_call_words[TG_LIMIT_CALLS] = {
    [TG_LIMIT_CALL_OK] = "ok",
    [TG_LIMIT_CALL_TIMEOUT] = "timeout",
    [TG_LIMIT_CALL_NOSCRIPT] = "noscript",
    [TG_LIMIT_CALL_OOM] = "oom",
    [TG_LIMIT_CALL_READONLY] = "readonly",
    [TG_LIMIT_CALL_DENIED] = "denied",
    [TG_LIMIT_CALL_DOWN] = "down",
    [TG_LIMIT_CALL_ERROR] = "error",
};

const uint64_t tg_limit_call_bounds[TG_STATS_BUCKETS - 1] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000};
