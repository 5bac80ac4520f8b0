/* The directives of the audit log. */
#include "audit/conf.h"

#include "base/address.h"
#include "base/chars.h"
#include "base/check.h"
#include "base/file.h"
#include "chain/secret_names.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_KEY = 16, MAX_KEY = 4096 }; /* bytes of a key file */

static const char *const modes[] = {"batch", "blocking", "strict", NULL};
static const char *const bodies[] = {"none", "metadata", "full", NULL};

/* A name or an IPv4 address; an IPv6 address stands in brackets, which are dropped. */
static bool read_host(struct tg_str *host)
{
    unsigned char address[16];

    if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']') {
        *host = (struct tg_str){host->p + 1, host->n - 2};
        return tg_address_read(AF_INET6, *host, address);
    }
    return host->n > 0 && tg_chars_are(*host, TG_CHAR_ID);
}

/* Splits "HOST:PORT" at the last colon. */
static bool split_host(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str s,
                       struct tg_audit_conf *a)
{
    const char *colon = memrchr(s.p, ':', s.n);
    struct tg_str host = {s.p, colon != NULL ? (size_t)(colon - s.p) : 0};
    struct tg_str port;
    int64_t number;

    if (!read_host(&host)) {
        tg_conf_error(c, item,
                      "\"audit_log\" takes syslog:udp:HOST:PORT or syslog:tcp:HOST:PORT, "
                      "got \"%s\"",
                      item->args[1].p);
        return false;
    }
    port = tg_str_skip(s, (size_t)(colon + 1 - s.p));
    if (!tg_conf_number(c, item, port, 1, 65535, &number))
        return false;
    a->host = tg_arena_dup(c->arena, host);
    a->port = (uint16_t)number;
    return true;
}

static bool set_syslog(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str s,
                       struct tg_audit_conf *a)
{
    if (tg_str_starts(s, TG_STR("udp:"))) {
        a->target = TG_AUDIT_SYSLOG_UDP;
        return split_host(c, item, tg_str_skip(s, 4), a);
    }
    if (tg_str_starts(s, TG_STR("tcp:"))) {
        a->target = TG_AUDIT_SYSLOG_TCP;
        return split_host(c, item, tg_str_skip(s, 4), a);
    }
    if (tg_str_starts(s, TG_STR("unix:")) && s.n > 5 && s.n < 5 + 108) {
        a->target = TG_AUDIT_SYSLOG_UNIX;
        a->path = tg_conf_path(c, tg_str_skip(s, 5));
        return true;
    }
    tg_conf_error(c, item,
                  "\"audit_log\" takes syslog:unix:PATH, syslog:udp:HOST:PORT or "
                  "syslog:tcp:HOST:PORT, got \"%s\"",
                  item->args[1].p);
    return false;
}

/* Only files are rotated. */
static void warn_of_rotation(struct tg_conf *c, const struct tg_conf_item *item)
{
    for (unsigned i = 2; i < item->nargs; i++)
        if (!tg_str_starts(item->args[i], TG_STR("mode=")))
            tg_conf_warn(c, item, "\"%s\" does nothing beside \"audit_log %s\"", item->args[i].p,
                         item->args[1].p);
}

/* One of mode=, rotate=, keep=. */
static bool set_option(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str option,
                       struct tg_audit_conf *a)
{
    if (tg_str_starts(option, TG_STR("mode=")))
        return tg_conf_word(c, item, tg_str_skip(option, 5), modes, &a->mode);
    if (tg_str_starts(option, TG_STR("rotate=")))
        return tg_conf_size(c, item, tg_str_skip(option, 7), 4096, (int64_t)1 << 50, &a->rotate);
    if (tg_str_starts(option, TG_STR("keep=")))
        return tg_conf_number(c, item, tg_str_skip(option, 5), 1, 9999, &a->keep);
    tg_conf_error(c, item, "\"audit_log\" takes mode=, rotate= and keep=, got \"%s\"", option.p);
    return false;
}

static bool set_log(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_audit_conf *a = target;
    struct tg_str where = item->args[1];
    bool ok = true;

    (void)d;
    a->text = where;
    a->log_at = item;
    a->mode = TG_AUDIT_BLOCKING;
    a->rotate = 0;
    a->keep = 10;
    for (unsigned i = 2; i < item->nargs; i++)
        ok = set_option(c, item, item->args[i], a) && ok;
    if (tg_str_eq(where, TG_STR("off"))) {
        a->target = TG_AUDIT_OFF;
        return ok;
    }
    if (tg_str_starts(where, TG_STR("syslog:"))) {
        warn_of_rotation(c, item);
        return set_syslog(c, item, tg_str_skip(where, 7), a) && ok;
    }
    a->target = TG_AUDIT_FILE;
    a->path = tg_conf_path(c, where);
    return ok;
}

static void add_defaults(struct tg_audit_conf *a)
{
    memcpy(a->redact + a->nredact, tg_secret_names, sizeof(tg_secret_names));
    a->nredact += TG_SECRET_NAMES;
}

static bool set_redact(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_audit_conf *a = target;
    unsigned room = item->nargs;

    (void)d;
    for (unsigned i = 1; i < item->nargs; i++)
        if (tg_str_eq(item->args[i], TG_STR("default")))
            room += TG_SECRET_NAMES;
    a->redact = tg_arena_zalloc(c->arena, room, sizeof(*a->redact));
    a->nredact = 0;
    for (unsigned i = 1; i < item->nargs; i++) {
        if (item->args[i].n == 0) {
            tg_conf_error(c, item, "\"audit_redact\" takes name patterns, got an empty one");
            return false;
        }
        if (tg_str_eq(item->args[i], TG_STR("default")))
            add_defaults(a);
        else
            a->redact[a->nredact++] = item->args[i];
    }
    return true;
}

static bool set_key_file(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                         const struct tg_directive *d)
{
    struct tg_audit_conf *a = target;

    (void)d;
    a->key_file = tg_conf_path(c, item->args[1]);
    a->key_at = item;
    return true;
}

const struct tg_directive tg_audit_directives[] = {
    {.name = "audit_log",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = 4,
     .fallback = "/dev/stdout",
     .syntax = "PATH | syslog:unix:PATH | syslog:udp:HOST:PORT | syslog:tcp:HOST:PORT | off "
               "[mode=batch|blocking|strict] [rotate=SIZE] [keep=N]",
     .help = "Where the record of every request goes, as one JSON object per line. mode=batch "
             "writes once per turn of the loop; mode=blocking (the default) hands the record to "
             "the kernel before the last byte of the response is sent; mode=strict has an intent "
             "record on disk before a byte goes upstream, and takes a regular file only. blocking "
             "and strict refuse requests while the log cannot be written. rotate=SIZE renames a "
             "file that has grown to SIZE to PATH.1 and keeps keep=N (default 10) of them.",
     .set = set_log},
    {.name = "audit_body",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_ENUM,
     .offset = offsetof(struct tg_audit_conf, body),
     .words = bodies,
     .fallback = "metadata",
     .syntax = "none | metadata | full",
     .help = "How much of a body a record tells: nothing; the values of members that the contract "
             "knows to be harmless, the others as HMACs; everything. audit_redact holds at every "
             "level."},
    {.name = "audit_redact",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .syntax = "PATTERN ...",
     .help = "Names of members and parameter labels whose values become hmac-sha256:... in "
             "bodies and messages and are left out of patches. A pattern without * matches a whole "
             "word of a name "
             "(token matches auth_token and authToken, not tokenizer); with * it matches the whole "
             "name. Case does not matter. The word default stands for the built-in list, which "
             "covers secret, password, token, key, ak and sk forms and holds without this "
             "directive.",
     .set = set_redact},
    {.name = "instance",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_audit_conf, instance),
     .syntax = "NAME",
     .help = "What this gateway is called in the start record of each stream, where many write one "
             "log. Without it: the name of the host, in a pod the pod's."},
    {.name = "audit_key_file",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .syntax = "FILE",
     .help = "A secret of 16 to 4096 bytes that keys the hash chain, the principals and the "
             "redacted values. Without it the chain is plain SHA-256, which finds mistakes but "
             "not a forger, and principals can be compared only until the next start.",
     .set = set_key_file},
    {.name = NULL},
};

const char *tg_audit_file(const void *conf)
{
    const struct tg_audit_conf *c = conf;

    return c->target == TG_AUDIT_FILE ? c->path.p : NULL;
}

void tg_audit_facts(const void *conf, struct tg_audit_facts *out)
{
    const struct tg_audit_conf *c = conf;

    CHECK(c->checked);
    *out = (struct tg_audit_facts){.target = c->text,
                                   .mode = modes[c->mode - 1],
                                   .body = bodies[c->body - 1],
                                   .instance = c->instance};
}

size_t tg_audit_conf_size(void)
{
    return sizeof(struct tg_audit_conf);
}

static bool key_fault(struct tg_conf *c, const struct tg_audit_conf *a, const char *why)
{
    tg_conf_error(c, a->key_at, "\"audit_key_file\" %s: %s", a->key_file.p, why);
    return false;
}

static bool read_key(struct tg_conf *c, struct tg_audit_conf *a)
{
    struct tg_file file = {.text = {NULL, 0}};
    const char *why = tg_file_read(c->arena, a->key_file.p, &file);

    if (why != NULL)
        return key_fault(c, a, why);
    a->key = tg_str_without_line_ends(file.text);
    if (a->key.n < MIN_KEY || a->key.n > MAX_KEY)
        return key_fault(c, a, "a key has 16 to 4096 bytes");
    why = tg_file_why_not_private(&file);
    if (why != NULL)
        tg_conf_warn(c, a->key_at, "\"audit_key_file\" %s: %s", a->key_file.p, why);
    return true;
}

static void fill_defaults(struct tg_conf *c, struct tg_audit_conf *a)
{
    char host[256] = "";

    if (a->target == 0) {
        a->target = TG_AUDIT_FILE;
        a->text = a->path = TG_STR("/dev/stdout");
    }
    if (a->mode == 0)
        a->mode = TG_AUDIT_BLOCKING;
    if (a->keep == 0)
        a->keep = 10;
    if (a->body == 0)
        a->body = TG_AUDIT_BODY_METADATA;
    if (a->instance.n == 0 && gethostname(host, sizeof(host) - 1) == 0)
        a->instance = tg_arena_dup(c->arena, tg_str_of(host));
    if (a->redact == NULL) {
        a->redact = tg_arena_zalloc(c->arena, TG_SECRET_NAMES, sizeof(*a->redact));
        add_defaults(a);
    }
}

/* Principals and redacted values have a key of their own. A random one is drawn here, before there
 * are workers, so that all of them give equal tokens equal names. */
static void make_salt(struct tg_audit_conf *a)
{
    if (a->key.n > 0)
        tg_hmac_sha256(a->key, TG_STR("trainguard audit salt"), a->salt);
    else
        tg_random(a->salt, sizeof(a->salt));
}

/* A file is not opened at load, since that would make it: its directory tells enough. */
static bool check_path(struct tg_conf *c, const struct tg_audit_conf *a)
{
    struct tg_str copy = tg_arena_dup(c->arena, a->path);
    const char *directory;
    struct stat st;

    if (stat(a->path.p, &st) == 0) {
        bool is_directory = S_ISDIR(st.st_mode);

        if (!is_directory && access(a->path.p, W_OK) == 0)
            return true;
        tg_conf_error(c, a->log_at, "\"audit_log\" %s: %s", a->path.p,
                      is_directory ? "it is a directory" : strerror(errno));
        return false;
    }
    directory = dirname((char *)(uintptr_t)copy.p);
    if (access(directory, W_OK | X_OK) == 0)
        return true;
    tg_conf_error(c, a->log_at, "\"audit_log\" %s: directory %s: %s", a->path.p, directory,
                  strerror(errno));
    return false;
}

/* Nothing else can be synced: `strict` would promise what it does not keep. */
static bool check_strict(struct tg_conf *c, const struct tg_audit_conf *a)
{
    struct stat st;

    if (a->mode != TG_AUDIT_STRICT || a->target == TG_AUDIT_OFF)
        return true;
    if (a->target == TG_AUDIT_FILE && (stat(a->path.p, &st) != 0 || S_ISREG(st.st_mode)))
        return true;
    tg_conf_error(c, a->log_at, "\"audit_log\" mode=strict takes a regular file, got \"%s\"",
                  a->text.p);
    return false;
}

bool tg_audit_check(struct tg_conf *c, void *conf)
{
    struct tg_audit_conf *a = conf;

    fill_defaults(c, a);
    if (a->key_file.n > 0 && a->key.n == 0 && !read_key(c, a))
        return false;
    make_salt(a);
    a->checked = true;
    return check_strict(c, a) && (a->target != TG_AUDIT_FILE || check_path(c, a));
}
