/* Filters that are built in, and modules: what is loaded, what is refused and why. */
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum tg_verdict pass(struct tg_request *r, const void *conf, void *state)
{
    (void)r;
    (void)conf;
    (void)state;
    return TG_NEXT;
}

static const struct tg_filter inside = {.abi = TG_FILTER_ABI, .name = "inside", .on_request = pass};

/* Stands in for filters/table.c. */
static const struct tg_filter *const builtin[] = {&inside, NULL};

static const struct {
    const char *file;
    const char *why; /* how it begins; NULL: loads */
} modules[] = {
    {"module_abi.so", "it was built for filter ABI 999, this is "},
    {"module_symbol.so", "it does not export \"tg_module_filter\""},
    {"module_nameless.so", "its filter has no name or no on_request"},
    {"module_taken.so", "a filter named \"inside\" is there already"},
    {"no_such.so", TG_TEST_MODULES "/no_such.so: cannot open shared object file"},
    {"module_good.so", NULL},
    {"module_good.so", NULL}, /* as each reload does */
    {"module_again.so", "a filter named \"outside\" is there already"},
};

static void modules_are_checked(void **state)
{
    struct tg_arena arena;

    (void)state;
    tg_arena_init(&arena);
    assert_int_equal(tg_filter_count(), 1);
    assert_int_equal(tg_filter_index(TG_STR("outside")), -1);
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        char path[1024];
        const char *why;

        snprintf(path, sizeof(path), "%s/%s", TG_TEST_MODULES, modules[i].file);
        why = tg_filter_load_module(&arena, path);
        if ((why == NULL) != (modules[i].why == NULL) ||
            (why != NULL && !tg_str_starts(tg_str_of(why), tg_str_of(modules[i].why))))
            fail_msg("%s: %s", modules[i].file, why != NULL ? why : "loaded");
    }
    assert_int_equal(tg_filter_count(), 2);
    assert_int_equal(tg_filter_index(TG_STR("inside")), 0);
    assert_int_equal(tg_filter_index(TG_STR("outside")), 1);
    assert_string_equal(tg_filter_at(1)->help, "Stands outside.");
    tg_arena_end(&arena);
}

/* The module is named behind its first use, and a reload names it again. */
static void a_configuration_uses_a_module(void **state)
{
    static const char text[] = "upstream a { server 127.0.0.1:1; tls off; }\n"
                               "server {\n"
                               "    listen 127.0.0.1:0;\n"
                               "    location / {\n"
                               "        filters outside inside;\n"
                               "        outside_limit 7;\n"
                               "        proxy_pass a;\n"
                               "    }\n"
                               "}\n"
                               "load_module module_good.so;\n";
    char path[] = "/tmp/trainguard-registry-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    (void)state;
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    for (int i = 0; i < 2; i++) {
        struct tg_buf problems = {0};
        struct tg_settings *s = tg_settings_read(path, TG_TEST_MODULES "/", &problems);

        if (s == NULL)
            fail_msg("%.*s", TG_STR_ARG(tg_buf_str(&problems)));
        assert_int_equal(s->servers->locations->filters.n, 2);
        assert_int_equal(*(int64_t *)s->servers->locations->filter_conf[1], 7);
        tg_settings_end(s);
        tg_buf_end(&problems);
    }
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_checked),
        cmocka_unit_test(a_configuration_uses_a_module),
    };

    tg_filter_register(builtin);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
