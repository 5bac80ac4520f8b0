/* TLS of a server block: certificates in pairs, versions, client certificates. */
#include "net/tls.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "settings/internal.h"

static const char *const protocol_words[] = {"TLSv1.2", "TLSv1.3", NULL};

bool tg_set_tls_file(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    struct tg_tls_file **last = (struct tg_tls_file **)(void *)((char *)target + d->offset);
    struct tg_tls_file *path = tg_arena_zalloc(c->arena, 1, sizeof(*path));

    path->path = tg_conf_path(c, item->args[1]);
    while (*last != NULL)
        last = &(*last)->next;
    *last = path;
    return true;
}

bool tg_set_protocols(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    int *out = (int *)(void *)((char *)target + d->offset);

    *out = 0;
    for (unsigned i = 1; i < item->nargs; i++) {
        int word;

        if (!tg_conf_word(c, item, item->args[i], protocol_words, &word))
            return false;
        *out |= word == 1 ? TG_TLS_1_2 : TG_TLS_1_3;
    }
    return true;
}

/* --- keys of tickets --- */

enum { WEEK_S = 7 * 86400 };

static bool is_known(const struct tg_settings *s, const struct tg_ticket_key *key)
{
    for (unsigned i = 0; i < s->nticket_keys; i++)
        if (memcmp(s->ticket_keys[i].name, key->name, TG_TICKET_NAME) == 0)
            return true;
    return false;
}

/* Takes the key of a file, or says why not. */
static const char *take_ticket_key(struct tg_conf *c, struct tg_settings *s,
                                   const struct tg_file *file)
{
    struct tg_ticket_key *key = &s->ticket_keys[s->nticket_keys];

    if (file->text.n != TG_TICKET_FILE)
        return tg_arena_printf(c->arena,
                               "it has %zu bytes, not the %d of a name, a key for HMAC-SHA256 and "
                               "one for AES-256: openssl rand %d makes one",
                               file->text.n, TG_TICKET_FILE, TG_TICKET_FILE)
            .p;
    tg_ticket_key_read(key, file->text.p);
    if (is_known(s, key))
        return "an earlier file has a key of that name";
    if (s->nticket_keys++ == 0)
        s->ticket_key_modified = file->modified;
    return NULL;
}

/* Who gets the key reads what was recorded as long as it sealed. */
static void warn_of_age(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str path,
                        int64_t modified)
{
    int64_t days = (tg_clock_wall_now() / 1000000 - modified) / 86400;

    if (days * 86400 >= WEEK_S)
        tg_conf_warn(c, item, "the key in \"%s\" is %ld days old: put a new one before it", path.p,
                     (long)days);
}

static bool read_ticket_key(struct tg_conf *c, const struct tg_conf_item *item,
                            struct tg_settings *s, struct tg_str path)
{
    struct tg_file file = {.text = {NULL, 0}};
    struct tg_arena arena;
    const char *why;

    tg_arena_init(&arena);
    why = tg_file_read(&arena, path.p, &file);
    if (why == NULL)
        why = take_ticket_key(c, s, &file);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    if (why != NULL) {
        tg_conf_error(c, item, "\"tls_ticket_key_file\" cannot use \"%s\": %s", path.p, why);
        return false;
    }
    tg_warn_not_private(c, item, "tls_ticket_key_file", path);
    if (s->nticket_keys == 1)
        warn_of_age(c, item, path, file.modified);
    return true;
}

bool tg_set_ticket_keys(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct tg_settings *s = target;

    (void)d;
    for (unsigned i = 1; i < item->nargs && !s->offline; i++)
        if (!read_ticket_key(c, item, s, tg_conf_path(c, item->args[i])))
            return false;
    return true;
}

/* --- a server --- */

static unsigned tls_count(const struct tg_tls_file *list)
{
    unsigned n = 0;

    for (; list != NULL; list = list->next)
        n++;
    return n;
}

void tg_warn_without_tls(struct tg_conf *c, const struct tg_conf_item *items, const char *why)
{
    for (; items != NULL; items = items->next)
        if (tg_str_starts(items->args[0], TG_STR("tls_")))
            tg_conf_warn(c, items, "\"%s\" does nothing %s", items->args[0].p, why);
}

/* What does not go together, as a sentence; NULL when all does. A server `listens` with TLS, or
 * without (`plain`), or both ways. */
static const char *contradiction(const struct tg_tls_server_conf *tls, bool listens, bool plain)
{
    unsigned certificates = tls_count(tls->certificates);

    if (certificates != tls_count(tls->keys))
        return "has not as many \"tls_certificate_key\" as \"tls_certificate\"";
    if (listens && certificates == 0)
        return "has a \"listen\" with \"tls\", but no \"tls_certificate\"";
    if (!listens && certificates > 0)
        return "has a \"tls_certificate\", but no \"listen\" with \"tls\"";
    if (!listens && tls->staples != NULL)
        return "has a \"tls_stapling_file\", but no \"listen\" with \"tls\"";
    if (!listens && tls->verify_client != TG_VERIFY_OFF)
        return "has \"tls_verify_client\", but no \"listen\" with \"tls\"";
    if (plain && tls->verify_client == TG_VERIFY_ON)
        return "has \"tls_verify_client on\", and a \"listen\" without \"tls\" where nobody would "
               "be "
               "asked for a certificate";
    if (listens && tls->verify_client != TG_VERIFY_OFF && tls->client_ca.n == 0)
        return "has \"tls_verify_client\", but no \"tls_client_ca\"";
    return NULL;
}

/* Where a warning of the certificates goes. */
struct place {
    struct tg_conf *conf;
    const struct tg_conf_item *item;
};

static void warn(void *arg, const char *text)
{
    struct place *place = arg;

    tg_conf_warn(place->conf, place->item, "%s", text);
}

bool tg_server_tls(struct tg_conf *c, const struct tg_conf_item *item,
                   struct tg_server_conf *server, bool offline)
{
    struct place place = {c, item};
    bool listens = false, plain = false;
    const char *why;

    for (const struct tg_listen *l = server->listens; l != NULL; l = l->next) {
        listens |= l->tls;
        plain |= !l->tls;
    }
    why = contradiction(&server->tls_conf, listens, plain);
    if (why != NULL) {
        tg_conf_error(c, item, "\"server\" %s", why);
        return false;
    }
    if (!listens)
        tg_warn_without_tls(c, item->children, "without a \"listen\" with \"tls\"");
    if (!listens || offline)
        return true;
    for (const struct tg_tls_file *key = server->tls_conf.keys; key != NULL; key = key->next)
        tg_warn_not_private(c, item, "tls_certificate_key", key->path);
    server->tls_server = tg_tls_server_new(&server->tls_conf, c->arena, warn, &place, &why);
    if (server->tls_server == NULL)
        tg_conf_error(c, item, "%s", why);
    return server->tls_server != NULL;
}
