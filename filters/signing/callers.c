/* Callers that bring no key of the cloud: who they are is known otherwise, or they are refused. */
#include "base/address.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "signing/verify.h"

/* --- web pages --- */

/* An address cannot be the name of a page that a browser was led here from (DNS rebinding). */
static bool is_address(struct tg_str host)
{
    struct in_addr address;

    return tg_str_starts(host, TG_STR("[")) || tg_address_read(AF_INET, host, &address);
}

static struct tg_str without_port(struct tg_str host)
{
    const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;

    if (colon == NULL || host.p[host.n - 1] == ']')
        return host;
    return (struct tg_str){host.p, (size_t)(colon - host.p)};
}

static bool accepts_host(const struct tg_signing_conf *conf, struct tg_str host)
{
    struct tg_str name = without_port(host);

    if (is_address(name) || tg_str_ieq(name, TG_STR("localhost")))
        return true;
    for (unsigned i = 0; i < conf->naccept_hosts; i++)
        if (tg_str_ieq(conf->accept_hosts[i], host) || tg_str_ieq(conf->accept_hosts[i], name))
            return true;
    return false;
}

/* Any page can make a browser on this machine send requests here, and they come from its user.
 * Fetch metadata: https://www.w3.org/TR/fetch-metadata/. */
static const char *from_a_page(const struct tg_check *c)
{
    struct tg_str host = tg_request_field(c->r, TG_STR("Host"));
    struct tg_str site = tg_request_field(c->r, TG_STR("Sec-Fetch-Site"));

    if (tg_request_field(c->r, TG_STR("Origin")).p != NULL)
        return "a request with Origin comes from a web page";
    if (site.p != NULL && !tg_str_eq(site, TG_STR("none")))
        return "a request with Sec-Fetch-Site comes from a web page";
    if (host.p != NULL && !accepts_host(c->conf, host))
        return "Host is no name of the gateway (accept_host)";
    return NULL;
}

/* --- local keys --- */

/* The local key a request brings, or p == NULL. */
static struct tg_str local_key(const struct tg_request *r)
{
    struct tg_str value = tg_request_field(r, TG_STR("Authorization"));

    if (r->credentials == TG_CRED_BEARER) {
        value = tg_str_trim(tg_str_skip(value, 6));
        return tg_str_starts(value, TG_STR(TG_LOCAL_KEY)) ? value : (struct tg_str){NULL, 0};
    }
    return tg_request_field(r, TG_STR(TG_KEY_FIELD));
}

static enum tg_verdict check_key(struct tg_check *c, struct tg_str text)
{
    struct tg_str id = tg_local_key_id(text);
    enum tg_verdict verdict;

    c->keys = c->conf->callers->keys;
    c->locks = c->conf->callers->locks;
    c->r->auth_kind = TG_AUTH_KEY;
    c->r->access_key = id;
    verdict = tg_check_lock(c, id, "the local key failed too often from here");
    if (verdict != TG_NEXT)
        return verdict;
    c->key = tg_local_key_find(c->keys, text, tg_clock_wall_now() / 1000000);
    if (c->key == NULL)
        return tg_check_fail(c, id, TG_E_AUTH_UNKNOWN, "no such local key");
    tg_check_pass(c);
    return TG_NEXT;
}

/* --- who is known by what the kernel or TLS tells --- */

/* A common name may be any text: one that looks like another kind of name is none of that kind. */
static bool has_name(const struct tg_request *r, struct tg_str name)
{
    bool common = !tg_str_starts(name, TG_STR("dns:")) && !tg_str_starts(name, TG_STR("uri:"));
    struct tg_str rest = r->tls_names;

    while (!common && rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end != NULL ? (size_t)(end - rest.p) : rest.n;

        if (tg_str_eq(name, (struct tg_str){rest.p, n}))
            return true;
        rest = tg_str_skip(rest, end != NULL ? n + 1 : n);
    }
    return common && tg_str_eq(name, r->tls_principal);
}

static bool is_certified(struct tg_request *r, const struct tg_callers *callers)
{
    for (unsigned i = 0; i < callers->nnames; i++) {
        if (!has_name(r, callers->names[i]))
            continue;
        r->auth_kind = TG_AUTH_TLS;
        r->principal = tg_arena_printf(r->arena, "tls:%.*s", TG_STR_ARG(callers->names[i]));
        return true;
    }
    return false;
}

static bool is_peer(struct tg_request *r, const struct tg_callers *callers)
{
    for (unsigned i = 0; r->peer.known && i < callers->npeers; i++) {
        const struct tg_unix_caller *p = &callers->peers[i];

        if ((p->uid >= 0 && p->uid != (int64_t)r->peer.uid) ||
            (p->gid >= 0 && p->gid != (int64_t)r->peer.gid))
            continue;
        r->auth_kind = TG_AUTH_UNIX;
        r->principal = tg_arena_printf(r->arena, "uid:%u", r->peer.uid);
        return true;
    }
    return false;
}

static enum tg_verdict check_nameless(struct tg_check *c)
{
    const struct tg_callers *callers = c->conf->callers;

    if (is_certified(c->r, callers) || is_peer(c->r, callers))
        return TG_NEXT;
    if (!callers->any)
        return tg_check_refuse(c, TG_E_AUTH_MISSING, "this location takes known callers only");
    c->r->auth_kind = TG_AUTH_ANY;
    return TG_NEXT;
}

/* A credential of the cloud is not replaced behind its owner's back. */
static enum tg_verdict check_token(struct tg_check *c)
{
    if (c->conf->callers == NULL || !c->conf->callers->token)
        return tg_check_refuse(c, TG_E_BAD_REQUEST,
                               "this location signs with the gateway's key: send no X-Auth-Token");
    c->r->auth_kind = TG_AUTH_TOKEN;
    return TG_NEXT;
}

enum tg_verdict tg_check_caller(struct tg_check *c)
{
    struct tg_request *r = c->r;
    struct tg_str key = local_key(r);
    const char *why;

    if (r->credentials == TG_CRED_TOKEN)
        return check_token(c);
    if ((key.p == NULL && r->credentials != TG_CRED_NONE) ||
        (key.p != NULL && (c->conf->callers == NULL || c->conf->callers->keys == NULL)))
        return tg_check_refuse(c, TG_E_BAD_REQUEST,
                               "this location does not take these credentials");
    if (c->conf->callers == NULL)
        return tg_check_refuse(c, TG_E_AUTH_MISSING, NULL);
    why = from_a_page(c);
    if (why != NULL)
        return tg_check_refuse(c, TG_E_AUTH_ORIGIN, why);
    return key.p != NULL ? check_key(c, key) : check_nameless(c);
}
