/*
 * Where a store of limits decides about each request (`exact`, what is in flight): what workers ask
 * the syncer, and what it answers. A pair of sockets joins each worker to the syncer of its
 * configuration; the master holds both ends, so that who takes the place of one that died finds
 * them. Several asks or answers go in one packet.
 */
#ifndef TG_SHM_LIMIT_ASKS_H
#define TG_SHM_LIMIT_ASKS_H

#include "shm/limit_types.h"

enum { TG_LIMIT_PACKET = 32 /* asks or answers in one packet, at most */ };

/* From a worker to the syncer. */
struct tg_limit_ask {
    uint32_t id, serial; /* the worker's own: come back with the answer */
    uint64_t until;      /* who asks waits no longer, monotonic microseconds */
    uint32_t store;      /* the place of the rule's store */
    uint32_t at;         /* the entry of the key in the rule's table */
    uint64_t rule;       /* its id */
    uint64_t key;        /* what the entry was given to */
    uint32_t slot, gone; /* who asks, and what tg_limit_gone() said of it then */
    bool release;        /* nothing is asked: the entry holds one less */
    unsigned char digest[TG_LIMIT_DIGEST];
};

enum tg_limit_result {
    TG_LIMIT_GRANTED = 1,
    TG_LIMIT_REFUSED,
    TG_LIMIT_UNKNOWN /* the store did not say */
};

/* From the syncer to a worker. */
struct tg_limit_answer {
    uint32_t id, serial;
    uint32_t result; /* enum tg_limit_result */
    uint32_t unused;
    uint64_t number; /* of a rate: until when the key is used up, microseconds from now on; else:
                        how many all gateways hold */
};

/* The pairs of sockets of one configuration, by the number of a worker. */
struct tg_limit_channels {
    int *worker, *syncer; /* their ends; -1: not this process' */
    unsigned n;           /* 0: there are none */
};

/* Makes `n` pairs. False, with errno, when the kernel refuses; nothing is left open then. */
bool tg_limit_channels_open(struct tg_limit_channels *c, unsigned n);

/* Closes all ends but that of one worker; returns it, -1 when there is none. */
int tg_limit_channels_of_worker(struct tg_limit_channels *c, unsigned number);

/* Closes the ends of workers. */
void tg_limit_channels_of_syncer(struct tg_limit_channels *c);

/* Closes all. */
void tg_limit_channels_end(struct tg_limit_channels *c);

/* Sends a packet of `n` asks or answers of `size` bytes each. False: the other side has too many
 * that it did not read, or is gone. */
bool tg_limit_send(int fd, const void *items, unsigned n, size_t size);

/* The next packet of up to TG_LIMIT_PACKET; returns how many, 0: none is there, or one that makes
 * no sense; *ended tells whether nothing will come any more. */
unsigned tg_limit_receive(int fd, void *items, size_t size, bool *ended);

#endif
