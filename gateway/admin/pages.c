/* Pages that tell of what was loaded: what filters have to tell, and certificates. */
#include "admin/pages.h"
#include "admin/topics.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus.h"
#include "net/tls.h"

#include <stdlib.h>

/* What one filter of a location tells; nothing when it has nothing to tell. */
static void add_filter(struct tg_buf *out, const struct tg_location *l, unsigned i)
{
    size_t start = out->n;

    if (l->filters.at[i]->on_status == NULL)
        return;
    tg_json_begin(out, '{');
    tg_json_member(out, "method", l->method);
    tg_json_member(out, "location", l->pattern);
    if (l->filters.at[i]->on_status(l->filters.conf[i], out))
        tg_json_end(out, '}');
    else
        out->n = start;
}

void tg_admin_policies(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "locations", '[');
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next)
            for (unsigned i = 0; i < l->filters.n; i++)
                add_filter(out, l, i);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* --- metrics of filters --- */

/* Counts the locations that run a filter, and puts its configurations there into `each` when that
 * is not NULL. */
static unsigned collect(const struct tg_settings *settings, const struct tg_filter *f,
                        const void **each)
{
    unsigned n = 0;

    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_location *l = s->locations; l != NULL; l = l->next)
            for (unsigned i = 0; i < l->filters.n; i++) {
                if (l->filters.at[i] != f)
                    continue;
                if (each != NULL)
                    each[n] = l->filters.conf[i];
                n++;
            }
    return n;
}

static void add_metrics(const struct tg_settings *settings, const struct tg_filter *f,
                        struct tg_buf *out)
{
    unsigned n = collect(settings, f, NULL);
    const void **each = calloc(n + 1, sizeof(*each));

    CHECK(each != NULL);
    CHECK(collect(settings, f, each) == n);
    f->on_metrics(each, n, out);
    free(each);
}

void tg_admin_filter_metrics(const struct tg_settings *settings, struct tg_buf *out)
{
    for (unsigned i = 0; i < tg_filter_count(); i++)
        if (tg_filter_at(i)->on_metrics != NULL)
            add_metrics(settings, tg_filter_at(i), out);
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
        for (const struct tg_tls_file *p = s->tls_conf.certificates; p != NULL; p = p->next)
            add_cert(out, "server", p->path);
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next)
        if (u->tls_conf.certificate.n > 0)
            add_cert(out, "upstream", u->tls_conf.certificate);
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}

/* True when a file was named by a server before: a series has one sample. */
static bool is_earlier(const struct tg_settings *settings, const struct tg_tls_file *file)
{
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_tls_file *p = s->tls_conf.certificates; p != NULL; p = p->next) {
            if (p == file)
                return false;
            if (tg_str_eq(p->path, file->path))
                return true;
        }
    return false;
}

static bool is_earlier_upstream(const struct tg_settings *settings,
                                const struct tg_upstream_conf *upstream)
{
    for (const struct tg_upstream_conf *u = settings->upstreams; u != upstream; u = u->next)
        if (tg_str_eq(u->tls_conf.certificate, upstream->tls_conf.certificate))
            return true;
    return false;
}

static void sample_cert(struct tg_buf *out, const char *use, struct tg_str file)
{
    struct tg_tls_certificate c;

    if (tg_tls_certificate_read(file.p, &c) != NULL)
        return;
    tg_buf_printf(out, "trainguard_certificate_expires_timestamp_seconds{use=\"%s\",", use);
    tg_prometheus_label(out, "file", file);
    tg_buf_printf(out, "} %ld\n", c.not_after / 1000000);
}

void tg_admin_cert_metrics(const struct tg_settings *settings, struct tg_buf *out)
{
    tg_prometheus_family(out, "certificate_expires_timestamp_seconds", "gauge",
                         "When the certificate in a file ends, since 1970.");
    for (const struct tg_server_conf *s = settings->servers; s != NULL; s = s->next)
        for (const struct tg_tls_file *p = s->tls_conf.certificates; p != NULL; p = p->next)
            if (!is_earlier(settings, p))
                sample_cert(out, "server", p->path);
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next)
        if (u->tls_conf.certificate.n > 0 && !is_earlier_upstream(settings, u))
            sample_cert(out, "upstream", u->tls_conf.certificate);
}

/* --- topics --- */

void tg_admin_topics(struct tg_buf *out)
{
    tg_json_begin(out, '{');
    tg_json_member_begin(out, "topics", '[');
    for (unsigned i = 0; i < tg_topic_count(); i++) {
        struct tg_topic t = tg_topic_at(i);

        tg_json_begin(out, '{');
        tg_json_member(out, "name", tg_str_of(t.name));
        tg_json_member(out, "mend", tg_str_of(t.mend));
        tg_json_member(out, "mend_zh", tg_str_of(t.mend_zh));
        tg_json_end(out, '}');
    }
    tg_json_end(out, ']');
    tg_json_end(out, '}');
    tg_buf_putc(out, '\n');
}
