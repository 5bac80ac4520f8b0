/* Pages that tell of what was loaded: policies and certificates. */
#include "admin.h"

#include "check.h"
#include "clock.h"
#include "policy.h"
#include "tls.h"

static void member(struct tg_buf *out, const char *name, struct tg_str value)
{
    tg_buf_printf(out, "\"%s\":", name);
    tg_buf_json(out, value);
}

static void add_place(struct tg_buf *out, const struct tg_conf_item *item)
{
    member(out, "file", tg_str_of(item->file));
    tg_buf_printf(out, ",\"line\":%u", item->line);
}

static void add_policy(struct tg_buf *out, const struct tg_policy *p)
{
    const char *comma = "";

    tg_buf_putc(out, '{');
    member(out, "name", p->name);
    tg_buf_putc(out, ',');
    member(out, "description", p->description);
    tg_buf_putc(out, ',');
    add_place(out, p->item);
    tg_buf_puts(out, ",\"rules\":[");
    for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next, comma = ",") {
        tg_buf_puts(out, comma);
        tg_buf_putc(out, '{');
        member(out, "name", r->name);
        tg_buf_putc(out, ',');
        member(out, "mode", tg_str_of(tg_policy_mode_word(r->mode)));
        tg_buf_putc(out, '}');
    }
    tg_buf_puts(out, "]}");
}

static void add_exception(struct tg_buf *out, const struct tg_policy_exception *e)
{
    tg_buf_putc(out, '{');
    member(out, "name", e->name);
    tg_buf_putc(out, ',');
    member(out, "policy", e->policy);
    tg_buf_putc(out, ',');
    member(out, "owner", e->owner);
    tg_buf_putc(out, ',');
    member(out, "ticket", e->ticket);
    tg_buf_putc(out, ',');
    member(out, "expires", e->expires);
    tg_buf_printf(out, ",\"holds\":%s}", tg_policy_exception_holds(e) ? "true" : "false");
}

static void add_set(struct tg_buf *out, const struct tg_location *l,
                    const struct tg_policy_set *set)
{
    const char *comma = "";

    tg_buf_putc(out, '{');
    member(out, "method", l->method);
    tg_buf_putc(out, ',');
    member(out, "location", l->pattern);
    tg_buf_putc(out, ',');
    member(out, "revision", set->revision);
    tg_buf_puts(out, ",\"policies\":[");
    for (const struct tg_policy *p = set->policies; p != NULL; p = p->next, comma = ",") {
        tg_buf_puts(out, comma);
        add_policy(out, p);
    }
    tg_buf_puts(out, "],\"exceptions\":[");
    comma = "";
    for (const struct tg_policy_exception *e = set->exceptions; e != NULL;
         e = e->next, comma = ",") {
        tg_buf_puts(out, comma);
        add_exception(out, e);
    }
    tg_buf_puts(out, "]}");
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
    const char *comma = "";

    tg_buf_puts(out, "{\"locations\":[");
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
            if (set_of(l) == NULL)
                continue;
            tg_buf_puts(out, comma);
            add_set(out, l, set_of(l));
            comma = ",";
        }
    tg_buf_puts(out, "]}\n");
}

/* --- certificates --- */

static void add_cert(struct tg_buf *out, const char *use, struct tg_str file)
{
    struct tg_tls_certificate c;
    const char *why = tg_tls_certificate_read(file.p, &c);
    char when[TG_CLOCK_TEXT];

    tg_buf_putc(out, '{');
    member(out, "use", tg_str_of(use));
    tg_buf_putc(out, ',');
    member(out, "file", file);
    if (why != NULL) {
        tg_buf_putc(out, ',');
        member(out, "problem", tg_str_of(why));
        tg_buf_putc(out, '}');
        return;
    }
    tg_buf_putc(out, ',');
    member(out, "subject", tg_str_of(c.subject));
    tg_clock_text(c.not_after, when);
    tg_buf_putc(out, ',');
    member(out, "not_after", tg_str_of(when));
    tg_buf_printf(out, ",\"not_after_seconds\":%ld}", (long)(c.not_after / 1000000));
}

void tg_admin_certs(const struct tg_settings *settings, struct tg_buf *out)
{
    const char *comma = "";

    tg_buf_puts(out, "{\"certificates\":[");
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_path *p = s->tls_certificates; p != NULL; p = p->next, comma = ",") {
            tg_buf_puts(out, comma);
            add_cert(out, "server", p->path);
        }
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next) {
        if (u->tls_cert.n == 0)
            continue;
        tg_buf_puts(out, comma);
        add_cert(out, "upstream", u->tls_cert);
        comma = ",";
    }
    tg_buf_puts(out, "]}\n");
}
