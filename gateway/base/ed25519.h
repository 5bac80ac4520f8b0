/* Ed25519 signatures (RFC 8032), with keys in PEM form as `openssl genpkey` writes them. */
#ifndef TG_BASE_ED25519_H
#define TG_BASE_ED25519_H

#include "base/str.h"

enum { TG_ED25519_SIGNATURE = 64, TG_ED25519_ID = 16 /* hex digits of a key's id */ };

/* A key, public or private. */
struct tg_ed25519;

/* Reads a public key (`openssl pkey -pubout`). NULL, and in *why the second half of a sentence,
 * when there is none. The caller ends it with tg_ed25519_end(). */
struct tg_ed25519 *tg_ed25519_public(struct tg_str pem, const char **why);

/* The same for a private one; asks at the terminal for its pass phrase, if it has one. */
struct tg_ed25519 *tg_ed25519_private(struct tg_str pem, const char **why);

/* NULL is fine. */
void tg_ed25519_end(struct tg_ed25519 *key);

/* Which key it is: the beginning of the hex SHA-256 of its public half (SubjectPublicKeyInfo, as
 * `openssl pkey -pubin -outform DER | sha256sum` has it), with a NUL. */
void tg_ed25519_id(const struct tg_ed25519 *key, char out[TG_ED25519_ID + 1]);

/* True when the signature is one of the text by this key. */
bool tg_ed25519_holds(const struct tg_ed25519 *key, struct tg_str text, struct tg_str signature);

/* Signs a text with a private key, as `openssl pkeyutl -sign -rawin` does. */
void tg_ed25519_sign(const struct tg_ed25519 *key, struct tg_str text,
                     unsigned char out[TG_ED25519_SIGNATURE]);

#endif
