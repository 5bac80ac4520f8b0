/* Who may ask: names of the gateway, and the token. */
#include "admin/protect.h"

#include "admin/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void hosts(void **state)
{
    static const struct {
        const char *host;
        bool known;
    } rows[] = {
        {"127.0.0.1", true},       {"127.0.0.1:9901", true},
        {"10.1.2.3:80", true},     {"[::1]", true},
        {"[::1]:9901", true},      {"[2001:db8::1]:1", true},
        {"localhost", true},       {"LocalHost:9901", true},
        {"admin.example", true},   {"Admin.Example:1", true},
        {"second", true},          {"", false},
        {"evil.example", false},   {"admin.example.evil", false},
        {"localhost.evil", false}, {"127.0.0.1.evil", false},
        {"[::1", false},           {"::1", false},
        {":9901", false},          {"admin.example.", false},
        {"127.1", false},
    };
    const struct tg_str names[] = {TG_STR("server_name"), TG_STR("admin.example"),
                                   TG_STR("second")};
    const struct tg_conf_item item = {.args = names, .nargs = 3};
    struct tg_settings s = {.admin_names = &item};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (tg_admin_knows_host(&s, tg_str_of(rows[i].host)) != rows[i].known)
            fail_msg("%s", rows[i].host);
    assert_false(tg_admin_knows_host(&s, tg_str_of(NULL)));
    s.admin_names = NULL;
    assert_false(tg_admin_knows_host(&s, TG_STR("admin.example")));
}

static void tokens(void **state)
{
    static const struct {
        const char *authorization;
        bool known;
    } rows[] = {
        {"Bearer 0123456789abc:ef", true},
        {"bearer   0123456789abc:ef ", true},
        {"Basic YWRtaW46MDEyMzQ1Njc4OWFiYzplZg==", true}, /* admin: */
        {"basic OjAxMjM0NTY3ODlhYmM6ZWY=", true},         /* no name */
        {"Bearer 0123456789abc:e", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"0123456789abc:ef", false},
        {"Digest 0123456789abc:ef", false},
        {"Basic MDEyMzQ1Njc4OWFiYzplZg==", false}, /* the token alone: its first half is a name */
        {"Basic YWRtaW46MDEyMzQ1Njc4OWFiYzplZg=", false},
        {"Basic YWRtaW46 MDEyMzQ1Njc4OWFiYzplZg==", false},
        {"Basic ====", false},
        {"Basic", false},
        {"", false},
    };
    struct tg_settings s = {.admin_token = TG_STR("0123456789abc:ef")};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (tg_admin_knows_token(&s, tg_str_of(rows[i].authorization)) != rows[i].known)
            fail_msg("%s", rows[i].authorization);
    s.admin_token = (struct tg_str){NULL, 0};
    assert_false(tg_admin_knows_token(&s, TG_STR("Bearer ")));
    assert_false(tg_admin_knows_token(&s, TG_STR("Basic Og==")));
}

static void files(void **state)
{
    (void)state;
    assert_string_equal(tg_page_file("/")->type, "text/html; charset=utf-8");
    assert_string_equal(tg_page_file("/page/main.js")->type, "text/javascript; charset=utf-8");
    assert_null(tg_page_file("/page/index.html"));
    assert_null(tg_page_file("/page/"));
    assert_true(tg_page_wanted("text/html,application/xhtml+xml"));
    assert_false(tg_page_wanted("*/*"));
    assert_false(tg_page_wanted(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(tokens),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
