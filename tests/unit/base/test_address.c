/* Addresses: what is read, and that it is written the one way. */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/un.h>

#include <cmocka.h>

/* `want`: the address with port 443, NULL: it is none. */
static const struct {
    struct tg_str text;
    const char *want;
} cases[] = {
    {TG_STR("10.0.0.1"), "10.0.0.1:443"},
    {TG_STR("255.255.255.255"), "255.255.255.255:443"},
    {TG_STR("::1"), "[::1]:443"},
    {TG_STR("2001:DB8:0:0::0001"), "[2001:db8::1]:443"},
    {TG_STR("::ffff:10.0.0.1"), "[::ffff:10.0.0.1]:443"},
    {TG_STR("1111:2222:3333:4444:5555:6666:255.255.255.255"),
     "[1111:2222:3333:4444:5555:6666:ffff:ffff]:443"},
    {TG_STR(""), NULL},
    {TG_STR("10.0.0"), NULL},
    {TG_STR("010.0.0.1"), NULL},
    {TG_STR("10.0.0.256"), NULL},
    {TG_STR(" 10.0.0.1"), NULL},
    {TG_STR("10.0.0.1\0"), NULL},
    {TG_STR("::1\0x"), NULL},
    {TG_STR("[::1]"), NULL},
    {TG_STR("fe80::1%eth0"), NULL},
    {TG_STR("example.com"), NULL},
    {TG_STR("1111:2222:3333:4444:5555:6666:255.255.255.2555"), NULL},
};

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sockaddr_storage address;
        char text[TG_ADDRESS_TEXT];
        socklen_t len = tg_address_make(cases[i].text, 443, &address);

        assert_int_equal(len != 0, cases[i].want != NULL);
        if (len == 0)
            continue;
        tg_address_text(&address, text);
        assert_string_equal(text, cases[i].want);
        assert_int_equal(tg_address_port(&address), 443);
        tg_address_set_port(&address, 0);
        assert_int_equal(tg_address_port(&address), 0);
    }
}

static void hosts_as_authorities_have_them(void **state)
{
    static const char *const hosts[][2] = {
        {"api.test", "api.test"}, {"10.0.0.1", "10.0.0.1"}, {"::1", "[::1]"}, {"", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        struct tg_buf out = {0};

        tg_address_add_host(&out, tg_str_of(hosts[i][0]));
        assert_true(tg_str_eq(tg_buf_str(&out), tg_str_of(hosts[i][1])));
        tg_buf_end(&out);
    }
}

static void another_family_has_no_port(void **state)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    const struct sockaddr_storage before = address;

    (void)state;
    assert_int_equal(tg_address_port(&address), -1);
    tg_address_set_port(&address, 80);
    assert_memory_equal(&address, &before, sizeof(address));
    assert_null(tg_address_bytes((const struct sockaddr *)(const void *)&address));
}

/* `why`: what is said of a text that is no network; else `in` is one of its addresses, and `out` is
 * none. */
static const struct {
    struct tg_str text;
    const char *why;
    struct tg_str in, out;
} networks[] = {
    {TG_STR("10.0.0.0/8"), NULL, TG_STR("10.255.255.255"), TG_STR("11.0.0.0")},
    {TG_STR("10.0.0.0/7"), NULL, TG_STR("11.255.255.255"), TG_STR("12.0.0.0")},
    {TG_STR("10.0.0.0/9"), NULL, TG_STR("10.127.255.255"), TG_STR("10.128.0.0")},
    {TG_STR("10.1.2.3"), NULL, TG_STR("10.1.2.3"), TG_STR("10.1.2.2")},
    {TG_STR("10.1.2.2/31"), NULL, TG_STR("10.1.2.3"), TG_STR("10.1.2.4")},
    {TG_STR("10.1.2.3/32"), NULL, TG_STR("::ffff:10.1.2.3"), TG_STR("10.1.2.4")},
    {TG_STR("0.0.0.0/0"), NULL, TG_STR("255.255.255.255"), TG_STR("::1")},
    {TG_STR("::/0"), NULL, TG_STR("10.0.0.1"), TG_STR("")},
    {TG_STR("8000::/1"), NULL, TG_STR("ffff::"), TG_STR("7fff::")},
    {TG_STR("2001:db8::/127"), NULL, TG_STR("2001:db8::1"), TG_STR("2001:db8::2")},
    {TG_STR("2001:db8::1/128"), NULL, TG_STR("2001:db8::1"), TG_STR("2001:db8::")},
    {TG_STR("10.0.0.0/33"), "has no legal prefix length", TG_STR(""), TG_STR("")},
    {TG_STR("::/129"), "has no legal prefix length", TG_STR(""), TG_STR("")},
    {TG_STR("10.0.0.0/"), "has no legal prefix length", TG_STR(""), TG_STR("")},
    {TG_STR("10.0.0.0/-1"), "has no legal prefix length", TG_STR(""), TG_STR("")},
    {TG_STR("10.0.0.1/31"), "has bits behind its prefix", TG_STR(""), TG_STR("")},
    {TG_STR("2001:db8::1/127"), "has bits behind its prefix", TG_STR(""), TG_STR("")},
    {TG_STR(""), "is no address", TG_STR(""), TG_STR("")},
    {TG_STR("/8"), "is no address", TG_STR(""), TG_STR("")},
    {TG_STR("10.0.0/8"), "is no address", TG_STR(""), TG_STR("")},
};

static void networks_hold_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
        struct tg_network network;
        struct in6_addr address;
        const char *why = tg_network_read(networks[i].text, &network);

        if (networks[i].why != NULL) {
            assert_string_equal(why, networks[i].why);
            continue;
        }
        assert_null(why);
        assert_true(tg_network_address(networks[i].in, &address));
        assert_true(tg_network_has(&network, &address));
        if (networks[i].out.n == 0)
            continue;
        assert_true(tg_network_address(networks[i].out, &address));
        assert_false(tg_network_has(&network, &address));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(another_family_has_no_port),
        cmocka_unit_test(hosts_as_authorities_have_them),
        cmocka_unit_test(networks_hold_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
