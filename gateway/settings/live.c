/* Look-ups in the configuration: their upstreams, their order, and what they cannot know. */
#include "live/live.h"

#include "base/check.h"
#include "policy/policy.h"
#include "settings/internal.h"

/* The order of filters that know of each other; a name that is not here stands where it likes. */
static const char *const order[] = {"verify",    "identify", "json",   "normalize", "validate",
                                    "catalogue", "current",  "policy", "sign"};

enum { ORDERED = sizeof(order) / sizeof(*order) };

unsigned tg_settings_filter_place(struct tg_str name)
{
    for (unsigned i = 0; i < ORDERED; i++)
        if (tg_str_eq(name, tg_str_of(order[i])))
            return i;
    return UINT_MAX;
}

bool tg_filters_in_order(struct tg_conf *c, const struct tg_conf_item *item,
                         const struct tg_location *l)
{
    unsigned last = UINT_MAX;

    for (unsigned i = 0; i < l->filters.n; i++) {
        unsigned place = tg_settings_filter_place(tg_str_of(l->filters.at[i]->name));

        if (place == UINT_MAX)
            continue;
        if (last != UINT_MAX && place < last) {
            tg_conf_error(c, item, "filter \"%s\" stands behind \"%s\", put it before it",
                          order[place], order[last]);
            return false;
        }
        last = place;
    }
    return true;
}

static void *conf_of(const struct tg_location *l, const struct tg_filter *filter)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (l->filters.at[i] == filter)
            return l->filter_conf[tg_filter_index(tg_str_of(filter->name))];
    return NULL;
}

/* A caller's signature is good for the caller's request alone. */
static void warn_of_signatures(struct tg_conf *c, const struct tg_location *l)
{
    static const struct tg_filter *const asking[] = {&tg_filter_identify, &tg_filter_catalogue,
                                                     &tg_filter_current};
    const struct tg_conf_item at = {.file = l->file, .line = l->line};

    if (l->aksk != TG_AKSK_PRESERVE)
        return;
    for (size_t i = 0; i < sizeof(asking) / sizeof(*asking); i++)
        if (conf_of(l, asking[i]) != NULL)
            tg_conf_warn(c, &at,
                         "location \"%s\": filter \"%s\" learns nothing of requests that are "
                         "signed, whose keys cannot be used to ask: see \"aksk\"",
                         l->pattern.p, asking[i]->name);
}

/* Whether the location's policies judge by who asks, and by what stands there. */
static bool reads_user(const struct tg_location *l)
{
    const void *policy = conf_of(l, &tg_filter_policy);

    return policy != NULL &&
           (tg_policy_reads(policy, TG_LIVE_USER_NAME) ||
            tg_policy_reads(policy, TG_LIVE_USER_ID) || tg_policy_reads(policy, TG_LIVE_DOMAIN) ||
            tg_policy_reads(policy, TG_LIVE_ROLES));
}

static bool reads_old(const struct tg_location *l)
{
    const void *policy = conf_of(l, &tg_filter_policy);

    return policy != NULL && tg_policy_reads_old(policy);
}

/* Whether the location has the filter of this name. */
static bool has_filter(const struct tg_location *l, const char *name)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (strcmp(l->filters.at[i]->name, name) == 0)
            return true;
    return false;
}

static void warn_of_unknown(struct tg_conf *c, const struct tg_location *l, const char *what,
                            const char *filter)
{
    const struct tg_conf_item at = {.file = l->file, .line = l->line};

    if (!has_filter(l, filter))
        tg_conf_warn(c, &at,
                     "location \"%s\": policies read \"%s\", which is never known here: it comes "
                     "from filter \"%s\"",
                     l->pattern.p, what, filter);
}

/* A value that no filter of the location publishes is known to no rule; one warning a filter. */
static void warn_of_reads(struct tg_conf *c, const struct tg_location *l)
{
    const void *policy = conf_of(l, &tg_filter_policy);
    const char *warned = "";

    if (policy == NULL)
        return;
    for (enum tg_live_name i = 0; i < TG_LIVE_NAMES; i++) {
        if (!tg_policy_reads(policy, i) || strcmp(warned, tg_live_infos[i].filter) == 0)
            continue;
        warned = tg_live_infos[i].filter;
        warn_of_unknown(c, l, tg_live_infos[i].name, warned);
    }
    if (reads_old(l))
        warn_of_unknown(c, l, "old", tg_filter_current.name);
}

/* Without the filter every caller would be counted by the principal, whatever the rule says. */
static void check_limits(struct tg_conf *c, const struct tg_location *l)
{
    const struct tg_conf_item at = {.file = l->file, .line = l->line};

    for (unsigned i = 0; i < l->nlimits; i++)
        if (l->limits[i].key == TG_LIMIT_BY_USER && !has_filter(l, tg_filter_identify.name))
            tg_conf_error(c, &at,
                          "location \"%s\": limit \"%s\" goes by user: it needs filter "
                          "\"identify\"",
                          l->pattern.p, l->limits[i].text);
}

static void resolve_identify(struct tg_conf *c, const struct tg_settings *s,
                             const struct tg_location *l)
{
    struct tg_identify_conf *conf = conf_of(l, &tg_filter_identify);

    if (conf == NULL)
        return;
    if (conf->on_error == TG_LIVE_AUTO)
        conf->on_error = reads_user(l) ? TG_LIVE_DENY : TG_LIVE_ALLOW;
    if (conf->item != NULL)
        (void)tg_find_upstream(c, s, conf->item);
}

static void resolve_current(const struct tg_location *l)
{
    struct tg_current_conf *conf = conf_of(l, &tg_filter_current);

    if (conf != NULL && conf->on_error == TG_LIVE_AUTO)
        conf->on_error = reads_old(l) ? TG_LIVE_DENY : TG_LIVE_ALLOW;
}

void tg_live_resolve(struct tg_conf *c, const struct tg_settings *s, const struct tg_location *l)
{
    resolve_identify(c, s, l);
    resolve_current(l);
    warn_of_signatures(c, l);
    warn_of_reads(c, l);
    check_limits(c, l);
}
