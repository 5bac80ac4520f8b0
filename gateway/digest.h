/* SHA-256 and HMAC-SHA256 (OpenSSL). */
#ifndef TG_DIGEST_H
#define TG_DIGEST_H

#include "str.h"

enum { TG_SHA256 = 32, TG_SHA256_HEX = 64 };

/* Puts the SHA-256 of `s` into `out`. */
void tg_sha256(struct tg_str s, unsigned char out[TG_SHA256]);

/* Puts the HMAC-SHA256 of `s` under `key` into `out`. */
void tg_hmac_sha256(struct tg_str key, struct tg_str s, unsigned char out[TG_SHA256]);

/* Lower-case hex without NUL. */
void tg_hex(const unsigned char *in, size_t n, char *out);

/* Fills `out` with random bytes from the system (ends the process when there are none). */
void tg_random(void *out, size_t n);

/* True when both have the same bytes; time depends on the length only. */
bool tg_equal_secret(struct tg_str a, struct tg_str b);

/* Overwrites memory that held a secret; the compiler cannot leave it out. */
void tg_wipe(void *p, size_t n);

#endif
