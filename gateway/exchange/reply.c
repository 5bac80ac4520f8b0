/* The gateway's own answers (contract section 5), and what it adds to relayed ones. */
#include "base/check.h"
#include "exchange/internal.h"
#include "http/fields.h"
#include "http/target.h"

#include <stdio.h>

enum { RETRY_AFTER_S = 1, MAX_WARNINGS = 20, MAX_SHOWN = 240 };

/* RFC 9110 section 10.2.1: the methods the path has. A location for all methods takes every
 * method there is; the usual ones are named. */
static void add_allow(const struct tg_exchange *x, struct tg_buf *b)
{
    size_t start = b->n;
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;
    bool first = true;

    tg_buf_puts(b, "Allow: ");
    for (const struct tg_location *l = x->conn->server->locations; l != NULL; l = l->next) {
        if (!tg_target_match(&l->prepared, x->request.path, values, TG_TARGET_PARAMETERS, &n))
            continue;
        if (l->method.n == 0) {
            b->n = start;
            tg_buf_puts(b, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            break;
        }
        tg_buf_puts(b, first ? "" : ", ");
        tg_buf_add(b, l->method);
        first = false;
    }
    tg_buf_puts(b, "\r\n");
}

/* What stands in a quoted-string (RFC 9110 section 5.6.4), ASCII only: other bytes become '?'. */
static void add_quoted(struct tg_buf *b, struct tg_str text)
{
    while (text.n > 0) {
        size_t plain = tg_json_plain(text); /* both have the same two characters to escape */

        tg_buf_add(b, (struct tg_str){text.p, plain});
        text = tg_str_skip(text, plain);
        if (text.n == 0)
            return;
        if (*text.p == '"' || *text.p == '\\') {
            tg_buf_putc(b, '\\');
            tg_buf_putc(b, *text.p);
        } else {
            tg_buf_putc(b, '?');
        }
        text = tg_str_skip(text, 1);
    }
}

/* Clients bound their heads: Node.js takes 16 KB of it. What is left out is in the audit record. */
static void add_start(struct tg_buf *b, struct tg_str text)
{
    if (text.n <= MAX_SHOWN) {
        add_quoted(b, text);
        return;
    }
    add_quoted(b, (struct tg_str){text.p, MAX_SHOWN});
    tg_buf_puts(b, "...");
}

static void add_warning(struct tg_buf *b, struct tg_str pointer, const char *between,
                        struct tg_str text)
{
    tg_buf_puts(b, "Warning: 299 trainguard \"");
    add_start(b, pointer.n > 0 ? pointer : TG_STR("/"));
    tg_buf_puts(b, between);
    add_start(b, text);
    tg_buf_puts(b, "\"\r\n");
}

/* The changes the upstream saw; returns how many warnings may follow. */
static unsigned add_changes(const struct tg_doc *d, struct tg_buf *b, unsigned left)
{
    tg_buf_puts(b, "X-Trainguard-Normalized: ");
    tg_buf_u64(b, d->nchanges);
    tg_buf_puts(b, "\r\n");
    for (const struct tg_change *c = d->changes; c != NULL && left > 0; c = c->next, left--)
        add_warning(b, c->pointer, " changed by ", tg_str_of(c->why));
    return left;
}

static void add_limits(const struct tg_exchange *x, struct tg_buf *b)
{
    if (x->limit_policy.n == 0)
        return;
    tg_fields_add(b, TG_STR("RateLimit-Policy"), x->limit_policy);
    tg_fields_add(b, TG_STR("RateLimit"), x->limit_left);
}

void tg_reply_notes(const struct tg_exchange *x, struct tg_buf *b)
{
    const struct tg_request *r = &x->request;
    struct tg_buf text = {0};
    unsigned left = MAX_WARNINGS;

    if (r->doc != NULL && r->doc->nchanges > 0 && x->phase == TG_PHASE_RELAY)
        left = add_changes(r->doc, b, left);
    for (const struct tg_finding *f = r->report.first; f != NULL && left > 0; f = f->next) {
        if (f->severity != TG_WARNING)
            continue;
        text.n = 0;
        tg_finding_text(&text, f, false);
        add_warning(b, f->pointer, " ", tg_buf_str(&text));
        left--;
    }
    tg_buf_end(&text);
    add_limits(x, b);
}

/* What the client is told beside the row's text: its own mistakes, not the inside of the network.
 */
static void set_error(struct tg_exchange *x)
{
    struct tg_request *r = &x->request;

    CHECK(x->end != TG_E_DONE);
    if (r->error != TG_E_DONE)
        return;
    r->error = x->end;
    if (tg_error_info(x->end)->status < 500)
        r->error_detail = x->end_detail;
}

/* `keep`: the connection goes on. Ends the head. */
static void add_connection(const struct tg_exchange *x, struct tg_buf *b, bool keep)
{
    tg_buf_puts(b, keep ? (x->minor == 0 ? "Connection: keep-alive\r\n" : "")
                        : "Connection: close\r\n");
    tg_buf_puts(b, "\r\n");
}

void tg_reply_date(const struct tg_exchange *x, struct tg_buf *b)
{
    struct tg_loop *loop = x->all->loop;

    tg_buf_puts(b, "Date: ");
    tg_buf_puts(b, tg_clock_date(&loop->date, tg_loop_wall(loop)));
    tg_buf_puts(b, "\r\n");
}

/* RFC 9209: tells this answer from the service's own. The details are the word of the record and
 * what the body says. */
static void add_proxy_status(const struct tg_exchange *x, struct tg_buf *b)
{
    const struct tg_error_info *info = tg_error_info(x->end);

    tg_buf_printf(b, "Proxy-Status: trainguard; error=%s; details=\"%s: %s", info->type, info->word,
                  info->message);
    tg_buf_puts(b, x->request.error_detail.n > 0 ? ": " : "");
    add_start(b, x->request.error_detail);
    tg_buf_puts(b, "\"\r\n");
}

/* RFC 9110 section 11.6.1. */
static void add_schemes(const struct tg_signing_conf *signing, struct tg_buf *b)
{
    if (signing->keys != NULL)
        tg_buf_puts(b, "WWW-Authenticate: SDK-HMAC-SHA256\r\n");
    if (signing->callers != NULL && signing->callers->keys != NULL)
        tg_buf_puts(b, "WWW-Authenticate: Bearer\r\n");
}

static void add_head(const struct tg_exchange *x, struct tg_buf *b, size_t length)
{
    tg_buf_printf(b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n",
                  x->status, tg_reason_phrase(x->status), length);
    tg_reply_date(x, b);
    add_proxy_status(x, b);
    tg_fields_add(b, TG_STR("X-Request-Id"), x->request.request_id);
    if (x->end == TG_E_METHOD)
        add_allow(x, b);
    if (x->status == 401 && x->location != NULL)
        add_schemes(&x->location->signing, b);
    if (x->status == 429 || x->status == 503 || x->request.retry_after > 0)
        tg_buf_printf(b, "Retry-After: %u\r\n",
                      x->request.retry_after > 0 ? x->request.retry_after : RETRY_AFTER_S);
    tg_reply_notes(x, b);
    add_connection(x, b, x->after == TG_AFTER_KEEP);
}

void tg_reply_options(struct tg_exchange *x)
{
    struct tg_buf *b = &x->all->head;

    CHECK(x->conn != NULL && !x->response_started);
    b->n = 0;
    tg_buf_puts(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    tg_reply_date(x, b);
    tg_buf_puts(b, "Proxy-Status: trainguard; error=proxy_internal_response\r\n");
    tg_fields_add(b, TG_STR("X-Request-Id"), x->request.request_id);
    add_allow(x, b);
    add_connection(x, b, x->keep_alive && x->body_complete);
    x->status = 200;
    x->response_started = true;
    x->last = tg_arena_dup(&x->arena, tg_buf_str(b));
}

void tg_reply_build(struct tg_exchange *x)
{
    struct tg_buf body = {0};
    struct tg_buf *b = &x->all->head;

    CHECK(x->phase == TG_PHASE_END && x->conn != NULL && !x->response_started);
    if (tg_error_info(x->end)->status == 0)
        return;
    set_error(x);
    tg_request_answer(&x->request, &body, &x->status);
    b->n = 0;
    add_head(x, b, body.n);
    if (!x->is_head) {
        tg_buf_add(b, tg_buf_str(&body));
        x->bytes_out = body.n;
    }
    tg_buf_end(&body);
    x->last = tg_arena_dup(&x->arena, tg_buf_str(b));
}
