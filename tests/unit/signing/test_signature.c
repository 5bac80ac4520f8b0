/* Signatures against those the real SDKs made, and what was changed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vectors.h"

#define SECRET TG_STR("tg-test-only/secret+1=not-a-real-key-000")

static struct tg_buf scratch;

static struct tg_str word_of(const struct tg_signature_check *check)
{
    char text[64];

    switch (check->verdict) {
    case TG_SIGNATURE_OK:
    case TG_SIGNATURE_UNSIGNED:
        snprintf(text, sizeof(text), "ok%s%s", check->form != 0 ? ":" : "",
                 tg_signing_form_text(check->form));
        return tg_arena_dup(&vectors_arena, tg_str_of(text));
    case TG_SIGNATURE_PAYLOAD:
        return TG_STR("body");
    case TG_SIGNATURE_MISMATCH:
    case TG_SIGNATURE_FIELD:
    case TG_SIGNATURE_PARAMETERS:
        break;
    }
    return TG_STR("mismatch");
}

/* The recorded verdicts that a signature alone decides. */
static void judge(const struct vector *v)
{
    struct tg_signing_request r = vector_request(v);
    struct tg_authorization a;
    struct tg_signature_check check;
    const char *why = tg_authorization_parse(v->authorization, &a);

    if (tg_str_eq(v->verify, TG_STR("malformed")) && why != NULL)
        return;
    if (why != NULL)
        fail_msg("%.*s: %s", TG_STR_ARG(v->id), why);
    tg_signature_verify(&r, &a, SECRET, v->body, true, &scratch, &check);
    struct tg_str got = word_of(&check);
    if (!tg_str_eq(got, v->verify))
        fail_msg("%.*s: %.*s, recorded %.*s", TG_STR_ARG(v->id), TG_STR_ARG(got),
                 TG_STR_ARG(v->verify));
}

static void judge_vector(const struct tg_doc *d, uint32_t object)
{
    struct vector v = vector_read(d, object);
    struct tg_signing_request r = vector_request(&v);
    struct tg_authorization a;
    struct tg_str bad;

    judge(&v);
    if (v.canonical.n == 0 || !tg_str_eq(v.verify, TG_STR("ok")))
        return;
    struct tg_str payload = v.canonical;
    for (const char *at; (at = memchr(payload.p, '\n', payload.n)) != NULL;)
        payload = tg_str_skip(payload, (size_t)(at - payload.p) + 1);
    assert_null(tg_authorization_parse(v.authorization, &a));
    scratch.n = 0;
    assert_int_equal(tg_canonical_request(&r, a.signed_fields, payload, 0, &scratch, &bad),
                     TG_CANONICAL_OK);
    if (!tg_str_eq(tg_buf_str(&scratch), v.canonical))
        fail_msg("%.*s:\n%.*s\nrecorded\n%.*s", TG_STR_ARG(v.id), TG_STR_ARG(tg_buf_str(&scratch)),
                 TG_STR_ARG(v.canonical));
}

static void signatures_of_sdks_hold(void **state)
{
    struct tg_doc d = vectors_read("vectors.json");

    (void)state;
    vectors_each(&d, "vectors", judge_vector);
    vectors_each(&d, "other_sdks", judge_vector);
    vectors_each(&d, "odd", judge_vector);
}

/* Verdicts on time, the key and the day of a scope are of those who know them. */
static void judge_changed(const struct tg_doc *d, uint32_t object)
{
    struct vector v = vector_read(d, object);

    if (v.now.n > 0 || v.unknown_key || tg_str_eq(v.id, TG_STR("m20")))
        return;
    judge(&v);
}

static void changed_requests_get_their_verdicts(void **state)
{
    struct tg_doc d = vectors_read("vectors.json");

    (void)state;
    vectors_each(&d, "changed", judge_changed);
}

/* "https://HOST/path?query" */
static struct tg_str target_of(struct tg_str url)
{
    struct tg_str rest = tg_str_skip(url, TG_STR("https://").n);
    const char *slash = memchr(rest.p, '/', rest.n);

    assert_non_null(slash);
    return tg_str_skip(rest, (size_t)(slash - rest.p));
}

static void judge_public(const struct tg_doc *d, uint32_t object)
{
    struct vector v = vector_read(d, object);
    uint32_t headers = tg_doc_member(d, object, TG_STR("headers"));
    struct tg_signature_check check;
    struct tg_authorization a;

    if (tg_str_eq(vector_text(d, object, "alg"), TG_STR("SDK-HMAC-SM3")) || headers == TG_NONE)
        return;
    for (uint32_t name = tg_doc_first(d, headers); name != TG_NONE; name = tg_doc_next(d, name))
        vector_add_field(&v, tg_doc_string(d, name), tg_doc_string(d, tg_doc_value(d, name)));
    v.target = target_of(vector_text(d, object, "url"));
    struct tg_signing_request r = vector_request(&v);
    assert_null(tg_authorization_parse(v.authorization, &a));
    assert_true(tg_str_eq(a.access_key, v.ak));
    tg_signature_verify(&r, &a, v.sk, v.body, false, &scratch, &check);
    if (check.verdict != TG_SIGNATURE_OK)
        fail_msg("%.*s: %d", TG_STR_ARG(vector_text(d, object, "src")), check.verdict);
}

static void public_vectors_hold(void **state)
{
    struct tg_doc d = vectors_read("public_vectors.json");

    (void)state;
    vectors_each(&d, "vectors", judge_public);
}

static void dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } table[] = {
        {"19700101T000000Z", 0},
        {"20261201T081530Z", 1796112930},
        {"20240229T235959Z", 1709251199},
        {"20230229T000000Z", -1},
        {"20261301T000000Z", -1},
        {"20261200T000000Z", -1},
        {"20261201T240000Z", -1},
        {"20261201T006000Z", -1},
        {"20261201T000060Z", -1},
        {"20261201 000000Z", -1},
        {"20261201T000000+", -1},
        {"2026120 T000000Z", -1},
        {"20261201T000000ZZ", -1},
        {"20261201T00000Z", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int64_t seconds = -1;
        char again[TG_SIGNING_DATE];
        bool good = tg_signing_date_parse(tg_str_of(table[i].text), &seconds);
        if (good != (table[i].seconds >= 0) || seconds != table[i].seconds)
            fail_msg("%s: %d %lld", table[i].text, good, (long long)seconds);
        if (!good)
            continue;
        tg_signing_date_write(seconds, again);
        assert_memory_equal(again, table[i].text, TG_SIGNING_DATE);
    }
}

/* A signature holds for the hash that was claimed; the body must have that hash. */
static void a_claimed_hash_must_be_the_bodys(void **state)
{
    static const struct {
        const char *claimed;
        enum tg_signature_verdict verdict;
    } table[] = {
        {"UNSIGNED-PAYLOAD", TG_SIGNATURE_UNSIGNED},
        {"230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5", TG_SIGNATURE_OK},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", TG_SIGNATURE_PAYLOAD},
        {"", TG_SIGNATURE_PAYLOAD},
        {"unsigned-payload", TG_SIGNATURE_PAYLOAD},
    };
    struct tg_str secret = TG_STR("0123456789abcdef");

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_field fields[] = {{TG_STR("X-Sdk-Date"), TG_STR("20261201T081530Z")},
                                    {TG_STR("X-Sdk-Content-Sha256"), tg_str_of(table[i].claimed)}};
        struct tg_signing_request r = {TG_STR("PUT"), TG_STR("/a"), fields, 2};
        struct tg_authorization a = {.scheme = TG_AUTHORIZATION_SDK,
                                     .access_key = TG_STR("AK"),
                                     .signed_fields = TG_STR("x-sdk-date")};
        char signature[TG_AUTHORIZATION_SIGNATURE];
        struct tg_signature_check check;
        struct tg_str bad;

        scratch.n = 0;
        tg_canonical_request(&r, a.signed_fields, fields[1].value, 0, &scratch, &bad);
        tg_signature_make(a.scheme, a.access_key, secret, fields[0].value, a.scope,
                          tg_buf_str(&scratch), signature);
        a.signature = (struct tg_str){signature, sizeof(signature)};
        tg_signature_verify(&r, &a, secret, TG_STR("body"), true, &scratch, &check);
        if (check.verdict != table[i].verdict)
            fail_msg("\"%s\": %d", table[i].claimed, check.verdict);
    }
}

static void a_query_of_many_parameters_is_refused(void **state)
{
    char target[2048] = "/a?";
    struct tg_field date = {TG_STR("X-Sdk-Date"), TG_STR("20261201T081530Z")};
    struct tg_buf out = {0};

    (void)state;
    for (int i = 0; i < TG_SIGNING_MAX_PARAMETERS; i++)
        strcat(target, i == 0 ? "a" : "&a");
    assert_true(tg_canonical_target(tg_str_of(target), &out));
    strcat(target, "&");
    assert_true(tg_canonical_target(tg_str_of(target), &out));
    strcat(target, "a");
    assert_false(tg_canonical_target(tg_str_of(target), &out));
    struct tg_signing_request r = {TG_STR("GET"), tg_str_of(target), &date, 1};
    struct tg_str bad;
    assert_int_equal(tg_canonical_request(&r, TG_STR("x-sdk-date"), TG_STR(""), 0, &out, &bad),
                     TG_CANONICAL_PARAMETERS);
    tg_buf_end(&out);
}

static void canonical_targets(void **state)
{
    static const struct {
        const char *target, *canonical;
    } table[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a//b", "/a//b"},
        {"/a%2fb", "/a%2Fb"},
        {"/%41:@", "/A%3A%40"},
        {"/a?", "/a"},
        {"/a?b", "/a?b="},
        {"/a?b=2&a=1&&b=1", "/a?a=1&b=1&b=2"},
        {"/a?a-b=1&a=2", "/a?a=2&a-b=1"},
        {"/a?x=a+b", "/a?x=a%2Bb"},
        {"/a?x=1=2", "/a?x=1%3D2"},
        {"/%", "/%25"},
        {"/%4", "/%254"},
        {"/%zz", "/%25zz"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        scratch.n = 0;
        assert_true(tg_canonical_target(tg_str_of(table[i].target), &scratch));
        if (!tg_str_eq(tg_buf_str(&scratch), tg_str_of(table[i].canonical)))
            fail_msg("%s: %.*s", table[i].target, TG_STR_ARG(tg_buf_str(&scratch)));
    }
}

static int finish(void **state)
{
    (void)state;
    tg_buf_end(&scratch);
    tg_arena_end(&vectors_arena);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    tg_arena_init(&vectors_arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_sdks_hold),
        cmocka_unit_test(changed_requests_get_their_verdicts),
        cmocka_unit_test(public_vectors_hold),
        cmocka_unit_test(dates),
        cmocka_unit_test(a_claimed_hash_must_be_the_bodys),
        cmocka_unit_test(a_query_of_many_parameters_is_refused),
        cmocka_unit_test(canonical_targets),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
