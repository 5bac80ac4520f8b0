/* Targets: no spelling of a guarded path slips past its location. */
#include "http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define RAW(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }
#define GUARDED "/v1/p/training-job-configs/c"
#define PATTERN "/v1/{project_id}/training-job-configs/{config_name}"
#define FIFTY   "01234567890123456789012345678901234567890123456789"

static const struct target_case {
    struct tg_str target;
    const char *path; /* NULL: refused */
    const char *query;
} cases[] = {
    /* unchanged */
    {RAW("/"), "/", NULL},
    {RAW("*"), "*", NULL},
    {RAW(GUARDED), GUARDED, NULL},
    {RAW(GUARDED "?a=b&c"), GUARDED, "a=b&c"},
    {RAW("/a?"), "/a", ""},
    {RAW("/a?b?c"), "/a", "b?c"},
    {RAW("/a?b/../c//d%2F;%zz"), "/a", "b/../c//d%2F;%zz"},
    {RAW("/aZ0-._~!$&'()*+,=:@"), "/aZ0-._~!$&'()*+,=:@", NULL},
    {RAW("/a.b/..c/d../...e"), "/a.b/..c/d../...e", NULL},
    {RAW("/..."), "/...", NULL},
    {RAW("/a%20b"), "/a%20b", NULL},
    {RAW("/a%25b"), "/a%25b", NULL},
    {RAW("/a%252Fb"), "/a%252Fb", NULL},
    {RAW("/a%3Fb"), "/a%3Fb", NULL},
    {RAW("/a%23b"), "/a%23b", NULL},
    {RAW("/%E4%BD%A0"), "/%E4%BD%A0", NULL},
    {RAW("/%F0%9F%98%80"), "/%F0%9F%98%80", NULL},
    /* spellings of the same path */
    {RAW("/v1/p/training%2Djob-configs/c"), GUARDED, NULL},
    {RAW("/v1/p/training%2djob%2dconfigs/c"), GUARDED, NULL},
    {RAW("/v1/p/%74raining-job-configs/%63"), GUARDED, NULL},
    {RAW("/%76%31/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/p/./training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/p/%2e/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/x/../p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/x/%2e%2E/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/x/.%2e/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/x/y/../../p/training-job-configs/c"), GUARDED, NULL},
    {RAW("//v1/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1//p///training-job-configs/c"), GUARDED, NULL},
    {RAW("/v1/p/training-job-configs/c/"), GUARDED, NULL},
    {RAW("/v1/p/training-job-configs/c//"), GUARDED, NULL},
    {RAW("/v1/p/training-job-configs/c/."), GUARDED, NULL},
    {RAW("/v1/p/training-job-configs/c/x/.."), GUARDED, NULL},
    {RAW("/v1/p/training-job-configs/c/?q"), GUARDED, "q"},
    {RAW("/./v1/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("/x/../v1/p/training-job-configs/c"), GUARDED, NULL},
    {RAW("//"), "/", NULL},
    {RAW("/."), "/", NULL},
    {RAW("/a/.."), "/", NULL},
    {RAW("/a/../"), "/", NULL},
    {RAW("/a//.."), "/", NULL},
    {RAW("/%7Euser"), "/~user", NULL},
    {RAW("/%7e%5f%2E%2D"), "/~_.-", NULL},
    {RAW("/%e4%bd%a0"), "/%E4%BD%A0", NULL},
    {RAW("/a%3ab"), "/a%3Ab", NULL},
    {RAW("/%2521"), "/%2521", NULL},
    /* refused */
    {RAW(""), NULL, NULL},
    {RAW("a"), NULL, NULL},
    {RAW("?a"), NULL, NULL},
    {RAW("**"), NULL, NULL},
    {RAW("*?a"), NULL, NULL},
    {RAW("http://h/a"), NULL, NULL},
    {RAW("/.."), NULL, NULL},
    {RAW("/../a"), NULL, NULL},
    {RAW("/a/../../b"), NULL, NULL},
    {RAW("/%2e%2e/a"), NULL, NULL},
    {RAW("/./.."), NULL, NULL},
    {RAW("//../a"), NULL, NULL},
    {RAW("/a%2Fb"), NULL, NULL},
    {RAW("/a%2fb"), NULL, NULL},
    {RAW("/v1/p/training-job-configs%2fc"), NULL, NULL},
    {RAW("/a%5Cb"), NULL, NULL},
    {RAW("/a%5cb"), NULL, NULL},
    {RAW("/a\\b"), NULL, NULL},
    {RAW("/a%00"), NULL, NULL},
    {RAW("/a%0d%0aX"), NULL, NULL},
    {RAW("/a%1f"), NULL, NULL},
    {RAW("/a%7F"), NULL, NULL},
    {RAW("/a%09"), NULL, NULL},
    {RAW("/a%"), NULL, NULL},
    {RAW("/a%2"), NULL, NULL},
    {RAW("/a%zz"), NULL, NULL},
    {RAW("/a%2g"), NULL, NULL},
    {RAW("/a%g2"), NULL, NULL},
    {RAW("/a%%41"), NULL, NULL},
    {RAW("/a%+1"), NULL, NULL},
    {RAW("/a%2/2F"), NULL, NULL},
    {RAW("/%u002f"), NULL, NULL},
    {RAW("/%C0%AF"), NULL, NULL},
    {RAW("/%C0%AE%C0%AE/a"), NULL, NULL},
    {RAW("/%E0%80%AF"), NULL, NULL},
    {RAW("/%ED%A0%80"), NULL, NULL},
    {RAW("/%F4%90%80%80"), NULL, NULL},
    {RAW("/%E4%BD"), NULL, NULL},
    {RAW("/%E4%BDa"), NULL, NULL},
    {RAW("/%80"), NULL, NULL},
    {RAW("/%FF"), NULL, NULL},
    {RAW("/v1/p/training-job-configs;a=b/c"), NULL, NULL},
    {RAW("/v1/x/..;/p"), NULL, NULL},
    {RAW("/a%3Bb"), NULL, NULL},
    {RAW("/a#b"), NULL, NULL},
    {RAW("/a?b#c"), NULL, NULL},
    {RAW("/a b"), NULL, NULL},
    {RAW("/a?b c"), NULL, NULL},
    {RAW("/a\tb"), NULL, NULL},
    {RAW("/a\0b"), NULL, NULL},
    {RAW("/a\x7f"), NULL, NULL},
    {RAW("/\xc3\xa4"), NULL, NULL},
    {RAW("/a?\xff"), NULL, NULL},
    {RAW("/{a}"), NULL, NULL},
    {RAW("/a|b"), NULL, NULL},
    {RAW("/[a]"), NULL, NULL},
};

static void judge(const struct target_case *c)
{
    char *out = malloc(c->target.n + 1); /* what is promised to be enough, seen by ASan */
    struct tg_str path = {NULL, 0};
    struct tg_str query = {NULL, 0};
    const char *why = NULL;
    bool changed = false;
    bool good = tg_target_normalize(c->target, out, c->target.n, &path, &query, &changed, &why);
    size_t raw = c->query != NULL ? c->target.n - strlen(c->query) - 1 : c->target.n;

    if (good != (c->path != NULL) || good != (why == NULL))
        fail_msg("\"%.*s\": %s", TG_STR_ARG(c->target), why != NULL ? why : "taken");
    if (good) {
        if (!tg_str_eq(path, tg_str_of(c->path)))
            fail_msg("\"%.*s\" became \"%.*s\"", TG_STR_ARG(c->target), TG_STR_ARG(path));
        assert_true((query.p != NULL) == (c->query != NULL));
        assert_true(tg_str_eq(query, tg_str_of(c->query)));
        assert_int_equal(changed, !tg_str_eq(path, (struct tg_str){c->target.p, raw}));
    }
    free(out);
}

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        judge(&cases[i]);
}

static void idempotent(void **state)
{
    char out[128];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_str path;
        struct tg_str query;
        const char *why = NULL;
        bool changed = true;

        if (cases[i].path == NULL)
            continue;
        assert_true(tg_target_normalize(tg_str_of(cases[i].path), out, sizeof(out), &path, &query,
                                        &changed, &why));
        assert_false(changed);
    }
}

/* All bytes, raw and encoded: the rule holds for each, not only for those above. */
static void every_byte(void **state)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "-._~";
    static const char reserved[] = "!$&'()*+,=:@"; /* without ";" */

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char raw[3] = {'/', 'x', (char)byte};
        char encoded[5] = {'/', 'x', '%', hex[byte >> 4], hex[byte & 15]};
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= '0' && byte <= '9') || (byte != 0 && strchr(plain, byte) != NULL);
        bool taken =
            letter || byte == '/' || byte == '?' || (byte != 0 && strchr(reserved, byte) != NULL);
        bool decent = byte > 0x1f && byte < 0x7f && byte != '/' && byte != '\\' && byte != ';';
        struct tg_str path;
        struct tg_str query;
        const char *why;
        bool changed;
        char out[8];

        assert_int_equal(tg_target_normalize((struct tg_str){raw, 3}, out, sizeof(out), &path,
                                             &query, &changed, &why),
                         taken);
        assert_int_equal(tg_target_normalize((struct tg_str){encoded, 5}, out, sizeof(out), &path,
                                             &query, &changed, &why),
                         decent);
        if (decent)
            assert_int_equal(path.n, letter ? 3 : 5);
    }
}

static const struct match_case {
    const char *pattern;
    const char *path;
    bool matches;
    bool resembles;
    const char *values; /* joined by commas */
} matches[] = {
    {"/", "/", true, false, ""},
    {"/", "/a", true, false, ""},
    {"/", "/a/b", true, false, ""},
    {"/", "*", true, false, ""},
    {"/v1", "/v1", true, false, ""},
    {"/v1", "/v1/x", true, false, ""},
    {"/v1", "/v1x", false, false, ""},
    {"/v1", "/v", false, false, ""},
    {"/v1", "/", false, false, ""},
    {"/v1", "/V1", false, false, ""},
    {"/v1", "/x/v1", false, false, ""},
    {"/v1/", "/v1", true, false, ""},
    {"/v1/", "/v1/x", true, false, ""},
    {"/v1/", "/v1x", false, false, ""},
    {"/v1", "*", false, false, ""},
    {"/v1/{}", "/v1/{}", true, false, ""},
    {PATTERN, GUARDED, true, true, "p,c"},
    {PATTERN, "/v1/0aZ_-/training-job-configs/c-1_", true, true, "0aZ_-,c-1_"},
    {PATTERN, "/v1/p/training-job-configs/" FIFTY "01234567890123", true, true,
     "p," FIFTY "01234567890123"},
    {PATTERN, "/v1/p/training-job-configs/" FIFTY "012345678901234", false, true, ""},
    {PATTERN, "/v1/p/training-job-configs/a.b", false, true, ""},
    {PATTERN, "/v1/p/training-job-configs/a~b", false, true, ""},
    {PATTERN, "/v1/p/training-job-configs/c%20", false, true, ""},
    {PATTERN, "/v1/p%20/training-job-configs/c", false, true, ""},
    {PATTERN, "/v1/p/Training-Job-Configs/c", false, true, ""},
    {PATTERN, "/V1/p/training-job-configs/c", false, true, ""},
    {PATTERN, "/v1/p/training-job-configs", false, false, ""},
    {PATTERN, "/v1/p/training-job-configs/c/x", false, false, ""},
    {PATTERN, "/v1/p/training-job-config/c", false, false, ""},
    {PATTERN, "/v2/p/training-job-configs/c", false, false, ""},
    {PATTERN, "/v1/p/x/training-job-configs/c", false, false, ""},
    {PATTERN, "/", false, false, ""},
    {PATTERN, "*", false, false, ""},
    {"/{a}", "/x", true, true, "x"},
    {"/{a}", "/", false, false, ""},
    {"/{a}", "/x/y", false, false, ""},
    {"/{a}/{b}/{c}/{d}", "/1/2/3/4", true, true, "1,2,3"},
    {"/{a}/{b}/{c}/{d}", "/1/2/3", false, false, ""},
    {"/{a}/b", "/x/b", true, true, "x"},
    {"/{a}/b", "/x/bc", false, false, ""},
    {"/{a}/b", "/x/b/c", false, false, ""},
    {"/{a}/b", "/x", false, false, ""},
    {"/{a}/b/{c}", "/x/bc", false, false, ""},
    {"/{a}/b/{c}", "/x/bc/y", false, false, ""},
    {"/{a}/b/", "/x/b", true, true, "x"},
    {"/v1/{}/{a}", "/v1/{}/x", true, true, "x"},
};

static void every_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(matches); i++) {
        const struct match_case *m = &matches[i];
        struct tg_str pattern = tg_str_of(m->pattern);
        struct tg_str path = tg_str_of(m->path);
        struct tg_str values[3];
        unsigned n = 99;
        char joined[160] = "";
        struct tg_target_pattern prepared;
        bool result;

        tg_target_prepare(pattern, &prepared);
        result = tg_target_match(&prepared, path, values, COUNT(values), &n);
        for (unsigned v = 0; result && v < n; v++) {
            size_t at = strlen(joined);

            (void)snprintf(joined + at, sizeof(joined) - at, "%s%.*s", v > 0 ? "," : "",
                           TG_STR_ARG(values[v]));
        }
        if (result != m->matches || strcmp(joined, m->values) != 0 ||
            tg_target_resembles(pattern, path) != m->resembles)
            fail_msg("%s with %s: %d \"%s\"", m->pattern, m->path, result, joined);
    }
}

static void parameters(void **state)
{
    (void)state;
    assert_true(tg_target_has_parameters(TG_STR(PATTERN)));
    assert_true(tg_target_has_parameters(TG_STR("/a/{b}")));
    assert_false(tg_target_has_parameters(TG_STR("/")));
    assert_false(tg_target_has_parameters(TG_STR("/a/b")));
    assert_false(tg_target_has_parameters(TG_STR("/a/{}")));
    assert_false(tg_target_has_parameters(TG_STR("/a/x{b}")));
    assert_false(tg_target_has_parameters(TG_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),  cmocka_unit_test(idempotent), cmocka_unit_test(every_byte),
        cmocka_unit_test(every_match), cmocka_unit_test(parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
