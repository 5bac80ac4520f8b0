/*
 * How one of the gateway's own keys fares at the service, counted by all workers in memory they
 * share. The service locks a key whose signatures it refused more than five times in a row. So a
 * refused key is tried by one request at a time, and after three refusals it rests, until another
 * one is in force or a pause is over.
 */
#ifndef TG_SIGNING_KEY_USE_H
#define TG_SIGNING_KEY_USE_H

#include "base/str.h"

enum {
    TG_KEY_TRIES = 3,          /* refusals in a row, before it rests */
    TG_KEY_PAUSE_S = 60,       /* then one request each time so much has passed */
    TG_KEY_TRIES_MOST = 5,     /* refusals in a row; the service forgives no more */
    TG_KEY_LONG_PAUSE_S = 300, /* then so much: what a lock of the service lasts */
    TG_KEY_PROBE_US = 1000000, /* a request that tries a refused key has so long to come back */
    TG_KEY_CODES = 8,          /* error codes that mean a refused key, and "other" */
};

/* What became of signing an attempt. */
enum tg_key_result { TG_KEY_SIGNED, TG_KEY_MISSING, TG_KEY_PAUSED, TG_KEY_RESULTS };

/* Zeroed at first; in shared memory. */
struct tg_key_use {
    _Atomic uint64_t results[TG_KEY_RESULTS];
    _Atomic uint64_t refused[TG_KEY_CODES]; /* answers, by code */
    _Atomic uint64_t row;                   /* serial of the key << 32, refusals in a row */
    _Atomic uint64_t next; /* the next request may be signed then, monotonic microseconds */
};

/* The words of results and codes in metrics. */
extern const char *const tg_key_result_words[TG_KEY_RESULTS];
extern const char *const tg_key_code_words[TG_KEY_CODES];

/* The index of an error code of a 401 that concerns the key it was signed with (signing of
 * requests; the API's table of errors), or -1. */
int tg_key_code(struct tg_str error_code);

/* Whether the key `serial` may be signed with at `now` (monotonic microseconds); else *wait is how
 * many seconds until it may be tried, at least 1. Counts one or the other. */
bool tg_key_use_begin(struct tg_key_use *u, uint32_t serial, uint64_t now, unsigned *wait);

/* Whether the key `serial` rests at `now`: nothing is signed with it, and *wait says for how long.
 * A look alone. */
bool tg_key_use_rests(const struct tg_key_use *u, uint32_t serial, uint64_t now, unsigned *wait);

/* There was no key. */
void tg_key_use_missing(struct tg_key_use *u);

/* The service took the signature. */
void tg_key_use_passed(struct tg_key_use *u, uint32_t serial);

/* It refused it, with the code of that index. Returns how many refusals in a row that makes; 0: the
 * key is not the one in force any more. */
unsigned tg_key_use_refused(struct tg_key_use *u, uint32_t serial, uint64_t now, int code);

#endif
