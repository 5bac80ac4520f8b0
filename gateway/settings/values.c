/* Setters of the core's values that are more than a number or a word. */
#include "base/address.h"
#include "base/chars.h"
#include "base/check.h"
#include "base/output.h"
#include "settings/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const levels[] = {"emerg",  "alert", "crit",  "error", "warn",
                                     "notice", "info",  "debug", NULL};

bool tg_set_workers(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    int64_t *out = (int64_t *)(void *)((char *)target + d->offset);

    if (tg_str_eq(item->args[1], TG_STR("auto"))) {
        *out = 0;
        return true;
    }
    return tg_conf_number(c, item, item->args[1], d->min, d->max, out);
}

bool tg_set_reload_on_change(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                             const struct tg_directive *d)
{
    static const char *const words[] = {"on", "off", NULL};
    struct tg_reload_on_change *out =
        (struct tg_reload_on_change *)(void *)((char *)target + d->offset);
    int on = 0;

    if (!tg_conf_word(c, item, item->args[1], words, &on))
        return false;
    *out = (struct tg_reload_on_change){on == 1, 1000000, 10000000};
    for (unsigned i = 2; i < item->nargs; i++) {
        struct tg_str word = item->args[i];
        bool quiet = tg_str_starts(word, TG_STR("quiet="));

        if (!quiet && !tg_str_starts(word, TG_STR("most="))) {
            tg_conf_error(
                c, item, "\"reload_on_change\" takes \"quiet=\" and \"most=\", got \"%s\"", word.p);
            return false;
        }
        if (!tg_conf_time(c, item, tg_str_skip(word, quiet ? 6 : 5), d->min, d->max,
                          quiet ? &out->quiet : &out->most))
            return false;
    }
    if (out->most >= out->quiet)
        return true;
    tg_conf_error(c, item, "\"reload_on_change\" waits \"most\", which is less than \"quiet\"");
    return false;
}

uid_t tg_settings_user(const struct tg_settings *s)
{
    return s->user.n > 0 ? s->uid : geteuid();
}

const char *tg_settings_error_log(const struct tg_settings *s)
{
    return s->error_log.n == 0 || tg_str_eq(s->error_log, TG_STR("stderr")) ? NULL : s->error_log.p;
}

void tg_check_error_log(struct tg_conf *c, const struct tg_settings *s)
{
    const char *path = tg_settings_error_log(s), *why;
    int fd;

    if (path == NULL || s->error_log_at == NULL)
        return;
    fd = tg_output_append(path, O_NOCTTY | O_NONBLOCK, tg_settings_user(s), &why);
    if (fd < 0)
        tg_conf_error(c, s->error_log_at, "cannot open the log \"%s\": %s", path, why);
    else
        close(fd);
}

/* A level or a format behind the name of the log. */
static bool set_log_option(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                           struct tg_settings *s)
{
    static const char *const formats[] = {"text", "json", NULL};
    int format = 0;

    if (!tg_str_starts(text, TG_STR("format=")))
        return tg_conf_word(c, item, text, levels, &s->error_log_level);
    if (!tg_conf_word(c, item, tg_str_skip(text, 7), formats, &format))
        return false;
    s->error_log_json = format == 2;
    return true;
}

bool tg_set_error_log(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct tg_settings *s = target;

    (void)d;
    s->error_log_level = TG_LOG_ERROR;
    s->error_log_json = false;
    for (unsigned i = 2; i < item->nargs; i++)
        if (!set_log_option(c, item, item->args[i], s))
            return false;
    s->error_log_at = item;
    s->error_log = item->args[1];
    if (tg_str_eq(s->error_log, TG_STR("stderr")))
        return true;
    s->error_log = tg_conf_path(c, item->args[1]);
    return true;
}

bool tg_set_user(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                 const struct tg_directive *d)
{
    struct tg_settings *s = target;
    const struct passwd *user = getpwnam(item->args[1].p);
    const struct group *group = item->nargs > 2 ? getgrnam(item->args[2].p) : NULL;

    (void)d;
    if (user == NULL || (item->nargs > 2 && group == NULL)) {
        tg_conf_error(c, item, "there is no %s \"%s\"", user == NULL ? "user" : "group",
                      item->args[user == NULL ? 1 : 2].p);
        return false;
    }
    s->user = item->args[1];
    s->uid = user->pw_uid;
    s->gid = group != NULL ? group->gr_gid : user->pw_gid;
    if (geteuid() != 0 && geteuid() != s->uid)
        tg_conf_warn(c, item, "only root can become \"%s\": workers stay who they are", s->user.p);
    return true;
}

bool tg_set_module(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                   const struct tg_directive *d)
{
    const char *path = tg_conf_path(c, item->args[1]).p;
    const char *why = tg_filter_load_module(c->arena, path);

    (void)target;
    (void)d;
    if (why == NULL)
        return true;
    tg_conf_error(c, item, "cannot load the module \"%s\": %s", path, why);
    return false;
}

/* --- addresses --- */

/* "HOST:PORT" to its parts at the last colon; false without one. */
static bool split_port(struct tg_str text, struct tg_str *host, struct tg_str *port)
{
    const char *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;

    if (colon == NULL)
        return false;
    *host = (struct tg_str){text.p, (size_t)(colon - text.p)};
    *port = tg_str_skip(text, host->n + 1);
    return true;
}

static bool values_read_port(struct tg_str text, uint64_t least, uint16_t *out)
{
    uint64_t port;

    if (!tg_str_u64(text, &port) || port < least || port > 65535)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool unbracket(struct tg_str *text)
{
    if (text->n < 2 || text->p[0] != '[' || text->p[text->n - 1] != ']')
        return false;
    *text = (struct tg_str){text->p + 1, text->n - 2};
    return true;
}

static bool read_inet(struct tg_str text, struct tg_listen *l)
{
    struct tg_str host = TG_STR("0.0.0.0");
    struct tg_str port = text;
    uint16_t number;
    bool bracketed;

    (void)split_port(text, &host, &port);
    if (!values_read_port(port, 0, &number))
        return false;
    if (tg_str_eq(host, TG_STR("*")))
        host = TG_STR("0.0.0.0");
    bracketed = unbracket(&host);
    l->address_len = tg_address_make(host, number, &l->address);
    return l->address_len > 0 && bracketed == (l->address.ss_family == AF_INET6);
}

static bool read_unix(struct tg_conf *c, struct tg_str name, struct tg_listen *l)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&l->address;
    struct tg_str path = tg_conf_path(c, name);

    if (name.n == 0 || path.n >= sizeof(un->sun_path))
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.p, path.n + 1);
    l->address_len = sizeof(*un);
    return true;
}

/* "mode=0660" of a unix socket. */
static bool read_mode(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str word,
                      struct tg_listen *l)
{
    struct tg_str digits = tg_str_skip(word, 5);
    unsigned mode = 0;
    bool good = digits.n >= 1 && digits.n <= 4 && l->address.ss_family == AF_UNIX;

    for (size_t i = 0; i < digits.n && good; i++) {
        good = digits.p[i] >= '0' && digits.p[i] <= '7';
        mode = mode * 8 + (unsigned)(digits.p[i] - '0');
    }
    l->mode = mode;
    if (good && mode != 0 && mode <= 0777)
        return true;
    tg_conf_error(c, item,
                  "\"mode=\" takes the mode of a unix socket's file, such as 0660, got \"%s\"",
                  word.p);
    return false;
}

/* What stands behind the address. */
static bool read_listen_options(struct tg_conf *c, const struct tg_conf_item *item,
                                struct tg_listen *l)
{
    static const char *const words[] = {"tls", "proxy_protocol", NULL};
    int word;

    for (unsigned i = 2; i < item->nargs; i++) {
        if (tg_str_starts(item->args[i], TG_STR("mode="))) {
            if (!read_mode(c, item, item->args[i], l))
                return false;
            continue;
        }
        if (!tg_conf_word(c, item, item->args[i], words, &word))
            return false;
        l->tls = l->tls || word == 1;
        l->proxy_protocol = l->proxy_protocol || word == 2;
    }
    return true;
}

bool tg_set_listen(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                   const struct tg_directive *d)
{
    struct tg_listen **last = (struct tg_listen **)(void *)((char *)target + d->offset);
    struct tg_listen *l = tg_arena_zalloc(c->arena, 1, sizeof(*l));
    struct tg_str text = item->args[1];
    bool ok = tg_str_starts(text, TG_STR("unix:")) ? read_unix(c, tg_str_skip(text, 5), l)
                                                   : read_inet(text, l);

    if (!ok) {
        tg_conf_error(c, item,
                      "\"listen\" takes ADDRESS:PORT, [IPV6]:PORT, PORT or unix:PATH, got \"%s\"",
                      text.p);
        return false;
    }
    if (!read_listen_options(c, item, l))
        return false;
    l->text = text.p;
    l->file = item->file;
    l->line = item->line;
    l->fd = -1;
    while (*last != NULL)
        last = &(*last)->next;
    *last = l;
    return true;
}

/* Not empty, not endless: what passes can stand in a header field. */
bool tg_is_host(struct tg_str text, const char *more)
{
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];

        if (!tg_char_is(ch, TG_CHAR_ID) && strchr(more, ch) == NULL)
            return false;
    }
    return text.n > 0 && text.n <= 253;
}

bool tg_set_host(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                 const struct tg_directive *d)
{
    if (!tg_is_host(item->args[1], "[]:")) {
        tg_conf_error(c, item, "\"%s\" takes a host name or address, got \"%s\"", d->name,
                      item->args[1].p);
        return false;
    }
    *(struct tg_str *)(void *)((char *)target + d->offset) = item->args[1];
    return true;
}

bool tg_set_accept_host(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct tg_upstream_server at;

    for (unsigned i = 1; i < item->nargs; i++) {
        if (tg_read_server(item->args[i], &at))
            continue;
        tg_conf_error(c, item, "\"accept_host\" takes host names or addresses, got \"%s\"",
                      item->args[i].p);
        return false;
    }
    *(const struct tg_conf_item **)(void *)((char *)target + d->offset) = item;
    return true;
}

/* A name of the DNS: labels of 1 to 63 bytes (RFC 1035 section 2.3.4), one dot at the end for "as
 * it stands". A last label of digits would make it an IPv4 address, which it is not. */
static bool is_dns_name(struct tg_str text)
{
    size_t label = 0;
    bool digits = true;

    if (tg_str_ends(text, TG_STR(".")))
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' && label == 0)
            return false;
        label = text.p[i] == '.' ? 0 : label + 1;
        digits = label == 0 || (digits && text.p[i] >= '0' && text.p[i] <= '9');
        if (label > 63)
            return false;
    }
    return label > 0 && !digits && tg_is_host(text, "");
}

bool tg_read_server(struct tg_str text, struct tg_upstream_server *o)
{
    unsigned char address[16];
    struct tg_str port;

    o->host = text;
    if (!unbracket(&o->host) && split_port(text, &o->host, &port)) {
        if (!values_read_port(port, 1, &o->port))
            return false;
        if (unbracket(&o->host))
            return o->literal = tg_address_read(AF_INET6, o->host, address);
    } else if (o->host.n != text.n) {
        return o->literal = tg_address_read(AF_INET6, o->host, address);
    }
    o->literal = tg_address_read(AF_INET, o->host, address);
    return o->literal || is_dns_name(o->host);
}

/* One "name=value" behind the address. */
static bool read_server_option(struct tg_conf *c, const struct tg_conf_item *item,
                               struct tg_str text, struct tg_upstream_server *o)
{
    int64_t fails;

    if (tg_str_eq(text, TG_STR("backup"))) {
        o->backup = true;
        return true;
    }
    if (tg_str_starts(text, TG_STR("max_fails="))) {
        if (!tg_conf_number(c, item, tg_str_skip(text, 10), 0, 1000000, &fails))
            return false;
        o->max_fails = (unsigned)fails;
        return true;
    }
    if (tg_str_starts(text, TG_STR("fail_timeout=")))
        return tg_conf_time(c, item, tg_str_skip(text, 13), 1000, INT64_C(86400000000),
                            &o->fail_timeout);
    tg_conf_error(c, item,
                  "\"server\" takes max_fails=NUMBER, fail_timeout=TIME and backup, got \"%s\"",
                  text.p);
    return false;
}

bool tg_set_upstream_server(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                            const struct tg_directive *d)
{
    struct tg_upstream_conf *u = target;
    struct tg_upstream_server *o = tg_arena_zalloc(c->arena, 1, sizeof(*o));
    struct tg_upstream_server **last = &u->servers;

    (void)d;
    if (memmem(item->args[1].p, item->args[1].n, "://", 3) != NULL) {
        tg_conf_error(c, item,
                      "\"server\" takes HOST or HOST:PORT alone, and speaks TLS unless \"tls off\" "
                      "stands beside it, got \"%s\"",
                      item->args[1].p);
        return false;
    }
    if (!tg_read_server(item->args[1], o)) {
        tg_conf_error(c, item,
                      "\"server\" takes HOST or HOST:PORT with a port between 1 and 65535, "
                      "got \"%s\"",
                      item->args[1].p);
        return false;
    }
    /* Later code hands the host to functions that want a C string. */
    o->host = tg_arena_dup(c->arena, o->host);
    o->text = item->args[1].p;
    o->max_fails = 1;
    o->fail_timeout = 10 * INT64_C(1000000);
    for (unsigned i = 2; i < item->nargs; i++)
        if (!read_server_option(c, item, item->args[i], o))
            return false;
    if (u->nservers == TG_MAX_UPSTREAM_SERVERS) {
        tg_conf_error(c, item, "an upstream has at most %d servers", TG_MAX_UPSTREAM_SERVERS);
        return false;
    }
    while (*last != NULL)
        last = &(*last)->next;
    *last = o;
    u->nservers++;
    return true;
}
