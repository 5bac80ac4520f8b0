#include "net/tls_internal.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONTEXT_MAGIC = 0x746c7363,
    READ_AHEAD = 4 * TG_TLS_RECORD,
    MAX_WORDS = 512,
    KEEPERS = 64 /* connections that keep their buffers between two uses */
};

struct tg_tls_context {
    uint32_t magic;
    SSL_CTX *ctx;
    SSL_SESSION *session;   /* the newest, for resumption; or NULL */
    char *session_name;     /* what it was made for */
    const char *plain_hint; /* or NULL */
    bool verify;
};

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

/* OpenSSL hands over a new session (with TLS 1.3 after the handshake); 1 means: we keep it. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tg_tls *t = SSL_get_app_data(ssl);
    struct tg_tls_context *c = t->context;

    SSL_SESSION_free(c->session);
    c->session = session;
    if (c->session_name == NULL || strcmp(c->session_name, t->name) != 0) {
        free(c->session_name);
        c->session_name = strdup(t->name);
        CHECK(c->session_name != NULL);
    }
    return 1;
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

/* NULL, or what is wrong with the files of an upstream. */
static const char *load_files(SSL_CTX *ctx, const struct tg_tls_client_conf *conf,
                              struct tg_arena *arena)
{
    const char *directive = "tls_ca", *file = "the system's CA files", *wanted = TG_TLS_CERTIFICATE;
    bool ok = conf->ca.n == 0 ? SSL_CTX_set_default_verify_paths(ctx) == 1
                              : SSL_CTX_load_verify_file(ctx, conf->ca.p) == 1;

    if (conf->ca.n > 0)
        file = conf->ca.p;
    if (ok && conf->crl.n > 0) {
        directive = "tls_crl";
        wanted = TG_TLS_CRL;
        file = conf->crl.p;
        ok = tg_tls_load_crl(ctx, file);
    }
    if (ok && conf->certificate.n > 0) {
        return tg_tls_use_pair(ctx, conf->certificate.p,
                               conf->key.n > 0 ? conf->key.p : conf->certificate.p, arena);
    }
    if (ok)
        return NULL;
    return tg_arena_printf(arena, "\"%s\" as its %s: %s", file, directive,
                           tg_tls_file_error(file, wanted))
        .p;
}

static SSL_CTX *new_client_ctx(void)
{
    SSL_CTX *ctx = tg_tls_new_ctx(TLS_client_method());

    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    return ctx;
}

struct tg_tls_context *tg_tls_context_new(const struct tg_tls_client_conf *conf,
                                          struct tg_arena *arena, const char **why)
{
    struct tg_tls_context *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    ERR_clear_error();
    c->magic = CONTEXT_MAGIC;
    c->ctx = new_client_ctx();
    c->verify = conf->verify;
    c->plain_hint = conf->plain_hint;
    SSL_CTX_set_verify(c->ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, tg_tls_on_verify);
    *why = load_files(c->ctx, conf, arena);
    if (*why == NULL)
        return c;
    tg_tls_context_end(c);
    return NULL;
}

void tg_tls_context_end(struct tg_tls_context *c)
{
    if (c == NULL)
        return;
    CHECK_MAGIC(c, CONTEXT_MAGIC);
    SSL_SESSION_free(c->session);
    SSL_CTX_free(c->ctx);
    free(c->session_name);
    free(c);
}

static bool tls_is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Names go out as SNI and into the check; addresses only into the check (RFC 6066 section 3). A
 * certificate is about the names in its subjectAltName alone (RFC 9110 section 4.3.4). */
static bool set_peer_name(struct tg_tls *t)
{
    if (tls_is_address(t->name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->name) == 1;
    SSL_set_hostflags(t->ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set_tlsext_host_name(t->ssl, t->name) == 1 && SSL_set1_host(t->ssl, t->name) == 1;
}

/* A connection that has no way to its peer yet. */
static struct tg_tls *new_client(struct tg_tls_context *c, struct tg_str name)
{
    struct tg_tls *t = calloc(1, sizeof(*t));

    CHECK(t != NULL && name.n > 0);
    CHECK_MAGIC(c, CONTEXT_MAGIC);
    t->name = strndup(name.p, name.p[name.n - 1] == '.' ? name.n - 1 : name.n);
    CHECK(t->name != NULL);
    t->context = c;
    t->ssl = SSL_new(c->ctx);
    CHECK(t->ssl != NULL);
    SSL_set_app_data(t->ssl, t);
    CHECK(set_peer_name(t));
    if (c->session != NULL && strcmp(c->session_name, t->name) == 0)
        SSL_set_session(t->ssl, c->session);
    SSL_set_connect_state(t->ssl);
    return t;
}

struct tg_tls *tg_tls_connect(struct tg_tls_context *c, int fd, struct tg_str name)
{
    struct tg_tls *t = new_client(c, name);

    CHECK(SSL_set_fd(t->ssl, fd) == 1);
    return t;
}

struct tg_tls *tg_tls_connect_inside(struct tg_tls_context *c, struct tg_tls *outer,
                                     struct tg_str name)
{
    struct tg_tls *t = new_client(c, name);
    BIO *way = BIO_new(BIO_f_ssl());

    CHECK(way != NULL && outer != NULL && BIO_set_ssl(way, outer->ssl, BIO_NOCLOSE) == 1);
    SSL_set_bio(t->ssl, way, way);
    t->outer = outer;
    return t;
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
