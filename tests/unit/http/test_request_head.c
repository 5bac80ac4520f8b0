/* The guard: every class of request head that must be taken as RFC 9112 says or refused. */
#include "base/check.h"
#include "http/request_head.h"

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
/* A usual head with some fields more. */
#define WITH(fields) RAW("GET /x HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define POST(fields) RAW("POST /x HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define OLD(fields)  RAW("POST /x HTTP/1.0\r\n" fields "\r\n")
/* A usual head with another request line, Host field, target, version. */
#define LINE(line)       RAW(line "\r\nHost: h\r\n\r\n")
#define HOST(host)       RAW("GET /x HTTP/1.1\r\n" host "\r\n")
#define TARGET(target)   RAW("GET " target " HTTP/1.1\r\nHost: h\r\n\r\n")
#define VERSION(version) RAW("GET /x " version "\r\nHost: h\r\n\r\n")
#define METHOD(method)   LINE(method " /x HTTP/1.1")
#define REFUSED(name, in, row)                                                                     \
    {                                                                                              \
        name, in, TG_E_##row, NULL                                                                 \
    }
#define TAKEN(name, in, what)                                                                      \
    {                                                                                              \
        name, in, TG_E_DONE, what                                                                  \
    }

/* 16 empty options of Connection; 63 options, each with its comma. */
#define EMPTY    ",,,,,,,,,,,,,,,,"
#define OPTIONS7 "a,b,c,d,e,f,g,"
#define OPTIONS  OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7 OPTIONS7

static const struct tg_request_head_limits usual = {16384, 8000, 8192, 100};

static const struct head_case {
    const char *name;
    struct tg_str in;
    enum tg_error error;
    const char *what; /* method target authority framing keep|close [expect] */
} cases[] = {
    /* methods */
    TAKEN("GET", METHOD("GET"), "GET /x h none keep"),
    TAKEN("PUT", METHOD("PUT"), "PUT /x h none keep"),
    TAKEN("DELETE", METHOD("DELETE"), "DELETE /x h none keep"),
    TAKEN("HEAD", METHOD("HEAD"), "HEAD /x h none keep"),
    TAKEN("PATCH", METHOD("PATCH"), "PATCH /x h none keep"),
    TAKEN("TRACE", METHOD("TRACE"), "TRACE /x h none keep"),
    TAKEN("hyphenated method", METHOD("VERSION-CONTROL"), "VERSION-CONTROL /x h none keep"),
    TAKEN("longest method", METHOD("UPDATEREDIRECTREF"), "UPDATEREDIRECTREF /x h none keep"),
    TAKEN("PROPPATCH", METHOD("PROPPATCH"), "PROPPATCH /x h none keep"),
    REFUSED("lower-case method", METHOD("get"), NOT_IMPLEMENTED),
    REFUSED("mixed-case method", METHOD("Get"), NOT_IMPLEMENTED),
    REFUSED("unknown method", METHOD("BREW"), NOT_IMPLEMENTED),
    REFUSED("unknown hyphenated method", METHOD("M-SEARCH"), NOT_IMPLEMENTED),
    REFUSED("token of specials", METHOD("!#$%&'*+-.^_`|~1"), NOT_IMPLEMENTED),
    REFUSED("method with a longer name", METHOD("GETS"), NOT_IMPLEMENTED),
    REFUSED("method with a shorter name", METHOD("GE"), NOT_IMPLEMENTED),
    REFUSED("CONNECT, authority-form", LINE("CONNECT h:443 HTTP/1.1"), NOT_IMPLEMENTED),
    REFUSED("CONNECT, origin-form", METHOD("CONNECT"), NOT_IMPLEMENTED),
    REFUSED("PRI in version 1.1", METHOD("PRI"), NOT_IMPLEMENTED),
    REFUSED("no method", LINE(" /x HTTP/1.1"), BAD_REQUEST),
    REFUSED("comma in the method", METHOD("GE,T"), BAD_REQUEST),
    REFUSED("quoted method", METHOD("\"GET\""), BAD_REQUEST),
    REFUSED("NUL in the method", METHOD("GE\0T"), BAD_REQUEST),
    REFUSED("8-bit byte in the method", METHOD("G\xc3\x8bT"), BAD_REQUEST),
    REFUSED("method with a colon", METHOD("GET:"), BAD_REQUEST),
    REFUSED("TRACE with a length", RAW("TRACE / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"),
            BAD_REQUEST),
    REFUSED("TRACE, chunked",
            RAW("TRACE / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD_REQUEST),

    /* the request line */
    REFUSED("two spaces before the target", LINE("GET  /x HTTP/1.1"), BAD_REQUEST),
    REFUSED("two spaces before the version", LINE("GET /x  HTTP/1.1"), BAD_REQUEST),
    REFUSED("space behind the version", LINE("GET /x HTTP/1.1 "), BAD_REQUEST),
    REFUSED("space before the method", LINE(" GET /x HTTP/1.1"), BAD_REQUEST),
    REFUSED("tabs instead of spaces", LINE("GET\t/x\tHTTP/1.1"), BAD_REQUEST),
    REFUSED("tab behind the method", LINE("GET\t/x HTTP/1.1"), BAD_REQUEST),
    REFUSED("vertical tab behind the target", LINE("GET /x\v HTTP/1.1"), BAD_REQUEST),
    REFUSED("blank inside the target", LINE("GET /a b HTTP/1.1"), BAD_REQUEST),
    REFUSED("method only", LINE("GET"), BAD_REQUEST),
    REFUSED("method and space", LINE("GET "), BAD_REQUEST),
    REFUSED("two words behind the version", LINE("GET /x HTTP/1.1 HTTP/1.1"), BAD_REQUEST),
    REFUSED("bare LF ends the request line", RAW("GET /x HTTP/1.1\nHost: h\r\n\r\n"), BAD_REQUEST),
    REFUSED("bare CR in the request line", RAW("GET /x HTTP/1.1\rHost: h\r\n\r\n"), BAD_REQUEST),
    REFUSED("CR CR LF ends the request line", RAW("GET /x HTTP/1.1\r\r\nHost: h\r\n\r\n"),
            BAD_REQUEST),

    /* empty lines before it */
    TAKEN("one empty line", RAW("\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"), "GET /x h none keep"),
    TAKEN("four empty lines", RAW("\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
          "GET /x h none keep"),
    REFUSED("five empty lines", RAW("\r\n\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
            BAD_REQUEST),
    REFUSED("only empty lines", RAW("\r\n\r\n\r\n\r\n\r\n\r\n"), BAD_REQUEST),
    REFUSED("leading bare LF", RAW("\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"), BAD_REQUEST),
    REFUSED("leading bare CR", RAW("\rGET /x HTTP/1.1\r\nHost: h\r\n\r\n"), BAD_REQUEST),

    /* versions */
    TAKEN("HTTP/1.0", VERSION("HTTP/1.0"), "GET /x h none close"),
    TAKEN("HTTP/1.2 is read as 1.1", VERSION("HTTP/1.2"), "GET /x h none keep"),
    TAKEN("HTTP/1.9 is read as 1.1", VERSION("HTTP/1.9"), "GET /x h none keep"),
    REFUSED("HTTP/0.9 without a version", LINE("GET /x"), BAD_REQUEST),
    REFUSED("HTTP/0.9 by name", VERSION("HTTP/0.9"), VERSION),
    REFUSED("HTTP/2.0", VERSION("HTTP/2.0"), VERSION),
    REFUSED("HTTP/3.0", VERSION("HTTP/3.0"), VERSION),
    REFUSED("HTTP/9.9", VERSION("HTTP/9.9"), VERSION),
    REFUSED("HTTP/2 preface", RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), VERSION),
    REFUSED("HTTP/2 without a minor", VERSION("HTTP/2"), BAD_REQUEST),
    REFUSED("two minor digits", VERSION("HTTP/1.10"), BAD_REQUEST),
    REFUSED("minor that wraps", VERSION("HTTP/1.4294967297"), BAD_REQUEST),
    REFUSED("two major digits", VERSION("HTTP/11.1"), BAD_REQUEST),
    REFUSED("leading zero", VERSION("HTTP/01.1"), BAD_REQUEST),
    REFUSED("lower-case http", VERSION("http/1.1"), BAD_REQUEST),
    REFUSED("Http", VERSION("Http/1.1"), BAD_REQUEST),
    REFUSED("comma for dot", VERSION("HTTP/1,1"), BAD_REQUEST),
    REFUSED("no dot", VERSION("HTTP/11"), BAD_REQUEST),
    REFUSED("sign", VERSION("HTTP/+1.1"), BAD_REQUEST),
    REFUSED("letter", VERSION("HTTP/1.x"), BAD_REQUEST),
    REFUSED("other protocol", VERSION("ICAP/1.0"), BAD_REQUEST),
    REFUSED("HTTPS", VERSION("HTTPS/1.1"), BAD_REQUEST),
    REFUSED("TLS hello", RAW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), BAD_REQUEST),

    /* targets */
    TAKEN("query", TARGET("/a?b=c&d"), "GET /a?b=c&d h none keep"),
    TAKEN("all allowed characters", TARGET("/aZ0-._~!$&'()*+,;=:@%41/?/?"),
          "GET /aZ0-._~!$&'()*+,;=:@%41/?/? h none keep"),
    TAKEN("two slashes", TARGET("//x"), "GET //x h none keep"),
    TAKEN("absolute-form", TARGET("http://a.example/p?q"), "GET /p?q a.example none keep"),
    TAKEN("absolute-form, https and port", TARGET("https://a.example:8443/p"),
          "GET /p a.example:8443 none keep"),
    TAKEN("absolute-form, upper case", TARGET("HTTP://A.Example/p"), "GET /p A.Example none keep"),
    TAKEN("absolute-form without a path", TARGET("http://a.example"), "GET / a.example none keep"),
    TAKEN("absolute-form, empty port", TARGET("http://a.example:/"), "GET / a.example: none keep"),
    TAKEN("absolute-form, IPv6", TARGET("http://[::1]:80/p"), "GET /p [::1]:80 none keep"),
    TAKEN("OPTIONS *", LINE("OPTIONS * HTTP/1.1"), "OPTIONS * h none keep"),
    TAKEN("OPTIONS of a path", LINE("OPTIONS /x HTTP/1.1"), "OPTIONS /x h none keep"),
    TAKEN("OPTIONS, absolute-form without a path", LINE("OPTIONS http://a.example HTTP/1.1"),
          "OPTIONS * a.example none keep"),
    TAKEN("OPTIONS, absolute-form with a path", LINE("OPTIONS http://a.example/ HTTP/1.1"),
          "OPTIONS / a.example none keep"),
    REFUSED("GET *", TARGET("*"), BAD_REQUEST),
    REFUSED("OPTIONS **", LINE("OPTIONS ** HTTP/1.1"), BAD_REQUEST),
    REFUSED("OPTIONS *?a", LINE("OPTIONS *?a HTTP/1.1"), BAD_REQUEST),
    REFUSED("authority-form", TARGET("h:80"), BAD_REQUEST),
    REFUSED("relative path", TARGET("x/y"), BAD_REQUEST),
    REFUSED("query alone", TARGET("?x"), BAD_REQUEST),
    REFUSED("fragment", TARGET("/x#y"), BAD_REQUEST),
    REFUSED("other scheme", TARGET("ftp://a.example/"), BAD_REQUEST),
    REFUSED("scheme without slashes", TARGET("http:/x"), BAD_REQUEST),
    REFUSED("absolute-form without a host", TARGET("http:///x"), BAD_REQUEST),
    REFUSED("absolute-form, port only", TARGET("http://:80/x"), BAD_REQUEST),
    REFUSED("absolute-form, user", TARGET("http://u@a.example/"), BAD_REQUEST),
    REFUSED("absolute-form, user and password", TARGET("http://u:p@a.example/"), BAD_REQUEST),
    REFUSED("absolute-form, query without a path", TARGET("http://a.example?q"), BAD_REQUEST),
    REFUSED("absolute-form, port too high", TARGET("http://a.example:65536/"), BAD_REQUEST),
    REFUSED("absolute-form, broken IPv6", TARGET("http://[::1/p"), BAD_REQUEST),
    REFUSED("absolute-form, bracket in the path", TARGET("http://a.example/[x]"), BAD_REQUEST),
    REFUSED("absolute-form, backslash", TARGET("http://a.example\\@b/"), BAD_REQUEST),
    REFUSED("backslash", TARGET("/a\\b"), BAD_REQUEST),
    REFUSED("quote", TARGET("/a\"b"), BAD_REQUEST),
    REFUSED("angle brackets", TARGET("/<a>"), BAD_REQUEST),
    REFUSED("braces", TARGET("/{a}"), BAD_REQUEST),
    REFUSED("pipe in the query", TARGET("/?a|b"), BAD_REQUEST),
    REFUSED("8-bit bytes", TARGET("/\xc3\xa4"), BAD_REQUEST),
    REFUSED("NUL in the target", TARGET("/a\0b"), BAD_REQUEST),
    REFUSED("DEL in the target", TARGET("/a\x7f"), BAD_REQUEST),
    REFUSED("tab in the target", TARGET("/a\tb"), BAD_REQUEST),

    /* Host */
    TAKEN("port", HOST("Host: h:8080\r\n"), "GET /x h:8080 none keep"),
    TAKEN("empty port", HOST("Host: h:\r\n"), "GET /x h: none keep"),
    TAKEN("highest port", HOST("Host: h:65535\r\n"), "GET /x h:65535 none keep"),
    TAKEN("IPv4", HOST("Host: 127.0.0.1\r\n"), "GET /x 127.0.0.1 none keep"),
    TAKEN("IPv6", HOST("Host: [2001:db8::1]:1\r\n"), "GET /x [2001:db8::1]:1 none keep"),
    TAKEN("any case of the name", HOST("hOsT: h\r\n"), "GET /x h none keep"),
    TAKEN("blanks around", HOST("Host: \t h \t\r\n"), "GET /x h none keep"),
    TAKEN("no blank", HOST("Host:h\r\n"), "GET /x h none keep"),
    TAKEN("differs from absolute-form, which wins",
          RAW("GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n"),
          "GET /x a.example none keep"),
    TAKEN("1.0 without Host", RAW("GET /x HTTP/1.0\r\n\r\n"), "GET /x - none close"),
    REFUSED("missing", HOST(""), BAD_REQUEST),
    REFUSED("missing beside other fields", HOST("Accept: */*\r\n"), BAD_REQUEST),
    REFUSED("missing beside absolute-form", RAW("GET http://a/ HTTP/1.1\r\n\r\n"), BAD_REQUEST),
    REFUSED("twice, different", HOST("Host: a\r\nHost: b\r\n"), BAD_REQUEST),
    REFUSED("twice, the same", HOST("Host: a\r\nHost: a\r\n"), BAD_REQUEST),
    REFUSED("twice, other case", HOST("Host: a\r\nhost: a\r\n"), BAD_REQUEST),
    REFUSED("twice on 1.0", RAW("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), BAD_REQUEST),
    REFUSED("empty", HOST("Host:\r\n"), BAD_REQUEST),
    REFUSED("blanks only", HOST("Host: \t\r\n"), BAD_REQUEST),
    REFUSED("empty on 1.0", RAW("GET / HTTP/1.0\r\nHost:\r\n\r\n"), BAD_REQUEST),
    REFUSED("list", HOST("Host: a, b\r\n"), BAD_REQUEST),
    TAKEN("sub-delims", HOST("Host: 0.0.0.0=5000\r\n"), "GET /x 0.0.0.0=5000 none keep"),
    TAKEN("every sub-delim", HOST("Host: !$&'()*+,;=:80\r\n"), "GET /x !$&'()*+,;=:80 none keep"),
    REFUSED("gen-delim", HOST("Host: a#b\r\n"), BAD_REQUEST),
    REFUSED("quote", HOST("Host: a\"b\r\n"), BAD_REQUEST),
    REFUSED("blank inside", HOST("Host: a b\r\n"), BAD_REQUEST),
    REFUSED("user", HOST("Host: u@h\r\n"), BAD_REQUEST),
    REFUSED("path", HOST("Host: h/x\r\n"), BAD_REQUEST),
    REFUSED("scheme", HOST("Host: http://h\r\n"), BAD_REQUEST),
    REFUSED("port with letters", HOST("Host: h:8a\r\n"), BAD_REQUEST),
    REFUSED("port with a sign", HOST("Host: h:+80\r\n"), BAD_REQUEST),
    REFUSED("port zero", HOST("Host: h:0\r\n"), BAD_REQUEST),
    REFUSED("port too high", HOST("Host: h:65536\r\n"), BAD_REQUEST),
    REFUSED("two ports", HOST("Host: h:80:80\r\n"), BAD_REQUEST),
    REFUSED("port only", HOST("Host: :80\r\n"), BAD_REQUEST),
    REFUSED("IPv6 without brackets", HOST("Host: ::1\r\n"), BAD_REQUEST),
    REFUSED("IPv6 not closed", HOST("Host: [::1\r\n"), BAD_REQUEST),
    REFUSED("IPv6 with a zone", HOST("Host: [fe80::1%25eth0]\r\n"), BAD_REQUEST),
    REFUSED("IPv6 followed by a name", HOST("Host: [::1]x\r\n"), BAD_REQUEST),
    REFUSED("IPv6 empty", HOST("Host: []\r\n"), BAD_REQUEST),
    REFUSED("IPv6 too long", HOST("Host: [1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]\r\n"),
            BAD_REQUEST),
    REFUSED("IPvFuture", HOST("Host: [v1.x]\r\n"), BAD_REQUEST),
    REFUSED("percent-encoding", HOST("Host: %68\r\n"), BAD_REQUEST),
    REFUSED("8-bit", HOST("Host: h\xc3\xa4\r\n"), BAD_REQUEST),
    REFUSED("malformed beside absolute-form", RAW("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
            BAD_REQUEST),

    /* Content-Length */
    TAKEN("length", POST("Content-Length: 5\r\n"), "POST /x h 5 keep"),
    TAKEN("length zero", POST("Content-Length: 0\r\n"), "POST /x h 0 keep"),
    TAKEN("length in any case", POST("cONTENT-lENGTH: 12\r\n"), "POST /x h 12 keep"),
    TAKEN("length with blanks", POST("Content-Length:\t 5 \t\r\n"), "POST /x h 5 keep"),
    TAKEN("length 2^32 - 1", POST("Content-Length: 4294967295\r\n"), "POST /x h 4294967295 keep"),
    TAKEN("length 2^32", POST("Content-Length: 4294967296\r\n"), "POST /x h 4294967296 keep"),
    TAKEN("length 2^32 + 1", POST("Content-Length: 4294967297\r\n"), "POST /x h 4294967297 keep"),
    TAKEN("largest length", POST("Content-Length: 9223372036854775807\r\n"),
          "POST /x h 9223372036854775807 keep"),
    TAKEN("GET with a body", WITH("Content-Length: 3\r\n"), "GET /x h 3 keep"),
    TAKEN("POST without a length", POST(""), "POST /x h none keep"),
    TAKEN("1.0 with a length", OLD("Content-Length: 3\r\n"), "POST /x - 3 close"),
    REFUSED("2^63", POST("Content-Length: 9223372036854775808\r\n"), BAD_REQUEST),
    REFUSED("2^64", POST("Content-Length: 18446744073709551616\r\n"), BAD_REQUEST),
    REFUSED("2^64 + 5", POST("Content-Length: 18446744073709551621\r\n"), BAD_REQUEST),
    REFUSED("20 digits", POST("Content-Length: 30000000000000000000\r\n"), BAD_REQUEST),
    REFUSED("many digits", POST("Content-Length: 99999999999999999999999999999999\r\n"),
            BAD_REQUEST),
    REFUSED("twice, different", POST("Content-Length: 5\r\nContent-Length: 6\r\n"), BAD_REQUEST),
    REFUSED("twice, the same", POST("Content-Length: 5\r\nContent-Length: 5\r\n"), BAD_REQUEST),
    REFUSED("twice, one empty", POST("Content-Length: 5\r\nContent-Length:\r\n"), BAD_REQUEST),
    REFUSED("list, different", POST("Content-Length: 5, 6\r\n"), BAD_REQUEST),
    REFUSED("list, the same", POST("Content-Length: 5, 5\r\n"), BAD_REQUEST),
    REFUSED("list of one", POST("Content-Length: 5,\r\n"), BAD_REQUEST),
    REFUSED("empty length", POST("Content-Length:\r\n"), BAD_REQUEST),
    REFUSED("blank length", POST("Content-Length:  \r\n"), BAD_REQUEST),
    REFUSED("plus", POST("Content-Length: +5\r\n"), BAD_REQUEST),
    REFUSED("minus", POST("Content-Length: -5\r\n"), BAD_REQUEST),
    REFUSED("minus zero", POST("Content-Length: -0\r\n"), BAD_REQUEST),
    REFUSED("hexadecimal", POST("Content-Length: 0x5\r\n"), BAD_REQUEST),
    TAKEN("leading zero", POST("Content-Length: 05\r\n"), "POST /x h 5 keep"),
    TAKEN("zeros", POST("Content-Length: 000\r\n"), "POST /x h 0 keep"),
    TAKEN("many zeros", POST("Content-Length: 000000000000000000000000000000000000000000007\r\n"),
          "POST /x h 7 keep"),
    REFUSED("zeros before 2^63", POST("Content-Length: 09223372036854775808\r\n"), BAD_REQUEST),
    REFUSED("zero and plus", POST("Content-Length: 0+5\r\n"), BAD_REQUEST),
    REFUSED("zero and letter", POST("Content-Length: 0x\r\n"), BAD_REQUEST),
    REFUSED("fraction", POST("Content-Length: 5.0\r\n"), BAD_REQUEST),
    REFUSED("exponent", POST("Content-Length: 5e1\r\n"), BAD_REQUEST),
    REFUSED("unit", POST("Content-Length: 5 bytes\r\n"), BAD_REQUEST),
    REFUSED("digits with a blank", POST("Content-Length: 1 0\r\n"), BAD_REQUEST),
    REFUSED("quoted length", POST("Content-Length: \"5\"\r\n"), BAD_REQUEST),
    REFUSED("8-bit digit", POST("Content-Length: \xb5\r\n"), BAD_REQUEST),

    /* Transfer-Encoding */
    TAKEN("chunked", POST("Transfer-Encoding: chunked\r\n"), "POST /x h chunked keep"),
    TAKEN("any case", POST("transfer-ENCODING: cHuNkEd\r\n"), "POST /x h chunked keep"),
    TAKEN("tab before the value", POST("Transfer-Encoding:\tchunked\r\n"),
          "POST /x h chunked keep"),
    TAKEN("blanks behind the value", POST("Transfer-Encoding: chunked \t\r\n"),
          "POST /x h chunked keep"),
    REFUSED("with a length", POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            BAD_REQUEST),
    REFUSED("with a length behind it", POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            BAD_REQUEST),
    REFUSED("unknown coding with a length", POST("Transfer-Encoding: x\r\nContent-Length: 5\r\n"),
            BAD_REQUEST),
    REFUSED("twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            BAD_REQUEST),
    REFUSED("two lines, identity", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
            BAD_REQUEST),
    REFUSED("two lines, gzip", POST("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            BAD_REQUEST),
    REFUSED("list, chunked twice", POST("Transfer-Encoding: chunked, chunked\r\n"), BAD_REQUEST),
    REFUSED("gzip, chunked", POST("Transfer-Encoding: gzip, chunked\r\n"), NOT_IMPLEMENTED),
    REFUSED("identity, chunked", POST("Transfer-Encoding: identity,chunked\r\n"), NOT_IMPLEMENTED),
    REFUSED("chunked, gzip", POST("Transfer-Encoding: chunked, gzip\r\n"), BAD_REQUEST),
    REFUSED("chunked and a comma", POST("Transfer-Encoding: chunked,\r\n"), NOT_IMPLEMENTED),
    REFUSED("identity", POST("Transfer-Encoding: identity\r\n"), BAD_REQUEST),
    REFUSED("gzip", POST("Transfer-Encoding: gzip\r\n"), BAD_REQUEST),
    REFUSED("empty coding", POST("Transfer-Encoding:\r\n"), BAD_REQUEST),
    REFUSED("prefix", POST("Transfer-Encoding: xchunked\r\n"), BAD_REQUEST),
    REFUSED("suffix", POST("Transfer-Encoding: chunkedx\r\n"), BAD_REQUEST),
    REFUSED("parameter", POST("Transfer-Encoding: chunked;a=b\r\n"), BAD_REQUEST),
    REFUSED("quoted", POST("Transfer-Encoding: \"chunked\"\r\n"), BAD_REQUEST),
    REFUSED("vertical tab", POST("Transfer-Encoding: \vchunked\r\n"), BAD_REQUEST),
    REFUSED("form feed behind", POST("Transfer-Encoding: chunked\f\r\n"), BAD_REQUEST),
    REFUSED("no-break space",
            POST("Transfer-Encoding: \xa0"
                 "chunked\r\n"),
            BAD_REQUEST),
    REFUSED("NUL behind", POST("Transfer-Encoding: chunked\0\r\n"), BAD_REQUEST),
    REFUSED("folded coding", POST("Transfer-Encoding:\r\n chunked\r\n"), BAD_REQUEST),
    REFUSED("folded coding, tab", POST("Transfer-Encoding: x,\r\n\tchunked\r\n"), BAD_REQUEST),
    REFUSED("blank before the colon", POST("Transfer-Encoding : chunked\r\n"), BAD_REQUEST),
    REFUSED("1.0 with chunked", OLD("Transfer-Encoding: chunked\r\n"), BAD_REQUEST),
    REFUSED("bare CR before the name", POST("A: b\rTransfer-Encoding: chunked\r\n"), BAD_REQUEST),
    REFUSED("bare LF before the name", POST("A: b\nTransfer-Encoding: chunked\r\n"), BAD_REQUEST),

    /* fields */
    TAKEN("empty value", WITH("A:\r\n"), "GET /x h none keep"),
    TAKEN("tabs and 8-bit bytes in a value", WITH("A: b\tc \xc3\xa4\r\n"), "GET /x h none keep"),
    TAKEN("colons in a value", WITH("A: b: c:\r\n"), "GET /x h none keep"),
    TAKEN("all token characters", WITH("!#$%&'*+-.^_`|~0aZ: b\r\n"), "GET /x h none keep"),
    TAKEN("long value without controls", WITH("A: 0123456789abcdef0123456789abcdef0123456789\r\n"),
          "GET /x h none keep"),
    REFUSED("blank before the colon of a field", WITH("A : b\r\n"), BAD_REQUEST),
    REFUSED("tab before the colon of a field", WITH("A\t: b\r\n"), BAD_REQUEST),
    REFUSED("blank before the first field", HOST(" Host: h\r\n"), BAD_REQUEST),
    REFUSED("tab before the first field", HOST("\tHost: h\r\nHost: h\r\n"), BAD_REQUEST),
    REFUSED("folded with a blank", WITH("A: b\r\n c\r\n"), BAD_REQUEST),
    REFUSED("folded with a tab", WITH("A: b\r\n\tc\r\n"), BAD_REQUEST),
    REFUSED("folded, blank line", WITH("A: b\r\n \r\n"), BAD_REQUEST),
    REFUSED("folded to a field", WITH("A: b\r\n Content-Length: 5\r\n"), BAD_REQUEST),
    REFUSED("no colon", WITH("A\r\n"), BAD_REQUEST),
    REFUSED("no name", WITH(": b\r\n"), BAD_REQUEST),
    REFUSED("blank in a name", WITH("A b: c\r\n"), BAD_REQUEST),
    REFUSED("slash in a name", WITH("A/b: c\r\n"), BAD_REQUEST),
    REFUSED("parenthesis in a name", WITH("A(b): c\r\n"), BAD_REQUEST),
    REFUSED("8-bit byte in a name", WITH("A\xe4: c\r\n"), BAD_REQUEST),
    REFUSED("NUL in a name", WITH("A\0: c\r\n"), BAD_REQUEST),
    REFUSED("DEL in a name", WITH("A\x7f: c\r\n"), BAD_REQUEST),
    REFUSED("NUL in a value", WITH("A: b\0c\r\n"), BAD_REQUEST),
    REFUSED("DEL in a value", WITH("A: b\x7f\r\n"), BAD_REQUEST),
    REFUSED("escape in a long value",
            WITH("A: 0123456789abcdef0123456789\x1b"
                 "0123456789\r\n"),
            BAD_REQUEST),
    REFUSED("control 1", WITH("A: \x01\r\n"), BAD_REQUEST),
    REFUSED("backspace", WITH("A: a\b\r\n"), BAD_REQUEST),
    REFUSED("control 31 behind a tab", WITH("A: a\taaaaaaaaaaaaaaaa\x1f\r\n"), BAD_REQUEST),
    REFUSED("bare CR in a value", WITH("A: b\rc\r\n"), BAD_REQUEST),
    REFUSED("CR CR LF", WITH("A: b\r\r\n"), BAD_REQUEST),
    REFUSED("bare LF in a value", WITH("A: b\nC: d\r\n"), BAD_REQUEST),
    REFUSED("bare CR as a line", WITH("\rA: b\r\n"), BAD_REQUEST),
    REFUSED("bare LF as the empty line", RAW("GET /x HTTP/1.1\r\nHost: h\r\n\n"), BAD_REQUEST),
    REFUSED("bare LF everywhere", RAW("GET /x HTTP/1.1\nHost: h\n\n"), BAD_REQUEST),
    REFUSED("request in place of a field", WITH("GET / HTTP/1.1\r\n"), BAD_REQUEST),

    /* Connection */
    TAKEN("close", WITH("Connection: close\r\n"), "GET /x h none close"),
    TAKEN("CLOSE", WITH("Connection: CLOSE\r\n"), "GET /x h none close"),
    TAKEN("keep-alive", WITH("Connection: keep-alive\r\n"), "GET /x h none keep"),
    TAKEN("close in a list", WITH("Connection: te , close\r\n"), "GET /x h none close"),
    TAKEN("close beside keep-alive", WITH("Connection: keep-alive, close\r\n"),
          "GET /x h none close"),
    TAKEN("close in the second field", WITH("Connection: te\r\nConnection: close\r\n"),
          "GET /x h none close"),
    TAKEN("empty elements", WITH("Connection: ,,close,\r\n"), "GET /x h none close"),
    TAKEN("empty field", WITH("Connection:\r\n"), "GET /x h none keep"),
    TAKEN("a longer word is not close", WITH("Connection: closed\r\n"), "GET /x h none keep"),
    TAKEN("1.0 keep-alive", OLD("Connection: Keep-Alive\r\n"), "POST /x - none keep"),
    TAKEN("1.0 keep-alive and close", OLD("Connection: keep-alive, close\r\n"),
          "POST /x - none close"),
    TAKEN("1.0 with other options", OLD("Connection: te\r\n"), "POST /x - none close"),
    TAKEN("64 options", WITH("Connection: " OPTIONS "te\r\n"), "GET /x h none keep"),
    REFUSED("65 options", WITH("Connection: " OPTIONS "te,te\r\n"), BAD_REQUEST),
    REFUSED("65 options in two fields", WITH("Connection: " OPTIONS "te\r\nConnection: te\r\n"),
            BAD_REQUEST),
    REFUSED("65 empty options", WITH("Connection: " EMPTY EMPTY EMPTY EMPTY "\r\n"), BAD_REQUEST),
    REFUSED("malformed option", WITH("Connection: clo se\r\n"), BAD_REQUEST),
    REFUSED("option with a parameter", WITH("Connection: close;q=1\r\n"), BAD_REQUEST),
    REFUSED("names Host", WITH("Connection: host\r\n"), BAD_REQUEST),
    REFUSED("names Content-Length", WITH("Connection: close, content-length\r\n"), BAD_REQUEST),

    /* Expect, Upgrade */
    TAKEN("expect", POST("Content-Length: 5\r\nExpect: 100-continue\r\n"),
          "POST /x h 5 keep expect"),
    TAKEN("expect in any case", POST("Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"),
          "POST /x h chunked keep expect"),
    TAKEN("expect without a body", POST("Expect: 100-continue\r\n"), "POST /x h none keep"),
    TAKEN("expect with an empty body", POST("Content-Length: 0\r\nExpect: 100-continue\r\n"),
          "POST /x h 0 keep"),
    TAKEN("expect on 1.0", OLD("Content-Length: 5\r\nExpect: 100-continue\r\n"),
          "POST /x - 5 close"),
    REFUSED("other expectation", POST("Expect: 200-ok\r\n"), EXPECTATION),
    REFUSED("empty expectation", POST("Expect:\r\n"), EXPECTATION),
    REFUSED("expectation with more", POST("Expect: 100-continue, x\r\n"), EXPECTATION),
    REFUSED("expectation with a parameter", POST("Expect: 100-continue;a\r\n"), EXPECTATION),
    REFUSED("expectation twice", POST("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
            EXPECTATION),
    TAKEN("upgrade", WITH("Connection: upgrade\r\nUpgrade: websocket\r\n"), "GET /x h none keep"),
    TAKEN("upgrade to h2c", WITH("Upgrade: h2c\r\nHTTP2-Settings: x\r\n"), "GET /x h none keep"),
};

static void describe(const struct tg_request_head *head, char *out, size_t cap)
{
    char framing[32] = "none";

    if (head->framing == TG_FRAMING_CHUNKED)
        (void)snprintf(framing, sizeof(framing), "chunked");
    else if (head->framing == TG_FRAMING_LENGTH)
        (void)snprintf(framing, sizeof(framing), "%llu", (unsigned long long)head->length);
    (void)snprintf(out, cap, "%.*s %.*s %.*s %s %s%s", TG_STR_ARG(head->method),
                   TG_STR_ARG(head->target), head->authority.n > 0 ? (int)head->authority.n : 1,
                   head->authority.n > 0 ? head->authority.p : "-", framing,
                   head->keep_alive ? "keep" : "close", head->expect_continue ? " expect" : "");
}

static enum tg_parse parse(struct tg_str in, const struct tg_request_head_limits *limits,
                           struct tg_request_head *head, size_t *used, enum tg_error *error)
{
    const char *why = NULL;
    size_t scanned = 0;
    enum tg_parse result = tg_request_head_parse(in, limits, &scanned, head, used, error, &why);

    if (result == TG_PARSE_BAD)
        assert_non_null(why);
    return result;
}

static void every_case(void **state)
{
    static struct tg_request_head head;
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct head_case *c = &cases[i];
        enum tg_error error = TG_E_DONE;
        char text[256] = "";
        size_t used = 0;
        enum tg_parse result = parse(c->in, &usual, &head, &used, &error);
        bool good;

        if (result == TG_PARSE_DONE)
            describe(&head, text, sizeof(text));
        good = c->error == TG_E_DONE
                   ? result == TG_PARSE_DONE && used == c->in.n && strcmp(text, c->what) == 0
                   : result == TG_PARSE_BAD && error == c->error;
        if (!good)
            print_error("%zu \"%s\": result %d, error %s, \"%s\"\n", i, c->name, (int)result,
                        tg_error_info(error)->word, text);
        wrong += !good;
    }
    assert_int_equal(wrong, 0);
}

/* Whatever arrives in pieces ends as it does in one piece, and never earlier with DONE. */
static void every_case_byte_by_byte(void **state)
{
    static struct tg_request_head head;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct head_case *c = &cases[i];
        enum tg_parse result = TG_PARSE_MORE;
        enum tg_error error = TG_E_DONE;
        const char *why = NULL;
        size_t scanned = 0;
        size_t used = 0;
        size_t n;

        for (n = 0; n < c->in.n && result == TG_PARSE_MORE; n++) {
            char *copy = malloc(n + 1); /* exact size: a read behind it is seen by ASan */

            assert_non_null(copy);
            memcpy(copy, c->in.p, n + 1);
            result = tg_request_head_parse((struct tg_str){copy, n + 1}, &usual, &scanned, &head,
                                           &used, &error, &why);
            free(copy);
        }
        if (c->error == TG_E_DONE)
            assert_true(result == TG_PARSE_DONE && n == c->in.n && used == n);
        else if (result != TG_PARSE_BAD)
            fail_msg("%zu \"%s\" byte by byte: %d", i, c->name, (int)result);
    }
}

static const struct tg_str long_head =
    RAW("\r\nPUT /v1/p/training-job-configs/c?x=1 HTTP/1.1\r\nHost: api.example:443\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\nExpect: 100-continue\r\n"
        "Connection: keep-alive\r\nAccept: */*\r\n\r\n{\"a\":1}GET / HTTP/1.1\r\n\r\n");

static void every_split_in_two(void **state)
{
    static struct tg_request_head head;
    const size_t end =
        (size_t)((const char *)memmem(long_head.p, long_head.n, "\r\n\r\n{", 5) - long_head.p) + 4;

    (void)state;
    for (size_t cut = 0; cut < long_head.n; cut++) {
        enum tg_error error = TG_E_DONE;
        const char *why = NULL;
        size_t scanned = 0;
        size_t used = 0;
        enum tg_parse result = tg_request_head_parse((struct tg_str){long_head.p, cut}, &usual,
                                                     &scanned, &head, &used, &error, &why);

        assert_int_equal(result, cut < end ? TG_PARSE_MORE : TG_PARSE_DONE);
        if (result == TG_PARSE_MORE)
            result = tg_request_head_parse(long_head, &usual, &scanned, &head, &used, &error, &why);
        assert_int_equal(result, TG_PARSE_DONE);
        assert_int_equal(used, end);
        assert_int_equal(head.nfields, 6);
        assert_true(tg_str_eq(head.fields[5].value, TG_STR("*/*")));
        assert_true(head.expect_continue && head.length == 7);
    }
}

/* What can never become good is refused before its end comes. */
static void early_refusals(void **state)
{
    static const struct {
        struct tg_str in;
        enum tg_error error; /* TG_E_DONE: MORE */
    } early[] = {
        {RAW("GET /\r\n"), TG_E_BAD_REQUEST},
        {RAW("GET / HTTP/2.0\r\n"), TG_E_VERSION},
        {RAW("BREW / HTTP/1.1\r\n"), TG_E_NOT_IMPLEMENTED},
        {RAW("GET / HTTP/1.1\n"), TG_E_BAD_REQUEST},
        {RAW("GET / HTTP/1.1\rX"), TG_E_BAD_REQUEST},
        {RAW("GET / HTTP/1.1\r"), TG_E_DONE},
        {RAW("GET / HTTP/1.1\r\nA: \0"), TG_E_BAD_REQUEST},
        {RAW("GET / HTTP/1.1\r\nA: b\n"), TG_E_BAD_REQUEST},
        {RAW("GET / HTTP/1.1\r\nA: b\r\n"), TG_E_DONE},
        {RAW("\r\n\r\n\r\n\r\n"), TG_E_DONE},
        {RAW("\r\n\r\n\r\n\r\n\r\n"), TG_E_BAD_REQUEST},
        {RAW("\r"), TG_E_DONE},
        {RAW(""), TG_E_DONE},
        {{NULL, 0}, TG_E_DONE},
    };
    static struct tg_request_head head;

    (void)state;
    for (size_t i = 0; i < COUNT(early); i++) {
        enum tg_error error = TG_E_DONE;
        size_t used = 0;
        enum tg_parse result = parse(early[i].in, &usual, &head, &used, &error);

        assert_int_equal(result, early[i].error == TG_E_DONE ? TG_PARSE_MORE : TG_PARSE_BAD);
        assert_int_equal(error, early[i].error);
    }
}

static struct tg_request_head shared_head;

static enum tg_error verdict(struct tg_str in, const struct tg_request_head_limits *limits)
{
    enum tg_error error = TG_E_DONE;
    size_t used = 0;
    enum tg_parse result = parse(in, limits, &shared_head, &used, &error);

    assert_true(result == TG_PARSE_DONE || result == TG_PARSE_BAD);
    return error;
}

/* Verdict when the same bytes come one by one. */
static enum tg_error slow_verdict(struct tg_str in, const struct tg_request_head_limits *limits)
{
    enum tg_parse result = TG_PARSE_MORE;
    enum tg_error error = TG_E_DONE;
    const char *why = NULL;
    size_t scanned = 0;
    size_t used = 0;

    for (size_t n = 1; n <= in.n && result == TG_PARSE_MORE; n++)
        result = tg_request_head_parse((struct tg_str){in.p, n}, limits, &scanned, &shared_head,
                                       &used, &error, &why);
    assert_int_not_equal(result, TG_PARSE_MORE);
    return error;
}

/* Each limit is tried at its value and one beyond, in one piece and byte by byte. */
static void both_sides_of_each_limit(void **state)
{
    static const struct tg_str head =
        RAW("GET /123456789 HTTP/1.1\r\nHost: h\r\nLonger: 78901234567890\r\nA: b\r\n\r\n");
    static const struct {
        struct tg_request_head_limits limits;
        enum tg_error error;
    } limits[] = {
        {{66, 10, 22, 3}, TG_E_DONE},           {{65, 10, 22, 3}, TG_E_HEAD_TOO_LARGE},
        {{66, 9, 22, 3}, TG_E_URI_TOO_LONG},    {{66, 10, 21, 3}, TG_E_HEAD_TOO_LARGE},
        {{66, 10, 22, 2}, TG_E_HEAD_TOO_LARGE}, {{1, 10, 22, 3}, TG_E_HEAD_TOO_LARGE},
    };

    (void)state;
    assert_int_equal(head.n, 66);
    for (size_t i = 0; i < COUNT(limits); i++) {
        assert_int_equal(verdict(head, &limits[i].limits), limits[i].error);
        assert_int_equal(slow_verdict(head, &limits[i].limits), limits[i].error);
    }
}

/* A request line without an end is a long target, not a long head. */
static void endless_lines(void **state)
{
    enum { SIZE = 20000 };
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', SIZE);
    memcpy(text, "GET /", 5);
    assert_int_equal(verdict((struct tg_str){text, SIZE}, &usual), TG_E_URI_TOO_LONG);
    assert_int_equal(slow_verdict((struct tg_str){text, SIZE}, &usual), TG_E_URI_TOO_LONG);
    memcpy(text, "GET / HTTP/1.1\r\nA: b", 20);
    assert_int_equal(verdict((struct tg_str){text, SIZE}, &usual), TG_E_HEAD_TOO_LARGE);
    assert_int_equal(slow_verdict((struct tg_str){text, SIZE}, &usual), TG_E_HEAD_TOO_LARGE);
    free(text);
}

static void pipelined_requests(void **state)
{
    static const char one[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
    enum { MANY = 100 };
    char *text = malloc(MANY * sizeof(one));
    struct tg_str in = {text, 0};
    unsigned n = 0;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < MANY; i++, in.n += sizeof(one) - 1)
        memcpy(text + in.n, one, sizeof(one) - 1);
    while (in.n > 0) {
        enum tg_error error = TG_E_DONE;
        size_t used = 0;

        assert_int_equal(parse(in, &usual, &shared_head, &used, &error), TG_PARSE_DONE);
        assert_int_equal(used, sizeof(one) - 1);
        in = tg_str_skip(in, used);
        n++;
    }
    assert_int_equal(n, MANY);
    free(text);
}

static void hop_by_hop(void **state)
{
    static const struct {
        const char *name;
        const char *connection;
        bool drop;
    } fields[] = {
        {"Connection", "", true},
        {"keep-alive", "", true},
        {"TE", "", true},
        {"Trailer", "", true},
        {"Transfer-Encoding", "", true},
        {"UPGRADE", "", true},
        {"Proxy-Connection", "", true},
        {"Proxy-Authorization", "", true},
        {"proxy-authenticate", "", true},
        {"Proxy-", "", false},
        {"Proxy", "", false},
        {"X-Proxy-Connection", "", false},
        {"Trailers", "", false},
        {"Host", "close", false},
        {"X-A", "x-a", true},
        {"X-A", "close, X-A", true},
        {"X-A", "close,,\tx-a ,te", true},
        {"X-A", "x-ab, x", false},
        {"X-A", ",", false},
        {"Content-Type", "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++)
        if (tg_request_head_hop_by_hop(tg_str_of(fields[i].name),
                                       tg_str_of(fields[i].connection)) != fields[i].drop)
            fail_msg("%s with \"%s\"", fields[i].name, fields[i].connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),         cmocka_unit_test(every_case_byte_by_byte),
        cmocka_unit_test(every_split_in_two), cmocka_unit_test(early_refusals),
        cmocka_unit_test(pipelined_requests), cmocka_unit_test(both_sides_of_each_limit),
        cmocka_unit_test(endless_lines),      cmocka_unit_test(hop_by_hop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
