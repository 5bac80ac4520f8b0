/* Every test word at each bound, on every kind of value. */
#include "policy_fixture.h"

/* The rule is `r`, the body is as it stands; "pass", "fail!" (denied), "skip", "error!". */
static const struct {
    const char *rule;
    const char *body;
    const char *result;
} cases[] = {
    /* required, absent: null and, for URLs and ids, "" count as absent */
    {"at log_url; required;", "{\"log_url\":\"/a/b/\"}", "pass"},
    {"at log_url; required;", "{}", "fail!"},
    {"at log_url; required;", "{\"log_url\":null}", "fail!"},
    {"at log_url; required;", "{\"log_url\":\"\"}", "fail!"},
    {"at config_desc; required;", "{\"config_desc\":\"\"}", "pass"},
    {"at user_command; absent;", "{\"user_command\":\"ls\"}", "fail!"},
    {"at user_command; absent;", "{\"user_command\":null}", "pass"},
    {"at user_command; absent;", "{}", "pass"},

    /* numbers, exactly */
    {"at worker_server_num; max 4;", "{\"worker_server_num\":4}", "pass"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":5}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":4.0}", "pass"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":4.000000000000000000001}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":4e0}", "pass"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":0.5e1}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":\"5\"}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":\"4\"}", "pass"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":\"four\"}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":true}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":[1]}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":{\"a\":1}}", "fail!"},
    {"at worker_server_num; max 4;", "{\"worker_server_num\":1e999999999999}", "fail!"},
    {"at worker_server_num; min 2;", "{\"worker_server_num\":2}", "pass"},
    {"at worker_server_num; min 2;", "{\"worker_server_num\":1}", "fail!"},
    {"at worker_server_num; min 2;", "{\"worker_server_num\":-3}", "fail!"},
    {"at spec_id; max 9007199254740992;", "{\"spec_id\":9007199254740993}", "fail!"},
    {"at spec_id; max 9007199254740993;", "{\"spec_id\":9007199254740993}", "pass"},
    {"at spec_id; max 9223372036854775807;", "{\"spec_id\":9223372036854775808}", "fail!"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\"0.01\"}]}", "pass"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\"1e0\"}]}", "pass"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\"1.01\"}]}", "fail!"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\"-0\"}]}", "pass"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\" 1\"}]}", "fail!"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":\"\"}]}", "fail!"},
    {"at parameter[*].value; min 0; max 1;", "{\"parameter\":[{\"value\":0.5}]}", "pass"},

    /* equality */
    {"at spec_id; equals 7;", "{\"spec_id\":7}", "pass"},
    {"at spec_id; equals 7;", "{\"spec_id\":7.0}", "pass"},
    {"at spec_id; equals 7;", "{\"spec_id\":8}", "fail!"},
    {"at spec_id; in 2 4 7;", "{\"spec_id\":4}", "pass"},
    {"at spec_id; in 2 4 7;", "{\"spec_id\":3}", "fail!"},
    {"at spec_id; not_in 2 4 7;", "{\"spec_id\":3}", "pass"},
    {"at spec_id; not_in 2 4 7;", "{\"spec_id\":40e-1}", "fail!"},
    {"at spec_id; not_in 2 4 7;", "{\"spec_id\":\"4\"}", "fail!"},
    {"at flavor.code; equals a.b;", "{\"flavor\":{\"code\":\"a.b\"}}", "pass"},
    {"at flavor.code; equals a.b;", "{\"flavor\":{\"code\":\"A.b\"}}", "fail!"},
    {"at parameter[*].value; in 32 64;", "{\"parameter\":[{\"value\":\"32\"}]}", "pass"},
    {"at parameter[*].value; in 32 64;", "{\"parameter\":[{\"value\":\"32.0\"}]}", "fail!"},
    {"at parameter[*].value; not_in 32;", "{\"parameter\":[{\"value\":\"+032.0\"}]}", "fail!"},
    {"at parameter[*].value; not_in 32;", "{\"parameter\":[{\"value\":\"33\"}]}", "pass"},
    {"at parameter[*].value; not_in x;", "{\"parameter\":[{\"value\":[\"y\"]}]}", "fail!"},

    /* lengths in code points */
    {"at config_desc; min_length 3;", "{\"config_desc\":\"abc\"}", "pass"},
    {"at config_desc; min_length 3;", "{\"config_desc\":\"ab\"}", "fail!"},
    {"at config_desc; max_length 2;", "{\"config_desc\":\"\\u4f60好\"}", "pass"},
    {"at config_desc; max_length 2;", "{\"config_desc\":\"\xf0\x9f\x98\x80\\ud83d\\ude00x\"}",
     "fail!"},

    /* beginnings */
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision/a/\"}", "pass"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision/\"}", "pass"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision-2/a/\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision/../other/\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision//x/\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision/./x/\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ML-vision/x/\"}", "fail!"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":\"/ml-vision\\u002fx/\"}", "pass"},
    {"at app_url; prefix /ml-vision/;", "{\"app_url\":7}", "fail!"},
    {"at app_url; prefix /ml-vision/ /ml-shared/;", "{\"app_url\":\"/ml-shared/x\"}", "pass"},
    {"at app_url; not_prefix /secret/;", "{\"app_url\":\"/secret/x\"}", "fail!"},
    {"at app_url; not_prefix /secret/;", "{\"app_url\":\"/secret\"}", "fail!"},
    {"at app_url; not_prefix /secret/;", "{\"app_url\":\"/other/../secret/x\"}", "fail!"},
    {"at app_url; not_prefix /secret/;", "{\"app_url\":\"/secrets/x\"}", "pass"},
    {"at user_image_url; prefix swr.cn/ml/;", "{\"user_image_url\":\"swr.cn/ml/a:1\"}", "pass"},
    {"at user_image_url; prefix swr.cn/ml/;", "{\"user_image_url\":\"swr.cn/x/a:1\"}", "fail!"},
    {"at user_image_url; prefix swr.cn/ml/;", "{\"user_image_url\":\"SWR.cn/ml/a:1\"}", "fail!"},
    {"at user_image_url; not_prefix docker.io/;", "{\"user_image_url\":\"Docker.IO/a\"}", "fail!"},

    /* patterns */
    {"at config_desc; matches \"^[A-Z]+-[0-9]+ \";", "{\"config_desc\":\"ML-1 x\"}", "pass"},
    {"at config_desc; matches \"^[A-Z]+-[0-9]+ \";", "{\"config_desc\":\"ml-1 x\"}", "fail!"},
    {"at config_desc; matches \"^[A-Z]+-\\d+$\";", "{\"config_desc\":\"ML-1\\n\"}", "fail!"},
    {"at config_desc; matches \"^\\d+$\";", "{\"config_desc\":\"\xd9\xa1\"}", "fail!"},
    {"at config_desc; matches a b;", "{\"config_desc\":\"b\"}", "pass"},
    {"at config_desc; matches a;", "{\"config_desc\":[\"a\"]}", "fail!"},
    {"at parameter[*].label; not_matches \"(?i)(secret|_?[as]k)$\";",
     "{\"parameter\":[{\"label\":\"MY_SK\"}]}", "fail!"},
    {"at parameter[*].label; not_matches \"(?i)(secret|_?[as]k)$\";",
     "{\"parameter\":[{\"label\":\"my_\xe2\x84\xaa\"},{\"label\":\"s\xe2\x84\xaa\"}]}", "fail!"},
    {"at parameter[*].label; not_matches \"(?i)(secret|_?[as]k)$\";",
     "{\"parameter\":[{\"label\":\"sk\\n\"}]}", "fail!"},
    {"at parameter[*].label; not_matches \"(?i)(secret|_?[as]k)$\";",
     "{\"parameter\":[{\"label\":\"batch\"}]}", "pass"},
    {"at config_desc; matches \"^(a+)+$\";",
     "{\"config_desc\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}", "error!"},
    {"at config_desc; not_matches \"^(a+)+$\";",
     "{\"config_desc\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}", "error!"},
};

static void every_word_at_its_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_buf text = {0};
        struct tg_buf expected = {0};
        struct bench b;

        tg_buf_printf(&text, "policy p { rule r { %s } }%c", cases[i].rule, '\0');
        tg_buf_printf(&expected, "p.r=%s%c", cases[i].result, '\0');
        bench_good(&b, text.p);
        bench_body(&b, cases[i].body);
        tg_buf_printf(&text, "%s", cases[i].body);
        text.p[strlen(text.p)] = ' ';
        tg_buf_putc(&text, '\0');
        bench_expect(&b, expected.p, text.p);
        bench_end(&b);
        tg_buf_end(&text);
        tg_buf_end(&expected);
    }
}

/* A word is told in both languages, with its operands. */
static void every_word_has_words(void **state)
{
    static const char *const rules[][2] = {
        {"at log_url; required;", "is required"},
        {"at worker_server_num; max 4;", "must be at most 4"},
        {"at spec_id; in 2 4;", "must be one of 2, 4"},
        {"at config_desc; max_length 9;", "must have at most 9 characters"},
        {"at config_desc; matches a+;", "must match \"a+\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        struct tg_buf text = {0};
        struct bench b;

        tg_buf_printf(&text, "policy p { rule r { %s } }%c", rules[i][0], '\0');
        bench_good(&b, text.p);
        text.n = 0;
        tg_policy_test_words(b.set->policies->rules->checks->tests, false, &text);
        assert_true(tg_str_eq(tg_buf_str(&text), tg_str_of(rules[i][1])));
        text.n = 0;
        tg_policy_test_words(b.set->policies->rules->checks->tests, true, &text);
        assert_true(text.n > 0 && (unsigned char)text.p[0] >= 0x80);
        bench_end(&b);
        tg_buf_end(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_at_its_bounds),
        cmocka_unit_test(every_word_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
