/* Digests, hex, random bytes and secrets, by way of OpenSSL. */
#include "base/crypto.h"

#include "base/chars.h"
#include "base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 64 }; /* bytes of a SHA-256 block */

/*
 * The low-level SHA-256 of OpenSSL, which 3.0 calls deprecated and still runs on the same code: an
 * EVP digest of a few hundred bytes costs more in locks, copies and allocations than in hashing,
 * and a record has several of them.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct tg_hash {
    SHA256_CTX inner; /* has absorbed key ^ ipad (RFC 2104 section 2) */
    SHA256_CTX outer; /* has absorbed key ^ opad */
};

static void absorb(SHA256_CTX *c, const unsigned char key[BLOCK], unsigned char pad)
{
    unsigned char block[BLOCK];

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    CHECK(SHA256_Init(c) == 1 && SHA256_Update(c, block, BLOCK) == 1);
    OPENSSL_cleanse(block, sizeof(block));
}

struct tg_hash *tg_hash_new(struct tg_str key)
{
    struct tg_hash *h = calloc(1, sizeof(*h));
    unsigned char padded[BLOCK] = {0};

    CHECK(h != NULL);
    if (key.n > BLOCK)
        tg_sha256(key, padded);
    else if (key.n > 0)
        memcpy(padded, key.p, key.n);
    absorb(&h->inner, padded, 0x36);
    absorb(&h->outer, padded, 0x5c);
    OPENSSL_cleanse(padded, sizeof(padded));
    return h;
}

void tg_hash_end(struct tg_hash *h)
{
    if (h == NULL)
        return;
    OPENSSL_cleanse(h, sizeof(*h));
    free(h);
}

static void finish(SHA256_CTX *c, const struct tg_str *parts, unsigned nparts,
                   unsigned char out[TG_SHA256])
{
    for (unsigned i = 0; i < nparts; i++)
        if (parts[i].n > 0)
            CHECK(SHA256_Update(c, parts[i].p, parts[i].n) == 1);
    CHECK(SHA256_Final(out, c) == 1);
}

void tg_hash_sha256(const struct tg_str *parts, unsigned nparts, unsigned char out[TG_SHA256])
{
    SHA256_CTX work;

    CHECK(SHA256_Init(&work) == 1);
    finish(&work, parts, nparts, out);
}

void tg_hash_hmac(const struct tg_hash *h, const struct tg_str *parts, unsigned nparts,
                  unsigned char out[TG_SHA256])
{
    struct tg_str digest = {(const char *)out, TG_SHA256};
    SHA256_CTX work = h->inner;

    finish(&work, parts, nparts, out);
    work = h->outer;
    finish(&work, &digest, 1, out);
}

void tg_sha256(struct tg_str s, unsigned char out[TG_SHA256])
{
    tg_hash_sha256(&s, 1, out);
}

/* How many bytes in whole blocks both begin with. */
static size_t shared_blocks(struct tg_str a, struct tg_str b)
{
    size_t most = a.n < b.n ? a.n : b.n;
    size_t n = a.p == b.p ? most / BLOCK * BLOCK : 0;

    while (most - n >= BLOCK && memcmp(a.p + n, b.p + n, BLOCK) == 0)
        n += BLOCK;
    return n;
}

void tg_sha256_pair(struct tg_str a, struct tg_str b, unsigned char out_a[TG_SHA256],
                    unsigned char out_b[TG_SHA256])
{
    struct tg_str front = {a.p, shared_blocks(a, b)};
    struct tg_str rest_a = {a.p + front.n, a.n - front.n};
    struct tg_str rest_b = {b.p + front.n, b.n - front.n};
    SHA256_CTX work, other;

    CHECK(SHA256_Init(&work) == 1 && SHA256_Update(&work, front.p, front.n) == 1);
    other = work;
    finish(&work, &rest_a, 1, out_a);
    if (tg_str_eq(rest_a, rest_b))
        memcpy(out_b, out_a, TG_SHA256);
    else
        finish(&other, &rest_b, 1, out_b);
}

void tg_hmac_sha256(struct tg_str key, struct tg_str s, unsigned char out[TG_SHA256])
{
    struct tg_hash *h = tg_hash_new(key);

    tg_hash_hmac(h, &s, 1, out);
    tg_hash_end(h);
}

#ifdef __SSE2__
/* The digits of sixteen numbers below sixteen. */
static __m128i digits_of(__m128i halves)
{
    __m128i letters = _mm_cmpgt_epi8(halves, _mm_set1_epi8(9));

    return _mm_add_epi8(_mm_add_epi8(halves, _mm_set1_epi8('0')),
                        _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10)));
}
#endif

void tg_hex(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;

#ifdef __SSE2__
    for (; n - i >= 16; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(15));
        __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
        __m128i *to = (__m128i *)(void *)(out + 2 * i);

        _mm_storeu_si128(to, digits_of(_mm_unpacklo_epi8(high, low)));
        _mm_storeu_si128(to + 1, digits_of(_mm_unpackhi_epi8(high, low)));
    }
#endif
    for (; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

/* OpenSSL passes blanks over, here and there. */
bool tg_base64_read(struct tg_str text, char *out, size_t *n)
{
    size_t padding = 0;

    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.n - padding; i++)
        if (!tg_char_is(text.p[i], TG_CHAR_ALPHANUMERIC) && text.p[i] != '+' && text.p[i] != '/')
            return false;
    if (text.n == 0 || text.n % 4 != 0 || text.n > INT32_MAX ||
        EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text.p, (int)text.n) < 0)
        return false;
    *n = text.n / 4 * 3 - padding;
    return true;
}

void tg_base64(struct tg_str in, char *out)
{
    CHECK(in.n <= INT32_MAX / 2);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)in.p, (int)in.n);
}

bool tg_unhex(struct tg_str hex, unsigned char *out)
{
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        int high = tg_hex_value(hex.p[i]), low = tg_hex_value(hex.p[i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return hex.n % 2 == 0;
}

void tg_random(void *out, size_t n)
{
    CHECK(n <= INT32_MAX && RAND_bytes(out, (int)n) == 1);
}

/* By words: the byte a step of CRYPTO_memcmp() would cost as much as an HMAC of the text. */
bool tg_equal_secret(struct tg_str a, struct tg_str b)
{
    uint64_t differ = 0;
    size_t i = 0;

    if (a.n != b.n)
        return false;
    for (; a.n - i >= sizeof(differ); i += sizeof(differ)) {
        uint64_t one, other;

        memcpy(&one, a.p + i, sizeof(one));
        memcpy(&other, b.p + i, sizeof(other));
        differ |= one ^ other;
    }
    for (; i < a.n; i++)
        differ |= (uint64_t)(unsigned char)(a.p[i] ^ b.p[i]);
    return differ == 0;
}

void tg_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
