#include "process/places.h"

#include "shm/limit_stores.h"

void tg_places_give(struct tg_stats *stats, struct tg_limits *limits, struct tg_settings *s)
{
    for (struct tg_server_conf *v = s->servers; v != NULL; v = v->next)
        for (struct tg_location *l = v->locations; l != NULL; l = l->next)
            l->stats_route = tg_stats_route(stats, l->pattern);
    for (struct tg_upstream_conf *u = s->upstreams; u != NULL; u = u->next)
        for (struct tg_upstream_server *o = u->servers; o != NULL; o = o->next)
            o->number = tg_servers_number(&stats->servers, u->name, tg_str_of(o->text));
    for (struct tg_limit_store_conf *e = s->limit_stores; e != NULL; e = e->next)
        e->share.number = tg_limit_store_number(limits, e->name.p);
}
