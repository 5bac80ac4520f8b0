/*
 * Listening sockets. They belong to the master and outlive workers and reloads: one per address and
 * worker, bound with SO_REUSEPORT, so each worker has its own queue and no connection that waits in
 * a queue is lost when a worker is replaced.
 */
#ifndef TG_LISTEN_H
#define TG_LISTEN_H

#include "settings.h"

enum { TG_MAX_WORKERS = 64 };

/* An address with its sockets, one per worker. */
struct tg_socket {
    struct sockaddr_storage address; /* with the port the kernel chose, if it was asked to */
    socklen_t address_len;
    struct sockaddr_storage asked; /* as configured */
    socklen_t asked_len;
    const char *text; /* "127.0.0.1:8080", owned */
    int fd[TG_MAX_WORKERS];
    unsigned nfd;
    bool wanted; /* by the settings in force */
    bool wished; /* by the settings being opened */
    bool taken;  /* in a worker: a `listen` has it */
    struct tg_socket *next;
};

/*
 * Opens what the settings' `listen` directives ask for and `sockets` does not have yet, for
 * `workers` workers, and marks what is wanted. All or nothing: on failure nothing is left open that
 * was not before, the reason is logged, and false is returned.
 */
bool tg_sockets_open(struct tg_socket **sockets, const struct tg_settings *settings,
                     unsigned workers);

/* Closes and forgets what is not wanted any more. */
void tg_sockets_close_unwanted(struct tg_socket **sockets);

/* Closes all. */
void tg_sockets_end(struct tg_socket **sockets);

/* In a new worker: puts its own descriptors into the settings and closes those of the others. */
void tg_sockets_take(struct tg_socket *sockets, struct tg_settings *settings, unsigned worker);

#endif
