/*
 * One name server: questions about one record, answers, sockets in an event loop. c-ares speaks the
 * protocol (identifiers, UDP, TCP after a truncated answer); whom to ask, and when the next one, is
 * up to net/resolver. The only file that speaks c-ares is name_server.c.
 */
#ifndef TG_NET_NAME_SERVER_H
#define TG_NET_NAME_SERVER_H

#include "base/address.h"
#include "net/name_files.h"
#include "net/timer.h"

struct ares_channeldata;
struct tg_name_socket;

struct tg_name_server {
    struct sockaddr_storage address;
    char text[TG_ADDRESS_TEXT]; /* "127.0.0.1:53", for logs */
    struct event_base *base;
    struct ares_channeldata *channel;
    struct tg_name_socket *sockets;
    struct tg_timer tick;        /* while questions are under way */
    unsigned nqueries;           /* under way */
    uint64_t answered;           /* when it last answered anything, monotonic; 0: never */
    uint64_t silent_until;       /* the owner's: to be asked last until then, monotonic */
    struct tg_name_server *next; /* the owner's */
};

enum tg_name_result {
    TG_NAME_FOUND = 1, /* addresses */
    TG_NAME_NONE,      /* there is no such name, or it has no such record */
    TG_NAME_UNABLE,    /* the server cannot tell */
    TG_NAME_SILENT     /* the server is not there, or did not answer within five seconds */
};

struct tg_name_answer {
    enum tg_name_result result;
    const struct tg_name_addresses *found; /* of one family; with FOUND */
    const char *why;                       /* with UNABLE and SILENT; static */
};

/* A server at an IPv4 or IPv6 address with its port. End it with tg_name_server_end(). */
struct tg_name_server *tg_name_server_new(struct event_base *base,
                                          const struct sockaddr_storage *address);

/* Frees the server; its questions end as SILENT. Not from inside an answer. */
void tg_name_server_end(struct tg_name_server *s);

/*
 * Asks for the addresses of a family (AF_INET, AF_INET6) of exactly this name. `on_answer` is
 * called once, perhaps before this returns. Inside it the owner may ask, but not end the server.
 */
void tg_name_server_ask(struct tg_name_server *s, const char *name, int family,
                        void (*on_answer)(void *owner, const struct tg_name_answer *answer),
                        void *owner);

/* The version of c-ares that runs, e.g. "1.18.1". */
const char *tg_name_server_library(void);

#endif
