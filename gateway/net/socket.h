/*
 * A connected socket with or without TLS, and the events on it. Reads and writes go to the kernel
 * at once; only what the kernel does not take is queued. The read event stays armed from open to
 * close (unless the owner pauses it), the write event exists only after EAGAIN: a request on
 * kept-alive connections costs no epoll_ctl.
 */
#ifndef TG_NET_SOCKET_H
#define TG_NET_SOCKET_H

#include "net/tls.h"

#include <event2/event_struct.h>
#include <sys/uio.h>

/* What a socket tells its owner. Inside any of these the owner may close it. */
struct tg_socket_events {
    void (*on_readable)(void *owner);
    void (*on_drained)(void *owner);  /* everything queued is with the kernel */
    void (*on_progress)(void *owner); /* some of it is */
    void (*on_broken)(void *owner);   /* a queued write failed */
};

struct tg_socket {
    uint32_t magic;
    int fd;
    struct tg_tls *tls; /* owned; NULL: plain */
    struct event ev_read;
    struct event *ev_write; /* owned; armed; NULL unless something waits to be written */
    struct evbuffer *out;   /* owned; not yet taken by the kernel; NULL until first needed */
    const struct tg_socket_events *events;
    void *owner;
    bool reading; /* ev_read is armed */
    bool broken;
};

/* Starts on a non-blocking socket; reading is off. */
void tg_socket_open(struct tg_socket *w, struct event_base *base, int fd,
                    const struct tg_socket_events *events, void *owner);

/* Ends events and TLS and forgets what is queued. Does not close the socket: returns it. */
int tg_socket_close(struct tg_socket *w);

/* Turns the read event on or off. Turning it on also announces bytes TLS has buffered. */
void tg_socket_read_on(struct tg_socket *w);
void tg_socket_read_off(struct tg_socket *w);

/* Speaks TLS from now on; takes `tls` over. */
void tg_socket_secure(struct tg_socket *w, struct tg_tls *tls);

/* Looks at up to `cap` bytes that stay to be read; plain sockets only. */
enum tg_io tg_socket_peek(struct tg_socket *w, char *p, size_t cap, size_t *n);

/* Tells the other side that nothing more comes; reading goes on. */
void tg_socket_finish(struct tg_socket *w);

/* Reads up to `cap` bytes. DONE: *n > 0. WANT_READ: nothing there. CLOSED, BROKEN: the end. */
enum tg_io tg_socket_read(struct tg_socket *w, char *p, size_t cap, size_t *n);

/*
 * Writes all of it: to the kernel now, the rest is queued (copied). Returns false when the
 * connection is broken; the owner then closes it.
 */
bool tg_socket_write(struct tg_socket *w, const struct iovec *iov, int n);

/* Bytes queued and not yet with the kernel. */
size_t tg_socket_queued(const struct tg_socket *w);

/* Arms the write event without anything queued: connect() and handshakes wait this way; on_drained
 * is called once the socket is writable. */
void tg_socket_await_write(struct tg_socket *w);

#endif
