/* PROXY headers: each case whole, byte by byte, and with more behind it. */
#include "http/proxy_protocol.h"

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
#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x01\xbb"
#define V6                                                                                         \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\xd2" \
    "\x01\xbb"
#define V6_A "2001:db8::1"

static const struct proxy_case {
    struct tg_str in;
    enum tg_parse result;
    const char *address; /* when DONE; NULL: none is told */
    unsigned port;
} cases[] = {
    /* version 1 */
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_DONE, "10.0.0.1", 1234},
    {RAW("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), TG_PARSE_DONE,
     "255.255.255.255", 65535},
    {RAW("PROXY TCP6 2001:db8::1 2001:db8::2 1234 443\r\n"), TG_PARSE_DONE, V6_A, 1234},
    {RAW("PROXY TCP6 2001:DB8:0:0::1 ::2 0 0\r\n"), TG_PARSE_DONE, V6_A, 0},
    {RAW("PROXY UNKNOWN\r\n"), TG_PARSE_DONE, NULL, 0},
    {RAW("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), TG_PARSE_DONE, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234"), TG_PARSE_MORE, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\r"), TG_PARSE_MORE, NULL, 0},
    {RAW("P"), TG_PARSE_MORE, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2\r1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY  TCP4 10.0.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1  10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 443 \r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 443 5\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY \r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY tcp4 10.0.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("proxy TCP4 10.0.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY UDP4 10.0.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 2001:db8::1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 nowhere 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.01 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.1 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1\0 10.0.0.2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP6 fe80::1%eth0 ::2 1234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 01234 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 -1 443\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY TCP4 10.0.0.1 10.0.0.2 1234 65536\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("PROXY UNKNOWN "
         "0123456789012345678901234567890123456789012345678901234567890123456789012345"
         "6789012345678901234\r\n"),
     TG_PARSE_BAD, NULL, 0},
    {RAW("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), TG_PARSE_BAD, NULL, 0},
    {RAW("\x16\x03\x01"), TG_PARSE_BAD, NULL, 0},
    /* version 2 */
    {RAW(SIG "\x21\x11\0\x0c" V4), TG_PARSE_DONE, "10.0.0.1", 1234},
    {RAW(SIG "\x21\x21\0\x24" V6), TG_PARSE_DONE, V6_A, 1234},
    {RAW(SIG "\x21\x11\0\x13" V4 "\x04\0\x04"
             "abcd"),
     TG_PARSE_DONE, "10.0.0.1", 1234},
    {RAW(SIG "\x21\x11\0\x0f" V4 "\x04\0\0"), TG_PARSE_DONE, "10.0.0.1", 1234},
    {RAW(SIG "\x20\0\0\0"), TG_PARSE_DONE, NULL, 0},
    {RAW(SIG "\x20\x11\0\x0c" V4), TG_PARSE_DONE, NULL, 0},
    {RAW(SIG "\x20\x7f\0\x03"
             "abc"),
     TG_PARSE_DONE, NULL, 0},
    {RAW(SIG "\x21\0\0\0"), TG_PARSE_DONE, NULL, 0},
    {RAW("\r"), TG_PARSE_MORE, NULL, 0},
    {RAW("\r\n\r\n\0\r\nQUIT"), TG_PARSE_MORE, NULL, 0},
    {RAW(SIG "\x21\x11\0"), TG_PARSE_MORE, NULL, 0},
    {RAW(SIG "\x21\x11\0\x0c\x0a\0\0\x01"), TG_PARSE_MORE, NULL, 0},
    {RAW(SIG "\x11\x11\0\x0c" V4), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x22\x11\0\x0c" V4), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x12\0\x0c" V4), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x22\0\x24" V6), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x41\0\x0c" V4), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x11\0\x0b"
             "12345678901"),
     TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x21\0\x0c" V4), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x11\0\x0e" V4 "\x04\0"), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x11\0\x10" V4 "\x04\0\x02z"), TG_PARSE_BAD, NULL, 0},
    {RAW(SIG "\x21\x11\xff\xff" V4), TG_PARSE_BAD, NULL, 0},
    {RAW("\r\n\r\nGET / HTTP/1.1"), TG_PARSE_BAD, NULL, 0},
};

static enum tg_parse feed(struct tg_str in, size_t step, struct tg_proxy *out, size_t *used)
{
    enum tg_parse result = TG_PARSE_MORE;
    const char *why = NULL;

    for (size_t n = step; result == TG_PARSE_MORE; n += step) {
        if (n > in.n)
            n = in.n;
        result = tg_proxy_read((struct tg_str){in.p, n}, out, used, &why);
        assert_true(result != TG_PARSE_BAD || why != NULL);
        if (n == in.n)
            break;
    }
    return result;
}

static void check(const struct proxy_case *c, size_t step, const char *more)
{
    char in[512];
    struct tg_proxy out;
    size_t used = 0;

    memcpy(in, c->in.p, c->in.n);
    strcpy(in + c->in.n, more);
    if (feed((struct tg_str){in, c->in.n + strlen(more)}, step, &out, &used) != c->result)
        fail_msg("case %zu, step %zu", (size_t)(c - cases), step);
    if (c->result != TG_PARSE_DONE)
        return;
    assert_int_equal(used, c->in.n);
    assert_int_equal(out.present, c->address != NULL);
    assert_string_equal(out.address, c->address != NULL ? c->address : "");
    assert_int_equal(out.port, c->port);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(&cases[i], cases[i].in.n, "");
        check(&cases[i], 1, "");
        check(&cases[i], 1, cases[i].result == TG_PARSE_DONE ? "GET / HTTP/1.1\r\n" : "");
        check(&cases[i], 500, cases[i].result == TG_PARSE_DONE ? "PROXY" : "");
    }
}

static void test_unix(void **state)
{
    char in[16 + 216] = SIG "\x21\x31\0\xd8/run/client";
    struct tg_proxy out;
    const char *why;
    size_t used;

    (void)state;
    assert_int_equal(tg_proxy_read((struct tg_str){in, sizeof(in)}, &out, &used, &why),
                     TG_PARSE_DONE);
    assert_int_equal(used, sizeof(in));
    assert_string_equal(out.address, "unix:");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_unix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
