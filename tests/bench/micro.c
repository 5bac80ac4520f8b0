/*
 * One step of a request at a time, `micro OPERATION N`: does it N times after its preparation.
 * Counting instructions for N and 2N leaves those of N operations (check_micro does that).
 * `micro` alone lists the operations.
 */
#include "audit/audit.h"
#include "base/check.h"
#include "base/clock.h"
#include "chain/chain.h"
#include "exchange/outcome.h"
#include "http/chunked.h"
#include "http/request_head.h"
#include "http/response_head.h"
#include "http/target.h"
#include "live/lookup.h"
#include "settings/settings.h"
#include "signing/signature.h"
#include "table.h"
#include "json/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROJECT "6b37a5f1c2d94e0f8a7b6c5d4e3f2a1b"
#define PATH    "/v1/" PROJECT "/training-job-configs/config1"
#define TOKEN_8 "MIIEbgYJKoZIhvcNAQcCoIIEXzCCBFsCAQExDTALBglghkgBZQMEAgEwggK8Bgkq"
#define TOKEN   TOKEN_8 TOKEN_8 TOKEN_8 TOKEN_8 TOKEN_8 TOKEN_8 TOKEN_8 TOKEN_8

static const char request_head[] = "PUT " PATH " HTTP/1.1\r\n"
                                   "Host: modelarts.cn-north-4.myhuaweicloud.com\r\n"
                                   "User-Agent: python-requests/2.31.0\r\n"
                                   "Accept-Encoding: gzip, deflate\r\n"
                                   "Accept: */*\r\n"
                                   "Connection: keep-alive\r\n"
                                   "Content-Type: application/json\r\n"
                                   "X-Auth-Token: " TOKEN "\r\n"
                                   "Content-Length: 483\r\n\r\n";
static const char response_head[] = "HTTP/1.1 200 OK\r\n"
                                    "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
                                    "Content-Type: application/json;charset=UTF-8\r\n"
                                    "Content-Length: 20\r\n"
                                    "Connection: keep-alive\r\n"
                                    "X-Request-Id: 2cbbd1b0a3c4d5e6f708192a3b4c5d6e\r\n"
                                    "Server: api-gateway\r\n"
                                    "Strict-Transport-Security: max-age=31536000\r\n\r\n";

#define CONFIGURATION(filters)                                                                     \
    "audit_log off;\n"                                                                             \
    "upstream none { server 127.0.0.1:1; tls off; }\n"                                             \
    "server {\n"                                                                                   \
    "    listen 127.0.0.1:1;\n"                                                                    \
    "    location PUT /v1/{project_id}/training-job-configs/{config_name} {\n"                     \
    "        filters " filters ";\n"                                                               \
    "        policies " TG_BENCH "/policy.conf;\n"                                                 \
    "        proxy_pass none;\n"                                                                   \
    "    }\n"                                                                                      \
    "    location / { proxy_pass none; }\n"                                                        \
    "}\n"

static const char configuration[] = CONFIGURATION("json normalize validate policy");
static const char live_configuration[] =
    CONFIGURATION("identify json normalize validate catalogue current policy; identify none");

enum { SIGNED_BODY = 4096, EXAMPLE_MAX = 4096, CHUNKS = 8, CHUNK = 1024, LARGE = 8192 };

static const struct tg_json_limits limits = {64, 10000};
static const struct tg_request_head_limits head_limits = {32768, 32768, 32768, 100};

/* What the operations work on. */
struct bench {
    struct tg_arena settled; /* as long as the program */
    struct tg_arena arena;   /* of one operation, reset by it */
    struct tg_str example;
    char example_bytes[EXAMPLE_MAX + LARGE];
    char chunks[CHUNKS * (CHUNK + 16)];
    size_t chunks_len;
    struct tg_request_head head;
    struct tg_response_head response;
    struct tg_json_outline outline;
    struct tg_settings *settings;
    struct tg_audit *audit;
    struct tg_request request;
    struct tg_buf principal;
    struct tg_doc doc;
    struct tg_chain walk;
    struct tg_signing_conf signing;
    struct tg_client_keys *keys;
    struct tg_signing_locks *locks;
    struct tg_credential_map *credentials;
    struct tg_field signed_fields[5];
    char signed_body[SIGNED_BODY];
    struct tg_buf head_out;
    unsigned turn;
    struct tg_host host;   /* whose own requests are answered at once, by `answers` */
    struct tg_fetch asked; /* the last of them, not answered yet */
};

/* --- preparation --- */

static void read_example(struct bench *b)
{
    FILE *f = fopen(TG_TEST_DATA "/bodies/01_seed_put_example.json", "r");

    CHECK(f != NULL);
    b->example = (struct tg_str){b->example_bytes, fread(b->example_bytes, 1, EXAMPLE_MAX, f)};
    CHECK(b->example.n > 0 && b->example.n < EXAMPLE_MAX);
    fclose(f);
}

static void make_chunks(struct bench *b)
{
    char *p = b->chunks;

    for (int i = 0; i < CHUNKS; i++) {
        p += sprintf(p, "%x\r\n", (unsigned)CHUNK);
        memset(p, 'x', CHUNK);
        p += CHUNK;
        p += sprintf(p, "\r\n");
    }
    p += sprintf(p, "0\r\n\r\n");
    b->chunks_len = (size_t)(p - b->chunks);
}

static void prepare_outline(struct bench *b)
{
    struct tg_json_fault fault;

    CHECK(tg_json_verify(b->example, &limits, &b->outline, &fault));
}

static void load_settings(struct bench *b, struct tg_str text)
{
    struct tg_buf problems = {0};

    b->settings = tg_settings_offline("micro", text, "./", &problems);
    if (b->settings == NULL) {
        fprintf(stderr, "%.*s", TG_STR_ARG(tg_buf_str(&problems)));
        exit(EXIT_FAILURE);
    }
    tg_buf_end(&problems);
}

static void prepare_settings(struct bench *b)
{
    load_settings(b, TG_STR(configuration));
}

static void read_head(struct bench *b)
{
    size_t scanned = 0;
    size_t used;
    enum tg_error error;
    const char *why = NULL;

    CHECK(tg_request_head_parse(TG_STR(request_head), &head_limits, &scanned, &b->head, &used,
                                &error, &why) == TG_PARSE_DONE);
}

/* The request of `request_head` with the example as body, in the arena of the operation. */
static void start_request(struct bench *b, struct tg_arena *arena)
{
    tg_request_init(&b->request, arena);
    b->request.method = b->head.method;
    b->request.target = b->head.target;
    b->request.path = TG_STR(PATH);
    b->request.fields = b->head.fields;
    b->request.nfields = b->head.nfields;
    b->request.client_address = TG_STR("127.0.0.1");
    b->request.request_id = TG_STR("2cbbd1b0a3c4d5e6f708192a3b4c5d6e");
    b->request.body = b->example;
    b->request.host = b->host.handle != NULL ? &b->host : NULL;
    b->request.upstream = TG_STR("none");
    b->request.principal = TG_STR("hmac-sha256:0123456789abcdef0123456789abcdef");
    (void)tg_request_identify(&b->request);
}

/* An audit log that goes nowhere: what is counted is the line, not the disk. */
static void open_audit(struct bench *b)
{
    void *conf = tg_arena_zalloc(&b->settled, 1, tg_audit_conf_size());
    struct tg_conf_table table = {tg_audit_directives, conf};
    struct tg_conf c;
    const char *why = NULL;

    tg_conf_init(&c, &b->settled, "./");
    tg_conf_defaults(&c, TG_IN_MAIN, &table);
    CHECK(tg_conf_apply(&c, TG_IN_MAIN,
                        tg_conf_parse_text(&c, "micro", TG_STR("audit_log /dev/null mode=batch;")),
                        &table, 1));
    CHECK(tg_audit_check(&c, conf));
    b->audit = tg_audit_open(conf, TG_STR("0"), NULL, &b->settled, &why);
    CHECK(b->audit != NULL);
}

/* The request a record is made of, but for its document. */
static void prepare_record(struct bench *b)
{
    open_audit(b);
    read_head(b);
    start_request(b, &b->settled);
    b->request.route = TG_STR("/v1/{project_id}/training-job-configs/{config_name}");
    b->request.project_id = TG_STR(PROJECT);
    b->request.config_name = TG_STR("config1");
}

static void prepare_audit(struct bench *b)
{
    struct tg_json_fault fault;

    prepare_record(b);
    CHECK(tg_doc_parse(&b->doc, &b->settled, b->example, &limits, &fault));
    b->request.doc = &b->doc;
}

static void prepare_chain(struct bench *b)
{
    prepare_settings(b);
    read_head(b);
}

/* The example with more parameters: LARGE bytes, as the benchmark of bodies has them. */
static void make_large(struct bench *b)
{
    struct tg_buf text = {0};
    const char *mark = memchr(b->example_bytes, ']', b->example.n); /* of the parameters */
    size_t front;

    CHECK(mark != NULL);
    front = (size_t)(mark - b->example_bytes);
    tg_buf_add(&text, (struct tg_str){b->example_bytes, front});
    for (unsigned i = 0; text.n < LARGE; i++)
        tg_buf_printf(&text, ", {\"label\": \"option_%07u\", \"value\": \"%0200u\"}", i, i);
    tg_buf_add(&text, tg_str_skip(b->example, front));
    CHECK(text.n <= sizeof(b->example_bytes));
    memcpy(b->example_bytes, text.p, text.n);
    b->example.n = text.n;
    tg_buf_end(&text);
}

static void prepare_chain_large(struct bench *b)
{
    make_large(b);
    prepare_chain(b);
}

/* What the chain leaves of the example: three changes, no violation. */
static void prepare_changed(struct bench *b)
{
    const struct tg_location *location;
    struct tg_no_route why;

    prepare_settings(b);
    prepare_record(b);
    location = tg_settings_route(b->settings->servers, &b->request, &why);
    CHECK(location != NULL);
    tg_chain_begin(&b->walk, &location->filters, &b->request);
    CHECK(tg_chain_run(&b->walk) == TG_NEXT);
    CHECK(b->request.doc->nchanges == 3 && b->request.report.violations == 0);
    CHECK(tg_request_forwarded_body(&b->request).n > b->example.n);
}

static void prepare_changed_large(struct bench *b)
{
    make_large(b);
    prepare_changed(b);
}

/* A request of 4 KiB that is signed now, and the key of the gateway's own. */
static void prepare_signing(struct bench *b)
{
    static const struct tg_str secret = TG_STR("0123456789abcdefghijklmnopqrstuvwxyzABCD");
    const struct tg_source_conf env = {.kind = TG_SOURCE_ENV};
    struct tg_credential own = {.access_key = "GATEWAYAK", .secret = "gateway-secret-0123456789"};
    char *date = tg_arena_alloc(&b->settled, TG_SIGNING_DATE), hex[TG_SHA256_HEX];
    char signature[TG_AUTHORIZATION_SIGNATURE];
    struct tg_signing_request wire = {TG_STR("PUT"), TG_STR(PATH), b->signed_fields, 4};
    struct tg_str names = TG_STR("content-type;host;x-project-id;x-sdk-date"), bad;
    unsigned char digest[TG_SHA256];
    struct tg_buf text = {0};
    struct tg_conf c;

    tg_conf_init(&c, &b->settled, "./");
    b->keys = tg_client_keys_read(&c, "micro",
                                  TG_STR("key TGLKMICRO { principal alice; projects " PROJECT
                                         "; secret 0123456789abcdefghijklmnopqrstuvwxyzABCD; }"));
    b->locks = tg_signing_locks_new();
    b->credentials = tg_credential_map_new();
    CHECK(b->keys != NULL && b->credentials != NULL);
    CHECK(tg_credential_map_number(b->credentials, TG_STR("cloud"), &env) == 0);
    tg_credential_map_publish(b->credentials, 0, &own, 1);
    memset(b->signed_body, 'x', sizeof(b->signed_body));
    tg_sha256((struct tg_str){b->signed_body, SIGNED_BODY}, digest);
    tg_hex(digest, TG_SHA256, hex);
    tg_signing_date_write(tg_clock_wall_now() / 1000000, date);
    b->signed_fields[0] =
        (struct tg_field){TG_STR("Host"), TG_STR("modelarts.cn-north-4.myhuaweicloud.com")};
    b->signed_fields[1] = (struct tg_field){TG_STR("Content-Type"), TG_STR("application/json")};
    b->signed_fields[2] = (struct tg_field){TG_STR("X-Project-Id"), TG_STR(PROJECT)};
    b->signed_fields[3] = (struct tg_field){TG_STR("X-Sdk-Date"), {date, TG_SIGNING_DATE}};
    CHECK(tg_canonical_request(&wire, names, (struct tg_str){hex, TG_SHA256_HEX}, 0, &text, &bad) ==
          TG_CANONICAL_OK);
    tg_signature_make(TG_AUTHORIZATION_SDK, TG_STR("TGLKMICRO"), secret,
                      (struct tg_str){date, TG_SIGNING_DATE}, TG_STR(""), tg_buf_str(&text),
                      signature);
    tg_buf_end(&text);
    b->signed_fields[4] = (struct tg_field){
        TG_STR("Authorization"),
        tg_arena_printf(&b->settled,
                        "SDK-HMAC-SHA256 Access=TGLKMICRO, SignedHeaders=%.*s, Signature=%.*s",
                        TG_STR_ARG(names), TG_AUTHORIZATION_SIGNATURE, signature)};
    b->signing = (struct tg_signing_conf){.keys = b->keys,
                                          .locks = b->locks,
                                          .clock_skew = INT64_C(900000000),
                                          .all_forms = true,
                                          .credentials = b->credentials};
}

static void start_signed(struct bench *b)
{
    tg_arena_reset(&b->arena);
    tg_request_init(&b->request, &b->arena);
    b->request.method = TG_STR("PUT");
    b->request.target = b->request.raw_target = b->request.path = TG_STR(PATH);
    b->request.fields = b->signed_fields;
    b->request.nfields = 5;
    b->request.client_address = TG_STR("127.0.0.1");
    b->request.project_id = TG_STR(PROJECT);
    b->request.body = (struct tg_str){b->signed_body, SIGNED_BODY};
    b->request.signing = &b->signing;
    b->request.host = &b->host;
    (void)tg_request_identify(&b->request);
}

static void end_signing(struct bench *b)
{
    tg_client_keys_end(b->keys);
    tg_signing_locks_end(b->locks);
    tg_credential_map_end(b->credentials);
    tg_buf_end(&b->head_out);
}

/* --- services that are asked --- */

/* What they answer, by a part of the target. */
static const struct {
    const char *target;
    struct tg_str answer;
} answers[] = {
    {"/v3/auth/tokens",
     {"{\"token\":{\"user\":{\"id\":\"u1\",\"name\":\"alice\",\"domain\":{\"id\":\"d1\","
      "\"name\":"
      "\"acme\"}},\"project\":{\"id\":\"" PROJECT "\",\"name\":\"cn-north-4\"},"
      "\"roles\":[{\"name\":\"te_admin\"},{\"name\":\"ml\"}]}}",
      0}},
    {"resource-specs",
     {"{\"specs\":[{\"spec_id\":1,\"spec_code\":\"cpu.1\",\"gpu_num\":0,\"gpu_type\":\"\","
      "\"cpu\":"
      "\"8\",\"max_num\":8},{\"spec_id\":4,\"spec_code\":\"gpu.4\",\"gpu_num\":2,\"gpu_type\":"
      "\"v100\",\"cpu\":\"64\",\"max_num\":8}]}",
      0}},
    {"ai-engines",
     {"{\"engines\":[{\"engine_id\":1,\"engine_name\":\"TensorFlow\","
      "\"engine_version\":\"TF-1.8.0\"}]}",
      0}},
    {"built-in-algorithms",
     {"{\"model_total_count\":1,\"models\":[{\"model_id\":4,\"model_name\":\"resnet\"}]}", 0}},
};

static struct tg_request_handle handle_of(const struct tg_host *host, const struct tg_request *r)
{
    (void)r;
    return (struct tg_request_handle){host, 0, 0};
}

/* Who is woken runs in the operation. */
static bool resume(struct tg_request_handle handle)
{
    (void)handle;
    return true;
}

static struct tg_fetch_job *fetch(const struct tg_host *host, const struct tg_fetch *asked)
{
    struct bench *b = (struct bench *)((uintptr_t)host - offsetof(struct bench, host));

    b->asked = *asked;
    return (struct tg_fetch_job *)b;
}

static void cancel(struct tg_fetch_job *job)
{
    (void)job;
}

/* The stored config is the example, for all that is not in the table. */
static void answer_one(struct bench *b)
{
    struct tg_fetch asked = b->asked;
    struct tg_fetch_answer a = {.error = TG_E_DONE, .why = "", .status = 200, .body = b->example};

    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        if (memmem(asked.target.p, asked.target.n, answers[i].target, strlen(answers[i].target)))
            a.body = tg_str_of(answers[i].answer.p);
    b->asked.target.n = 0;
    asked.on_answer(asked.owner, &a);
}

static void prepare_live(struct bench *b)
{
    load_settings(b, TG_STR(live_configuration));
    read_head(b);
    b->host =
        (struct tg_host){.handle = handle_of, .resume = resume, .fetch = fetch, .cancel = cancel};
    b->host.lookups = tg_lookups_new(&b->host, 1 << 20);
}

/* --- operations --- */

/* The first filter and the last of a location that signs anew, and what the latter writes. */
static void verify_and_sign(struct bench *b)
{
    static const struct tg_filter_list filters = {.at = {&tg_filter_verify, &tg_filter_sign},
                                                  .n = 2};
    struct tg_chain walk = {0};

    start_signed(b);
    tg_chain_begin(&walk, &filters, &b->request);
    CHECK(tg_chain_run(&walk) == TG_NEXT);
    b->head_out.n = 0;
    CHECK(tg_chain_forward(&walk, TG_STR("modelarts.cn-north-4.myhuaweicloud.com"), &b->head_out));
    tg_chain_done(&walk);
    CHECK(b->request.signed_key_id.n > 0);
}

static void response(struct bench *b)
{
    size_t scanned = 0;
    size_t used;
    const char *why = NULL;

    CHECK(tg_response_head_parse(TG_STR(response_head), 32768, TG_ANSWERS_OTHER, &scanned,
                                 &b->response, &used, &why) == TG_PARSE_DONE);
}

static void response_body(struct bench *b)
{
    struct tg_outcome outcome;

    (void)b;
    tg_outcome_init(&outcome);
    tg_outcome_read(&outcome, TG_STR("{\"is_success\": true}"));
    CHECK(!outcome.failed);
}

static void read_chunks(struct bench *b)
{
    struct tg_chunked chunk;
    struct tg_str left = {b->chunks, b->chunks_len};
    struct tg_str data;
    size_t used;
    const char *why = NULL;
    enum tg_parse parse = TG_PARSE_MORE;

    tg_chunked_init(&chunk);
    while (parse == TG_PARSE_MORE) {
        parse = tg_chunked_read(&chunk, left, &data, &used, &why);
        left = tg_str_skip(left, used);
    }
    CHECK(parse == TG_PARSE_DONE && left.n == 0);
}

static void normalize_path(struct bench *b)
{
    char out[256];
    struct tg_target target;
    const char *why = NULL;

    (void)b;
    CHECK(tg_target_normalize(TG_STR(PATH), out, sizeof(out), &target, &why));
}

/* What a write is compared by with the guarded routes when it goes to none of them. */
static void fold_path(struct bench *b)
{
    char out[sizeof(PATH) + TG_TARGET_SKELETON_MORE];

    (void)b;
    CHECK(tg_target_skeleton(TG_STR(PATH), false, out, sizeof(out)).n > 0);
}

static void route(struct bench *b)
{
    struct tg_no_route why;

    tg_arena_reset(&b->arena);
    start_request(b, &b->arena);
    CHECK(tg_settings_route(b->settings->servers, &b->request, &why) != NULL);
}

static void verify(struct bench *b)
{
    struct tg_json_fault fault;

    CHECK(tg_json_verify(b->example, &limits, &b->outline, &fault));
    tg_json_outline_end(&b->outline);
}

static void nodes(struct bench *b)
{
    tg_arena_reset(&b->arena);
    tg_json_nodes(b->example, &b->outline,
                  tg_arena_alloc(&b->arena, b->outline.tokens * sizeof(struct tg_node)));
}

static void parse(struct bench *b)
{
    struct tg_json_fault fault;

    tg_arena_reset(&b->arena);
    CHECK(tg_doc_parse(&b->doc, &b->arena, b->example, &limits, &fault));
}

/* What the example needs: a renamed member, two numbers as strings. */
static void edit(struct bench *b)
{
    struct tg_doc *d = &b->doc;

    parse(b);
    tg_doc_rename(d, tg_doc_parent(d, tg_doc_find(d, TG_STR("/parameter/1/key"))), TG_STR("label"),
                  "key_to_label");
    tg_doc_replace(d, tg_doc_find(d, TG_STR("/parameter/0/value")), TG_STRING, TG_STR("\"0.01\""),
                   "number_to_string");
    tg_doc_replace(d, tg_doc_find(d, TG_STR("/parameter/1/value")), TG_STRING, TG_STR("\"32\""),
                   "number_to_string");
    CHECK(tg_doc_result(d).n == b->example.n + 6);
}

/* The whole chain with twenty rules, as traffic walks it. Look-ups are answered when they wait.
 */
static void chain(struct bench *b)
{
    struct tg_chain walk = {0};
    const struct tg_location *location;
    struct tg_no_route why;
    enum tg_verdict verdict;

    tg_arena_reset(&b->arena);
    start_request(b, &b->arena);
    location = tg_settings_route(b->settings->servers, &b->request, &why);
    CHECK(location != NULL);
    tg_chain_begin(&walk, &location->filters, &b->request);
    while ((verdict = tg_chain_run(&walk)) == TG_WAIT)
        while (b->asked.target.n > 0)
            answer_one(b);
    CHECK(verdict == TG_NEXT);
    CHECK(tg_request_forwarded_body(&b->request).n > b->example.n);
    tg_chain_done(&walk);
}

/* The same with all that is looked up: kept answers but for the stored config. */
static void chain_live(struct bench *b)
{
    chain(b);
    CHECK(b->request.user != NULL && b->request.before != NULL && b->request.lookups != NULL);
}

/* One record of a turn with sixteen. */
static void audit(struct bench *b)
{
    struct tg_audit_record record = {
        .time = 1790000000000000 + b->turn * 1000,
        .request = &b->request,
        .end = TG_E_DONE,
        .status = 200,
        .upstream_status = 200,
        .upstream_address = TG_STR("127.0.0.1:443"),
        .bytes_in = b->example.n,
        .bytes_out = 20,
        .duration_us = 1234,
        .filter_us = 12,
        .upstream_us = 1100,
    };

    b->principal.n = 0;
    tg_audit_principal(b->audit, &b->request, &b->principal);
    b->request.principal = tg_buf_str(&b->principal);
    tg_audit_outcome(b->audit, &record);
    if (++b->turn % 16 == 0)
        CHECK(tg_audit_flush(b->audit));
}

static const struct operation {
    const char *name;
    void (*prepare)(struct bench *b);
    void (*run)(struct bench *b);
} operations[] = {
    {"guard_head", NULL, read_head},
    {"chunked_8k", make_chunks, read_chunks},
    {"normalize_path", NULL, normalize_path},
    {"path_skeleton", NULL, fold_path},
    {"route", prepare_chain, route},
    {"json_verify", NULL, verify},
    {"json_tokens", prepare_outline, nodes},
    {"document_parse", NULL, parse},
    {"document_edit", NULL, edit},
    {"chain", prepare_chain, chain},
    {"chain_8k", prepare_chain_large, chain},
    {"chain_live", prepare_live, chain_live},
    {"audit_record", prepare_audit, audit},
    {"audit_record_changed", prepare_changed, audit},
    {"audit_record_8k", prepare_changed_large, audit},
    {"verify_and_sign_4k", prepare_signing, verify_and_sign},
    {"response_head", NULL, response},
    {"response_body", NULL, response_body},
};

static int list(void)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
        puts(operations[i].name);
    return EXIT_SUCCESS;
}

static void repeat(const struct operation *o, unsigned long n)
{
    struct bench *b = calloc(1, sizeof(*b));

    CHECK(b != NULL);
    tg_arena_init(&b->settled);
    tg_arena_init(&b->arena);
    read_example(b);
    if (o->prepare != NULL)
        o->prepare(b);
    while (n-- > 0)
        o->run(b);
    tg_json_outline_end(&b->outline);
    tg_chain_done(&b->walk);
    tg_audit_close(b->audit);
    tg_buf_end(&b->principal);
    end_signing(b);
    tg_lookups_end(b->host.lookups);
    tg_settings_end(b->settings);
    tg_arena_end(&b->arena);
    tg_arena_end(&b->settled);
    free(b);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return list();
    tg_filter_register(tg_builtin_filters);
    for (size_t i = 0; argc == 3 && i < sizeof(operations) / sizeof(*operations); i++) {
        if (strcmp(operations[i].name, argv[1]) != 0)
            continue;
        repeat(&operations[i], strtoul(argv[2], NULL, 10));
        return EXIT_SUCCESS;
    }
    fputs("usage: micro [OPERATION N]\n", stderr);
    return 2;
}
