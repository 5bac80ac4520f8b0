/*
 * Requests of the keeper's own over HTTP/1.1 (libcurl on the event loop; the only file that speaks
 * it is http_client.c). Nothing comes from the environment or a user's files: no proxy but the one
 * that is given, no netrc, no redirects, no other scheme than http and https, certificates and
 * names always checked. Names are looked up by net/resolver, as workers do it. Each request has a
 * connection of its own.
 */
#ifndef TG_KEEPER_HTTP_CLIENT_H
#define TG_KEEPER_HTTP_CLIENT_H

#include "base/buf.h"

enum { TG_HTTP_CLIENT_BODY = 65536 }; /* bytes of an answer's body, and of its head; more fails */

struct event_base;
struct tg_http_client;
struct tg_http_call;

/* The forward proxy a question goes through, in a tunnel (CONNECT). */
struct tg_http_proxy {
    struct tg_str host; /* without brackets */
    uint16_t port;
    const char *text; /* "HOST:PORT" */
    bool tls;
    const char *authorities;     /* file its certificate is checked by; of `tls` */
    struct tg_str authorization; /* "Basic ..."; empty: none */
};

/* What is asked. All of it is copied. */
struct tg_http_question {
    const char *method; /* "GET", "PUT", "POST" */
    struct tg_str url;  /* http:// or https:// */
    struct tg_str host; /* the URL's, without brackets */
    uint16_t port;
    struct tg_str fields;              /* "Name: value" lines, each with its "\n" */
    struct tg_str body;                /* of PUT and POST */
    const char *authorities;           /* file a certificate is checked by */
    const struct tg_http_proxy *proxy; /* NULL: asked directly */
    unsigned timeout_ms;               /* for all of it, from the name to the last byte */
};

/* What came of it. Slices are good until the callback returns. */
struct tg_http_reply {
    int status;        /* 0: no whole answer came */
    const char *error; /* then: why, a few static words */
    struct tg_str body;
    const struct tg_http_call *call; /* for tg_http_reply_field() */
    unsigned retry_after;            /* seconds of Retry-After; 0: not told */
    int64_t date;                    /* of Date, seconds since 1970 UTC; 0: none that can be read */
};

/* Makes a client; what has to be read or made before a sandbox closes is, the memory of libcurl is
 * wiped when it is freed. One in a process. End it with tg_http_client_end(). */
struct tg_http_client *tg_http_client_new(struct event_base *base);

/* Ends the client with its calls; nobody is told any more. NULL is fine. */
void tg_http_client_end(struct tg_http_client *c);

/* Asks. `on_reply` is called once, never from inside; the call is gone when it returns. */
struct tg_http_call *
tg_http_client_ask(struct tg_http_client *c, const struct tg_http_question *question,
                   void (*on_reply)(void *owner, const struct tg_http_reply *reply), void *owner);

/* Ends a call; its owner is told nothing any more. NULL is fine. Not from inside on_reply. */
void tg_http_call_cancel(struct tg_http_call *call);

/* The value of the reply's one field of that name; empty when there is none, or more. */
struct tg_str tg_http_reply_field(const struct tg_http_reply *reply, const char *name);

/* The version of libcurl that runs, e.g. "7.88.1". Static text. */
const char *tg_http_client_library(void);

#endif
