/* Ed25519: keys that are none, and the signatures of RFC 8032. */
#include "base/ed25519.h"

#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RFC 8032 section 7.1, TEST 3, as PEM. */
#define PRIVATE                                                                                    \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3\n"                           \
    "-----END PRIVATE KEY-----\n"
static const char signature_hex[] =
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";

static void not_keys(void **state)
{
    static const char *const texts[] = {
        "", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", PRIVATE};
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_null(tg_ed25519_public(tg_str_of(texts[i]), &why));
        assert_non_null(why);
    }
    assert_null(tg_ed25519_private(TG_STR("nonsense"), &why));
}

static void signs(void **state)
{
    const struct tg_str text = TG_STR("\xaf\x82");
    unsigned char got[TG_ED25519_SIGNATURE], wanted[TG_ED25519_SIGNATURE];
    struct tg_str signature = {(char *)got, sizeof(got)};
    char id[TG_ED25519_ID + 1];
    struct tg_ed25519 *key;
    const char *why;

    (void)state;
    key = tg_ed25519_private(TG_STR(PRIVATE), &why);
    assert_non_null(key);
    assert_true(tg_unhex(tg_str_of(signature_hex), wanted));
    tg_ed25519_sign(key, text, got);
    assert_memory_equal(got, wanted, sizeof(got));
    assert_true(tg_ed25519_holds(key, text, signature));
    assert_false(tg_ed25519_holds(key, TG_STR("\xaf\x83"), signature));
    assert_false(tg_ed25519_holds(key, text, (struct tg_str){signature.p, signature.n - 1}));
    assert_false(tg_ed25519_holds(key, text, TG_STR("")));
    for (size_t i = 0; i < sizeof(got); i++) {
        got[i] ^= 1;
        assert_false(tg_ed25519_holds(key, text, signature));
        got[i] ^= 1;
    }
    tg_ed25519_id(key, id);
    assert_int_equal(strlen(id), TG_ED25519_ID);
    tg_ed25519_end(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(not_keys), cmocka_unit_test(signs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
