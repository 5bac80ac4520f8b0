/* TLS towards upstreams: what their connections share, sessions to resume, who the server must be.
 */
#include "base/address.h"
#include "base/check.h"
#include "net/tls_internal.h"

#include <stdlib.h>

enum { CONTEXT_MAGIC = 0x746c7363, READ_AHEAD = 4 * TG_TLS_RECORD };

/* --- sessions --- */

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

/* --- connections --- */

static bool is_address(const char *name)
{
    struct in6_addr address;

    return tg_network_address(tg_str_of(name), &address);
}

/* Names go out as SNI and into the check; addresses only into the check (RFC 6066 section 3). A
 * certificate is about the names in its subjectAltName alone (RFC 9110 section 4.3.4). */
static bool set_peer_name(struct tg_tls *t)
{
    if (is_address(t->name))
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
