/* Counts, adds up and hands out the slots of the shared counters. */
#include "shm/stats.h"

#include "audit/record.h"
#include "base/check.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    HEARTBEAT_LATE_US = 15000000, /* a worker that turned no loop for so long hangs */
    HEAD_TRIES = 1000             /* to read what its writer writes once a second */
};

const uint64_t tg_stats_bounds[TG_STATS_BUCKETS - 1] = {5000,    10000,   25000,   50000,   75000,
                                                        100000,  250000,  500000,  750000,  1000000,
                                                        2500000, 5000000, 7500000, 10000000};

const uint64_t tg_stats_phase_bounds[TG_STATS_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

struct tg_stats *tg_stats_new(void)
{
    struct tg_stats *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(s != MAP_FAILED);
    s->started = tg_clock_wall_now();
    s->routes = s->rules = 1;
    s->last_reload_well = true;
    tg_feed_init(&s->feed);
    return s;
}

void tg_stats_end(struct tg_stats *s)
{
    if (s != NULL)
        munmap(s, sizeof(*s));
}

struct tg_stats_slot *tg_stats_take(struct tg_stats *s, unsigned index, unsigned number)
{
    struct tg_stats_slot *slot;

    CHECK(index < TG_STATS_SLOTS);
    slot = &s->slot[index];
    CHECK(slot->pid == 0);
    memset(slot, 0, sizeof(*slot));
    slot->number = number;
    slot->started = slot->heartbeat = tg_clock_mono_now();
    slot->pid = -1; /* taken; fork() gives the number */
    return slot;
}

unsigned tg_stats_route(struct tg_stats *s, struct tg_str pattern)
{
    for (unsigned i = 1; i < s->routes; i++)
        if (tg_str_eq(tg_str_of(s->route[i]), pattern))
            return i;
    if (s->routes == TG_STATS_ROUTES || pattern.n >= TG_STATS_ROUTE_TEXT)
        return 0;
    memcpy(s->route[s->routes], pattern.p, pattern.n);
    return s->routes++;
}

static void copy_text(char *to, size_t size, struct tg_str text)
{
    size_t n = text.n < size ? text.n : size - 1;

    if (n > 0)
        memcpy(to, text.p, n);
    to[n] = '\0';
}

static bool is_rule(const struct tg_stats_rule *e, struct tg_str policy, struct tg_str rule,
                    struct tg_str mode)
{
    return tg_str_eq(tg_str_of(e->rule), rule) && tg_str_eq(tg_str_of(e->policy), policy) &&
           tg_str_eq(tg_str_of(e->mode), mode);
}

uint16_t tg_stats_rule(struct tg_stats *s, struct tg_str policy, struct tg_str rule,
                       struct tg_str mode)
{
    struct tg_stats_rule *e;

    for (uint16_t i = 1; i < s->rules; i++)
        if (is_rule(&s->rule[i], policy, rule, mode))
            return i;
    if (s->rules == TG_RULE_PLACES)
        return 0;
    e = &s->rule[s->rules];
    CHECK(policy.n < sizeof(e->policy) && rule.n < sizeof(e->rule) && mode.n < sizeof(e->mode));
    copy_text(e->policy, sizeof(e->policy), policy);
    copy_text(e->rule, sizeof(e->rule), rule);
    copy_text(e->mode, sizeof(e->mode), mode);
    return (uint16_t)s->rules++;
}

/* --- names --- */

static uint32_t hash(enum tg_stats_what what, struct tg_str text)
{
    uint32_t h = 2166136261U ^ what;

    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 16777619U;
    return h;
}

static bool same(const struct tg_stats_name *e, enum tg_stats_what what, struct tg_str text)
{
    return e->what == what && strncmp(e->text, text.p, text.n) == 0 && e->text[text.n] == '\0';
}

/* The entry of a name, made on first sight; NULL when the table is full, or the name too long: cut,
 * it would be counted as another's. A reader that sees `what` set sees the text. */
static struct tg_stats_name *find_name(struct tg_stats_slot *slot, enum tg_stats_what what,
                                       struct tg_str text)
{
    uint32_t at;

    if (text.n >= TG_STATS_NAME_TEXT)
        return NULL;
    at = hash(what, text);
    for (unsigned i = 0; i < TG_STATS_NAMES; i++) {
        struct tg_stats_name *e = &slot->names[(at + i) % TG_STATS_NAMES];

        if (e->what == 0) {
            memcpy(e->text, text.p, text.n);
            e->text[text.n] = '\0';
            __atomic_store_n(&e->what, what, __ATOMIC_RELEASE);
            return e;
        }
        if (same(e, what, text))
            return e;
    }
    return NULL;
}

static void count_name(struct tg_stats_slot *slot, enum tg_stats_what what, struct tg_str text,
                       uint64_t n, int64_t last)
{
    struct tg_stats_name *e = find_name(slot, what, text);

    if (e == NULL) {
        slot->counts.names_lost += n;
        return;
    }
    e->n += n;
    if (last > e->last)
        e->last = last;
}

static void count_rule(struct tg_stats_slot *slot, unsigned place, unsigned result, int64_t time)
{
    CHECK(place < TG_RULE_PLACES && result >= TG_RULE_PASS && result <= TG_RULE_RESULTS);
    slot->counts.rules[place][result - 1]++;
    if (result != TG_RULE_PASS && time > slot->rule_last[place])
        slot->rule_last[place] = time;
}

static void count_policies(struct tg_stats_slot *slot, const struct tg_report *report, int64_t time)
{
    for (const struct tg_policy_judged *p = report->judged; p != NULL; p = p->next)
        count_name(slot, TG_STATS_JUDGED, p->policy, 1, time);
    for (const struct tg_rule_counts *c = report->counts; c != NULL; c = c->next)
        for (unsigned i = 0; i < c->n; i++)
            count_rule(slot, c->of[i] / 8U, c->of[i] % 8U, time);
}

/* What came of one look, in one word. */
static const char *look_result(const struct tg_lookup_span *s)
{
    if (s->why.n > 0)
        return "failed";
    if (s->status == 401 || s->status == 403)
        return "refused";
    return s->cached == TG_SPAN_ASKED ? "asked" : s->cached == TG_SPAN_STALE ? "stale" : "kept";
}

static void count_lookups(struct tg_stats_slot *slot, const struct tg_request *r, int64_t time)
{
    for (const struct tg_lookup_span *s = r->lookups; s != NULL; s = s->next) {
        char text[TG_STATS_NAME_TEXT];
        int n = snprintf(text, sizeof(text), "%s\n%s", s->what, look_result(s));

        CHECK(n > 0);
        count_name(slot, TG_STATS_LOOKUP, (struct tg_str){text, (size_t)n}, 1, time);
    }
}

static void count_findings(struct tg_stats_slot *slot, const struct tg_request *r, int64_t time)
{
    if (r->doc != NULL)
        for (const struct tg_change *c = r->doc->changes; c != NULL; c = c->next)
            count_name(slot, TG_STATS_NORMALIZATION, tg_str_of(c->why), 1, time);
    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next)
        if (f->severity == TG_VIOLATION)
            count_name(slot, TG_STATS_VIOLATION, tg_str_of(f->rule), 1, time);
    count_policies(slot, &r->report, time);
    count_lookups(slot, r, time);
}

/* --- counting --- */

static void observe(struct tg_stats_histogram *h, const uint64_t *bounds, uint64_t us)
{
    unsigned i = 0;

    while (i < TG_STATS_BUCKETS - 1 && us > bounds[i])
        i++;
    h->bucket[i]++;
    h->sum_us += us;
}

/* A phase that did not happen takes no time. */
static void observe_phase(struct tg_stats_slot *slot, unsigned phase, uint64_t us)
{
    CHECK(phase < TG_STATS_PHASES);
    if (us > 0)
        observe(&slot->counts.phase[phase], tg_stats_phase_bounds, us);
}

/* A refusal is one whether its body can be read or not; a success is one that was seen whole. */
static unsigned outcome_of(const struct tg_audit_record *record)
{
    if (record->upstream_failed || record->upstream_status >= 400)
        return TG_STATS_FAILURE;
    return record->outcome_unknown || record->end != TG_E_DONE ? TG_STATS_UNKNOWN
                                                               : TG_STATS_SUCCESS;
}

static void count_auth(struct tg_stats_counts *c, const struct tg_audit_record *record)
{
    const struct tg_request *r = record->request;
    unsigned result = TG_STATS_AUTH_OTHER;

    if (r->auth_kind == 0)
        return;
    if (tg_error_is_auth(r->error))
        result = TG_STATS_AUTH_FAILED + r->error - TG_E_AUTH_MISSING;
    else if (r->auth_verified || r->auth_kind == TG_AUTH_TOKEN || r->auth_kind == TG_AUTH_ANY)
        result = TG_STATS_AUTH_PASSED;
    c->auth[r->auth_kind][result]++;
    if (r->auth_kind == TG_AUTH_AKSK && result == TG_STATS_AUTH_PASSED)
        c->auth_forms[r->auth_form]++;
}

void tg_stats_exchange(struct tg_stats_slot *slot, unsigned route,
                       const struct tg_audit_record *record)
{
    unsigned class = (unsigned)record->status / 100;

    if (slot == NULL)
        return;
    CHECK(route < TG_STATS_ROUTES && record->end < TG_E_COUNT);
    CHECK(tg_audit_decision(record) >= 1 && tg_audit_decision(record) <= TG_DECISIONS);
    if (class >= TG_STATS_CLASSES)
        class = 0;
    slot->counts.requests[route][tg_audit_decision(record) - 1][class]++;
    slot->counts.ends[record->end]++;
    if (record->upstream_status > 0)
        slot->counts.outcomes[outcome_of(record)]++;
    slot->counts.bytes_in += record->bytes_in;
    slot->counts.bytes_out += record->bytes_out;
    slot->counts.changed += tg_audit_changed(record);
    observe(&slot->counts.duration[route], tg_stats_bounds, record->duration_us);
    observe_phase(slot, TG_STATS_FILTERS, record->filter_us);
    observe_phase(slot, TG_STATS_CONNECT, record->connect_us);
    observe_phase(slot, TG_STATS_UPSTREAM, record->upstream_us);
    if (record->pool_us > 0)
        observe(&slot->counts.pool_wait, tg_stats_phase_bounds, record->pool_us);
    count_findings(slot, record->request, record->time);
    count_auth(&slot->counts, record);
}

void tg_stats_turn(struct tg_stats_slot *slot, const struct tg_stats_gauges *gauges,
                   const struct tg_audit *audit)
{
    struct tg_audit_counts counts;
    const char *trouble = tg_audit_trouble(audit);

    tg_audit_count(audit, &counts);
    slot->gauges = *gauges;
    slot->gauges.audit_queued = counts.queued;
    slot->counts.audit_events = counts.events;
    slot->counts.audit_dropped_queue = counts.dropped_queue;
    slot->counts.audit_dropped_size = counts.dropped_size;
    slot->counts.audit_write_errors = counts.write_errors;
    slot->counts.audit_flushes = counts.flushes;
    if (trouble == NULL) {
        slot->trouble[0] = '\0';
        return;
    }
    strncpy(slot->trouble, trouble, sizeof(slot->trouble) - 1);
}

/* Written since the last look: the log has been handed something, and took it. */
void tg_stats_audit(struct tg_stats_slot *slot, const struct tg_audit *audit)
{
    struct tg_audit_standing now;

    tg_audit_stands(audit, &now);
    if (now.stream.n == 0 || now.seq == slot->audit_seq)
        return;
    if (slot->trouble[0] == '\0')
        slot->audit_written = tg_clock_wall_now();
    __atomic_add_fetch(&slot->audit_moves, 1, __ATOMIC_SEQ_CST);
    copy_text(slot->audit_stream, sizeof(slot->audit_stream), now.stream);
    copy_text(slot->audit_chain, sizeof(slot->audit_chain), now.chain);
    slot->audit_seq = now.seq;
    __atomic_add_fetch(&slot->audit_moves, 1, __ATOMIC_SEQ_CST);
}

bool tg_stats_audit_head(const struct tg_stats_slot *slot, struct tg_stats_head *out)
{
    for (unsigned i = 0; i < HEAD_TRIES; i++) {
        uint64_t before = __atomic_load_n(&slot->audit_moves, __ATOMIC_SEQ_CST);

        memcpy(out->stream, slot->audit_stream, sizeof(out->stream));
        memcpy(out->chain, slot->audit_chain, sizeof(out->chain));
        out->seq = slot->audit_seq;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (before % 2 == 0 && before == __atomic_load_n(&slot->audit_moves, __ATOMIC_SEQ_CST))
            return out->stream[0] != '\0';
    }
    return false; /* its writer died while it wrote */
}

uint64_t tg_stats_reload(struct tg_stats *s)
{
    return __atomic_add_fetch(&s->reload, 1, __ATOMIC_ACQ_REL);
}

void tg_stats_set_answer(struct tg_stats *s, uint64_t number, bool well, struct tg_str text)
{
    struct tg_stats_answer *a = &s->answer[number % TG_STATS_ANSWERS];

    CHECK(number > 0);
    __atomic_store_n(&a->number, 0, __ATOMIC_SEQ_CST);
    copy_text(a->text, sizeof(a->text), text);
    a->well = well;
    s->last_reload_well = well;
    s->reloads[well]++;
    if (well) {
        s->generation++;
        s->reloaded = tg_clock_wall_now();
    }
    __atomic_store_n(&a->number, number, __ATOMIC_SEQ_CST);
}

bool tg_stats_answered(const struct tg_stats *s, uint64_t before, struct tg_stats_answer *out)
{
    for (uint64_t n = before + 1; n <= before + TG_STATS_ANSWERS; n++) {
        const struct tg_stats_answer *a = &s->answer[n % TG_STATS_ANSWERS];
        uint64_t number = __atomic_load_n(&a->number, __ATOMIC_SEQ_CST);

        if (number < n)
            continue;
        *out = *a;
        out->text[TG_STATS_ANSWER - 1] = '\0';
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&a->number, __ATOMIC_SEQ_CST) == number)
            return true;
    }
    return false;
}

/* --- configurations that did not come into force --- */

void tg_stats_watched(struct tg_stats *s, bool well)
{
    s->watch_reloads[well]++;
    if (well)
        s->watch_reloaded = s->reloaded;
}

void tg_stats_refuse(struct tg_stats *s, enum tg_audit_asker asked_by, struct tg_str revision,
                     struct tg_str why)
{
    uint64_t number = s->refusals + 1;
    struct tg_stats_refusal *r = &s->refusal[number % TG_STATS_REFUSALS];

    CHECK(why.n > 0);
    __atomic_store_n(&r->number, 0, __ATOMIC_SEQ_CST);
    r->asked_by = asked_by;
    copy_text(r->revision, sizeof(r->revision), revision);
    copy_text(r->why, sizeof(r->why), why);
    __atomic_store_n(&r->number, number, __ATOMIC_SEQ_CST);
    __atomic_store_n(&s->refusals, number, __ATOMIC_SEQ_CST);
}

/* False when it has been overwritten. */
static bool copy_refusal(const struct tg_stats *s, uint64_t number, struct tg_stats_refusal *out)
{
    const struct tg_stats_refusal *r = &s->refusal[number % TG_STATS_REFUSALS];

    *out = *r;
    out->revision[TG_SHA256_HEX] = out->why[TG_STATS_WHY - 1] = '\0';
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return out->number == number && __atomic_load_n(&r->number, __ATOMIC_SEQ_CST) == number;
}

bool tg_stats_take_refusal(struct tg_stats *s, struct tg_stats_refusal *out)
{
    uint64_t taken = __atomic_load_n(&s->refusals_taken, __ATOMIC_SEQ_CST);

    while (taken < __atomic_load_n(&s->refusals, __ATOMIC_SEQ_CST))
        if (__atomic_compare_exchange_n(&s->refusals_taken, &taken, taken + 1, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
            copy_refusal(s, ++taken, out))
            return true;
    return false;
}

bool tg_stats_last_refusal(const struct tg_stats *s, struct tg_stats_refusal *out)
{
    uint64_t number = __atomic_load_n(&s->refusals, __ATOMIC_SEQ_CST);

    return number > 0 && copy_refusal(s, number, out);
}

/* --- adding up --- */

static void add_words(uint64_t *to, const uint64_t *from, size_t bytes)
{
    CHECK(bytes % sizeof(uint64_t) == 0);
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        to[i] += from[i];
}

static void add_slot(struct tg_stats_slot *to, const struct tg_stats_slot *from)
{
    for (unsigned i = 0; i < TG_RULE_PLACES; i++)
        if (from->rule_last[i] > to->rule_last[i])
            to->rule_last[i] = from->rule_last[i];
    add_words((uint64_t *)&to->counts, (const uint64_t *)&from->counts, sizeof(to->counts));
    for (unsigned i = 0; i < TG_STATS_NAMES; i++) {
        const struct tg_stats_name *e = &from->names[i];
        enum tg_stats_what what = __atomic_load_n(&e->what, __ATOMIC_ACQUIRE);

        if (what != 0)
            count_name(to, what, tg_str_of(e->text), e->n, e->last);
    }
}

void tg_stats_fold(struct tg_stats *s, unsigned index)
{
    struct tg_stats_slot *slot = &s->slot[index];

    CHECK(index < TG_STATS_SLOTS && slot->pid != 0);
    __atomic_add_fetch(&s->folding, 1, __ATOMIC_ACQ_REL);
    add_slot(&s->past, slot);
    tg_feed_forget(&s->feed, index);
    slot->pid = 0;
    __atomic_add_fetch(&s->folding, 1, __ATOMIC_ACQ_REL);
}

static void sum_once(const struct tg_stats *s, struct tg_stats_slot *out)
{
    memset(out, 0, sizeof(*out));
    add_slot(out, &s->past);
    for (unsigned i = 0; i < TG_STATS_SLOTS; i++)
        if (s->slot[i].pid != 0) {
            add_slot(out, &s->slot[i]);
            add_words((uint64_t *)&out->gauges, (const uint64_t *)&s->slot[i].gauges,
                      sizeof(out->gauges));
        }
}

/* A slot that is folded meanwhile would count twice or not at all: then it is read again. The
 * master may have died in the middle: the third reading stands. */
void tg_stats_sum(const struct tg_stats *s, struct tg_stats_slot *out)
{
    for (unsigned turn = 0; turn < 3; turn++) {
        uint64_t before = __atomic_load_n(&s->folding, __ATOMIC_ACQUIRE);

        sum_once(s, out);
        if (before % 2 == 0 && before == __atomic_load_n(&s->folding, __ATOMIC_ACQUIRE))
            return;
    }
}

void tg_stats_by_decision(const struct tg_stats_counts *c, uint64_t out[TG_DECISIONS])
{
    memset(out, 0, TG_DECISIONS * sizeof(*out));
    for (unsigned r = 0; r < TG_STATS_ROUTES; r++)
        for (unsigned d = 0; d < TG_DECISIONS; d++)
            for (unsigned k = 0; k < TG_STATS_CLASSES; k++)
                out[d] += c->requests[r][d][k];
}

bool tg_stats_slot_turning(const struct tg_stats_slot *slot, uint64_t now, uint64_t late)
{
    return now <= slot->heartbeat + (late > HEARTBEAT_LATE_US ? late : HEARTBEAT_LATE_US);
}

bool tg_stats_turning(const struct tg_stats *s, uint64_t late)
{
    uint64_t now = tg_clock_mono_now();

    for (unsigned i = 0; i < TG_STATS_SLOTS; i++) {
        const struct tg_stats_slot *p = &s->slot[i];

        if (p->pid > 0 && !p->old && !tg_stats_slot_turning(p, now, late))
            return false;
    }
    return true;
}
