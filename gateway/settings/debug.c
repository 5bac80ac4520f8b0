/* The directive `debug_request`: whose requests are traced. */
#include "base/check.h"
#include "settings/internal.h"

enum { ADDRESS = 1, PROJECT, ID };

static const char *const subjects[] = {
    [ADDRESS - 1] = "address",
    [PROJECT - 1] = "project",
    [ID - 1] = "id",
    NULL,
};

static bool read_addresses(struct tg_conf *c, struct tg_debug_request *d)
{
    d->networks = tg_arena_zalloc(c->arena, d->item->nargs, sizeof(*d->networks));
    for (unsigned i = 2; i < d->item->nargs; i++) {
        const char *why = tg_network_read(d->item->args[i], &d->networks[i]);

        if (why == NULL)
            continue;
        tg_conf_error(c, d->item, "\"%s\" %s", d->item->args[i].p, why);
        return false;
    }
    return true;
}

bool tg_set_debug_request(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *row)
{
    struct tg_debug_request **last = &((struct tg_settings *)target)->debug_requests;
    struct tg_debug_request *d = tg_arena_zalloc(c->arena, 1, sizeof(*d));

    (void)row;
    d->item = item;
    if (!tg_conf_word(c, item, item->args[1], subjects, &d->subject))
        return false;
    while (*last != NULL)
        last = &(*last)->next;
    *last = d;
    return d->subject != ADDRESS || read_addresses(c, d);
}

static bool has_address(const struct tg_debug_request *d, struct tg_str text)
{
    struct in6_addr address;

    if (!tg_network_address(text, &address))
        return false; /* a Unix socket has none */
    for (unsigned i = 2; i < d->item->nargs; i++)
        if (tg_network_has(&d->networks[i], &address))
            return true;
    return false;
}

static bool debug_has_value(const struct tg_debug_request *d, struct tg_str value)
{
    for (unsigned i = 2; i < d->item->nargs; i++)
        if (tg_str_eq(d->item->args[i], value))
            return true;
    return false;
}

bool tg_debug_request_wants(const struct tg_debug_request *list, const struct tg_request *r)
{
    for (const struct tg_debug_request *d = list; d != NULL; d = d->next)
        if (d->subject == ADDRESS
                ? has_address(d, r->client_address)
                : debug_has_value(d, d->subject == PROJECT ? r->project_id : r->request_id))
            return true;
    return false;
}
