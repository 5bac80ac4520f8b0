/*
 * A connection in the making, in an event loop: the server's name is looked up, and its addresses
 * are tried one after the other. Nothing here waits.
 */
#ifndef TG_NET_CONNECTOR_H
#define TG_NET_CONNECTOR_H

#include "base/str.h"

struct event_base;
struct tg_connector;

/* What the owner of a connector is told, once per attempt; never from inside a call. */
struct tg_connector_events {
    /* The socket is connected and the owner's: it blocks never and is closed by exec(). */
    void (*on_connected)(void *owner, int fd);
    /* There is no connection; `why` is the second half of a sentence. */
    void (*on_failed)(void *owner, const char *why);
};

/* Prepares connections of a type (SOCK_STREAM, SOCK_DGRAM) to an address (without brackets) or a
 * name, which outlives the connector. End it with tg_connector_end(). */
struct tg_connector *tg_connector_new(struct event_base *base, int type, struct tg_str host,
                                      uint16_t port, const struct tg_connector_events *events,
                                      void *owner);

/* Begins an attempt, unless one is under way. It ends within 3 seconds for the name and half a
 * second for each of at most 8 addresses. */
void tg_connector_start(struct tg_connector *c);

/* Runs the event base until the attempt that is under way, if any, has ended. For when nobody is
 * served: before a process reports that it is ready, and when it ends. */
void tg_connector_wait(struct tg_connector *c);

/* Frees it; the owner is told nothing any more. NULL is fine. */
void tg_connector_end(struct tg_connector *c);

#endif
