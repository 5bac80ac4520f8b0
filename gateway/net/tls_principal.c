/* Who a client is by the certificate it proved to own: its common name and its other names. */
#include "base/buf.h"
#include "base/check.h"
#include "net/tls_internal.h"

enum {
    MAX_NAME = 127,
    MAX_ALTERNATIVE = 255, /* bytes of one */
    MAX_ALTERNATIVES = 32, /* of one certificate */
};

/* The last common name of a subject is its most specific one (RFC 6125 section 2.3.1). */
static char *common_name(X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    unsigned char *text = NULL;
    char *name = NULL;
    int at = -1, last = -1, n;

    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        last = at;
    if (last < 0)
        return NULL;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (n > 0 && n <= MAX_NAME && memchr(text, '\0', (size_t)n) == NULL) {
        name = strndup((const char *)text, (size_t)n);
        CHECK(name != NULL);
    }
    OPENSSL_free(text);
    return name;
}

/* The certificate the client proved to own, or NULL. */
static X509 *proven(const struct tg_tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);

    return SSL_get_verify_result(t->ssl) == X509_V_OK ? certificate : NULL;
}

char *tg_tls_principal(const struct tg_tls *t)
{
    X509 *certificate = proven(t);

    return certificate != NULL ? common_name(certificate) : NULL;
}

static bool is_visible(const unsigned char *p, int n)
{
    for (int i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] >= 0x7f)
            return false;
    return n > 0 && n <= MAX_ALTERNATIVE;
}

static void tls_server_add_name(struct tg_buf *out, const GENERAL_NAME *name)
{
    const ASN1_STRING *text = name->type == GEN_DNS   ? name->d.dNSName
                              : name->type == GEN_URI ? name->d.uniformResourceIdentifier
                                                      : NULL;

    if (text == NULL || !is_visible(ASN1_STRING_get0_data(text), ASN1_STRING_length(text)))
        return;
    tg_buf_puts(out, name->type == GEN_DNS ? "dns:" : "uri:");
    tg_buf_add(out, (struct tg_str){(const char *)ASN1_STRING_get0_data(text),
                                    (size_t)ASN1_STRING_length(text)});
    tg_buf_putc(out, '\n');
}

char *tg_tls_names(const struct tg_tls *t)
{
    X509 *certificate = proven(t);
    GENERAL_NAMES *names;
    struct tg_buf out = {0};
    char *text = NULL;

    if (certificate == NULL)
        return NULL;
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < MAX_ALTERNATIVES; i++)
        tls_server_add_name(&out, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    if (out.n > 0) {
        text = strndup(out.p, out.n);
        CHECK(text != NULL);
    }
    tg_buf_end(&out);
    return text;
}
