/* `callers`: who may use the gateway's key without a signature of theirs. */
#include "settings/internal.h"

#include <sys/un.h>

static const char *const words[] = {"tls", "unix", "key", "token", "any", NULL};

enum word { TLS = 1, UNIX, KEY, TOKEN, ANY };

#define PEER "uid=N, gid=N or uid=N,gid=N behind \"unix\""

/* One `callers` as it is read; room for all of its arguments in both lists. */
struct reading {
    const struct tg_conf_item *item;
    struct tg_callers *callers;
    struct tg_str *names;
    struct tg_unix_caller *peers;
    unsigned at; /* the next argument */
};

static int word_of(struct tg_str text)
{
    int i = 0;

    while (words[i] != NULL && !tg_str_eq(text, tg_str_of(words[i])))
        i++;
    return words[i] != NULL ? i + 1 : 0;
}

static bool bad(struct tg_conf *c, const struct reading *r, const char *what)
{
    bool end = r->at == r->item->nargs;

    tg_conf_error(c, r->item, "\"callers\" takes %s, got %s%s%s", what, end ? "" : "\"",
                  end ? "nothing" : r->item->args[r->at].p, end ? "" : "\"");
    return false;
}

static bool callers_has_value(const struct reading *r)
{
    return r->at < r->item->nargs && word_of(r->item->args[r->at]) == 0;
}

static bool read_names(struct tg_conf *c, struct reading *r)
{
    if (!callers_has_value(r))
        return bad(c, r, "names of client certificates behind \"tls\"");
    while (callers_has_value(r))
        r->names[r->callers->nnames++] = r->item->args[r->at++];
    return true;
}

/* "uid=N", "gid=N", in any order. */
static bool read_peer(struct tg_conf *c, struct reading *r, struct tg_unix_caller *out)
{
    struct tg_str rest = r->item->args[r->at], element;

    *out = (struct tg_unix_caller){-1, -1};
    while (tg_fields_next(&rest, &element)) {
        bool uid = tg_str_starts(element, TG_STR("uid="));
        int64_t *to = uid ? &out->uid : &out->gid;

        if ((!uid && !tg_str_starts(element, TG_STR("gid="))) || *to >= 0)
            return bad(c, r, PEER);
        if (!tg_conf_number(c, r->item, tg_str_skip(element, 4), 0, UINT32_MAX - 1, to))
            return false;
    }
    return (out->uid >= 0 || out->gid >= 0) || bad(c, r, PEER);
}

static bool read_peers(struct tg_conf *c, struct reading *r)
{
    if (!callers_has_value(r))
        return bad(c, r, PEER);
    for (; callers_has_value(r); r->at++)
        if (!read_peer(c, r, &r->peers[r->callers->npeers++]))
            return false;
    return true;
}

static bool callers_read_key(struct tg_conf *c, struct reading *r)
{
    if (!callers_has_value(r) || r->callers->keys_name.n > 0)
        return bad(c, r, "one name of client_keys behind \"key\"");
    r->callers->keys_name = r->item->args[r->at++];
    return true;
}

static bool read_one(struct tg_conf *c, struct reading *r)
{
    switch (word_of(r->item->args[r->at])) {
    case TLS:
        r->at++;
        return read_names(c, r);
    case UNIX:
        r->at++;
        return read_peers(c, r);
    case KEY:
        r->at++;
        return callers_read_key(c, r);
    case TOKEN:
        r->at++;
        r->callers->token = true;
        return true;
    case ANY:
        r->at++;
        r->callers->any = true;
        return true;
    default:
        return bad(c, r, "tls, unix, key, token or any");
    }
}

bool tg_set_callers(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_location *l = target;
    struct tg_callers *callers = tg_arena_zalloc(c->arena, 1, sizeof(*callers));
    struct reading r = {item, callers, tg_arena_zalloc(c->arena, item->nargs, sizeof(*r.names)),
                        tg_arena_zalloc(c->arena, item->nargs, sizeof(*r.peers)), 1};

    (void)d;
    while (r.at < item->nargs)
        if (!read_one(c, &r))
            return false;
    callers->names = r.names;
    callers->peers = r.peers;
    l->callers = callers;
    l->callers_at = item;
    return true;
}

/* --- what only the whole shows --- */

static bool is_unix(const struct tg_listen *l)
{
    return l->address.ss_family == AF_UNIX;
}

/* Behind a proxy the process at the other end is the proxy. */
static bool knows_peers(const struct tg_server_conf *v)
{
    for (const struct tg_listen *l = v->listens; l != NULL; l = l->next)
        if (is_unix(l) && !l->proxy_protocol)
            return true;
    return false;
}

/* The listener that more than the owner and one group can reach, or NULL. */
static const struct tg_listen *open_to_all(const struct tg_server_conf *v)
{
    for (const struct tg_listen *l = v->listens; l != NULL; l = l->next)
        if (!is_unix(l) || l->mode == 0 || (l->mode & 07) != 0)
            return l;
    return NULL;
}

static void check_reach(struct tg_conf *c, const struct tg_server_conf *v,
                        const struct tg_location *l)
{
    const struct tg_callers *callers = l->callers;
    const struct tg_listen *open = open_to_all(v);

    if (callers->nnames > 0 && v->tls_conf.verify_client == TG_VERIFY_OFF)
        tg_conf_error(c, l->callers_at,
                      "\"callers tls\" needs \"tls_verify_client\" on or optional");
    if (callers->npeers > 0 && !knows_peers(v))
        tg_conf_error(c, l->callers_at,
                      "\"callers unix\" needs a \"listen unix:\" without \"proxy_protocol\"");
    if (callers->any && open != NULL)
        tg_conf_warn(c, l->callers_at,
                     "\"callers any\" lends the gateway's key to everybody who reaches \"%s\", "
                     "every process of this machine among them,",
                     open->text);
}

void tg_callers_resolve(struct tg_conf *c, const struct tg_settings *s,
                        const struct tg_server_conf *v, struct tg_location *l)
{
    const struct tg_client_keys_conf *k = NULL;

    l->signing.callers = l->callers;
    if (l->accept_host != NULL) {
        l->signing.accept_hosts = l->accept_host->args + 1;
        l->signing.naccept_hosts = l->accept_host->nargs - 1;
    }
    if (!s->offline)
        check_reach(c, v, l);
    if (l->callers->keys_name.n == 0)
        return;
    k = tg_find_client_keys(c, s, l->callers_at, l->callers->keys_name);
    if (k == NULL)
        return;
    l->callers->keys = k->keys;
    l->callers->locks = k->locks;
}
