/* The forward proxy of an upstream: where it is, and who the gateway is to it. */
#include "base/address.h"
#include "base/crypto.h"
#include "net/tls.h"
#include "settings/internal.h"

enum { USER_MOST = 1024 }; /* bytes of USER:PASSWORD */

/* "http://HOST[:PORT]" or "https://HOST[:PORT]", perhaps with "/" behind it. */
static bool read_url(struct tg_str text, struct tg_proxy_conf *p)
{
    p->tls = tg_str_starts(text, TG_STR("https://"));
    if (!p->tls && !tg_str_starts(text, TG_STR("http://")))
        return false;
    text = tg_str_skip(text, p->tls ? 8 : 7);
    text.n -= tg_str_ends(text, TG_STR("/"));
    if (!tg_read_server(text, &p->server))
        return false;
    if (p->server.port == 0)
        p->server.port = p->tls ? 443 : 80;
    return true;
}

/* As it is told to people, and to libcurl. */
static void name_proxy(struct tg_arena *arena, struct tg_proxy_conf *p)
{
    struct tg_buf text = {0};

    p->server.host = tg_arena_dup(arena, p->server.host);
    tg_address_add_host(&text, p->server.host);
    tg_buf_printf(&text, ":%u", p->server.port);
    p->server.text = tg_arena_dup(arena, tg_buf_str(&text)).p;
    tg_buf_end(&text);
}

bool tg_set_proxy(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                  const struct tg_directive *d)
{
    struct tg_upstream_conf *u = target;
    struct tg_proxy_conf *p = tg_arena_zalloc(c->arena, 1, sizeof(*p));
    struct tg_str text = item->args[1];

    (void)d;
    u->proxy_at = item;
    if (tg_str_eq(text, TG_STR("off")))
        return true;
    if (memchr(text.p, '@', text.n) != NULL) { /* it may hold a password: it is not told */
        tg_conf_error(c, item,
                      "\"proxy\" takes no user: write USER:PASSWORD into a file, and "
                      "\"proxy_user_file FILE\" beside it");
        return false;
    }
    if (!read_url(text, p)) {
        tg_conf_error(c, item,
                      "\"proxy\" takes http://HOST[:PORT], https://HOST[:PORT] or off, got \"%s\"",
                      text.p);
        return false;
    }
    name_proxy(c->arena, p);
    u->proxy = p;
    return true;
}

/* RFC 7617 section 2: a colon ends the user, and neither part has control characters. */
static bool is_user(struct tg_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    return text.n <= USER_MOST && text.n > 1 && text.p[0] != ':' &&
           memchr(text.p, ':', text.n) != NULL;
}

static const char *user_fault(struct tg_str text)
{
    return is_user(text) ? NULL : "it has no line USER:PASSWORD of at most 1024 bytes";
}

static bool make_authorization(struct tg_conf *c, const struct tg_conf_item *item,
                               const struct tg_upstream_conf *u)
{
    char text[TG_BASE64(USER_MOST)];
    struct tg_str user;

    if (!tg_read_secret(c, item, "proxy_user_file", u->proxy_user_file, user_fault, &user))
        return false;
    tg_base64(user, text);
    u->proxy->authorization = tg_arena_printf(c->arena, "Basic %s", text);
    tg_wipe(text, sizeof(text));
    tg_wipe((void *)(uintptr_t)user.p, user.n);
    return true;
}

static bool make_proxy_tls(struct tg_conf *c, const struct tg_conf_item *item,
                           struct tg_proxy_conf *p)
{
    const struct tg_tls_client_conf conf = {
        .verify = true, .ca = p->ca, .plain_hint = "is \"http://\" meant?"};
    const char *why = "";

    p->tls_context = tg_tls_context_new(&conf, c->arena, &why);
    if (p->tls_context == NULL)
        tg_conf_error(c, item, "the proxy %s: cannot use %s", p->server.text, why);
    return p->tls_context != NULL;
}

/* Directives that do nothing without another one. */
static void warn_of_idle(struct tg_conf *c, const struct tg_conf_item *item,
                         const struct tg_upstream_conf *u)
{
    const char *idle = u->proxy_user_file.n > 0 ? "proxy_user_file" : "proxy_tls_ca";

    if (u->proxy_at == NULL && (u->proxy_user_file.n > 0 || u->proxy_tls_ca.n > 0))
        tg_conf_warn(c, item, "\"%s\" does nothing without \"proxy\"", idle);
    else if (u->proxy != NULL && !u->proxy->tls && u->proxy_tls_ca.n > 0)
        tg_conf_warn(c, item, "\"proxy_tls_ca\" does nothing beside \"proxy http://...\"");
}

bool tg_proxy_finish(struct tg_conf *c, const struct tg_conf_item *item, struct tg_upstream_conf *u,
                     bool offline)
{
    struct tg_proxy_conf *p = u->proxy;

    warn_of_idle(c, item, u);
    if (p == NULL || offline)
        return true;
    p->ca = u->proxy_tls_ca;
    return (u->proxy_user_file.n == 0 || make_authorization(c, u->proxy_at, u)) &&
           (!p->tls || make_proxy_tls(c, u->proxy_at, p));
}
