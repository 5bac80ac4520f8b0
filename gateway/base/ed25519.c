/* Ed25519 by way of OpenSSL. */
#include "base/ed25519.h"

#include "base/check.h"
#include "base/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct tg_ed25519 {
    EVP_PKEY *pkey;
};

/* Takes a key over, or says why not. */
static struct tg_ed25519 *take(EVP_PKEY *pkey, const char *missing, const char **why)
{
    struct tg_ed25519 *key = NULL;

    ERR_clear_error();
    *why = pkey == NULL                                     ? missing
           : EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519 ? "it is no key of Ed25519"
                                                            : NULL;
    if (*why == NULL) {
        key = calloc(1, sizeof(*key));
        CHECK(key != NULL);
        key->pkey = pkey;
    } else {
        EVP_PKEY_free(pkey);
    }
    return key;
}

static BIO *open_text(struct tg_str pem)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);

    CHECK(in != NULL);
    return in;
}

struct tg_ed25519 *tg_ed25519_public(struct tg_str pem, const char **why)
{
    const char *missing = "there is no public key in PEM form in it";
    EVP_PKEY *pkey = NULL;
    BIO *in;

    if (pem.n > 0) {
        in = open_text(pem);
        pkey = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
        BIO_free(in);
        if (memmem(pem.p, pem.n, "PRIVATE KEY", 11) != NULL)
            missing = "it is the private key, which belongs to who signs";
    }
    return take(pkey, missing, why);
}

struct tg_ed25519 *tg_ed25519_private(struct tg_str pem, const char **why)
{
    EVP_PKEY *pkey = NULL;
    BIO *in;

    if (pem.n > 0) {
        in = open_text(pem);
        pkey = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
        BIO_free(in);
    }
    return take(pkey, "there is no private key in PEM form in it, or its pass phrase is another",
                why);
}

void tg_ed25519_end(struct tg_ed25519 *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

void tg_ed25519_id(const struct tg_ed25519 *key, char out[TG_ED25519_ID + 1])
{
    unsigned char *der = NULL, digest[TG_SHA256];
    int n = i2d_PUBKEY(key->pkey, &der);

    CHECK(n > 0);
    tg_sha256((struct tg_str){(char *)der, (size_t)n}, digest);
    OPENSSL_free(der);
    tg_hex(digest, TG_ED25519_ID / 2, out);
    out[TG_ED25519_ID] = '\0';
}

bool tg_ed25519_holds(const struct tg_ed25519 *key, struct tg_str text, struct tg_str signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool holds;

    CHECK(ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1);
    holds = signature.n == TG_ED25519_SIGNATURE &&
            EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                             (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return holds;
}

void tg_ed25519_sign(const struct tg_ed25519 *key, struct tg_str text,
                     unsigned char out[TG_ED25519_SIGNATURE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = TG_ED25519_SIGNATURE;

    CHECK(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1);
    CHECK(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.n) == 1);
    CHECK(n == TG_ED25519_SIGNATURE);
    EVP_MD_CTX_free(ctx);
}
