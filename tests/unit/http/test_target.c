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

/* What servers read in different ways. */
static const struct target_case odd_cases[] = {
    {RAW("/a%2Fb"), "/a%2Fb", NULL},
    {RAW("/a%2fb"), "/a%2Fb", NULL},
    {RAW("/v1/p/training-job-configs%2fc"), "/v1/p/training-job-configs%2Fc", NULL},
    {RAW("/a%5Cb"), "/a%5Cb", NULL},
    {RAW("/a%5cb"), "/a%5Cb", NULL},
    {RAW("/%C0%AF"), "/%C0%AF", NULL},
    {RAW("/%C0%AE%C0%AE/a"), "/%C0%AE%C0%AE/a", NULL},
    {RAW("/%E0%80%AF"), "/%E0%80%AF", NULL},
    {RAW("/%ED%A0%80"), "/%ED%A0%80", NULL},
    {RAW("/%F4%90%80%80"), "/%F4%90%80%80", NULL},
    {RAW("/%E4%BD"), "/%E4%BD", NULL},
    {RAW("/%E4%BDa"), "/%E4%BDa", NULL},
    {RAW("/%80"), "/%80", NULL},
    {RAW("/%FF"), "/%FF", NULL},
    {RAW("/v1/p/training-job-configs;a=b/c"), "/v1/p/training-job-configs;a=b/c", NULL},
    {RAW("/v1/x/..;/p"), "/v1/x/..;/p", NULL},
    {RAW("/a%3Bb"), "/a%3Bb", NULL},
    {RAW("/a%c0%a6b"), "/a%C0%A6b", NULL},
    {RAW("/x/../a;x=1"), "/a;x=1", NULL},
    {RAW("/%41;%2f?q"), "/A;%2F", "q"},
};

static void judge(const struct target_case *c, bool odd)
{
    char *out = malloc(c->target.n + 1); /* what is promised to be enough, seen by ASan */
    struct tg_target t = {0};
    const char *why = NULL;
    bool good = tg_target_normalize(c->target, out, c->target.n, &t, &why);
    size_t raw = c->query != NULL ? c->target.n - strlen(c->query) - 1 : c->target.n;

    if (good != (c->path != NULL) || good != (why == NULL))
        fail_msg("\"%.*s\": %s", TG_STR_ARG(c->target), why != NULL ? why : "taken");
    if (good) {
        if (!tg_str_eq(t.path, tg_str_of(c->path)))
            fail_msg("\"%.*s\" became \"%.*s\"", TG_STR_ARG(c->target), TG_STR_ARG(t.path));
        assert_true((t.query.p != NULL) == (c->query != NULL));
        assert_true(tg_str_eq(t.query, tg_str_of(c->query)));
        assert_int_equal(t.changed, !tg_str_eq(t.path, (struct tg_str){c->target.p, raw}));
        assert_int_equal(t.odd != NULL, odd);
    }
    free(out);
}

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        judge(&cases[i], false);
    for (size_t i = 0; i < COUNT(odd_cases); i++)
        judge(&odd_cases[i], true);
}

static void judge_again(const struct target_case *c, bool odd)
{
    char out[128];
    struct tg_target t = {.changed = true};
    const char *why = NULL;

    if (c->path == NULL)
        return;
    assert_true(tg_target_normalize(tg_str_of(c->path), out, sizeof(out), &t, &why));
    assert_false(t.changed);
    assert_int_equal(t.odd != NULL, odd);
}

static void idempotent(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        judge_again(&cases[i], false);
    for (size_t i = 0; i < COUNT(odd_cases); i++)
        judge_again(&odd_cases[i], true);
}

/* All bytes, raw and encoded: the rule holds for each, not only for those above. */
static void every_byte(void **state)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "-._~";
    static const char reserved[] = "!$&'()*+,=:@;";

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char raw[3] = {'/', 'x', (char)byte};
        char encoded[5] = {'/', 'x', '%', hex[byte >> 4], hex[byte & 15]};
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= '0' && byte <= '9') || (byte != 0 && strchr(plain, byte) != NULL);
        bool taken =
            letter || byte == '/' || byte == '?' || (byte != 0 && strchr(reserved, byte) != NULL);
        bool decent = byte > 0x1f && byte != 0x7f;
        bool odd = byte == '/' || byte == '\\' || byte == ';' || byte > 0x7f;
        struct tg_target t;
        const char *why;
        char out[8];

        assert_int_equal(tg_target_normalize((struct tg_str){raw, 3}, out, sizeof(out), &t, &why),
                         taken);
        if (taken)
            assert_int_equal(t.odd != NULL, byte == ';');
        assert_int_equal(
            tg_target_normalize((struct tg_str){encoded, 5}, out, sizeof(out), &t, &why), decent);
        if (decent)
            assert_true(t.path.n == (letter ? 3 : 5) && (t.odd != NULL) == odd);
    }
}

static const struct match_case {
    const char *pattern;
    const char *path;
    bool matches;
    const char *values; /* joined by commas */
} matches[] = {
    {"/", "/", true, ""},
    {"/", "/a", true, ""},
    {"/", "/a/b", true, ""},
    {"/", "*", true, ""},
    {"/v1", "/v1", true, ""},
    {"/v1", "/v1/x", true, ""},
    {"/v1", "/v1x", false, ""},
    {"/v1", "/v", false, ""},
    {"/v1", "/", false, ""},
    {"/v1", "/V1", false, ""},
    {"/v1", "/x/v1", false, ""},
    {"/v1/", "/v1", true, ""},
    {"/v1/", "/v1/x", true, ""},
    {"/v1/", "/v1x", false, ""},
    {"/v1", "*", false, ""},
    {"/v1/{}", "/v1/{}", true, ""},
    {PATTERN, GUARDED, true, "p,c"},
    {PATTERN, "/v1/0aZ_-/training-job-configs/c-1_", true, "0aZ_-,c-1_"},
    {PATTERN, "/v1/p/training-job-configs/" FIFTY "01234567890123", true,
     "p," FIFTY "01234567890123"},
    {PATTERN, "/v1/p/training-job-configs/" FIFTY "012345678901234", false, ""},
    {PATTERN, "/v1/p/training-job-configs/a.b", false, ""},
    {PATTERN, "/v1/p/training-job-configs/a~b", false, ""},
    {PATTERN, "/v1/p/training-job-configs/c%20", false, ""},
    {PATTERN, "/v1/p%20/training-job-configs/c", false, ""},
    {PATTERN, "/v1/p/Training-Job-Configs/c", false, ""},
    {PATTERN, "/V1/p/training-job-configs/c", false, ""},
    {PATTERN, "/v1/p/training-job-configs", false, ""},
    {PATTERN, "/v1/p/training-job-configs/c/x", false, ""},
    {PATTERN, "/v1/p/training-job-config/c", false, ""},
    {PATTERN, "/v2/p/training-job-configs/c", false, ""},
    {PATTERN, "/v1/p/x/training-job-configs/c", false, ""},
    {PATTERN, "/", false, ""},
    {PATTERN, "*", false, ""},
    {"/{a}", "/x", true, "x"},
    {"/{a}", "/", false, ""},
    {"/{a}", "/x/y", false, ""},
    {"/{a}/{b}/{c}/{d}", "/1/2/3/4", true, "1,2,3"},
    {"/{a}/{b}/{c}/{d}", "/1/2/3", false, ""},
    {"/{a}/b", "/x/b", true, "x"},
    {"/{a}/b", "/x/bc", false, ""},
    {"/{a}/b", "/x/b/c", false, ""},
    {"/{a}/b", "/x", false, ""},
    {"/{a}/b/{c}", "/x/bc", false, ""},
    {"/{a}/b/{c}", "/x/bc/y", false, ""},
    {"/{a}/b/", "/x/b", true, "x"},
    {"/v1/{}/{a}", "/v1/{}/x", true, "x"},
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
        if (result != m->matches || strcmp(joined, m->values) != 0)
            fail_msg("%s with %s: %d \"%s\"", m->pattern, m->path, result, joined);
    }
}

/* What some server or other may take for a guarded path, and what none does. */
static const struct {
    const char *path;
    const char *skeleton;
} skeletons[] = {
    {"/", ""},
    {"//", ""},
    {"", ""},
    {"*", "/*"},
    {"/v1", "/v1"},
    {"/v1/p/training-jobs", "/v1/p/trainingjobs"},
    {"/V1/P/Training-JOBS", "/v1/p/trainingjobs"},
    {"//v1/./p/x/..//training-jobs/", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs.json", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs.", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs...", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%20", "/v1/p/trainingjobs"},
    {"/v1/p/%20training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs+", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%09%0a", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%00.json", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs:create", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs;x=1", "/v1/p/trainingjobs"},
    {"/v1/p;a/training-jobs;x=1/y", "/v1/p/trainingjobs/y"},
    {"/v1/p/training-jobs%3Bx", "/v1/p/trainingjobs"},
    {"/v1/p/training%2Djobs", "/v1/p/trainingjobs"},
    {"/v1/p/training%252Djobs", "/v1/p/trainingjobs"},
    {"/v1/p/training%25252525252Djobs", "/v1/p/trainingjobs"},
    {"/v1/p/training%2%35%32Djobs", "/v1/p/trainingjobs"},
    {"/v1/p/training%u002Djobs", "/v1/p/trainingjobs"},
    {"/v1/p%2Ftraining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p%5Ctraining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p%c0%aftraining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p%e0%80%aftraining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p%f0%80%80%aftraining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/x/%c0%ae%c0%ae/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/x/%252e%252e/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/x/..;a/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/x/..%00/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-job%C5%BF", "/v1/p/trainingjobs"},
    {"/v1/p/tra%C4%B1ning-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/%EF%BD%94raining-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training%E2%80%90jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-%C2%ADjobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-%E2%80%8Bjobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-%FFjobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-%ED%A0%80jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-%F7%BF%BF%BFjobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%3Fa/b", "/v1/p/trainingjobs?/b"},
    {"/v1/p/training-jobs%23", "/v1/p/trainingjobs?"},
    {"/v1/p/training-jobs;x=1%3Fa/b", "/v1/p/trainingjobs?/b"},
    {"/v1/p/training-jobs:x%2500%23/b", "/v1/p/trainingjobs?/b"},
    {"/v1/p/training-jobs/%3Fa", "/v1/p/trainingjobs?"},
    {"/v1/p/training-jobs/x/..%3Fa", "/v1/p/trainingjobs?"},
    {"/v1/p/training%C2%ADjobs", "/v1/p/trainingjobs"},
    {"/v1/p/training_jobs", "/v1/p/trainingjobs"},
    {"/v1/p/train%CC%81ing-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%EF%B8%8F", "/v1/p/trainingjobs"},
    {"/v1/p/training-jobs%F3%A0%81%81", "/v1/p/trainingjobs"},
    {"/v1/p/tra%C3%AFning-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/training-job%CB%A2", "/v1/p/trainingjobs"},
    {"/v1/p/x/%E2%80%A5/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/x/%EF%B8%B0/training-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/%E2%84%80", "/v1/p/a/c"},
    {"/v1/p/training-jobs%E2%81%87", "/v1/p/trainingjobs?"},
    {"/v1/p/tra%E2%85%B0ning-jobs", "/v1/p/trainingjobs"},
    {"/v1/p/tra%E2%85%B0n%F0%9D%95%9Ang-jobs", "/v1/p/trainingjobs"},
    {"/..", ""},
    {"/../../v1", "/v1"},
    {"/.well-known/x", "/.wellknown/x"},
    {"/:a/b:c", "/:a/b"},
    {"/%E4%B8%AD", "/\xe4\xb8\xad"},
    {"/100%", "/100%"},
    {"/%u1234", "/%u1234"},
    {"/v1/{project_id}/x:create", "/v1/{projectid}/x"},
};

static void every_skeleton(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(skeletons); i++) {
        struct tg_str path = tg_str_of(skeletons[i].path);
        size_t cap = path.n + TG_TARGET_SKELETON_MORE;
        char *out = malloc(cap); /* what is promised to be enough, seen by ASan */
        struct tg_str got = tg_target_skeleton(path, false, out, cap);

        if (!tg_str_eq(got, tg_str_of(skeletons[i].skeleton)))
            fail_msg("%s became %.*s", skeletons[i].path, TG_STR_ARG(got));
        free(out);
    }
}

/* A server that takes a path apart before it decodes: an encoded slash is within a segment. */
static void skeletons_by_segments(void **state)
{
    static const struct {
        const char *path, *skeleton;
    } rows[] = {
        {"/v1/p/configs/a%2Fb", "/v1/p/configs/a=b"},
        {"/v1/p/configs/a%5cb", "/v1/p/configs/a=b"},
        {"/v1/p/configs/a%252Fb", "/v1/p/configs/a=b"},
        {"/v1/p%2fq/training-jobs", "/v1/p=q/trainingjobs"},
        {"/v1/p/training-jobs/7%2f../versions", "/v1/p/trainingjobs/7=/versions"},
        {"/v1/p/training%2djobs", "/v1/p/trainingjobs"},
        {"/v1/p\\jobs", "/v1/p/jobs"},
        {"%2f", "/="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tg_str path = tg_str_of(rows[i].path);
        char out[64];
        struct tg_str got = tg_target_skeleton(path, true, out, sizeof(out));

        if (!tg_str_eq(got, tg_str_of(rows[i].skeleton)))
            fail_msg("%s became %.*s", rows[i].path, TG_STR_ARG(got));
    }
}

static void resemblance(void **state)
{
    static const struct {
        const char *pattern, *skeleton;
        bool resembles;
    } rows[] = {
        {"/v1/{p}/jobs", "/v1/x/jobs", true},
        {"/v1/{p}/jobs", "/v1/x", false},
        {"/v1/{p}/jobs", "/v1/x/jobs/y", false},
        {"/v1/{p}/jobs", "/v1/x/jobs?/y", true},
        {"/v1/{p}/jobs", "/v1/x?/jobs", true},
        {"/v1/{p}/jobs", "/v1/x/y?", false},
        {"/v1/{p}/jobs", "/v1/x/jobs?", true},
        {"/v1/{p}", "/v1/a.b", true},
        {"/v1", "/v1/x/y", true},
        {"/v1", "/v2", false},
        {"", "/v2", true},
        {"/v1/{p}/jobs", "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (tg_target_resembles(tg_str_of(rows[i].pattern), tg_str_of(rows[i].skeleton)) !=
            rows[i].resembles)
            fail_msg("%s and %s", rows[i].pattern, rows[i].skeleton);
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
        cmocka_unit_test(every_case),  cmocka_unit_test(idempotent),
        cmocka_unit_test(every_byte),  cmocka_unit_test(every_match),
        cmocka_unit_test(parameters),  cmocka_unit_test(every_skeleton),
        cmocka_unit_test(resemblance), cmocka_unit_test(skeletons_by_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
