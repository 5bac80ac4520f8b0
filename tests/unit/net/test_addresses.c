/* Addresses of a server: families take turns, texts are what logs show. */
#include "net/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add(struct tg_name_addresses *a, const char *text)
{
    if (inet_pton(AF_INET, text, &a->v4[a->nv4]) == 1)
        a->nv4++;
    else if (inet_pton(AF_INET6, text, &a->v6[a->nv6]) == 1)
        a->nv6++;
    else
        fail_msg("%s", text);
}

static const struct {
    const char *in[TG_MAX_ADDRESSES + 4];
    const char *out[TG_MAX_ADDRESSES + 1];
} cases[] = {
    {{NULL}, {NULL}},
    {{"10.0.0.1"}, {"10.0.0.1:443"}},
    {{"::1"}, {"[::1]:443"}},
    {{"10.0.0.1", "10.0.0.2"}, {"10.0.0.1:443", "10.0.0.2:443"}},
    {{"::1", "::2", "10.0.0.1", "10.0.0.2"},
     {"10.0.0.1:443", "[::1]:443", "10.0.0.2:443", "[::2]:443"}},
    {{"10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"},
     {"10.0.0.1:443", "[::1]:443", "10.0.0.2:443", "10.0.0.3:443"}},
    {{"10.0.0.1", "::1", "::2", "::3"}, {"10.0.0.1:443", "[::1]:443", "[::2]:443", "[::3]:443"}},
    {{"::1", "::2", "::3", "::4", "::5", "::6", "::7", "::8", "10.0.0.1"},
     {"10.0.0.1:443", "[::1]:443", "[::2]:443", "[::3]:443", "[::4]:443", "[::5]:443", "[::6]:443",
      "[::7]:443"}},
    {{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "::1", "::2", "::3", "::4",
      "::5"},
     {"10.0.0.1:443", "[::1]:443", "10.0.0.2:443", "[::2]:443", "10.0.0.3:443", "[::3]:443",
      "10.0.0.4:443", "[::4]:443"}},
};

static void check_texts(const struct tg_addresses *a, const char *const *texts)
{
    unsigned n = 0;

    for (; texts[n] != NULL; n++) {
        char text[TG_ADDRESS_TEXT];

        assert_true(n < a->n);
        tg_address_text(&a->address[n], text);
        assert_string_equal(text, texts[n]);
    }
    assert_int_equal(n, a->n);
}

static void test_resolved(void **state)
{
    struct tg_addresses a = {.n = 3};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_name_addresses found = {.ttl = 1};

        for (unsigned k = 0; cases[i].in[k] != NULL; k++)
            add(&found, cases[i].in[k]);
        tg_addresses_resolved(&a, &found, 443);
        check_texts(&a, cases[i].out);
    }
}

static void test_literal(void **state)
{
    static const struct {
        const char *host, *out[2];
    } literals[] = {{"10.0.0.1", {"10.0.0.1:80"}}, {"::1", {"[::1]:80"}}, {"localhost", {NULL}}};

    (void)state;
    for (size_t i = 0; i < COUNT(literals); i++) {
        struct tg_addresses a = {.n = 0};

        tg_addresses_literal(&a, tg_str_of(literals[i].host), 80);
        check_texts(&a, literals[i].out);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_literal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
