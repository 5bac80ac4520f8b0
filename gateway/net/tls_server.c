/* TLS towards clients: certificates by name, session tickets, client certificates. */
#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "net/tls_internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SERVER_MAGIC = 0x746c7373,
    READ_AHEAD = 2 * TG_TLS_RECORD,
    MAX_NAME = 127,
    MAX_ALTERNATIVE = 255, /* bytes of one */
    MAX_ALTERNATIVES = 32, /* of one certificate */
    MAX_SAMPLE = 300
};

/* TLS 1.2 only with forward secrecy and authenticated encryption (RFC 9325 section 4.2); TLS 1.3
 * has nothing else. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* A certificate with its key, in a context of its own: OpenSSL changes contexts by name. */
struct pair {
    SSL_CTX *ctx;
    X509 *leaf;                   /* the context's own */
    int type;                     /* of its key, an EVP_PKEY_ number */
    const char *file;             /* the settings' */
    struct tg_tls_staple *staple; /* owned; NULL: none */
};

struct tg_tls_server {
    uint32_t magic;
    struct pair *pairs;
    unsigned npairs;
    struct tg_ticket_keys *tickets; /* NULL: none are given out */
};

/* --- names --- */

/* A certificate is about the names in its subjectAltName alone (RFC 9110 section 4.3.4). */
static bool has_name(const struct pair *p, const char *name)
{
    return X509_check_host(p->leaf, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

/* A name a client may ask for that a name of a certificate stands for. */
static void write_sample(const ASN1_STRING *dns, char out[MAX_SAMPLE])
{
    const char *text = (const char *)ASN1_STRING_get0_data(dns);
    int n = ASN1_STRING_length(dns);
    bool wild = n > 1 && *text == '*';

    snprintf(out, MAX_SAMPLE, "%s%.*s", wild ? "any-of-the-names" : "", wild ? n - 1 : n,
             wild ? text + 1 : text);
}

/* Calls `test` for the names of a certificate until one passes. */
static bool any_name(const struct pair *p,
                     bool (*test)(void *arg, const char *name, const ASN1_STRING *address),
                     void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(p->leaf, NID_subject_alt_name, NULL, NULL);
    char sample[MAX_SAMPLE];
    bool passed = false;

    for (int i = 0; !passed && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            write_sample(name->d.dNSName, sample);
            passed = test(arg, sample, NULL);
        } else if (name->type == GEN_IPADD) {
            passed = test(arg, NULL, name->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(names);
    return passed;
}

static bool is_about(void *arg, const char *name, const ASN1_STRING *address)
{
    const struct pair *p = arg;

    return name != NULL ? has_name(p, name)
                        : X509_check_ip(p->leaf, ASN1_STRING_get0_data(address),
                                        (size_t)ASN1_STRING_length(address), 0) == 1;
}

/* True when a pair serves who asks for `name`; NULL: who asks for none, or for one nobody has, gets
 * the first certificate or one that shares a name with it. */
static bool serves(const struct tg_tls_server *s, struct pair *p, const char *name)
{
    if (name != NULL)
        return has_name(p, name);
    return p == &s->pairs[0] || any_name(&s->pairs[0], is_about, p);
}

/* The first pair with a kind of key (0: any) that serves a name, or NULL. */
static struct pair *first_for(const struct tg_tls_server *s, const char *name, int type)
{
    for (unsigned i = 0; i < s->npairs; i++)
        if ((type == 0 || s->pairs[i].type == type) && serves(s, &s->pairs[i], name))
            return &s->pairs[i];
    return NULL;
}

/* Puts the first certificate of every other kind of key beside the one of the context: OpenSSL
 * takes the one the client can check. */
static void add_other_kinds(const struct tg_tls_server *s, SSL *ssl, const struct pair *first,
                            const char *name)
{
    for (unsigned i = 0; i < s->npairs; i++) {
        const struct pair *p = &s->pairs[i];
        STACK_OF(X509) *chain = NULL;

        if (p->type == first->type || first_for(s, name, p->type) != p)
            continue;
        SSL_CTX_get0_chain_certs(p->ctx, &chain);
        CHECK(SSL_use_cert_and_key(ssl, p->leaf, SSL_CTX_get0_privatekey(p->ctx), chain, 0) == 1);
    }
}

/* RFC 6066 section 3: a name nobody has gets the first certificate; the client decides. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct tg_tls_server *s = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct pair *first = name != NULL ? first_for(s, name, 0) : NULL;

    (void)alert;
    CHECK_MAGIC(s, SERVER_MAGIC);
    if (first == NULL)
        name = NULL;
    else if (first != &s->pairs[0])
        CHECK(SSL_set_SSL_CTX(ssl, first->ctx) != NULL);
    if (s->npairs > 1)
        add_other_kinds(s, ssl, first != NULL ? first : &s->pairs[0], name);
    return first != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* A pair, and who is asked before it. */
struct place_in_line {
    const struct tg_tls_server *server;
    const struct pair *pair;
};

static bool is_served(void *arg, const char *name, const ASN1_STRING *address)
{
    const struct place_in_line *place = arg;

    (void)address; /* nobody asks for one */
    return name != NULL && first_for(place->server, name, place->pair->type) == place->pair;
}

/* False when each client that could use the pair is served by another one. */
static bool is_of_use(const struct tg_tls_server *s, const struct pair *p)
{
    struct place_in_line place = {s, p};

    return first_for(s, NULL, p->type) == p || any_name(p, is_served, &place);
}

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

    CHECK_MAGIC(s, SERVER_MAGIC);
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

    CHECK_MAGIC(s, SERVER_MAGIC);
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
    CHECK_MAGIC(s, SERVER_MAGIC);
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
        struct pair *pair = &s->pairs[s->npairs++];
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
        if (!is_of_use(s, &s->pairs[i]))
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
    s->magic = SERVER_MAGIC;
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
    SSL_CTX_set_tlsext_servername_callback(s->pairs[0].ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(s->pairs[0].ctx, s);
    bind_sessions(s, conf);
    return s;
}

void tg_tls_server_end(struct tg_tls_server *s)
{
    if (s == NULL)
        return;
    CHECK_MAGIC(s, SERVER_MAGIC);
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
    CHECK_MAGIC(s, SERVER_MAGIC);
    t->ssl = SSL_new(s->pairs[0].ctx);
    CHECK(t->ssl != NULL);
    SSL_set_app_data(t->ssl, t);
    CHECK(SSL_set_fd(t->ssl, fd) == 1);
    SSL_set_accept_state(t->ssl);
    return t;
}

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
