/* What the tls_*.c share; nothing else includes it. The one header of net/ with OpenSSL in it. */
#ifndef TG_NET_TLS_INTERNAL_H
#define TG_NET_TLS_INTERNAL_H

#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tg_tls {
    SSL *ssl;
    struct tg_tls *outer;           /* owned; the connection this one is inside of, or NULL */
    struct tg_tls_context *context; /* of a connection we made; NULL on one we took */
    char *name;                     /* whom we asked for; NULL on one we took */
    char *why;                      /* the sentence of a failed handshake, or NULL */
};

/* What the connections to one upstream share. */
struct tg_tls_context {
    uint32_t magic;
    SSL_CTX *ctx;
    SSL_SESSION *session;   /* the newest, for resumption; or NULL */
    char *session_name;     /* what it was made for */
    const char *plain_hint; /* or NULL */
    bool verify;
};

#define TG_TLS_SERVER_MAGIC 0x746c7373U

/* A certificate with its key, in a context of its own: OpenSSL changes contexts by name. */
struct tg_tls_pair {
    SSL_CTX *ctx;
    X509 *leaf;                   /* the context's own */
    int type;                     /* of its key, an EVP_PKEY_ number */
    const char *file;             /* the settings' */
    struct tg_tls_staple *staple; /* owned; NULL: none */
};

/* What the connections from clients of one server share. */
struct tg_tls_server {
    uint32_t magic;
    struct tg_tls_pair *pairs;
    unsigned npairs;
    struct tg_ticket_keys *tickets; /* NULL: none are given out */
};

enum { TG_TLS_RECORD = 16384 };

/* --- contexts and files (tls_context.c) --- */

/* What both sides want of an SSL_CTX: TLS 1.2 or newer, keys of 112 bits of strength, no
 * renegotiation, no compression, no prompt for a pass phrase. */
SSL_CTX *tg_tls_new_ctx(const SSL_METHOD *method);

/* Every certificate of a chain is looked up in the lists of a PEM file from now on, so the file has
 * one of each authority (RFC 5280 section 6.3). False, with OpenSSL's error, when there is none. */
bool tg_tls_load_crl(SSL_CTX *ctx, const char *file);

/* The oldest entry of OpenSSL's error queue, the cause of the others, as words; the queue is empty
 * afterwards. */
const char *tg_tls_error_text(void);

/* What a PEM file may be that is wanted. */
#define TG_TLS_KEY         "it is a private key"
#define TG_TLS_CERTIFICATE "it is a certificate"
#define TG_TLS_CRL         "it is a certificate revocation list"

/* Why a PEM file could not be used as what was `wanted` (one of the above): what it is instead, or
 * OpenSSL's error. Static text; the error queue is empty afterwards. */
const char *tg_tls_file_error(const char *file, const char *wanted);

/* Puts a certificate (with its chain) and its key into a context. NULL, or which file cannot be
 * used and why, behind "cannot use"; in the arena. */
const char *tg_tls_use_pair(SSL_CTX *ctx, const char *certificate, const char *key,
                            struct tg_arena *arena);

/* --- connections (tls_connection.c) --- */

/* OpenSSL asks it at each step of a chain; it notes in words why a step fails. */
int tg_tls_on_verify(int ok, X509_STORE_CTX *store);

/* "2026-01-02" with its NUL. */
void tg_tls_date(const ASN1_TIME *time, char out[11]);

/* --- certificates by name (tls_names.c) --- */

/* OpenSSL's callback for SNI, with the server as its argument (RFC 6066 section 3): a name nobody
 * has gets the first certificate; the client decides. */
int tg_tls_on_server_name(SSL *ssl, int *alert, void *server);

/* False when each client that could use the pair is served by another one of the server's. */
bool tg_tls_is_of_use(const struct tg_tls_server *s, const struct tg_tls_pair *p);

/* --- OCSP responses (tls_stapling.c) --- */

enum { TG_TLS_STAPLE_WORDS = 80 };

struct tg_tls_staple;

/* Reads a DER file. NULL with *why (static) when it has no successful response. End it with
 * tg_tls_staple_end(). */
struct tg_tls_staple *tg_tls_staple_read(const char *file, const char **why);

/* False when the response is not about that certificate. `words` gets what is wrong with it
 * nevertheless, or "". */
bool tg_tls_staple_fits(struct tg_tls_staple *s, const X509 *leaf, char words[TG_TLS_STAPLE_WORDS]);

/* Hands the response out, until it expires: what OpenSSL's status callback returns. */
int tg_tls_staple_give(const struct tg_tls_staple *s, SSL *ssl);

/* Frees it; NULL is fine. */
void tg_tls_staple_end(struct tg_tls_staple *s);

#endif
