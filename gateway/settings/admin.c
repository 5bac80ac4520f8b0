/* The admin block: where the gateway is asked about itself, and by whom. Its directives. */
#include "base/address.h"
#include "settings/internal.h"

#include <stddef.h>

enum { TOKEN_LEAST = 16, TOKEN_MOST = 256 }; /* bytes */

bool tg_listen_is_local(const struct tg_listen *l)
{
    const unsigned char *bytes = tg_address_bytes((const struct sockaddr *)&l->address);
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

    if (l->address.ss_family == AF_INET)
        return bytes[0] == 127;
    return l->address.ss_family != AF_INET6 || memcmp(bytes, &loopback, sizeof(loopback)) == 0;
}

bool tg_set_admin_names(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    (void)d;
    for (unsigned i = 1; i < item->nargs; i++) {
        if (tg_is_host(item->args[i], ""))
            continue;
        tg_conf_error(c, item, "\"server_name\" takes host names without a port, got \"%s\"",
                      item->args[i].p);
        return false;
    }
    ((struct tg_settings *)target)->admin_names = item;
    return true;
}

static const char *token_fault(struct tg_str text)
{
    bool visible = true;

    for (size_t i = 0; i < text.n; i++)
        visible = visible && text.p[i] > ' ' && text.p[i] <= '~';
    return visible && text.n >= TOKEN_LEAST && text.n <= TOKEN_MOST
               ? NULL
               : "a token is 16 to 256 bytes of printable ASCII without blanks";
}

bool tg_set_token_file(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_settings *s = target;

    (void)d;
    return tg_read_secret(c, item, "token_file", tg_conf_path(c, item->args[1]), token_fault,
                          &s->admin_token);
}

/* Who may connect is a matter of the network there, and that is not enough. */
static void warn_of_open(struct tg_conf *c, const struct tg_settings *s)
{
    for (const struct tg_listen *l = s->admin_listens; l != NULL; l = l->next)
        if (!tg_listen_is_local(l) && s->admin_token.n == 0)
            tg_conf_warn(c, &(struct tg_conf_item){.file = l->file, .line = l->line},
                         "\"listen %s\" of \"admin\" is not loopback: without \"token_file\" it "
                         "answers probes and /metrics alone",
                         l->text);
}

bool tg_set_admin(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                  const struct tg_directive *d)
{
    struct tg_settings *s = target;
    const struct tg_conf_table table = {c->known[TG_ROWS_ADMIN], s};

    (void)d;
    if (!tg_conf_apply(c, TG_IN_ADMIN, item->children, &table, 1))
        return false;
    if (s->admin_listens == NULL) {
        tg_conf_error(c, item, "\"admin\" has no \"listen\"");
        return false;
    }
    for (const struct tg_listen *l = s->admin_listens; l != NULL; l = l->next)
        if (l->tls || l->proxy_protocol) {
            tg_conf_error(c, &(struct tg_conf_item){.file = l->file, .line = l->line},
                          "\"listen\" of \"admin\" takes no \"%s\"",
                          l->tls ? "tls" : "proxy_protocol");
            return false;
        }
    warn_of_open(c, s);
    return true;
}

const struct tg_directive tg_admin_directives[] = {
    {.name = "listen",
     .contexts = TG_IN_ADMIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_listen,
     .repeat = true,
     .offset = offsetof(struct tg_settings, admin_listens),
     .min_args = 1,
     .max_args = 2,
     .syntax = "ADDRESS:PORT | [IPV6]:PORT | PORT | unix:PATH [mode=OCTAL]",
     .help = "An address for questions about the gateway itself, and for the page. Anyone who can "
             "connect may ask: keep it on 127.0.0.1 or a unix socket. On other addresses only "
             "probes and /metrics are answered without the token of `token_file`. The socket's "
             "file has the mode 0660 whatever the umask, or the one that is given."},
    {.name = "server_name",
     .contexts = TG_IN_ADMIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_admin_names,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "NAME...",
     .help = "Names that the page may be asked for by. Without it addresses and localhost: a "
             "browser can be made to ask under any other name (DNS rebinding)."},
    {.name = "token_file",
     .contexts = TG_IN_ADMIN,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_token_file,
     .syntax = "FILE",
     .help = "Holds the token that is wanted on addresses that are not loopback, as `Bearer` or "
             "as the password of `Basic`: 16 to 256 bytes. Private, as a key."},
    {.name = NULL},
};
