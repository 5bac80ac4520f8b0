/* What a forward proxy is asked (CONNECT, RFC 9110 section 9.3.6), and what it answers. */
#include "base/check.h"
#include "http/fields.h"
#include "http/response_head.h"
#include "upstream/internal.h"

#include <stdio.h>

enum {
    MAX_ANSWER = 16384, /* bytes of its head */
    MAX_INTERIM = 16    /* 1xx answers before it */
};

bool tg_upstream_conn_is_tunnelled(const struct tg_upstream_conn *p)
{
    return p->via != p->home;
}

/* --- the question --- */

/* The authority as it is configured: a name stays one, and the port is always told. */
static void add_authority(const struct tg_upstream_conn *p, struct tg_buf *b)
{
    tg_address_add_host(b, p->server->host);
    tg_buf_putc(b, ':');
    tg_buf_u64(b, p->server->port);
}

/* The head holds a password: its memory is wiped. */
bool tg_upstream_tunnel_ask(struct tg_upstream_conn *p)
{
    const struct tg_proxy_conf *proxy = p->upstream->conf->proxy;
    struct tg_buf head = {0};
    struct iovec iov;
    bool sent;

    CHECK(p->state == TG_UPSTREAM_CONN_TUNNEL);
    p->in.n = 0;
    tg_buf_puts(&head, "CONNECT ");
    add_authority(p, &head);
    tg_buf_puts(&head, " HTTP/1.1\r\nHost: ");
    add_authority(p, &head);
    tg_buf_puts(&head, "\r\nUser-Agent: trainguard/" TG_VERSION "\r\n");
    if (proxy->authorization.n > 0)
        tg_fields_add(&head, TG_STR("Proxy-Authorization"), proxy->authorization);
    tg_buf_puts(&head, "\r\n");
    iov = (struct iovec){head.p, head.n};
    sent = tg_socket_write(&p->socket, &iov, 1);
    tg_buf_wipe(&head);
    tg_buf_end(&head);
    return sent;
}

/* --- the answer --- */

static bool refuse(struct tg_tunnel_answer *out, enum tg_error error, const char *why)
{
    out->error = error;
    snprintf(out->why, sizeof(out->why), "%s", why);
    return true;
}

/* 407, or 401 as some proxies say: what has to be changed. Only Basic is spoken. */
static bool refuse_user(const struct tg_upstream_conn *p, const struct tg_response_head *head,
                        struct tg_tunnel_answer *out)
{
    bool offers = false, basic = false;

    for (unsigned i = 0; i < head->nfields; i++) {
        const struct tg_field *f = &head->fields[i];

        if (!tg_str_ieq(f->name, TG_STR("Proxy-Authenticate")))
            continue;
        offers = true;
        basic = basic ||
                (f->value.n >= 5 && tg_str_ieq((struct tg_str){f->value.p, 5}, TG_STR("Basic")));
    }
    if (offers && !basic)
        return refuse(out, TG_E_PROXY_AUTH, "it wants a user, and does not take Basic");
    return refuse(out, TG_E_PROXY_AUTH,
                  p->upstream->conf->proxy->authorization.n > 0
                      ? "it does not take the user and password in proxy_user_file"
                      : "it wants a user, and there is no proxy_user_file");
}

static bool judge_answer(const struct tg_upstream_conn *p, const struct tg_response_head *head,
                         size_t behind, struct tg_tunnel_answer *out)
{
    struct tg_buf why = {0};

    if (head->status == 407 || head->status == 401)
        return refuse_user(p, head, out);
    out->error = TG_E_DONE;
    if (head->status >= 300) {
        tg_buf_puts(&why, "CONNECT ");
        add_authority(p, &why);
        tg_buf_printf(&why, " answered %d", head->status);
        out->error = TG_E_PROXY_REFUSED;
    } else if (behind > 0) {
        tg_buf_printf(&why, "%zu bytes came behind its answer to CONNECT", behind);
        out->error = TG_E_PROXY_FAILED;
    }
    snprintf(out->why, sizeof(out->why), "%.*s", TG_STR_ARG(tg_buf_str(&why)));
    tg_buf_end(&why);
    return true;
}

/* What came so far, from its first byte on: heads are short and come in one piece. */
static bool parse_answer(struct tg_upstream_conn *p, struct tg_tunnel_answer *out)
{
    struct tg_str in = tg_buf_str(&p->in);
    struct tg_response_head head;

    for (unsigned interim = 0; interim <= MAX_INTERIM; interim++) {
        const char *why = "";
        size_t scanned = 0, used = 0;

        switch (tg_response_head_parse(in, MAX_ANSWER, TG_ANSWERS_CONNECT, &scanned, &head, &used,
                                       &why)) {
        case TG_PARSE_MORE:
            return false;
        case TG_PARSE_BAD:
            return refuse(out, TG_E_PROXY_FAILED, why);
        case TG_PARSE_DONE:
            break;
        }
        in = tg_str_skip(in, used);
        if (head.status >= 200)
            return judge_answer(p, &head, in.n, out);
    }
    return refuse(out, TG_E_PROXY_FAILED, "too many interim answers to CONNECT");
}

bool tg_upstream_tunnel_answered(struct tg_upstream_conn *p, struct tg_tunnel_answer *out)
{
    struct tg_loop *loop = p->upstream->all->loop;
    bool there;
    size_t n;

    CHECK(p->state == TG_UPSTREAM_CONN_TUNNEL);
    switch (tg_socket_read(&p->socket, loop->scratch, TG_SCRATCH, &n)) {
    case TG_IO_WANT_READ:
    case TG_IO_WANT_WRITE:
        return false;
    case TG_IO_CLOSED:
    case TG_IO_BROKEN:
        return refuse(out, TG_E_PROXY_FAILED,
                      "it closed the connection before it answered CONNECT");
    case TG_IO_DONE:
        break;
    }
    tg_buf_add(&p->in, (struct tg_str){loop->scratch, n});
    there = parse_answer(p, out);
    if (there)
        p->in.n = 0;
    return there;
}
