/* What is found in many bytes at once is what their plain twins find one by one. */
#include "base/buf.h"
#include "base/crypto.h"
#include "base/simd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONGEST = 70, ROUNDS = 20000 };

/* Bytes that are special for one of the functions or are neighbours of such. */
static const unsigned char odd[] = {0,    1,    0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
                                    0x1f, 0x20, 0x21, 0x22, 0x23, 0x2c, 0x5b, 0x5c, 0x5d,
                                    0x7e, 0x7f, 0x80, 0x81, 0x9f, 0xa0, 0xc2, 0xfe, 0xff};

static unsigned next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(*state >> 33);
}

static void compare(const char p[16])
{
    assert_int_equal(tg_simd_plain(p), tg_simd_plain_twin(p));
    assert_int_equal(tg_simd_space(p), tg_simd_space_twin(p));
    assert_int_equal(tg_simd_name(p), tg_simd_name_twin(p));
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 16; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char plain[16], blank[16];

            memset(plain, 'a', sizeof(plain));
            memset(blank, ' ', sizeof(blank));
            plain[at] = blank[at] = (char)byte;
            compare(plain);
            compare(blank);
        }
    }
}

static void every_byte_in_a_long_word(void **state)
{
    static const size_t lengths[] = {64, 65, 127, 128, 129};
    char text[129];

    (void)state;
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        size_t n = lengths[i];

        for (size_t at = 0; at < n; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(text, 'a', n);
                text[at] = (char)byte;
                assert_int_equal(tg_simd_words(text, n), tg_simd_words_twin(text, n));
                assert_true(tg_simd_is_word((char)byte) || !tg_simd_words(text, n));
            }
        }
    }
}

/* Byte by byte, as tg_json_plain() has it. */
static size_t plain_bytes(struct tg_str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= ' ' && s.p[n] < 0x7f && s.p[n] != '"' && s.p[n] != '\\')
        n++;
    return n;
}

static void hex_twin(const unsigned char *in, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = "0123456789abcdef"[in[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
    }
}

/* Texts of every length up to some more than four vectors, each in memory that ends with it. */
static void mixed_texts_of_every_length(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = round % LONGEST;
        char *p = malloc(n + 1);
        char hex[2 * LONGEST], twin[2 * LONGEST];

        assert_non_null(p);
        for (size_t i = 0; i < n; i++)
            p[i] = next_random(&seed) % 16 != 0 ? (char)(' ' + next_random(&seed) % 95)
                                                : (char)odd[next_random(&seed) % sizeof(odd)];
        p = realloc(p, n > 0 ? n : 1); /* a sanitizer sees a byte behind */
        assert_int_equal(tg_json_plain((struct tg_str){p, n}), plain_bytes((struct tg_str){p, n}));
        if (n >= 16)
            compare(p);
        tg_hex((const unsigned char *)p, n, hex);
        hex_twin((const unsigned char *)p, n, twin);
        assert_memory_equal(hex, twin, 2 * n);
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(every_byte_in_a_long_word),
        cmocka_unit_test(mixed_texts_of_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
