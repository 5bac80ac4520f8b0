/*
 * The log of one worker: records become lines in one queue, and a flush hands the queue to the
 * sink. A line gets its number and its place in the chain when it is queued, and leaves the queue
 * only when the sink has it, so a failure costs no line until the queue is full.
 */
#include "audit/audit.h"

#include "audit/chain.h"
#include "audit/conf.h"
#include "audit/record.h"
#include "audit/redact.h"
#include "audit/sink.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "chain/fetch.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    MAGIC = 0x41554449,
    QUEUE_MAX = 16 << 20,   /* bytes that may wait for a sink that takes nothing */
    QUEUE_FLUSH = 64 << 10, /* bytes after which a turn does not wait for its end */
    QUEUE_SYNC = 4 << 20,   /* the same in `strict`, where each time costs a sync */
    QUEUE_KEEP = 1 << 20,   /* bytes of memory an empty queue may hold */
    RETRY_US = 1000000,
    RECORD_MAX = 256 << 10,  /* bytes of a record */
    RECORD_DATAGRAM = 60000, /* the same where each goes into a datagram */
};

/* Where the sink stands: the newest line it has. */
struct mark {
    uint64_t seq; /* 0: none of this stream */
    char chain[TG_SHA256_HEX];
};

struct tg_audit {
    uint32_t magic;
    const struct tg_audit_conf *conf; /* borrowed */
    bool off;
    char stream[80];
    uint64_t seq; /* of the newest line */
    struct tg_audit_head head;
    struct tg_redact redact;
    struct tg_audit_chain chain;
    struct tg_buf queue; /* whole lines; into a pipe perhaps the rest of one first */
    struct tg_buf whole; /* the queue with what a new file needs before it */
    struct mark written;
    struct tg_sink sink;
    bool failing;
    uint64_t retry_at; /* monotonic, when failing */
    uint64_t lost;     /* records dropped that no line tells of yet */
    struct tg_audit_counts counts;
};

/* --- lines --- */

static size_t begin_line(struct tg_audit *a, int64_t time, const char *event)
{
    size_t start = a->queue.n;

    tg_audit_head_add(&a->head, &a->queue, time, ++a->seq, event);
    return start;
}

static void end_line(struct tg_audit *a, size_t start)
{
    tg_audit_chain_seal(&a->chain, &a->queue, start);
}

static void add_name(struct tg_buf *out, const char *name, struct tg_str value)
{
    tg_buf_puts(out, name);
    tg_buf_json(out, value);
}

static const char *const mode_words[] = {
    [TG_AUDIT_BATCH] = "batch", [TG_AUDIT_BLOCKING] = "blocking", [TG_AUDIT_STRICT] = "strict"};

static void add_bundle(struct tg_buf *out, struct tg_str bundle, struct tg_str signed_by)
{
    if (bundle.n == 0)
        return;
    add_name(out, ",\"policy.bundle\":", bundle);
    add_name(out, ",\"policy.signed_by\":", signed_by);
}

static void add_revisions(struct tg_buf *out, struct tg_str revision, const struct tg_str *loaded,
                          unsigned nloaded)
{
    if (revision.n > 0)
        add_name(out, ",\"configuration.revision\":", revision);
    for (unsigned i = 0; i < nloaded; i++)
        add_name(out, i == 0 ? ",\"policy.revisions\":[" : ",", loaded[i]);
    tg_buf_puts(out, nloaded > 0 ? "]" : "");
}

static void add_start(struct tg_audit *a, const struct tg_audit_line *previous)
{
    size_t start = begin_line(a, tg_clock_wall_now(), "start");
    struct tg_buf *out = &a->queue;

    add_name(out, ",\"version\":", TG_STR(TG_VERSION));
    tg_buf_puts(out, ",\"pid\":");
    tg_buf_u64(out, (uint64_t)getpid());
    if (a->conf->instance.n > 0)
        add_name(out, ",\"instance\":", a->conf->instance);
    add_revisions(out, a->conf->revision, a->conf->loaded, a->conf->nloaded);
    add_bundle(out, a->conf->bundle, a->conf->signed_by);
    add_name(out, ",\"mode\":", tg_str_of(mode_words[a->conf->mode]));
    add_name(out,
             ",\"chain_algorithm\":", a->chain.keyed ? TG_STR("hmac-sha256") : TG_STR("sha256"));
    if (a->chain.keyed)
        add_name(out, ",\"chain_key_id\":", (struct tg_str){a->chain.key_id, TG_KEY_ID_HEX});
    if (previous != NULL) {
        add_name(out, ",\"previous.stream\":", previous->stream);
        tg_buf_puts(out, ",\"previous.seq\":");
        tg_buf_u64(out, previous->seq);
        add_name(out, ",\"previous.chain\":", previous->chain);
    }
    end_line(a, start);
}

static const char *const asker_words[] = {[TG_AUDIT_ASKED_START] = "start",
                                          [TG_AUDIT_ASKED_SIGNAL] = "signal",
                                          [TG_AUDIT_ASKED_ADMIN] = "admin",
                                          [TG_AUDIT_ASKED_UPGRADE] = "upgrade",
                                          [TG_AUDIT_ASKED_WATCH] = "watch"};

static void add_configuration(struct tg_audit *a, const struct tg_audit_configuration *c)
{
    size_t start = begin_line(a, tg_clock_wall_now(), "configuration");
    struct tg_buf *out = &a->queue;

    CHECK(c->asked_by >= TG_AUDIT_ASKED_START && c->asked_by <= TG_AUDIT_ASKED_WATCH);
    add_name(out, ",\"asked_by\":", tg_str_of(asker_words[c->asked_by]));
    add_name(out, ",\"result\":", c->why.n > 0 ? TG_STR("failed") : TG_STR("done"));
    if (c->why.n > 0)
        add_name(out, ",\"why\":", c->why);
    add_revisions(out, c->revision, c->loaded, c->nloaded);
    if (c->why.n == 0)
        add_bundle(out, a->conf->bundle, a->conf->signed_by);
    end_line(a, start);
}

static void add_stop(struct tg_audit *a)
{
    size_t start = begin_line(a, tg_clock_wall_now(), "stop");

    tg_buf_puts(&a->queue, ",\"records\":");
    tg_buf_u64(&a->queue, a->counts.events - a->counts.dropped_queue);
    end_line(a, start);
}

/* Tells of what could not be recorded, or that writing works again. */
static void add_loss(struct tg_audit *a, uint64_t lost)
{
    size_t start = begin_line(a, tg_clock_wall_now(), lost > 0 ? "dropped" : "resume");

    if (lost > 0) {
        tg_buf_puts(&a->queue, ",\"count\":");
        tg_buf_u64(&a->queue, lost);
    }
    end_line(a, start);
}

/*
 * The first line of this stream in a file it moved to: says where in the chain the lines behind it
 * stand. It repeats the number of the last line in the file before and does not move the chain, so
 * it fits before lines that are queued already.
 */
static void add_continue(struct tg_audit *a, struct tg_buf *out)
{
    struct tg_str previous = {a->written.chain, TG_SHA256_HEX};
    size_t start = out->n;
    char now[TG_SHA256_HEX];

    tg_audit_head_add(&a->head, out, tg_clock_wall_now(), a->written.seq, "continue");
    add_name(out,
             ",\"chain_algorithm\":", a->chain.keyed ? TG_STR("hmac-sha256") : TG_STR("sha256"));
    if (a->chain.keyed)
        add_name(out, ",\"chain_key_id\":", (struct tg_str){a->chain.key_id, TG_KEY_ID_HEX});
    add_name(out, ",\"previous.chain\":", previous);
    memcpy(now, a->chain.at, sizeof(now));
    memcpy(a->chain.at, a->written.chain, sizeof(now));
    tg_audit_chain_seal(&a->chain, out, start);
    memcpy(a->chain.at, now, sizeof(now));
}

/* --- handing the queue to the sink --- */

/* Moves the mark over `n` bytes of whole lines at the queue's start. */
static void move_mark(struct tg_audit *a, size_t n)
{
    const char *newline = memrchr(a->queue.p, '\n', n);
    struct tg_str text;
    struct tg_str hex;

    /* Only a file can be moved to another one; in a pipe `n` may end within a line. */
    if (newline == NULL || !a->sink.regular)
        return;
    if (n == a->queue.n) {
        a->written.seq = a->seq;
        memcpy(a->written.chain, a->chain.at, TG_SHA256_HEX);
        return;
    }
    for (const char *p = a->queue.p; p <= newline; p++)
        a->written.seq += *p == '\n';
    CHECK(newline - a->queue.p > TG_AUDIT_CHAIN_TAIL);
    CHECK(tg_audit_chain_split(
        (struct tg_str){newline - TG_AUDIT_CHAIN_TAIL - 1, TG_AUDIT_CHAIN_TAIL + 1}, &text, &hex));
    memcpy(a->written.chain, hex.p, TG_SHA256_HEX);
}

static void leave_queue(struct tg_audit *a, size_t n)
{
    CHECK(n <= a->queue.n);
    move_mark(a, n);
    memmove(a->queue.p, a->queue.p + n, a->queue.n - n);
    a->queue.n -= n;
    if (a->queue.n == 0 && a->queue.cap > QUEUE_KEEP)
        tg_buf_end(&a->queue);
}

/* What has to stand before the queue in the file as it is now. */
static void add_prefix(struct tg_audit *a)
{
    a->whole.n = 0;
    if (a->sink.torn)
        tg_buf_putc(&a->whole, '\n');
    if (a->sink.fresh && a->written.seq > 0)
        add_continue(a, &a->whole);
}

/* One write of everything that waits. */
static enum tg_sink_result write_queue(struct tg_audit *a)
{
    enum tg_sink_result result;
    size_t used;
    size_t prefix;

    a->counts.flushes++;
    add_prefix(a);
    prefix = a->whole.n;
    if (prefix == 0) {
        result = tg_sink_write(&a->sink, tg_buf_str(&a->queue), &used);
    } else {
        tg_buf_add(&a->whole, tg_buf_str(&a->queue));
        result = tg_sink_write(&a->sink, tg_buf_str(&a->whole), &used);
        tg_buf_end(&a->whole);
        used = used > prefix ? used - prefix : 0;
    }
    leave_queue(a, used);
    return result;
}

static void fail(struct tg_audit *a)
{
    a->counts.write_errors++;
    if (!a->failing)
        tg_log(TG_LOG_CRIT, "audit", "the log cannot be written: %s", a->sink.why);
    a->failing = true;
    a->retry_at = tg_clock_mono_now() + RETRY_US;
}

static bool try_queue(struct tg_audit *a)
{
    enum tg_sink_result result = TG_SINK_AGAIN;

    if (a->failing && !tg_sink_reopen(&a->sink)) {
        fail(a);
        return false;
    }
    for (int i = 0; i < 3 && result == TG_SINK_AGAIN; i++)
        result = write_queue(a);
    a->lost += a->sink.too_long - a->counts.dropped_size;
    a->counts.dropped_size = a->sink.too_long;
    if (result != TG_SINK_DONE) {
        fail(a);
        return false;
    }
    if (a->failing)
        tg_log(TG_LOG_NOTICE, "audit", "the log can be written again");
    a->failing = false;
    return true;
}

bool tg_audit_flush(struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    if (a->off || (a->queue.n == 0 && !a->failing))
        return true;
    if (a->failing && !a->sink.arrived && tg_clock_mono_now() < a->retry_at)
        return false;
    if (a->queue.n == 0)
        add_loss(a, 0);
    if (!try_queue(a))
        return false;
    if (a->lost == 0)
        return true;
    add_loss(a, a->lost);
    a->lost = 0;
    return try_queue(a);
}

/* --- records --- */

/* Only `batch` drops what may have gone upstream. In the other modes no request comes through while
 * the queue grows, so those under way bound it. */
static bool has_room(const struct tg_audit *a, const struct tg_audit_record *r)
{
    if (r->end == TG_E_AUDIT)
        return a->queue.n < QUEUE_MAX / 2;
    return a->conf->mode != TG_AUDIT_BATCH || a->queue.n < QUEUE_MAX;
}

/* How long a record may be. A datagram takes no more (RFC 5426 section 3.2: 65,507 bytes with the
 * syslog header). */
static size_t record_max(const struct tg_audit *a)
{
    bool datagram =
        a->conf->target == TG_AUDIT_SYSLOG_UDP || a->conf->target == TG_AUDIT_SYSLOG_UNIX;

    return datagram ? RECORD_DATAGRAM : RECORD_MAX;
}

/* One record as a line; what makes it too long is left out. */
static void add_record(struct tg_audit *a, const struct tg_audit_record *r, const char *event,
                       bool under_way)
{
    size_t start = begin_line(a, r->time, event);
    size_t head = a->queue.n;

    for (unsigned cut = TG_AUDIT_WHOLE; cut <= TG_AUDIT_SHORT; cut++) {
        a->queue.n = head;
        a->redact.most = start + record_max(a);
        tg_audit_record_add(&a->redact, &a->queue, r, under_way, (enum tg_audit_cut)cut);
        if (a->queue.n - start + TG_AUDIT_CHAIN_TAIL <= record_max(a))
            break;
    }
    end_line(a, start);
}

static void record(struct tg_audit *a, const struct tg_audit_record *r, const char *event,
                   bool under_way)
{
    CHECK_MAGIC(a, MAGIC);
    if (a->off)
        return;
    a->counts.events++;
    if (!has_room(a, r)) {
        a->counts.dropped_queue++;
        a->lost++;
        return;
    }
    add_record(a, r, event, under_way);
    if (a->queue.n >= (a->conf->mode == TG_AUDIT_STRICT ? QUEUE_SYNC : QUEUE_FLUSH))
        tg_audit_flush(a);
}

/* A quarter is enough for all other members. */
const struct tg_audit_kept *tg_audit_keep(struct tg_audit *a, const struct tg_request *r)
{
    CHECK_MAGIC(a, MAGIC);
    return tg_audit_record_keep(&a->redact, r, record_max(a) / 4 * 3);
}

void tg_audit_intent(struct tg_audit *a, const struct tg_audit_record *r)
{
    record(a, r, "intent", true);
}

void tg_audit_answer(struct tg_audit *a, const struct tg_audit_record *r)
{
    record(a, r, "answer", true);
}

void tg_audit_outcome(struct tg_audit *a, const struct tg_audit_record *r)
{
    record(a, r, "outcome", false);
}

void tg_audit_configuration(struct tg_audit *a, const struct tg_audit_configuration *c)
{
    CHECK_MAGIC(a, MAGIC);
    if (!a->off)
        add_configuration(a, c);
}

void tg_audit_lookup(struct tg_audit *a, const struct tg_fetch *fetch)
{
    const char *mark = memchr(fetch->target.p, '?', fetch->target.n);
    size_t start;

    CHECK_MAGIC(a, MAGIC);
    if (a->off)
        return;
    start = begin_line(a, tg_clock_wall_now(), "lookup");
    tg_json_member(&a->queue, "request_id", fetch->request_id);
    tg_json_member(&a->queue, "what", fetch->what);
    tg_json_member(&a->queue, "upstream.name", fetch->upstream);
    tg_json_member(&a->queue, "url.path",
                   (struct tg_str){fetch->target.p, mark != NULL ? (size_t)(mark - fetch->target.p)
                                                                 : fetch->target.n});
    end_line(a, start);
}

void tg_audit_principal(struct tg_audit *a, const struct tg_request *r, struct tg_buf *out)
{
    tg_audit_record_principal(&a->redact, out, r);
}

void tg_audit_tick(struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    tg_token_cache_tick(a->redact.tokens);
    if (a->failing)
        (void)tg_audit_flush(a);
}

bool tg_audit_wants_intent(const struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    return !a->off && a->conf->mode == TG_AUDIT_STRICT;
}

bool tg_audit_ready(struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    if (!a->failing || tg_audit_flush(a))
        return true;
    return a->conf->mode == TG_AUDIT_BATCH;
}

const char *tg_audit_trouble(const struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    return a->failing ? a->sink.why : NULL;
}

void tg_audit_count(const struct tg_audit *a, struct tg_audit_counts *out)
{
    CHECK_MAGIC(a, MAGIC);
    *out = a->counts;
    out->queued = a->queue.n;
}

void tg_audit_stands(const struct tg_audit *a, struct tg_audit_standing *out)
{
    CHECK_MAGIC(a, MAGIC);
    *out = (struct tg_audit_standing){.seq = a->seq};
    if (a->off)
        return;
    out->stream = tg_str_of(a->stream);
    out->chain = (struct tg_str){a->chain.at, TG_SHA256_HEX};
}

/* --- life --- */

/* "<worker>-<12 hex digits>": no two streams ever have the same name. */
static void name_stream(struct tg_audit *a, struct tg_str worker)
{
    unsigned char random[6];

    CHECK(worker.n > 0 && worker.n + 14 <= sizeof(a->stream));
    tg_random(random, sizeof(random));
    memcpy(a->stream, worker.p, worker.n);
    a->stream[worker.n] = '-';
    tg_hex(random, sizeof(random), a->stream + worker.n + 1);
    tg_audit_head_init(&a->head, (struct tg_str){a->stream, worker.n + 13});
}

static void end(struct tg_audit *a)
{
    tg_sink_end(&a->sink);
    tg_audit_chain_end(&a->chain);
    tg_redact_end(&a->redact);
    tg_buf_end(&a->queue);
    tg_buf_end(&a->whole);
    a->magic = 0;
    free(a);
}

static const struct tg_sink_ops *sink_ops(const struct tg_audit_conf *conf)
{
    static const struct tg_sink_ops *const ops[] = {[TG_AUDIT_FILE] = &tg_sink_file,
                                                    [TG_AUDIT_SYSLOG_UNIX] = &tg_sink_unix,
                                                    [TG_AUDIT_SYSLOG_UDP] = &tg_sink_udp,
                                                    [TG_AUDIT_SYSLOG_TCP] = &tg_sink_tcp};

    CHECK((size_t)conf->target < sizeof(ops) / sizeof(*ops) && ops[conf->target] != NULL);
    return ops[conf->target];
}

/* The first line, and with it the proof that lines can be written. */
static bool begin(struct tg_audit *a, struct tg_str worker, struct event_base *base,
                  struct tg_arena *arena)
{
    struct tg_audit_line previous;
    bool some;

    tg_sink_init(&a->sink, sink_ops(a->conf), a->conf, base);
    if (!tg_sink_open(&a->sink))
        return false;
    some = tg_sink_previous(&a->sink, worker, arena, &previous);
    add_start(a, some ? &previous : NULL);
    return tg_audit_flush(a);
}

struct tg_audit *tg_audit_open(const void *settings, struct tg_str worker, struct event_base *base,
                               struct tg_arena *arena, const char **why)
{
    const struct tg_audit_conf *conf = settings;
    struct tg_audit *a = calloc(1, sizeof(*a));

    CHECK(a != NULL && conf->checked);
    a->magic = MAGIC;
    a->conf = conf;
    a->off = conf->target == TG_AUDIT_OFF;
    a->sink.fd = a->sink.mend_fd = -1;
    tg_redact_init(&a->redact, conf);
    tg_audit_chain_init(&a->chain, conf->key);
    name_stream(a, worker);
    if (!a->off && !begin(a, worker, base, arena)) {
        *why = tg_arena_dup(arena, tg_str_of(a->sink.why)).p;
        end(a);
        return NULL;
    }
    return a;
}

void tg_audit_reopen(struct tg_audit *a)
{
    CHECK_MAGIC(a, MAGIC);
    if (a->off)
        return;
    tg_audit_flush(a);
    if (!tg_sink_reopen(&a->sink))
        fail(a);
}

/* A server that has closed the connection shows it only now: there is time for another one. */
static bool write_last(struct tg_audit *a)
{
    if ((a->sink.fd >= 0 || tg_sink_open(&a->sink)) && try_queue(a))
        return true;
    return a->sink.fd < 0 && tg_sink_open(&a->sink) && try_queue(a);
}

void tg_audit_close(struct tg_audit *a)
{
    if (a == NULL)
        return;
    CHECK_MAGIC(a, MAGIC);
    if (!a->off) {
        if (a->lost > 0)
            add_loss(a, a->lost);
        add_stop(a);
        if (!write_last(a))
            tg_log(TG_LOG_CRIT, "audit", "%llu records and %zu bytes of lines are lost: %s",
                   (unsigned long long)a->lost, a->queue.n, a->sink.why);
    }
    end(a);
}
