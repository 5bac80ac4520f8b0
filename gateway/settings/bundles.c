/* The signed policies of a configuration: which they are, and which may follow which. */
#include "base/clock.h"
#include "policy/policy.h"
#include "settings/settings.h"

/* The signed set that a location judges by, or NULL. */
static const struct tg_policy_bundle *bundle_of(const struct tg_location *l)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (l->filters.at[i] == &tg_filter_policy)
            return tg_policy_bundle_of(l->filters.conf[i]);
    return NULL;
}

static bool is_among(const struct tg_policy_bundle *b, const struct tg_policy_bundle *const *list,
                     unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(list[i]->digest, b->digest) == 0)
            return true;
    return false;
}

/* The signed sets of policies, each once, in the order of the locations; returns how many. */
static unsigned settings_bundles(const struct tg_settings *s,
                                 const struct tg_policy_bundle *out[TG_SETTINGS_BUNDLES])
{
    unsigned n = 0;

    for (const struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (const struct tg_location *l = v->locations; l != NULL; l = l->next) {
            const struct tg_policy_bundle *b = bundle_of(l);

            if (b != NULL && n < TG_SETTINGS_BUNDLES && !is_among(b, out, n))
                out[n++] = b;
        }
    return n;
}

struct tg_settings_signed tg_settings_signed(const struct tg_settings *s, struct tg_arena *arena)
{
    const struct tg_policy_bundle *list[TG_SETTINGS_BUNDLES];
    struct tg_settings_signed out = {.revisions = {NULL, 0}};
    unsigned n = settings_bundles(s, list);

    for (unsigned i = 0; i < n; i++) {
        const struct tg_manifest *m = &list[i]->manifest;
        const char *comma = i > 0 ? "," : "";

        out.revisions =
            tg_arena_printf(arena, "%.*s%s%lu", TG_STR_ARG(out.revisions), comma, m->revision);
        out.signers =
            tg_arena_printf(arena, "%.*s%s%s", TG_STR_ARG(out.signers), comma, list[i]->signed_by);
        if (out.expires_at == 0 || m->expires_at < out.expires_at) {
            out.expires = m->expires;
            out.expires_at = m->expires_at;
        }
    }
    return out;
}

static const struct tg_policy_bundle *in_folder(const struct tg_policy_bundle *const *list,
                                                unsigned n, struct tg_str folder)
{
    for (unsigned i = 0; i < n; i++)
        if (tg_str_eq(list[i]->folder, folder))
            return list[i];
    return NULL;
}

bool tg_settings_may_follow(struct tg_settings *s, const struct tg_settings *before,
                            struct tg_buf *problems)
{
    const struct tg_policy_bundle *list[TG_SETTINGS_BUNDLES], *old[TG_SETTINGS_BUNDLES];
    unsigned n = settings_bundles(s, list), nold = settings_bundles(before, old);
    bool may = true;

    for (unsigned i = 0; i < n; i++) {
        const char *why =
            tg_policy_bundle_refused(&s->arena, list[i], in_folder(old, nold, list[i]->folder),
                                     tg_clock_wall_now() / 1000000);

        if (why != NULL)
            tg_buf_printf(problems, "[emerg] %s\n", why);
        may = may && why == NULL;
    }
    return may;
}
