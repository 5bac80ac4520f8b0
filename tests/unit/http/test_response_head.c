/* Heads of answers: what an upstream may send, and what is a 502. */
#include "http/response_head.h"

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
#define OK(fields)         RAW("HTTP/1.1 200 OK\r\n" fields "\r\n")
#define OLD(fields)        RAW("HTTP/1.0 200 OK\r\n" fields "\r\n")
#define STATUS(line)       RAW("HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n")
#define OF(status, fields) RAW("HTTP/1.1 " status " x\r\n" fields "\r\n")
#define LINE(line)         RAW(line "\r\nContent-Length: 0\r\n\r\n")

static const struct response_case {
    const char *name;
    struct tg_str in;
    const char *what; /* status framing keep|close; NULL: BAD */
    const char *head; /* the same for an answer to HEAD; NULL: as `what` */
} cases[] = {
    /* framing, RFC 9112 section 6.3 */
    {"length", OK("Content-Length: 5\r\n"), "200 5 keep", "200 none keep"},
    {"length zero", OK("Content-Length: 0\r\n"), "200 0 keep", "200 none keep"},
    {"chunked", OK("Transfer-Encoding: chunked\r\n"), "200 chunked keep", "200 none keep"},
    {"Chunked", OK("transfer-encoding: Chunked \r\n"), "200 chunked keep", "200 none keep"},
    {"neither", OK(""), "200 until-close close", "200 none keep"},
    {"neither, kept alive", OK("Connection: keep-alive\r\n"), "200 until-close close",
     "200 none keep"},
    {"204", OF("204", ""), "204 none keep", NULL},
    {"204 with length zero", OF("204", "Content-Length: 0\r\n"), "204 none keep", NULL},
    {"204 with a length", OF("204", "Content-Length: 5\r\n"), NULL, NULL},
    {"204, chunked", OF("204", "Transfer-Encoding: chunked\r\n"), NULL, NULL},
    {"304", OF("304", ""), "304 none keep", NULL},
    {"304 with a length", OF("304", "Content-Length: 5\r\n"), "304 none keep", NULL},
    {"304, chunked", OF("304", "Transfer-Encoding: chunked\r\n"), "304 none keep", NULL},
    {"100", OF("100", ""), "100 none keep", NULL},
    {"102", OF("102", ""), "102 none keep", NULL},
    {"103 with a field", OF("103", "Link: </a>\r\n"), "103 none keep", NULL},
    {"100 with a length", OF("100", "Content-Length: 5\r\n"), NULL, NULL},
    {"100, chunked", OF("100", "Transfer-Encoding: chunked\r\n"), NULL, NULL},
    {"101", OF("101", "Upgrade: x\r\n"), NULL, NULL},
    {"205 with a length", OF("205", "Content-Length: 0\r\n"), "205 0 keep", "205 none keep"},
    {"206", OF("206", "Content-Length: 1\r\n"), "206 1 keep", "206 none keep"},
    {"301", OF("301", "Content-Length: 2\r\n"), "301 2 keep", "301 none keep"},
    {"413, closing", OF("413", "Content-Length: 2\r\nConnection: close\r\n"), "413 2 close",
     "413 none close"},
    {"502", OF("502", "Content-Length: 2\r\n"), "502 2 keep", "502 none keep"},
    {"length 2^32 - 1", OK("Content-Length: 4294967295\r\n"), "200 4294967295 keep",
     "200 none keep"},
    {"length 2^32", OK("Content-Length: 4294967296\r\n"), "200 4294967296 keep", "200 none keep"},
    {"length 2^32 + 1", OK("Content-Length: 4294967297\r\n"), "200 4294967297 keep",
     "200 none keep"},
    {"largest length", OK("Content-Length: 9223372036854775807\r\n"),
     "200 9223372036854775807 keep", "200 none keep"},
    {"length and chunked", OK("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), NULL, NULL},
    {"chunked and length", OK("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), NULL, NULL},
    {"two lengths", OK("Content-Length: 5\r\nContent-Length: 6\r\n"), NULL, NULL},
    {"two equal lengths", OK("Content-Length: 5\r\nContent-Length: 5\r\n"), NULL, NULL},
    {"list of lengths", OK("Content-Length: 5, 5\r\n"), NULL, NULL},
    {"empty length", OK("Content-Length:\r\n"), NULL, NULL},
    {"signed length", OK("Content-Length: +5\r\n"), NULL, NULL},
    {"negative length", OK("Content-Length: -1\r\n"), NULL, NULL},
    {"length too large", OK("Content-Length: 9223372036854775808\r\n"), NULL, NULL},
    {"length that wraps", OK("Content-Length: 18446744073709551621\r\n"), NULL, NULL},
    {"hexadecimal length", OK("Content-Length: 0x10\r\n"), NULL, NULL},
    {"chunked twice", OK("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), NULL,
     NULL},
    {"gzip, chunked", OK("Transfer-Encoding: gzip, chunked\r\n"), NULL, NULL},
    {"chunked, identity", OK("Transfer-Encoding: chunked, identity\r\n"), NULL, NULL},
    {"identity", OK("Transfer-Encoding: identity\r\n"), NULL, NULL},
    {"empty coding", OK("Transfer-Encoding:\r\n"), NULL, NULL},
    {"vertical tab", OK("Transfer-Encoding:\vchunked\r\n"), NULL, NULL},
    {"folded coding", OK("Transfer-Encoding:\r\n chunked\r\n"), NULL, NULL},
    {"chunked in 1.0", OLD("Transfer-Encoding: chunked\r\n"), NULL, NULL},

    /* the connection */
    {"close", OK("Content-Length: 5\r\nConnection: close\r\n"), "200 5 close", "200 none close"},
    {"Close in a list", OK("Content-Length: 5\r\nConnection: a, Close\r\n"), "200 5 close",
     "200 none close"},
    {"1.0", OLD("Content-Length: 5\r\n"), "200 5 close", "200 none close"},
    {"1.0 kept alive", OLD("Content-Length: 5\r\nConnection: keep-alive\r\n"), "200 5 keep",
     "200 none keep"},
    {"1.0 kept alive until close", OLD("Connection: keep-alive\r\n"), "200 until-close close",
     "200 none keep"},
    {"two Connection fields", OK("Connection: a\r\nConnection: close\r\n"), NULL, NULL},
    {"malformed Connection", OK("Connection: a b\r\n"), NULL, NULL},
    {"Connection names the length", OK("Connection: content-length\r\n"), NULL, NULL},

    /* the status line */
    {"no reason", STATUS("200 "), "200 0 keep", "200 none keep"},
    {"no space behind the status", STATUS("200"), "200 0 keep", "200 none keep"},
    {"long reason", STATUS("200 It is\tall right \xe4"), "200 0 keep", "200 none keep"},
    {"status out of the registry", STATUS("299 x"), "299 0 keep", "299 none keep"},
    {"last status", STATUS("599 x"), "599 0 keep", "599 none keep"},
    {"1.2 is read as 1.1", LINE("HTTP/1.2 200 OK"), "200 0 keep", "200 none keep"},
    {"four digits", STATUS("2000"), NULL, NULL},
    {"tab behind the status", STATUS("200\tOK"), NULL, NULL},
    {"two digits", STATUS("20"), NULL, NULL},
    {"600", STATUS("600 x"), NULL, NULL},
    {"099", STATUS("099 x"), NULL, NULL},
    {"000", STATUS("000 x"), NULL, NULL},
    {"two digits", STATUS("20 OK"), NULL, NULL},
    {"four digits", STATUS("2000 OK"), NULL, NULL},
    {"letters", STATUS("2x0 OK"), NULL, NULL},
    {"before 0", STATUS("2/1 OK"), NULL, NULL},
    {"behind 9", STATUS("2:0 OK"), NULL, NULL},
    {"behind 9 at the end", STATUS("20: OK"), NULL, NULL},
    {"sign", STATUS("+20 OK"), NULL, NULL},
    {"two spaces", STATUS(" 200 OK"), NULL, NULL},
    {"tab", STATUS("200\tOK"), NULL, NULL},
    {"control in the reason", STATUS("200 O\x01K"), NULL, NULL},
    {"NUL in the reason", STATUS("200 O\0K"), NULL, NULL},
    {"DEL in the reason", STATUS("200 O\x7fK"), NULL, NULL},
    {"bare CR in the reason", STATUS("200 O\rK"), NULL, NULL},
    {"bare LF behind the reason", RAW("HTTP/1.1 200 OK\nA: b\r\n\r\n"), NULL, NULL},
    {"HTTP/2.0", LINE("HTTP/2.0 200 OK"), NULL, NULL},
    {"HTTP/0.9", LINE("HTTP/0.9 200 OK"), NULL, NULL},
    {"HTTP/1.10", LINE("HTTP/1.10 200 OK"), NULL, NULL},
    {"lower case", LINE("http/1.1 200 OK"), NULL, NULL},
    {"ICY", LINE("ICY 200 OK"), NULL, NULL},
    {"body without a head", RAW("<html>\r\n\r\n"), NULL, NULL},
    {"leading empty line", RAW("\r\nHTTP/1.1 200 OK\r\n\r\n"), NULL, NULL},
    {"empty line only", RAW("\r\n\r\n"), NULL, NULL},
    {"request", RAW("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), NULL, NULL},

    /* fields */
    {"blank before the colon", OK("A : b\r\n"), NULL, NULL},
    {"folded", OK("A: b\r\n c\r\n"), NULL, NULL},
    {"leading blank", OK(" A: b\r\n"), NULL, NULL},
    {"no colon", OK("A\r\n"), NULL, NULL},
    {"no name", OK(": b\r\n"), NULL, NULL},
    {"NUL", OK("A: \0\r\n"), NULL, NULL},
    {"bare CR", OK("A: b\rc\r\n"), NULL, NULL},
    {"bare LF", OK("A: b\nC: d\r\n"), NULL, NULL},
};

static void describe(const struct tg_response_head *r, char *out, size_t cap)
{
    static const char *const framings[] = {[TG_FRAMING_NONE] = "none",
                                           [TG_FRAMING_CHUNKED] = "chunked",
                                           [TG_FRAMING_CLOSE] = "until-close"};
    char length[24];

    (void)snprintf(length, sizeof(length), "%llu", (unsigned long long)r->length);
    (void)snprintf(out, cap, "%d %s %s", r->status,
                   r->framing == TG_FRAMING_LENGTH ? length : framings[r->framing],
                   r->keep_alive ? "keep" : "close");
}

static struct tg_response_head shared;

static void judge(const struct response_case *c, bool head)
{
    const char *want = head && c->head != NULL ? c->head : c->what;
    const char *why = NULL;
    char text[64] = "";
    size_t scanned = 0;
    size_t used = 0;
    enum tg_parse result = tg_response_head_parse(
        c->in, 4096, head ? TG_ANSWERS_HEAD : TG_ANSWERS_OTHER, &scanned, &shared, &used, &why);

    if (result == TG_PARSE_DONE)
        describe(&shared, text, sizeof(text));
    if (want == NULL ? result != TG_PARSE_BAD || why == NULL
                     : result != TG_PARSE_DONE || used != c->in.n || strcmp(text, want) != 0)
        fail_msg("\"%s\"%s: %d \"%s\" %s", c->name, head ? " (HEAD)" : "", (int)result, text,
                 why != NULL ? why : "");
}

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        judge(&cases[i], false);
        judge(&cases[i], true);
    }
}

static enum tg_parse slowly(struct tg_str in, size_t max_head, size_t *n)
{
    enum tg_parse result = TG_PARSE_MORE;
    const char *why = NULL;
    size_t scanned = 0;
    size_t used = 0;

    for (*n = 0; *n < in.n && result == TG_PARSE_MORE; (*n)++) {
        char *copy = malloc(*n + 1); /* exact size: a read behind it is seen by ASan */

        assert_non_null(copy);
        memcpy(copy, in.p, *n + 1);
        result = tg_response_head_parse((struct tg_str){copy, *n + 1}, max_head, TG_ANSWERS_OTHER,
                                        &scanned, &shared, &used, &why);
        free(copy);
    }
    return result;
}

static void every_case_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n;
        enum tg_parse result = slowly(cases[i].in, 4096, &n);

        if (cases[i].what == NULL ? result != TG_PARSE_BAD
                                  : result != TG_PARSE_DONE || n != cases[i].in.n)
            fail_msg("\"%s\": %d after %zu bytes", cases[i].name, (int)result, n);
    }
}

static void slices(void **state)
{
    static const struct tg_str in =
        RAW("HTTP/1.1 200 Fine\r\nA:  b c \r\nConnection: x , y\r\nContent-Length: 3\r\n\r\nabc");
    const char *why = NULL;
    size_t scanned = 0;
    size_t used = 0;

    (void)state;
    assert_int_equal(
        tg_response_head_parse(in, 4096, TG_ANSWERS_OTHER, &scanned, &shared, &used, &why),
        TG_PARSE_DONE);
    assert_int_equal(used, in.n - 3);
    assert_true(tg_str_eq(shared.reason, TG_STR("Fine")));
    assert_true(tg_str_eq(shared.connection, TG_STR("x , y")));
    assert_int_equal(shared.nfields, 3);
    assert_true(tg_str_eq(shared.fields[0].name, TG_STR("A")));
    assert_true(tg_str_eq(shared.fields[0].value, TG_STR("b c")));
    assert_int_equal(shared.minor, 1);
}

/* What stands in a proxy's answer about a body means nothing (RFC 9110 section 9.3.6). */
static void answers_to_connect(void **state)
{
    static const struct tg_str heads[] = {
        OK(""),
        OK("Content-Length: 5\r\n"),
        OK("Transfer-Encoding: gzip\r\n"),
        OK("Content-Length: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        OF("204", "Content-Length: 5\r\n"),
        OF("407", "Content-Length: 5\r\n"),
        RAW("HTTP/1.0 200\r\n\r\n")};

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        const char *why = NULL;
        size_t scanned = 0;
        size_t used = 0;

        assert_int_equal(tg_response_head_parse(heads[i], 4096, TG_ANSWERS_CONNECT, &scanned,
                                                &shared, &used, &why),
                         TG_PARSE_DONE);
        assert_int_equal(used, heads[i].n);
        assert_int_equal(shared.framing, TG_FRAMING_NONE);
        assert_int_equal(shared.length, 0);
    }
}

/* Interim answers come one by one, the final one behind them. */
static void interim_answers(void **state)
{
    struct tg_str in =
        TG_STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    static const int statuses[] = {100, 103, 200};

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        const char *why = NULL;
        size_t scanned = 0;
        size_t used = 0;

        assert_int_equal(
            tg_response_head_parse(in, 4096, TG_ANSWERS_OTHER, &scanned, &shared, &used, &why),
            TG_PARSE_DONE);
        assert_int_equal(shared.status, statuses[i]);
        in = tg_str_skip(in, used);
    }
    assert_int_equal(in.n, 0);
}

static void both_sides_of_each_limit(void **state)
{
    static const char start[] = "HTTP/1.1 200 OK\r\n";
    char *text = malloc(sizeof(start) + (TG_FIELDS_MAX + 1) * 5 + 2);
    struct tg_str in = {text, 0};
    size_t n;

    (void)state;
    assert_non_null(text);
    memcpy(text, start, in.n = sizeof(start) - 1);
    for (int i = 0; i < TG_FIELDS_MAX; i++, in.n += 5)
        memcpy(text + in.n, "A:b\r\n", 5);
    memcpy(text + in.n, "\r\n", 2);
    in.n += 2;
    assert_int_equal(slowly(in, in.n, &n), TG_PARSE_DONE);
    assert_int_equal(slowly(in, in.n - 1, &n), TG_PARSE_BAD);
    assert_int_equal(n, in.n - 1);
    memcpy(text + in.n - 2, "A:b\r\n\r\n", 7);
    in.n += 5;
    assert_int_equal(slowly(in, in.n, &n), TG_PARSE_BAD);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),      cmocka_unit_test(every_case_byte_by_byte),
        cmocka_unit_test(slices),          cmocka_unit_test(answers_to_connect),
        cmocka_unit_test(interim_answers), cmocka_unit_test(both_sides_of_each_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
