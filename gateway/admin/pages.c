/* Pages that tell of what was loaded: policies and certificates. */
#include "admin/admin.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "net/tls.h"
#include "policy/policy.h"
#include "shm/stats.h"

#include <stdlib.h>

static void add_place(struct tg_buf *out, const struct tg_conf_item *item)
{
    tg_json_member(out, "file", tg_str_of(item->file));
    tg_json_member_number(out, "line", item->line);
}

static void add_policy(struct tg_buf *out, const struct tg_policy *p)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "name", p->name);
    tg_json_member(out, "description", p->description);
    add_place(out, p->item);
    tg_json_member_begin(out, "rules", '[');
    for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next) {
        tg_json_begin(out, '{');
        tg_json_member(out, "name", r->name);
        tg_json_member(out, "mode", tg_str_of(tg_policy_mode_word(r->mode)));
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

static void add_exception(struct tg_buf *out, const struct tg_policy_exception *e)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "name", e->name);
    tg_json_member(out, "policy", e->policy);
    tg_json_member(out, "owner", e->owner);
    tg_json_member(out, "ticket", e->ticket);
    tg_json_member(out, "expires", e->expires);
    tg_json_member_bool(out, "holds", tg_policy_exception_holds(e));
    tg_json_end(out, '}');
}

static void add_set(struct tg_buf *out, const struct tg_location *l,
                    const struct tg_policy_set *set)
{
    tg_json_begin(out, '{');
    tg_json_member(out, "method", l->method);
    tg_json_member(out, "location", l->pattern);
    tg_json_member(out, "revision", set->revision);
    tg_json_member_begin(out, "policies", '[');
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        add_policy(out, p);
    tg_json_end(out, ']');
    tg_json_member_begin(out, "exceptions", '[');
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        add_exception(out, e);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
}

/* The set of a location that runs the filter, or NULL. */
static const struct tg_policy_set *set_of(const struct tg_location *l)
{
    int index = tg_filter_index(TG_STR("policy"));

    CHECK(index >= 0);
    for (unsigned i = 0; i < l->nfilters; i++)
        if (l->filters[i] == tg_filter_at((unsigned)index))
            return tg_policy_set_of(l->filter_conf[index]);
    return NULL;
}

void tg_admin_policies(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "locations", '[');
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next)
            if (set_of(l) != NULL)
                add_set(out, l, set_of(l));
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* --- exceptions as metrics --- */

/* Counts the exceptions of all locations, and puts them into `each` when it is not NULL. */
static size_t collect(const struct tg_settings *settings, const struct tg_policy_exception **each)
{
    size_t n = 0;

    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
            const struct tg_policy_set *set = set_of(l);

            if (set == NULL)
                continue;
            for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next) {
                if (each != NULL)
                    each[n] = e;
                n++;
            }
        }
    return n;
}

static int by_name(const void *a, const void *b)
{
    const struct tg_policy_exception *x = *(const struct tg_policy_exception *const *)a;
    const struct tg_policy_exception *y = *(const struct tg_policy_exception *const *)b;
    int order = strcmp(x->policy.p, y->policy.p);

    if (order == 0)
        order = strcmp(x->name.p, y->name.p);
    return order != 0 ? order : (x->expires_at > y->expires_at) - (x->expires_at < y->expires_at);
}

/* Sorts; of those with one policy and name the first stays. Returns how many are left. */
static size_t only_once(const struct tg_policy_exception **each, size_t n)
{
    size_t kept = 0;

    if (n > 0)
        qsort(each, n, sizeof(*each), by_name);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !tg_str_eq(each[kept - 1]->policy, each[i]->policy) ||
            !tg_str_eq(each[kept - 1]->name, each[i]->name))
            each[kept++] = each[i];
    return kept;
}

static void add_sample(struct tg_buf *out, const char *metric, const struct tg_policy_exception *e,
                       int64_t value)
{
    tg_buf_printf(out, "trainguard_%s{", metric);
    tg_stats_label(out, "policy", e->policy);
    tg_buf_putc(out, ',');
    tg_stats_label(out, "exception", e->name);
    tg_buf_putc(out, ',');
    tg_stats_label(out, "owner", e->owner);
    tg_buf_putc(out, ',');
    tg_stats_label(out, "ticket", e->ticket);
    tg_buf_printf(out, "} %ld\n", (long)value);
}

void tg_admin_exceptions(const struct tg_settings *settings, struct tg_buf *out)
{
    size_t n = collect(settings, NULL);
    const struct tg_policy_exception **each = calloc(n + 1, sizeof(const void *));

    CHECK(each != NULL);
    CHECK(collect(settings, each) == n);
    n = only_once(each, n);
    tg_stats_family(out, "policy_exception_expires_timestamp_seconds", "gauge",
                    "When an exception ends, since 1970.");
    for (size_t i = 0; i < n; i++)
        add_sample(out, "policy_exception_expires_timestamp_seconds", each[i],
                   each[i]->expires_at / 1000000);
    tg_stats_family(out, "policy_exception_active", "gauge", "1 while an exception holds.");
    for (size_t i = 0; i < n; i++)
        add_sample(out, "policy_exception_active", each[i], tg_policy_exception_holds(each[i]));
    free(each);
}

/* --- certificates --- */

static void add_cert(struct tg_buf *out, const char *use, struct tg_str file)
{
    struct tg_tls_certificate c;
    const char *why = tg_tls_certificate_read(file.p, &c);
    char when[TG_CLOCK_TEXT];

    tg_json_begin(out, '{');
    tg_json_member(out, "use", tg_str_of(use));
    tg_json_member(out, "file", file);
    if (why != NULL) {
        tg_json_member(out, "problem", tg_str_of(why));
    } else {
        tg_json_member(out, "subject", tg_str_of(c.subject));
        tg_clock_text(c.not_after, when);
        tg_json_member(out, "not_after", tg_str_of(when));
        tg_json_member_number(out, "not_after_seconds", (uint64_t)(c.not_after / 1000000));
    }
    tg_json_end(out, '}');
}

void tg_admin_certs(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "certificates", '[');
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_path *p = s->tls_certificates; p != NULL; p = p->next)
            add_cert(out, "server", p->path);
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next)
        if (u->tls_cert.n > 0)
            add_cert(out, "upstream", u->tls_cert);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}
