/* Questions on their way, and who waits for them. */
#include "live/lookup.h"

#include "base/check.h"
#include "base/clock.h"
#include "live/cache.h"
#include "live/newcomers.h"
#include "signing/signing.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_PAGES = 100 }; /* of one answer */

#define AFTER_FAILURE UINT64_C(1000000) /* until the service is asked again, microseconds */

/* A question on its way. */
struct tg_lookup_flight {
    struct tg_lookups *all;
    struct tg_cache_entry *entry; /* NULL: its answer is not kept */
    struct tg_lookup_ask ask;     /* its strings are in `own` */
    struct tg_arena own;
    struct tg_arena arena; /* of the value */
    void *value;
    unsigned pages;
    struct tg_str target; /* of the page asked for */
    uint64_t deadline;    /* monotonic */
    struct tg_fetch_job *job;
    struct tg_lookup *waiting;
    struct tg_lookup_flight *next; /* in the entry's list, or the loose ones' */
};

struct tg_lookups {
    const struct tg_host *host;
    struct tg_cache cache;
    struct tg_newcomers *newcomers;
    struct tg_lookup_flight *loose; /* without an entry */
};

/* --- spans --- */

static void tell(struct tg_lookup *l, const struct tg_lookup_ask *ask, enum tg_span_cached cached)
{
    struct tg_lookup_span *s = tg_arena_zalloc(l->request->arena, 1, sizeof(*s));
    struct tg_lookup_span **last = &l->request->lookups;

    s->what = ask->kind->what;
    s->status = l->status;
    s->cached = cached;
    s->why = l->why;
    s->us = cached == TG_SPAN_ASKED && l->started != 0 ? tg_clock_mono_now() - l->started : 0;
    while (*last != NULL)
        last = &(*last)->next;
    *last = s;
}

static enum tg_lookup_result found(struct tg_lookup *l, const struct tg_lookup_ask *ask,
                                   const struct tg_cache_entry *e, enum tg_span_cached cached)
{
    l->result = TG_LOOKUP_FOUND;
    l->status = 200;
    l->value = e->value;
    tell(l, ask, cached);
    return l->result;
}

static enum tg_lookup_result failed(struct tg_lookup *l, const struct tg_lookup_ask *ask,
                                    const char *why)
{
    l->result = TG_LOOKUP_FAILED;
    l->why = tg_arena_dup(l->request->arena, tg_str_of(why));
    tell(l, ask, TG_SPAN_FAILURE);
    return l->result;
}

/* --- flights --- */

static struct tg_lookup_flight **list_of(struct tg_lookup_flight *f)
{
    return f->entry != NULL ? &f->entry->flights : &f->all->loose;
}

static void unlink_flight(struct tg_lookup_flight *f)
{
    struct tg_lookup_flight **at = list_of(f);

    while (*at != f) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = f->next;
}

/* It knew a credential. */
static void free_flight(struct tg_lookup_flight *f)
{
    CHECK(f->waiting == NULL && f->job == NULL);
    tg_arena_wipe(&f->own);
    tg_arena_end(&f->own);
    tg_arena_end(&f->arena);
    free(f);
}

static void cancel_flight(struct tg_lookup_flight *f)
{
    struct tg_fetch_job *job = f->job;

    f->job = NULL;
    f->all->host->cancel(job);
    unlink_flight(f);
    free_flight(f);
}

/* Others than the one whose credential was refused ask again, with their own. */
static void tell_waiter(struct tg_lookup_flight *f, struct tg_lookup *l,
                        enum tg_lookup_result result, int status, const char *why)
{
    f->waiting = l->next;
    l->flight = NULL;
    l->status = status;
    l->alone = true;
    if (result != TG_LOOKUP_REFUSED || tg_str_eq(l->request->principal, f->ask.caller)) {
        l->result = result;
        l->value = f->value;
        l->why = tg_arena_dup(l->request->arena, tg_str_of(why));
        tell(l, &f->ask, TG_SPAN_ASKED);
    }
    (void)tg_resume(tg_request_handle(l->request));
}

static void log_failure(const struct tg_lookup_flight *f, const char *why)
{
    tg_log(TG_LOG_WARN, "lookup", "%s of upstream \"%.*s\" not known: %s", f->ask.kind->what,
           TG_STR_ARG(f->ask.upstream), why);
}

/* A service that gives no answer is down for everybody; what it answers may be the matter of the
 * caller who asked. */
static void keep_failure(struct tg_lookup_flight *f, int status, const char *why)
{
    struct tg_str caller = status != 0 ? f->ask.caller : TG_STR("");

    tg_cache_failed(f->entry, why, caller, tg_clock_mono_now() + AFTER_FAILURE);
}

static void keep_value(struct tg_lookup_flight *f, int64_t ends)
{
    struct tg_cache_entry *e = f->entry;
    uint64_t now = tg_clock_mono_now();

    e->fresh_until = now + (uint64_t)f->ask.ttl;
    e->served_until = e->fresh_until + (uint64_t)f->ask.stale;
    if (ends != 0) {
        int64_t left = ends - tg_clock_wall_now();
        uint64_t until = now + (left > 0 ? (uint64_t)left : 0);

        e->fresh_until = until < e->fresh_until ? until : e->fresh_until;
        e->served_until = until < e->served_until ? until : e->served_until;
    }
    e->retry_at = 0;
    if (e->value != NULL && f->ask.kind->on_change != NULL)
        f->ask.kind->on_change(e->value, f->value);
    tg_cache_set(&f->all->cache, e, f->value, &f->arena);
    tg_cache_admit(&f->all->cache, e, f->ask.caller, now, e->served_until);
}

static void finish(struct tg_lookup_flight *f, enum tg_lookup_result result, int status,
                   int64_t ends, const char *why)
{
    struct tg_lookups *all = f->all;

    unlink_flight(f);
    if (result == TG_LOOKUP_FAILED)
        log_failure(f, why);
    if (f->entry != NULL && result == TG_LOOKUP_FAILED)
        keep_failure(f, status, why);
    else if (f->entry != NULL && result == TG_LOOKUP_FOUND)
        keep_value(f, ends);
    while (f->waiting != NULL)
        tell_waiter(f, f->waiting, result, status, why);
    free_flight(f);
    tg_cache_shrink(&all->cache, NULL);
}

/* --- the answer --- */

static void ask_page(struct tg_lookup_flight *f);

static void take_page(struct tg_lookup_flight *f, struct tg_str body)
{
    struct tg_lookup_page page = {
        .arena = &f->arena, .value = f->value, .number = f->pages, .body = body, .ask = &f->ask};
    const char *why = f->ask.kind->on_page(&page);

    if (why == NULL && page.next.n > 0 && ++f->pages >= MAX_PAGES)
        why = "it has no end of pages";
    if (why != NULL) {
        finish(f, TG_LOOKUP_FAILED, 200, 0, why);
    } else if (page.next.n > 0) {
        f->target = page.next;
        ask_page(f);
    } else {
        finish(f, TG_LOOKUP_FOUND, 200, page.ends, "");
    }
}

static void on_answer(void *owner, const struct tg_fetch_answer *a)
{
    struct tg_lookup_flight *f = owner;
    char why[64];

    f->job = NULL;
    if (a->error != TG_E_DONE) {
        finish(f, TG_LOOKUP_FAILED, 0, 0,
               a->why[0] != '\0' ? a->why : tg_error_info(a->error)->message);
    } else if (a->status == 200) {
        take_page(f, a->body);
    } else if (a->status == 404) {
        finish(f, TG_LOOKUP_NONE, a->status, 0, "");
    } else if (a->status == 401 || a->status == 403) {
        finish(f, TG_LOOKUP_REFUSED, a->status, 0, "");
    } else {
        snprintf(why, sizeof(why), "it was answered %d", a->status);
        finish(f, TG_LOOKUP_FAILED, a->status, 0, why);
    }
}

static bool on_head(void *owner, struct tg_str host, struct tg_buf *out)
{
    const struct tg_lookup_flight *f = owner;

    if (f->ask.signing != NULL)
        return tg_sign_own(f->ask.signing, f->ask.project, f->target, host, out);
    for (unsigned i = 0; i < TG_LOOKUP_FIELDS && f->ask.fields[i].name.n > 0; i++)
        tg_fields_add(out, f->ask.fields[i].name, f->ask.fields[i].value);
    return true;
}

static void ask_page(struct tg_lookup_flight *f)
{
    uint64_t now = tg_clock_mono_now();
    struct tg_fetch fetch = {.upstream = f->ask.upstream,
                             .target = f->target,
                             .what = tg_str_of(f->ask.kind->what),
                             .request_id = f->ask.request_id,
                             .timeout = f->deadline > now ? (int64_t)(f->deadline - now) : 1,
                             .on_head = on_head,
                             .on_answer = on_answer,
                             .owner = f};

    f->job = f->all->host->fetch(f->all->host, &fetch);
}

static void copy_ask(struct tg_lookup_flight *f, const struct tg_lookup_ask *ask)
{
    struct tg_str *strings[] = {&f->ask.upstream,       &f->ask.subject,
                                &f->ask.target,         &f->ask.caller,
                                &f->ask.project,        &f->ask.request_id,
                                &f->ask.fields[0].name, &f->ask.fields[0].value,
                                &f->ask.fields[1].name, &f->ask.fields[1].value};

    f->ask = *ask;
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        *strings[i] = tg_arena_dup(&f->own, *strings[i]);
    if (f->ask.target.n == 0)
        f->ask.target = ask->kind->target(&f->own, &f->ask);
}

static struct tg_lookup_flight *start(struct tg_lookups *all, struct tg_cache_entry *e,
                                      const struct tg_lookup_ask *ask)
{
    struct tg_lookup_flight *f = calloc(1, sizeof(*f));
    struct tg_lookup_flight **list;

    CHECK(f != NULL && ask->caller.n > 0 && ask->timeout > 0);
    f->all = all;
    f->entry = e;
    tg_arena_init(&f->own);
    tg_arena_init(&f->arena);
    copy_ask(f, ask);
    f->value = tg_arena_zalloc(&f->arena, 1, ask->kind->value_size);
    f->target = f->ask.target;
    f->deadline = tg_clock_mono_now() + (uint64_t)ask->timeout;
    list = list_of(f);
    f->next = *list;
    *list = f;
    ask_page(f);
    return f;
}

/* --- asking --- */

static enum tg_lookup_result wait_for(struct tg_lookup *l, struct tg_lookup_flight *f)
{
    l->flight = f;
    l->next = f->waiting;
    f->waiting = l;
    if (l->started == 0)
        l->started = tg_clock_mono_now();
    (void)tg_wait(l->request, f->ask.kind->doing, (unsigned)(f->ask.timeout / 1000) + 1000);
    return TG_LOOKUP_WAIT;
}

/* One that is on its way and whose answer may be told to the caller. */
static struct tg_lookup_flight *flight_for(const struct tg_cache_entry *e,
                                           const struct tg_lookup *l,
                                           const struct tg_lookup_ask *ask)
{
    for (struct tg_lookup_flight *f = e->flights; f != NULL; f = f->next)
        if (tg_str_eq(f->ask.caller, ask->caller) || (ask->trusted && !l->alone))
            return f;
    return NULL;
}

static bool may_be_served(const struct tg_cache_entry *e, const struct tg_lookup_ask *ask,
                          uint64_t now)
{
    return e->value != NULL && now < e->served_until &&
           (ask->trusted || tg_cache_admits(e, ask->caller, now));
}

static enum tg_lookup_result ask_kept(struct tg_lookups *all, struct tg_lookup *l,
                                      const struct tg_lookup_ask *ask)
{
    struct tg_cache_entry *e =
        tg_cache_get(&all->cache, ask->kind, ask->upstream, ask->subject, true);
    uint64_t now = tg_clock_mono_now();
    struct tg_lookup_flight *f;

    if (may_be_served(e, ask, now) && now < e->fresh_until)
        return found(l, ask, e, TG_SPAN_FRESH);
    if (may_be_served(e, ask, now)) {
        if (e->flights == NULL && !tg_cache_has_failed(e, ask->caller, now))
            (void)start(all, e, ask);
        return found(l, ask, e, TG_SPAN_STALE);
    }
    if (tg_cache_has_failed(e, ask->caller, now))
        return failed(l, ask, e->failure);
    f = flight_for(e, l, ask);
    return wait_for(l, f != NULL ? f : start(all, e, ask));
}

enum tg_lookup_result tg_lookup(struct tg_request *r, struct tg_lookup *l,
                                const struct tg_lookup_ask *ask)
{
    struct tg_lookup_ask own = *ask;
    struct tg_lookups *all;

    CHECK(r->host != NULL && r->host->lookups != NULL && l->flight == NULL);
    if (l->result != 0)
        return l->result;
    all = r->host->lookups;
    l->request = r;
    own.request_id = r->request_id;
    return own.kind->kept ? ask_kept(all, l, &own) : wait_for(l, start(all, NULL, &own));
}

void tg_lookup_done(struct tg_lookup *l)
{
    struct tg_lookup_flight *f = l->flight;
    struct tg_lookup **at;

    if (f == NULL)
        return;
    for (at = &f->waiting; *at != l; at = &(*at)->next)
        CHECK(*at != NULL);
    *at = l->next;
    l->flight = NULL;
    if (f->waiting == NULL && f->entry == NULL) /* nobody else wants to know */
        cancel_flight(f);
}

bool tg_lookup_is_kept(const struct tg_request *r, const struct tg_lookup_ask *ask)
{
    const struct tg_cache_entry *e =
        tg_cache_get(&r->host->lookups->cache, ask->kind, ask->upstream, ask->subject, false);

    return e != NULL && (e->flights != NULL || may_be_served(e, ask, tg_clock_mono_now()));
}

bool tg_lookup_newcomer(const struct tg_request *r, uint64_t most)
{
    return tg_newcomers_admit(r->host->lookups->newcomers, r->client_address, tg_clock_mono_now(),
                              most);
}

/* --- life --- */

struct tg_lookups *tg_lookups_new(const struct tg_host *host, size_t most)
{
    struct tg_lookups *all = calloc(1, sizeof(*all));

    CHECK(all != NULL);
    all->host = host;
    all->cache.most = most;
    all->newcomers = tg_newcomers_new();
    return all;
}

void tg_lookups_end(struct tg_lookups *all)
{
    if (all == NULL)
        return;
    while (all->loose != NULL)
        cancel_flight(all->loose);
    for (struct tg_cache_entry *e = all->cache.oldest; e != NULL; e = e->newer)
        while (e->flights != NULL)
            cancel_flight(e->flights);
    tg_cache_end(&all->cache);
    free(all->newcomers);
    free(all);
}
