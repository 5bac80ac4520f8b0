/* Names to addresses: the hosts file, the search list, and which name server is asked when. */
#include "net/resolver.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "net/name_server.h"

#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RESOLVER_MAGIC = 0x72736c76,
    LOOKUP_MAGIC = 0x6c6f6f6b,
    GRACE_US = 50000, /* for the other family, RFC 8305 section 3 */
    SILENT_US = 30000000,
    SHARES = 4, /* a server's first share of the time is a quarter of what is there for each */
    MIN_SHARE_US = 10000,
    MAX_SHARE_US = 1000000,
    MAX_DOUBLED = 8,
    MAX_WHY = 400
};

/* A question to one server. */
struct attempt {
    struct tg_lookup *lookup; /* NULL: nobody waits for the answer any more */
    struct family *family;
    struct tg_name_server *server;
    uint64_t asked;       /* monotonic */
    struct attempt *next; /* of the look-up */
};

enum family_state { ASKED = 1, FOUND, NONE, FAILED };

/* One family of addresses in a look-up. */
struct family {
    struct tg_lookup *lookup;
    int family; /* AF_INET, AF_INET6 */
    enum family_state state;
    bool unable;        /* a server could not tell: another one is to be asked */
    unsigned nattempts; /* under way */
    unsigned nasked;
    unsigned asked[TG_NAME_SERVERS]; /* how often each server was */
    struct tg_timer timer;           /* the share of the server that was asked last */
};

struct tg_lookup {
    uint32_t magic;
    struct tg_resolver *resolver;
    const struct tg_lookup_events *events;
    void *owner;
    char name[TG_NAME_TEXT];
    char candidate[TG_NAME_TEXT];
    unsigned ncandidates;     /* those before, and this one */
    struct tg_name_conf conf; /* of when it began */
    int64_t share;
    struct family v4, v6;
    struct tg_name_addresses found;
    struct attempt *attempts;
    struct event turn; /* something was learnt */
    struct tg_timer grace;
    struct tg_timer budget;
    bool no_grace;     /* the other family had its time */
    bool announced;    /* the owner knows the first family */
    bool unable;       /* no server could tell of one of the candidates */
    char why[MAX_WHY]; /* the last trouble with a server */
    struct tg_lookup *next;
};

struct tg_resolver {
    uint32_t magic;
    struct event_base *base;
    const char *resolv_conf;
    const char *hosts;
    struct tg_buf bytes; /* of resolv.conf, as last read */
    bool has_read;
    struct tg_name_conf conf;
    struct tg_name_server *servers; /* in the order of resolv.conf */
    struct tg_name_server *retired; /* former ones */
    struct tg_lookup *lookups;
};

/* --- the files --- */

/* Reads a file whole; one that is not there is empty. False, and the log says why, when it cannot
 * be read. */
static bool resolver_read_file(struct tg_arena *arena, const char *path, struct tg_str *out)
{
    struct tg_file file = {.text = {NULL, 0}};
    const char *why = NULL;

    if (access(path, F_OK) == 0)
        why = tg_file_read(arena, path, &file);
    if (why != NULL)
        tg_log(TG_LOG_WARN, "resolver", "cannot read %s: %s", path, why);
    *out = file.text;
    return why == NULL;
}

/* Frees servers nobody waits for. Not from inside an answer. */
static void reap_retired(struct tg_resolver *r)
{
    for (struct tg_name_server **at = &r->retired, *s; (s = *at) != NULL;) {
        if (s->nqueries > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        tg_name_server_end(s);
    }
}

static uint64_t known_silence(const struct tg_name_server *list,
                              const struct sockaddr_storage *address)
{
    for (; list != NULL; list = list->next)
        if (memcmp(&list->address, address, sizeof(*address)) == 0)
            return list->silent_until;
    return 0;
}

static void retire(struct tg_resolver *r, struct tg_name_server *list)
{
    while (list != NULL) {
        struct tg_name_server *s = list;

        list = s->next;
        s->next = r->retired;
        r->retired = s;
    }
}

/* The servers resolv.conf names now; what is known of one that stays is kept. */
static void use_servers(struct tg_resolver *r)
{
    struct tg_name_server *former = r->servers, **at = &r->servers;

    for (unsigned i = 0; i < r->conf.nservers; i++) {
        *at = tg_name_server_new(r->base, &r->conf.server[i]);
        (*at)->silent_until = known_silence(former, &r->conf.server[i]);
        at = &(*at)->next;
    }
    CHECK(r->servers != NULL);
    retire(r, former);
}

/* Reads resolv.conf, and takes over what it says when its bytes are others than before. */
static void reload_conf(struct tg_resolver *r)
{
    struct tg_arena arena;
    struct tg_str now;

    tg_arena_init(&arena);
    if (!resolver_read_file(&arena, r->resolv_conf, &now))
        now = tg_buf_str(&r->bytes); /* what it said before goes on */
    if (!r->has_read || !tg_str_eq(now, tg_buf_str(&r->bytes))) {
        tg_name_conf_parse(&r->conf, now);
        use_servers(r);
        r->has_read = true;
        r->bytes.n = 0;
        tg_buf_add(&r->bytes, now);
    }
    tg_arena_end(&arena);
}

static bool find_in_hosts(struct tg_resolver *r, struct tg_str name, struct tg_name_addresses *out)
{
    struct tg_arena arena;
    struct tg_str bytes;
    bool found;

    tg_arena_init(&arena);
    (void)resolver_read_file(&arena, r->hosts, &bytes);
    found = tg_hosts_find(bytes, name, out);
    tg_arena_end(&arena);
    return found;
}

/* --- answers --- */

/* The look-up goes on from the loop: not from inside c-ares, nor from inside its owner. */
static void wake(struct tg_lookup *l)
{
    event_active(&l->turn, EV_TIMEOUT, 0);
}

static void add_found(struct tg_name_addresses *to, const struct tg_name_addresses *from)
{
    if (from->nv4 > 0)
        memcpy(to->v4, from->v4, sizeof(to->v4));
    if (from->nv6 > 0)
        memcpy(to->v6, from->v6, sizeof(to->v6));
    to->nv4 += from->nv4;
    to->nv6 += from->nv6;
    if (from->ttl < to->ttl)
        to->ttl = from->ttl;
}

static void take_answer(struct attempt *a, const struct tg_name_answer *answer)
{
    struct family *f = a->family;
    struct tg_lookup *l = a->lookup;

    if (f->state != ASKED)
        return; /* another server was faster */
    switch (answer->result) {
    case TG_NAME_FOUND:
        add_found(&l->found, answer->found);
        f->state = FOUND;
        break;
    case TG_NAME_NONE:
        f->state = NONE;
        break;
    case TG_NAME_SILENT:
    case TG_NAME_UNABLE:
        f->unable = true;
        snprintf(l->why, sizeof(l->why), "name server %s: %s", a->server->text, answer->why);
        break;
    }
    wake(l);
}

static void unlink_attempt(struct attempt *a)
{
    struct attempt **at = &a->lookup->attempts;

    while (*at != a) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = a->next;
}

static void resolver_on_answer(void *owner, const struct tg_name_answer *answer)
{
    struct attempt *a = owner;

    if (answer->result == TG_NAME_SILENT)
        a->server->silent_until = tg_clock_mono_now() + SILENT_US;
    if (a->lookup != NULL) {
        CHECK_MAGIC(a->lookup, LOOKUP_MAGIC);
        unlink_attempt(a);
        a->family->nattempts--;
        take_answer(a, answer);
    }
    free(a);
}

static void forget_attempts(struct tg_lookup *l)
{
    for (struct attempt *a = l->attempts, *next; a != NULL; a = next) {
        next = a->next;
        a->lookup = NULL;
    }
    l->attempts = NULL;
    l->v4.nattempts = l->v6.nattempts = 0;
}

/* --- questions --- */

/* Who was asked least often, then who was not silent, then who comes first in resolv.conf. */
static struct tg_name_server *pick_server(struct family *f, uint64_t now)
{
    struct tg_name_server *best = NULL;
    unsigned i = 0, at = 0;

    for (struct tg_name_server *s = f->lookup->resolver->servers; s != NULL; s = s->next, i++)
        if (best == NULL || f->asked[i] < f->asked[at] ||
            (f->asked[i] == f->asked[at] && best->silent_until > now && s->silent_until <= now)) {
            best = s;
            at = i;
        }
    CHECK(best != NULL);
    f->asked[at]++;
    f->nasked++;
    return best;
}

/* In a second round over all servers the shares are twice as long, and so on. */
static int64_t share_of(const struct family *f)
{
    unsigned round = (f->nasked - 1) / f->lookup->resolver->conf.nservers;

    return f->lookup->share << (round < MAX_DOUBLED ? round : MAX_DOUBLED);
}

static void resolver_ask(struct family *f)
{
    struct tg_lookup *l = f->lookup;
    struct attempt *a = calloc(1, sizeof(*a));
    uint64_t now = tg_clock_mono_now();

    CHECK(a != NULL);
    *a = (struct attempt){l, f, pick_server(f, now), now, l->attempts};
    l->attempts = a;
    f->state = ASKED;
    f->unable = false;
    f->nattempts++;
    tg_timer_set(&f->timer, now, share_of(f));
    tg_name_server_ask(a->server, l->candidate, f->family, resolver_on_answer, a);
}

/* The share of a server has passed: another one is asked too, and whoever has said nothing since
 * will be asked last for a while. */
static void on_share(void *owner)
{
    struct family *f = owner;
    struct tg_lookup *l = f->lookup;
    uint64_t now = tg_clock_mono_now();

    CHECK_MAGIC(l, LOOKUP_MAGIC);
    if (f->state != ASKED)
        return;
    for (struct attempt *a = l->attempts; a != NULL; a = a->next)
        if (a->family == f && a->server->answered < a->asked)
            a->server->silent_until = now + SILENT_US;
    resolver_ask(f);
}

static void ask_for_candidate(struct tg_lookup *l)
{
    forget_attempts(l);
    memset(l->v4.asked, 0, sizeof(l->v4.asked));
    memset(l->v6.asked, 0, sizeof(l->v6.asked));
    l->v4.nasked = l->v6.nasked = 0;
    resolver_ask(&l->v4);
    resolver_ask(&l->v6);
}

/* --- the course of a look-up --- */

static void lookup_free(struct tg_lookup *l)
{
    struct tg_lookup **at = &l->resolver->lookups;

    while (*at != l) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = l->next;
    forget_attempts(l);
    event_del(&l->turn);
    tg_timer_end(&l->grace);
    tg_timer_end(&l->budget);
    tg_timer_end(&l->v4.timer);
    tg_timer_end(&l->v6.timer);
    l->magic = 0;
    free(l);
}

static void resolver_fail(struct tg_lookup *l)
{
    const struct tg_lookup_events *events = l->events;
    void *owner = l->owner;
    char why[TG_NAME_TEXT + MAX_WHY + 2];

    snprintf(why, sizeof(why), "%s: %s", l->name,
             l->unable ? l->why : "no name server knows an address of this name");
    lookup_free(l);
    events->on_failed(owner, why);
}

/* Tells the owner, who may cancel the look-up meanwhile. */
static void resolver_tell(struct tg_lookup *l, bool last)
{
    const struct tg_lookup_events *events = l->events;
    struct tg_name_addresses found = l->found;
    void *owner = l->owner;

    l->announced = true;
    if (last)
        lookup_free(l);
    events->on_addresses(owner, &found, last);
}

static bool has_found(const struct tg_lookup *l)
{
    return l->found.nv4 + l->found.nv6 > 0;
}

static bool is_waiting(const struct tg_lookup *l)
{
    return l->v4.state == ASKED || l->v6.state == ASKED;
}

/* One family is there; the other one has a little time. */
static void tell_or_wait(struct tg_lookup *l)
{
    if (!is_waiting(l))
        resolver_tell(l, true);
    else if (l->announced)
        return;
    else if (l->no_grace)
        resolver_tell(l, false);
    else if (l->grace.deadline == 0)
        tg_timer_set(&l->grace, tg_clock_mono_now(), GRACE_US);
}

/* A server could not tell: the next one is asked at once, until each was asked and has answered. */
static void ask_another(struct family *f)
{
    if (f->state != ASKED || !f->unable)
        return;
    f->unable = false;
    if (f->nasked < f->lookup->resolver->conf.nservers)
        resolver_ask(f);
    else if (f->nattempts == 0) {
        f->state = FAILED;
        f->lookup->unable = true;
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct tg_lookup *l = arg;

    (void)fd, (void)what;
    CHECK_MAGIC(l, LOOKUP_MAGIC);
    ask_another(&l->v4);
    ask_another(&l->v6);
    if (has_found(l))
        tell_or_wait(l);
    else if (is_waiting(l))
        return;
    else if (tg_name_candidate(&l->conf, tg_str_of(l->name), l->ncandidates, l->candidate)) {
        l->ncandidates++;
        ask_for_candidate(l);
    } else
        resolver_fail(l);
}

static void on_grace(void *owner)
{
    struct tg_lookup *l = owner;

    CHECK_MAGIC(l, LOOKUP_MAGIC);
    l->no_grace = true;
    wake(l);
}

/* Names the servers that have said nothing. */
static void write_silence(struct tg_lookup *l)
{
    size_t n = (size_t)snprintf(l->why, sizeof(l->why), "no answer in time from name server");

    for (const struct tg_name_server *s = l->resolver->servers; s != NULL; s = s->next) {
        snprintf(l->why + n, sizeof(l->why) - n, " %s", s->text);
        n = strlen(l->why);
    }
}

static void on_budget(void *owner)
{
    struct tg_lookup *l = owner;

    CHECK_MAGIC(l, LOOKUP_MAGIC);
    write_silence(l);
    l->unable = true;
    if (has_found(l))
        resolver_tell(l, true);
    else
        resolver_fail(l);
}

/* --- the interface --- */

static void family_init(struct family *f, struct tg_lookup *l, int family)
{
    f->lookup = l;
    f->family = family;
    f->state = NONE;
    tg_timer_init(&f->timer, l->resolver->base, on_share, f);
}

static int64_t first_share(const struct tg_resolver *r, int64_t budget)
{
    int64_t share = budget / (int64_t)(SHARES * r->conf.nservers);

    return share < MIN_SHARE_US ? MIN_SHARE_US : share > MAX_SHARE_US ? MAX_SHARE_US : share;
}

static struct tg_lookup *lookup_new(struct tg_resolver *r, struct tg_str name)
{
    struct tg_lookup *l = calloc(1, sizeof(*l));

    CHECK(l != NULL);
    l->magic = LOOKUP_MAGIC;
    l->resolver = r;
    snprintf(l->name, sizeof(l->name), "%.*s", TG_STR_ARG(name));
    CHECK(event_assign(&l->turn, r->base, -1, 0, on_turn, l) == 0);
    tg_timer_init(&l->grace, r->base, on_grace, l);
    tg_timer_init(&l->budget, r->base, on_budget, l);
    family_init(&l->v4, l, AF_INET);
    family_init(&l->v6, l, AF_INET6);
    l->next = r->lookups;
    r->lookups = l;
    return l;
}

struct tg_lookup *tg_lookup_start(struct tg_resolver *r, struct tg_str name, int64_t budget,
                                  const struct tg_lookup_events *events, void *owner)
{
    struct tg_lookup *l = lookup_new(r, name);

    CHECK(budget > 0);
    l->events = events;
    l->owner = owner;
    if (!find_in_hosts(r, name, &l->found)) {
        reload_conf(r);
        reap_retired(r);
        l->conf = r->conf;
        l->ncandidates = name.n < TG_NAME_TEXT ? 0 : UINT_MAX; /* nobody can have a longer one */
        l->share = first_share(r, budget);
        tg_timer_set(&l->budget, tg_clock_mono_now(), budget);
    }
    wake(l);
    return l;
}

void tg_lookup_cancel(struct tg_lookup *l)
{
    if (l == NULL)
        return;
    CHECK_MAGIC(l, LOOKUP_MAGIC);
    lookup_free(l);
}

struct tg_resolver *tg_resolver_new(struct event_base *base, const char *resolv_conf,
                                    const char *hosts)
{
    struct tg_resolver *r = calloc(1, sizeof(*r));

    CHECK(r != NULL);
    r->magic = RESOLVER_MAGIC;
    r->base = base;
    r->resolv_conf = resolv_conf;
    r->hosts = hosts;
    return r;
}

void tg_resolver_end(struct tg_resolver *r)
{
    if (r == NULL)
        return;
    CHECK_MAGIC(r, RESOLVER_MAGIC);
    while (r->lookups != NULL)
        lookup_free(r->lookups);
    retire(r, r->servers);
    while (r->retired != NULL) {
        struct tg_name_server *s = r->retired;

        r->retired = s->next;
        tg_name_server_end(s);
    }
    tg_buf_end(&r->bytes);
    r->magic = 0;
    free(r);
}
