/* Signatures in the configuration: clients' keys, and what a location does. */
#include "base/clock.h"
#include "settings/internal.h"
#include "settings/rows.h"

enum { FORMS_SDK = 1, FORMS_EXACT };
enum { SERVICE_BODY = 12 << 20 }; /* bytes that the service takes of a signed request */

static const char *const forms_words[] = {"sdk", "exact", NULL};
static const char *const aksk_words[] = {"preserve", "refuse", "resign", NULL};

/* --- client_keys --- */

const struct tg_directive tg_client_keys_directives[] = {
    {.name = "file",
     .contexts = TG_IN_CLIENT_KEYS,
     .kind = TG_CONF_PATH,
     .offset = offsetof(struct tg_client_keys_conf, file),
     .syntax = "FILE",
     .help = "The file with the keys, one block for each: `key AK { secret SK; principal NAME; "
             "projects ID...; not_after YYYY-MM-DD; disabled; }`. It must not be readable by "
             "others."},
    {.name = "clock_skew",
     .contexts = TG_IN_CLIENT_KEYS,
     .kind = TG_CONF_TIME,
     .offset = offsetof(struct tg_client_keys_conf, clock_skew),
     .min = 60 * SECOND,
     .max = 900 * SECOND,
     .fallback = "15m",
     .help = "How far a signature's time may be from the gateway's."},
    {.name = "signature_forms",
     .contexts = TG_IN_CLIENT_KEYS,
     .kind = TG_CONF_ENUM,
     .offset = offsetof(struct tg_client_keys_conf, forms),
     .words = forms_words,
     .fallback = "sdk",
     .syntax = "sdk | exact",
     .help = "Whether the ways in which the vendor's SDKs depart from the documented form are "
             "accepted too."},
    {.name = "unsigned_payload",
     .contexts = TG_IN_CLIENT_KEYS,
     .kind = TG_CONF_FLAG,
     .offset = offsetof(struct tg_client_keys_conf, unsigned_payload),
     .fallback = "off",
     .help = "Whether a signature over UNSIGNED-PAYLOAD, which covers no body, is accepted."},
    {.name = NULL},
};

static struct tg_client_keys_conf *find_keys(const struct tg_settings *s, struct tg_str name)
{
    struct tg_client_keys_conf *k = s->client_keys;

    while (k != NULL && !tg_str_eq(k->name, name))
        k = k->next;
    return k;
}

/* A file in which no key holds is one that somebody is about to fill, or forgot to. */
static void warn_of_no_keys(struct tg_conf *c, const struct tg_client_keys_conf *k)
{
    int64_t now = tg_clock_wall_now() / 1000000;

    for (unsigned i = 0; i < tg_client_keys_count(k->keys); i++)
        if (tg_client_key_holds(tg_client_keys_at(k->keys, i), now))
            return;
    tg_conf_warn(c, k->item,
                 "client_keys \"%s\": no key in %s holds, `trainguard key new` makes one",
                 k->name.p, k->file.p);
}

static bool load_keys(struct tg_conf *c, struct tg_client_keys_conf *k, bool offline)
{
    if (k->file.n == 0) {
        tg_conf_error(c, k->item, "client_keys \"%s\" has no \"file\"", k->name.p);
        return false;
    }
    if (offline)
        return true;
    k->keys = tg_client_keys_load(c, k->item, k->file.p);
    k->locks = tg_signing_locks_new();
    if (k->keys != NULL)
        warn_of_no_keys(c, k);
    return k->keys != NULL;
}

bool tg_set_client_keys(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                        const struct tg_directive *d)
{
    struct tg_settings *s = target;
    struct tg_client_keys_conf *k = tg_arena_zalloc(c->arena, 1, sizeof(*k));
    const struct tg_conf_table table = {tg_client_keys_directives, k};

    (void)d;
    if (item->args[1].n == 0 || find_keys(s, item->args[1]) != NULL) {
        tg_conf_error(c, item, "client_keys need a name of their own, got \"%s\"", item->args[1].p);
        return false;
    }
    k->name = item->args[1];
    k->item = item;
    k->next = s->client_keys;
    s->client_keys = k;
    tg_conf_defaults(c, TG_IN_CLIENT_KEYS, &table);
    return tg_conf_apply(c, TG_IN_CLIENT_KEYS, item->children, &table, 1) &&
           load_keys(c, k, s->offline);
}

/* --- locations --- */

bool tg_set_aksk(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                 const struct tg_directive *d)
{
    struct tg_location *l = target;

    (void)d;
    if (!tg_conf_word(c, item, item->args[1], aksk_words, &l->aksk))
        return false;
    l->aksk_keys = NULL;
    if ((l->aksk == TG_AKSK_RESIGN) != (item->nargs == 3)) {
        tg_conf_error(c, item,
                      "\"aksk\" takes preserve, refuse, or resign with the name of client_keys");
        return false;
    }
    if (l->aksk == TG_AKSK_RESIGN)
        l->aksk_keys = item;
    return true;
}

bool tg_set_sign(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                 const struct tg_directive *d)
{
    (void)c;
    (void)d;
    ((struct tg_location *)target)->sign = item;
    return true;
}

static bool has_filter(const struct tg_location *l, const struct tg_filter *filter)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (l->filters.at[i] == filter)
            return true;
    return false;
}

/* The names there are, for "did you mean". */
static const char **names_of(struct tg_conf *c, const struct tg_settings *s, bool credentials)
{
    const char **names;
    size_t n = 0;

    for (const struct tg_client_keys_conf *k = s->client_keys; k != NULL; k = k->next)
        n++;
    for (const struct tg_credential_conf *k = s->credentials; k != NULL; k = k->next)
        n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (const struct tg_client_keys_conf *k = s->client_keys; k != NULL && !credentials;
         k = k->next)
        names[n++] = k->name.p;
    for (const struct tg_credential_conf *k = s->credentials; k != NULL && credentials; k = k->next)
        names[n++] = k->name.p;
    return names;
}

const struct tg_client_keys_conf *tg_find_client_keys(struct tg_conf *c,
                                                      const struct tg_settings *s,
                                                      const struct tg_conf_item *item,
                                                      struct tg_str name)
{
    const struct tg_client_keys_conf *k = find_keys(s, name);

    if (k == NULL)
        tg_conf_unknown(c, item, "client_keys", name, names_of(c, s, false));
    return k;
}

static void resolve_keys(struct tg_conf *c, const struct tg_settings *s, struct tg_location *l)
{
    const struct tg_client_keys_conf *k =
        tg_find_client_keys(c, s, l->aksk_keys, l->aksk_keys->args[2]);

    if (k == NULL)
        return;
    l->signing.keys = k->keys;
    l->signing.locks = k->locks;
    l->signing.clock_skew = k->clock_skew;
    l->signing.all_forms = k->forms == FORMS_SDK;
    l->signing.unsigned_payload = k->unsigned_payload;
}

static void resolve_credential(struct tg_conf *c, const struct tg_settings *s,
                               struct tg_location *l)
{
    const struct tg_credential_conf *k = tg_credential_find(s, l->sign->args[1]);

    if (k == NULL) {
        tg_conf_unknown(c, l->sign, "credential", l->sign->args[1], names_of(c, s, true));
        return;
    }
    l->signing.credentials = s->credential_map;
    l->signing.credential = k->number;
    l->signing.credential_name = k->name;
    l->signing.credential_project = k->project_id;
}

/* Who verifies knows the caller, who signs lends the gateway's key to one: each without the other
 * would be a door. */
static const char *misfit(const struct tg_location *l)
{
    bool verify = has_filter(l, &tg_filter_verify), sign = has_filter(l, &tg_filter_sign);
    bool resign = l->aksk == TG_AKSK_RESIGN, known = resign || l->callers != NULL;

    if (known && !verify)
        return resign ? "\"aksk resign\" needs the filter \"verify\""
                      : "\"callers\" needs the filter \"verify\"";
    if (known && !sign)
        return resign ? "\"aksk resign\" needs the filter \"sign\", last"
                      : "\"callers\" needs the filter \"sign\", last";
    if (verify && !known)
        return "filter \"verify\" needs \"aksk resign KEYS\" or \"callers\"";
    if (sign && !known)
        return "filter \"sign\" needs \"aksk resign KEYS\" or \"callers\": it would sign for "
               "everybody";
    if (sign && l->sign == NULL)
        return "filter \"sign\" needs \"sign CREDENTIAL\"";
    if (verify && l->filters.at[0] != &tg_filter_verify)
        return "filter \"verify\" must be the first";
    return NULL;
}

void tg_signing_resolve(struct tg_conf *c, struct tg_settings *s, const struct tg_server_conf *v,
                        struct tg_location *l)
{
    const struct tg_conf_item at = {.file = l->file, .line = l->line};
    const char *why = misfit(l);

    if (why != NULL) {
        tg_conf_error(c, &at, "location \"%s\": %s", l->pattern.p, why);
        return;
    }
    if (l->aksk == TG_AKSK_RESIGN)
        resolve_keys(c, s, l);
    if (l->callers != NULL)
        tg_callers_resolve(c, s, v, l);
    if (!has_filter(l, &tg_filter_sign))
        return;
    resolve_credential(c, s, l);
    if (l->upstream != NULL)
        tg_credential_lend_proxy(s, l->sign->args[1], l->upstream->proxy);
    if (tg_location_body_most(l) > SERVICE_BODY)
        tg_conf_warn(c, &at,
                     "location \"%s\": the service takes signed bodies of at most 12m, "
                     "\"client_max_body_size\" is more,",
                     l->pattern.p);
}

void tg_settings_inherit_keys(const struct tg_settings *s, bool on)
{
    for (const struct tg_client_keys_conf *k = s->client_keys; k != NULL; k = k->next)
        if (k->keys != NULL)
            tg_client_keys_inherit(k->keys, on);
}

void tg_signing_end(struct tg_settings *s)
{
    for (struct tg_client_keys_conf *k = s->client_keys; k != NULL; k = k->next) {
        tg_client_keys_end(k->keys);
        tg_signing_locks_end(k->locks);
    }
}
