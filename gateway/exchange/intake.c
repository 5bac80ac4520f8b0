/* The request head as it comes: copied out of the read buffer, named, its target made canonical. */
#include "base/chars.h"
#include "base/check.h"
#include "exchange/internal.h"
#include "http/target.h"
#include "http/traceparent.h"

enum { MAX_ID = 128 }; /* bytes of a request id from outside */

static struct tg_exchange *attach(struct tg_exchanges *all, struct tg_conn *c)
{
    struct tg_exchange *x = tg_exchange_make(all);

    CHECK(c->exchange == NULL && c->server != NULL);
    x->conn = c;
    c->exchange = x;
    x->wall = c->first_byte;
    x->started = tg_loop_now(x->all->loop);
    x->request.host = &all->host;
    x->request.client_address = tg_str_of(c->address);
    x->request.tls_principal = tg_str_of(c->principal);
    x->request.tls_names = tg_str_of(c->tls_names);
    x->request.peer = c->peer;
    return x;
}

/* Slices of the head point into the read buffer: the copy of these bytes is in the arena. */
static struct tg_str moved(struct tg_str s, struct tg_str from, const char *to)
{
    CHECK(s.p >= from.p && s.p + s.n <= from.p + from.n);
    return (struct tg_str){to + (s.p - from.p), s.n};
}

/* A target that the parser of heads made up ("/" for an empty path) is static and stays where it
 * is. */
static struct tg_str moved_if_inside(struct tg_str s, struct tg_str from, const char *to)
{
    bool inside = s.p >= from.p && s.p + s.n <= from.p + from.n;

    return inside ? moved(s, from, to) : s;
}

/* Two of them are none (Trace Context section 3.2). */
static void read_trace(struct tg_exchange *x, struct tg_str value)
{
    struct tg_traceparent trace = {0};

    if (x->traces++ == 0)
        (void)tg_traceparent_parse(value, &trace);
    x->trace_id = trace.trace_id;
}

/* The fields the gateway itself looks at, in one pass. `named`: some are named in Connection. */
static void look_at_fields(struct tg_exchange *x, bool named)
{
    struct tg_request *r = &x->request;
    struct tg_buf *connection = &x->all->head;

    connection->n = 0;
    for (unsigned i = 0; i < r->nfields; i++) {
        const struct tg_field *f = &r->fields[i];

        if (named && tg_str_ieq(f->name, TG_STR("Connection"))) {
            tg_buf_add(connection, f->value);
            tg_buf_putc(connection, ',');
        } else if (f->name.n == 12 && tg_str_ieq(f->name, TG_STR("X-Request-Id")))
            r->request_id = f->value;
        else if (f->name.n == 11 && tg_str_ieq(f->name, TG_STR("traceparent")))
            read_trace(x, f->value);
    }
    if (connection->n > 0)
        x->connection = tg_arena_dup(&x->arena, tg_buf_str(connection));
}

/* What ends here is judged by nobody: whom a token names that does not go on did not ask. */
static void drop_hop_by_hop(struct tg_exchange *x, struct tg_field *fields)
{
    struct tg_request *r = &x->request;
    unsigned kept = 0;

    for (unsigned i = 0; i < r->nfields; i++)
        if (!tg_request_head_hop_by_hop(fields[i].name, x->connection))
            fields[kept++] = fields[i];
    r->nfields = kept;
}

static struct tg_field *copy_head(struct tg_exchange *x, const struct tg_request_head *head,
                                  struct tg_str raw)
{
    struct tg_request *r = &x->request;
    const char *to = tg_arena_dup(&x->arena, raw).p;
    struct tg_field *fields = tg_arena_alloc(&x->arena, head->nfields * sizeof(*fields));

    CHECK(x->phase == TG_PHASE_HEAD && head->method.n > 0);
    for (unsigned i = 0; i < head->nfields; i++) {
        fields[i].name = moved(head->fields[i].name, raw, to);
        fields[i].value = moved(head->fields[i].value, raw, to);
    }
    r->fields = fields;
    r->nfields = head->nfields;
    r->method = moved(head->method, raw, to);
    r->target = head->target.n == 1 && head->target.p[0] == '*'
                    ? TG_STR("*")
                    : moved_if_inside(head->target, raw, to);
    r->raw_target = r->target;
    x->host = moved_if_inside(head->authority, raw, to);
    x->framing = head->framing;
    x->length = head->length;
    x->minor = head->minor;
    x->is_head = head->is_head;
    x->keep_alive = head->keep_alive;
    x->expect_continue = head->expect_continue;
    return fields;
}

/* A request id from outside is kept when it is short and plain, so it cannot break a log. */
static bool plain_id(struct tg_str id)
{
    return id.n > 0 && id.n <= MAX_ID && tg_chars_are(id, TG_CHAR_ID);
}

static void name_request(struct tg_exchange *x)
{
    static const char digits[] = "0123456789abcdef";
    struct tg_exchanges *all = x->all;
    char *id;
    uint64_t n;

    if (plain_id(x->request.request_id))
        return;
    id = tg_arena_alloc(&x->arena, 32);
    memcpy(id, all->id_prefix, 16);
    n = all->id_next++;
    for (unsigned i = 32; i-- > 16; n >>= 4)
        id[i] = digits[n & 15];
    CHECK(all->id_next > 0); /* or ids would come again */
    x->request.request_id = (struct tg_str){id, 32};
}

/* The path for routing; what goes upstream tg_exchange_start() decides. */
static bool normalize_target(struct tg_exchange *x, const char **why)
{
    struct tg_request *r = &x->request;
    char *out = tg_arena_alloc(&x->arena, r->target.n + 1);
    struct tg_target target;

    CHECK(r->path.n == 0);
    if (tg_str_eq(r->target, TG_STR("*"))) {
        r->path = r->target;
        return true;
    }
    if (!tg_target_normalize(r->target, out, r->target.n + 1, &target, why))
        return false;
    r->path = target.path;
    r->odd_path = target.odd;
    return true;
}

/* As the audit log says it, so that a line of it can be copied into a policy. */
static void name_principal(struct tg_exchange *x)
{
    struct tg_buf *text = &x->all->head;

    text->n = 0;
    tg_audit_principal(x->all->audit, &x->request, text);
    if (text->n > 0)
        x->request.principal = tg_arena_dup(&x->arena, tg_buf_str(text));
}

/* While the log cannot be written, bad requests are refused like all others. */
static void refuse(struct tg_exchange *x, enum tg_error error, const char *why)
{
    bool ready = tg_audit_ready(x->all->audit);

    tg_exchange_end(x, ready ? error : TG_E_AUDIT, ready ? why : "");
}

/* Whether the client's connection can have another request behind this one. */
static bool may_keep(const struct tg_exchange *x)
{
    const struct tg_conn *c = x->conn;

    return !x->all->loop->draining &&
           (c->keep_until == 0 || tg_loop_now(x->all->loop) < c->keep_until) &&
           (c->server->keepalive_requests == 0 ||
            c->requests + 1 < (uint64_t)c->server->keepalive_requests);
}

void tg_exchange_on_request(void *all, struct tg_conn *c, const struct tg_request_head *head,
                            struct tg_str raw)
{
    struct tg_exchange *x = attach(all, c);
    struct tg_field *fields = copy_head(x, head, raw);
    const char *why;

    look_at_fields(x, head->names_fields);
    drop_hop_by_hop(x, fields);
    name_request(x);
    why = tg_request_ambiguity(&x->request);
    if (why == NULL)
        why = tg_request_identify(&x->request);
    name_principal(x);
    x->body_complete = c->state == TG_CONN_WAIT;
    if (why != NULL || !normalize_target(x, &why)) {
        x->request.path = TG_STR("");
        refuse(x, TG_E_BAD_REQUEST, why);
        return;
    }
    x->keep_alive = x->keep_alive && may_keep(x);
    tg_exchange_to(x, TG_PHASE_ROUTE);
    tg_exchange_start(x);
}

void tg_exchange_on_unreadable(void *all, struct tg_conn *c, struct tg_str raw, enum tg_error error,
                               const char *why)
{
    struct tg_exchange *x = attach(all, c);

    x->is_head = tg_str_starts(raw, TG_STR("HEAD ")); /* its answer has no body, even this one */
    name_request(x);
    refuse(x, error, why);
}
