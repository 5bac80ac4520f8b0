/*
 * The keys TLS session tickets are sealed with. All workers have the same ones without talking to
 * each other: the master draws a secret before it forks, and everybody replaces it by its own hash
 * at the same moments of the monotonic clock. An old key cannot be computed from a newer one, so
 * what was recorded yesterday stays sealed when a process is read out today.
 */
#ifndef TG_NET_TICKET_KEYS_H
#define TG_NET_TICKET_KEYS_H

#include "base/crypto.h"

enum { TG_TICKET_NAME = 16, TG_TICKET_KEYS = 2 };

/* What seals one epoch's tickets. */
struct tg_ticket_key {
    unsigned char name[TG_TICKET_NAME]; /* stands in the ticket in the clear */
    unsigned char cipher[TG_SHA256];    /* AES-256 */
    unsigned char mac[TG_SHA256];       /* HMAC-SHA256 */
};

struct tg_ticket_keys {
    int64_t rotation; /* microseconds an epoch lasts */
    uint64_t epoch;   /* of the monotonic clock, in `rotation`s */
    unsigned char secret[TG_SHA256];
    struct tg_ticket_key keys[TG_TICKET_KEYS]; /* the current epoch's, then the one before it */
};

/* Draws the first secret. `now` is monotonic. */
void tg_ticket_keys_init(struct tg_ticket_keys *t, int64_t rotation, uint64_t now);

/* Draws a new secret (a reload); tickets of the key before it are still taken for an epoch. */
void tg_ticket_keys_renew(struct tg_ticket_keys *t, int64_t rotation, uint64_t now);

/* Goes on to the epoch of `now`; cheap when that has not changed. */
void tg_ticket_keys_advance(struct tg_ticket_keys *t, uint64_t now);

/* The key of that name: 0 the current one, 1 the one before (seal it anew), -1 none. */
int tg_ticket_keys_find(const struct tg_ticket_keys *t, const unsigned char name[TG_TICKET_NAME]);

#endif
