/* What filters know of a request, the answer of a refused one, and the walker over a chain. */
#include "chain/chain.h"

#include "json/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct tg_arena arena;

static int begin(void **state)
{
    (void)state;
    tg_arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    tg_arena_end(&arena);
    return 0;
}

static struct tg_request request_with(const struct tg_field *fields, unsigned n)
{
    struct tg_request r;

    tg_request_init(&r, &arena);
    r.fields = fields;
    r.nfields = n;
    r.request_id = TG_STR("id-1");
    return r;
}

#define SDK "SDK-HMAC-SHA256 "
#define OF  ", SignedHeaders=host;x-sdk-date, Signature=00"

/* Credentials of each kind, and what is no way to tell who asks. */
static void credentials_are_told_apart(void **state)
{
    static const struct {
        const char *authorization, *token;
        enum tg_credentials credentials; /* 0: refused */
        const char *access_key;
    } rows[] = {
        {NULL, NULL, TG_CRED_NONE, ""},
        {NULL, "abc", TG_CRED_TOKEN, ""},
        {SDK "Access=AK1" OF, NULL, TG_CRED_SIGNED, "AK1"},
        {SDK "Access=AK1,SignedHeaders=host,Signature=00", NULL, TG_CRED_SIGNED, "AK1"},
        {SDK "Credential=AK2/20260101/region, Signature=00", NULL, TG_CRED_SIGNED, "AK2"},
        {SDK "SignedHeaders=host, Access=AK3", NULL, TG_CRED_SIGNED, "AK3"},
        {"sdk-hmac-sm3 Access=AK4", NULL, TG_CRED_SIGNED, "AK4"},
        {"V11-HMAC-SHA256 Credential=AK5", NULL, TG_CRED_SIGNED, "AK5"},
        {"SDK-ECDSA-P256-SHA256 Access=AK5" OF, NULL, TG_CRED_SIGNED, "AK5"},
        {"sdk-sm2-sm3 Access=AK5" OF, NULL, TG_CRED_SIGNED, "AK5"},
        {"V11-HMAC-SM3 Credential=AK5/20260101/a/b" OF, NULL, TG_CRED_SIGNED, "AK5"},
        {"SDK-NEW Signature=00", NULL, 0, ""},
        {"SDK Access=AK5", NULL, TG_CRED_OTHER, ""},
        {"AWS4-HMAC-SHA256 Credential=AK5/x", NULL, TG_CRED_OTHER, ""},
        {SDK "  Access=AK6" OF, NULL, TG_CRED_SIGNED, "AK6"},
        {"bearer x", NULL, TG_CRED_BEARER, ""},
        {"Bearer a.b-c_d~e+f/g==", NULL, TG_CRED_BEARER, ""},
        {"Basic x", NULL, TG_CRED_OTHER, ""},
        {"Digest username=\"a\", realm=\"b\"", NULL, TG_CRED_OTHER, ""},
        /* more than one kind */
        {SDK "Access=AK1" OF, "abc", 0, ""},
        {"Bearer x", "abc", 0, ""},
        {"Basic x", "abc", 0, ""},
        {"Basic x", "", 0, ""},
        /* not exactly one access key */
        {SDK "Access=AKX, Access=AKBAD" OF, NULL, 0, ""},
        {SDK "Access=AKX, Access=AKX" OF, NULL, 0, ""},
        {SDK "Credential=AKX/x, Access=AKBAD" OF, NULL, 0, ""},
        {SDK "Access=AKX, Credential=AKX/x" OF, NULL, 0, ""},
        {SDK "Credential=AKX/x, Credential=AKBAD/x" OF, NULL, 0, ""},
        {SDK "access=AKX" OF, NULL, 0, ""},
        {SDK "Access =AKX" OF, NULL, 0, ""},
        {SDK "Access= AKX" OF, NULL, 0, ""},
        {SDK "Access=\"AKX\"" OF, NULL, 0, ""},
        {SDK "Access='AKX'" OF, NULL, 0, ""},
        {SDK "Access=AKX;Signature=SECRET", NULL, 0, ""},
        {SDK "Access=AKX AKBAD" OF, NULL, 0, ""},
        {SDK "Access=AK-X" OF, NULL, 0, ""},
        {SDK "Access=AK_X" OF, NULL, 0, ""},
        {SDK "Access=AK%58" OF, NULL, 0, ""},
        {SDK "Access=tls:ops" OF, NULL, 0, ""},
        {SDK "Access=" OF, NULL, 0, ""},
        {SDK "Credential=/x" OF, NULL, 0, ""},
        {SDK "Access=AKX,, Signature=00", NULL, 0, ""},
        {SDK "Access=AKX,", NULL, 0, ""},
        {SDK ",Access=AKX", NULL, 0, ""},
        {SDK ",", NULL, 0, ""},
        {SDK "Access=AKX, Other=1", NULL, 0, ""},
        {SDK "Access=AKX, Signature=00, Signature=01", NULL, 0, ""},
        {SDK "SignedHeaders=host, Signature=00", NULL, 0, ""},
        {SDK "AKX", NULL, 0, ""},
        {"SDK-HMAC-SHA256\tAccess=AKX" OF, NULL, 0, ""},
        {"SDK-HMAC-SHA256,Access=AKX" OF, NULL, 0, ""},
        {"SDK-HMAC-SHA256=Access=AKX" OF, NULL, 0, ""},
        {"SDK-HMAC-SHA256", NULL, 0, ""},
        {SDK, NULL, 0, ""},
        {"", NULL, 0, ""},
        {" ", NULL, 0, ""},
        {"Bearer", NULL, 0, ""},
        {"Bearer a, Bearer b", NULL, 0, ""},
        {"Bearer SDK-HMAC-SHA256 Access=AK", NULL, 0, ""},
        {"Bearer \"a\"", NULL, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_field fields[2];
        unsigned n = 0;
        struct tg_request r;
        const char *why;
        enum tg_credentials due = rows[i].credentials != 0 ? rows[i].credentials : TG_CRED_NONE;

        if (rows[i].authorization != NULL)
            fields[n++] =
                (struct tg_field){TG_STR("authorization"), tg_str_of(rows[i].authorization)};
        if (rows[i].token != NULL)
            fields[n++] = (struct tg_field){TG_STR("X-AUTH-TOKEN"), tg_str_of(rows[i].token)};
        r = request_with(fields, n);
        why = tg_request_identify(&r);
        if (r.credentials != due || (why != NULL) != (rows[i].credentials == 0) ||
            (why == NULL && !tg_str_eq(r.access_key, tg_str_of(rows[i].access_key))))
            fail_msg("%s: %d, \"%.*s\"", rows[i].authorization, r.credentials,
                     TG_STR_ARG(r.access_key));
    }
}

static void fields_of_two_readings(void **state)
{
    static const struct {
        const char *first, *second;
        bool ambiguous;
    } rows[] = {
        {"Content-Type", "X-Auth-Token", false},
        {"X_Team", "x_custom_id", false},
        {"X-Auth-Token", "x-auth-token", true},
        {"Authorization", "AUTHORIZATION", true},
        {"X-HTTP-Method-Override", NULL, true},
        {"x-http-method", NULL, true},
        {"X-Method-Override", NULL, true},
        {"X-Original-URL", NULL, true},
        {"x-rewrite-url", NULL, true},
        {"X-Original-URI", NULL, true},
        {"X_Original_URL", NULL, true},
        {"X-Original-Method", NULL, true},
        {"X-Original-Path", NULL, true},
        {"X-Rewrite-URI", NULL, true},
        {"x-rewrite-path", NULL, true},
        {"X-Override-URL", NULL, true},
        {"X-Override-Method", NULL, true},
        {"X-HTTP-Path-Override", NULL, true},
        {"X-URL-Override", NULL, true},
        {"X-Forwarded-Method", NULL, true},
        {"X-Forwarded-Uri", NULL, true},
        {"X.Forwarded.Path", NULL, true},
        {"X-Forwarded-For", NULL, false},
        {"X-Forwarded-Prefix", NULL, false},
        {"X-Envoy-Original-Path", NULL, false},
        {"X-Method", NULL, false},
        {"X-Original", NULL, false},
        {"Original-URL", NULL, false},
        {"XX-Original-URL", NULL, false},
        {"X-", NULL, false},
        {"X", NULL, false},
        {"X_Auth_Token", NULL, true},
        {"X-Auth_Token", NULL, true},
        {"x_auth-token", "X-Auth-Token", true},
        {"Content_Length", NULL, true},
        {"Transfer_Encoding", NULL, true},
        {"CONTENT_TYPE", NULL, true},
        {"X_HTTP_Method_Override", NULL, true},
        {"X_Sdk_Date", NULL, true},
        {"X_Sdk_Content_Sha256", NULL, true},
        {"X_Security_Token", NULL, true},
        {"X_Project_Id", NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct tg_field fields[] = {{tg_str_of(rows[i].first), TG_STR("1")},
                                          {tg_str_of(rows[i].second), TG_STR("2")}};
        struct tg_request r = request_with(fields, rows[i].second != NULL ? 2 : 1);

        if ((tg_request_ambiguity(&r) != NULL) != rows[i].ambiguous)
            fail_msg("%s", rows[i].first);
    }
}

static void languages_are_weighed(void **state)
{
    static const struct {
        const char *first, *second;
        bool chinese;
    } rows[] = {
        {NULL, NULL, false},
        {"zh", NULL, true},
        {"ZH-cn", NULL, true},
        {"zh-CN,zh;q=0.9,en;q=0.8", NULL, true},
        {"en-US,en;q=0.9,zh;q=0.8", NULL, false},
        {"en;q=0.5, zh;q=0.6", NULL, true},
        {"zh, en", NULL, true},
        {"en, zh", NULL, false},
        {"zh;q=0", NULL, false},
        {"fr, zh;q=0.5, en;q=0.5", NULL, true},
        {"fr, en;q=0.5, zh;q=0.5", NULL, false},
        {"zh;q=0.001", NULL, true},
        {"fr, zh;q=0.1", NULL, true},
        {"fr", NULL, false},
        {"*", NULL, false},
        {"zha", NULL, false},
        {"zh;q=x", NULL, false},
        {"", NULL, false},
        {",,zh ; q=1.0", NULL, true},
        {"en;q=0.2", "zh;q=0.3", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_field fields[2] = {{TG_STR("Accept-Language"), tg_str_of(rows[i].first)},
                                     {TG_STR("Accept-Language"), tg_str_of(rows[i].second)}};
        unsigned n = rows[i].second != NULL ? 2 : rows[i].first != NULL ? 1 : 0;
        struct tg_request r = request_with(fields, n);

        if (tg_request_prefers_chinese(&r) != rows[i].chinese)
            fail_msg("%s", rows[i].first);
    }
}

/* --- answers --- */

static void add(struct tg_request *r, enum tg_severity severity, enum tg_error error,
                uint32_t offset)
{
    struct tg_finding f = {.severity = severity,
                           .rule = "r",
                           .error = error,
                           .pointer = TG_STR("/a"),
                           .offset = offset,
                           .message.before = TG_STR("is \"wrong\""),
                           .message_zh.before = TG_STR("错误")};

    tg_report_add(&r->report, &f);
}

static struct tg_doc answer(const struct tg_request *r, int *status)
{
    struct tg_json_limits limits = {64, 100000};
    struct tg_json_fault fault;
    struct tg_buf b = {0};
    struct tg_doc d;

    tg_request_answer(r, &b, status);
    assert_true(tg_doc_parse(&d, &arena, tg_arena_dup(&arena, tg_buf_str(&b)), &limits, &fault));
    tg_buf_end(&b);
    return d;
}

static void must_say(const struct tg_doc *d, const char *pointer, const char *text)
{
    uint32_t node = tg_doc_find(d, tg_str_of(pointer));

    assert_int_not_equal(node, TG_NONE);
    if (tg_doc_type(d, node) == TG_STRING ? !tg_doc_is(d, node, tg_str_of(text))
                                          : !tg_str_eq(tg_doc_text(d, node), tg_str_of(text)))
        fail_msg("%s: %.*s", pointer, TG_STR_ARG(tg_doc_text(d, node)));
}

static void an_answer_has_every_violation(void **state)
{
    struct tg_request r = request_with(NULL, 0);
    struct tg_doc d;
    int status;

    (void)state;
    r.body = TG_STR("{\n \"a\": 1}");
    add(&r, TG_WARNING, TG_E_OBS_PATH, 0);
    add(&r, TG_VIOLATION, TG_E_MISSING, TG_NONE);
    add(&r, TG_VIOLATION, TG_E_POLICY, 8);
    d = answer(&r, &status);
    assert_int_equal(status, 400);
    must_say(&d, "/is_success", "false");
    must_say(&d, "/error_code", "ModelArts.0104");
    must_say(&d, "/request_id", "id-1");
    must_say(&d, "/error_message",
             "2 problems in the request body: /a is \"wrong\"; /a is \"wrong\" (line 2, column 7)");
    must_say(&d, "/error_msg",
             "2 problems in the request body: /a is \"wrong\"; /a is \"wrong\" (line 2, column 7)");
    must_say(&d, "/violations/0/code", "ModelArts.0104");
    must_say(&d, "/violations/1/code", "ModelArts.0105");
    must_say(&d, "/violations/1/pointer", "/a");
    must_say(&d, "/violations/1/rule", "r");
    must_say(&d, "/violations/1/line", "2");
    must_say(&d, "/violations/1/column", "7");
    must_say(&d, "/violations/1/message", "is \"wrong\"");
    must_say(&d, "/violations/1/message_zh", "错误");
    assert_int_equal(tg_doc_find(&d, TG_STR("/violations/2")), TG_NONE);
    assert_int_equal(tg_doc_find(&d, TG_STR("/violations/0/line")), TG_NONE);
}

/* Of the first kind: what the contract says comes before what a policy says. */
static void the_first_violation_gives_the_status(void **state)
{
    struct tg_request r = request_with(NULL, 0);
    struct tg_doc d;
    int status;

    (void)state;
    add(&r, TG_VIOLATION, TG_E_POLICY, TG_NONE);
    add(&r, TG_VIOLATION, TG_E_INVALID, TG_NONE);
    assert_int_equal(tg_refuse(&r), TG_REPLY);
    assert_int_equal(r.error, TG_E_INVALID);
    d = answer(&r, &status);
    assert_int_equal(status, 400);
    must_say(&d, "/error_code", "ModelArts.0107");
    must_say(&d, "/violations/0/code", "ModelArts.0105");
    must_say(&d, "/violations/1/code", "ModelArts.0107");
}

static void an_answer_without_violations(void **state)
{
    static const struct tg_field chinese[] = {{{"Accept-Language", 15}, {"zh", 2}}};
    struct tg_request r = request_with(chinese, 1);
    struct tg_doc d;
    int status;

    (void)state;
    assert_int_equal(tg_reply(&r, TG_E_LIMITED, NULL, NULL), TG_REPLY);
    d = answer(&r, &status);
    assert_int_equal(status, 429);
    must_say(&d, "/error_code", "ModelArts.0114");
    must_say(&d, "/error_msg", tg_error_info(TG_E_LIMITED)->message_zh);
}

/* Warnings never push a violation out, and what is not kept is counted. */
static void findings_are_bounded(void **state)
{
    struct tg_request r = request_with(NULL, 0);
    unsigned kept = 0;
    int status;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        add(&r, TG_WARNING, TG_E_INVALID, TG_NONE);
    for (unsigned i = 0; i < 1000; i++)
        add(&r, TG_VIOLATION, TG_E_INVALID, TG_NONE);
    for (const struct tg_finding *f = r.report.first; f != NULL; f = f->next)
        kept++;
    assert_int_equal(kept, 2 * TG_MAX_FINDINGS);
    assert_int_equal(r.report.violations, 1000);
    assert_int_equal(r.report.warnings, 1000);
    (void)answer(&r, &status);
    assert_int_equal(status, 400);
}

/* --- the walker --- */

/* Filters that note what happens to them; the configuration says what to answer. */
struct noted {
    struct tg_request request; /* first: a filter's request is the whole */
    char notes[64];
};

static void note(struct tg_request *r, char c)
{
    struct noted *n = (struct noted *)r;
    size_t at = strlen(n->notes);

    assert_true(at + 1 < sizeof(n->notes));
    n->notes[at] = c;
}

struct state {
    unsigned calls;
};

static enum tg_verdict on_next(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    assert_null(state);
    note(r, 'n');
    return TG_NEXT;
}

static enum tg_verdict on_wait(struct tg_request *r, const void *conf, void *state)
{
    struct state *s = state;

    note(r, 'w');
    return ++s->calls < *(const unsigned *)conf ? tg_wait(r, "waiting for a test", 1) : TG_NEXT;
}

static enum tg_verdict on_object(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    note(r, 'o');
    add(r, TG_VIOLATION, TG_E_POLICY, TG_NONE);
    return TG_NEXT;
}

static enum tg_verdict on_break(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    note(r, 'b');
    return tg_fail(r, "broken");
}

static void done_next(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    note(r, 'N');
}

static void done_wait(struct tg_request *r, const void *conf, void *state)
{
    (void)conf;
    (void)state;
    note(r, 'W');
}

static const struct tg_filter next = {
    .abi = TG_FILTER_ABI, .name = "next", .on_request = on_next, .on_done = done_next};
static const struct tg_filter waits = {.abi = TG_FILTER_ABI,
                                       .name = "waits",
                                       .conf_size = sizeof(unsigned),
                                       .state_size = sizeof(struct state),
                                       .on_request = on_wait,
                                       .on_done = done_wait};
static const struct tg_filter objects = {
    .abi = TG_FILTER_ABI, .name = "objects", .on_request = on_object};
static const struct tg_filter breaks = {
    .abi = TG_FILTER_ABI, .name = "breaks", .on_request = on_break};

static void chains_are_walked(void **state)
{
    static const struct {
        const struct tg_filter *filters[4];
        unsigned calls; /* of `waits` until it is content */
        enum tg_verdict verdict;
        const char *notes; /* small: on_request, capital: on_done */
    } rows[] = {
        {{NULL}, 0, TG_NEXT, ""},
        {{&next}, 0, TG_NEXT, "nN"},
        {{&next, &waits}, 1, TG_NEXT, "nwWN"},
        {{&next, &waits, &next}, 3, TG_NEXT, "nwwwnNWN"},
        {{&waits, &objects, &next}, 2, TG_REPLY, "wwonNW"},
        {{&objects}, 0, TG_REPLY, "o"},
        {{&next, &breaks, &next}, 0, TG_FAIL, "nbN"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned calls = rows[i].calls;
        struct tg_filter_list filters = {.n = 0};
        struct noted n = {.request = request_with(NULL, 0)};
        struct tg_chain chain = {0};
        enum tg_verdict verdict;

        while (filters.n < 4 && rows[i].filters[filters.n] != NULL) {
            filters.at[filters.n] = rows[i].filters[filters.n];
            filters.conf[filters.n] = &calls;
            filters.n++;
        }
        tg_chain_done(&chain); /* harmless before it began */
        tg_chain_begin(&chain, &filters, &n.request);
        do {
            verdict = tg_chain_run(&chain);
        } while (verdict == TG_WAIT);
        tg_chain_done(&chain);
        tg_chain_done(&chain);
        assert_int_equal(verdict, rows[i].verdict);
        assert_string_equal(n.notes, rows[i].notes);
    }
}

/* A filter that waits for ever fails; one that a client leaves behind is still told. */
static void a_chain_settles_or_fails(void **state)
{
    unsigned never = UINT_MAX;
    struct tg_filter_list filters = {.at = {&waits}, .n = 1};
    struct noted n = {.request = request_with(NULL, 0)};
    struct tg_chain chain;
    unsigned turns = 0;

    (void)state;
    filters.conf[0] = &never;
    tg_chain_begin(&chain, &filters, &n.request);
    while (tg_chain_run(&chain) == TG_WAIT) {
        assert_string_equal(n.request.waiting, "waiting for a test");
        assert_string_equal(n.notes, "w");
        n.notes[0] = '\0';
        turns++;
    }
    assert_int_equal(turns, TG_CHAIN_MAX_TURNS);
    assert_int_equal(n.request.error, TG_E_INTERNAL);
    assert_string_equal(n.notes, "");
    tg_chain_done(&chain);
    assert_string_equal(n.notes, "W");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(credentials_are_told_apart, begin, finish),
        cmocka_unit_test_setup_teardown(fields_of_two_readings, begin, finish),
        cmocka_unit_test_setup_teardown(languages_are_weighed, begin, finish),
        cmocka_unit_test_setup_teardown(an_answer_has_every_violation, begin, finish),
        cmocka_unit_test_setup_teardown(the_first_violation_gives_the_status, begin, finish),
        cmocka_unit_test_setup_teardown(an_answer_without_violations, begin, finish),
        cmocka_unit_test_setup_teardown(findings_are_bounded, begin, finish),
        cmocka_unit_test_setup_teardown(chains_are_walked, begin, finish),
        cmocka_unit_test_setup_teardown(a_chain_settles_or_fails, begin, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
