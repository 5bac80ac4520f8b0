/* Finds the places of a configuration's routes, servers and stores in the shared maps. */
#include "process/places.h"

#include "shm/limit_stores.h"

static uint16_t place_rule(void *owner, struct tg_str policy, struct tg_str rule,
                           struct tg_str mode)
{
    return tg_stats_rule(owner, policy, rule, mode);
}

static void place_location(struct tg_stats *stats, struct tg_location *l)
{
    const struct tg_rule_places places = {place_rule, stats};

    l->stats_route = tg_stats_route(stats, l->pattern);
    for (unsigned i = 0; i < l->filters.n; i++)
        if (l->filters.at[i]->on_places != NULL)
            l->filters.at[i]->on_places(l->filters.conf[i], &places);
}

void tg_places_give(struct tg_stats *stats, struct tg_limits *limits, struct tg_settings *s)
{
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (struct tg_location *l = v->locations; l != NULL; l = l->next)
            place_location(stats, l);
    for (struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        for (struct tg_upstream_server *o = u->servers; o != NULL; o = o->next)
            o->number = tg_servers_number(&stats->servers, u->name, tg_str_of(o->text));
    for (struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        e->share.number = tg_limit_store_number(limits, e->name.p);
}
