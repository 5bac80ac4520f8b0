/* Shows upstreams' servers on the status page and in metrics. */
#include "admin/servers.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus.h"

/* What is known of a server, or NULL. */
static const struct tg_server_health *health_of(const struct tg_upstream_server *o,
                                                const struct tg_stats *s)
{
    return o->number > 0 ? &s->servers.at[o->number - 1] : NULL;
}

/* One that is named twice in an upstream has one series. */
static const struct tg_server_health *first_of(const struct tg_upstream_conf *u,
                                               const struct tg_upstream_server *o,
                                               const struct tg_stats *s)
{
    for (const struct tg_upstream_server *earlier = u->servers; earlier != o;
         earlier = earlier->next)
        if (earlier->number == o->number)
            return NULL;
    return health_of(o, s);
}

static void sample(const char *name, const struct tg_upstream_conf *u,
                   const struct tg_upstream_server *o, struct tg_buf *out)
{
    tg_buf_printf(out, "trainguard_upstream_server_%s{", name);
    tg_prometheus_label(out, "upstream", u->name);
    tg_buf_putc(out, ',');
    tg_prometheus_label(out, "server", tg_str_of(o->text));
}

static void states(const struct tg_settings *settings, const struct tg_stats *s, struct tg_buf *out)
{
    tg_prometheus_family(out, "upstream_server_up", "gauge",
                         "0 from when a server failed `max_fails` times until it answers.");
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next)
        for (const struct tg_upstream_server *o = u->servers; o != NULL; o = o->next) {
            const struct tg_server_health *h = first_of(u, o, s);

            if (h == NULL)
                continue;
            sample("up", u, o, out);
            tg_buf_printf(out, "} %d\n", h->failing == 0);
        }
}

void tg_servers_metrics(const struct tg_settings *settings, const struct tg_stats *s,
                        struct tg_buf *out)
{
    states(settings, s, out);
    tg_prometheus_family(out, "upstream_server_failures_total", "counter",
                         "Failures of a server by how, also those after which another was asked.");
    for (const struct tg_upstream_conf *u = settings->upstreams; u != NULL; u = u->next)
        for (const struct tg_upstream_server *o = u->servers; o != NULL; o = o->next) {
            const struct tg_server_health *h = first_of(u, o, s);

            for (unsigned i = 0; h != NULL && i < TG_SERVER_FAULTS; i++) {
                sample("failures_total", u, o, out);
                tg_buf_printf(out, ",kind=\"%s\"} %lu\n", tg_error_info(tg_server_faults[i])->word,
                              h->failures[i]);
            }
        }
}

void tg_servers_status(const struct tg_upstream_server *o, const struct tg_stats *s,
                       struct tg_buf *out)
{
    const struct tg_server_health *h = health_of(o, s);

    tg_json_begin(out, '{');
    tg_json_member(out, "server", tg_str_of(o->text));
    if (h != NULL)
        tg_json_member(out, "state", h->failing == 0 ? TG_STR("up") : TG_STR("down"));
    if (o->backup)
        tg_json_member_bool(out, "backup", true);
    if (h != NULL && h->since != 0)
        tg_json_member_time(out, "since", h->since);
    if (h != NULL && h->failed != 0) {
        tg_json_member_time(out, "last_failure", h->failed);
        tg_json_member(out, "last_kind", tg_str_of(tg_error_info((enum tg_error)h->last)->word));
        tg_json_member_begin(out, "failures", '{');
        for (unsigned i = 0; i < TG_SERVER_FAULTS; i++)
            if (h->failures[i] > 0)
                tg_json_member_number(out, tg_error_info(tg_server_faults[i])->word,
                                      h->failures[i]);
        tg_json_end(out, '}');
    }
    tg_json_end(out, '}');
}
