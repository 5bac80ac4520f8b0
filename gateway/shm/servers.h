/*
 * The servers of upstreams as all workers know them together: which one fails, since when, and how
 * often in which way. It lies in the map of the counters and is kept across reloads. Workers write
 * without a lock: who reads may see one failure less.
 */
#ifndef TG_SHM_SERVERS_H
#define TG_SHM_SERVERS_H

#include "http/errors.h"

enum {
    TG_SERVERS = 256,     /* told apart; more of them each worker knows by itself */
    TG_SERVER_TEXT = 384, /* upstream and server, with "\n" between; longer ones are not shared */
    TG_SERVER_FAULTS = 8
};

/* What of the ends of requests is a server's fault. A client that goes away, a full queue or a
 * proxy is not. */
extern const enum tg_error tg_server_faults[TG_SERVER_FAULTS];

/* One server. */
struct tg_server_health {
    char text[TG_SERVER_TEXT]; /* whose: upstream "\n" server; "": the entry is free */
    uint64_t window;           /* when counting failures began, monotonic microseconds */
    uint64_t fails;            /* since then */
    uint64_t down_until;       /* passed over until then, monotonic microseconds */
    uint64_t failing;          /* 1: it failed as often as it may, and has not answered since */
    int64_t since;             /* when `failing` changed, wall clock; 0: never */
    int64_t failed;            /* the last failure, wall clock; 0: none */
    uint64_t last;             /* what it was: enum tg_error */
    uint64_t failures[TG_SERVER_FAULTS]; /* since the start, by tg_server_faults */
};

/* All of them; zeroed at first. */
struct tg_server_table {
    struct tg_server_health at[TG_SERVERS];
};

/* The number of a server, from 1, given on first sight; 0 when there are too many or its names are
 * too long. The master only, before workers start. */
unsigned tg_servers_number(struct tg_server_table *t, struct tg_str upstream, struct tg_str server);

/* A server `failed` (an error that is none of tg_server_faults is CHECKed against) at `now`,
 * monotonic: `most` failures (0: any) within `span` microseconds are too many, and it is passed
 * over for as long. True: it is from now on. */
bool tg_server_failed(struct tg_server_health *h, enum tg_error failed, unsigned most, int64_t span,
                      uint64_t now);

/* A server answered a request to its end. */
void tg_server_answered(struct tg_server_health *h);

/* The place of an error among tg_server_faults, or -1. */
int tg_server_fault(enum tg_error error);

#endif
