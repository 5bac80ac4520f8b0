/* What TLS contexts of both sides need: demands, PEM files, why a file cannot be used. */
#include "net/tls_internal.h"

#include "base/check.h"

const char *tg_tls_openssl(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

const char *tg_tls_error_text(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        reason = "there is none in PEM form in it";
    ERR_clear_error();
    return reason != NULL ? reason : "no reason given";
}

/* --- contexts --- */

/* Nobody sits before a gateway to be asked. */
static int no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

SSL_CTX *tg_tls_new_ctx(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    CHECK(ctx != NULL);
    CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    return ctx;
}

/* --- PEM files --- */

/* What the blocks of a PEM file are, in words. */
static const struct {
    const char *label, *words;
} pem_kinds[] = {
    {PEM_STRING_PKCS8, "it is encrypted; write it again without a pass phrase"},
    {PEM_STRING_PKCS8INF, TG_TLS_KEY},
    {PEM_STRING_ECPRIVATEKEY, TG_TLS_KEY},
    {PEM_STRING_RSA, TG_TLS_KEY},
    {PEM_STRING_X509, TG_TLS_CERTIFICATE},
    {PEM_STRING_X509_TRUSTED, TG_TLS_CERTIFICATE},
    {PEM_STRING_X509_CRL, TG_TLS_CRL},
    {PEM_STRING_X509_REQ, "it is a request for a certificate"},
    {PEM_STRING_PUBLIC, "it is a public key"},
};

static const char *words_of_block(const char *label, const char *header)
{
    if (strstr(header, "ENCRYPTED") != NULL)
        return pem_kinds[0].words;
    for (size_t i = 0; i < sizeof(pem_kinds) / sizeof(*pem_kinds); i++)
        if (strcmp(label, pem_kinds[i].label) == 0)
            return pem_kinds[i].words;
    return NULL;
}

/* What the first block that is known by its label is, in words; NULL: there is none. */
static const char *tls_look_into(const char *file)
{
    BIO *in = BIO_new_file(file, "r");
    const char *words = NULL;
    char *label, *header;
    unsigned char *data;
    long n;

    while (in != NULL && words == NULL && PEM_read_bio(in, &label, &header, &data, &n) == 1) {
        words = words_of_block(label, header);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)n);
    }
    BIO_free(in);
    return words;
}

const char *tg_tls_file_error(const char *file, const char *wanted)
{
    const char *error = tg_tls_error_text(), *found = tls_look_into(file);

    ERR_clear_error();
    return found == NULL || strcmp(found, wanted) == 0 ? error : found;
}

const char *tg_tls_use_pair(SSL_CTX *ctx, const char *certificate, const char *key,
                            struct tg_arena *arena)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        return tg_arena_printf(arena, "the certificate \"%s\": %s", certificate,
                               tg_tls_file_error(certificate, TG_TLS_CERTIFICATE))
            .p;
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 &&
        ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
        return tg_arena_printf(arena, "the key \"%s\": %s", key, tg_tls_file_error(key, TG_TLS_KEY))
            .p;
    if (SSL_CTX_check_private_key(ctx) == 1)
        return NULL;
    ERR_clear_error();
    return tg_arena_printf(arena, "the key \"%s\": it is not that of the certificate \"%s\"", key,
                           certificate)
        .p;
}

bool tg_tls_load_crl(SSL_CTX *ctx, const char *file)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    CHECK(lookup != NULL);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) > 0;
}
