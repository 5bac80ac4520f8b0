/*
 * TLS on a socket, without any buffering of its own above OpenSSL's. tls_connection.c has
 * connections, tls_client.c what those to an upstream share, tls_server.c what those from clients
 * share. The only other files that speak OpenSSL are crypto.c and ed25519.c of base/.
 */
#ifndef TG_NET_TLS_H
#define TG_NET_TLS_H

#include "base/arena.h"
#include "net/ticket_keys.h"

#include <stdbool.h>
#include <sys/types.h>

struct tg_tls_context;
struct tg_tls_server;
struct tg_tls;

/* TLS to an upstream as it is configured. Names of files end with a NUL. */
struct tg_tls_client_conf {
    bool verify;
    struct tg_str ca;          /* file; empty: the system's */
    struct tg_str crl;         /* file; empty: none */
    struct tg_str certificate; /* file of our own; empty: none */
    struct tg_str key;         /* file of its key; empty: in the same file */
    struct tg_str name;        /* for SNI and the check; empty: the host of the upstream server */
    const char *plain_hint;    /* what may be meant when the answer is no TLS, "is ... meant?"; or
                                  NULL */
};

/* A list of files. */
struct tg_tls_file {
    struct tg_str path; /* NUL-terminated */
    struct tg_tls_file *next;
};

enum tg_tls_verify_client { TG_VERIFY_OFF = 1, TG_VERIFY_ON, TG_VERIFY_OPTIONAL };

/* Bits of `protocols`. */
enum { TG_TLS_1_2 = 1, TG_TLS_1_3 = 2 };

/* TLS from clients as it is configured. */
struct tg_tls_server_conf {
    struct tg_tls_file *certificates; /* chains; the first is for clients that name nobody */
    struct tg_tls_file *keys;         /* as many, in the same order */
    struct tg_tls_file *staples;      /* OCSP responses */
    struct tg_str client_ca;          /* file */
    struct tg_str client_crl;         /* file of revoked clients' certificates; empty: none */
    int protocols;                    /* bits TG_TLS_1_2 ... */
    int verify_client;                /* enum tg_tls_verify_client */
};

/* The version of OpenSSL that runs, e.g. "3.0.15". */
const char *tg_tls_openssl(void);

/* What came of a step on a connection. */
enum tg_io {
    TG_IO_DONE = 1, /* it worked */
    TG_IO_WANT_READ,
    TG_IO_WANT_WRITE,
    TG_IO_CLOSED, /* the peer ended its side in order */
    TG_IO_BROKEN  /* reset, protocol error, truncated */
};

/*
 * What all connections to one upstream share: trust, versions, the last session for resumption.
 * TLS 1.2 or newer; verification on unless the configuration turns it off. Returns NULL with a text
 * in *why (in the arena), `"FILE" as its DIRECTIVE: REASON`, when a file cannot be used. End it
 * with tg_tls_context_end().
 */
struct tg_tls_context *tg_tls_context_new(const struct tg_tls_client_conf *conf,
                                          struct tg_arena *arena, const char **why);
void tg_tls_context_end(struct tg_tls_context *c);

/*
 * A client connection on a connected non-blocking socket, which stays the caller's. `name`, a host
 * name or an address, is what the certificate's subjectAltName is checked against; names, not
 * addresses, are sent as SNI (RFC 6066 section 3). A dot at the end, which makes a name absolute
 * for resolvers, is part of neither. End it with tg_tls_end().
 */
struct tg_tls *tg_tls_connect(struct tg_tls_context *c, int fd, struct tg_str name);

/* The same inside another client connection whose handshake is done, which it takes over: TLS to a
 * server through a proxy that is spoken TLS with. */
struct tg_tls *tg_tls_connect_inside(struct tg_tls_context *c, struct tg_tls *outer,
                                     struct tg_str name);

/*
 * What all connections from clients of one server share: certificates, chosen by the name a client
 * asks for (SNI; the first pair without one or without a match), versions, the authorities of
 * clients' certificates. Returns NULL with a text in *why (in the arena) when a file cannot be
 * used. `warn` is called for what is no error yet (an expired certificate). End it with
 * tg_tls_server_end().
 */
struct tg_tls_server *tg_tls_server_new(const struct tg_tls_server_conf *conf,
                                        struct tg_arena *arena,
                                        void (*warn)(void *arg, const char *text), void *arg,
                                        const char **why);
void tg_tls_server_end(struct tg_tls_server *s);

/* Turns session tickets on. `t` outlives the server and is advanced by it. */
void tg_tls_server_tickets(struct tg_tls_server *s, struct tg_ticket_keys *t);

/* A server connection on an accepted non-blocking socket, which stays the caller's. End it with
 * tg_tls_end(). */
struct tg_tls *tg_tls_accept(struct tg_tls_server *s, int fd);

/* The common name of the certificate the client proved to own, the caller's to free; NULL when
 * there is none, or when it is longer than 127 bytes or has a NUL inside. Only after the handshake.
 */
char *tg_tls_principal(const struct tg_tls *t);

/* The other names of that certificate (RFC 5280 section 4.2.1.6), "dns:NAME" and "uri:NAME", each
 * with "\n" behind it, the caller's to free; NULL when there are none. One that is longer than 255
 * bytes or has a byte that is no visible ASCII is left out, and so is what is beyond 32 names. */
char *tg_tls_names(const struct tg_tls *t);

/*
 * Before the handshake: the connection is one of `open` on its side. A few keep their buffers, 82
 * KB to an upstream; of many, each has them only while bytes are in them, for a little more work.
 */
void tg_tls_spare_buffers(struct tg_tls *t, unsigned open);

/* Frees the connection and the one it is inside of; NULL is fine. Sends nothing. */
void tg_tls_end(struct tg_tls *t);

/*
 * Goes on with the handshake. DONE only when the peer is verified. On BROKEN, or CLOSED when the
 * peer ended the connection without a word of TLS about it, *why is a sentence for the log, e.g.
 * "certificate verify failed: certificate has expired"; it lives as long as `t`.
 */
enum tg_io tg_tls_handshake(struct tg_tls *t, const char **why);

/* Reads up to `cap` bytes into `p`; with DONE *n is above 0. Drains whole records in one call. */
enum tg_io tg_tls_read(struct tg_tls *t, char *p, size_t cap, size_t *n);

/*
 * Writes up to `n` bytes; with DONE *written is above 0. After WANT_*, the next call must start
 * with the same bytes and be at least as long.
 */
enum tg_io tg_tls_write(struct tg_tls *t, const char *p, size_t n, size_t *written);

/* True once the peer has sent anything at all. */
bool tg_tls_has_read(const struct tg_tls *t);

/* True when bytes are buffered that no socket event will announce. */
bool tg_tls_pending(const struct tg_tls *t);

/* Sends close_notify, best effort. */
void tg_tls_shutdown(struct tg_tls *t);

/* The first certificate of a PEM file. */
struct tg_tls_certificate {
    char subject[128]; /* its common name, may be "" */
    int64_t not_after; /* microseconds since 1970 */
};

/* Reads it (tls_certificates.c). Returns NULL, or why not. */
const char *tg_tls_certificate_read(const char *file, struct tg_tls_certificate *out);

#endif
