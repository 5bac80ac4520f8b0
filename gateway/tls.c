#include "tls.h"

#include "check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONTEXT_MAGIC = 0x746c7363, RECORD = 16384, READ_AHEAD = 4 * RECORD };

struct tg_tls_context {
    uint32_t magic;
    SSL_CTX *ctx;
    SSL_SESSION *session; /* the newest, for resumption; or NULL */
    char *session_name;   /* what it was made for */
    bool verify;
};

struct tg_tls {
    SSL *ssl;
    struct tg_tls_context *context;
    char name[256];
    char why[1024]; /* name, words and both reasons fit */
};

/* The newest entry of OpenSSL's error queue as words; the queue is empty afterwards. */
static const char *error_text(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

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

static bool load_trust(SSL_CTX *ctx, struct tg_str ca)
{
    if (ca.n == 0)
        return SSL_CTX_set_default_verify_paths(ctx) == 1;
    return SSL_CTX_load_verify_file(ctx, ca.p) == 1;
}

static SSL_CTX *new_client_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    CHECK(ctx != NULL);
    CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    return ctx;
}

struct tg_tls_context *tg_tls_context_new(const struct tg_upstream_conf *conf,
                                          struct tg_arena *arena, const char **why)
{
    struct tg_tls_context *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    ERR_clear_error();
    c->magic = CONTEXT_MAGIC;
    c->ctx = new_client_ctx();
    c->verify = conf->tls_verify;
    SSL_CTX_set_verify(c->ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!load_trust(c->ctx, conf->tls_ca)) {
        *why = tg_arena_printf(arena, "%s", error_text()).p;
        tg_tls_context_end(c);
        return NULL;
    }
    return c;
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

/* Names go out as SNI and into the check; addresses only into the check (RFC 6066 section 3). */
static bool set_peer_name(struct tg_tls *t, bool literal)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

    if (literal)
        return X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1;
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(t->ssl, t->name) == 1 && SSL_set1_host(t->ssl, t->name) == 1;
}

struct tg_tls *tg_tls_connect(struct tg_tls_context *c, int fd, struct tg_str name, bool literal)
{
    struct tg_tls *t = calloc(1, sizeof(*t));

    CHECK(t != NULL);
    CHECK_MAGIC(c, CONTEXT_MAGIC);
    CHECK(name.n < sizeof(t->name));
    memcpy(t->name, name.p, name.n);
    t->context = c;
    t->ssl = SSL_new(c->ctx);
    CHECK(t->ssl != NULL);
    SSL_set_app_data(t->ssl, t);
    CHECK(SSL_set_fd(t->ssl, fd) == 1);
    CHECK(set_peer_name(t, literal));
    if (c->session != NULL && strcmp(c->session_name, t->name) == 0)
        SSL_set_session(t->ssl, c->session);
    SSL_set_connect_state(t->ssl);
    return t;
}

void tg_tls_end(struct tg_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
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

static void explain_handshake(struct tg_tls *t, int error)
{
    long verify = SSL_get_verify_result(t->ssl);

    if (t->context->verify && verify != X509_V_OK)
        snprintf(t->why, sizeof(t->why), "certificate of %s not accepted: %s", t->name,
                 X509_verify_cert_error_string(verify));
    else if (ERR_peek_last_error() != 0)
        snprintf(t->why, sizeof(t->why), "TLS handshake with %s failed: %s", t->name, error_text());
    else
        snprintf(t->why, sizeof(t->why), "TLS handshake with %s failed: %s", t->name,
                 error != 0 ? strerror(error) : "the peer closed the connection");
    ERR_clear_error();
}

enum tg_io tg_tls_handshake(struct tg_tls *t, const char **why)
{
    enum tg_io io;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        CHECK(!t->context->verify || SSL_get_verify_result(t->ssl) == X509_V_OK);
        return TG_IO_DONE;
    }
    io = outcome(t, result);
    if (io == TG_IO_WANT_READ || io == TG_IO_WANT_WRITE)
        return io;
    explain_handshake(t, errno);
    *why = t->why;
    return TG_IO_BROKEN;
}

enum tg_io tg_tls_read(struct tg_tls *t, char *p, size_t cap, size_t *n)
{
    size_t got;

    *n = 0;
    ERR_clear_error();
    do {
        int result = SSL_read_ex(t->ssl, p + *n, cap - *n, &got);

        if (result != 1)
            return *n > 0 ? TG_IO_DONE : outcome(t, result);
        *n += got;
    } while (*n < cap && SSL_has_pending(t->ssl) == 1);
    return TG_IO_DONE;
}

enum tg_io tg_tls_write(struct tg_tls *t, const char *p, size_t n, size_t *written)
{
    int result;

    *written = 0;
    ERR_clear_error();
    result = SSL_write_ex(t->ssl, p, n, written);
    return result == 1 ? TG_IO_DONE : outcome(t, result);
}

bool tg_tls_pending(const struct tg_tls *t)
{
    return SSL_has_pending(t->ssl) == 1;
}

void tg_tls_shutdown(struct tg_tls *t)
{
    ERR_clear_error();
    if (SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}
