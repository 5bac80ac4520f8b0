/*
 * Listening sockets. They belong to the master and outlive workers, reloads and upgrades: one per
 * address and worker, bound with SO_REUSEPORT, so each worker has its own queue and no connection
 * that waits in a queue is lost when a worker is replaced. When there are fewer workers than
 * before, each takes the queues of the missing ones too. Addresses of the admin block have one
 * socket.
 */
#ifndef TG_PROCESS_LISTENERS_H
#define TG_PROCESS_LISTENERS_H

#include "settings/settings.h"

enum { TG_MAX_WORKERS = 64 };

/* An address with its sockets, one per worker. */
struct tg_listener {
    struct sockaddr_storage address; /* with the port the kernel chose, if it was asked to */
    socklen_t address_len;
    struct sockaddr_storage asked; /* as configured */
    socklen_t asked_len;
    const char *text; /* "127.0.0.1:8080", owned */
    int fd[TG_MAX_WORKERS];
    unsigned nfd;
    unsigned serving; /* of these, those of the configuration in force: somebody accepts there */
    unsigned mode;    /* of a unix socket's file; 0: what the umask leaves */
    bool admin;       /* of the admin block: one descriptor, for its process */
    bool wished;      /* by the settings tg_listeners_open() is given */
    bool wanted;      /* by the settings it succeeded with last */
    bool taken;       /* by a `listen` in a new process */
    struct tg_listener *next;
};

/*
 * Opens what the settings' `listen` directives ask for and `sockets` does not have yet, for
 * `workers` workers, and marks what is wanted. All or nothing: on failure all is rolled back, the
 * reason is appended to `problems` ("[emerg] ...\n"), and false is returned.
 */
bool tg_listeners_open(struct tg_listener **sockets, const struct tg_settings *settings,
                       unsigned workers, struct tg_buf *problems);

/* The configuration that wants them is in force: closes and forgets what is not wanted any more. */
void tg_listeners_close_unwanted(struct tg_listener **sockets);

/* Closes what was opened since tg_listeners_close_unwanted(), or tg_listeners_import(): a queue in
 * which connections would wait for nobody. */
void tg_listeners_roll_back(struct tg_listener **sockets);

/* Closes all; with `unlink_paths` the files of unix sockets go too. */
void tg_listeners_end(struct tg_listener **sockets, bool unlink_paths);

/* Closes the descriptors, in a process that serves nobody. */
void tg_listeners_close(const struct tg_listener *sockets);

/*
 * In a new process: puts its own descriptors into the settings and closes those of the others.
 * Worker `worker` of `workers` takes its share of the servers' sockets; the admin process
 * (`worker` >= `workers`) takes those of the admin block.
 */
void tg_listeners_take(struct tg_listener *sockets, struct tg_settings *settings, unsigned worker,
                       unsigned workers);

/* What tg_listeners_export() writes and tg_listeners_import() reads. */
#define TG_LISTENERS_VARIABLE "TRAINGUARD_SOCKETS"

/* Hands all sockets over to the program that is about to be executed: in the child, between fork()
 * and exec(). Writes TG_LISTENERS_VARIABLE into the environment. */
void tg_listeners_export(const struct tg_listener *sockets);

/* Takes over what the environment says an older master handed over, and cleans the environment.
 * Returns false, with nothing taken, when that is nonsense. */
bool tg_listeners_import(struct tg_listener **sockets);

#endif
