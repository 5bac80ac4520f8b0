/* Sources of keys: what they ask, and what becomes of every kind of answer; when they ask again. */
#include "signing/source.h"

#include "signing/credential_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1796112930 /* 2026-12-01T08:15:30Z */
#define KEY                                                                                        \
    "{\"credential\":{\"access\":\"AKX\",\"secret\":\"sk\",\"securitytoken\":\"tok\","             \
    "\"expires_at\":\"2026-12-01T09:15:30.000000Z\"}}"
#define NO_AGENCY "{\"message\":\"Please configure Cloud Service Agency first\"}"

static struct tg_source_request request;
static struct tg_source_result result;

static const struct tg_source_conf metadata = {.kind = TG_SOURCE_METADATA,
                                               .base = TG_STR("http://169.254.169.254")};

static bool asks(const char *method, const char *url)
{
    return strcmp(request.method, method) == 0 &&
           tg_str_eq(tg_buf_str(&request.url), tg_str_of(url));
}

static bool sends(const char *line)
{
    struct tg_str fields = tg_buf_str(&request.fields);

    return fields.n > 0 && memmem(fields.p, fields.n, line, strlen(line)) != NULL;
}

static enum tg_source_step answer(struct tg_source *s, int status, const char *body)
{
    struct tg_source_answer a = {.status = status, .error = "timeout", .body = tg_str_of(body)};

    return tg_source_answer(s, &a, NOW, &request, &result);
}

static void metadata_with_token(void **state)
{
    struct tg_source *s = tg_source_new(&metadata);

    (void)state;
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_ASK);
    assert_true(asks("PUT", "http://169.254.169.254/meta-data/latest/api/token"));
    assert_true(sends("X-Metadata-Token-Ttl-Seconds: 21600\n"));
    assert_int_equal(answer(s, 200, "mtoken"), TG_SOURCE_ASK);
    assert_true(asks("GET", "http://169.254.169.254/openstack/latest/securitykey"));
    assert_true(sends("X-Metadata-Token: mtoken\n"));
    assert_int_equal(answer(s, 200, KEY), TG_SOURCE_KEY);
    assert_string_equal(result.key.access_key, "AKX");
    assert_string_equal(result.key.token, "tok");
    assert_int_equal(result.key.expires_at, NOW + 3600);

    /* the token is kept, until five minutes before its end */
    assert_int_equal(tg_source_begin(s, NOW + 21299, &request, &result), TG_SOURCE_ASK);
    assert_true(asks("GET", "http://169.254.169.254/openstack/latest/securitykey"));
    assert_int_equal(tg_source_begin(s, NOW + 21300, &request, &result), TG_SOURCE_ASK);
    assert_true(asks("PUT", "http://169.254.169.254/meta-data/latest/api/token"));
    tg_source_end(s);
}

static void metadata_without_token(void **state)
{
    static const int statuses[] = {404, 405, 503};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tg_source *s = tg_source_new(&metadata);
        tg_source_begin(s, NOW, &request, &result);
        assert_int_equal(answer(s, statuses[i], ""), TG_SOURCE_ASK);
        assert_false(sends("X-Metadata-Token"));
        assert_int_equal(answer(s, 200, KEY), TG_SOURCE_KEY);
        tg_source_begin(s, NOW + 86399, &request, &result);
        assert_string_equal(request.method, "GET");
        tg_source_begin(s, NOW + 86400, &request, &result);
        assert_string_equal(request.method, "PUT");
        tg_source_end(s);
    }
}

static void metadata_refuses_a_token_once(void **state)
{
    struct tg_source *s = tg_source_new(&metadata);

    (void)state;
    tg_source_begin(s, NOW, &request, &result);
    answer(s, 200, "old");
    assert_int_equal(answer(s, 401, "no"), TG_SOURCE_ASK);
    assert_string_equal(request.method, "PUT");
    assert_int_equal(answer(s, 200, "new"), TG_SOURCE_ASK);
    assert_true(sends("X-Metadata-Token: new\n"));
    assert_int_equal(answer(s, 401, "no"), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "metadata key: status 401");
    assert_int_equal(result.wait, 60);
    tg_source_end(s);
}

static void metadata_answers(void **state)
{
    static const struct {
        int token_status;
        const char *token;
        int status;
        const char *body, *error;
        unsigned wait;
    } table[] = {
        {0, "", 0, "", "metadata token: timeout", 0},
        {500, "", 0, "", "metadata token: status 500", 0},
        {200, "", 0, "", "metadata token: not taken", 0},
        {200, "a b", 0, "", "metadata token: not taken", 0},
        {200, "t", 0, "", "metadata key: timeout", 0},
        {200, "t", 401, NO_AGENCY, "metadata: the machine has no agency", 60},
        {200, "t", 404, "", "metadata key: status 404", 0},
        {200, "t", 403, "", "metadata key: status 403", 60},
        {200, "t", 200, "{\"credential\":{\"access\":", "metadata key: not JSON", 0},
        {200, "t", 200, "{\"credential\":{\"access\":\"A\",\"secret\":\"s\"}}",
         "metadata key: no security token", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_source *s = tg_source_new(&metadata);
        tg_source_begin(s, NOW, &request, &result);
        enum tg_source_step step = answer(s, table[i].token_status, table[i].token);
        if (step == TG_SOURCE_ASK)
            step = answer(s, table[i].status, table[i].body);
        assert_int_equal(step, TG_SOURCE_FAILED);
        assert_string_equal(result.error, table[i].error);
        assert_int_equal(result.wait, table[i].wait);
        tg_source_end(s);
    }
}

static void large_answers_are_refused(void **state)
{
    struct tg_source *s = tg_source_new(&metadata);
    char *body = calloc(1, TG_CREDENTIAL_TEXT + 2);

    (void)state;
    memset(body, ' ', TG_CREDENTIAL_TEXT + 1);
    tg_source_begin(s, NOW, &request, &result);
    answer(s, 200, "t");
    assert_int_equal(answer(s, 200, body), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "answer: too large");
    free(body);
    tg_source_end(s);
}

/* --- files --- */

static mode_t mode; /* beside the owner's right to read */
static char folder[] = "/tmp/test_source.XXXXXX";

static struct tg_str put(const char *name, const char *text)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, 0400 | mode), 0);
    return tg_str_of(path);
}

static void id_tokens_are_exchanged(void **state)
{
    struct tg_source_conf conf = {.kind = TG_SOURCE_IDTOKEN,
                                  .base = TG_STR("https://iam.test"),
                                  .idp = TG_STR("cluster"),
                                  .path = put("idtoken", "id.one\n")};
    struct tg_source *s = tg_source_new(&conf);
    struct tg_source_answer a = {.status = 201, .subject_token = TG_STR("subject")};

    (void)state;
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_ASK);
    assert_true(asks("POST", "https://iam.test/v3.0/OS-AUTH/id-token/tokens"));
    assert_true(sends("X-Idp-Id: cluster\n"));
    assert_true(tg_str_eq(tg_buf_str(&request.body),
                          TG_STR("{\"auth\":{\"id_token\":{\"id\":\"id.one\"}}}")));
    assert_int_equal(tg_source_answer(s, &a, NOW, &request, &result), TG_SOURCE_ASK);
    assert_true(asks("POST", "https://iam.test/v3.0/OS-CREDENTIAL/securitytokens"));
    assert_true(tg_str_eq(tg_buf_str(&request.body),
                          TG_STR("{\"auth\":{\"identity\":{\"methods\":[\"token\"],\"token\":{"
                                 "\"id\":\"subject\",\"duration_seconds\":21600}}}}")));
    assert_int_equal(answer(s, 201, KEY), TG_SOURCE_KEY);

    /* the file is read at every exchange */
    put("idtoken", "id.two");
    tg_source_begin(s, NOW, &request, &result);
    assert_true(tg_str_eq(tg_buf_str(&request.body),
                          TG_STR("{\"auth\":{\"id_token\":{\"id\":\"id.two\"}}}")));
    put("idtoken", "\n");
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "ID token: the file holds none");
    unlink(conf.path.p);
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "ID token: the file cannot be read");
    tg_source_end(s);
}

static void iam_answers(void **state)
{
    static const struct {
        int status;
        const char *subject;
        unsigned retry_after;
        int second;
        const char *body, *error;
        unsigned wait;
    } table[] = {
        {401, "", 0, 0, "", "IAM token: status 401", 60},
        {429, "", 30, 0, "", "IAM token: status 429", 30},
        {503, "", 4000, 0, "", "IAM token: status 503", 60},
        {201, "", 0, 0, "", "IAM token: none in the answer", 0},
        {201, "t", 0, 500, "", "IAM key: status 500", 0},
        {201, "t", 0, 201, "{}", "IAM key: no credential", 0},
    };
    struct tg_source_conf conf = {.kind = TG_SOURCE_IDTOKEN,
                                  .base = TG_STR("https://iam.test"),
                                  .idp = TG_STR("cluster"),
                                  .path = put("idtoken", "id")};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_source *s = tg_source_new(&conf);
        struct tg_source_answer a = {.status = table[i].status,
                                     .subject_token = tg_str_of(table[i].subject),
                                     .retry_after = table[i].retry_after};
        tg_source_begin(s, NOW, &request, &result);
        enum tg_source_step step = tg_source_answer(s, &a, NOW, &request, &result);
        if (step == TG_SOURCE_ASK)
            step = answer(s, table[i].second, table[i].body);
        assert_int_equal(step, TG_SOURCE_FAILED);
        assert_string_equal(result.error, table[i].error);
        assert_int_equal(result.wait, table[i].wait);
        tg_source_end(s);
    }
}

static void files_hold_json_or_ini(void **state)
{
    static const struct {
        const char *text, *error; /* NULL: taken */
    } table[] = {
        {" \n{\"credential\":{\"access\":\"AKX\",\"secret\":\"sk\"}}", NULL},
        {"[basic]\nak=AKX\nsk=sk\n", NULL},
        {"[other]\nak=AKX\nsk=sk\n", "file: no such section"},
        {"{", "file: not JSON"},
        {"", "file: no such section"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_source_conf conf = {
            .kind = TG_SOURCE_FILE, .section = TG_STR("basic"), .path = put("key", table[i].text)};
        struct tg_source *s = tg_source_new(&conf);
        enum tg_source_step step = tg_source_begin(s, NOW, &request, &result);
        assert_int_equal(step, table[i].error == NULL ? TG_SOURCE_KEY : TG_SOURCE_FAILED);
        if (table[i].error != NULL)
            assert_string_equal(result.error, table[i].error);
        else
            assert_string_equal(result.key.access_key, "AKX");
        tg_source_end(s);
    }
}

static void keys_are_not_for_everybody(void **state)
{
    static const struct {
        mode_t mode;
        const char *error;
    } table[] = {{0, NULL},
                 {0004, "file: everybody can read it, make it mode 0400 or 0440 (Kubernetes: "
                        "defaultMode 0440 with an fsGroup)"},
                 {0020, "file: others than its owner can write it, make it mode 0400 or 0440"},
                 {0002, "file: others than its owner can write it, make it mode 0400 or 0440"}};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        mode = table[i].mode;
        struct tg_source_conf conf = {.kind = TG_SOURCE_FILE,
                                      .section = TG_STR("basic"),
                                      .path = put("key", "[basic]\nak=AKX\nsk=sk\n")};
        struct tg_source *s = tg_source_new(&conf);
        enum tg_source_step step = tg_source_begin(s, NOW, &request, &result);
        assert_int_equal(step, table[i].error == NULL ? TG_SOURCE_KEY : TG_SOURCE_FAILED);
        if (table[i].error != NULL)
            assert_string_equal(result.error, table[i].error);
        tg_source_end(s);
    }
    mode = 0;
}

static void the_environment_holds_a_key(void **state)
{
    struct tg_source_conf conf = {.kind = TG_SOURCE_ENV};
    struct tg_source *s = tg_source_new(&conf);

    (void)state;
    unsetenv("HUAWEICLOUD_SDK_SK");
    setenv("HUAWEICLOUD_SDK_AK", "AKX", 1);
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "environment: no secret key");
    setenv("HUAWEICLOUD_SDK_SK", "sk", 1);
    setenv("HUAWEICLOUD_SDK_PROJECT_ID", "p", 1);
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_KEY);
    assert_string_equal(result.key.project_id, "p");
    setenv("HUAWEICLOUD_SDK_IDP_ID", "i", 1);
    assert_int_equal(tg_source_begin(s, NOW, &request, &result), TG_SOURCE_FAILED);
    assert_string_equal(result.error, "environment: " TG_CREDENTIAL_IS_IDTOKEN);
    unsetenv("HUAWEICLOUD_SDK_IDP_ID");
    tg_source_end(s);
}

/* --- when --- */

static void refreshes_come_in_time(void **state)
{
    static const struct tg_source_conf idtoken = {.kind = TG_SOURCE_IDTOKEN};
    static const struct tg_source_conf file = {.kind = TG_SOURCE_FILE};
    static const struct {
        const struct tg_source_conf *conf;
        int64_t lifetime;
        bool same;
        unsigned random;
        int64_t after;
    } table[] = {
        {&metadata, 3600, false, 500, 3060}, /* nine minutes before the end */
        {&metadata, 3600, false, 0, 3006},   /* a tenth of that earlier */
        {&metadata, 3600, false, 999, 3113},
        {&metadata, 600, true, 500, 60}, /* nothing new yet */
        {&metadata, 500, false, 500, 1}, /* due at once */
        {&metadata, 3600, true, 500, 3060},
        {&idtoken, 21600, false, 500, 19200}, /* forty minutes */
        {&idtoken, 900, false, 500, 675},     /* a quarter */
        {&file, 0, false, 500, 60},
        {&file, 86400, false, 500, 60},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int64_t expires = table[i].lifetime != 0 ? NOW + table[i].lifetime : 0;
        int64_t next = tg_source_next(table[i].conf, NOW, expires, table[i].same, table[i].random);
        int64_t after = next - NOW;
        if (after != table[i].after)
            fail_msg("row %zu: %lld", i, (long long)after);
    }
}

static void failures_wait_longer_each_time(void **state)
{
    static const int64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

    (void)state;
    for (unsigned i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
        assert_int_equal(tg_source_back_off(i + 1, 0), seconds[i] * 800);
        assert_int_equal(tg_source_back_off(i + 1, 500), seconds[i] * 1000);
        assert_true(tg_source_back_off(i + 1, 999) < seconds[i] * 1200);
    }
    assert_int_equal(tg_source_back_off(4000000000U, 500), 60000);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int finish(void **state)
{
    static const char *const names[] = {"idtoken", "key"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    tg_source_request_end(&request);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_with_token),
        cmocka_unit_test(metadata_without_token),
        cmocka_unit_test(metadata_refuses_a_token_once),
        cmocka_unit_test(metadata_answers),
        cmocka_unit_test(large_answers_are_refused),
        cmocka_unit_test(id_tokens_are_exchanged),
        cmocka_unit_test(iam_answers),
        cmocka_unit_test(files_hold_json_or_ini),
        cmocka_unit_test(keys_are_not_for_everybody),
        cmocka_unit_test(the_environment_holds_a_key),
        cmocka_unit_test(refreshes_come_in_time),
        cmocka_unit_test(failures_wait_longer_each_time),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
