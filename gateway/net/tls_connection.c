/* One TLS connection of either side: its handshake and why that failed, its bytes, its end. */
#include "base/check.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_WORDS = 512,
    KEEPERS = 64 /* connections that keep their buffers between two uses */
};

static enum tg_io outcome(struct tg_tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TG_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TG_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TG_IO_CLOSED;
    default:
        return TG_IO_BROKEN;
    }
}

/* --- handshakes, and why they fail --- */

void tg_tls_date(const ASN1_TIME *time, char out[11])
{
    struct tm tm = {0};

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        memcpy(out, "0000-00-00", 11);
    else
        CHECK(strftime(out, 11, "%Y-%m-%d", &tm) == 10);
}

/* The common name, or "?"; for people, not for decisions. */
static void write_name(X509_NAME *name, char *out, int cap)
{
    if (name == NULL || X509_NAME_get_text_by_NID(name, NID_commonName, out, cap) <= 0)
        snprintf(out, (size_t)cap, "?");
}

/* What a person needs beside OpenSSL's words: the date, or who signed it. */
static void describe(X509 *certificate, int error, char *out, size_t cap)
{
    char text[128] = "";

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tg_tls_date(X509_get0_notAfter(certificate), text);
        snprintf(out, cap, " on %s", text);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        tg_tls_date(X509_get0_notBefore(certificate), text);
        snprintf(out, cap, " before %s", text);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        write_name(X509_get_issuer_name(certificate), text, sizeof(text));
        snprintf(out, cap, ", issued by \"%s\"", text);
        break;
    default:
        break;
    }
}

/* The certificate a step fails at is known only here. */
int tg_tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tg_tls *t = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char more[MAX_WORDS] = "", subject[128] = "?";

    if (ok || t->why != NULL || (t->context != NULL && !t->context->verify))
        return ok;
    if (certificate != NULL) {
        describe(certificate, error, more, sizeof(more));
        write_name(X509_get_subject_name(certificate), subject, sizeof(subject));
    }
    CHECK(asprintf(&t->why, "certificate of %s not accepted: %s%s, subject \"%s\"",
                   t->name != NULL ? t->name : "the client", X509_verify_cert_error_string(error),
                   more, subject) > 0);
    return ok;
}

static const char *explain_handshake(struct tg_tls *t, int error)
{
    const char *words = error != 0 ? strerror(error) : "the peer closed the connection";
    const char *hint = NULL;

    if (t->context != NULL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_WRONG_VERSION_NUMBER) {
        words = "the answer is no TLS";
        hint = t->context->plain_hint;
    } else if (ERR_peek_last_error() != 0) {
        words = tg_tls_error_text();
    }
    if (t->why == NULL)
        CHECK(asprintf(&t->why, "TLS handshake%s%s failed: %s%s%s", t->name != NULL ? " with " : "",
                       t->name != NULL ? t->name : "", words, hint != NULL ? ": " : "",
                       hint != NULL ? hint : "") > 0);
    ERR_clear_error();
    return t->why;
}

/* True when the connection just ended: no protocol error, no alert. */
static bool was_cut(void)
{
    unsigned long code = ERR_peek_error();

    return code == 0 || ERR_SYSTEM_ERROR(code) ||
           ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

enum tg_io tg_tls_handshake(struct tg_tls *t, const char **why)
{
    enum tg_io io;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        CHECK(t->context == NULL || !t->context->verify ||
              SSL_get_verify_result(t->ssl) == X509_V_OK);
        return TG_IO_DONE;
    }
    io = outcome(t, result);
    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return io;
    io = was_cut() && t->why == NULL ? TG_IO_CLOSED : TG_IO_BROKEN;
    *why = explain_handshake(t, errno);
    return io;
}

/* --- bytes --- */

/* What an operation on another connection left behind must not be taken for this one's. Looking is
 * cheaper than clearing, which walks over the whole queue. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

enum tg_io tg_tls_read(struct tg_tls *t, char *p, size_t cap, size_t *n)
{
    size_t got;

    *n = 0;
    forget_errors();
    do {
        int result = SSL_read_ex(t->ssl, p + *n, cap - *n, &got);

        if (result != 1)
            return *n > 0 ? TG_IO_DONE : outcome(t, result);
        *n += got;
    } while (*n < cap && tg_tls_pending(t));
    return TG_IO_DONE;
}

enum tg_io tg_tls_write(struct tg_tls *t, const char *p, size_t n, size_t *written)
{
    int result;

    *written = 0;
    forget_errors();
    result = SSL_write_ex(t->ssl, p, n, written);
    return result == 1 ? TG_IO_DONE : outcome(t, result);
}

bool tg_tls_has_read(const struct tg_tls *t)
{
    return BIO_number_read(SSL_get_rbio(t->ssl)) > 0;
}

bool tg_tls_pending(const struct tg_tls *t)
{
    return SSL_has_pending(t->ssl) == 1 || (t->outer != NULL && tg_tls_pending(t->outer));
}

void tg_tls_spare_buffers(struct tg_tls *t, unsigned open)
{
    if (open > KEEPERS)
        SSL_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS);
    if (t->outer != NULL)
        tg_tls_spare_buffers(t->outer, open);
}

void tg_tls_shutdown(struct tg_tls *t)
{
    ERR_clear_error();
    if (SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
    if (t->outer != NULL)
        tg_tls_shutdown(t->outer);
}

void tg_tls_end(struct tg_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    tg_tls_end(t->outer);
    free(t->name);
    free(t->why);
    free(t);
}
