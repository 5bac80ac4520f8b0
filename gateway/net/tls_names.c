/* Which certificate a client gets: by the name it asks for, and by the keys it can check. */
#include "base/check.h"
#include "net/tls_internal.h"

#include <stdio.h>

enum { MAX_SAMPLE = 300 };

/* A certificate is about the names in its subjectAltName alone (RFC 9110 section 4.3.4). */
static bool has_name(const struct tg_tls_pair *p, const char *name)
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
static bool any_name(const struct tg_tls_pair *p,
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
    const struct tg_tls_pair *p = arg;

    return name != NULL ? has_name(p, name)
                        : X509_check_ip(p->leaf, ASN1_STRING_get0_data(address),
                                        (size_t)ASN1_STRING_length(address), 0) == 1;
}

/* True when a pair serves who asks for `name`; NULL: who asks for none, or for one nobody has, gets
 * the first certificate or one that shares a name with it. */
static bool serves(const struct tg_tls_server *s, struct tg_tls_pair *p, const char *name)
{
    if (name != NULL)
        return has_name(p, name);
    return p == &s->pairs[0] || any_name(&s->pairs[0], is_about, p);
}

/* The first pair with a kind of key (0: any) that serves a name, or NULL. */
static struct tg_tls_pair *first_for(const struct tg_tls_server *s, const char *name, int type)
{
    for (unsigned i = 0; i < s->npairs; i++)
        if ((type == 0 || s->pairs[i].type == type) && serves(s, &s->pairs[i], name))
            return &s->pairs[i];
    return NULL;
}

/* Puts the first certificate of every other kind of key beside the one of the context: OpenSSL
 * takes the one the client can check. */
static void add_other_kinds(const struct tg_tls_server *s, SSL *ssl,
                            const struct tg_tls_pair *first, const char *name)
{
    for (unsigned i = 0; i < s->npairs; i++) {
        const struct tg_tls_pair *p = &s->pairs[i];
        STACK_OF(X509) *chain = NULL;

        if (p->type == first->type || first_for(s, name, p->type) != p)
            continue;
        SSL_CTX_get0_chain_certs(p->ctx, &chain);
        CHECK(SSL_use_cert_and_key(ssl, p->leaf, SSL_CTX_get0_privatekey(p->ctx), chain, 0) == 1);
    }
}

int tg_tls_on_server_name(SSL *ssl, int *alert, void *server)
{
    const struct tg_tls_server *s = server;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct tg_tls_pair *first;

    (void)alert;
    CHECK_MAGIC(s, TG_TLS_SERVER_MAGIC);
    first = name != NULL ? first_for(s, name, 0) : NULL;
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
    const struct tg_tls_pair *pair;
};

static bool is_served(void *arg, const char *name, const ASN1_STRING *address)
{
    const struct place_in_line *place = arg;

    (void)address; /* nobody asks for one */
    return name != NULL && first_for(place->server, name, place->pair->type) == place->pair;
}

bool tg_tls_is_of_use(const struct tg_tls_server *s, const struct tg_tls_pair *p)
{
    struct place_in_line place = {s, p};

    return first_for(s, NULL, p->type) == p || any_name(p, is_served, &place);
}
