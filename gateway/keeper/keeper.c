/* The keeper: its sources, its heartbeat, whom it listens to. */
#include "keeper/keeper.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/refresh.h"
#include "keeper/watch.h"
#include "net/loop.h"
#include "net/timer.h"

#include <stdlib.h>

enum {
    KEEPER_MAGIC = 0x6b656570,
    HEARTBEAT_US = 1000000,
    FILES_EACH = 3, /* of a credential: what it is read from, authorities, those of a proxy */
    DNS = 53,
    CLOCK_OFF_S = 300,          /* how far clocks may differ before it is told */
    CLOCK_WARNED_US = 60000000, /* and how often */
};

struct tg_keeper {
    uint32_t magic;
    const struct tg_settings *settings;
    struct tg_loop loop;
    struct tg_http_client *client;
    struct tg_watch *watch;
    struct event *bell;
    struct tg_timer heartbeat;
    struct tg_refresh *refresh[TG_CREDENTIALS]; /* by number */
    uint64_t warned_clock;                      /* when it was last told, monotonic; 0: never */
    bool stopping;
};

/* --- what it hears --- */

static void on_change(void *owner)
{
    struct tg_keeper *k = owner;

    CHECK_MAGIC(k, KEEPER_MAGIC);
    for (unsigned i = 0; i < TG_CREDENTIALS; i++)
        if (k->refresh[i] != NULL)
            tg_refresh_changed(k->refresh[i]);
}

static void on_bell(evutil_socket_t fd, short what, void *owner)
{
    struct tg_keeper *k = owner;
    int number;

    (void)fd, (void)what;
    CHECK_MAGIC(k, KEEPER_MAGIC);
    while ((number = tg_credential_map_asked(k->settings->credential_map)) >= 0)
        if (k->refresh[number] != NULL)
            tg_refresh_ask(k->refresh[number]);
}

/* Several times within worker_hang_timeout, as workers do it. */
static int64_t heartbeat_interval(const struct tg_settings *s)
{
    int64_t often = s->worker_hang_timeout / 8;

    return often > 0 && often < HEARTBEAT_US ? often : HEARTBEAT_US;
}

/* Also what workers saw of the service's clock. */
static void check_clock(struct tg_keeper *k, uint64_t now)
{
    int64_t ahead;

    if (!tg_credential_map_clock(k->settings->credential_map, &ahead) ||
        (ahead <= CLOCK_OFF_S && ahead >= -CLOCK_OFF_S) ||
        (k->warned_clock != 0 && now - k->warned_clock < CLOCK_WARNED_US))
        return;
    k->warned_clock = now;
    tg_log(TG_LOG_WARN, "keeper",
           "the service's clock is %ld s ahead of this machine's: signatures will be refused",
           (long)ahead);
}

static void on_heartbeat(void *owner)
{
    struct tg_keeper *k = owner;
    uint64_t now = tg_clock_mono_now();

    CHECK_MAGIC(k, KEEPER_MAGIC);
    tg_credential_map_turned(k->settings->credential_map, now);
    for (unsigned i = 0; i < TG_CREDENTIALS; i++)
        if (k->refresh[i] != NULL)
            tg_refresh_tick(k->refresh[i]);
    check_clock(k, now);
    tg_timer_set(&k->heartbeat, now, heartbeat_interval(k->settings));
}

/* --- life --- */

struct tg_keeper *tg_keeper_new(const struct tg_settings *settings)
{
    struct tg_keeper *k = calloc(1, sizeof(*k));

    CHECK(k != NULL && tg_keeper_wanted(settings));
    k->magic = KEEPER_MAGIC;
    k->settings = settings;
    tg_loop_open(&k->loop);
    k->client = tg_http_client_new(k->loop.base);
    k->watch = tg_watch_new(k->loop.base, on_change, k);
    for (const struct tg_credential_conf *c = settings->credentials; c != NULL; c = c->next) {
        if (c->source.kind == TG_SOURCE_ENV)
            continue; /* read with the configuration, and this process has it no more */
        k->refresh[c->number] =
            tg_refresh_new(k->loop.base, k->client, c, settings->credential_map);
        if (k->watch != NULL && c->source.kind == TG_SOURCE_FILE)
            tg_watch_add(k->watch, c->source.path.p);
    }
    k->bell = event_new(k->loop.base, tg_credential_map_bell(settings->credential_map),
                        EV_READ | EV_PERSIST, on_bell, k);
    CHECK(k->bell != NULL && event_add(k->bell, NULL) == 0);
    tg_timer_init(&k->heartbeat, k->loop.base, on_heartbeat, k);
    on_heartbeat(k);
    return k;
}

struct event_base *tg_keeper_base(const struct tg_keeper *k)
{
    return k->loop.base;
}

void tg_keeper_run(struct tg_keeper *k)
{
    while (!k->stopping)
        tg_loop_turn(&k->loop);
}

void tg_keeper_stop(struct tg_keeper *k)
{
    k->stopping = true;
    event_base_loopbreak(k->loop.base);
}

void tg_keeper_end(struct tg_keeper *k)
{
    if (k == NULL)
        return;
    for (unsigned i = 0; i < TG_CREDENTIALS; i++)
        tg_refresh_end(k->refresh[i]);
    tg_http_client_end(k->client);
    tg_watch_end(k->watch);
    event_free(k->bell);
    tg_timer_end(&k->heartbeat);
    tg_loop_end(&k->loop);
    k->magic = 0;
    free(k);
}

/* --- what it needs --- */

/* The file a proxy's certificate is checked by. */
static struct tg_str proxy_ca(const struct tg_credential_conf *c)
{
    if (c->proxy == NULL || !c->proxy->tls)
        return TG_STR("");
    return c->proxy->ca.n > 0 ? c->proxy->ca : TG_STR(TG_AUTHORITIES);
}

const char *tg_keeper_file(const struct tg_settings *s, unsigned i)
{
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        const struct tg_str files[FILES_EACH] = {c->source.path, c->tls_ca, proxy_ca(c)};

        for (unsigned f = 0; f < FILES_EACH; f++)
            if (files[f].n > 0 && i-- == 0)
                return files[f].p;
    }
    return NULL;
}

/* Names are asked for over TCP where an answer does not fit. */
uint16_t tg_keeper_port(const struct tg_settings *s, unsigned i)
{
    if (i == 0)
        return DNS;
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next)
        if (c->port != 0 && --i == 0)
            return c->proxy != NULL ? c->proxy->server.port : c->port;
    return 0;
}

/* --- trying --- */

static void add_outcome(const struct tg_settings *s, const struct tg_credential_conf *c,
                        struct tg_buf *words)
{
    struct tg_credential_status status;
    char when[TG_CLOCK_TEXT] = "";
    int64_t now = tg_clock_wall_now() / 1000000;

    tg_credential_map_status(s->credential_map, c->number, now, &status);
    if (status.expires_at != 0)
        tg_clock_text(status.expires_at * 1000000, when);
    if (status.state == TG_CREDENTIAL_FRESH)
        tg_buf_printf(words, "[notice] credential \"%s\": key %s, %s%s\n", c->name.p,
                      status.access_key, when[0] != '\0' ? "until " : "without an end", when);
    else
        tg_buf_printf(words, "[emerg] credential \"%s\" has no key: %s\n", c->name.p, status.error);
}

static bool have_all_tried(const struct tg_keeper *k)
{
    for (unsigned i = 0; i < TG_CREDENTIALS; i++)
        if (k->refresh[i] != NULL && tg_refresh_count(k->refresh[i]) == 0)
            return false;
    return true;
}

bool tg_keeper_try(const struct tg_settings *s, struct tg_buf *words)
{
    struct tg_keeper *k = tg_keeper_new(s);
    bool good = true;

    while (!have_all_tried(k))
        tg_loop_turn(&k->loop);
    for (const struct tg_credential_conf *c = s->credentials; c != NULL; c = c->next) {
        add_outcome(s, c, words);
        good &= tg_credential_map_state(s->credential_map, c->number,
                                        tg_clock_wall_now() / 1000000) == TG_CREDENTIAL_FRESH;
    }
    tg_keeper_end(k);
    return good;
}
