/*
 * The members of a record. This runs for every request: fixed texts are copied whole, numbers are
 * written without printf.
 */
#include "audit/record.h"

#include "audit/record_live.h"
#include "audit/record_values.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/clock.h"
#include "http/target.h"
#include "signing/signature.h"

#include <inttypes.h>

enum {
    MAX_CODE = 64,           /* bytes of an upstream's error code that are told */
    MAX_ACCESS_KEY = 128,    /* bytes of an AK */
    MAX_SHORT_TEXT = 256,    /* bytes of a text in a record that was cut */
    MAX_SHORT_FINDINGS = 40, /* of each severity in such a record */
};

/* --- the beginning of a line --- */

void tg_audit_head_init(struct tg_audit_head *h, struct tg_str stream)
{
    *h = (struct tg_audit_head){.stream = stream, .second = -1};
}

/* "2026-01-02T03:04:05" once per second, the rest for every line. */
static void add_time(struct tg_audit_head *h, struct tg_buf *out, int64_t time)
{
    char *p = tg_buf_room(out, TG_CLOCK_TEXT);
    unsigned us = (unsigned)(time % 1000000);

    CHECK(time >= 0);
    if (time / 1000000 != h->second) {
        tg_clock_text(time - us, h->time);
        h->second = time / 1000000;
    }
    memcpy(p, h->time, TG_CLOCK_TEXT - 1);
    for (char *digit = p + 25; us > 0; us /= 10)
        *digit-- = (char)('0' + us % 10);
    out->n += TG_CLOCK_TEXT - 1;
}

void tg_audit_head_add(struct tg_audit_head *h, struct tg_buf *out, int64_t time, uint64_t seq,
                       const char *event)
{
    tg_buf_add(out, TG_STR("{\"time\":\""));
    add_time(h, out, time);
    tg_buf_add(out, TG_STR("\",\"stream\":\""));
    tg_buf_add(out, h->stream);
    tg_buf_add(out, TG_STR("\",\"seq\":"));
    tg_buf_u64(out, seq);
    tg_buf_add(out, TG_STR(",\"event\":\""));
    tg_buf_puts(out, event);
    tg_buf_putc(out, '"');
}

/* --- members --- */

/* A text member; nothing when it is empty. `name` is the member's name as `,"name":`. */
static void add_text(struct tg_buf *out, struct tg_str name, struct tg_str value)
{
    if (value.n == 0)
        return;
    tg_buf_add(out, name);
    tg_buf_json(out, value);
}

/* The lines of a text as an array. */
static void add_lines(struct tg_buf *out, struct tg_str name, struct tg_str text)
{
    char separator = '[';

    if (text.n == 0)
        return;
    tg_buf_add(out, name);
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;

        tg_buf_putc(out, separator);
        tg_buf_json(out, (struct tg_str){text.p, n});
        text = tg_str_skip(text, end != NULL ? n + 1 : n);
        separator = ',';
    }
    tg_buf_putc(out, ']');
}

static void add_number(struct tg_buf *out, struct tg_str name, uint64_t value)
{
    tg_buf_add(out, name);
    tg_buf_u64(out, value);
}

/* A text of a record that was cut is no longer than a line that is read. */
static struct tg_str shortened(struct tg_str text, enum tg_audit_cut cut)
{
    if (cut < TG_AUDIT_SHORT || text.n <= MAX_SHORT_TEXT)
        return text;
    text.n = MAX_SHORT_TEXT;
    while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
        text.n--; /* not within a character */
    return text;
}

/* The path alone: a query can hold secrets. A request that was refused before its path was
 * normalised has only what the client wrote. */
static struct tg_str path_to_tell(const struct tg_request *r)
{
    return tg_target_shown(r->path.n > 0 ? r->path : r->target);
}

/* The part of the credentials that tells one caller from another. */
static struct tg_str token_to_tell(const struct tg_request *r)
{
    struct tg_str value;

    if (r->credentials == TG_CRED_TOKEN)
        return tg_request_field(r, TG_STR("X-Auth-Token"));
    value = tg_request_field(r, TG_STR("Authorization"));
    if (r->credentials == TG_CRED_BEARER && value.n > 7)
        return tg_str_trim(tg_str_skip(value, 7));
    return value;
}

/* An AK is letters and digits. What is none may be a secret that stands where an AK should. */
static bool is_access_key(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!tg_char_is(s.p[i], TG_CHAR_ALPHANUMERIC))
            return false;
    return s.n > 0 && s.n <= MAX_ACCESS_KEY;
}

void tg_audit_record_principal(struct tg_redact *redact, struct tg_buf *out,
                               const struct tg_request *r)
{
    if (r->credentials == 0 || r->credentials == TG_CRED_NONE)
        return;
    if (r->credentials == TG_CRED_SIGNED && is_access_key(r->access_key))
        tg_buf_add(out, r->access_key);
    else
        tg_redact_token(redact, out, token_to_tell(r));
}

/* How the caller was proved, and under whose signature the request went on. */
static void add_signing(struct tg_buf *out, const struct tg_request *r)
{
    if (r->auth_kind == 0)
        return;
    add_text(out, TG_STR(",\"auth.kind\":"), tg_str_of(tg_auth_kind_text(r->auth_kind)));
    tg_buf_puts(out, r->auth_verified ? ",\"auth.verified\":true" : ",\"auth.verified\":false");
    add_text(out, TG_STR(",\"auth.key_id\":"), r->access_key);
    if (r->auth_algorithm != NULL) {
        add_text(out, TG_STR(",\"auth.algorithm\":"), tg_str_of(r->auth_algorithm));
        tg_buf_printf(out, ",\"auth.skew_s\":%" PRId64, r->auth_skew_s);
    }
    add_text(out, TG_STR(",\"auth.form\":"), tg_str_of(tg_signing_form_text(r->auth_form)));
    if (tg_error_is_auth(r->error))
        add_text(out, TG_STR(",\"auth.failure\":"), tg_str_of(tg_error_info(r->error)->word));
    if (r->signed_attempts == 0)
        return;
    add_text(out, TG_STR(",\"signed.credential\":"), r->signed_credential);
    add_text(out, TG_STR(",\"signed.key_id\":"), r->signed_key_id);
    add_text(out, TG_STR(",\"signed.date\":"), r->signed_date);
    tg_buf_printf(out, ",\"signed.attempts\":%u", r->signed_attempts);
}

static void add_request(struct tg_buf *out, const struct tg_audit_record *a, enum tg_audit_cut cut)
{
    const struct tg_request *r = a->request;

    add_text(out, TG_STR(",\"request_id\":"), r->request_id);
    add_text(out, TG_STR(",\"trace_id\":"), a->trace_id);
    add_text(out, TG_STR(",\"client.address\":"), r->client_address);
    add_text(out, TG_STR(",\"server.address\":"), a->host);
    add_text(out, TG_STR(",\"http.request.method\":"), r->method);
    add_text(out, TG_STR(",\"url.path\":"), path_to_tell(r));
    add_text(out, TG_STR(",\"http.route\":"), r->route);
    add_text(out, TG_STR(",\"project_id\":"), r->project_id);
    add_text(out, TG_STR(",\"config_name\":"), tg_request_config_name(r));
    add_text(out, TG_STR(",\"user_agent.original\":"),
             shortened(tg_request_field(r, TG_STR("User-Agent")), cut));
    add_text(out, TG_STR(",\"principal\":"), r->principal);
    add_text(out, TG_STR(",\"tls.principal\":"), r->tls_principal);
    add_signing(out, r);
    tg_audit_record_user(out, r->user);
}

/* --- what the filters found and did --- */

static void add_digest(struct tg_buf *out, struct tg_str name,
                       const unsigned char digest[TG_SHA256])
{
    tg_buf_add(out, name);
    tg_hex(digest, TG_SHA256, tg_buf_room(out, TG_SHA256_HEX + 1));
    out->n += TG_SHA256_HEX;
    tg_buf_putc(out, '"');
}

/* What a filter has hashed already is not hashed again. */
static void hash_body(struct tg_str body, const unsigned char *known, unsigned char out[TG_SHA256])
{
    if (known != NULL)
        memcpy(out, known, TG_SHA256);
    else
        tg_sha256(body, out);
}

static void add_digests(struct tg_buf *out, const struct tg_request *r)
{
    unsigned char came[TG_SHA256];
    unsigned char went[TG_SHA256];
    bool refused = r->report.violations > 0 || r->error != TG_E_DONE;

    if (r->body.n == 0)
        return;
    if (refused || r->doc == NULL || r->doc->nchanges == 0) {
        hash_body(r->body, r->body_sha256, came);
        add_digest(out, TG_STR(",\"request.sha256\":\""), came);
        return;
    }
    if (r->body_sha256 == NULL && r->forwarded_sha256 == NULL) {
        tg_sha256_pair(r->body, tg_request_forwarded_body(r), came, went);
    } else {
        hash_body(r->body, r->body_sha256, came);
        hash_body(tg_request_forwarded_body(r), r->forwarded_sha256, went);
    }
    add_digest(out, TG_STR(",\"request.sha256\":\""), came);
    add_digest(out, TG_STR(",\"forwarded.sha256\":\""), went);
}

/* Who asks what of a patch may be told. */
struct patch_owner {
    struct tg_redact *redact;
    const struct tg_request *request;
    struct tg_redact_path *path;
};

/* A container or a long value is hidden whatever it is. */
static bool tells_change(void *owner, const struct tg_change *c)
{
    struct patch_owner *o = owner;

    return tg_redact_tells(o->redact, o->request, c->node, o->path) && c->old_text.n <= 4096 &&
           (c->old_text.n == 0 || (*c->old_text.p != '{' && *c->old_text.p != '['));
}

static void add_patch(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                      struct tg_redact_path *path)
{
    struct patch_owner owner = {redact, r, path};
    const struct tg_patch_record record = {tells_change, &owner};

    if (r->doc == NULL || r->doc->nchanges == 0)
        return;
    tg_buf_add(out, TG_STR(",\"patch\":"));
    tg_doc_patch(r->doc, &record, out);
}

static void add_finding(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                        const struct tg_finding *f, struct tg_redact_path *path,
                        enum tg_audit_cut cut)
{
    tg_buf_add(out, TG_STR("{\"pointer\":"));
    tg_buf_json(out, shortened(f->pointer, cut));
    add_text(out, TG_STR(",\"rule\":"), tg_str_of(f->rule));
    add_text(out, TG_STR(",\"policy\":"), f->policy);
    add_text(out, TG_STR(",\"code\":"), tg_str_of(tg_error_info(f->error)->code));
    if (cut < TG_AUDIT_SHORT) {
        tg_buf_add(out, TG_STR(",\"message\":"));
        tg_redact_message(redact, out, r, &f->message, &f->value, path);
    }
    tg_buf_putc(out, '}');
}

static void add_findings(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                         enum tg_severity severity, struct tg_str name, struct tg_redact_path *path,
                         enum tg_audit_cut cut)
{
    unsigned most = cut < TG_AUDIT_SHORT ? TG_MAX_FINDINGS : MAX_SHORT_FINDINGS;
    unsigned n = 0;

    for (const struct tg_finding *f = r->report.first; f != NULL && n < most; f = f->next) {
        if (f->severity != severity)
            continue;
        if (n++ > 0)
            tg_buf_putc(out, ',');
        else
            tg_buf_add(out, name);
        add_finding(redact, out, r, f, path, cut);
    }
    if (n > 0)
        tg_buf_putc(out, ']');
}

/* The subjects that policies asked for and the request does not have. */
static void add_unknown(struct tg_buf *out, const struct tg_report *report)
{
    for (unsigned i = 0; i < report->nunknown; i++) {
        tg_buf_add(out, i == 0 ? TG_STR(",\"policy.unknown\":[\"") : TG_STR(",\""));
        tg_buf_puts(out, report->unknown[i]);
        tg_buf_putc(out, '"');
    }
    if (report->nunknown > 0)
        tg_buf_putc(out, ']');
}

/* True when a violation or warning of the record tells where and why the rule did not hold. */
static bool is_in_finding(const struct tg_report *report, const struct tg_policy_result *p)
{
    for (const struct tg_finding *f = report->first; f != NULL; f = f->next)
        if (tg_str_eq(f->policy, p->policy) && tg_str_eq(tg_str_of(f->rule), p->rule))
            return true;
    return false;
}

static void add_result(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                       const struct tg_policy_result *p, struct tg_redact_path *path,
                       enum tg_audit_cut cut)
{
    tg_buf_add(out, TG_STR("{\"policy\":"));
    tg_buf_json(out, p->policy);
    tg_buf_add(out, TG_STR(",\"rule\":"));
    tg_buf_json(out, p->rule);
    tg_buf_add(out, TG_STR(",\"result\":\""));
    tg_buf_puts(out, tg_rule_result_word(p->result));
    tg_buf_putc(out, '"');
    add_text(out, TG_STR(",\"mode\":"), p->mode);
    add_text(out, TG_STR(",\"exception\":"), p->exception);
    if (p->message.before.n > 0 && cut == TG_AUDIT_SHORT) {
        add_text(out, TG_STR(",\"pointer\":"), shortened(p->pointer, cut));
    } else if (p->message.before.n > 0 && !is_in_finding(&r->report, p)) {
        add_text(out, TG_STR(",\"pointer\":"), p->pointer);
        tg_buf_add(out, TG_STR(",\"message\":"));
        tg_redact_message(redact, out, r, &p->message, &p->value, path);
    }
    tg_buf_putc(out, '}');
}

static void add_results(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r,
                        struct tg_redact_path *path, enum tg_audit_cut cut)
{
    bool some = false;

    for (const struct tg_policy_result *p = r->report.results; p != NULL; p = p->next) {
        CHECK(p->result >= TG_RULE_PASS && p->result <= TG_RULE_ERROR);
        if (p->result == TG_RULE_PASS && p->exception.n == 0)
            continue;
        tg_buf_puts(out, some ? "," : ",\"policy.results\":[");
        some = true;
        add_result(redact, out, r, p, path, cut);
    }
    if (some)
        tg_buf_putc(out, ']');
}

/* True when an earlier result used the same exception. */
static bool is_repeated(const struct tg_report *report, const struct tg_policy_result *p)
{
    for (const struct tg_policy_result *e = report->results; e != p; e = e->next)
        if (tg_str_eq(e->exception, p->exception))
            return true;
    return false;
}

static void add_exceptions(struct tg_buf *out, const struct tg_report *report)
{
    bool some = false;

    for (const struct tg_policy_result *p = report->results; p != NULL; p = p->next) {
        if (p->exception.n == 0 || is_repeated(report, p))
            continue;
        tg_buf_puts(out, some ? "," : ",\"exceptions\":[");
        some = true;
        tg_buf_add(out, TG_STR("{\"name\":"));
        tg_buf_json(out, p->exception);
        add_text(out, TG_STR(",\"owner\":"), p->owner);
        add_text(out, TG_STR(",\"ticket\":"), p->ticket);
        add_text(out, TG_STR(",\"last_day\":"), p->last_day);
        tg_buf_putc(out, '}');
    }
    if (some)
        tg_buf_putc(out, ']');
}

static void add_body(struct tg_redact *redact, struct tg_buf *out, const struct tg_request *r)
{
    if (r->doc == NULL || redact->conf->body == TG_AUDIT_BODY_NONE ||
        tg_doc_type(r->doc, 0) != TG_OBJECT)
        return;
    if (redact->conf->body == TG_AUDIT_BODY_FULL)
        tg_buf_add(out, TG_STR(",\"request.body_full\":true"));
    tg_buf_add(out, TG_STR(",\"request.body\":"));
    tg_redact_body(redact, out, r);
}

/* What was cut, in the order it was. */
static void add_truncated(struct tg_buf *out, enum tg_audit_cut cut)
{
    static const char *const texts[] = {
        [TG_AUDIT_NO_BODY] = "\"request.body\"",
        [TG_AUDIT_NO_PATCH] = "\"request.body\",\"patch\"",
        [TG_AUDIT_SHORT] = "\"request.body\",\"patch\",\"message\"",
    };

    if (cut == TG_AUDIT_WHOLE)
        return;
    CHECK(cut <= TG_AUDIT_SHORT);
    tg_buf_add(out, TG_STR(",\"truncated\":["));
    tg_buf_puts(out, texts[cut]);
    tg_buf_putc(out, ']');
}

static void add_limits(struct tg_buf *out, const struct tg_audit_limit *first)
{
    static const struct tg_str results[] = {
        [TG_AUDIT_LIMIT_REFUSE - 1] = TG_STR("refuse"),
        [TG_AUDIT_LIMIT_WOULD_REFUSE - 1] = TG_STR("would_refuse"),
        [TG_AUDIT_LIMIT_UNKNOWN - 1] = TG_STR("unknown"),
    };

    for (const struct tg_audit_limit *l = first; l != NULL; l = l->next) {
        tg_buf_add(out, l == first ? TG_STR(",\"limits\":[{") : TG_STR(",{"));
        tg_buf_add(out, TG_STR("\"rule\":"));
        tg_buf_json(out, tg_str_of(l->rule));
        add_text(out, TG_STR(",\"limit\":"), tg_str_of(l->limit));
        add_text(out, TG_STR(",\"by\":"), tg_str_of(l->by));
        add_text(out, TG_STR(",\"result\":"), results[l->result - 1]);
        add_text(out, TG_STR(",\"store\":"), tg_str_of(l->store));
        if (l->result != TG_AUDIT_LIMIT_UNKNOWN)
            add_number(out, TG_STR(",\"wait_ms\":"), (l->wait_us + 999) / 1000);
        tg_buf_putc(out, '}');
    }
    if (first != NULL)
        tg_buf_putc(out, ']');
}

static void add_chain_facts(struct tg_redact *redact, struct tg_buf *out,
                            const struct tg_request *r, enum tg_audit_cut cut)
{
    struct tg_redact_path path; /* some kilobytes: not cleared, only its count */

    path.n = 0;
    add_digests(out, r);
    if (cut < TG_AUDIT_NO_PATCH)
        add_patch(redact, out, r, &path);
    add_findings(redact, out, r, TG_VIOLATION, TG_STR(",\"violations\":["), &path, cut);
    add_findings(redact, out, r, TG_WARNING, TG_STR(",\"warnings\":["), &path, cut);
    add_text(out, TG_STR(",\"policy.revision\":"), r->report.policy_revision);
    add_unknown(out, &r->report);
    add_results(redact, out, r, &path, cut);
    add_exceptions(out, &r->report);
    tg_audit_record_live(redact, out, r, &path, cut < TG_AUDIT_NO_PATCH);
    tg_audit_record_values(redact, out, r, cut < TG_AUDIT_NO_BODY);
    if (cut < TG_AUDIT_NO_BODY)
        add_body(redact, out, r);
    add_truncated(out, cut);
}

static struct tg_str write_facts(struct tg_redact *redact, const struct tg_request *r,
                                 enum tg_audit_cut cut, struct tg_buf *out)
{
    out->n = 0;
    add_chain_facts(redact, out, r, cut);
    return tg_buf_str(out);
}

const struct tg_audit_kept *tg_audit_record_keep(struct tg_redact *redact,
                                                 const struct tg_request *r, size_t most)
{
    struct tg_audit_kept *k = tg_arena_zalloc(r->arena, 1, sizeof(*k));
    struct tg_buf b = {0};

    redact->most = most;
    while (write_facts(redact, r, k->cut, &b).n > most && k->cut < TG_AUDIT_SHORT)
        k->cut++;
    k->text = tg_arena_dup(r->arena, tg_buf_str(&b));
    k->least = tg_arena_dup(r->arena, write_facts(redact, r, TG_AUDIT_SHORT, &b));
    tg_buf_end(&b);
    return k;
}

/* --- how it went --- */

/* An error code comes from the upstream's body: told when it looks like one. */
static bool is_code(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return s.n <= MAX_CODE;
}

static void add_upstream(struct tg_buf *out, const struct tg_audit_record *a)
{
    if (a->upstream_status > 0)
        add_number(out, TG_STR(",\"upstream.status_code\":"), (uint64_t)a->upstream_status);
    add_text(out, TG_STR(",\"upstream.address\":"), a->upstream_address);
    add_text(out, TG_STR(",\"upstream.proxy\":"), a->upstream_proxy);
    add_lines(out, TG_STR(",\"upstream.tried\":"), a->upstream_tried);
    if (a->upstream_failed)
        tg_buf_add(out, TG_STR(",\"upstream.failed\":true"));
    if (a->outcome_unknown)
        tg_buf_add(out, TG_STR(",\"upstream.outcome\":\"unknown\""));
    if (is_code(a->upstream_error_code))
        add_text(out, TG_STR(",\"upstream.error_code\":"), a->upstream_error_code);
    else
        tg_buf_add(out, TG_STR(",\"upstream.error_code\":\"(unreadable)\""));
}

static void add_numbers(struct tg_buf *out, const struct tg_audit_record *a)
{
    add_number(out, TG_STR(",\"bytes.in\":"), a->bytes_in);
    add_number(out, TG_STR(",\"bytes.out\":"), a->bytes_out);
    add_number(out, TG_STR(",\"duration_us\":"), a->duration_us);
    add_number(out, TG_STR(",\"filter_us\":"), a->filter_us);
    if (a->pool_us > 0)
        add_number(out, TG_STR(",\"pool_us\":"), a->pool_us);
    if (a->connect_us > 0)
        add_number(out, TG_STR(",\"connect_us\":"), a->connect_us);
    add_number(out, TG_STR(",\"upstream_us\":"), a->upstream_us);
}

void tg_audit_record_add(struct tg_redact *redact, struct tg_buf *out,
                         const struct tg_audit_record *a, bool under_way, enum tg_audit_cut cut)
{
    CHECK(a->request != NULL);
    add_request(out, a, cut);
    tg_buf_add(out, TG_STR(",\"decision\":\""));
    tg_buf_puts(out, tg_decision_word(tg_audit_decision(a)));
    tg_buf_putc(out, '"');
    if (!under_way) {
        tg_buf_add(out, TG_STR(",\"end\":\""));
        tg_buf_puts(out, tg_error_info(a->end)->word);
        tg_buf_putc(out, '"');
        add_text(out, TG_STR(",\"end_detail\":"), a->end_detail);
    }
    if (a->status > 0)
        add_number(out, TG_STR(",\"http.response.status_code\":"), (uint64_t)a->status);
    add_limits(out, a->limits);
    if (a->kept != NULL)
        tg_buf_add(out, cut <= a->kept->cut ? a->kept->text : a->kept->least);
    else
        add_chain_facts(redact, out, a->request, cut);
    add_upstream(out, a);
    if (!under_way)
        add_numbers(out, a);
}
