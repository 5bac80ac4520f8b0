/* resolv.conf and hosts: what their lines mean, and which names are asked for. */
#include "net/name_files.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "SERVER ... | DOMAIN ... | ndots" */
static void write_conf(const struct tg_name_conf *c, char *out, size_t cap)
{
    size_t n = 0;

    for (unsigned i = 0; i < c->nservers; i++) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&c->server[i];
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&c->server[i];
        bool is_v4 = v4->sin_family == AF_INET;
        char host[INET6_ADDRSTRLEN];

        assert_non_null(inet_ntop(
            v4->sin_family, is_v4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr,
            host, sizeof(host)));
        n += (size_t)snprintf(out + n, cap - n, "%s#%u ", host,
                              ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
    }
    n += (size_t)snprintf(out + n, cap - n, "|");
    for (unsigned i = 0; i < c->ndomains; i++)
        n += (size_t)snprintf(out + n, cap - n, " %s", c->domain[i]);
    snprintf(out + n, cap - n, " | %u", c->ndots);
}

static const struct {
    const char *bytes, *means;
} confs[] = {
    {"", "127.0.0.1#53 | | 1"},
    {"nameserver 10.0.0.1", "10.0.0.1#53 | | 1"},
    {"nameserver\t10.0.0.1 \r\nnameserver ::1\n", "10.0.0.1#53 ::1#53 | | 1"},
    {"nameserver 10.0.0.1:5353\nnameserver [::1]:54\nnameserver [::2]\n",
     "10.0.0.1#5353 ::1#54 ::2#53 | | 1"},
    {"nameserver [1111:2222:3333:4444:5555:6666:255.255.255.255]:65535\n"
     "nameserver [1111:2222:3333:4444:5555:6666:255.255.255.255]:065535\n",
     "1111:2222:3333:4444:5555:6666:ffff:ffff#65535 | | 1"}, /* the longest, and one byte more */
    {"nameserver 10.0.0.1:0\nnameserver 10.0.0.1:65536\nnameserver [::1\nnameserver [::1]x\n"
     "nameserver 10.0.0.1:\nnameserver 10.0.0.1:1x\nnameserver fe80::1%eth0\nnameserver\n"
     "nameserver 256.0.0.1\nnameserver "
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "127.0.0.1#53 | | 1"},
    {"# nameserver 10.0.0.1\n;nameserver 10.0.0.2\nnameserver 10.0.0.3 # not 10.0.0.4\n",
     "10.0.0.3#53 | | 1"},
    {"nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n"
     "nameserver 10.0.0.5\nnameserver 10.0.0.6\nnameserver 10.0.0.7\nnameserver 10.0.0.8\n"
     "nameserver 10.0.0.9\n",
     "10.0.0.1#53 10.0.0.2#53 10.0.0.3#53 10.0.0.4#53 10.0.0.5#53 10.0.0.6#53 10.0.0.7#53 "
     "10.0.0.8#53 | | 1"},
    {"search a.test b.test.\noptions rotate ndots:5 timeout:1\n",
     "127.0.0.1#53 | a.test b.test | 5"},
    {"search a.test\ndomain c.test\n", "127.0.0.1#53 | c.test | 1"},
    {"search .\noptions ndots:0\n", "127.0.0.1#53 | | 0"},
    {"options ndots:99999999999999999999\n", "127.0.0.1#53 | | 15"},
    {"options ndots:15\n", "127.0.0.1#53 | | 15"},
    {"options ndots:16\n", "127.0.0.1#53 | | 15"},
    {"options ndots:\n", "127.0.0.1#53 | | 1"},
    {"search 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
     "127.0.0.1#53 | 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 | 1"},
    {"nameserver10.0.0.1\nNAMESERVER 10.0.0.1\n", "127.0.0.1#53 | | 1"},
};

static void test_conf(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(confs); i++) {
        struct tg_name_conf conf;
        char means[1024];

        tg_name_conf_parse(&conf, tg_str_of(confs[i].bytes));
        write_conf(&conf, means, sizeof(means));
        assert_string_equal(means, confs[i].means);
    }
}

#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." /* 64 bytes */

static const struct {
    const char *conf, *name, *ask;
} searches[] = {
    {"", "gw", "gw"},
    {"search a.test b.test", "gw", "gw.a.test gw.b.test gw"},
    {"search a.test b.test", "gw.test", "gw.test gw.test.a.test gw.test.b.test"},
    {"search a.test", "gw.test.", "gw.test"},
    {"search a.test", "gw.", "gw"},
    {"search a.test\noptions ndots:2", "gw.test", "gw.test.a.test gw.test"},
    {"search a.test\noptions ndots:0", "gw", "gw gw.a.test"},
    {"search a.test",
     LABEL LABEL LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
     LABEL LABEL LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test"},
    {"", LABEL LABEL LABEL LABEL "a", ""},
};

static void test_search(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(searches); i++) {
        struct tg_name_conf conf;
        char one[TG_NAME_TEXT], all[1024] = "";

        tg_name_conf_parse(&conf, tg_str_of(searches[i].conf));
        for (unsigned k = 0; tg_name_candidate(&conf, tg_str_of(searches[i].name), k, one); k++)
            snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", k > 0 ? " " : "", one);
        assert_string_equal(all, searches[i].ask);
    }
}

static void write_addresses(const struct tg_name_addresses *a, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN];

    *out = '\0';
    for (unsigned i = 0; i < a->nv4; i++)
        snprintf(out + strlen(out), cap - strlen(out), "%s ",
                 inet_ntop(AF_INET, &a->v4[i], host, sizeof(host)));
    for (unsigned i = 0; i < a->nv6; i++)
        snprintf(out + strlen(out), cap - strlen(out), "%s ",
                 inet_ntop(AF_INET6, &a->v6[i], host, sizeof(host)));
}

static const struct {
    const char *bytes, *name, *found;
} hosts[] = {
    {"", "gw.test", ""},
    {"10.0.0.1 gw.test", "gw.test", "10.0.0.1 "},
    {"10.0.0.1 gw.test", "gw.test.", "10.0.0.1 "},
    {"10.0.0.1\tother GW.test. # gw2.test\r\n", "gw.TEST", "10.0.0.1 "},
    {"10.0.0.1 other # gw.test\n", "gw.test", ""},
    {"#10.0.0.1 gw.test\n 10.0.0.2 gw.test\n::1 gw.test\n", "gw.test", "10.0.0.2 ::1 "},
    {"10.0.0.1 gw.test.example\n10.0.0.1 gw\ngw.test 10.0.0.1\n", "gw.test", ""},
    {"nonsense gw.test\n256.0.0.1 gw.test\n1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4 "
     "gw.test\n",
     "gw.test", ""},
    {"1.1.1.1 a\n2.2.2.2 a\n3.3.3.3 a\n4.4.4.4 a\n5.5.5.5 a\n6.6.6.6 a\n7.7.7.7 a\n8.8.8.8 a\n"
     "9.9.9.9 a\n::2 a\n",
     "a", "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5 6.6.6.6 7.7.7.7 8.8.8.8 ::2 "},
    {"", "localhost", "127.0.0.1 ::1 "},
    {"", "Gw.Localhost.", "127.0.0.1 ::1 "},
    {"10.0.0.1 localhost\n", "localhost", "10.0.0.1 "},
    {"", "notlocalhost", ""},
    {"", ".localhost", ""},
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct tg_name_addresses found;
        char text[512];
        bool ok = tg_hosts_find(tg_str_of(hosts[i].bytes), tg_str_of(hosts[i].name), &found);

        write_addresses(&found, text, sizeof(text));
        assert_string_equal(text, hosts[i].found);
        assert_int_equal(ok, *hosts[i].found != '\0');
        assert_int_equal(found.ttl, UINT32_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
