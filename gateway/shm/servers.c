/* Notes failures and answers of upstreams' servers, and who is passed over. */
#include "shm/servers.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdio.h>

#define GET(member)        __atomic_load_n(&(member), __ATOMIC_RELAXED)
#define SET(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)

const enum tg_error tg_server_faults[TG_SERVER_FAULTS] = {
    TG_E_UPSTREAM_RESOLVE,  TG_E_UPSTREAM_CONNECT, TG_E_UPSTREAM_TLS, TG_E_UPSTREAM_CLOSED,
    TG_E_UPSTREAM_NONSENSE, TG_E_CONNECT_TIMEOUT,  TG_E_SEND_TIMEOUT, TG_E_READ_TIMEOUT};

int tg_server_fault(enum tg_error error)
{
    for (int i = 0; i < TG_SERVER_FAULTS; i++)
        if (tg_server_faults[i] == error)
            return i;
    return -1;
}

unsigned tg_servers_number(struct tg_server_table *t, struct tg_str upstream, struct tg_str server)
{
    char text[TG_SERVER_TEXT];

    if (upstream.n + 1 + server.n >= sizeof(text))
        return 0;
    snprintf(text, sizeof(text), "%.*s\n%.*s", TG_STR_ARG(upstream), TG_STR_ARG(server));
    for (unsigned i = 0; i < TG_SERVERS; i++) {
        struct tg_server_health *h = &t->at[i];

        if (h->text[0] == '\0')
            memcpy(h->text, text, sizeof(text));
        if (strcmp(h->text, text) == 0)
            return i + 1;
    }
    return 0;
}

static void change(struct tg_server_health *h, uint64_t failing)
{
    SET(h->since, tg_clock_wall_now());
    SET(h->failing, failing);
}

bool tg_server_failed(struct tg_server_health *h, enum tg_error failed, unsigned most, int64_t span,
                      uint64_t now)
{
    int fault = tg_server_fault(failed);

    CHECK(fault >= 0);
    __atomic_add_fetch(&h->failures[fault], 1, __ATOMIC_RELAXED);
    SET(h->failed, tg_clock_wall_now());
    SET(h->last, (uint64_t)failed);
    if (now - GET(h->window) > (uint64_t)span) {
        SET(h->window, now);
        SET(h->fails, 0);
    }
    if (__atomic_add_fetch(&h->fails, 1, __ATOMIC_RELAXED) < (most > 0 ? most : 1))
        return false;
    SET(h->fails, 0);
    if (GET(h->failing) == 0)
        change(h, 1);
    if (most == 0)
        return false;
    SET(h->down_until, now + (uint64_t)span);
    return true;
}

/* Each request asks: nothing is written while all is well. */
void tg_server_answered(struct tg_server_health *h)
{
    if (GET(h->fails) != 0)
        SET(h->fails, 0);
    if (GET(h->failing) != 0)
        change(h, 0);
}
