/* Credentials as texts: what is read, and the words for what is not. */
#include "signing/credential_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY "\"access\":\"AKX\",\"secret\":\"sk\""

static void expiries(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } table[] = {
        {"2026-12-01T08:15:30Z", 1796112930},
        {"2026-12-01T08:15:30.1Z", 1796112930},
        {"2026-12-01T08:15:30.123000Z", 1796112930},
        {"2026-12-01T08:15:30.123456789Z", 1796112930},
        {"2026-12-01T08:15:30", -1},
        {"2026-12-01T08:15:30+08:00", -1},
        {"2026-12-01 08:15:30Z", -1},
        {"2026-02-30T08:15:30Z", -1},
        {"2026-12-01T24:00:00Z", -1},
        {"2026-12-01T08:15:30.1Zz", -1},
        {"26-12-01T08:15:30Z", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int64_t seconds = -1;
        bool good = tg_expiry_parse(tg_str_of(table[i].text), &seconds);
        if (good != (table[i].seconds >= 0) || seconds != table[i].seconds)
            fail_msg("%s: %d %lld", table[i].text, good, (long long)seconds);
    }
}

/* Whatever byte of a good time is another one, it is none. */
static void each_byte_of_an_expiry(void **state)
{
    static const char good[] = "2026-12-01T08:15:30Z";
    char text[sizeof(good)];
    int64_t seconds = 7;

    (void)state;
    strcpy(text, good);
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        for (const char *other = "x/:."; *other != '\0'; other++) {
            text[i] = *other;
            if (*other != good[i])
                assert_false(tg_expiry_parse(tg_str_of(text), &seconds));
            assert_false(tg_expiry_parse((struct tg_str){good, i}, &seconds));
        }
        text[i] = good[i];
    }
    assert_int_equal(seconds, 7);
}

static void json_texts(void **state)
{
    static const struct {
        const char *text;
        bool temporary;
        const char *why; /* NULL: taken */
    } table[] = {
        {"{\"credential\":{" KEY "}}", false, NULL},
        {"{\"credential\":{" KEY ",\"project_id\":\"p\",\"other\":[1]}}", false, NULL},
        {"{\"credential\":{" KEY
         ",\"securitytoken\":\"t\",\"expires_at\":\"2026-12-01T08:15:30.000000Z\"}}",
         true, NULL},
        {"{\"credential\":{" KEY ",\"securitytoken\":\"t\"}}", true, "no expires_at"},
        {"{\"credential\":{" KEY ",\"expires_at\":\"2026-12-01T08:15:30Z\"}}", true,
         "no security token"},
        {"{\"credential\":{" KEY ",\"securitytoken\":\"t\",\"expires_at\":\"soon\"}}", true,
         "expires_at not a time"},
        {"{\"credential\":{" KEY ",\"expires_at\":\"1970-01-01T00:00:07Z\"}}", false,
         "already expired"},
        {"{\"credential\":{\"access\":\"AKX\"}}", false, "no secret key"},
        {"{\"credential\":{\"secret\":\"sk\"}}", false, "no access key"},
        {"{\"credential\":{\"access\":1,\"secret\":\"sk\"}}", false, "no access key"},
        {"{\"credential\":{\"access\":\"A\\nK\",\"secret\":\"sk\"}}", false,
         "access key not taken"},
        {"{\"credential\":{\"access\":\"AK\",\"secret\":\"s k\"}}", false, "secret key not taken"},
        {"{\"credential\":[]}", false, "no credential"},
        {"{}", false, "no credential"},
        {"[]", false, "no credential"},
        {"{\"credential\":{" KEY "}", false, "not JSON"},
        {"{\"credential\":{" KEY ",\"access\":\"AKX\"}}", false, "not JSON"},
        {"", false, "not JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_credential got;
        const char *why =
            tg_credential_read_json(tg_str_of(table[i].text), table[i].temporary, 7, &got);
        if ((why == NULL) != (table[i].why == NULL) ||
            (why != NULL && strcmp(why, table[i].why) != 0))
            fail_msg("%s: %s", table[i].text, why != NULL ? why : "taken");
        if (why == NULL) {
            assert_string_equal(got.access_key, "AKX");
            assert_string_equal(got.secret, "sk");
        }
    }
}

static void ini_texts(void **state)
{
    static const struct {
        const char *text, *secret; /* NULL: `why` */
        const char *why;
    } table[] = {
        {"[basic]\nak = AKX\nsk = s%k=1\n", "s%k=1", NULL},
        {"[global]\nak=G\nsk=g\n[basic]\r\nak=AKX\r\nsk=sk # no comment\r\n", NULL,
         "secret key not taken"},
        {"# c\n; c\n\n[ basic ]\nak=1\n[basic]\nak=AKX\nsk=a;b\nproject_id = p", "a;b", NULL},
        {"[basic]\nak=AKX\n[global]\nsk=sk\n", NULL, "no secret key"},
        {"ak=AKX\nsk=sk\n", NULL, "no such section"},
        {"[basic\nak=AKX\nsk=sk\n", NULL, "no such section"},
        {"[", NULL, "no such section"},
        {"", NULL, "no such section"},
        {"[basic]\nnonsense\nak=AKX\nsk=sk", "sk", NULL},
        {"[basic]\nak=AKX\nsk=sk\nidp_id=i\nid_token_file=/t\n", NULL, TG_CREDENTIAL_IS_IDTOKEN},
        {"[global]\nidp_id=i\n[basic]\nak=AKX\nsk=sk\nidp_id=\n", "sk", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tg_credential got;
        const char *why = tg_credential_read_ini(tg_str_of(table[i].text), TG_STR("basic"), &got);
        if ((why == NULL) != (table[i].why == NULL) ||
            (why != NULL && strcmp(why, table[i].why) != 0))
            fail_msg("%s: %s", table[i].text, why != NULL ? why : "taken");
        if (why == NULL)
            assert_string_equal(got.secret, table[i].secret);
    }
}

/* Every part at its bound, and one byte beyond it. */
static void parts_are_bounded(void **state)
{
    static const size_t bounds[] = {TG_CREDENTIAL_KEY - 1, TG_CREDENTIAL_SECRET - 1,
                                    TG_CREDENTIAL_TOKEN - 1, TG_CREDENTIAL_PROJECT - 1};
    char text[TG_CREDENTIAL_TOKEN + 1];
    struct tg_credential got;

    (void)state;
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 4; i++)
        for (size_t beyond = 0; beyond < 2; beyond++) {
            struct tg_str part[4] = {TG_STR("a"), TG_STR("s"), TG_STR("t"), TG_STR("p")};
            part[i] = (struct tg_str){text, bounds[i] + beyond};
            const char *why = tg_credential_fill(part[0], part[1], part[2], part[3], &got);
            assert_int_equal(why == NULL, beyond == 0);
        }
}

static void long_texts_are_refused(void **state)
{
    char *text = malloc(TG_CREDENTIAL_TEXT + 1);
    struct tg_credential got;

    (void)state;
    memset(text, ' ', TG_CREDENTIAL_TEXT + 1);
    struct tg_str most = {text, TG_CREDENTIAL_TEXT}, more = {text, TG_CREDENTIAL_TEXT + 1};
    assert_string_equal(tg_credential_read_json(most, false, 0, &got), "not JSON");
    assert_string_equal(tg_credential_read_json(more, false, 0, &got), "too large");
    assert_string_equal(tg_credential_read_ini(most, TG_STR("a"), &got), "no such section");
    assert_string_equal(tg_credential_read_ini(more, TG_STR("a"), &got), "too large");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiries),          cmocka_unit_test(each_byte_of_an_expiry),
        cmocka_unit_test(json_texts),        cmocka_unit_test(ini_texts),
        cmocka_unit_test(parts_are_bounded), cmocka_unit_test(long_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
