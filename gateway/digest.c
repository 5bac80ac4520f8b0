#include "digest.h"

#include "check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

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
