/* Audit records: whatever stands in fields, paths, bodies and answers, a line is one valid JSON
 * object on one line, its head is ours, and its chain value is found at its end. */
#include "audit/chain.h"
#include "audit/conf.h"
#include "audit/line.h"
#include "audit/record.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELD_END = 0x1f };

static const struct tg_json_limits limits = {100, 100000};

/* Takes the next piece of the input. */
static struct tg_str next(struct tg_str *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, FIELD_END, rest->n) : NULL;
    struct tg_str s = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, s.n + (end != NULL ? 1 : 0));
    return s;
}

/* Gives all scalars of the body another text and parameters another name, where that is free. */
static void edit(struct tg_doc *doc)
{
    uint32_t count = doc->count;

    for (uint32_t i = 0; i < count; i++) {
        enum tg_node_type type = tg_doc_type(doc, i);

        if (type == TG_NUMBER || type == TG_STRING)
            tg_doc_replace(doc, i, TG_STRING, TG_STR("\"new\""), "number_to_string");
        else if (type == TG_NAME && tg_doc_is(doc, i, TG_STR("key")) &&
                 tg_doc_member(doc, tg_doc_parent(doc, i), TG_STR("label")) == TG_NONE)
            tg_doc_rename(doc, i, TG_STR("label"), "key_to_label");
    }
}

static void find_fault(struct tg_request *r, const struct tg_doc *doc, struct tg_str message)
{
    for (uint32_t i = 0; i < doc->count && i < 20; i++) {
        struct tg_finding f = {.severity = i % 2 == 0 ? TG_VIOLATION : TG_WARNING,
                               .rule = "rule",
                               .error = TG_E_INVALID,
                               .pointer = tg_doc_pointer(doc, i),
                               .message = {message, message},
                               .value = {message, i, false}};

        tg_report_add(&r->report, &f);
    }
}

static void check_line(struct tg_arena *arena, struct tg_str line)
{
    struct tg_json_fault fault;
    struct tg_audit_line parts;
    struct tg_doc doc;

    CHECK(line.n > 1 && line.p[line.n - 1] == '\n');
    line.n--;
    for (size_t i = 0; i < line.n; i++)
        CHECK((unsigned char)line.p[i] >= 0x20);
    CHECK(tg_doc_parse(&doc, arena, line, &limits, &fault));
    CHECK(tg_doc_type(&doc, 0) == TG_OBJECT);
    CHECK(tg_audit_line_read(line, &parts));
    CHECK(tg_str_eq(parts.stream, TG_STR("0-0123456789ab")) && parts.seq == 7);
    CHECK(tg_str_eq(parts.event, TG_STR("outcome")));
}

/* Writes the record of one request at one body level. */
static void write_record(struct tg_audit_record *record, struct tg_request *r, int level,
                         struct tg_arena *arena)
{
    struct tg_str patterns[] = {TG_STR("token"), TG_STR("*secret*"), TG_STR("k*y")};
    struct tg_audit_conf conf = {.body = level, .redact = patterns, .nredact = 3, .checked = true};
    struct tg_audit_head head;
    struct tg_redact redact;
    struct tg_audit_chain chain;
    struct tg_buf line = {0}, principal = {0};

    tg_redact_init(&redact, &conf);
    tg_audit_record_principal(&redact, &principal, r);
    r->principal = tg_buf_str(&principal);
    tg_audit_chain_init(&chain, (struct tg_str){NULL, 0});
    tg_audit_head_init(&head, TG_STR("0-0123456789ab"));
    tg_audit_head_add(&head, &line, record->time, 7, "outcome");
    tg_audit_record_add(&redact, &line, record, false, TG_AUDIT_WHOLE);
    tg_audit_chain_seal(&chain, &line, 0);
    check_line(arena, tg_buf_str(&line));
    tg_buf_end(&line);
    r->principal = (struct tg_str){NULL, 0};
    tg_buf_end(&principal);
    tg_audit_chain_end(&chain);
    tg_redact_end(&redact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str rest = {(const char *)data, size};
    struct tg_json_fault fault;
    struct tg_field fields[2];
    struct tg_request r;
    struct tg_audit_record record = {.time = 1790000000000001, .request = &r, .status = 200};
    struct tg_arena arena;
    struct tg_doc doc;

    tg_arena_init(&arena);
    tg_request_init(&r, &arena);
    r.body = next(&rest);
    r.method = next(&rest);
    r.path = r.target = next(&rest);
    r.request_id = r.client_address = next(&rest);
    r.route = r.project_id = r.config_name = next(&rest);
    fields[0] = (struct tg_field){TG_STR("User-Agent"), next(&rest)};
    fields[1] = (struct tg_field){TG_STR("Authorization"), next(&rest)};
    r.fields = fields;
    r.nfields = 2;
    (void)tg_request_identify(&r);
    record.trace_id = record.end_detail = r.tls_principal = next(&rest);
    record.upstream_address = record.upstream_proxy = record.upstream_tried =
        record.upstream_error_code = next(&rest);
    if (tg_doc_parse(&doc, &arena, r.body, &limits, &fault)) {
        r.doc = &doc;
        find_fault(&r, &doc, rest);
        edit(&doc);
    }
    for (int level = TG_AUDIT_BODY_NONE; level <= TG_AUDIT_BODY_FULL; level++)
        write_record(&record, &r, level, &arena);
    tg_arena_end(&arena);
    return 0;
}
