#include "digest.h"

#include "check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdlib.h>

enum { BLOCK = 64 }; /* bytes of a SHA-256 block */

/* A one-shot SHA256() or HMAC() of OpenSSL 3 looks its algorithm up under locks each time, which
 * costs more than hashing a kilobyte. */
struct tg_hash {
    EVP_MD *sha256;
    EVP_MD_CTX *work;
    EVP_MD_CTX *inner; /* has absorbed key ^ ipad */
    EVP_MD_CTX *outer; /* has absorbed key ^ opad */
};

void tg_sha256(struct tg_str s, unsigned char out[TG_SHA256])
{
    CHECK(SHA256((const unsigned char *)s.p, s.n, out) != NULL);
}

void tg_hmac_sha256(struct tg_str key, struct tg_str s, unsigned char out[TG_SHA256])
{
    unsigned n = 0;

    CHECK(key.n <= INT32_MAX);
    CHECK(HMAC(EVP_sha256(), key.n > 0 ? key.p : "", (int)key.n, (const unsigned char *)s.p, s.n,
               out, &n) != NULL);
    CHECK(n == TG_SHA256);
}

/* A context that has absorbed the padded key, RFC 2104 section 4. */
static EVP_MD_CTX *absorb(const EVP_MD *sha256, const unsigned char key[BLOCK], unsigned char pad)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    unsigned char block[BLOCK];

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    CHECK(c != NULL && EVP_DigestInit_ex2(c, sha256, NULL) == 1);
    CHECK(EVP_DigestUpdate(c, block, BLOCK) == 1);
    OPENSSL_cleanse(block, sizeof(block));
    return c;
}

struct tg_hash *tg_hash_new(struct tg_str key)
{
    struct tg_hash *h = calloc(1, sizeof(*h));
    unsigned char padded[BLOCK] = {0};

    CHECK(h != NULL);
    h->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    h->work = EVP_MD_CTX_new();
    CHECK(h->sha256 != NULL && h->work != NULL);
    if (key.n > BLOCK)
        tg_sha256(key, padded);
    else if (key.n > 0)
        memcpy(padded, key.p, key.n);
    h->inner = absorb(h->sha256, padded, 0x36);
    h->outer = absorb(h->sha256, padded, 0x5c);
    OPENSSL_cleanse(padded, sizeof(padded));
    return h;
}

void tg_hash_end(struct tg_hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->work);
    EVP_MD_CTX_free(h->inner);
    EVP_MD_CTX_free(h->outer);
    EVP_MD_free(h->sha256);
    free(h);
}

/* Feeds `parts` to the context at work and takes its digest. */
static void finish(struct tg_hash *h, const struct tg_str *parts, unsigned nparts,
                   unsigned char out[TG_SHA256])
{
    for (unsigned i = 0; i < nparts; i++)
        CHECK(EVP_DigestUpdate(h->work, parts[i].n > 0 ? parts[i].p : "", parts[i].n) == 1);
    CHECK(EVP_DigestFinal_ex(h->work, out, NULL) == 1);
}

void tg_hash_sha256(struct tg_hash *h, const struct tg_str *parts, unsigned nparts,
                    unsigned char out[TG_SHA256])
{
    CHECK(EVP_DigestInit_ex2(h->work, h->sha256, NULL) == 1);
    finish(h, parts, nparts, out);
}

void tg_hash_hmac(struct tg_hash *h, const struct tg_str *parts, unsigned nparts,
                  unsigned char out[TG_SHA256])
{
    struct tg_str digest = {(const char *)out, TG_SHA256};

    CHECK(EVP_MD_CTX_copy_ex(h->work, h->inner) == 1);
    finish(h, parts, nparts, out);
    CHECK(EVP_MD_CTX_copy_ex(h->work, h->outer) == 1);
    finish(h, &digest, 1, out);
}

void tg_hex(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

void tg_random(void *out, size_t n)
{
    CHECK(n <= INT32_MAX && RAND_bytes(out, (int)n) == 1);
}

bool tg_equal_secret(struct tg_str a, struct tg_str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void tg_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
