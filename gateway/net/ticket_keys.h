/*
 * The keys TLS session tickets are sealed with. They come from files, which gateways can share, or
 * from nowhere else: all workers have the same ones without talking to
 * each other: the master draws a secret before it forks, and everybody replaces it by its own hash
 * at the same moments of the monotonic clock. An old key cannot be computed from a newer one, so
 * what was recorded yesterday stays sealed when a process is read out today.
 */
#ifndef TG_NET_TICKET_KEYS_H
#define TG_NET_TICKET_KEYS_H

#include "base/crypto.h"

enum {
    TG_TICKET_NAME = 16,
    TG_TICKET_KEYS = 8,
    TG_TICKET_FILE = 80 /* bytes of a key in a file: name, MAC, cipher, as nginx has them */
};

/* What seals one epoch's tickets. */
struct tg_ticket_key {
    unsigned char name[TG_TICKET_NAME]; /* stands in the ticket in the clear */
    unsigned char cipher[TG_SHA256];    /* AES-256 */
    unsigned char mac[TG_SHA256];       /* HMAC-SHA256 */
};

struct tg_ticket_keys {
    int64_t rotation; /* microseconds an epoch lasts; 0: the keys are those of files */
    uint64_t epoch;   /* of the monotonic clock, in `rotation`s */
    unsigned char secret[TG_SHA256];
    struct tg_ticket_key keys[TG_TICKET_KEYS]; /* the one that seals, then those that only open:
                                                  that of the epoch before, or of further files */
    unsigned nkeys;
};

/* Draws the first secret. `now` is monotonic. */
void tg_ticket_keys_init(struct tg_ticket_keys *t, int64_t rotation, uint64_t now);

/* Draws a new secret (a reload); tickets of the key before it are still taken for an epoch. */
void tg_ticket_keys_renew(struct tg_ticket_keys *t, int64_t rotation, uint64_t now);

/* Takes 1 to TG_TICKET_KEYS keys of files: the first seals, all open, none ages. */
void tg_ticket_keys_fix(struct tg_ticket_keys *t, const struct tg_ticket_key *keys, unsigned n);

/* Reads a key of TG_TICKET_FILE bytes. */
void tg_ticket_key_read(struct tg_ticket_key *key, const char bytes[TG_TICKET_FILE]);

/* Goes on to the epoch of `now`; cheap when that has not changed. */
void tg_ticket_keys_advance(struct tg_ticket_keys *t, uint64_t now);

/* The key of that name: 0 the one that seals, else one that opens (seal it anew), -1 none. */
int tg_ticket_keys_find(const struct tg_ticket_keys *t, const unsigned char name[TG_TICKET_NAME]);

#endif
