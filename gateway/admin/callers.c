/* The page of clients' keys. */
#include "admin/pages.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus.h"

enum { SHOWN = 4 }; /* bytes at each end of a name that is masked */

static void add_masked(struct tg_buf *out, struct tg_str name)
{
    struct tg_buf text = {0};

    tg_buf_add(&text, (struct tg_str){name.p, name.n > 3 * SHOWN ? SHOWN : 0});
    tg_buf_puts(&text, "...");
    if (name.n > 3 * SHOWN)
        tg_buf_add(&text, tg_str_skip(name, name.n - SHOWN));
    tg_json_member(out, "key", tg_buf_str(&text));
    tg_buf_end(&text);
}

/* `seconds` since 1970 UTC; 0: nothing is told. */
static void add_time(struct tg_buf *out, const char *name, int64_t seconds)
{
    char when[TG_CLOCK_TEXT];

    if (seconds == 0)
        return;
    tg_clock_text(seconds * 1000000, when);
    tg_json_member(out, name, tg_str_of(when));
}

static void add_key(struct tg_buf *out, const struct tg_client_keys *keys,
                    const struct tg_client_key *key)
{
    struct tg_client_key_use use = tg_client_key_use(keys, key);
    int64_t now = tg_clock_wall_now() / 1000000;

    tg_json_begin(out, '{');
    tg_json_member(out, "principal", key->principal);
    add_masked(out, key->access_key);
    tg_json_member(out, "kind", key->secret.n > 0 ? TG_STR("aksk") : TG_STR("key"));
    tg_json_member_begin(out, "projects", '[');
    for (unsigned i = 0; i < key->nprojects; i++)
        tg_json_string(out, key->projects[i]);
    tg_json_end(out, ']');
    tg_json_member_bool(out, "holds", tg_client_key_holds(key, now));
    tg_json_member_bool(out, "disabled", key->disabled);
    add_time(out, "not_after", key->not_after > 0 ? key->not_after - 1 : 0);
    add_time(out, "last_seen", use.last);
    tg_json_member_number(out, "passed", use.passed);
    tg_json_member_number(out, "failed", use.failed);
    add_time(out, "locked_until", use.locked_until > now ? use.locked_until : 0);
    tg_json_end(out, '}');
}

static void add_set(struct tg_buf *out, const struct tg_client_keys_conf *k)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "name", k->name);
    tg_json_member(out, "file", k->file);
    tg_json_member_begin(out, "keys", '[');
    for (unsigned i = 0; i < tg_client_keys_count(k->keys); i++)
        add_key(out, k->keys, tg_client_keys_at(k->keys, i));
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

static void add_location(struct tg_buf *out, const struct tg_location *l)
{
    const struct tg_conf_item *at = l->callers_at;

    if (at == NULL)
        return;
    tg_json_begin(out, '{');
    tg_json_member(out, "method", l->method);
    tg_json_member(out, "location", l->pattern);
    tg_json_member_begin(out, "callers", '[');
    for (unsigned i = 1; i < at->nargs; i++)
        tg_json_string(out, at->args[i]);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

void tg_admin_callers(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "client_keys", '[');
    for (const struct tg_client_keys_conf *k = settings->client_keys; k != NULL; k = k->next)
        add_set(out, k);
    tg_json_end(out, ']');
    tg_json_member_begin(out, "locations", '[');
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next)
            add_location(out, l);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

void tg_admin_caller_metrics(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_prometheus_family(out, "client_keys", "gauge", "Keys that clients sign or ask with.");
    for (const struct tg_client_keys_conf *k = settings->client_keys; k != NULL; k = k->next) {
        tg_buf_puts(out, "trainguard_client_keys{");
        tg_prometheus_label(out, "keys", k->name);
        tg_buf_printf(out, "} %u\n", tg_client_keys_count(k->keys));
    }
}
