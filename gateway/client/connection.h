/*
 * A client's connection: one request at a time of the bytes that come. It reads heads
 * (http/request_head.h) and bodies, keeps what comes too early (pipelining), keeps the client's
 * deadlines, and closes in a way that lets an early answer arrive (lingering).
 */
#ifndef TG_CLIENT_CONNECTION_H
#define TG_CLIENT_CONNECTION_H

#include "client/clients.h"
#include "http/chunked.h"
#include "net/socket.h"
#include "net/timer.h"

struct evhtp_connection;
struct sockaddr;

enum {
    TG_MAX_TARGET = 32768, /* contract section 1: URI 32 KB, one header 32 KB, all headers 128 KB */
    TG_MAX_FIELD = 32768,
};

enum tg_conn_state {
    TG_CONN_HANDSHAKE = 1, /* before the first request: PROXY header, TLS handshake */
    TG_CONN_HEAD,          /* between requests, or in a head */
    TG_CONN_BODY,          /* in a body; the request is under way */
    TG_CONN_WAIT,          /* the request is complete, its answer is not */
    TG_CONN_DRAIN,         /* the answer is complete, not all of it is with the kernel */
    TG_CONN_LINGER,        /* half closed by us: what still comes is thrown away */
};

/* How a request leaves its connection. */
enum tg_conn_after {
    TG_AFTER_KEEP = 1, /* ready for the next request */
    TG_AFTER_LINGER,   /* close, but let the client read what was sent */
    TG_AFTER_ABORT     /* close at once: the answer is cut off, the client must see that */
};

struct tg_conn {
    uint32_t magic;
    struct tg_clients *clients;
    const struct tg_server_conf *server;
    const struct tg_listen *listen;
    struct evhtp_connection *evhtp; /* owned; as libevhtp sees it */
    struct tg_socket socket;
    struct tg_timer timer;
    enum tg_conn_state state;
    enum tg_conn_after after; /* in DRAIN */
    struct tg_buf unread;     /* received, not yet used */
    size_t scanned;           /* of a partial head, see tg_request_head_parse() */
    void *exchange; /* who serves the request under way (struct tg_client_events); NULL: nobody */
    enum tg_framing framing; /* of the request body */
    uint64_t body_left;
    uint64_t body_bytes; /* of it, received and handed on */
    struct tg_chunked chunk;
    uint64_t body_since; /* when the body began, later by the time it was paused; monotonic */
    uint64_t paused_at;
    bool too_slow;     /* the timer stands for client_body_min_rate */
    bool body_paused;  /* who serves the request cannot take more now */
    bool body_dropped; /* nor wants more: what still comes of the body is thrown away */
    bool processing;   /* guards against recursion */
    uint64_t requests;
    uint64_t keep_until; /* later its next answer is the last, monotonic; 0: never */
    int limit_entry;     /* what limit_conn counts it in; -1: not yet, or nowhere */
    bool beyond_limit;   /* it was beyond limit_conn when that was last asked */
    uint64_t lingered;   /* bytes thrown away */
    int64_t first_byte;  /* wall clock, of the request being read; 0 before its first byte */
    char address[48];
    char *principal; /* owned; common name of the client's certificate; NULL: none */
    char *tls_names; /* owned; its other names (tls.h); NULL: none */
    struct tg_unix_peer peer;
    bool proxy_due;       /* the PROXY header has not come yet */
    struct tg_conn *next; /* of `clients` */
    struct tg_conn *previous;
};

/* A connection was accepted on `listen`; takes `evhtp` and the socket over. `address` is the
 * client's. */
void tg_conn_new(struct tg_clients *all, const struct tg_server_conf *server,
                 const struct tg_listen *listen, struct evhtp_connection *evhtp, int fd,
                 const struct sockaddr *address);

/* --- between the parts of the connection, and for clients.c --- */

/* The one way a connection ends: libevhtp's objects, the socket and all that is queued go. */
void tg_conn_close(struct tg_conn *c);

/* True while the body's deadlines do not count: the client has sent all of it, or may not go on.
 * (rank.c) */
bool tg_conn_is_only_reading(const struct tg_conn *c);

/* True when a byte has come. Who only knocks, as port scanners and health checks do, fills no log.
 * (rank.c) */
bool tg_conn_has_spoken(const struct tg_conn *c);

/* True when the kernel has nothing that the client sent. (rank.c) */
bool tg_conn_is_silent(const struct tg_conn *c);

/* Goes on with what comes before the first request: a PROXY header, a TLS handshake. MORE: an event
 * follows. BAD: `why` says what was wrong, and lives until the connection is used again.
 * (handshake.c) */
enum tg_parse tg_conn_handshake(struct tg_conn *c, const char **why);

/* A head is complete: sets up the reading of its body, and what the client's deadline is now
 * (body.c). */
void tg_conn_begin_body(struct tg_conn *c, const struct tg_request_head *head);

/* Takes what it can of the body from the front of *in and hands it on. Returns whether
 * another step makes sense; false leaves in *in what is kept for later. (body.c) */
bool tg_conn_read_body(struct tg_conn *c, struct tg_str *in);

/*
 * Sets the deadline of a body: it may pause for client_body_timeout, and all of it may take as long
 * again beside the time that its bytes have at the lowest rate (client_body_min_rate): a byte now
 * and then does not keep a connection. (body.c)
 */
void tg_conn_limit_body(struct tg_conn *c);

/* How long so many bytes take at `rate` bytes a second (1 to 2^40), in microseconds, rounded down;
 * INT64_MAX at most. (body.c) */
uint64_t tg_conn_time_of(uint64_t bytes, uint64_t rate);

/* Sets the deadline of a client that does not send but has to take what is queued for it, if
 * anything is: send_timeout. (body.c) */
void tg_conn_limit_reading(struct tg_conn *c);

/* --- who serves its requests calls --- */

/* Sends part of an answer. Returns false when the client is gone (and will be reported so). */
bool tg_conn_send(struct tg_conn *c, const struct iovec *iov, int n);

/* Bytes of the answer the client has not taken yet. */
size_t tg_conn_unsent(const struct tg_conn *c);

/* No more body for now. */
void tg_conn_pause_body(struct tg_conn *c);

/* Goes on with a body that was paused; may hand out what is unread before it returns. */
void tg_conn_resume_body(struct tg_conn *c);

/* The rest of the body is not wanted: the request has its answer. */
void tg_conn_drop_body(struct tg_conn *c);

/* True while bytes of one read are handed out: more of a body may follow at once. */
bool tg_conn_is_reading(const struct tg_conn *c);

/* The request is over, with all of its answer handed over. The connection may be gone after it. */
void tg_conn_finish(struct tg_conn *c, enum tg_conn_after after);

/* True while nothing is under way: no request, not a byte of a head. (rank.c) */
bool tg_conn_is_idle(const struct tg_conn *c);

/* True while the client has to take what is queued for it, and nothing else is waited for. (rank.c)
 */
bool tg_conn_is_taking(const struct tg_conn *c);

/* True while the client has to send its request's body. (rank.c) */
bool tg_conn_is_sending(const struct tg_conn *c);

/* True before a request: in a handshake, in a head, or with none begun. (rank.c) */
bool tg_conn_waits_for_request(const struct tg_conn *c);

/* True when no request is under way that could suffer: it lingers, or is beyond limit_conn.
 * (rank.c) */
bool tg_conn_is_needless(const struct tg_conn *c);

/* How long it has waited for the client, in microseconds at `now`, when it waits for the client
 * alone: idle, in a handshake or a head, lingering, for a body, or for an answer to be taken. A
 * body's time is what it took beyond that which its bytes have at a low rate. (rank.c) */
uint64_t tg_conn_waiting_time(const struct tg_conn *c, uint64_t now);

/* Which connections give way to others when there is no room for more, in this order. */
enum tg_conn_rank {
    TG_RANK_NEEDLESS = 1, /* it lingers, or is beyond limit_conn, with no request under way */
    TG_RANK_PARTIAL,      /* in a handshake or a head */
    TG_RANK_IDLE,         /* between requests, or before the first */
    TG_RANK_WITHHELD,     /* a request's body does not come, or its answer is not taken */
    TG_RANK_NEVER         /* a request is under way, or the connection is too new to tell */
};

/* The rank of a connection at `now`. (rank.c) */
enum tg_conn_rank tg_conn_rank(const struct tg_conn *c, uint64_t now);

/* Closes a connection that gives way, or ends its request, which closes it; a head that has begun
 * gets its record. False, and the connection stays, when something has come that could not be read
 * yet, and the connection is not needless. */
bool tg_conn_give_way(struct tg_conn *c);

/* Counts the connection against limit_conn, once, as soon as the client's address is known; one
 * that was beyond the limit is asked for again with each request (`now` is monotonic). False: it is
 * beyond the limit, for about *wait microseconds. The worker must have limits. (limit.c) */
bool tg_conn_acquire(struct tg_conn *c, uint64_t now, uint64_t *wait);

/* The first time (limit.c): harmless when there is no limit. */
void tg_conn_count(struct tg_conn *c);

/* Gives back what limit_conn granted; harmless when it granted nothing (limit.c). */
void tg_conn_release(struct tg_conn *c);

/* Half closes a connection that has been idle for a second and has nothing to read (draining): a
 * request that crosses with that is not answered, but never reset. */
void tg_conn_drain_idle(struct tg_conn *c, uint64_t now);

#endif
