/* The Authorization field of signed requests: what is read, and what is refused. */
#include "http/authorization.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SIGNATURE "4c8955e2b6c103f862477d448f7b9efe48d7f60c32fdd3fa75a7c7a8f40e34e2"
#define SDK       "SDK-HMAC-SHA256 "
#define V11       "V11-HMAC-SHA256 "
#define REST      ", SignedHeaders=host;x-sdk-date, Signature=" SIGNATURE

static void good_ones_are_read(void **state)
{
    static const struct {
        const char *value, *access_key, *scope;
    } table[] = {
        {SDK "Access=AKX" REST, "AKX", ""},
        {SDK "Credential=AKX" REST, "AKX", ""},
        {SDK "Credential=AKX/20261201/r/s" REST, "AKX", ""},
        {SDK "Signature=" SIGNATURE ",SignedHeaders=x-sdk-date,Access=A1", "A1", ""},
        {SDK " Access=A1\t,  SignedHeaders=x-sdk-date ,\tSignature=" SIGNATURE " ", "A1", ""},
        {V11 "Credential=AKX/20261201/cn-north-4/modelarts" REST, "AKX",
         "20261201/cn-north-4/modelarts"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_authorization a;
        const char *why = tg_authorization_parse(tg_str_of(table[i].value), &a);
        if (why != NULL)
            fail_msg("%s: %s", table[i].value, why);
        assert_true(tg_str_eq(a.access_key, tg_str_of(table[i].access_key)));
        assert_true(tg_str_eq(a.scope, tg_str_of(table[i].scope)));
        assert_true(tg_str_eq(a.signature, TG_STR(SIGNATURE)));
    }
}

static void bad_ones_are_refused(void **state)
{
    static const struct {
        const char *value, *why;
    } table[] = {
        {"", "scheme"},
        {"Bearer x", "scheme"},
        {"sdk-hmac-sha256 Access=AKX" REST, "scheme"},
        {"SDK-HMAC-SM3 Access=AKX" REST, "scheme"},
        {"SDK-HMAC-SHA256", "access key is missing"},
        {SDK "Access=AKX, Access=AKBAD" REST, "one access key"},
        {SDK "Credential=AKX/x, Access=AKBAD" REST, "one access key"},
        {SDK "access=AKX" REST, "may have"},
        {SDK "Access =AKX" REST, "may have"},
        {SDK "Access=\"AKX\"" REST, "letters and digits"},
        {SDK "Access=AKX;Signature=SECRET" REST, "letters and digits"},
        {SDK "Access=" REST, "letters and digits"},
        {SDK "Access=AK_X" REST, "letters and digits"},
        {SDK "Access=AKX, Token=x" REST, "may have"},
        {SDK "Access=AKX,," REST, "may have"},
        {SDK "Access=AKX, SignedHeaders=host, Signature=" SIGNATURE, "x-sdk-date"},
        {SDK "Access=AKX, SignedHeaders=Host;x-sdk-date, Signature=" SIGNATURE, "lower-case"},
        {SDK "Access=AKX, SignedHeaders=host;;x-sdk-date, Signature=" SIGNATURE, "lower-case"},
        {SDK "Access=AKX, SignedHeaders=x-sdk-date;, Signature=" SIGNATURE, "between"},
        {SDK "Access=AKX, SignedHeaders=x-sdk-date;x-sdk-date, Signature=" SIGNATURE, "twice"},
        {SDK "Access=AKX" REST ", SignedHeaders=x-sdk-date", "twice"},
        {SDK "Access=AKX, SignedHeaders=, Signature=" SIGNATURE, "x-sdk-date"},
        {SDK "Access=AKX, SignedHeaders=x-sdk-date, Signature=abc", "64"},
        {SDK "Access=AKX" REST "0", "64"},
        {SDK "Access=AKX" REST ", Signature=" SIGNATURE, "twice"},
        {SDK "Access=AKX, SignedHeaders=x-sdk-date", "Signature is missing"},
        {SDK "Access=AKX, Signature=" SIGNATURE, "SignedHeaders is missing"},
        {V11 "Access=AKX" REST, "Credential"},
        {V11 "Credential=AKX" REST, "YYYYMMDD"},
        {V11 "Credential=AKX/2026121/r/s" REST, "YYYYMMDD"},
        {V11 "Credential=AKX/20261201/r" REST, "YYYYMMDD"},
        {V11 "Credential=AKX/20261201//s" REST, "YYYYMMDD"},
        {V11 "Credential=AKX/20261201/r/s/t" REST, "YYYYMMDD"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_authorization a;
        const char *why = tg_authorization_parse(tg_str_of(table[i].value), &a);
        if (why == NULL || strstr(why, table[i].why) == NULL)
            fail_msg("%s: %s", table[i].value, why != NULL ? why : "taken");
    }
}

/* Each byte, first and last. */
static void a_signature_is_lower_case_hex(void **state)
{
    static const char head[] = SDK "Access=AKX, SignedHeaders=x-sdk-date, Signature=";
    char value[] = SDK "Access=AKX, SignedHeaders=x-sdk-date, Signature=" SIGNATURE;
    static const size_t places[] = {sizeof(head) - 1, sizeof(value) - 2};
    struct tg_authorization a;

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        for (int c = '!'; c < 0x7f; c++) {
            char before = value[places[i]];

            value[places[i]] = (char)c;
            if ((tg_authorization_parse(tg_str_of(value), &a) == NULL) !=
                ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                fail_msg("'%c' at %zu", c, places[i]);
            value[places[i]] = before;
        }
}

static void signed_fields_are_bounded(void **state)
{
    char value[2048] = SDK "Access=AKX, Signature=" SIGNATURE ", SignedHeaders=x-sdk-date";
    struct tg_authorization a;

    (void)state;
    for (int i = 1; i < TG_AUTHORIZATION_MAX_FIELDS; i++)
        sprintf(value + strlen(value), ";f%d", i);
    assert_null(tg_authorization_parse(tg_str_of(value), &a));
    strcat(value, ";one-more");
    assert_string_equal(tg_authorization_parse(tg_str_of(value), &a),
                        "SignedHeaders has more than 64 names");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_read),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(a_signature_is_lower_case_hex),
        cmocka_unit_test(signed_fields_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
