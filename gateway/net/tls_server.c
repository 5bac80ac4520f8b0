/* TLS towards clients: what their connections share, session tickets, OCSP responses. */
#include "base/check.h"
#include "base/clock.h"
#include "net/tls_internal.h"

#include <stdlib.h>

enum { READ_AHEAD = 2 * TG_TLS_RECORD };

/* TLS 1.2 only with forward secrecy and authenticated encryption (RFC 9325 section 4.2); TLS 1.3
 * has nothing else. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* --- what OpenSSL asks in a handshake --- */

/* RFC 7301: who offers protocols, and not ours, is told so. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *n,
                        const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, n, ours, sizeof(ours) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 8446 section 4.4.2.1, and the same before it: who asks gets the response about the
 * certificate that was chosen. */
static int on_status(SSL *ssl, void *arg)
{
    const struct tg_tls_server *s = arg;
    const X509 *chosen = SSL_get_certificate(ssl);

    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    for (unsigned i = 0; i < s->npairs; i++)
        if (s->pairs[i].leaf == chosen && s->pairs[i].staple != NULL)
            return tg_tls_staple_give(s->pairs[i].staple, ssl);
    return SSL_TLSEXT_ERR_NOACK;
}

/* --- tickets --- */

static bool key_mac(EVP_MAC_CTX *mac, struct tg_ticket_key *key)
{
    char sha256[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL asks for the key of a ticket to write or to read. 0: none, shake hands in full; 1: it is
 * set; 2: it is set, and the ticket is to be replaced. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int writing)
{
    struct tg_tls_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int found = 0;
    struct tg_ticket_key *key;

    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    tg_ticket_keys_advance(s->tickets, tg_clock_mono_now());
    if (!writing)
        found = tg_ticket_keys_find(s->tickets, name);
    if (found < 0)
        return 0;
    key = &s->tickets->keys[found];
    if (writing) {
        memcpy(name, key->name, sizeof(key->name));
        tg_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    }
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, writing) != 1 ||
        !key_mac(mac, key))
        return -1;
    return found == 0 ? 1 : 2;
}

void tg_tls_server_tickets(struct tg_tls_server *s, struct tg_ticket_keys *t)
{
    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    s->tickets = t;
    for (unsigned i = 0; i < s->npairs; i++) {
        SSL_CTX_clear_options(s->pairs[i].ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(s->pairs[i].ctx, 1);
        SSL_CTX_set_tlsext_ticket_key_evp_cb(s->pairs[i].ctx, on_ticket);
    }
}

/* --- contexts --- */

/* A ticket is worth something only where it was given out: with the same certificates, trust and
 * demands (RFC 8446 section 4.2.11: the rest is ours to check). */
static void bind_sessions(const struct tg_tls_server *s, const struct tg_tls_server_conf *conf)
{
    unsigned char id[TG_SHA256], print[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    STACK_OF(X509_OBJECT) *trusted =
        X509_STORE_get0_objects(SSL_CTX_get_cert_store(s->pairs[0].ctx));
    unsigned n;

    CHECK(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(md, &conf->verify_client, sizeof(conf->verify_client)) == 1);
    for (unsigned i = 0; i < s->npairs; i++)
        CHECK(X509_digest(s->pairs[i].leaf, EVP_sha256(), print, &n) == 1 &&
              EVP_DigestUpdate(md, print, n) == 1);
    for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
        const X509_OBJECT *o = sk_X509_OBJECT_value(trusted, i);
        const X509 *ca = X509_OBJECT_get0_X509(o);
        const X509_CRL *crl = X509_OBJECT_get0_X509_CRL(o);

        if (ca != NULL)
            CHECK(X509_digest(ca, EVP_sha256(), print, &n) == 1);
        else
            CHECK(crl != NULL && X509_CRL_digest(crl, EVP_sha256(), print, &n) == 1);
        CHECK(EVP_DigestUpdate(md, print, n) == 1);
    }
    CHECK(EVP_DigestFinal_ex(md, id, &n) == 1 && n == sizeof(id));
    EVP_MD_CTX_free(md);
    for (unsigned i = 0; i < s->npairs; i++)
        CHECK(SSL_CTX_set_session_id_context(s->pairs[i].ctx, id, sizeof(id)) == 1);
}

static void set_versions(SSL_CTX *ctx, int protocols)
{
    CHECK(protocols != 0);
    CHECK(SSL_CTX_set_min_proto_version(ctx, (protocols & TG_TLS_1_2) != 0 ? TLS1_2_VERSION
                                                                           : TLS1_3_VERSION) == 1);
    CHECK(SSL_CTX_set_max_proto_version(ctx, (protocols & TG_TLS_1_3) != 0 ? TLS1_3_VERSION
                                                                           : TLS1_2_VERSION) == 1);
}

static const char *cannot_use(const char *directive, struct tg_str file, const char *wanted,
                              struct tg_arena *arena)
{
    return tg_arena_printf(arena, "cannot use the file of \"%s\": %s", directive,
                           tg_tls_file_error(file.p, wanted))
        .p;
}

/* NULL, or the sentence about a file that cannot be used. */
static const char *trust_clients(SSL_CTX *ctx, const struct tg_tls_server_conf *conf,
                                 struct tg_arena *arena)
{
    STACK_OF(X509_NAME) * names;

    if (conf->verify_client == TG_VERIFY_OFF)
        return NULL;
    SSL_CTX_set_verify(ctx,
                       conf->verify_client == TG_VERIFY_ON
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       tg_tls_on_verify);
    if (SSL_CTX_load_verify_file(ctx, conf->client_ca.p) != 1)
        return cannot_use("tls_client_ca", conf->client_ca, TG_TLS_CERTIFICATE, arena);
    names = SSL_load_client_CA_file(conf->client_ca.p);
    if (names == NULL)
        return cannot_use("tls_client_ca", conf->client_ca, TG_TLS_CERTIFICATE, arena);
    SSL_CTX_set_client_CA_list(ctx, names); /* takes it over */
    if (conf->client_crl.n == 0 || tg_tls_load_crl(ctx, conf->client_crl.p))
        return NULL;
    return cannot_use("tls_client_crl", conf->client_crl, TG_TLS_CRL, arena);
}

static SSL_CTX *new_ctx(struct tg_tls_server *s, const struct tg_tls_server_conf *conf)
{
    SSL_CTX *ctx = tg_tls_new_ctx(TLS_server_method());

    SSL_CTX_set_app_data(ctx, s);
    CHECK(SSL_CTX_set_cipher_list(ctx, ciphers) == 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections hold no buffers */
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
    set_versions(ctx, conf->protocols);
    return ctx;
}

/* Time alone is no error at load: a gateway with an old certificate is still better than none. */
static void look_at_dates(X509 *leaf, struct tg_arena *arena, const char *file,
                          void (*warn)(void *arg, const char *text), void *arg)
{
    char date[11];
    bool expired = X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0;

    if (!expired && X509_cmp_current_time(X509_get0_notBefore(leaf)) <= 0)
        return;
    tg_tls_date(expired ? X509_get0_notAfter(leaf) : X509_get0_notBefore(leaf), date);
    warn(arg, tg_arena_printf(arena, "the certificate \"%s\" %s %s", file,
                              expired ? "has expired on" : "is not valid before", date)
                  .p);
}

static const char *tls_server_load(struct tg_tls_server *s, const struct tg_tls_server_conf *conf,
                                   struct tg_arena *arena,
                                   void (*warn)(void *arg, const char *text), void *arg)
{
    const struct tg_tls_file *key = conf->keys;

    for (const struct tg_tls_file *c = conf->certificates; c != NULL;
         c = c->next, key = key->next) {
        struct tg_tls_pair *pair = &s->pairs[s->npairs++];
        const char *why;

        CHECK(key != NULL);
        pair->ctx = new_ctx(s, conf);
        why = tg_tls_use_pair(pair->ctx, c->path.p, key->path.p, arena);
        if (why != NULL)
            return tg_arena_printf(arena, "cannot use %s", why).p;
        pair->leaf = SSL_CTX_get0_certificate(pair->ctx);
        pair->type = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(pair->ctx));
        pair->file = c->path.p;
        look_at_dates(pair->leaf, arena, c->path.p, warn, arg);
        why = trust_clients(pair->ctx, conf, arena);
        if (why != NULL)
            return why;
    }
    return NULL;
}

/* NULL, or a sentence about a certificate nobody would ever get. */
static const char *look_for_useless(const struct tg_tls_server *s, struct tg_arena *arena)
{
    for (unsigned i = 0; i < s->npairs; i++)
        if (!tg_tls_is_of_use(s, &s->pairs[i]))
            return tg_arena_printf(arena,
                                   "the certificate \"%s\" can never be used: an earlier one with "
                                   "such a key has all the names it has",
                                   s->pairs[i].file)
                .p;
    return NULL;
}

/* Gives the OCSP response of a file to the certificate it is about. NULL, or what is wrong. */
static const char *staple(struct tg_tls_server *s, const char *file, struct tg_arena *arena,
                          void (*warn)(void *arg, const char *text), void *arg)
{
    const char *why;
    char words[TG_TLS_STAPLE_WORDS];
    struct tg_tls_staple *one = tg_tls_staple_read(file, &why);

    if (one == NULL)
        return tg_arena_printf(arena, "cannot use \"%s\" as tls_stapling_file: %s", file, why).p;
    for (unsigned i = 0; i < s->npairs; i++)
        if (s->pairs[i].staple == NULL && tg_tls_staple_fits(one, s->pairs[i].leaf, words)) {
            s->pairs[i].staple = one;
            if (words[0] != '\0')
                warn(arg, tg_arena_printf(arena, "the OCSP response \"%s\" %s", file, words).p);
            return NULL;
        }
    tg_tls_staple_end(one);
    return tg_arena_printf(arena, "the OCSP response \"%s\" is about no certificate that has none",
                           file)
        .p;
}

static const char *load_staples(struct tg_tls_server *s, const struct tg_tls_server_conf *conf,
                                struct tg_arena *arena, void (*warn)(void *arg, const char *text),
                                void *arg)
{
    const char *why = NULL;

    for (const struct tg_tls_file *p = conf->staples; p != NULL && why == NULL; p = p->next)
        why = staple(s, p->path.p, arena, warn, arg);
    for (unsigned i = 0; conf->staples != NULL && i < s->npairs; i++)
        CHECK(SSL_CTX_set_tlsext_status_cb(s->pairs[i].ctx, on_status) == 1 &&
              SSL_CTX_set_tlsext_status_arg(s->pairs[i].ctx, s) == 1);
    return why;
}

struct tg_tls_server *tg_tls_server_new(const struct tg_tls_server_conf *conf,
                                        struct tg_arena *arena,
                                        void (*warn)(void *arg, const char *text), void *arg,
                                        const char **why)
{
    struct tg_tls_server *s = calloc(1, sizeof(*s));
    unsigned n = 0;

    CHECK(s != NULL);
    for (const struct tg_tls_file *c = conf->certificates; c != NULL; c = c->next)
        n++;
    CHECK(n > 0);
    s->magic = TG_TLS_SERVER_MAGIC;
    s->pairs = calloc(n, sizeof(*s->pairs));
    CHECK(s->pairs != NULL);
    *why = tls_server_load(s, conf, arena, warn, arg);
    if (*why == NULL)
        *why = look_for_useless(s, arena);
    if (*why == NULL)
        *why = load_staples(s, conf, arena, warn, arg);
    if (*why != NULL) {
        tg_tls_server_end(s);
        return NULL;
    }
    SSL_CTX_set_tlsext_servername_callback(s->pairs[0].ctx, tg_tls_on_server_name);
    SSL_CTX_set_tlsext_servername_arg(s->pairs[0].ctx, s);
    bind_sessions(s, conf);
    return s;
}

void tg_tls_server_end(struct tg_tls_server *s)
{
    if (s == NULL)
        return;
    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    for (unsigned i = 0; i < s->npairs; i++) {
        SSL_CTX_free(s->pairs[i].ctx);
        tg_tls_staple_end(s->pairs[i].staple);
    }
    s->magic = 0;
    free(s->pairs);
    free(s);
}

/* --- connections --- */

struct tg_tls *tg_tls_accept(struct tg_tls_server *s, int fd)
{
    struct tg_tls *t = calloc(1, sizeof(*t));

    CHECK(t != NULL);
    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    t->ssl = SSL_new(s->pairs[0].ctx);
    CHECK(t->ssl != NULL);
    SSL_set_app_data(t->ssl, t);
    CHECK(SSL_set_fd(t->ssl, fd) == 1);
    SSL_set_accept_state(t->ssl);
    return t;
}
