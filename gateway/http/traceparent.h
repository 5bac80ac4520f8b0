/* W3C Trace Context (https://www.w3.org/TR/trace-context/): reading `traceparent`. */
#ifndef TG_HTTP_TRACEPARENT_H
#define TG_HTTP_TRACEPARENT_H

#include "base/str.h"

/* Slices of the field's value. */
struct tg_traceparent {
    struct tg_str trace_id;  /* 32 lower-case hex digits, not all zero */
    struct tg_str parent_id; /* 16, likewise */
    unsigned flags;          /* bit 0: sampled */
};

/*
 * Reads the value of a traceparent field, strictly (section 3.2.2): version 00 has exactly its four
 * parts, a later version may go on behind them with '-', version ff does not exist. Returns false,
 * and leaves *out alone, for anything else.
 */
bool tg_traceparent_parse(struct tg_str value, struct tg_traceparent *out);

#endif
