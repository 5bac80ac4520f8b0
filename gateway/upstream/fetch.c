/* Requests of the gateway's own: their turn, their head, their answer, their end. */
#include "upstream/fetch.h"

#include "base/check.h"
#include "http/chunked.h"
#include "http/response_head.h"

#include <stdio.h>
#include <stdlib.h>

#define TG_FETCH_MAGIC 0x66657463U

enum {
    MAX_HEAD = 131072, /* of an answer */
    MAX_INTERIM = 16,  /* 1xx answers before it */
};

enum fetch_state { FETCH_WAITING = 1, FETCH_CONNECTING, FETCH_ASKED, FETCH_BODY, FETCH_REFUSED };

struct tg_fetch_job {
    uint32_t magic;
    struct tg_fetches *all;
    struct tg_fetch fetch; /* its target is `target` */
    char *target;          /* owned */
    const struct tg_upstream_conf *conf;
    struct tg_upstream_conn *conn; /* NULL while it waits */
    struct tg_timer timer;
    uint64_t deadline; /* monotonic */
    enum fetch_state state;
    bool withheld; /* may not take its turn yet */
    bool retried;
    bool seen; /* bytes of an answer came */
    size_t scanned;
    unsigned interim;
    int status;
    bool keep_alive;
    enum tg_framing framing;
    uint64_t left; /* of a body with a length */
    struct tg_chunked chunk;
    struct tg_buf body;
    struct tg_fetch_job *next; /* that waits behind it */
};

static void connect_job(struct tg_fetch_job *j, unsigned use);
static void start_next(struct tg_fetches *all);

static struct tg_loop *loop_of(const struct tg_fetch_job *j)
{
    return j->all->upstreams->loop;
}

static struct tg_fetch_job *job_of(void *owner)
{
    struct tg_fetch_job *j = owner;

    CHECK_MAGIC(j, TG_FETCH_MAGIC);
    return j;
}

/* --- the end --- */

static void leave_queue(struct tg_fetch_job *j)
{
    struct tg_fetch_queue *q = &j->all->waiting;
    struct tg_fetch_job **at = &q->first;

    while (*at != j) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = j->next;
    if (q->last == &j->next)
        q->last = at;
}

/* Leaves the job to its callers' memory alone: no queue, no connection, no timer has it. */
static void detach(struct tg_fetch_job *j)
{
    struct tg_fetches *all = j->all;

    if (j->state == FETCH_WAITING) {
        leave_queue(j);
    } else if (j->state != FETCH_REFUSED) {
        CHECK(all->running > 0);
        all->running--;
    }
    j->state = FETCH_REFUSED; /* in no list any more */
    tg_upstream_conn_end(&j->conn);
    tg_timer_end(&j->timer);
    CHECK(all->live > 0);
    all->live--;
}

static void free_job(struct tg_fetch_job *j)
{
    CHECK(j->all->memory >= j->body.n);
    j->all->memory -= j->body.n;
    tg_buf_end(&j->body);
    free(j->target);
    j->magic = 0;
    free(j);
}

void tg_fetch_cancel(struct tg_fetch_job *j)
{
    struct tg_fetches *all = j->all;

    CHECK_MAGIC(j, TG_FETCH_MAGIC);
    detach(j);
    free_job(j);
    start_next(all);
}

/* The owner may start others: those take their turn behind the ones that wait. */
static void end(struct tg_fetch_job *j, const struct tg_fetch_answer *answer)
{
    struct tg_fetches *all = j->all;

    detach(j);
    start_next(all);
    j->fetch.on_answer(j->fetch.owner, answer);
    free_job(j);
}

/* `why` may lie in the connection, which ends here. */
static void fail(struct tg_fetch_job *j, enum tg_error error, const char *why)
{
    char text[TG_UPSTREAM_WORDS];

    snprintf(text, sizeof(text), "%s", why);
    end(j, &(struct tg_fetch_answer){.error = error, .why = text});
}

static void answered(struct tg_fetch_job *j, bool extra)
{
    tg_upstream_conn_answered(j->conn);
    if (j->keep_alive && !extra && !j->conn->socket.broken &&
        tg_socket_queued(&j->conn->socket) == 0)
        tg_upstream_conn_give(&j->conn);
    end(j, &(struct tg_fetch_answer){
               .error = TG_E_DONE, .why = "", .status = j->status, .body = tg_buf_str(&j->body)});
}

/* --- the answer --- */

/* False: the job has ended. */
static bool keep(struct tg_fetch_job *j, struct tg_str data)
{
    struct tg_fetches *all = j->all;

    if (j->body.n + data.n > all->max_answer) {
        fail(j, TG_E_UPSTREAM_NONSENSE, "its answer is larger than lookup_max_size");
        return false;
    }
    if (data.n > 0 && !all->fits(all->owner, data.n)) {
        fail(j, TG_E_OVERLOADED, "worker_body_memory has no room for the answer");
        return false;
    }
    tg_buf_add(&j->body, data);
    all->memory += data.n;
    return true;
}

static void read_chunks(struct tg_fetch_job *j, struct tg_str in)
{
    enum tg_parse parse = TG_PARSE_MORE;
    const char *why = "";

    while (in.n > 0 && parse == TG_PARSE_MORE) {
        struct tg_str data = {NULL, 0};
        size_t used = 0;

        parse = tg_chunked_read(&j->chunk, in, &data, &used, &why);
        if (parse == TG_PARSE_BAD) {
            fail(j, TG_E_UPSTREAM_NONSENSE, why);
            return;
        }
        if (!keep(j, data))
            return;
        in = tg_str_skip(in, used);
    }
    if (parse == TG_PARSE_DONE)
        answered(j, in.n > 0);
}

static void read_length(struct tg_fetch_job *j, struct tg_str in)
{
    size_t n = in.n < j->left ? in.n : (size_t)j->left;

    j->left -= n;
    if (keep(j, (struct tg_str){in.p, n}) && j->left == 0)
        answered(j, in.n > n);
}

static void read_body(struct tg_fetch_job *j, struct tg_str in)
{
    switch (j->framing) {
    case TG_FRAMING_NONE:
        answered(j, in.n > 0);
        return;
    case TG_FRAMING_LENGTH:
        read_length(j, in);
        return;
    case TG_FRAMING_CHUNKED:
        read_chunks(j, in);
        return;
    case TG_FRAMING_CLOSE:
        (void)keep(j, in);
        return;
    }
    TG_UNREACHABLE();
}

static void take_head(struct tg_fetch_job *j, const struct tg_response_head *head)
{
    j->state = FETCH_BODY;
    j->status = head->status;
    j->keep_alive = head->keep_alive;
    j->framing = head->framing;
    j->left = head->length;
    if (head->framing == TG_FRAMING_CHUNKED)
        tg_chunked_init(&j->chunk);
}

static void read_head(struct tg_fetch_job *j, struct tg_str in)
{
    struct tg_buf *partial = &j->conn->in;
    struct tg_response_head head;
    const char *why = "";
    size_t used = 0;

    tg_buf_add(partial, in);
    in = tg_buf_str(partial);
    for (;;) {
        enum tg_parse parse =
            tg_response_head_parse(in, MAX_HEAD, TG_ANSWERS_OTHER, &j->scanned, &head, &used, &why);

        if (parse == TG_PARSE_BAD || j->interim > MAX_INTERIM) {
            fail(j, TG_E_UPSTREAM_NONSENSE,
                 parse == TG_PARSE_BAD ? why : "too many interim answers");
            return;
        }
        if (parse == TG_PARSE_MORE)
            break;
        in = tg_str_skip(in, used);
        j->scanned = 0;
        if (head.status >= 200) {
            take_head(j, &head);
            read_body(j, in);
            return;
        }
        j->interim++;
    }
    memmove(partial->p, in.p, in.n);
    partial->n = in.n;
}

/* --- the request --- */

static void retry_or_fail(struct tg_fetch_job *j)
{
    if (!j->conn->reused || j->seen || j->retried || !tg_upstream_conn_may_retry(j->conn)) {
        fail(j, TG_E_UPSTREAM_CLOSED, "the connection closed before the answer was complete");
        return;
    }
    j->retried = true;
    tg_upstream_conn_end(&j->conn);
    connect_job(j, TG_UPSTREAM_OWN | TG_UPSTREAM_RETRY);
}

/* False: there is no credential. */
static bool build_head(struct tg_fetch_job *j, struct tg_buf *b)
{
    struct tg_buf host = {0};
    bool ok;

    tg_upstream_conn_host(j->conn, &host);
    tg_buf_puts(b, "GET ");
    tg_buf_add(b, j->fetch.target);
    tg_buf_puts(b, " HTTP/1.1\r\n");
    tg_fields_add(b, TG_STR("Host"), tg_buf_str(&host));
    tg_fields_add(b, TG_STR("Accept"), TG_STR("application/json"));
    tg_fields_add(b, TG_STR("Accept-Encoding"), TG_STR("identity"));
    tg_fields_add(b, TG_STR("User-Agent"), TG_STR("trainguard/" TG_VERSION));
    ok = j->fetch.on_head(j->fetch.owner, tg_buf_str(&host), b);
    tg_buf_puts(b, "\r\n");
    tg_buf_end(&host);
    return ok;
}

/* The head holds a credential: its memory is wiped. */
static void ask(struct tg_fetch_job *j)
{
    struct tg_buf head = {0};
    bool ok = build_head(j, &head);
    struct iovec iov = {head.p, head.n};
    bool sent = ok && tg_socket_write(&j->conn->socket, &iov, 1);

    tg_buf_wipe(&head);
    tg_buf_end(&head);
    j->state = FETCH_ASKED;
    if (!ok)
        fail(j, TG_E_CREDENTIAL_MISSING, "no credential to ask with");
    else if (!sent)
        retry_or_fail(j);
}

/* --- the connection --- */

static void on_ready(void *owner, struct tg_upstream_conn *p)
{
    struct tg_fetch_job *j = job_of(owner);

    CHECK(j->state == FETCH_CONNECTING && p->state == TG_UPSTREAM_CONN_BUSY);
    j->conn = p;
    ask(j);
}

static void on_failed(void *owner, enum tg_error error, const char *why)
{
    fail(job_of(owner), error, why);
}

static void take_close(struct tg_fetch_job *j, bool in_order)
{
    j->keep_alive = false;
    if (j->state == FETCH_BODY && j->framing == TG_FRAMING_CLOSE && in_order)
        answered(j, false);
    else
        retry_or_fail(j);
}

static void on_readable(void *owner)
{
    struct tg_fetch_job *j = job_of(owner);
    struct tg_str in = {loop_of(j)->scratch, 0};

    switch (tg_socket_read(&j->conn->socket, loop_of(j)->scratch, TG_SCRATCH, &in.n)) {
    case TG_IO_WANT_READ:
    case TG_IO_WANT_WRITE:
        return;
    case TG_IO_CLOSED:
        take_close(j, true);
        return;
    case TG_IO_BROKEN:
        take_close(j, false);
        return;
    case TG_IO_DONE:
        break;
    }
    j->seen = true;
    if (j->state == FETCH_BODY)
        read_body(j, in);
    else
        read_head(j, in);
}

static void on_written(void *owner)
{
    (void)job_of(owner); /* the deadline is that of all of it */
}

static void on_broken(void *owner)
{
    retry_or_fail(job_of(owner));
}

static const struct tg_upstream_conn_events events = {on_ready,   on_failed,  on_readable,
                                                      on_written, on_written, on_broken};

static void connect_job(struct tg_fetch_job *j, unsigned use)
{
    j->state = FETCH_CONNECTING;
    j->conn = tg_upstream_take(j->all->upstreams, j->conf, use, &events, j);
    if (j->conn->state == TG_UPSTREAM_CONN_BUSY)
        tg_timer_set(&j->timer, tg_loop_now(loop_of(j)), 0); /* asks from the loop */
}

/* --- deadlines and turns --- */

static void too_late(struct tg_fetch_job *j)
{
    char why[TG_UPSTREAM_WORDS] = "it waited for its turn";

    if (j->state == FETCH_CONNECTING)
        (void)tg_upstream_conn_awaited(j->conn, why);
    else if (j->state != FETCH_WAITING)
        snprintf(why, sizeof(why), "%s", j->seen ? "its answer is not complete" : "no answer came");
    fail(j, TG_E_READ_TIMEOUT, why);
}

static void set_deadline(struct tg_fetch_job *j)
{
    uint64_t now = tg_loop_now(loop_of(j));

    tg_timer_set(&j->timer, now, j->deadline > now ? (int64_t)(j->deadline - now) : 0);
}

/* The timer also wakes what may not go on inside the call that made it. */
static void on_timer(void *owner)
{
    struct tg_fetch_job *j = job_of(owner);

    if (j->state == FETCH_REFUSED) {
        fail(j, TG_E_OVERLOADED, "max_pending own requests wait");
    } else if (tg_loop_now(loop_of(j)) >= j->deadline) {
        too_late(j);
    } else {
        set_deadline(j);
        if (j->state == FETCH_CONNECTING && j->conn->state == TG_UPSTREAM_CONN_BUSY)
            ask(j);
    }
}

static void run(struct tg_fetch_job *j)
{
    CHECK(j->all->running < j->all->most && j->conn == NULL);
    j->all->running++;
    set_deadline(j);
    connect_job(j, TG_UPSTREAM_OWN);
}

/* One whose deadline has passed is told so by its timer, which has the next turn taken. */
static void start_next(struct tg_fetches *all)
{
    while (all->waiting.first != NULL && all->running < all->most) {
        struct tg_fetch_job *j = all->waiting.first;

        if (j->withheld || tg_loop_now(loop_of(j)) >= j->deadline)
            return;
        leave_queue(j);
        run(j);
    }
}

static unsigned count_waiting(const struct tg_fetches *all)
{
    return all->live - all->running;
}

static void await_turn(struct tg_fetch_job *j)
{
    struct tg_fetch_queue *q = &j->all->waiting;

    if (count_waiting(j->all) > (unsigned)j->conf->max_pending) {
        j->state = FETCH_REFUSED;
        tg_timer_set(&j->timer, tg_loop_now(loop_of(j)), 0);
        return;
    }
    j->state = FETCH_WAITING;
    *q->last = j;
    q->last = &j->next;
    set_deadline(j);
}

struct tg_fetch_job *tg_fetch_start(struct tg_fetches *all, const struct tg_fetch *fetch)
{
    struct tg_fetch_job *j = calloc(1, sizeof(*j));

    CHECK(j != NULL && fetch->timeout > 0 && fetch->target.n > 0);
    j->magic = TG_FETCH_MAGIC;
    j->all = all;
    j->fetch = *fetch;
    j->target = strndup(fetch->target.p, fetch->target.n);
    CHECK(j->target != NULL);
    j->fetch.target.p = j->target;
    j->conf = tg_upstreams_find(all->upstreams, fetch->upstream);
    CHECK(j->conf != NULL);
    j->deadline = tg_loop_now(loop_of(j)) + (uint64_t)fetch->timeout;
    tg_timer_init(&j->timer, loop_of(j)->base, on_timer, j);
    j->withheld = all->hold;
    all->live++;
    if (all->running < all->most && !j->withheld)
        run(j);
    else
        await_turn(j);
    return j;
}

/* Those that are held stand behind all others. */
bool tg_fetches_await_release(const struct tg_fetches *all)
{
    const struct tg_fetch_job *j = all->waiting.first;

    while (j != NULL && !j->withheld)
        j = j->next;
    return j != NULL;
}

void tg_fetches_release(struct tg_fetches *all)
{
    for (struct tg_fetch_job *j = all->waiting.first; j != NULL; j = j->next)
        j->withheld = false;
    start_next(all);
}

void tg_fetches_open(struct tg_fetches *all)
{
    CHECK(all->upstreams != NULL && all->most > 0 && all->fits != NULL);
    all->waiting.last = &all->waiting.first;
}
