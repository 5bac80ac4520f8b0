/* The filter to copy, and the way to test one without a socket. */
#include "chain/chain.h"
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "skeleton.c"

extern const struct tg_filter tg_filter_json;

/* Stands in for filters/table.c. */
static const struct tg_filter *const builtin[] = {&tg_filter_json, &tg_module_filter, NULL};

#define CONF                                                                                       \
    "upstream a { server 127.0.0.1:1; tls off; }\n"                                                \
    "server { listen 127.0.0.1:0;\n"                                                               \
    "    location / { proxy_pass a; filters json skeleton; %s }\n"                                 \
    "}\n"

static const struct {
    const char *directive;
    const char *body;
    enum tg_verdict verdict;
} rows[] = {
    {"", "{\"config_desc\": \"for tests\"}", TG_NEXT},
    {"", "{}", TG_REPLY},
    {"skeleton_required on;", "{}", TG_REPLY},
    {"skeleton_required off;", "{}", TG_NEXT},
    {"", "[]", TG_NEXT},
    {"", "{", TG_REPLY},
};

static void configs_need_a_description(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_field type = {TG_STR("Content-Type"), TG_STR("application/json")};
        struct tg_buf text = {0};
        struct tg_buf problems = {0};
        struct tg_settings *settings;
        struct tg_arena arena;
        struct tg_request r;
        struct tg_chain chain;

        tg_buf_printf(&text, CONF, rows[i].directive);
        settings = tg_settings_offline("test", tg_buf_str(&text), "./", &problems);
        assert_non_null(settings);
        tg_arena_init(&arena);
        tg_request_init(&r, &arena);
        r.fields = &type;
        r.nfields = 1;
        r.body = tg_str_of(rows[i].body);
        tg_chain_begin(&chain, &settings->servers->locations->filters, &r);
        assert_int_equal(tg_chain_run(&chain), rows[i].verdict);
        tg_chain_done(&chain);
        assert_int_equal(r.report.violations, rows[i].verdict == TG_REPLY);
        tg_arena_end(&arena);
        tg_settings_end(settings);
        tg_buf_end(&problems);
        tg_buf_end(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(configs_need_a_description)};

    tg_filter_register(builtin);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
