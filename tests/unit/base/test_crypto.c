/* Digests as text, and that short cuts give what the long way gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>

/* Every length there is a path of its own for, every byte in every place. */
static void hex_is_what_printf_says(void **state)
{
    unsigned char in[48];
    char out[2 * sizeof(in) + 1];
    char want[2 * sizeof(in) + 1];

    (void)state;
    for (unsigned first = 0; first < 256; first++)
        for (size_t n = 0; n <= sizeof(in); n++) {
            memset(out, '!', sizeof(out));
            for (size_t i = 0; i < n; i++) {
                in[i] = (unsigned char)(first + i * 37);
                sprintf(want + 2 * i, "%02x", in[i]);
            }
            tg_hex(in, n, out);
            assert_memory_equal(out, want, 2 * n);
            assert_int_equal(out[2 * n], '!');
        }
}

/* RFC 4648 section 10, and back again. */
static void base64_as_the_rfc_has_it(void **state)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_str in = tg_str_of(rows[i][0]);
        char out[TG_BASE64(6)], back[sizeof(out)];
        size_t n = 0;

        memset(out, '!', sizeof(out));
        tg_base64(in, out);
        assert_string_equal(out, rows[i][1]);
        assert_true(strlen(out) < TG_BASE64(in.n));
        if (in.n == 0)
            continue;
        assert_true(tg_base64_read(tg_str_of(out), back, &n));
        assert_true(tg_str_eq((struct tg_str){back, n}, in));
    }
}

/* Of 256 bytes at each place of four those are taken that the RFC has there. */
static void base64_that_is_none(void **state)
{
    static const char *const none[] = {"",     "A",    "AA",   "AAA",  "AAAAA", "=",
                                       "====", "A===", "AA=A", "=AAA", "AAAA=", "AAAA===="};
    char out[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_false(tg_base64_read(tg_str_of(none[i]), out, &n));
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t at = 0; at < 4; at++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            bool good = byte == '+' || byte == '/' || (byte >= '0' && byte <= '9') ||
                        (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                        (byte == '=' && at == 3);

            text[at] = (char)byte;
            assert_int_equal(tg_base64_read((struct tg_str){text, 4}, out, &n), good);
        }
}

static void hex_that_is_none(void **state)
{
    static const char *const none[] = {"0", "000", "0g", "g0", "00 ", "G0", "/0", "0:"};
    unsigned char out[4];

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_false(tg_unhex(tg_str_of(none[i]), out));
    assert_true(tg_unhex(TG_STR("09afAF"), out));
    assert_memory_equal(out, "\x09\xaf\xaf", 3);
}

/* Texts that part at every place, or not at all, of equal and of different lengths. */
static void a_pair_is_hashed_like_two(void **state)
{
    char a[200], b[200];
    unsigned char got[2][TG_SHA256], want[2][TG_SHA256];

    (void)state;
    for (size_t n = 0; n <= sizeof(a); n += n < 66 ? 1 : 7)
        for (size_t m = 0; m <= sizeof(b); m += m < 66 ? 1 : 11)
            for (size_t part = 0; part <= m + 1; part += 1 + part / 4) {
                struct tg_str left = {a, n};
                struct tg_str right = {part <= m ? b : a, m};

                memset(a, 'x', sizeof(a));
                memset(b, 'x', sizeof(b));
                if (part < m)
                    b[part] = 'y';
                tg_sha256_pair(left, right, got[0], got[1]);
                tg_sha256(left, want[0]);
                tg_sha256(right, want[1]);
                assert_memory_equal(got, want, sizeof(got));
            }
}

/* Every length around a word, every byte, every bit; memory of exactly the size. */
static void test_equal_secret(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        char *a = malloc(n + (n == 0));
        char *b = malloc(n + (n == 0));

        memset(a, 'x', n);
        memset(b, 'x', n);
        assert_true(tg_equal_secret((struct tg_str){a, n}, (struct tg_str){b, n}));
        for (size_t i = 0; i < 8 * n; i++) {
            b[i / 8] = (char)(b[i / 8] ^ 1 << i % 8);
            assert_false(tg_equal_secret((struct tg_str){a, n}, (struct tg_str){b, n}));
            b[i / 8] = 'x';
        }
        if (n > 0)
            assert_false(tg_equal_secret((struct tg_str){a, n}, (struct tg_str){b, n - 1}));
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_what_printf_says),   cmocka_unit_test(base64_as_the_rfc_has_it),
        cmocka_unit_test(base64_that_is_none),       cmocka_unit_test(hex_that_is_none),
        cmocka_unit_test(a_pair_is_hashed_like_two), cmocka_unit_test(test_equal_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
