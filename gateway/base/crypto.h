/* SHA-256 and HMAC-SHA256 (OpenSSL). */
#ifndef TG_BASE_CRYPTO_H
#define TG_BASE_CRYPTO_H

#include "base/str.h"

enum { TG_SHA256 = 32, TG_SHA256_HEX = 64 };

/* Puts the SHA-256 of `s` into `out`. */
void tg_sha256(struct tg_str s, unsigned char out[TG_SHA256]);

/* Puts the SHA-256 of `a` into `out_a` and that of `b` into `out_b`; what both texts begin with is
 * hashed once. */
void tg_sha256_pair(struct tg_str a, struct tg_str b, unsigned char out_a[TG_SHA256],
                    unsigned char out_b[TG_SHA256]);

/* Puts the HMAC-SHA256 of `s` under `key` into `out`. */
void tg_hmac_sha256(struct tg_str key, struct tg_str s, unsigned char out[TG_SHA256]);

/* A key for many HMACs, absorbed once. Digests allocate nothing. */
struct tg_hash;

/* Takes a key (may be empty). End it with tg_hash_end(). */
struct tg_hash *tg_hash_new(struct tg_str key);

/* Wipes and frees the key. NULL is fine. */
void tg_hash_end(struct tg_hash *h);

/* Puts the SHA-256 of `parts`, one after the other, into `out`. */
void tg_hash_sha256(const struct tg_str *parts, unsigned nparts, unsigned char out[TG_SHA256]);

/* Puts the HMAC-SHA256 (RFC 2104) of `parts`, one after the other, under the key of `h` into `out`.
 */
void tg_hash_hmac(const struct tg_hash *h, const struct tg_str *parts, unsigned nparts,
                  unsigned char out[TG_SHA256]);

/* Lower-case hex without NUL. */
void tg_hex(const unsigned char *in, size_t n, char *out);

/* Decodes base64 (RFC 4648 section 4, with its padding, without blanks) into `out`, which has room
 * for as many bytes as the text has. False when it is none, or empty. */
bool tg_base64_read(struct tg_str text, char *out, size_t *n);

/* The bytes tg_base64() writes for `n` bytes, with its NUL. */
#define TG_BASE64(n) (((n) + 2) / 3 * 4 + 1)

/* Encodes base64 (RFC 4648 section 4, with its padding) into `out`, with a NUL behind it. */
void tg_base64(struct tg_str in, char *out);

/* Reads hex digits of either case, two for each byte of `out`; false for anything else. */
bool tg_unhex(struct tg_str hex, unsigned char *out);

/* Fills `out` with random bytes from the system (ends the process when there are none). */
void tg_random(void *out, size_t n);

/* True when both have the same bytes; time depends on the length only. */
bool tg_equal_secret(struct tg_str a, struct tg_str b);

/* Overwrites memory that held a secret; the compiler cannot leave it out. */
void tg_wipe(void *p, size_t n);

#endif
