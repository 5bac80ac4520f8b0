/* The upstream's answer on its way to the client: head checked and cleaned, body as it comes. */
#include "base/check.h"
#include "exchange/internal.h"
#include "http/fields.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAX_INTERIM = 16, MAX_PIECES = 4 };

/* --- the head --- */

static bool is_json(struct tg_str type)
{
    struct tg_str json = TG_STR("application/json");

    return type.n >= json.n && tg_str_ieq((struct tg_str){type.p, json.n}, json);
}

struct head_facts {
    bool has_request_id;
    bool has_date;
    bool coded; /* Content-Encoding: the body is not text to look into */
    bool json;
};

static void add_fields(const struct tg_response_head *in, struct tg_buf *b,
                       struct head_facts *facts)
{
    for (unsigned i = 0; i < in->nfields; i++) {
        const struct tg_field *f = &in->fields[i];

        if (tg_request_head_hop_by_hop(f->name, in->connection))
            continue;
        if (f->name.n == 12 && tg_str_ieq(f->name, TG_STR("X-Request-Id")))
            facts->has_request_id = true;
        else if (f->name.n == 4 && tg_str_ieq(f->name, TG_STR("Date")))
            facts->has_date = true;
        else if (f->name.n == 12 && tg_str_ieq(f->name, TG_STR("Content-Type")))
            facts->json = is_json(f->value);
        else if (f->name.n == 16 && tg_str_ieq(f->name, TG_STR("Content-Encoding")))
            facts->coded = facts->coded || !tg_str_ieq(f->value, TG_STR("identity"));
        if (f->name.n == 14 && tg_str_ieq(f->name, TG_STR("Content-Length")))
            tg_buf_printf(b, "Content-Length: %" PRIu64 "\r\n", in->length);
        else
            tg_fields_add(b, f->name, f->value);
    }
}

/* How the client gets the body: as it comes, or chunked when its end is not known before. A 1.0
 * client cannot take chunks and gets everything until the connection ends. */
static enum tg_framing relay_framing(const struct tg_exchange *x)
{
    if (x->response_framing == TG_FRAMING_NONE || x->response_framing == TG_FRAMING_LENGTH)
        return x->response_framing;
    return x->minor >= 1 ? TG_FRAMING_CHUNKED : TG_FRAMING_CLOSE;
}

/* The head for the client; good until another head is built. */
static struct tg_str build_head(struct tg_exchange *x, const struct tg_response_head *in)
{
    struct tg_buf *b = &x->all->head;
    struct head_facts facts = {0};

    x->relay_framing = relay_framing(x);
    if (x->relay_framing == TG_FRAMING_CLOSE)
        x->keep_alive = false;
    b->n = 0;
    tg_buf_puts(b, "HTTP/1.1 ");
    tg_buf_u64(b, (uint64_t)in->status);
    tg_buf_putc(b, ' ');
    tg_buf_add(b, in->reason);
    tg_buf_puts(b, "\r\n");
    add_fields(in, b, &facts);
    if (!facts.has_date)
        tg_reply_date(x, b);
    if (!facts.has_request_id)
        tg_fields_add(b, TG_STR("X-Request-Id"), x->request.request_id);
    tg_reply_notes(x, b);
    if (x->relay_framing == TG_FRAMING_CHUNKED)
        tg_buf_puts(b, "Transfer-Encoding: chunked\r\n");
    if (x->all->loop->draining || !x->body_complete)
        x->keep_alive = false;
    if (!x->keep_alive)
        tg_buf_puts(b, "Connection: close\r\n");
    else if (x->minor == 0)
        tg_buf_puts(b, "Connection: keep-alive\r\n");
    tg_buf_puts(b, "\r\n");
    x->watch_outcome = facts.json && !facts.coded;
    x->outcome_unknown = facts.coded && !x->streamed && in->framing != TG_FRAMING_NONE;
    return tg_buf_str(b);
}

/* The fields as they came, but for what ends here: the read buffer does not keep them. */
static void keep_fields(struct tg_exchange *x, const struct tg_response_head *in)
{
    struct tg_field *fields;

    if (!tg_chain_wants_response(&x->chain) && !x->unauthorized)
        return;
    CHECK(x->nresponse_fields == 0);
    fields = tg_arena_alloc(&x->arena, in->nfields * sizeof(*fields));
    for (unsigned i = 0; i < in->nfields; i++)
        if (!tg_request_head_hop_by_hop(in->fields[i].name, in->connection))
            fields[x->nresponse_fields++] =
                (struct tg_field){tg_arena_dup(&x->arena, in->fields[i].name),
                                  tg_arena_dup(&x->arena, in->fields[i].value)};
    CHECK(x->nresponse_fields <= in->nfields);
    x->response_fields = fields;
}

/* The answer as far as it came. */
static struct tg_response response_of(const struct tg_exchange *x)
{
    return (struct tg_response){
        .status = x->upstream_status,
        .fields = x->response_fields,
        .nfields = x->nresponse_fields,
        .failed = x->outcome.failed,
        .error_code = tg_str_of(x->outcome.error_code),
    };
}

static void tell_filters(struct tg_exchange *x)
{
    struct tg_response response = response_of(x);

    if (tg_chain_wants_response(&x->chain))
        tg_chain_response(&x->chain, &response);
}

/* Returns the head for the client. */
static struct tg_str take_head(struct tg_exchange *x, const struct tg_response_head *in)
{
    CHECK(in->status >= 200 && !x->response_started && x->upstream_conn != NULL);
    x->upstream_status = in->status;
    x->status = in->status;
    x->upstream_keep = in->keep_alive;
    x->response_framing = in->framing;
    x->response_left = in->framing == TG_FRAMING_LENGTH ? in->length : 0;
    if (in->framing == TG_FRAMING_CHUNKED)
        tg_chunked_init(&x->response_chunk);
    if (x->sent != 0)
        x->upstream_us = tg_loop_now(x->all->loop) - x->sent;
    x->await_record = tg_audit_wants_intent(x->all->audit);
    x->unauthorized = in->status == 401 && tg_chain_wants_unauthorized(&x->chain);
    tg_exchange_to(x, TG_PHASE_RELAY);
    tg_outcome_init(&x->outcome);
    keep_fields(x, in);
    return build_head(x, in);
}

/* --- the body --- */

/* Copies pieces behind each other into the arena: the last bytes, sent after the audit flush. */
static struct tg_str joined(struct tg_exchange *x, const struct iovec *iov, int n)
{
    size_t total = 0;
    char *p, *at;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    p = at = tg_arena_alloc(&x->arena, total);
    for (int i = 0; i < n; i++) {
        memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    CHECK(at == p + total);
    return (struct tg_str){p, total};
}

static struct iovec piece(const char *p, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)p, n};
}

/* The connection goes back to the pool when the answer ended exactly where its bytes ended. */
static void release_peer(struct tg_exchange *x, bool extra)
{
    CHECK(x->upstream_conn != NULL);
    tg_upstream_conn_answered(x->upstream_conn);
    if (extra)
        tg_log(TG_LOG_WARN, "relay", "%.*s sent bytes behind its answer: connection closed",
               TG_STR_ARG(x->upstream_address));
    if (x->upstream_keep && x->request_sent && !extra && !x->upstream_conn->socket.broken &&
        tg_socket_queued(&x->upstream_conn->socket) == 0)
        tg_upstream_conn_give(&x->upstream_conn);
    else
        tg_upstream_conn_end(&x->upstream_conn);
}

/* Nothing goes before a record of the answer is on disk: a short one waits for its outcome, a
 * longer one for a record of its own. What filters have to see first waits for their word. */
static void withhold(struct tg_exchange *x, const struct iovec *iov, int n, bool last)
{
    CHECK(x->unauthorized ? !x->response_started : x->await_record && x->response_started == last);
    for (int i = 0; i < n; i++)
        tg_buf_add(&x->response_buffer, (struct tg_str){iov[i].iov_base, iov[i].iov_len});
    if (x->unauthorized)
        return;
    if (last)
        x->last = tg_buf_str(&x->response_buffer);
    else if (x->response_buffer.n > TG_RESPONSE_BUFFER)
        tg_exchange_record_answer(x);
}

/* Body bytes to the client, behind the head if there is one (it has not gone yet). */
static void emit(struct tg_exchange *x, struct tg_str head, struct tg_str data, bool last)
{
    struct iovec iov[MAX_PIECES + 1];
    char size[24];
    bool chunked = x->relay_framing == TG_FRAMING_CHUNKED;
    int n = 0;

    CHECK(x->phase == TG_PHASE_RELAY && x->conn != NULL);
    if (head.n > 0)
        iov[n++] = piece(head.p, head.n);
    if ((last || !x->await_record) && !x->unauthorized)
        x->response_started = true;
    if (x->watch_outcome)
        tg_outcome_read(&x->outcome, data);
    x->bytes_out += data.n;
    if (data.n > 0 && chunked)
        iov[n++] = piece(size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", data.n));
    if (data.n > 0)
        iov[n++] = piece(data.p, data.n);
    if (chunked && (data.n > 0 || last))
        iov[n++] = data.n > 0 ? (last ? piece("\r\n0\r\n\r\n", 7) : piece("\r\n", 2))
                              : piece("0\r\n\r\n", 5);
    CHECK(n <= MAX_PIECES + 1);
    if (x->await_record || x->unauthorized)
        withhold(x, iov, n, last);
    else if (last)
        x->last = joined(x, iov, n);
    else if (n > 0 && !tg_conn_send(x->conn, iov, n))
        tg_exchange_end(x, TG_E_CLIENT_GONE, "");
}

/* Filters look at an answer of 401 that was kept back. False: it went no further. */
static bool pass_unauthorized(struct tg_exchange *x)
{
    struct tg_response response = response_of(x);
    enum tg_refusal refusal = tg_chain_unauthorized(&x->chain, &response);

    x->unauthorized = refusal != TG_REFUSAL_PASS;
    if (refusal == TG_REFUSAL_PASS)
        return true;
    if (refusal == TG_REFUSAL_REPLACE || !tg_forward_again(x))
        tg_exchange_end(x, x->request.error, "");
    return false;
}

static void finish(struct tg_exchange *x, struct tg_str head, struct tg_str data, bool extra)
{
    CHECK(x->last.n == 0);
    emit(x, head, data, true);
    release_peer(x, extra);
    if (x->unauthorized) {
        if (!pass_unauthorized(x))
            return;
        x->response_started = true;
        x->last = tg_buf_str(&x->response_buffer);
    }
    tell_filters(x);
    tg_exchange_end(x, TG_E_DONE, "");
}

/* More of the answer is to come: pause the upstream while the client, or the record, is behind. */
static void await_more(struct tg_exchange *x)
{
    if (x->awaits_flush || tg_conn_unsent(x->conn) > TG_HIGH_WATER) {
        tg_socket_read_off(&x->upstream_conn->socket);
        tg_timer_clear(&x->timer);
    } else {
        tg_exchange_deadline(x, x->location->upstream->read_timeout);
    }
}

/* An answer of 401 is longer than what is kept back: filters judge what is there. */
static void open_unauthorized(struct tg_exchange *x)
{
    if (!pass_unauthorized(x))
        return;
    if (x->await_record)
        tg_exchange_record_answer(x);
    else
        tg_relay_open(x);
}

static void go_on(struct tg_exchange *x, struct tg_str head, struct tg_str data)
{
    emit(x, head, data, false);
    if (x->phase == TG_PHASE_RELAY && x->unauthorized && x->response_buffer.n > TG_RESPONSE_BUFFER)
        open_unauthorized(x);
    else if (x->phase == TG_PHASE_RELAY)
        await_more(x);
}

void tg_relay_open(struct tg_exchange *x)
{
    struct iovec iov = piece(x->response_buffer.p, x->response_buffer.n);

    CHECK(x->phase == TG_PHASE_RELAY && x->upstream_conn != NULL);
    x->await_record = false;
    x->response_started = true;
    if (!tg_conn_send(x->conn, &iov, 1)) {
        tg_exchange_end(x, TG_E_CLIENT_GONE, "");
        return;
    }
    tg_buf_end(&x->response_buffer);
    tg_socket_read_on(&x->upstream_conn->socket);
    await_more(x);
}

static void read_chunks(struct tg_exchange *x, struct tg_str head, struct tg_str in)
{
    struct tg_buf *joined_data = &x->all->decoded;
    enum tg_parse parse = TG_PARSE_MORE;
    const char *why = "";

    joined_data->n = 0;
    while (in.n > 0 && parse == TG_PARSE_MORE) {
        struct tg_str data = {NULL, 0};
        size_t used = 0;

        parse = tg_chunked_read(&x->response_chunk, in, &data, &used, &why);
        if (parse == TG_PARSE_BAD) {
            tg_exchange_end(x, TG_E_UPSTREAM_NONSENSE, why);
            return;
        }
        CHECK(used > 0 && used <= in.n);
        tg_buf_add(joined_data, data);
        in = tg_str_skip(in, used);
    }
    if (parse == TG_PARSE_DONE)
        finish(x, head, tg_buf_str(joined_data), in.n > 0);
    else
        go_on(x, head, tg_buf_str(joined_data));
}

/* `head` goes before the first byte of a body, and is empty for all others. */
static void read_body(struct tg_exchange *x, struct tg_str head, struct tg_str in)
{
    const struct tg_str none = {NULL, 0};
    size_t n;

    CHECK(x->phase == TG_PHASE_RELAY && x->upstream_status >= 200);
    switch (x->response_framing) {
    case TG_FRAMING_NONE:
        finish(x, head, none, in.n > 0);
        return;
    case TG_FRAMING_LENGTH:
        n = in.n < x->response_left ? in.n : (size_t)x->response_left;
        x->response_left -= n;
        if (x->response_left == 0)
            finish(x, head, (struct tg_str){in.p, n}, in.n > n);
        else
            go_on(x, head, in);
        return;
    case TG_FRAMING_CHUNKED:
        read_chunks(x, head, in);
        return;
    case TG_FRAMING_CLOSE:
        go_on(x, head, in);
        return;
    }
    TG_UNREACHABLE();
}

/* --- reading --- */

/* Interim answers end here: the gateway has told its client to go on by itself. */
static bool is_interim(struct tg_exchange *x, const struct tg_response_head *r)
{
    if (r->status >= 200)
        return false;
    x->interim++;
    return true;
}

static void read_head(struct tg_exchange *x, struct tg_str in)
{
    struct tg_response_head r;
    struct tg_str head;
    struct tg_buf *partial = &x->upstream_conn->in;
    const char *why = "";
    size_t used = 0;

    if (partial->n > 0) {
        tg_buf_add(partial, in);
        in = tg_buf_str(partial);
    }
    for (;;) {
        enum tg_parse parse = tg_response_head_parse(
            in, TG_MAX_RESPONSE_HEAD, x->is_head ? TG_ANSWERS_HEAD : TG_ANSWERS_OTHER, &x->scanned,
            &r, &used, &why);

        if (parse == TG_PARSE_BAD || x->interim > MAX_INTERIM) {
            tg_exchange_end(x, TG_E_UPSTREAM_NONSENSE,
                            parse == TG_PARSE_BAD ? why : "too many interim answers");
            return;
        }
        CHECK(parse != TG_PARSE_DONE || (used > 0 && used <= in.n));
        if (parse == TG_PARSE_DONE && !is_interim(x, &r))
            break;
        if (parse == TG_PARSE_DONE) {
            in = tg_str_skip(in, used);
            x->scanned = 0;
            continue;
        }
        if (partial->n > 0) {
            memmove(partial->p, in.p, in.n);
            partial->n = in.n;
        } else {
            tg_buf_add(partial, in);
        }
        return;
    }
    head = take_head(x, &r);
    read_body(x, head, tg_str_skip(in, used));
    if (x->upstream_conn != NULL)
        x->upstream_conn->in.n = 0;
}

/* The upstream closed: the end of an answer that is framed so, or a failure. False: not a byte of
 * an answer came. */
static bool take_close(struct tg_exchange *x, bool in_order)
{
    const struct tg_str none = {NULL, 0};

    if (x->phase == TG_PHASE_RELAY && x->response_framing == TG_FRAMING_CLOSE && in_order) {
        x->upstream_keep = false;
        finish(x, none, none, false);
        return true;
    }
    if (x->phase != TG_PHASE_RELAY && !x->response_seen)
        return false;
    tg_exchange_end(x, TG_E_UPSTREAM_CLOSED, "");
    return true;
}

bool tg_relay_read(struct tg_exchange *x)
{
    const struct tg_str none = {NULL, 0};
    struct tg_loop *loop = x->all->loop;
    struct tg_str in = {loop->scratch, 0};

    CHECK(x->phase == TG_PHASE_SEND || x->phase == TG_PHASE_AWAIT || x->phase == TG_PHASE_RELAY);
    switch (tg_socket_read(&x->upstream_conn->socket, loop->scratch, TG_SCRATCH, &in.n)) {
    case TG_IO_DONE:
        break;
    case TG_IO_WANT_READ:
    case TG_IO_WANT_WRITE:
        return true;
    case TG_IO_CLOSED:
        return take_close(x, true);
    case TG_IO_BROKEN:
        return take_close(x, false);
    }
    x->response_seen = true;
    if (x->phase == TG_PHASE_RELAY)
        read_body(x, none, in);
    else
        read_head(x, in);
    return true;
}

void tg_relay_on_drained(void *exchange)
{
    struct tg_exchange *x = exchange;

    CHECK_MAGIC(x, TG_EXCHANGE_MAGIC);
    if (x->phase != TG_PHASE_RELAY || x->upstream_conn == NULL || x->awaits_flush)
        return;
    tg_exchange_deadline(x, x->location->upstream->read_timeout);
    tg_socket_read_on(&x->upstream_conn->socket);
}
