/* The chunked coding: each case is fed whole, byte by byte, and cut once at every place. */
#include "http/chunked.h"

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
#define END     "0\r\n\r\n"
#define ZEROS64 "0000000000000000000000000000000000000000000000000000000000000000"

static const struct chunk_case {
    struct tg_str in;
    enum tg_parse result;
    const char *body; /* when DONE or MORE: the data in it */
    size_t left;      /* when DONE: bytes behind the end */
} cases[] = {
    {RAW(END), TG_PARSE_DONE, "", 0},
    {RAW("5\r\nhello\r\n" END), TG_PARSE_DONE, "hello", 0},
    {RAW("5\r\nhello\r\n6\r\n world\r\n" END), TG_PARSE_DONE, "hello world", 0},
    {RAW("a\r\n0123456789\r\n" END), TG_PARSE_DONE, "0123456789", 0},
    {RAW("A\r\n0123456789\r\n" END), TG_PARSE_DONE, "0123456789", 0},
    {RAW("0a\r\n0123456789\r\n" END), TG_PARSE_DONE, "0123456789", 0},
    {RAW("000000000000001\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("000\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("2\r\n\r\n\r\n" END), TG_PARSE_DONE, "\r\n", 0},
    {RAW("5\r\n0\r\n\r\n\r\n" END), TG_PARSE_DONE, "0\r\n\r\n", 0},
    {RAW("1\r\nx\r\n" END "GET / HTTP/1.1\r\n"), TG_PARSE_DONE, "x", 16},
    {RAW(END END), TG_PARSE_DONE, "", 5},
    /* extensions */
    {RAW("1;a\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("1;a=b;c=\"d;\te\"\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("1;\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("0;last\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("1;a\nb\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1;a\rb\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1;a\0\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1;\x7f\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1 ;a\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("1\t \t;a\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("1 ; a = b ;\tc\t=\t\"d\"\r\nx\r\n" END), TG_PARSE_DONE, "x", 0},
    {RAW("0 ; a\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("1 a\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1 2;a\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("1 \n;a\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW(" ;a\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    /* trailers */
    {RAW("0\r\nA: b\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("0\r\nA:\r\nB: c d\te\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("0\r\nContent-Length: 5\r\n\r\nhello"), TG_PARSE_DONE, "", 5},
    {RAW("0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA : b\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA: b\r\n c\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\n A: b\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\n: b\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA: b\nC: d\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA: b\rC: d\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA: \0\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nA\xe4: b\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\n\rX"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\n\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0\r\nX" END), TG_PARSE_BAD, NULL, 0},
    /* sizes */
    {RAW("fffffffffffffff\r\nx"), TG_PARSE_MORE, "x", 0},
    {RAW("0fffffffffffffff\r\nx"), TG_PARSE_MORE, "x", 0},
    {RAW("ffffffffffffffff\r\nx"), TG_PARSE_BAD, NULL, 0},
    {RAW("10000000000000001\r\nx\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("0000000000000000\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW("00000000000000005\r\nhello\r\n" END), TG_PARSE_DONE, "hello", 0},
    {RAW("1000000000000000\r\nx"), TG_PARSE_BAD, NULL, 0},
    {RAW("01000000000000000\r\nx"), TG_PARSE_BAD, NULL, 0},
    {RAW(ZEROS64 "\r\n\r\n"), TG_PARSE_DONE, "", 0},
    {RAW(ZEROS64 "0\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("+5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("-5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("-0\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("0x5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5h\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5,5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5.\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5_0\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("\xb5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\xa0\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\0\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW(" 5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5 \r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\t\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("\r\n5\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW(";a\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("g\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("@\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("`\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("G\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("/\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW(":\r\n"), TG_PARSE_BAD, NULL, 0},
    /* line ends */
    {RAW("5\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\rhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\r\nhello\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\nhello\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\nhello\r" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\nhello" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\nhello!\r\n" END), TG_PARSE_BAD, NULL, 0},
    {RAW("5\r\nhell\r\n" END), TG_PARSE_BAD, NULL, 0},
    /* not complete */
    {RAW(""), TG_PARSE_MORE, "", 0},
    {RAW("5"), TG_PARSE_MORE, "", 0},
    {RAW("5\r\nhel"), TG_PARSE_MORE, "hel", 0},
    {RAW("5\r\nhello\r\n"), TG_PARSE_MORE, "hello", 0},
    {RAW("5\r\nhello\r\n0\r\n"), TG_PARSE_MORE, "hello", 0},
    {RAW("5\r\nhello\r\n0\r\n\r"), TG_PARSE_MORE, "hello", 0},
    {RAW("0\r\nA: b\r\n"), TG_PARSE_MORE, "", 0},
};

struct body {
    struct tg_chunked chunk;
    enum tg_parse result;
    size_t read; /* bytes of all input that are done with */
    size_t n;
    char data[64];
};

/* Feeds one piece, as often as it takes. */
static void feed(struct body *b, struct tg_str piece)
{
    while (b->result == TG_PARSE_MORE && piece.n > 0) {
        struct tg_str data;
        const char *why = NULL;
        size_t used = 0;

        b->result = tg_chunked_read(&b->chunk, piece, &data, &used, &why);
        if (b->result == TG_PARSE_BAD) {
            assert_non_null(why);
            return;
        }
        assert_true(used > 0 && used <= piece.n);
        assert_true(data.n == 0 || (data.p >= piece.p && data.p + data.n <= piece.p + used));
        assert_true(b->n + data.n <= sizeof(b->data));
        if (data.n > 0)
            memcpy(b->data + b->n, data.p, data.n);
        b->n += data.n;
        b->read += used;
        piece = tg_str_skip(piece, used);
    }
}

static void judge(const struct chunk_case *c, const struct body *b, size_t i)
{
    if (b->result != c->result)
        fail_msg("case %zu: %d", i, (int)b->result);
    if (b->result == TG_PARSE_BAD)
        return;
    if (!tg_str_eq((struct tg_str){b->data, b->n}, tg_str_of(c->body)))
        fail_msg("case %zu: body \"%.*s\"", i, (int)b->n, b->data);
    if (b->read != c->in.n - c->left)
        fail_msg("case %zu: %zu bytes read", i, b->read);
}

static void begin(struct body *b)
{
    memset(b, 0, sizeof(*b));
    tg_chunked_init(&b->chunk);
    b->result = TG_PARSE_MORE;
}

static void every_case(void **state)
{
    struct body b;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(&b);
        feed(&b, cases[i].in);
        judge(&cases[i], &b, i);
    }
}

static void every_case_byte_by_byte(void **state)
{
    struct body b;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(&b);
        for (size_t n = 0; n < cases[i].in.n; n++)
            feed(&b, (struct tg_str){cases[i].in.p + n, 1});
        judge(&cases[i], &b, i);
    }
}

static void every_case_cut_once(void **state)
{
    struct body b;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
            begin(&b);
            feed(&b, (struct tg_str){cases[i].in.p, cut});
            feed(&b, tg_str_skip(cases[i].in, cut));
            judge(&cases[i], &b, i);
        }
}

/* `head`, `n` times `c`, `tail`; with the result of feeding it. */
static enum tg_parse stretched(const char *head, char c, size_t n, const char *tail)
{
    size_t a = strlen(head);
    size_t z = strlen(tail);
    char *text = malloc(a + n + z);
    struct body b;

    assert_non_null(text);
    memcpy(text, head, a);
    memset(text + a, c, n);
    memcpy(text + a + n, tail, z);
    begin(&b);
    feed(&b, (struct tg_str){text, a + n + z});
    free(text);
    return b.result;
}

static void both_sides_of_each_limit(void **state)
{
    (void)state;
    assert_int_equal(stretched("0;", 'x', 256, "\r\n\r\n"), TG_PARSE_DONE);
    assert_int_equal(stretched("0;", 'x', 257, "\r\n\r\n"), TG_PARSE_BAD);
    assert_int_equal(stretched("0\r\nA:", 'x', 8188, "\r\n\r\n"), TG_PARSE_DONE);
    assert_int_equal(stretched("0\r\nA:", 'x', 8189, "\r\n\r\n"), TG_PARSE_BAD);
    assert_int_equal(stretched("0\r\n", 'A', 9000, ""), TG_PARSE_BAD);
    assert_int_equal(stretched("", '0', 64, "\r\n\r\n"), TG_PARSE_DONE);
    assert_int_equal(stretched("", '0', 65, "\r\n\r\n"), TG_PARSE_BAD);
}

/* Chunks whose sizes take more than 32 bits, read in blocks of which nothing is copied. */
static void chunks_of_four_gigabytes(void **state)
{
    static const uint64_t sizes[] = {UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1};
    static const char block[1 << 24];

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct tg_str data;
        const char *why = NULL;
        char head[24];
        int n = snprintf(head, sizeof(head), "%llx\r\n", (unsigned long long)sizes[i]);
        uint64_t left = sizes[i];
        size_t used = 0;
        struct body b;

        begin(&b);
        feed(&b, (struct tg_str){head, (size_t)n});
        while (left > 0) {
            size_t room = left < sizeof(block) ? (size_t)left : sizeof(block);

            assert_int_equal(
                tg_chunked_read(&b.chunk, (struct tg_str){block, room}, &data, &used, &why),
                TG_PARSE_MORE);
            assert_true(data.n > 0 && data.n == used);
            left -= data.n;
        }
        feed(&b, tg_str_of("\r\n" END));
        assert_int_equal(b.result, TG_PARSE_DONE);
    }
}

/* Extensions are bounded over the whole body: 64 chunks of 128 bytes of them, and one byte more. */
static void extensions_of_a_body(void **state)
{
    char chunk[140];
    struct body b;
    int n = snprintf(chunk, sizeof(chunk), "1;%0128d\r\nx\r\n", 0);

    (void)state;
    begin(&b);
    for (int i = 0; i < 64; i++)
        feed(&b, (struct tg_str){chunk, (size_t)n});
    assert_int_equal(b.n, 64);
    feed(&b, TG_STR("0;"));
    assert_int_equal(b.result, TG_PARSE_MORE);
    feed(&b, TG_STR("x"));
    assert_int_equal(b.result, TG_PARSE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(every_case_byte_by_byte),
        cmocka_unit_test(every_case_cut_once),
        cmocka_unit_test(both_sides_of_each_limit),
        cmocka_unit_test(chunks_of_four_gigabytes),
        cmocka_unit_test(extensions_of_a_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
