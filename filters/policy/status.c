/* What the filter tells of what it loaded: policies and exceptions, and when those end. */
#include "policy/internal.h"

#include "base/check.h"
#include "base/json_writer.h"
#include "base/prometheus.h"

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

bool tg_policy_status(const void *conf, struct tg_buf *out)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    if (set == NULL)
        return false;
    tg_json_member(out, "revision", set->revision);
    tg_json_member_begin(out, "policies", '[');
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next)
        add_policy(out, p);
    tg_json_end(out, ']');
    tg_json_member_begin(out, "exceptions", '[');
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL; e = e->next)
        add_exception(out, e);
    tg_json_end(out, ']');
    return true;
}

void tg_policy_places(void *conf, const struct tg_rule_places *places)
{
    const struct tg_policy_set *set = tg_policy_set_of(conf);

    for (struct tg_policy *p = set->policies; p != NULL; p = p->next)
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            r->place = places->place(places->owner, p->name, r->name,
                                     tg_str_of(tg_policy_mode_word(r->mode)));
}

/* --- exceptions as metrics --- */

/* Counts the exceptions of all locations, and puts them into `each` when it is not NULL. */
static size_t status_collect(const void *const *confs, unsigned nconfs,
                             const struct tg_policy_exception **each)
{
    size_t n = 0;

    for (unsigned i = 0; i < nconfs; i++) {
        const struct tg_policy_set *set = tg_policy_set_of(confs[i]);

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

static int status_by_name(const void *a, const void *b)
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
        qsort(each, n, sizeof(*each), status_by_name);
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
    tg_prometheus_label(out, "policy", e->policy);
    tg_buf_putc(out, ',');
    tg_prometheus_label(out, "exception", e->name);
    tg_buf_putc(out, ',');
    tg_prometheus_label(out, "owner", e->owner);
    tg_buf_putc(out, ',');
    tg_prometheus_label(out, "ticket", e->ticket);
    tg_buf_printf(out, "} %ld\n", (long)value);
}

void tg_policy_metrics(const void *const *confs, unsigned nconfs, struct tg_buf *out)
{
    size_t n = status_collect(confs, nconfs, NULL);
    const struct tg_policy_exception **each = calloc(n + 1, sizeof(const void *));

    CHECK(each != NULL);
    CHECK(status_collect(confs, nconfs, each) == n);
    n = only_once(each, n);
    tg_prometheus_family(out, "policy_exception_expires_timestamp_seconds", "gauge",
                         "When an exception ends, since 1970.");
    for (size_t i = 0; i < n; i++)
        add_sample(out, "policy_exception_expires_timestamp_seconds", each[i],
                   each[i]->expires_at / 1000000);
    tg_prometheus_family(out, "policy_exception_active", "gauge", "1 while an exception holds.");
    for (size_t i = 0; i < n; i++)
        add_sample(out, "policy_exception_active", each[i], tg_policy_exception_holds(each[i]));
    free(each);
}
