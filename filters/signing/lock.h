/*
 * Access keys that failed too often from one address: as the service does it, more than five
 * failures in a row lock the key for five minutes, but here for that address alone, so that nobody
 * locks out a colleague. One map shared by all workers of a configuration; a full map forgets who
 * failed least recently.
 */
#ifndef TG_SIGNING_LOCK_H
#define TG_SIGNING_LOCK_H

#include "base/str.h"

enum {
    TG_SIGNING_TRIES = 5,          /* failures in a row that are forgiven */
    TG_SIGNING_LOCK_SECONDS = 300, /* how long the next one locks */
    TG_SIGNING_LOCKS = 4096,       /* pairs of key and address kept */
};

struct tg_signing_locks;

/* Makes the map (CHECKed). End it with tg_signing_locks_end(). */
struct tg_signing_locks *tg_signing_locks_new(void);

/* Unmaps it. NULL is fine. */
void tg_signing_locks_end(struct tg_signing_locks *l);

/* How long a key is locked for an address at `now`, in seconds; 0: not. Times are monotonic
 * microseconds. */
unsigned tg_signing_locked(const struct tg_signing_locks *l, struct tg_str access_key,
                           struct tg_str address, uint64_t now);

/* Counts a failure, and returns for how many seconds it locks the key (0: not yet); a good
 * signature takes all of them back. */
unsigned tg_signing_failed(struct tg_signing_locks *l, struct tg_str access_key,
                           struct tg_str address, uint64_t now);
void tg_signing_passed(struct tg_signing_locks *l, struct tg_str access_key, struct tg_str address);

#endif
