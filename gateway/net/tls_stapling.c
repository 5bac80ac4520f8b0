/* OCSP responses from files, handed out with the certificates they are about (RFC 6066 section 8).
 */
#include "base/check.h"
#include "base/clock.h"
#include "net/tls_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct tg_tls_staple {
    OCSP_BASICRESP *basic; /* owned */
    unsigned char *der;    /* the whole response; owned, OpenSSL's memory */
    int n;
    int64_t until; /* wall clock, microseconds: then it is not handed out any more */
};

void tg_tls_staple_end(struct tg_tls_staple *s)
{
    if (s == NULL)
        return;
    OCSP_BASICRESP_free(s->basic);
    OPENSSL_free(s->der);
    free(s);
}

/* NULL, or what is wrong with it. */
static const char *tls_stapling_take(struct tg_tls_staple *s, OCSP_RESPONSE *response)
{
    int status = OCSP_response_status(response);

    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return OCSP_response_status_str(status);
    s->basic = OCSP_response_get1_basic(response);
    if (s->basic == NULL)
        return tg_tls_error_text();
    s->n = i2d_OCSP_RESPONSE(response, &s->der);
    CHECK(s->n > 0);
    return NULL;
}

struct tg_tls_staple *tg_tls_staple_read(const char *file, const char **why)
{
    struct tg_tls_staple *s = calloc(1, sizeof(*s));
    BIO *in;
    OCSP_RESPONSE *response;

    CHECK(s != NULL);
    ERR_clear_error();
    in = BIO_new_file(file, "rb");
    response = in != NULL ? d2i_OCSP_RESPONSE_bio(in, NULL) : NULL;
    *why = response != NULL ? tls_stapling_take(s, response) : tg_tls_error_text();
    OCSP_RESPONSE_free(response);
    BIO_free(in);
    if (*why == NULL)
        return s;
    tg_tls_staple_end(s);
    return NULL;
}

/* A certificate is named by its serial number and a digest of its issuer's name (RFC 6960 section
 * 4.1.1). */
static bool names(const OCSP_CERTID *id, const X509 *leaf)
{
    ASN1_OBJECT *algorithm;
    ASN1_OCTET_STRING *issuer;
    ASN1_INTEGER *serial;
    const EVP_MD *digest;
    unsigned char own[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    CHECK(OCSP_id_get0_info(&issuer, &algorithm, NULL, &serial, (OCSP_CERTID *)(uintptr_t)id) == 1);
    digest = EVP_get_digestbyobj(algorithm);
    return digest != NULL && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0 &&
           X509_NAME_digest(X509_get_issuer_name(leaf), digest, own, &n) == 1 &&
           ASN1_STRING_length(issuer) == (int)n &&
           memcmp(ASN1_STRING_get0_data(issuer), own, n) == 0;
}

/* What the response says about a certificate, or NULL. */
static OCSP_SINGLERESP *tls_stapling_find(const struct tg_tls_staple *s, const X509 *leaf)
{
    for (int i = 0; i < OCSP_resp_count(s->basic); i++) {
        OCSP_SINGLERESP *one = OCSP_resp_get0(s->basic, i);

        if (names(OCSP_SINGLERESP_get0_id(one), leaf))
            return one;
    }
    return NULL;
}

int tg_tls_staple_give(const struct tg_tls_staple *s, SSL *ssl)
{
    unsigned char *copy;

    if (tg_clock_wall_now() >= s->until)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(s->der, (size_t)s->n);
    CHECK(copy != NULL);
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, s->n); /* takes it over */
    return SSL_TLSEXT_ERR_OK;
}

bool tg_tls_staple_fits(struct tg_tls_staple *s, const X509 *leaf, char words[TG_TLS_STAPLE_WORDS])
{
    OCSP_SINGLERESP *one = tls_stapling_find(s, leaf);
    ASN1_GENERALIZEDTIME *next = NULL;
    struct tm end;
    char date[11];
    bool good;

    words[0] = '\0';
    if (one == NULL)
        return false;
    good = OCSP_single_get0_status(one, NULL, NULL, NULL, &next) == V_OCSP_CERTSTATUS_GOOD;
    s->until = INT64_MAX;
    if (next != NULL && ASN1_TIME_to_tm(next, &end) == 1)
        s->until = (int64_t)timegm(&end) * 1000000;
    if (s->until <= tg_clock_wall_now()) {
        tg_tls_date(next, date);
        snprintf(words, TG_TLS_STAPLE_WORDS, "has expired on %s and is not handed out", date);
    } else if (!good) {
        snprintf(words, TG_TLS_STAPLE_WORDS, "says that its certificate is not good");
    }
    return true;
}
