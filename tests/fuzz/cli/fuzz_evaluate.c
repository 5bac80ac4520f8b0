/*
 * The whole chain json, normalize, validate: the first byte chooses the level and the credentials,
 * the rest is the body. What passes must pass again unchanged; what is refused gets an answer that
 * is exact JSON.
 */
#include "chain/chain.h"
#include "settings/settings.h"

#include "base/check.h"
#include "table.h"

#include <stdio.h>

static const struct tg_json_limits limits = {64, 100000};

/* One location per level, all normalizations on. */
static const char configuration[] =
    "upstream a { server 127.0.0.1:1; tls off; }\n"
    "server { listen 127.0.0.1:0;\n"
    "normalize drop_nulls on; normalize directory_slash on; normalize engine_default on;\n"
    "normalize_default log_url \"/logs/{project_id}/{config_name}/\";\n"
    "location /1 { filters json normalize validate; validate lax; proxy_pass a; }\n"
    "location /2 { filters json normalize validate; validate documented; proxy_pass a; }\n"
    "location /3 { filters json normalize validate; validate strict; proxy_pass a; } }\n";

static struct tg_settings *load(void)
{
    struct tg_buf problems = {0};
    struct tg_buf text = {0};
    struct tg_settings *s;

    tg_buf_puts(&text, configuration);
    s = tg_settings_offline("fuzz", tg_buf_str(&text), "./", &problems);
    if (s == NULL)
        (void)fprintf(stderr, "%.*s", TG_STR_ARG(tg_buf_str(&problems)));
    CHECK(s != NULL);
    tg_buf_end(&problems);
    tg_buf_end(&text);
    return s;
}

static enum tg_verdict run(struct tg_request *r, struct tg_arena *arena,
                           const struct tg_location *location, bool is_signed, struct tg_str body)
{
    static const struct tg_field fields[] = {
        {{"Content-Type", 12}, {"application/json", 16}},
        {{"Authorization", 13}, {"SDK-HMAC-SHA256 Access=a, Signature=b", 37}},
    };
    struct tg_chain chain;
    enum tg_verdict verdict;

    tg_request_init(r, arena);
    r->fields = fields;
    r->nfields = is_signed ? 2 : 1;
    r->project_id = TG_STR("p");
    r->config_name = TG_STR("c");
    r->request_id = TG_STR("0");
    r->body = body;
    (void)tg_request_identify(r);
    tg_chain_begin(&chain, &location->filters, r);
    verdict = tg_chain_run(&chain);
    tg_chain_done(&chain);
    return verdict;
}

static void check_answer(const struct tg_request *r, struct tg_arena *arena)
{
    struct tg_json_fault fault;
    struct tg_buf answer = {0};
    struct tg_doc d;
    int status;

    tg_request_answer(r, &answer, &status);
    CHECK(status >= 400 && status < 500);
    CHECK(tg_doc_parse(&d, arena, tg_buf_str(&answer), &limits, &fault));
    tg_buf_end(&answer);
}

/* Loaded once, by LLVMFuzzerInitialize(). */
static struct tg_settings *settings;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    tg_filter_register(tg_builtin_filters);
    settings = load();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tg_location *location;
    struct tg_request r, again;
    struct tg_arena arena;
    bool is_signed;

    if (size == 0)
        return 0;
    location = settings->servers->locations;
    for (unsigned i = data[0] % 3U; i > 0; i--)
        location = location->next;
    is_signed = data[0] & 0x40;
    tg_arena_init(&arena);
    if (run(&r, &arena, location, is_signed, (struct tg_str){(const char *)data + 1, size - 1}) !=
        TG_NEXT) {
        check_answer(&r, &arena);
    } else {
        CHECK(run(&again, &arena, location, is_signed, tg_request_forwarded_body(&r)) == TG_NEXT);
        CHECK(again.doc->nchanges == 0);
    }
    tg_arena_end(&arena);
    return 0;
}
