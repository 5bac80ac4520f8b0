/* Every kind of line is valid under conf/audit.schema.json, judged by python3-jsonschema, and the
 * schema refuses what is no such line. */
#include "audit_fixture.h"
#include "chain/fetch.h"

#include "json/document.h"

#include <sys/stat.h>

static const char validator[] =
    "import json, sys\n"
    "from jsonschema import Draft202012Validator as V\n"
    "v = V(json.load(open(sys.argv[1])))\n"
    "V.check_schema(v.schema)\n"
    "seen = set()\n"
    "for line in open(sys.argv[2]):\n"
    "    record = json.loads(line)\n"
    "    kind = next(s for s in v.schema['oneOf'] if s['title'] == record['event'])\n"
    "    errors = [e.message for e in V(kind | {'$defs': v.schema['$defs']}).iter_errors(record)]\n"
    "    assert not errors, (record['event'], errors)\n"
    "    assert v.is_valid(record)\n"
    "    assert not v.is_valid(record | {'surprise': 1})\n"
    "    assert not v.is_valid({k: x for k, x in record.items() if k != 'chain'})\n"
    "    seen.add(record['event'])\n"
    "missing = {s['title'] for s in v.schema['oneOf']} - seen\n"
    "assert not missing, missing\n";

/* A record with something in every field. */
static void record_everything(struct fixture *f, struct tg_audit *a)
{
    static const char body[] = "{\"spec_id\":\"7\",\"parameter\":[{\"label\":\"a\",\"value\":1}]}";
    const struct tg_json_limits limits = {16, 1000};
    const struct tg_field fields[] = {{TG_STR("User-Agent"), TG_STR("ua")},
                                      {TG_STR("X-Auth-Token"), TG_STR("token")}};
    struct tg_finding finding = {.severity = TG_WARNING,
                                 .rule = "rule",
                                 .policy = TG_STR("policy"),
                                 .error = TG_E_INVALID,
                                 .pointer = TG_STR("/spec_id"),
                                 .message = {.before = TG_STR("message")}};
    struct tg_policy_result result = {.policy = TG_STR("policy"),
                                      .rule = TG_STR("rule"),
                                      .result = TG_RULE_SKIP,
                                      .mode = TG_STR("deny"),
                                      .exception = TG_STR("EXC-1"),
                                      .pointer = TG_STR("/spec_id"),
                                      .message = {.before = TG_STR("message")}};
    struct tg_audit_limit dry = {.rule = "put",
                                 .limit = "limit_in_flight",
                                 .by = "project",
                                 .result = TG_AUDIT_LIMIT_REFUSE,
                                 .store = "local",
                                 .wait_us = 1};
    struct tg_audit_limit limit = {.rule = "x.conf:3",
                                   .limit = "limit_req",
                                   .by = "address",
                                   .result = TG_AUDIT_LIMIT_UNKNOWN,
                                   .store = "fleet",
                                   .next = &dry};
    struct tg_request r;
    struct tg_audit_record record = {.time = 1790000000000000,
                                     .request = &r,
                                     .trace_id = TG_STR("trace"),
                                     .host = TG_STR("modelarts.example"),
                                     .upstream_address = TG_STR("10.0.0.1:443"),
                                     .upstream_proxy = TG_STR("10.0.0.9:3128"),
                                     .upstream_tried = TG_STR("a: no\nb: no\n"),
                                     .pool_us = 5,
                                     .upstream_error_code = TG_STR("ModelArts.0104"),
                                     .upstream_failed = true,
                                     .outcome_unknown = true,
                                     .end_detail = TG_STR("detail"),
                                     .limits = &limit};
    struct tg_json_fault fault;
    struct tg_doc doc;

    tg_request_init(&r, &f->arena);
    r.method = TG_STR("PUT");
    r.target = r.path = TG_STR("/v1/p/x");
    r.fields = fields;
    r.nfields = 2;
    r.client_address = r.request_id = r.route = r.project_id = r.config_name = TG_STR("x");
    r.credentials = TG_CRED_TOKEN;
    r.tls_principal = TG_STR("client.example");
    r.auth_kind = TG_AUTH_AKSK;
    r.auth_algorithm = "SDK-HMAC-SHA256";
    r.auth_form = 1;
    r.access_key = r.signed_key_id = TG_STR("AK");
    r.body = tg_str_of(body);
    r.report.policy_revision = TG_STR("revision");
    tg_report_unknown(&r.report, "client");
    tg_report_unknown(&r.report, "header");
    assert_true(tg_doc_parse(&doc, &f->arena, r.body, &limits, &fault));
    tg_doc_replace(&doc, tg_doc_member(&doc, 0, TG_STR("spec_id")), TG_NUMBER, TG_STR("7"), "why");
    r.doc = &doc;
    tg_report_add(&r.report, &finding);
    tg_report_result(&r.report, &result);
    tg_audit_intent(a, &record);
    record.status = record.upstream_status = 200;
    tg_audit_answer(a, &record);
    tg_audit_outcome(a, &record);
    finding.severity = TG_VIOLATION;
    tg_report_add(&r.report, &finding);
    tg_audit_outcome(a, &record);
}

/* What a connection leaves that failed before its first request. */
static void record_greeting(struct fixture *f, struct tg_audit *a)
{
    struct tg_request r;
    const struct tg_audit_record record = {.time = 1790000000000000,
                                           .request = &r,
                                           .end = TG_E_CLIENT_TLS,
                                           .end_detail = TG_STR("http request")};

    tg_request_init(&r, &f->arena);
    r.client_address = r.request_id = TG_STR("x");
    tg_audit_outcome(a, &record);
}

static void record_configurations(struct tg_audit *a)
{
    static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const struct tg_str loaded[] = {TG_STR(hex)};
    struct tg_audit_configuration c = {.revision = TG_STR(hex), .loaded = loaded, .nloaded = 1};

    for (c.asked_by = TG_AUDIT_ASKED_START; c.asked_by <= TG_AUDIT_ASKED_UPGRADE; c.asked_by++)
        tg_audit_configuration(a, &c);
    tg_audit_configuration(a, &(struct tg_audit_configuration){.asked_by = TG_AUDIT_ASKED_SIGNAL,
                                                               .why = TG_STR("why")});
}

static void wait_until_ready(struct tg_audit *a)
{
    while (!tg_audit_ready(a))
        ;
}

/* Lines that only trouble makes: dropped, resume, continue. */
static void make_trouble(struct fixture *f, struct tg_audit *a, const char *folder)
{
    char *large = malloc(4 << 20);
    char moved[160];

    assert_non_null(large);
    memset(large, 'x', (4 << 20) - 1);
    large[(4 << 20) - 1] = '\0';
    limit_files(1);
    for (int i = 0; i < 6; i++)
        fixture_add(f, a, large, TG_E_AUDIT, tg_audit_outcome);
    assert_false(tg_audit_flush(a));
    limit_files(RLIM_INFINITY);
    wait_until_ready(a);
    free(large);
    snprintf(moved, sizeof(moved), "%s.moved", folder);
    assert_int_equal(rename(folder, moved), 0);
    tg_audit_reopen(a);
    assert_false(tg_audit_ready(a));
    assert_int_equal(mkdir(folder, 0700), 0);
    wait_until_ready(a);
}

static void every_kind_of_line_is_valid(void **state)
{
    struct fixture *f = *state;
    char command[2000];
    char script[120];
    char folder[100];
    struct tg_audit *a;
    FILE *file;

    snprintf(folder, sizeof(folder), "%slogs", f->prefix);
    snprintf(script, sizeof(script), "%scheck.py", f->prefix);
    assert_int_equal(mkdir(folder, 0700), 0);
    a = fixture_open(f, fixture_conf(f, "audit_log logs/a mode=strict; audit_body full;"), "0");
    record_configurations(a);
    record_everything(f, a);
    record_greeting(f, a);
    tg_audit_lookup(a, &(struct tg_fetch){.upstream = TG_STR("iam"),
                                          .target = TG_STR("/v3/auth/tokens?x"),
                                          .what = TG_STR("user"),
                                          .request_id = TG_STR("id-1")});
    make_trouble(f, a, folder);
    tg_audit_close(a);
    file = fopen(script, "w");
    assert_non_null(file);
    fputs(validator, file);
    fclose(file);
    snprintf(command, sizeof(command),
             "cat %s.moved/a %s/a > %s/all && /usr/bin/python3 %s %s/../../conf/audit.schema.json "
             "%s/all",
             folder, folder, folder, script, TG_TEST_DATA, folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_line_is_valid, fixture_begin, fixture_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
