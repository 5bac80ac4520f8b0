/* Addresses of an origin: families take turns, texts are what logs show. */
#include "upstream/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add(struct tg_addresses *a, const char *text)
{
    struct tg_upstream_server o = {.host = tg_str_of(text), .port = 443, .literal = true};
    unsigned before = a->n;

    tg_addresses_literal(a, &o);
    assert_true(a->n == before + 1 || before == TG_MAX_ADDRESSES);
}

static const struct {
    const char *in[TG_MAX_ADDRESSES + 2];
    const char *out[TG_MAX_ADDRESSES + 1];
} cases[] = {
    {{NULL}, {NULL}},
    {{"10.0.0.1"}, {"10.0.0.1:443"}},
    {{"::1"}, {"[::1]:443"}},
    {{"10.0.0.1", "10.0.0.2"}, {"10.0.0.1:443", "10.0.0.2:443"}},
    {{"::1", "::2", "10.0.0.1", "10.0.0.2"},
     {"[::1]:443", "10.0.0.1:443", "[::2]:443", "10.0.0.2:443"}},
    {{"10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"},
     {"10.0.0.1:443", "[::1]:443", "10.0.0.2:443", "10.0.0.3:443"}},
    {{"10.0.0.1", "::1", "::2", "::3"}, {"10.0.0.1:443", "[::1]:443", "[::2]:443", "[::3]:443"}},
    {{"::1", "::2", "::3", "::4", "::5", "::6", "::7", "10.0.0.1", "10.0.0.2"},
     {"[::1]:443", "10.0.0.1:443", "[::2]:443", "[::3]:443", "[::4]:443", "[::5]:443", "[::6]:443",
      "[::7]:443"}},
};

static void test_interleave(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_addresses a = {.n = 0};
        unsigned n = 0;

        for (unsigned k = 0; cases[i].in[k] != NULL; k++)
            add(&a, cases[i].in[k]);
        tg_addresses_interleave(&a);
        for (; cases[i].out[n] != NULL; n++) {
            char text[TG_ADDRESS_TEXT];

            assert_true(n < a.n);
            tg_address_text(&a.address[n], text);
            assert_string_equal(text, cases[i].out[n]);
        }
        assert_int_equal(n, a.n);
    }
}

static void test_other_families(void **state)
{
    struct tg_addresses a = {.n = 0};
    struct sockaddr unix_address = {.sa_family = AF_UNIX};
    struct tg_upstream_server name = {.host = TG_STR("localhost"), .port = 443};

    (void)state;
    tg_addresses_add(&a, &unix_address, sizeof(unix_address));
    tg_addresses_literal(&a, &name);
    assert_int_equal(a.n, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interleave),
        cmocka_unit_test(test_other_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
